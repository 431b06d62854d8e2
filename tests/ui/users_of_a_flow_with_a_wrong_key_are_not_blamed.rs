use psdf::dataflow;

dataflow! {
    flow Prices {
        input prices: f64;
        counts = prices -> key_by(price: f64 = |p| *p) -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

async fn use_it() {
    let mut flow = Prices.builder().shards(2).spawn().unwrap();
    flow.prices.send(0.5).await.unwrap();
    let count: prices::Counts = flow.counts.next().await.unwrap();
    println!("{} {} {:?}", count.price, count.n, count.clone());
    flow.finish().await.unwrap();
}

fn main() {
    drop(use_it());
}
