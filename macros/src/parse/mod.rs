//! From tokens to what was written. Accepts anything shaped right and judges nothing.
//!
//! A flow is cut at its semicolons first, so that a mistake in one item does not hide those in the next.

mod args;
mod chain;
mod duration;
mod map_async;

use crate::ast::{Flow, Input, Item, Node, Output, Param};
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::text;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use std::collections::HashSet;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Token, Type, Visibility};

/// The flows of one `dataflow!`, and the path of the facade that the leading `[..]` holds.
pub(crate) fn flows(input: TokenStream, errors: &Diagnostics) -> (TokenStream, Vec<Flow>) {
    let mut tokens = input.into_iter().peekable();
    let facade = match tokens.peek() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let facade = group.stream();
            tokens.next();
            facade
        }
        _ => quote::quote!(::psdf),
    };
    let rest: TokenStream = tokens.collect();
    if rest.is_empty() {
        errors.error_at(
            Code::Syntax,
            proc_macro2::Span::call_site(),
            "`dataflow!` declares at least one flow: `flow Name { .. }`",
        );
    }
    let mut flows = Vec::new();
    let read = read_whole(rest, |input| {
        while !input.is_empty() {
            match flow(input, errors) {
                Ok(flow) => flows.extend(flow),
                Err(error) => {
                    errors.syntax(error);
                    skip_flow(input)?;
                }
            }
        }
        Ok(())
    });
    if let Err(error) = read {
        errors.syntax(error);
    }
    (facade, flows)
}

/// Reads tokens, all of them. What is missing at their end is missed at the last of them: beyond it rustc knows no place
/// but the whole macro.
fn read_whole<T>(
    tokens: TokenStream,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let last = tokens.clone().into_iter().last().map(|tree| match tree {
        TokenTree::Group(group) => group.span_close(),
        tree => tree.span(),
    });
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(last.unwrap_or_else(Span::call_site));
    let read = |input: ParseStream<'_>| {
        let content;
        syn::braced!(content in input);
        read(&content)
    };
    read.parse2(TokenTree::Group(group).into())
}

/// Passes over what is left of a flow that could not be read.
fn skip_flow(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if let TokenTree::Group(group) = input.parse()?
            && group.delimiter() == Delimiter::Brace
        {
            break;
        }
    }
    Ok(())
}

/// A flow; `None` if it was none and has been reported.
fn flow(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Flow>> {
    let docs = input.call(Attribute::parse_outer)?;
    for condition in docs.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        errors.error(
            Code::Syntax,
            condition,
            "this would leave out a part of the flow only; put it before `dataflow!`",
        );
    }
    let vis: Visibility = input.parse()?;
    let keyword: Ident = input.call(Ident::parse_any)?;
    if keyword != "flow" {
        let message = "expected `flow Name { .. }`, perhaps with `pub` before it";
        errors.error(Code::Syntax, &keyword, message);
        if !input.peek(syn::Ident) || !input.peek2(syn::token::Brace) {
            skip_flow(input)?;
            return Ok(None);
        }
    }
    let name: Ident = input.parse()?;
    let body;
    syn::braced!(body in input);
    let body: TokenStream = body.parse()?;
    let mut items = Vec::new();
    let mut unread = HashSet::new();
    for tokens in split_at_semicolons(body) {
        match read_whole(tokens.clone(), item(errors)) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => words(tokens, &mut unread),
            Err(error) => {
                words(tokens, &mut unread);
                errors.syntax(error);
            }
        }
    }
    Ok(Some(Flow { docs, vis, name, items, unread }))
}

/// The identifiers in a token stream, however deep.
pub(crate) fn words(tokens: TokenStream, found: &mut HashSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => {
                found.insert(text(&ident));
            }
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Literal(literal) => words_in_format(&literal.to_string(), found),
            TokenTree::Punct(_) => {}
        }
    }
}

/// The identifiers that `format!("{name}")` would read, if a literal were its text.
fn words_in_format(literal: &str, found: &mut HashSet<String>) {
    for piece in literal.split('{').skip(1) {
        let word: String = piece.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
        if !word.is_empty() {
            found.insert(word);
        }
    }
}

/// The items: each with its semicolon, if it has one.
fn split_at_semicolons(body: TokenStream) -> Vec<TokenStream> {
    let mut items = Vec::new();
    let mut item = Vec::new();
    for tree in body {
        let ends = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';');
        item.push(tree);
        if ends {
            items.push(std::mem::take(&mut item).into_iter().collect());
        }
    }
    if !item.is_empty() {
        items.push(item.into_iter().collect());
    }
    items
}

/// An item; `None` if it was wrong and has been reported.
fn item(errors: &Diagnostics) -> impl FnOnce(ParseStream<'_>) -> syn::Result<Option<Item>> + '_ {
    move |input: ParseStream<'_>| {
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            return Ok(None);
        }
        let docs = input.call(Attribute::parse_outer)?;
        only_docs(&docs, errors);
        let item = if is_keyword(input, "param") {
            Some(Item::Param(param(input, docs)?))
        } else if is_keyword(input, "input") {
            Some(Item::Input(self::input(input, docs)?))
        } else if is_keyword(input, "output") {
            output(input, docs, errors)?.map(Item::Output)
        } else {
            node(input, docs, errors)?.map(Item::Node)
        };
        if item.is_none() {
            // What could not be read has been reported: the rest of the item would only say so again.
            input.parse::<TokenStream>()?;
            return Ok(None);
        }
        end_of_item(input)?;
        Ok(item)
    }
}

/// Other attributes would promise what nothing keeps: `#[cfg(..)]` most of all.
fn only_docs(attributes: &[Attribute], errors: &Diagnostics) {
    for attribute in attributes.iter().filter(|attribute| !attribute.path().is_ident("doc")) {
        errors.error(Code::Syntax, attribute, "only doc comments can stand before an item of a flow");
    }
}

fn end_of_item(input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Token![;]) {
        input.parse::<Token![;]>()?;
        return Ok(());
    }
    let rest: TokenStream = input.fork().parse()?;
    let message = if rest.is_empty() {
        "this item needs a `;` at its end"
    } else {
        "expected `;`, or `->` and an operator"
    };
    Err(syn::Error::new(input.span(), message))
}

/// Whether a word stands here that is followed by a name, so that it is not a node's name itself.
fn is_keyword(input: ParseStream<'_>, word: &str) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok_and(|ident| ident == word) && ahead.peek(syn::Ident::peek_any)
}

fn param(input: ParseStream<'_>, docs: Vec<Attribute>) -> syn::Result<Param> {
    input.call(Ident::parse_any)?;
    let name = input.parse()?;
    input.parse::<Token![:]>()?;
    let ty = whole_type(input)?;
    let default = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        Some(input.parse::<Expr>()?)
    } else {
        None
    };
    Ok(Param { docs, name, ty, default })
}

fn input(input: ParseStream<'_>, docs: Vec<Attribute>) -> syn::Result<Input> {
    input.call(Ident::parse_any)?;
    let name = input.parse()?;
    if !input.peek(Token![:]) {
        return Err(syn::Error::new(
            input.span(),
            "an input needs the type of its records: `input name: Type;`",
        ));
    }
    input.parse::<Token![:]>()?;
    Ok(Input { docs, name, ty: whole_type(input)? })
}

fn output(input: ParseStream<'_>, docs: Vec<Attribute>, errors: &Diagnostics) -> syn::Result<Option<Output>> {
    input.call(Ident::parse_any)?;
    let name = input.parse()?;
    let ty = written_type(input)?;
    let chain = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        match chain::chain(input, errors)? {
            Some(chain) => Some(chain),
            None => return Ok(None),
        }
    } else {
        None
    };
    Ok(Some(Output { docs, name, ty, chain }))
}

fn node(input: ParseStream<'_>, docs: Vec<Attribute>, errors: &Diagnostics) -> syn::Result<Option<Node>> {
    let named = input.peek(syn::Ident) && (input.peek2(Token![=]) || input.peek2(Token![:]));
    let (name, ty) = if named {
        let name: Ident = input.parse()?;
        let ty = written_type(input)?;
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(
                input.span(),
                "expected `=` and a chain: `name = source -> operator;`",
            ));
        }
        input.parse::<Token![=]>()?;
        (Some(name), ty)
    } else {
        (None, None)
    };
    let chain = chain::chain(input, errors)?;
    Ok(chain.map(|chain| Node { docs, name, ty, chain }))
}

fn written_type(input: ParseStream<'_>) -> syn::Result<Option<Type>> {
    if !input.peek(Token![:]) {
        return Ok(None);
    }
    input.parse::<Token![:]>()?;
    Ok(Some(whole_type(input)?))
}

/// A type. What a `macro_rules!` hands on as `$t:ty` comes in a group that its user never sees.
fn whole_type(input: ParseStream<'_>) -> syn::Result<Type> {
    let mut ty = Type::parse(input)?;
    while let Type::Group(group) = ty {
        ty = *group.elem;
    }
    Ok(ty)
}

/// A closure, or what stands for one. As `$f:expr` it comes in such a group too; rustc knows what a closure is given only
/// where it sees the closure itself.
fn function(input: ParseStream<'_>) -> syn::Result<Expr> {
    let whole = Expr::parse(input)?;
    let mut inner = &whole;
    loop {
        inner = match inner {
            Expr::Group(group) => &group.expr,
            Expr::Paren(paren) => &paren.expr,
            Expr::Closure(_) | Expr::Path(_) => return Ok(inner.clone()),
            _ => return Ok(whole),
        };
    }
}
