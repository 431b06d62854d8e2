//! Chains: `source -> operator -> operator`.

use super::args;
use super::duration::{duration, peek_word, take_flag, take_word};
use super::size;
use super::subflow::{is_flow, source};
use super::whole_type;
use crate::ast::{Chain, Diversion, Else, Every, Keep, Memory, Op, Source};
use crate::diagnostics::{Code, Diagnostics, did_you_mean, nearest};
use crate::operators::{ELSEWHERE, OPERATORS, operator};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Token;
use syn::ext::IdentExt;
use syn::parse::ParseStream;

/// Reads a chain; `None` if something in it was wrong and has been reported.
pub(super) fn chain(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Chain>> {
    if !input.peek(syn::Ident) && !is_flow(input) {
        return Err(syn::Error::new(input.span(), "expected the name of a node, or `merge(a, b)`"));
    }
    let (source, merge) = if peek_word(input, "merge") && input.peek2(syn::token::Paren) {
        let first: Ident = input.parse()?;
        let names;
        syn::parenthesized!(names in input);
        let names = names.parse_terminated(source, Token![,])?;
        (names.into_iter().collect(), Some(first.span()))
    } else {
        let begin: Ident = input.fork().call(Ident::parse_any)?;
        let first = source(input)?;
        if matches!(first, Source::Node(_))
            && (input.peek(syn::token::Paren) || input.peek(syn::token::Bracket))
        {
            let message =
                format!("`{begin}` cannot begin a chain so; write the name of a node, or `merge(a, b)`");
            return Err(syn::Error::new(begin.span(), message));
        }
        (vec![first], None)
    };
    let mut operators = Vec::new();
    let mut whole = true;
    let mut into = None;
    while arrow(input, errors)? {
        if peek_word(input, "into") && input.peek2(syn::Ident) {
            input.parse::<Ident>()?;
            into = Some(input.parse::<Ident>()?);
            break;
        }
        match op(input, errors)? {
            Some(op) => operators.push(op),
            None => whole = false,
        }
    }
    if !whole {
        // What follows an operator that could not be read may belong to it.
        skip_to_end(input)?;
    }
    Ok(whole.then_some(Chain { source, merge, operators, into }))
}

/// Takes `->`, or what was written instead of it, if there is either.
pub(crate) fn arrow(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<bool> {
    if input.peek(Token![->]) {
        input.parse::<Token![->]>()?;
        return Ok(true);
    }
    let is_call = input.peek(Token![.]) && input.peek2(syn::Ident);
    let written = if input.peek(Token![=>]) {
        "=>"
    } else if input.peek(Token![|]) && input.peek2(Token![>]) {
        "|>"
    } else if is_call {
        "."
    } else {
        return Ok(false);
    };
    let signs: TokenStream = if is_call {
        input.parse::<Token![.]>()?.to_token_stream()
    } else {
        let signs: [TokenTree; 2] = [input.parse()?, input.parse()?];
        signs.into_iter().collect()
    };
    errors.error(Code::Syntax, signs, format!("operators follow `->`, not `{written}`"));
    Ok(true)
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
    let args::Read { args, mut keep, mut memory } = args;
    let (mut diverted, mut every) = (None, None);
    loop {
        let at = input.span();
        let again = if take_word(input, "allow").is_some() {
            allow.replace(duration(input, errors)?).map(|_| "allow")
        } else if let Some(word) = take_word(input, "every") {
            let new = Every { span: word.span(), duration: duration(input, errors)? };
            every.replace(new).map(|_| "every")
        } else if input.peek(Token![else]) {
            diverted.replace(else_clause(input)?).map(|_| "else")
        } else if peek_word(input, "keep") {
            let again = keep.replace(keep_clause(input, errors)?).map(|_| "keep");
            match memory_argument(input, errors)? {
                Some(budget) => memory.replace(budget).map(|_| "memory").or(again),
                None => again,
            }
        } else if let Some(word) = take_word(input, "memory") {
            memory.replace(size::memory(word.span(), input, errors)?).map(|_| "memory")
        } else {
            break;
        };
        if let Some(word) = again {
            errors.error_at(Code::Arguments, at, format!("`{name}` has `{word}` twice; remove one"));
        }
    }
    Ok(Some(Op { name, row, args, allow, diverted, keep, every, memory }))
}

fn unknown(name: &str) -> String {
    match name {
        "merge" => return "`merge` stands at the beginning: `name = merge(a, b) -> ..`".to_string(),
        "keep" | "allow" | "else" | "memory" => {
            return format!("`{name}` is no operator: it follows the one it belongs to, without `->`");
        }
        _ => {}
    }
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return format!("there is no operator `{name}`; did you mean `{meant}`?");
    }
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
pub(crate) fn keep_clause(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Keep> {
    let span = input.parse::<Ident>()?.span();
    if take_word(input, "forever").is_some() {
        return Ok(Keep { span, duration: None });
    }
    if let Ok(word) = input.fork().parse::<Ident>()
        && nearest(&word.to_string(), ["forever"]).is_some()
    {
        input.parse::<Ident>()?;
        errors.error(Code::Arguments, &word, format!("`{word}` is no duration; did you mean `forever`?"));
        return Ok(Keep { span, duration: None });
    }
    if input.is_empty() || input.peek(Token![;]) {
        return Err(syn::Error::new(span, "how long? Write `keep 7 days`, or `keep forever`"));
    }
    Ok(Keep { span, duration: Some(duration(input, errors)?) })
}

/// `, memory 64 MiB`, which may follow `keep`.
pub(super) fn memory_argument(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Memory>> {
    let Some(word) = take_flag(input, "memory")? else { return Ok(None) };
    size::memory(word.span(), input, errors).map(Some)
}

/// Passes over what belongs to an operator that could not be read.
pub(crate) fn skip_to_arrow(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![->]) && !input.peek(Token![;]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

pub(crate) fn skip_to_end(input: ParseStream<'_>) -> syn::Result<()> {
    input.parse::<TokenStream>().map(drop)
}
