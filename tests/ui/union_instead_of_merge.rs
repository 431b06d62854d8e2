use psdf::dataflow;

dataflow! {
    flow Words {
        input words: String;
        input more: String;
        output all = union(words, more);
    }
}

fn main() {}
