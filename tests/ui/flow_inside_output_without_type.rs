use psdf::dataflow;

dataflow! {
    flow Doubler { input numbers: u64; output doubled = numbers -> map(|n| n * 2); }
}

dataflow! {
    flow Outer {
        input n: u64;
        output out: u64 = Doubler(numbers = n).doubled;
    }
}

fn main() {}
