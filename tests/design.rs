//! The program of the design, as a service would use it.

use psdf::{Timestamp, dataflow};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Visitor(String);

#[derive(Clone, Debug)]
pub struct Request {
    at: Timestamp,
    visitor: String,
    path: String,
    bytes: u64,
}

#[derive(Debug, PartialEq)]
pub struct BadLine(String);

impl Request {
    fn parse(line: String) -> Result<Request, BadLine> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [at, visitor, path, bytes] = fields[..] else { return Err(BadLine(line)) };
        match (at.parse(), bytes.parse()) {
            (Ok(at), Ok(bytes)) => Ok(Request {
                at: Timestamp::from_secs(at),
                visitor: visitor.into(),
                path: path.into(),
                bytes,
            }),
            _ => Err(BadLine(line)),
        }
    }

    fn is_page_view(&self) -> bool {
        !self.path.ends_with(".css")
    }

    fn visitor(&self) -> Visitor {
        Visitor(self.visitor.clone())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    path: String,
    views: u64,
    mean: f64,
}

impl Spike {
    fn new(hour: &web_traffic::Hourly, mean: f64) -> Spike {
        Spike { path: hour.path.clone(), views: hour.views, mean }
    }
}

dataflow! {
    /// Live traffic analytics for one web site.
    pub flow WebTraffic {
        /// How far above its own past a page's hour must be to count as a spike.
        param threshold: f64 = 3.0;

        /// Access-log lines in Common or Combined Log Format.
        input lines: String;

        // Collection: stateless. These become one loop and own nothing.
        requests = lines -> try_map(Request::parse) else malformed;
        views = requests
            -> event_time(|r| r.at, lateness 1 min)
            -> filter(Request::is_page_view);

        // Aggregation: stateful. Each of these gets a state struct.
        /// Views of each page in each hour.
        hourly = views
            -> key_by(path: String = |v| v.path.clone())
            -> tumbling(1 hour)
            -> aggregate { views: u64 = count(), bytes: u64 = sum(|v| v.bytes) };

        /// One visitor's page views with no gap of 30 minutes or more.
        visits = views
            -> key_by(visitor: Visitor = Request::visitor)
            -> session(30 min)
            -> aggregate { pages: u64 = count(), entry: String = first(|v| v.path.clone()) };

        // Analysis: here a node with state of its own.
        spikes = hourly
            -> key_by(path: String = |h| h.path.clone())
            -> stateful(Spike) {
                state { mean: f64 = 0.0, hours: u32 = 0 }
                keep 7 days;
                |state, hour, out| {
                    if state.hours >= 24 && hour.views as f64 > threshold * state.mean {
                        out.emit(Spike::new(&hour, state.mean));
                    }
                    state.hours += 1;
                    state.mean += (hour.views as f64 - state.mean) / f64::from(state.hours);
                }
            };

        output malformed;
        output hourly;
        output visits;
        output spikes;
    }
}

#[tokio::test]
async fn the_program_of_the_design_runs_in_a_service() {
    let traffic = WebTraffic { threshold: 3.0 }.spawn().unwrap();
    let lines = traffic.lines.clone();
    for hour in 0..30 {
        for view in 0..if hour == 27 { 9 } else { 1 } {
            lines.send(format!("{} ann /home {}", hour * 3600 + view, 10 + view)).await.unwrap();
        }
    }
    lines.send("nonsense".into()).await.unwrap();
    let unread = traffic.finish().await.unwrap();
    assert_eq!(unread.hourly.len(), 30);
    assert_eq!(unread.hourly[27].views, 9);
    assert_eq!(unread.hourly[27].bytes, 9 * 10 + 36);
    assert_eq!(unread.hourly[27].window.start, Timestamp::from_secs(27 * 3600));
    assert_eq!(unread.visits.len(), 30);
    assert_eq!(unread.visits[0].entry, "/home");
    assert_eq!(unread.spikes, [Spike { path: "/home".into(), views: 9, mean: 1.0 }]);
    let mut malformed = unread.malformed.typed::<BadLine>().unwrap();
    assert_eq!(malformed.next_now(), Some(BadLine("nonsense".into())));
}
