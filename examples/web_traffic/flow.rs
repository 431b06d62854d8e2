//! What the example is about: one flow from the lines of a log to everything that is told of a site's traffic.

use std::cmp::Reverse;
use std::time::Duration;

use psdf::{Timestamp, dataflow};

use crate::calendar::Day;
use crate::disorder::Disorder;
use crate::hours::{HourGaps, SiteHour};
use crate::line::Line;
use crate::request::{Reason, Reject, Request, Visitor};
use crate::session::Session;
use crate::size::Size;
use crate::spikes::{Baseline, Clue, Gate, PageSpike, Spike};
use crate::text::Text;

dataflow! {
    /// Views, sessions and spikes of one web site, from its access log.
    pub(crate) flow WebTraffic {
        /// How far behind the latest request a line may be and still count in its hour and its session.
        param max_delay: Duration = Duration::from_secs(12 * 3600);

        /// The log as it stands.
        input lines: Line;

        // Collection: stateless.

        requests: Request = lines -> try_map(Request::parse) else refused: Reject;

        /// Lines that somebody should look at.
        rejects = refused -> filter(Reject::is_fault);

        timed = requests -> event_time(|r| r.at, lateness max_delay);
        views = timed -> filter(Request::is_page_view);

        // What is known of the log as a whole, whatever its order.

        accepted = requests -> map(|_| None::<Reason>);
        unaccepted = refused -> map(|r| Some(r.reason));

        /// Every line of the log is counted once.
        line_counts = merge(accepted, unaccepted)
            -> key_by(site: () = |_| ())
            -> aggregate {
                lines: u64 = count(),
                parsed: u64 = sum(|refusal| u64::from(refusal.is_none())),
                blank: u64 = sum(|refusal| u64::from(*refusal == Some(Reason::Blank))),
                malformed: u64 = sum(|refusal| u64::from(*refusal == Some(Reason::Malformed))),
                bad_request: u64 = sum(|refusal| u64::from(*refusal == Some(Reason::BadRequest))),
            } keep forever;

        /// The first few lines refused for each reason.
        reject_samples = rejects
            -> key_by(reason: Reason = |r| r.reason)
            -> aggregate { samples: Vec<Reject> = top(3, by |r| Reverse(r.line)) } keep forever;

        totals = requests
            -> key_by(site: () = |_| ())
            -> aggregate {
                requests: u64 = count(),
                page_views: u64 = sum(|r| u64::from(r.is_page_view())),
                bytes: Size = sum(|r| r.bytes.clone()),
                first: Timestamp = min(|r| r.at),
                last: Timestamp = max(|r| r.at),
                hosts: u64 = distinct(|r| &r.visitor.host),
                visitors: u64 = distinct(|r| &r.visitor),
                paths: u64 = distinct(|r| &r.path),
                disorder: Disorder = fold(Disorder::default(), |disorder, r| disorder.observe(r.at)),
            } keep forever;

        statuses = requests
            -> key_by(status: u16 = |r| r.status)
            -> aggregate { requests: u64 = count() } keep forever;

        page_totals = views
            -> key_by(path: Text = |v| v.path.clone())
            -> aggregate { views: u64 = count() } keep forever;

        // Hours of the site.

        /// Views in the hours that had any request at all.
        busy_hours = timed
            -> key_by(site: () = |_| ())
            -> tumbling(1 hour) else late
            -> aggregate { views: u64 = sum(|r| u64::from(r.is_page_view())) };

        /// Every hour from the first to the last.
        hours = busy_hours
            -> key_by(site: () = |_| ())
            -> stateful(SiteHour) {
                state { gaps: HourGaps = HourGaps::default() } keep forever;
                |state, busy, out| {
                    for hour in state.gaps.fill(busy.window.start, busy.views) {
                        out.emit(hour);
                    }
                }
            };

        /// What each hour of the day is like.
        clock = hours
            -> key_by(hour: u8 = SiteHour::of_day)
            -> aggregate { views: u64 = sum(|h| h.views), days: u64 = count() } keep forever;

        spikes = hours
            -> key_by(site: () = |_| ())
            -> stateful(Spike) {
                state {
                    opening: Option<Timestamp> = None,
                    baseline: Baseline = Baseline::default(),
                } keep forever;
                |state, hour, out| {
                    let opening = *state.opening.get_or_insert(hour.start);
                    let spike = state.baseline.observe(hour.start, hour.views);
                    if let Some(spike) = spike.filter(|spike| spike.is_a_day_after(opening)) {
                        out.emit(spike);
                    }
                }
            };

        spike_count = spikes
            -> key_by(site: () = |_| ())
            -> aggregate { spikes: u64 = count() } keep forever;

        // Hours and days of each page.

        page_hours = views
            -> key_by(path: Text = |v| v.path.clone())
            -> tumbling(1 hour)
            -> aggregate { views: u64 = count() };

        page_hour_count = page_hours
            -> key_by(site: () = |_| ())
            -> aggregate { rows: u64 = count() } keep forever;

        page_days = page_hours
            -> key_by(path: Text = |hour| hour.path.clone())
            -> tumbling(1 day)
            -> aggregate { views: u64 = sum(|hour| hour.views) };

        top_pages = page_days
            -> key_by(site: () = |_| ())
            -> tumbling(1 day)
            -> aggregate {
                pages: Vec<web_traffic::PageDays> = top(10, by |page| (page.views, Reverse(page.path.clone()))),
            };

        /// Hours in which a page stood out from its own day before, if the log has a day before.
        candidates = page_hours
            -> key_by(path: Text = |hour| hour.path.clone())
            -> stateful(PageSpike) {
                // After a day without views nothing is left in a baseline that could be forgotten.
                state { baseline: Baseline = Baseline::default() } keep 2 days;
                |state, hour, out| {
                    if let Some(spike) = state.baseline.observe(hour.window.start, hour.views) {
                        out.emit(PageSpike { path: hour.path, spike });
                    }
                }
            };

        candidate_clues = candidates -> map(Clue::Candidate);
        hour_clues = hours -> map(|h| Clue::SiteHour(h.start));

        page_spikes = merge(candidate_clues, hour_clues)
            -> key_by(site: () = |_| ())
            -> stateful(PageSpike) {
                state { gate: Gate = Gate::default() } keep forever;
                |state, clue, out| {
                    for spike in state.gate.admit(clue) {
                        out.emit(spike);
                    }
                }
            };

        page_spike_count = page_spikes
            -> key_by(site: () = |_| ())
            -> aggregate { spikes: u64 = count() } keep forever;

        // Sessions. They belong to the day they start on, which may be long over when they end:
        // days are therefore running counts and not windows.

        visits = timed
            -> key_by(visitor: Visitor = |r| r.visitor.clone())
            -> session(30 min) else late_for_sessions
            -> aggregate {
                times: Vec<Timestamp> = collect(|r| r.at),
                page_views: u64 = sum(|r| u64::from(r.is_page_view())),
            };

        sessions: Session = visits -> map(|visit| Session::new(visit.visitor, visit.times, visit.page_views));

        session_totals = sessions
            -> key_by(site: () = |_| ())
            -> aggregate { sessions: u64 = count(), longest_gaps: u64 = sum(|s| s.longest_gaps) } keep forever;

        visitor_days = sessions
            -> key_by(day: Day = |s| Day::of(s.start), visitor: Visitor = |s| s.visitor.clone())
            -> aggregate { sessions: u64 = count() } keep forever;

        days = sessions
            -> key_by(day: Day = |s| Day::of(s.start))
            -> aggregate {
                sessions: u64 = count(),
                visitors: u64 = distinct(|s| &s.visitor),
                requests: u64 = sum(|s| s.requests),
                page_views: u64 = sum(|s| s.page_views),
                seconds: u64 = sum(|s| s.seconds()),
                single_requests: u64 = sum(|s| u64::from(s.requests == 1)),
            } keep forever;

        output rejects;
        output reject_samples;
        output line_counts;
        output totals;
        output statuses;
        output page_totals;
        output late;
        output late_for_sessions;
        output hours;
        output clock;
        output spikes;
        output spike_count;
        output page_hours;
        output page_hour_count;
        output top_pages;
        output page_spikes;
        output page_spike_count;
        output sessions;
        output session_totals;
        output visitor_days;
        output days;
    }
}
