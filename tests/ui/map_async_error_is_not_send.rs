use psdf::dataflow;
use std::error::Error;

async fn fetch(url: String) -> Result<String, Box<dyn Error>> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| fetch(url)) else skip;
        output pages: String;
    }
}

fn main() {}
