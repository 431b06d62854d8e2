//! `count`, `sum`, `mean`.

use super::Aggregate;
use crate::record::StateData;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, SubAssign};

/// `count()`: the number of records. State: 8 bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Count(u64);

impl Aggregate for Count {
    type Input = ();
    type Output = u64;

    #[inline]
    fn add(&mut self, (): (), _: Timestamp) {
        self.0 += 1;
    }

    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn finish(self) -> u64 {
        self.0
    }

    fn retract(&mut self, (): ()) -> bool {
        self.0 -= 1;
        true
    }
}

/// `sum(f)`: the sum, from the type's default. State: one value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sum<T>(T);

impl<T: SubAssign> Sum<T> {
    /// Takes back what was added, of a type in which that is exact.
    pub fn take_back(&mut self, value: T) -> bool {
        self.0 -= value;
        true
    }
}

impl<T: StateData + Default + AddAssign> Aggregate for Sum<T> {
    type Input = T;
    type Output = T;

    #[inline]
    fn add(&mut self, value: T, _: Timestamp) {
        self.0 += value;
    }

    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    fn finish(self) -> T {
        self.0
    }
}

/// What `mean(f)` and `quantile(q, f)` can take: any number of the standard library's, as `f64`.
#[diagnostic::on_unimplemented(
    message = "`mean` and `quantile` cannot take a `{Self}`",
    label = "the closure of `mean` or `quantile` must return a number"
)]
pub trait MeanInput {
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

macro_rules! mean_input {
    ($($number:ty)*) => {
        $(#[diagnostic::do_not_recommend]
        impl MeanInput for $number {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}
mean_input!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64);

/// `mean(f)`: the arithmetic mean. State: 16 bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mean {
    sum: f64,
    count: u64,
}

impl Aggregate for Mean {
    type Input = f64;
    type Output = f64;

    #[inline]
    fn add(&mut self, value: f64, _: Timestamp) {
        self.sum += value;
        self.count += 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    #[allow(clippy::cast_precision_loss)]
    fn finish(self) -> f64 {
        self.sum / self.count as f64
    }
}
