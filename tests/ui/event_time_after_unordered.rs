use psdf::dataflow;

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input urls: String;
        pages = urls -> map_async(|url| fetch(url), unordered) else skip;
        hours = pages
            -> event_time(|page| psdf::Timestamp::from_secs(page.len() as i64), lateness 1 min)
            -> key_by(all: () = |_| ()) -> tumbling(1 hour) -> aggregate { n: u64 = count() };
        output hours;
    }
}

fn main() {}
