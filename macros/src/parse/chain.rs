//! Chains: `source -> operator -> operator`.

use super::args;
use super::duration::{duration, peek_word, take_word};
use super::whole_type;
use crate::ast::{Chain, Diversion, Else, Every, Keep, Op};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use crate::operators::{OPERATORS, operator};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::Token;
use syn::ext::IdentExt;
use syn::parse::ParseStream;

/// Reads a chain; `None` if something in it was wrong and has been reported.
pub(super) fn chain(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Chain>> {
    if !input.peek(syn::Ident) {
        return Err(syn::Error::new(input.span(), "expected the name of a node, or `merge(a, b)`"));
    }
    let first: Ident = input.parse()?;
    let (source, merge) = if first == "merge" && input.peek(syn::token::Paren) {
        let names;
        syn::parenthesized!(names in input);
        let names = names.parse_terminated(|name: ParseStream<'_>| name.parse::<Ident>(), Token![,])?;
        (names.into_iter().collect(), Some(first.span()))
    } else {
        (vec![first], None)
    };
    let mut operators = Vec::new();
    let mut whole = true;
    while input.peek(Token![->]) {
        input.parse::<Token![->]>()?;
        match op(input, errors)? {
            Some(op) => operators.push(op),
            None => whole = false,
        }
    }
    if !whole {
        // What follows an operator that could not be read may belong to it.
        skip_to_end(input)?;
    }
    Ok(whole.then_some(Chain { source, merge, operators }))
}

/// Reads an operator; `None` if it was wrong and has been reported.
fn op(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Op>> {
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected an operator after `->`"));
    }
    let name: Ident = input.call(Ident::parse_any)?;
    let Some(row) = operator(&name.to_string()) else {
        errors.error(Code::UnknownOperator, &name, unknown(&name.to_string()));
        skip_to_arrow(input)?;
        return Ok(None);
    };
    let Some((args, mut allow)) = args::args(&name, row, input, errors)? else {
        skip_to_arrow(input)?;
        return Ok(None);
    };
    let (mut diverted, mut keep, mut every) = (None, inner_keep(&args), None);
    loop {
        if take_word(input, "allow").is_some() {
            allow = Some(duration(input, errors)?);
        } else if let Some(word) = take_word(input, "every") {
            every = Some(Every { span: word.span(), duration: duration(input, errors)? });
        } else if input.peek(Token![else]) {
            diverted = Some(else_clause(input)?);
        } else if peek_word(input, "keep") {
            keep = Some(keep_clause(input, errors)?);
        } else {
            break;
        }
    }
    Ok(Some(Op { name, row, args: args.args, allow, diverted, keep, every }))
}

fn inner_keep(args: &args::Read) -> Option<Keep> {
    args.keep.as_ref().map(|keep| Keep { span: keep.span, duration: keep.duration.clone() })
}

fn unknown(name: &str) -> String {
    let near = did_you_mean(name, OPERATORS.iter().map(|row| row.name));
    let all: Vec<_> = OPERATORS.iter().map(|row| row.name).collect();
    if near.is_empty() {
        return format!("there is no operator `{name}`; the operators are {}", all.join(", "));
    }
    format!("there is no operator `{name}`{near}")
}

fn else_clause(input: ParseStream<'_>) -> syn::Result<Else> {
    let span = input.parse::<Token![else]>()?.span;
    if !input.peek(syn::Ident) {
        return Err(syn::Error::new(
            input.span(),
            "expected a name for what is diverted, or `skip` or `fail`: `else failed`",
        ));
    }
    let name: Ident = input.parse()?;
    let to = if name == "skip" {
        Diversion::Skip
    } else if name == "fail" {
        Diversion::Fail
    } else if input.peek(Token![:]) {
        input.parse::<Token![:]>()?;
        Diversion::Node { name, ty: Some(whole_type(input)?) }
    } else {
        Diversion::Node { name, ty: None }
    };
    Ok(Else { span, to })
}

/// `keep 7 days`, `keep forever`
pub(super) fn keep_clause(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Keep> {
    let span = input.parse::<Ident>()?.span();
    if take_word(input, "forever").is_some() {
        return Ok(Keep { span, duration: None });
    }
    if input.is_empty() || input.peek(Token![;]) {
        return Err(syn::Error::new(span, "how long? Write `keep 7 days`, or `keep forever`"));
    }
    Ok(Keep { span, duration: Some(duration(input, errors)?) })
}

/// Passes over what belongs to an operator that could not be read.
fn skip_to_arrow(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![->]) && !input.peek(Token![;]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn skip_to_end(input: ParseStream<'_>) -> syn::Result<()> {
    input.parse::<TokenStream>().map(drop)
}
