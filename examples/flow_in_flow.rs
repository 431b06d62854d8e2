//! A flow inside a flow: cleaning and counting are declared once and used twice.

use psdf::{Timestamp, dataflow};

type Line = &'static str;

/// What a sensor measured, and when: a second.
#[derive(Clone, Debug)]
pub struct Reading {
    pub sensor: String,
    pub at: i64,
    pub celsius: f64,
}

fn parse(line: Line) -> Option<Reading> {
    let [sensor, at, celsius] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    Some(Reading { sensor: sensor.to_string(), at: at.parse().ok()?, celsius: celsius.parse().ok()? })
}

dataflow! {
    /// Readings that make sense, and their means by minute.
    pub flow Minutes {
        param limit: f64 = 100.0;
        input lines: Line;
        means = lines -> filter_map(parse) -> filter(|r| r.celsius < limit)
            -> event_time(|r| Timestamp::from_secs(r.at), lateness 10 s)
            -> key_by(sensor: String = |r| r.sensor.clone())
            -> tumbling(1 min)
            -> aggregate { celsius: f64 = mean(|r| r.celsius) };
        output means;
    }

    /// Two sites, of which one is a foundry; the hottest minute of each sensor.
    pub flow Sites {
        input office: Line;
        input foundry: Line;
        hot = Minutes { limit: 2000.0 }(lines = foundry);
        all = merge(hot.means, Minutes(lines = office).means);
        hottest = all
            -> key_by(sensor: String = |m| m.sensor.clone())
            -> aggregate { celsius: f64 = max(|m| m.celsius) } keep forever;
        output hottest;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sites, mut hand) = Sites.builder().inline()?;
    hand.block_on(sites.office.send_batch(vec![
        "desk 5 21",
        "desk 50 23",
        "desk 70 21.5",
        "broken",
        "desk 80 999",
    ]))?;
    hand.block_on(sites.foundry.send_batch(vec!["oven 10 999", "oven 20 1001", "oven 70 2500"]))?;
    let hottest = hand.block_on(sites.finish())?.hottest;
    let last = |sensor: &str| hottest.iter().rev().find(|h| h.sensor == sensor).map(|h| h.celsius);
    assert_eq!((last("desk"), last("oven")), (Some(22.0), Some(1000.0)));
    Ok(())
}
