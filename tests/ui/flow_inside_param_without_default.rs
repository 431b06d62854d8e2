use psdf::dataflow;

dataflow! {
    flow Adder { param more: u64; input numbers: u64; output sum: u64 = numbers -> map(|n| n + more); }
}

dataflow! {
    flow Outer {
        input n: u64;
        output out: u64 = Adder(numbers = n).sum;
    }
}

fn main() {}
