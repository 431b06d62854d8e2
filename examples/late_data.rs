//! What comes late: within the lateness, within what a window allows, and too late.

use psdf::{Timestamp, dataflow};

dataflow! {
    pub flow Readings {
        /// Meter, minute, value.
        input readings: (u32, i64, u64);

        hourly = readings
            -> event_time(|reading| Timestamp::from_secs(60 * reading.1), lateness 5 min)
            -> key_by(meter: u32 = |reading| reading.0)
            -> tumbling(1 hour) allow 1 hour else too_late
            -> aggregate { sum: u64 = sum(|reading| reading.2) };

        output hourly;
        output too_late;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut flow, mut hand) = Readings.builder().inline()?;
    let mut send = |flow: &mut readings::Handle, minute, value| -> Result<_, Box<dyn std::error::Error>> {
        flow.readings.try_send((1, minute, value))?;
        hand.run();
        Ok(flow.hourly.next_now().map(|hour| (hour.window.start.as_secs() / 3600, hour.sum)))
    };
    assert_eq!(send(&mut flow, 59, 10)?, None);
    assert_eq!(send(&mut flow, 64, 1)?, None); // the watermark is at minute 59
    assert_eq!(send(&mut flow, 30, 5)?, None); // behind it, but its hour is open
    assert_eq!(send(&mut flow, 65, 1)?, Some((0, 15))); // the watermark is at one hour, and the first has ended
    assert_eq!(send(&mut flow, 10, 7)?, Some((0, 22))); // late, and allowed: the hour fires again
    assert_eq!(send(&mut flow, 130, 1)?, Some((1, 2)));
    assert_eq!(send(&mut flow, 20, 9)?, None); // the first hour is closed for good
    let late = flow.too_late.next_now().ok_or("it is led out")?;
    println!("{:?} came {:?} behind the watermark", late.record, late.behind());
    assert_eq!((late.record, late.behind().as_secs()), ((1, 20, 9), 105 * 60));
    Ok(())
}
