use psdf::dataflow;

dataflow! {
    flow Outer {
        input n: u64;
        more = Outer(n = n);
        output out: u64 = more.out;
    }
}

fn main() {}
