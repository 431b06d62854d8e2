#[derive(psdf::Row)]
enum Article {
    Draft,
    Written { id: u64 },
}

fn main() {}
