use psdf::dataflow;

dataflow! {
    flow Pairs<A: psdf::Record, B: psdf::Record> {
        input pairs: (A, B);
        output firsts: A = pairs -> map(|p| p.0);
    }

    flow Outer {
        input pairs: (u32, String);
        output firsts = Pairs::<u32, _>(pairs = pairs).firsts -> filter(|n| *n > 1);
    }
}

fn main() {}
