//! Budgets of memory: `256 MiB`, `64KiB`, `100_000 keys`.

use super::duration::peek_word;
use crate::ast::{Budget, Memory};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use proc_macro2::{Ident, Span};
use syn::parse::ParseStream;
use syn::{LitInt, Token};

/// The units, in bytes. Those of powers of ten are not among them: memory comes in powers of two.
const UNITS: &[(&str, u64)] =
    &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Words that may follow a budget, and so are not its unit.
const FOLLOWING: &[&str] = &["every", "allow", "keep", "on"];

/// Reads what follows `memory`. A wrong unit is reported here, and a budget is given all the same.
pub(crate) fn memory(word: Span, input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Memory> {
    let example = "how much? Write `memory 256 MiB`, or `memory 100_000 keys`";
    if !input.peek(LitInt) {
        let at = if input.is_empty() || input.peek(Token![;]) { word } else { input.span() };
        return Err(syn::Error::new(at, example));
    }
    let number: LitInt = input.parse()?;
    let too_large =
        || syn::Error::new(number.span(), "this is more than there can be: write a smaller budget");
    let count: u64 = number.base10_parse().map_err(|_| too_large())?;
    let (unit, written) = if !number.suffix().is_empty() {
        (Some((number.suffix().to_string(), number.span())), number.to_string())
    } else if input.peek(syn::Ident) && !FOLLOWING.iter().any(|word| peek_word(input, word)) {
        let unit: Ident = input.parse()?;
        let written = format!("{number} {unit}");
        (Some((unit.to_string(), unit.span())), written)
    } else {
        (None, number.to_string())
    };
    let budget = match &unit {
        Some((unit, _)) if unit == "keys" || unit == "key" => Budget::Keys(count),
        Some((unit, span)) => match UNITS.iter().find(|(name, _)| name == unit) {
            Some((_, bytes)) => Budget::Bytes(count.checked_mul(*bytes).ok_or_else(too_large)?),
            None => {
                errors.error_at(Code::Unit, *span, unknown(unit));
                return Ok(Memory { span: word, budget: Budget::Bytes(1), written });
            }
        },
        None => {
            let message = format!(
                "the budget `{number}` has no unit; write for example `{number} MiB`, `{number} KiB` or `{number} keys`"
            );
            errors.error(Code::Unit, &number, message);
            return Ok(Memory { span: word, budget: Budget::Bytes(1), written });
        }
    };
    if count == 0 {
        let message = "with no memory nothing can be worked on; write for example `memory 64 MiB`";
        errors.error(Code::Arguments, &number, message);
    }
    Ok(Memory { span: word, budget, written })
}

fn unknown(unit: &str) -> String {
    let meant = match unit {
        "kB" | "KB" | "kb" | "K" | "k" | "kib" => "; did you mean `KiB`?".to_string(),
        "MB" | "Mb" | "mb" | "M" | "mib" => "; did you mean `MiB`?".to_string(),
        "GB" | "Gb" | "gb" | "G" | "gib" => "; did you mean `GiB`?".to_string(),
        _ => did_you_mean(unit, UNITS.iter().map(|(name, _)| *name).chain(["keys"])),
    };
    format!("`{unit}` is not a unit of memory{meant} (units: B, KiB, MiB, GiB, TiB, keys)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse::Parser;

    fn budget(text: &str) -> (Option<Budget>, String) {
        let errors = Diagnostics::new();
        let read = |input: ParseStream<'_>| memory(Span::call_site(), input, &errors);
        let budget = read.parse_str(text).ok().map(|memory| memory.budget);
        (budget, errors.into_tokens().to_string())
    }

    #[test]
    fn units_may_stand_apart_or_as_a_suffix() {
        assert_eq!(budget("256 MiB"), (Some(Budget::Bytes(256 << 20)), String::new()));
        assert_eq!(budget("256MiB"), (Some(Budget::Bytes(256 << 20)), String::new()));
        assert_eq!(budget("100_000 keys"), (Some(Budget::Keys(100_000)), String::new()));
    }

    #[test]
    fn a_missing_or_foreign_unit_is_named() {
        assert!(budget("256").1.contains("has no unit"));
        assert!(budget("256 MB").1.contains("did you mean `MiB`?"));
        assert!(budget("256 MiBs").1.contains("did you mean `MiB`?"));
    }

    #[test]
    fn no_memory_is_no_budget() {
        assert!(budget("0 MiB").1.contains("with no memory nothing can be worked on"));
        assert_eq!(budget("99999999999 TiB").0, None);
    }
}
