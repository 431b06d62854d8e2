use psdf::dataflow;

dataflow! {
    flow Lines<Handle: psdf::Record> {
        input lines: Handle;
        output all = lines -> filter(|_| true);
    }
}

fn main() {}
