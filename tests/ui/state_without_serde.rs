use psdf::dataflow;

#[derive(Clone, Default)]
pub struct Mean { sum: f64, n: u64 }

dataflow! {
    flow Prices {
        input prices: (u64, f64);
        means = prices
            -> key_by(item: u64 = |p| p.0)
            -> stateful(f64) {
                state { mean: Mean = Mean::default() } keep forever;
                |state, price, out| {
                    state.mean.sum += price.1;
                    state.mean.n += 1;
                    out.emit(state.mean.sum / state.mean.n as f64);
                }
            };
        output means;
    }
}

fn main() {}
