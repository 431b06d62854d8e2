use psdf::dataflow;

dataflow! {
    flow Outer {
        input n: u64;
        output out: u64 = Doubler(numbers = n).doubled;
    }
}

fn main() {}
