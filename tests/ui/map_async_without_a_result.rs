use psdf::dataflow;

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| async move { url.len() }) else skip;
        output pages: usize;
    }
}

fn main() {}
