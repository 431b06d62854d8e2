use psdf::dataflow;

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| fetch(url), concurency 4) else skip;
        output pages: String;
    }
}

fn main() {}
