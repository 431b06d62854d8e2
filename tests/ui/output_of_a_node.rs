use psdf::dataflow;

dataflow! {
    flow Outer {
        input n: u64;
        more = n -> map(|n| n + 1);
        output out: u64 = more.doubled;
    }
}

fn main() {}
