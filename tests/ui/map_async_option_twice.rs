use psdf::dataflow;

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| fetch(url), retry 1, retry 2) else skip;
        output pages: String;
    }
}

fn main() {}
