use psdf::dataflow;

pub struct Bad;

fn parse(_: String) -> Result<u64, Bad> { Err(Bad) }

dataflow! {
    flow Words {
        input words: String;
        numbers = words -> try_map(parse) else fail;
        output numbers;
    }
}

fn main() {}
