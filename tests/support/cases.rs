//! What property tests share.

use proptest::prelude::ProptestConfig;
use std::env;
use std::time::Duration;

/// So many cases, or `PSDF_TIMES` as many. A case that fails is shown, and kept as a test of its own.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let times: u32 =
        env::var("PSDF_TIMES").map_or(1, |times| times.parse().expect("`PSDF_TIMES` is a number"));
    ProptestConfig {
        cases: cases * times,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..ProptestConfig::default()
    }
}

pub(crate) fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.try_into().expect("durations are not negative"))
}
