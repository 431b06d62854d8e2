fn main() {
    let factor = 2;
    println!("{factor}");

    psdf::dataflow! {
        flow Numbers {
            input numbers: u64;
            output scaled: u64 = numbers -> map(|n| n * factor);
        }
    }
}
