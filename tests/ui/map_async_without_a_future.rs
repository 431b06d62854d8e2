use psdf::dataflow;

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| url.parse::<u64>()) else skip;
        output pages: u64;
    }
}

fn main() {}
