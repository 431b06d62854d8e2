//! Durations: `30 s`, `5 min`, `1 hour`, `7 days`, `30s`, the name of a param.

use crate::ast::{Duration, DurationValue};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{Expr, LitInt, Token};

/// The units, in microseconds. None may begin with `e`: `1e` would be the beginning of a float.
const UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("secs", 1_000_000),
    ("second", 1_000_000),
    ("seconds", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("mins", 60_000_000),
    ("minute", 60_000_000),
    ("minutes", 60_000_000),
    ("h", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hours", 3_600_000_000),
    ("d", 86_400_000_000),
    ("day", 86_400_000_000),
    ("days", 86_400_000_000),
    ("week", 604_800_000_000),
    ("weeks", 604_800_000_000),
];

/// Words that may follow a duration, and so are not its unit.
const FOLLOWING: &[&str] = &["every", "allow", "keep", "lateness", "memory", "on"];

/// Reads a duration. A wrong unit is reported here, and a duration is given all the same.
pub(super) fn duration(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Duration> {
    if !input.peek(LitInt) {
        return param(input);
    }
    let number: LitInt = input.parse()?;
    if number.base10_digits().starts_with('-') {
        return Err(syn::Error::new(number.span(), "a duration cannot be negative"));
    }
    let Ok(count) = number.base10_parse::<u64>() else { return Err(too_long(&number)) };
    if input.peek(Token![*]) || input.peek(Token![+]) || input.peek(Token![/]) {
        let message = "a duration is one number with its unit; an expression of `std::time::Duration` stands in parentheses";
        return Err(syn::Error::new(input.span(), message));
    }
    let (unit, written) = if !number.suffix().is_empty() {
        (Some((number.suffix().to_string(), number.span())), number.to_string())
    } else if input.peek(syn::Ident) && !FOLLOWING.iter().any(|word| peek_word(input, word)) {
        let unit: Ident = input.parse()?;
        let written = format!("{number} {unit}");
        (Some((unit.to_string(), unit.span())), written)
    } else {
        (None, number.to_string())
    };
    let micros = match &unit {
        None => {
            let message = format!(
                "the duration `{number}` has no unit; write for example `{number} s`, `{number} min` or `{number} hours`"
            );
            errors.error(Code::Unit, &number, message);
            1
        }
        Some((unit, span)) => match UNITS.iter().find(|(name, _)| name == unit) {
            Some((_, micros)) => *micros,
            None => {
                let near = did_you_mean(unit, UNITS.iter().map(|(name, _)| *name));
                let message = format!(
                    "`{unit}` is not a unit of time{near} (units: us, ms, s, min, hours, days, weeks)"
                );
                errors.error_at(Code::Unit, *span, message);
                1
            }
        },
    };
    match count.checked_mul(micros).filter(|micros| i64::try_from(*micros).is_ok()) {
        Some(micros) => Ok(Duration { value: DurationValue::Micros(micros), written }),
        None => Err(too_long(&number)),
    }
}

fn too_long(number: &LitInt) -> syn::Error {
    syn::Error::new(number.span(), "this is longer than time itself: durations end at 292,000 years")
}

/// The name of a param, or an expression in parentheses.
fn param(input: ParseStream<'_>) -> syn::Result<Duration> {
    if input.peek(syn::LitFloat) {
        let message = "a duration is a whole number with its unit: write `90 min` for `1.5 hours`";
        return Err(syn::Error::new(input.span(), message));
    }
    if !input.peek(syn::Ident) && !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            input.span(),
            "expected a duration such as `30 s` or `1 hour`, or the name of a param",
        ));
    }
    let expr: Expr = if input.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in input);
        let expr = inner.parse()?;
        if !inner.is_empty() {
            let message = "a duration with a unit stands without parentheses: `7 days`";
            return Err(syn::Error::new(inner.span(), message));
        }
        expr
    } else {
        let path: syn::ExprPath = input.parse()?;
        if input.peek(syn::token::Paren) {
            let message = "write a duration such as `1 hour`; an expression of `std::time::Duration` stands in \
                           parentheses: `(Duration::from_secs(5))`";
            return Err(syn::Error::new_spanned(path, message));
        }
        Expr::Path(path)
    };
    let written = crate::emit::written(&expr);
    Ok(Duration { value: DurationValue::Expr(Box::new(expr)), written })
}

/// Whether a word of the language stands here.
pub(crate) fn peek_word(input: ParseStream<'_>, word: &str) -> bool {
    input.fork().parse::<Ident>().is_ok_and(|ident| ident == word)
}

/// Takes a word of the language, if it stands here.
pub(crate) fn take_word(input: ParseStream<'_>, word: &str) -> Option<Ident> {
    peek_word(input, word).then(|| input.parse().ok()).flatten()
}

/// Takes `, word`, if it stands here.
pub(super) fn take_argument(input: ParseStream<'_>, word: &str) -> syn::Result<bool> {
    Ok(take_flag(input, word)?.is_some())
}

/// Takes `, word`, if it stands here, and gives the word.
pub(super) fn take_flag(input: ParseStream<'_>, word: &str) -> syn::Result<Option<Ident>> {
    let ahead = input.fork();
    if ahead.parse::<Token![,]>().is_err() || !peek_word(&ahead, word) {
        return Ok(None);
    }
    input.parse::<Token![,]>()?;
    input.parse().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse::Parser;

    fn micros(text: &str) -> (Option<u64>, String) {
        let errors = Diagnostics::new();
        let read = |input: ParseStream<'_>| duration(input, &errors);
        let micros = read.parse_str(text).ok().and_then(|duration| match duration.value {
            DurationValue::Micros(micros) => Some(micros),
            DurationValue::Expr(_) => None,
        });
        (micros, errors.into_tokens().to_string())
    }

    #[test]
    fn units_may_stand_apart_or_as_a_suffix() {
        assert_eq!(micros("30 s"), (Some(30_000_000), String::new()));
        assert_eq!(micros("30s"), (Some(30_000_000), String::new()));
        assert_eq!(micros("7 days"), (Some(7 * 86_400_000_000), String::new()));
        assert_eq!(micros("max_delay"), (None, String::new()));
    }

    #[test]
    fn a_missing_or_misspelt_unit_is_named() {
        assert!(micros("30").1.contains("has no unit"));
        assert!(micros("30 mniutes").1.contains("did you mean `minutes`?"));
    }

    #[test]
    fn no_unit_begins_like_an_exponent() {
        assert!(UNITS.iter().all(|(name, _)| !name.starts_with('e')));
    }
}
