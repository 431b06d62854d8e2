//! What the fields of `aggregate` may be, by the functions that fill them.

use crate::record::StateData;
use crate::requirement::requirement;
use std::ops::AddAssign;

/// What `count`, `distinct` and `approx_distinct` make: `u64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold a count",
    label = "`count`, `distinct` and `approx_distinct` make a `u64`"
)]
pub trait Counted {
    /// See [`crate::requirement`].
    #[doc(hidden)]
    type Given<X>;

    /// See [`crate::requirement`].
    #[doc(hidden)]
    fn given<X>(x: X) -> Self::Given<X>;
}

#[diagnostic::do_not_recommend]
impl Counted for u64 {
    type Given<X> = X;

    #[inline(always)]
    fn given<X>(x: X) -> X {
        x
    }
}

/// What `mean` and `quantile` make: `f64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold a mean or a quantile",
    label = "`mean` and `quantile` make an `f64`"
)]
pub trait Averaged {
    /// See [`crate::requirement`].
    #[doc(hidden)]
    type Given<X>;

    /// See [`crate::requirement`].
    #[doc(hidden)]
    fn given<X>(x: X) -> Self::Given<X>;
}

#[diagnostic::do_not_recommend]
impl Averaged for f64 {
    type Given<X> = X;

    #[inline(always)]
    fn given<X>(x: X) -> X {
        x
    }
}

requirement! {
    /// What `sum` can add up.
    #[diagnostic::on_unimplemented(
        message = "`sum` cannot add up `{Self}`",
        label = "this must be a number, or else `Default + AddAssign`, `Clone + Send`, and serde's `Serialize + Deserialize`"
    )]
    Summed: StateData + Default + AddAssign
}

requirement! {
    /// What `min` and `max` can compare.
    #[diagnostic::on_unimplemented(
        message = "`min` and `max` cannot compare `{Self}`",
        label = "this must be `PartialOrd`, `Clone + Send`, and serde's `Serialize + Deserialize`"
    )]
    Compared: StateData + PartialOrd
}
