//! Prices in euros.

use std::fmt;

/// Thousandths of a euro, so that 0.908 times a whole price is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Euros(u64);

impl Euros {
    pub(crate) const fn whole(euros: u64) -> Euros {
        Euros(euros * 1000)
    }

    pub(crate) const fn of_dollars(price: u64) -> Euros {
        Euros(price * 908)
    }
}

impl fmt::Display for Euros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
