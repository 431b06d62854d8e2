use psdf::dataflow;

dataflow! {
    flow Last<T: Send> {
        input records: (u32, T);
        lists = records -> key_by(id: u32 = |r| r.0) -> stateful(u32) {
            state { seen: Option<T> = None } keep forever;
            |state, record, out| { state.seen = Some(record.1); out.emit(record.0); }
        };
        output lists;
    }
}

fn main() {}
