use psdf::dataflow;

dataflow! {
    flow Doubler { input numbers: u64; output doubled: u64 = numbers -> map(|n| n * 2); }
}

dataflow! {
    flow Outer {
        input n: String;
        d = Doubler(numbers = n);
        output out: u64 = d.doubled;
    }
}

fn main() {}
