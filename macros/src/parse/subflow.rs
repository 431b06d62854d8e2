//! Flows that stand in others: `Flow { param: value }(input = node, ..)`, and where chains begin.

use crate::ast::{Source, Subflow};
use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, discouraged::Speculative};
use syn::{Expr, ExprStruct, Path, Token};

/// Whether a flow stands here: a path whose last name begins as a type's does, and what it is given.
pub(super) fn is_flow(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(path) = ahead.call(Path::parse_mod_style) else { return false };
    let last = path.segments.last().map(|segment| segment.ident.unraw().to_string()).unwrap_or_default();
    last.starts_with(char::is_uppercase) && (ahead.peek(syn::token::Paren) || ahead.peek(syn::token::Brace))
}

/// Reads a flow and what its inputs are given.
pub(super) fn subflow(name: Option<Ident>, input: ParseStream<'_>) -> syn::Result<Subflow> {
    let ahead = input.fork();
    let flow = ahead.call(Path::parse_mod_style)?;
    let value = if ahead.peek(syn::token::Brace) {
        Some(Expr::Struct(input.parse::<ExprStruct>()?))
    } else {
        input.advance_to(&ahead);
        None
    };
    let inputs;
    syn::parenthesized!(inputs in input);
    let inputs = inputs.parse_terminated(given, Token![,])?;
    Ok(Subflow { name, flow, value, inputs: inputs.into_iter().collect() })
}

fn given(input: ParseStream<'_>) -> syn::Result<(Ident, Source)> {
    let name: Ident = input.parse()?;
    if !input.peek(Token![=]) {
        let message = "say which input this is for: `input = node`";
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse::<Token![=]>()?;
    Ok((name, source(input)?))
}

/// Reads a name, `flow.output`, or `Flow(..).output`.
pub(super) fn source(input: ParseStream<'_>) -> syn::Result<Source> {
    if is_flow(input) {
        let flow = Box::new(subflow(None, input)?);
        if !input.peek(Token![.]) {
            let message = "which of its outputs? Add `.output`, or give the flow a name: `name = Flow(..);`";
            return Err(syn::Error::new(input.span(), message));
        }
        input.parse::<Token![.]>()?;
        return Ok(Source::Flow { flow, output: input.parse()? });
    }
    let name: Ident = input.parse()?;
    if !input.peek(Token![.]) {
        return Ok(Source::Node(name));
    }
    input.parse::<Token![.]>()?;
    Ok(Source::Output { flow: name, output: input.parse()? })
}
