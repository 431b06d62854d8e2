use psdf::dataflow;

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct User(u64);

dataflow! {
    flow Clicks {
        input ids: u64;
        counts = ids -> key_by(user: User = |id| User(*id)) -> aggregate { n: u64 = count() } keep forever;
        output counts;
    }
}

fn main() {}
