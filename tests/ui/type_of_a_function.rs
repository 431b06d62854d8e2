fn main() {
    struct Reading(u64);

    psdf::dataflow! {
        flow Numbers {
            input readings: Reading;
            output numbers: u64 = readings -> map(|reading| reading.0);
        }
    }
}
