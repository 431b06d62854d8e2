use psdf::dataflow;

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| async move { if url.is_empty() { Err(7u32) } else { Ok(url) } }) else fail;
        output pages: String;
    }
}

fn main() {}
