use psdf::dataflow;

pub struct Order(pub String);

async fn fetch(url: String) -> Result<String, String> {
    Ok(url)
}

dataflow! {
    flow Crawl {
        input orders: Order;
        pages = orders -> map_async(|order: Order| async move { fetch(order.0).await }, retry 3) else skip;
        output pages: String;
    }
}

fn main() {}
