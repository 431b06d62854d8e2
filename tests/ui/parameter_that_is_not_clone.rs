use psdf::dataflow;

dataflow! {
    flow Twice<T: psdf::Record> {
        input records: T;
        output one = records -> filter(|_| true);
        output other = records -> filter(|_| false);
    }
}

fn main() {}
