use psdf::dataflow;

dataflow! {
    flow Pairs<T: psdf::Record + Clone> {
        input left: (u32, T);
        input right: (u32, u32);
        keyed = left -> key_by(id: u32 = |l| l.0);
        others = right -> key_by(id: u32 = |r| r.0);
        output pairs = keyed -> join(others) keep forever;
    }
}

fn main() {}
