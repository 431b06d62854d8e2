use psdf::dataflow;

dataflow! {
    folw Words {
        input words: String;
        output copy = words;
    }

    flow Lines {
        input lines: String;
        output copy = lines;
    }
}

fn main() {
    drop((Words.spawn(), Lines.spawn()));
}
