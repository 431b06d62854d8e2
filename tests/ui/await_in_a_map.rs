use psdf::dataflow;

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map(|url| fetch(url).await);
        output pages: Result<String, String>;
    }
}

fn main() {}
