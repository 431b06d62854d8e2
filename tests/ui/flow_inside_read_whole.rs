use psdf::dataflow;

dataflow! {
    flow Doubler { input numbers: u64; output doubled: u64 = numbers -> map(|n| n * 2); }
}

dataflow! {
    flow Outer {
        input n: u64;
        d = Doubler(numbers = n);
        output out: u64 = d -> map(|n| n + 1);
    }
}

fn main() {}
