//! Flows that stand in others: `Flow { param: value }(input = node, ..)`, and where chains begin.

use crate::ast::{Source, Subflow};
use proc_macro2::{Ident, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, discouraged::Speculative};
use syn::punctuated::Punctuated;
use syn::{AngleBracketedGenericArguments, Expr, ExprStruct, Path, PathArguments, Token};

/// Whether a flow stands here: a path whose last name begins as a type's does, and what it is given.
pub(super) fn is_flow(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(path) = path(&ahead) else { return false };
    let last = path.segments.last().map(|segment| segment.ident.unraw().to_string()).unwrap_or_default();
    last.starts_with(char::is_uppercase) && (ahead.peek(syn::token::Paren) || ahead.peek(syn::token::Brace))
}

/// Reads the path of a flow, whose last name may have its types behind it: `counts::Counts::<Click, String>`. They may
/// stand without `::` too, as in any type, and have it from here on, as in any expression.
fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    let mut path = Path { leading_colon: input.parse()?, segments: Punctuated::new() };
    loop {
        path.segments.push_value(input.call(Ident::parse_any)?.into());
        let types_follow = input.peek(Token![::]) && input.peek3(Token![<]);
        if !input.peek(Token![::]) || types_follow {
            break;
        }
        path.segments.push_punct(input.parse()?);
    }
    if let Some(last) = path.segments.last_mut().filter(|_| input.peek(Token![<]) || input.peek(Token![::])) {
        let mut types: AngleBracketedGenericArguments = input.parse()?;
        types.colon2_token = Some(types.colon2_token.unwrap_or_else(|| Token![::](types.lt_token.span)));
        last.arguments = PathArguments::AngleBracketed(types);
    }
    Ok(path)
}

/// Reads a flow and what its inputs are given.
pub(super) fn subflow(name: Option<Ident>, input: ParseStream<'_>) -> syn::Result<Subflow> {
    let ahead = input.fork();
    let flow = path(&ahead)?;
    input.advance_to(&ahead);
    let value = if input.peek(syn::token::Brace) {
        let fields: TokenTree = input.parse()?;
        Some(Expr::Struct(syn::parse2::<ExprStruct>(quote!(#flow #fields))?))
    } else {
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
