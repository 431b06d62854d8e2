//! `#[migrate(from = Type, f)]`: what a stored field was, made into what it is declared to be now.

use super::fields;
use super::shape;
use super::value::{Unreadable, write_key};
use crate::panic::message;
use crate::record::StateData;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What makes of a value of the type that is stored one of the type that is declared now.
pub type Convert<From, To> = fn(From) -> To;

/// How the type that is stored is written.
#[must_use]
pub fn shape_of<From: StateData>(_: PhantomData<From>) -> String {
    shape::shape_of::<From>()
}

/// Reads the value that is stored, and writes what the user's closure makes of it.
///
/// # Errors
/// If the bytes are no value of the type that is said to be stored, or the closure panics.
pub fn migrate<From: StateData, To: StateData>(
    field: &str,
    stored: &[u8],
    convert: Convert<From, To>,
) -> Result<Vec<u8>, Unreadable> {
    let before = fields::whole(stored)?;
    let converted = catch_unwind(AssertUnwindSafe(|| {
        let mut bytes = Vec::new();
        write_key(&convert(before), &mut bytes);
        bytes
    }));
    converted.map_err(|panic| {
        Unreadable(format!(
            "what `#[migrate(..)]` does with the field `{field}` panicked: {}",
            message(&*panic)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_key(&value, &mut bytes);
        bytes
    }

    #[test]
    fn a_stored_value_becomes_one_of_the_new_type() {
        let converted = migrate("hours", &stored(300), |hours: u32| hours.to_string());
        let converted: Result<String, _> = converted.and_then(|bytes| fields::whole(&bytes));
        assert_eq!(converted, Ok("300".to_owned()));
    }

    #[test]
    fn bytes_of_another_type_are_an_error() {
        let converted = migrate("hours", &[0xFF], u64::from as fn(u32) -> u64);
        assert!(converted.is_err(), "{converted:?}");
    }

    #[test]
    fn a_panic_is_an_error_that_names_the_field() {
        let converted = migrate("hours", &stored(300), |hours: u32| u8::try_from(hours).expect("few hours"));
        let said = converted.expect_err("300 is no `u8`").to_string();
        assert!(said.contains("`hours` panicked: few hours"), "{said}");
    }
}
