//! What a flow asks of its users' types, so that rustc can say what is missing in words of the flow, and say it once.
//!
//! A requirement is a trait with two implementations, of which one serves no type. Generated code asks for it as
//! `<T as IsKey<_>>::given(stages::running)(..)`: with two to choose from rustc looks at their bounds first, and where `T`
//! meets neither it chooses none. Then it has spoken of `T`, and the type of `given(..)` is unknown: so is that of all
//! that follows from it, and of what is unknown rustc complains no more. With one implementation it would be chosen
//! first and its bounds looked at later, here and at every other place that needs `T` to be a key.

use serde::{Serialize, de::DeserializeOwned};
use std::hash::Hash;
use std::ops::AddAssign;

/// The requirement is met.
#[derive(Debug)]
pub enum Met {}

/// The other implementation's answer, which no type gets.
#[derive(Debug)]
pub enum Unmet {}

/// No type is this.
pub trait Never:
    Hash + Ord + Clone + Default + AddAssign + Send + Sync + Serialize + DeserializeOwned + 'static
{
}

/// Declares a requirement: a trait that every type with these bounds implements.
///
/// They are no bounds of its own: of those rustc would say once more, at the same place, which part of a type lacks what.
macro_rules! requirement {
    ($(#[$attribute:meta])* $name:ident: $($bounds:tt)*) => {
        $(#[$attribute])*
        pub trait $name<How = $crate::requirement::Met>: Sized {
            /// `X`, if the type meets the requirement.
            #[doc(hidden)]
            type Given<X>;

            /// Asks for the requirement, and gives `x` back.
            #[doc(hidden)]
            fn given<X>(x: X) -> <Self as $name<How>>::Given<X>;

            /// Asks for the requirement of a value's type, and gives the value back.
            #[doc(hidden)]
            fn itself(self) -> <Self as $name<How>>::Given<Self>;
        }

        #[diagnostic::do_not_recommend]
        impl<T: $($bounds)*> $name for T {
            type Given<X> = X;

            #[inline(always)]
            fn given<X>(x: X) -> X {
                x
            }

            #[inline(always)]
            fn itself(self) -> T {
                self
            }
        }

        #[diagnostic::do_not_recommend]
        impl<T: $crate::requirement::Never> $name<$crate::requirement::Unmet> for T {
            type Given<X> = X;

            #[inline(always)]
            fn given<X>(x: X) -> X {
                x
            }

            #[inline(always)]
            fn itself(self) -> T {
                self
            }
        }
    };
}

pub(crate) use requirement;
