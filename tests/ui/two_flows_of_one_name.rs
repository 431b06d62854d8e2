use psdf::dataflow;

dataflow! {
    flow HttpLog {
        input lines: String;
        output copy = lines;
    }

    flow HTTPLog {
        input lines: String;
        output copy = lines;
    }
}

fn main() {
    drop((HttpLog, http_log::Handle::finish));
}
