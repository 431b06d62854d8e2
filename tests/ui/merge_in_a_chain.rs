use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        input more: String;
        output all = words -> merge(more);
    }
}

fn main() {}
