use psdf::dataflow;

dataflow! {
    flow Words {
        input control: String;
        output words = control;
    }
}

fn main() {}
