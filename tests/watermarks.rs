//! Watermarks, idle inputs, timers, and the edges of windows.

#[path = "support/cases.rs"]
mod cases;

use cases::{cases, micros};
use proptest::prelude::*;
use psdf::{Inline, Input, Late, Output, Timestamp, Window, dataflow};
use std::time::Duration;

/// The default of `idle_after`.
const SILENCE: Duration = Duration::from_secs(10);

dataflow! {
    /// Two inputs, each with a clock of its own, merged into windows.
    flow Merged {
        param lateness: Duration = Duration::ZERO;

        input left: i64;
        input right: i64;

        lefts = left -> event_time(|at| Timestamp(*at), lateness lateness);
        rights = right -> event_time(|at| Timestamp(*at), lateness lateness);
        windows = merge(lefts, rights)
            -> key_by(unit: () = |_| ())
            -> tumbling(10 us) else late
            -> aggregate { all: Vec<i64> = fold(Vec::new(), |all, at| all.push(*at)) };

        output windows;
        output late: Late<i64>;
    }
}

/// The windows that have fired since the last call: their starts and what is in them.
fn fired(inline: &mut Inline, windows: &mut Output<merged::Windows>) -> Vec<(i64, Vec<i64>)> {
    inline.run();
    std::iter::from_fn(|| windows.next_now()).map(|r| (r.window.start.0, r.all)).collect()
}

fn send(inline: &mut Inline, input: &Input<i64>, times: &[i64]) {
    inline.block_on(input.send_batch(times.to_vec())).expect("the flow takes them");
    inline.run();
}

#[test]
fn a_merged_stream_is_as_far_as_the_input_that_is_furthest_behind() {
    let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
    send(&mut inline, &flow.left, &[1, 50]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [], "nothing is known of the other yet");
    send(&mut inline, &flow.right, &[2]);
    assert_eq!(fired(&mut inline, &mut flow.windows), []);
    send(&mut inline, &flow.right, &[12]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1, 2])]);
    send(&mut inline, &flow.right, &[100]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(10, vec![12])]);
    send(&mut inline, &flow.left, &[200]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(50, vec![50])]);
    assert_eq!(flow.late.next_now(), None);
}

#[test]
fn an_input_that_has_ended_does_not_hold_back_the_others() {
    let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
    send(&mut inline, &flow.left, &[1, 50]);
    flow.right.close();
    assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1])]);
    send(&mut inline, &flow.left, &[60]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(50, vec![50])]);
    flow.left.close();
    assert_eq!(fired(&mut inline, &mut flow.windows), [(60, vec![60])]);
}

#[test]
fn an_input_that_is_idle_does_not_hold_back_the_others() {
    let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
    inline.run();
    inline.advance(SILENCE / 2);
    send(&mut inline, &flow.left, &[1, 50]);
    inline.advance(SILENCE / 2 - Duration::from_nanos(1));
    assert_eq!(fired(&mut inline, &mut flow.windows), []);
    inline.advance(Duration::from_nanos(1));
    assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1])]);
}

#[test]
fn an_input_that_speaks_again_holds_the_others_back_again() {
    let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
    send(&mut inline, &flow.left, &[1]);
    inline.advance(SILENCE);
    send(&mut inline, &flow.left, &[20]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1])]);
    send(&mut inline, &flow.right, &[21, 3]);
    let late: Vec<_> = std::iter::from_fn(|| flow.late.next_now()).map(|late| late.record).collect();
    assert_eq!(late, [3], "what was fired without it stays fired");
    send(&mut inline, &flow.left, &[100]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [], "the right one is at 21");
    send(&mut inline, &flow.right, &[35]);
    assert_eq!(fired(&mut inline, &mut flow.windows), [(20, vec![20, 21])]);
}

#[test]
fn when_all_inputs_are_idle_none_holds_back_another_whichever_was_first() {
    for right_is_first in [false, true] {
        let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
        send(&mut inline, &flow.left, &[1, 50]);
        send(&mut inline, &flow.right, &[2]);
        inline.advance(SILENCE / 2);
        let (again, at) = if right_is_first { (&flow.left, 50) } else { (&flow.right, 2) };
        send(&mut inline, again, &[at]);
        inline.advance(SILENCE / 2);
        inline.advance(SILENCE / 2);
        let all = if right_is_first { vec![1, 2] } else { vec![1, 2, 2] };
        assert_eq!(fired(&mut inline, &mut flow.windows), [(0, all)]);
    }
}

#[test]
fn an_idle_input_that_ends_lets_everything_fire() {
    let (mut flow, mut inline) = Merged::default().builder().inline().unwrap();
    send(&mut inline, &flow.left, &[1, 50]);
    inline.advance(SILENCE);
    flow.left.close();
    inline.run();
    flow.right.close();
    assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1]), (50, vec![50])]);
    inline.block_on(flow.finish()).unwrap();
}

#[test]
fn after_silence_what_is_late_still_never_depends_on_how_a_stream_is_cut() {
    for batch_limit in [1, 4, 100] {
        let flow = Merged::default().builder().batch_limit(batch_limit);
        let (mut flow, mut inline) = flow.inline().unwrap();
        flow.right.close();
        send(&mut inline, &flow.left, &[1]);
        inline.advance(SILENCE);
        // Two batches that are waiting together are one, and too large: it is cut again.
        for times in [[50, 2, 51], [3, 52, 4]] {
            inline.block_on(flow.left.send_batch(times.to_vec())).unwrap();
        }
        inline.run();
        let late: Vec<_> = std::iter::from_fn(|| flow.late.next_now()).map(|late| late.record).collect();
        assert_eq!(late, [2, 3, 4], "with batches of {batch_limit}");
        assert_eq!(fired(&mut inline, &mut flow.windows), [(0, vec![1])]);
    }
}

dataflow! {
    /// As `Merged`, where each stream goes over state, and so over every shard, before it is merged.
    flow MergedBehindState {
        param lateness: Duration = Duration::ZERO;

        input left: i64;
        input right: i64;

        lefts = left -> event_time(|at| Timestamp(*at), lateness lateness) -> key_by(at: i64 = |at| *at)
            -> stateful(i64) { state { unit: () = () } keep forever; |_state, at, out| { out.emit(at) } };
        rights = right -> event_time(|at| Timestamp(*at), lateness lateness) -> key_by(at: i64 = |at| *at)
            -> stateful(i64) { state { unit: () = () } keep forever; |_state, at, out| { out.emit(at) } };
        windows = merge(lefts, rights)
            -> key_by(unit: () = |_| ())
            -> tumbling(10 us) else late
            -> aggregate { all: Vec<i64> = fold(Vec::new(), |all, at| all.push(*at)) };

        output windows;
        output late: Late<i64>;
    }
}

/// What happens to `Merged`.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Send { right: bool, at: i64 },
    Wait(u32),
    Close { right: bool },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let send = (any::<bool>(), 0i64..100).prop_map(|(right, at)| Happening::Send { right, at });
    let wait = (1u32..11).prop_map(Happening::Wait);
    let close = any::<bool>().prop_map(|right| Happening::Close { right });
    prop::collection::vec(prop_oneof![12 => send, 6 => wait, 1 => close], 0..40)
}

/// A window that has fired: its start and what was in it.
type Fired = (i64, Vec<i64>);

/// An input as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Model {
    watermark: i64,
    spoke: u32,
    ended: bool,
}

/// Runs the model: the windows that fire, with what is in them, and the late records with the watermarks.
fn model(happenings: &[Happening], lateness: i64) -> (Vec<Fired>, Vec<(i64, i64)>) {
    let mut inputs = [Model { watermark: i64::MIN, spoke: 0, ended: false }; 2];
    let (mut now, mut watermark) = (0, i64::MIN);
    let (mut open, mut fired, mut late) =
        (std::collections::BTreeMap::<i64, Vec<i64>>::new(), vec![], vec![]);
    let finish = [Happening::Close { right: false }, Happening::Close { right: true }];
    for happening in happenings.iter().chain(&finish) {
        match *happening {
            Happening::Wait(seconds) => now += seconds,
            Happening::Close { right } => inputs[usize::from(right)].ended = true,
            Happening::Send { right, at } => {
                let input = &mut inputs[usize::from(right)];
                if input.ended {
                    continue;
                }
                input.spoke = now;
                let start = at.div_euclid(10) * 10;
                if start + 10 <= watermark {
                    late.push((at, watermark));
                } else {
                    open.entry(start).or_default().push(at);
                }
                input.watermark = input.watermark.max(at - lateness);
            }
        }
        let idle = |input: &&Model| now - input.spoke >= 10;
        let here: Vec<&Model> = inputs.iter().filter(|input| !input.ended).collect();
        let active = here.iter().filter(|input| !idle(input)).map(|input| input.watermark);
        let least = active.min().or(here.iter().map(|input| input.watermark).max()).unwrap_or(i64::MAX);
        watermark = watermark.max(least);
        while let Some(first) = open.first_entry().filter(|window| window.key() + 10 <= watermark) {
            fired.push(first.remove_entry());
        }
    }
    (fired, late)
}

/// Lets things happen to a flow, at rest after each, and compares what comes out with the model.
macro_rules! check_happenings {
    ($flow:expr, $happenings:expr, $lateness:expr) => {{
        let (mut flow, mut inline) = $flow.inline().unwrap();
        inline.run();
        let (mut windows, mut late) = (Vec::new(), Vec::new());
        for happening in $happenings {
            match *happening {
                Happening::Wait(seconds) => inline.advance(Duration::from_secs(seconds.into())),
                Happening::Close { right: false } => flow.left.close(),
                Happening::Close { right: true } => flow.right.close(),
                Happening::Send { right, at } => {
                    let _ = if right { flow.right.try_send(at) } else { flow.left.try_send(at) };
                }
            }
            inline.run();
            windows.extend(std::iter::from_fn(|| flow.windows.next_now()).map(|r| (r.window.start.0, r.all)));
            late.extend(
                std::iter::from_fn(|| flow.late.next_now()).map(|late| (late.record, late.watermark.0)),
            );
        }
        let unread = inline.block_on(flow.finish()).unwrap();
        windows.extend(unread.windows.into_iter().map(|r| (r.window.start.0, r.all)));
        let (expected, expected_late) = model($happenings, $lateness);
        prop_assert_eq!(late, expected_late);
        prop_assert_eq!(windows, expected);
    }};
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn idleness_follows_its_rules_whatever_happens(
        happenings in happenings(), lateness in 0i64..30, batch_limit in 1usize..4,
    ) {
        let flow = Merged { lateness: micros(lateness) }.builder().batch_limit(batch_limit);
        check_happenings!(flow, &happenings, lateness);
    }

    #[test]
    fn idleness_follows_its_rules_behind_state(
        happenings in happenings(), lateness in 0i64..30, batch_limit in 1usize..4, shards in 1usize..5,
    ) {
        let flow = MergedBehindState { lateness: micros(lateness) }.builder().batch_limit(batch_limit).shards(shards);
        check_happenings!(flow, &happenings, lateness);
    }
}

dataflow! {
    /// One of each, over bare times.
    flow Edges {
        param size: Duration = Duration::from_micros(10);
        param every: Duration = Duration::from_micros(4);

        input times: i64;

        keyed = times -> event_time(|at| Timestamp(*at), lateness 0 s) -> key_by(unit: () = |_| ());
        tumbled = keyed -> tumbling(size) -> aggregate { count: u64 = count() };
        hopped = keyed -> hopping(size, every every) -> aggregate { count: u64 = count() };
        sessions = keyed -> session(10 us) -> aggregate { count: u64 = count() };
        even = times -> event_time(|at| Timestamp(*at), lateness 0 s) -> filter(|at| at % 2 == 0)
            -> key_by(unit: () = |_| ());
        evens = even -> tumbling(10 us) -> aggregate { count: u64 = count() };

        output tumbled;
        output hopped;
        output sessions;
        output evens;
    }
}

type Counted = Vec<(i64, i64, u64)>;

/// The windows of each kind, as start, end and count: tumbling, hopping, sessions.
fn edges(flow: Edges, times: &[i64]) -> [Counted; 3] {
    let (flow, mut inline) = flow.builder().inline().expect("the settings are good");
    send(&mut inline, &flow.times, times);
    let unread = inline.block_on(flow.finish()).expect("the flow drains");
    let counted = |window: Window, count| (window.start.0, window.end.0, count);
    [
        unread.tumbled.into_iter().map(|r| counted(r.window, r.count)).collect(),
        unread.hopped.into_iter().map(|r| counted(r.window, r.count)).collect(),
        unread.sessions.into_iter().map(|r| counted(r.window, r.count)).collect(),
    ]
}

#[test]
fn a_record_at_the_end_of_a_window_belongs_to_the_next() {
    let [tumbled, ..] = edges(Edges::default(), &[0, 9, 10, 19, 20]);
    assert_eq!(tumbled, [(0, 10, 2), (10, 20, 2), (20, 30, 1)]);
}

#[test]
fn a_record_at_the_gap_of_a_session_belongs_to_it() {
    let [.., sessions] = edges(Edges::default(), &[0, 10, 20, 31]);
    assert_eq!(sessions, [(0, 30, 3), (31, 41, 1)]);
}

#[test]
fn hops_need_not_divide_the_size() {
    let [_, hopped, _] = edges(Edges::default(), &[9]);
    assert_eq!(hopped, [(0, 10, 1), (4, 14, 1), (8, 18, 1)]);
    let [_, hopped, _] = edges(Edges::default(), &[8]);
    assert_eq!(hopped, [(0, 10, 1), (4, 14, 1), (8, 18, 1)]);
    let [_, hopped, _] = edges(Edges::default(), &[10]);
    assert_eq!(hopped, [(4, 14, 1), (8, 18, 1)]);
}

#[test]
fn windows_before_the_epoch_are_like_those_after_it() {
    let [tumbled, hopped, sessions] = edges(Edges::default(), &[-21, -11, -10, -1, 0]);
    assert_eq!(tumbled, [(-30, -20, 1), (-20, -10, 1), (-10, 0, 2), (0, 10, 1)]);
    assert_eq!(sessions, [(-21, 10, 5)]);
    assert_eq!(hopped[0], (-28, -18, 1));
    assert_eq!(hopped.last(), Some(&(0, 10, 1)));
}

#[test]
fn a_time_at_either_end_of_the_range_is_a_time_like_others() {
    let (min, max) = (i64::MIN, i64::MAX);
    for at in [min, min + 1, min + 9, min + 10, max - 30, max - 20] {
        let outcome = edges(Edges::default(), &[at]);
        for windows in &outcome {
            assert!(
                windows.iter().all(|&(start, end, count)| start <= at && at < end && count == 1),
                "{outcome:?}"
            );
            assert!(!windows.is_empty(), "the record at {at} is lost: {outcome:?}");
        }
    }
}

#[test]
fn a_time_that_no_window_can_hold_is_counted_as_late() {
    for at in [i64::MAX - 10, i64::MAX - 1, i64::MAX] {
        let (flow, mut inline) = Edges::default().builder().inline().unwrap();
        send(&mut inline, &flow.times, &[5, at, 6]);
        let late = |node| flow.control.counts().into_iter().find(|counts| counts.node == node).unwrap().late;
        let late = [late("tumbled"), late("sessions")];
        let unread = inline.block_on(flow.finish()).unwrap();
        assert_eq!(unread.tumbled.iter().map(|r| r.count).sum::<u64>() + late[0], 3);
        assert_eq!(unread.sessions.iter().map(|r| r.count).sum::<u64>() + late[1], 3);
    }
}

#[test]
fn every_record_of_a_stream_at_the_beginning_of_time_is_counted_once() {
    let [tumbled, _, sessions] = edges(Edges::default(), &[i64::MIN, i64::MIN + 3, i64::MIN + 3]);
    assert_eq!(tumbled.iter().map(|(_, _, count)| count).sum::<u64>(), 3);
    assert_eq!(sessions.iter().map(|(_, _, count)| count).sum::<u64>(), 3);
}

#[test]
fn records_that_are_filtered_out_move_the_watermark_too() {
    let (mut flow, mut inline) = Edges::default().builder().inline().unwrap();
    send(&mut inline, &flow.times, &[2, 11]);
    assert_eq!(flow.evens.next_now().map(|r| r.count), Some(1));
}

#[test]
fn windows_as_wide_as_time_fire_at_the_end() {
    let flow = Edges { size: Duration::MAX, every: Duration::MAX };
    let [tumbled, hopped, _] = edges(flow, &[0, 5, 1_000_000]);
    assert_eq!(tumbled, [(0, i64::MAX, 3)]);
    assert_eq!(hopped, [(0, i64::MAX, 3)]);
}

dataflow! {
    /// Windows over the results of windows, and over those of sessions.
    flow Layered {
        input times: i64;

        keyed = times -> event_time(|at| Timestamp(*at), lateness 0 s) -> key_by(unit: () = |_| ());
        short = keyed -> tumbling(10 us) -> aggregate { count: u64 = count() };
        long = short -> key_by(unit: () = |_| ()) -> tumbling(20 us) else late
            -> aggregate { windows: u64 = count(), count: u64 = sum(|w| w.count) };
        parted = times -> event_time(|at| Timestamp(*at), lateness 1 us) -> key_by(parity: i64 = |at| at % 2);
        sessions = parted -> session(10 us) -> aggregate { count: u64 = count() };
        ended = sessions -> key_by(unit: () = |_| ()) -> tumbling(20 us) else late_sessions
            -> aggregate { sessions: u64 = count(), count: u64 = sum(|s| s.count) };

        output long;
        output late;
        output ended;
        output late_sessions;
    }
}

#[test]
fn windows_of_windows_hold_all_of_them() {
    let (mut flow, mut inline) = Layered.builder().inline().unwrap();
    send(&mut inline, &flow.times, &[0, 10, 19, 20]);
    assert_eq!(flow.long.next_now().map(|r| (r.windows, r.count)), Some((2, 3)));
    assert_eq!(inline.block_on(flow.finish()).unwrap().late, []);
}

#[test]
fn a_session_that_ends_where_a_window_does_is_counted_in_it() {
    let (flow, mut inline) = Layered.builder().inline().unwrap();
    // The session of the record at 10 ends at 20, and so does a window: the watermark comes to stand just there.
    send(&mut inline, &flow.times, &[10]);
    send(&mut inline, &flow.times, &[21]);
    send(&mut inline, &flow.times, &[100]);
    let unread = inline.block_on(flow.finish()).unwrap();
    assert_eq!(unread.late_sessions, []);
    let ended: Vec<_> = unread.ended.iter().map(|r| (r.window.start.0, r.count)).collect();
    assert_eq!(ended, [(0, 1), (20, 1), (100, 1)]);
}

dataflow! {
    /// Timers, as the records say.
    flow Timers {
        param keep_for: Duration = Duration::from_micros(10);

        input orders: Order;

        told = orders -> event_time(|o| Timestamp(o.at), lateness 0 s) -> key_by(key: u8 = |o| o.key) -> stateful(Told) {
            state { orders: u32 = 0, rounds: u32 = 0 } keep keep_for;
            |state, order, out| {
                state.orders += 1;
                for at in order.timers {
                    out.set_timer(Timestamp(at));
                }
                state.rounds = order.rounds;
                out.emit(Told { key: order.key, timer: None, time: out.time().0, orders: state.orders });
            }
            on timer |state, at, out| {
                if state.rounds > 0 {
                    state.rounds -= 1;
                    out.set_timer(at + Duration::from_micros(5));
                }
                out.emit(Told { key: *out.key(), timer: Some(at.0), time: out.time().0, orders: state.orders });
            }
        };

        output told: Told;
    }
}

/// Sets timers, and says how often a timer sets the next.
#[derive(Clone, Debug, Default)]
struct Order {
    at: i64,
    key: u8,
    timers: Vec<i64>,
    rounds: u32,
}

#[derive(Debug, PartialEq)]
struct Told {
    key: u8,
    timer: Option<i64>,
    time: i64,
    orders: u32,
}

/// A flow of timers, told one order at a time; answers the timers that fire.
struct Clockwork {
    flow: timers::Handle,
    inline: Inline,
}

impl Clockwork {
    fn new() -> Clockwork {
        let (flow, inline) = Timers::default().builder().inline().expect("the settings are good");
        Clockwork { flow, inline }
    }

    fn order(&mut self, order: Order) -> Vec<i64> {
        self.inline.block_on(self.flow.orders.send(order)).expect("the flow takes it");
        self.inline.run();
        timers_of(std::iter::from_fn(|| self.flow.told.next_now()))
    }

    fn at(&mut self, at: i64) -> Vec<i64> {
        self.order(Order { at, key: 255, ..Order::default() })
    }

    fn finish(mut self) -> Vec<i64> {
        timers_of(self.inline.block_on(self.flow.finish()).expect("the flow drains").told.into_iter())
    }
}

fn timers_of(told: impl Iterator<Item = Told>) -> Vec<i64> {
    told.filter_map(|told| told.timer).collect()
}

#[test]
fn a_timer_fires_when_the_watermark_reaches_it_and_no_sooner() {
    let mut clock = Clockwork::new();
    assert_eq!(clock.order(Order { at: 0, timers: vec![10, 20], ..Order::default() }), []);
    assert_eq!(clock.at(9), []);
    assert_eq!(clock.at(10), [10]);
    assert_eq!(clock.at(50), [20]);
    assert_eq!(clock.finish(), []);
}

#[test]
fn timers_fire_in_the_order_of_their_times_over_all_keys() {
    let mut clock = Clockwork::new();
    clock.order(Order { at: 0, key: 1, timers: vec![30, 10], ..Order::default() });
    clock.order(Order { at: 0, key: 2, timers: vec![20, 40], ..Order::default() });
    assert_eq!(clock.at(100), [10, 20, 30, 40]);
}

#[test]
fn a_timer_that_is_set_twice_fires_once() {
    let mut clock = Clockwork::new();
    clock.order(Order { at: 0, timers: vec![10, 10], ..Order::default() });
    clock.order(Order { at: 1, timers: vec![10], ..Order::default() });
    assert_eq!(clock.at(10), [10]);
    assert_eq!(clock.order(Order { at: 11, timers: vec![20], ..Order::default() }), []);
    assert_eq!(clock.at(20), [20]);
    assert_eq!(clock.finish(), []);
}

#[test]
fn a_timer_in_the_past_is_due_when_the_watermark_next_moves() {
    let mut clock = Clockwork::new();
    clock.at(100);
    assert_eq!(clock.order(Order { at: 100, timers: vec![5], ..Order::default() }), []);
    assert_eq!(clock.at(101), [5]);
}

#[test]
fn a_timer_can_set_the_next_one() {
    let mut clock = Clockwork::new();
    clock.order(Order { at: 0, timers: vec![10], rounds: 3, ..Order::default() });
    assert_eq!(clock.at(10), [10]);
    assert_eq!(clock.at(17), [15]);
    assert_eq!(clock.at(100), [20, 25], "one that is set in the past is due in the same move");
}

#[test]
fn all_timers_fire_at_the_end_and_those_they_set_do_not() {
    let mut clock = Clockwork::new();
    clock.order(Order { at: 0, key: 1, timers: vec![1_000_000, 10], rounds: u32::MAX });
    clock.order(Order { at: 0, key: 2, timers: vec![i64::MAX], rounds: u32::MAX });
    assert_eq!(clock.finish(), [10, 1_000_000, i64::MAX]);
}

#[test]
fn what_a_timer_emits_has_its_time() {
    let (flow, mut inline) = Timers::default().builder().inline().unwrap();
    inline.block_on(flow.orders.send(Order { at: 3, timers: vec![10], ..Order::default() })).unwrap();
    let told = inline.block_on(flow.finish()).unwrap().told;
    assert_eq!(
        told.iter().map(|told| (told.timer, told.time)).collect::<Vec<_>>(),
        [(None, 3), (Some(10), 10)]
    );
}

#[test]
fn a_key_with_a_timer_is_not_forgotten_before_it_has_fired() {
    let mut clock = Clockwork::new();
    clock.order(Order { at: 0, key: 1, timers: vec![1000], ..Order::default() });
    clock.order(Order { at: 0, key: 2, ..Order::default() });
    clock.at(500);
    let orders = |clock: &mut Clockwork, at, key| {
        clock.inline.block_on(clock.flow.orders.send(Order { at, key, ..Order::default() })).unwrap();
        clock.inline.run();
        clock.flow.told.next_now().unwrap().orders
    };
    assert_eq!(orders(&mut clock, 500, 1), 2, "its timer waits");
    assert_eq!(orders(&mut clock, 500, 2), 1, "it was forgotten after 10");
    assert_eq!(orders(&mut clock, 510, 2), 2, "just in time");
    clock.at(2000);
    assert_eq!(orders(&mut clock, 2000, 1), 1, "its timer has fired");
}

dataflow! {
    /// A time that is set behind state, and so on every shard.
    flow Retimed {
        input times: i64;

        counted = times -> key_by(group: i64 = |at| at.rem_euclid(7)) -> stateful(i64) {
            state { unit: () = () } keep forever;
            |_state, at, out| { out.emit(at) }
        };
        windows = counted
            -> event_time(|at| Timestamp(*at), lateness 0 s)
            -> key_by(unit: () = |_| ())
            -> tumbling(10 us) else late
            -> aggregate { count: u64 = count() };

        output windows;
        output late;
    }
}

#[test]
fn a_shard_without_records_does_not_hold_back_windows() {
    for shards in [1, 4] {
        let (mut flow, mut inline) = Retimed.builder().shards(shards).inline().unwrap();
        // All of one group: the other shards have nothing to do.
        send(&mut inline, &flow.times, &[0, 7, 14, 21]);
        assert_eq!(flow.windows.next_now().map(|r| r.count), Some(2), "with {shards} shards");
    }
}

#[test]
fn what_is_late_does_not_depend_on_shards_where_time_is_set_behind_state() {
    for shards in [1, 4] {
        let (flow, mut inline) = Retimed.builder().shards(shards).inline().unwrap();
        for at in [0, 100, 1, 102, 3, 104, 5, 6] {
            send(&mut inline, &flow.times, &[at]);
        }
        let unread = inline.block_on(flow.finish()).unwrap();
        let late: Vec<_> = unread.late.iter().map(|late| late.record).collect();
        assert_eq!(late, [1, 3, 5, 6], "with {shards} shards");
    }
}

#[test]
fn records_that_come_too_late_are_counted_where_they_have_no_name() {
    let (mut flow, mut inline) = Edges::default().builder().inline().unwrap();
    send(&mut inline, &flow.times, &[100, 1, 2, 103]);
    let late = |node| flow.control.counts().into_iter().find(|counts| counts.node == node).unwrap().late;
    assert_eq!(["tumbled", "hopped", "sessions", "evens"].map(late), [2, 2, 2, 1]);
    assert_eq!(flow.tumbled.next_now().map(|r| r.count), None);
}
