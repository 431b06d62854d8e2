use psdf::dataflow;

dataflow! {
    flow Paid {
        input orders: (u64, i64);
        keyed = orders -> key_by(id: u64 = |o| o.0);
        paid = keyed -> left_join(keyed, keep forever);
        output paid;
    }
}

fn main() {}
