use psdf::dataflow;

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| async move { fetch(url).await });
        output pages: String;
    }
}

fn main() {}
