//! From tokens to tables, views and the nodes between them.
//!
//! Which language an item is in depends on what it is made of: a node is of tables if its chain begins with one, or with
//! another such node. So these names are gathered before the items are read.

use super::ast::{Args, Begin, Bounds, Derived, Index, IndexRef, Item, Key, MaxRows, Op, Table};
use super::operators::{ELSEWHERE, OPERATORS, Operator, Syntax, operator};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use crate::graph::text;
use crate::operators as streams;
use crate::parse::args::{Language, aggregate_fields, braced, parenthesized, sentence};
use crate::parse::chain::{arrow, keep_clause, skip_to_arrow, skip_to_end};
use crate::parse::duration::{peek_word, take_word};
use crate::parse::{function, size, whole_type, written_type};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use std::collections::HashSet;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitInt, Token};

/// The names of tables, and of what is made of them.
pub(crate) fn names_of_tables(body: &TokenStream) -> HashSet<String> {
    let items = items(body);
    let mut found: HashSet<String> = items.iter().filter_map(|item| table_name(item)).collect();
    loop {
        let made = |item: &Vec<TokenTree>| made_of(item, &found);
        let new: Vec<String> = items.iter().filter_map(made).filter(|name| !found.contains(name)).collect();
        if new.is_empty() {
            return found;
        }
        found.extend(new);
    }
}

/// The items, roughly: a table ends with its brace.
fn items(body: &TokenStream) -> Vec<Vec<TokenTree>> {
    let (mut items, mut item) = (Vec::new(), Vec::new());
    for tree in body.clone() {
        let ends = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && table_name(&item).is_some(),
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        item.push(tree);
        if ends {
            items.push(std::mem::take(&mut item));
        }
    }
    items.push(item);
    items
}

/// Without docs before it.
fn bare(item: &[TokenTree]) -> &[TokenTree] {
    match item {
        [TokenTree::Punct(sign), TokenTree::Group(_), rest @ ..] if sign.as_char() == '#' => bare(rest),
        item => item,
    }
}

/// `table name ..`
fn table_name(item: &[TokenTree]) -> Option<String> {
    match bare(item) {
        [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "table" => Some(text(name)),
        _ => None,
    }
}

/// The name of an item that is made of what is known: `name = known ..`, `view name: Type = merge(known, ..) ..`
fn made_of(item: &[TokenTree], known: &HashSet<String>) -> Option<String> {
    let item = bare(item);
    let (name, rest) = match item {
        [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "view" => return Some(text(name)),
        [TokenTree::Ident(name), rest @ ..] => (name, rest),
        _ => return None,
    };
    let sign =
        |tree: &TokenTree, sign: char| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign);
    let equals = rest.iter().position(|tree| sign(tree, '='))?;
    if equals > 0 && !sign(&rest[0], ':') {
        return None;
    }
    match &rest[equals + 1..] {
        [TokenTree::Ident(merge), TokenTree::Group(names), ..] if merge == "merge" => {
            let mut named = HashSet::new();
            crate::parse::words(names.stream(), &mut named);
            named.iter().any(|name| known.contains(name)).then(|| text(name))
        }
        [TokenTree::Ident(source), ..] => known.contains(&text(source)).then(|| text(name)),
        _ => None,
    }
}

/// Whether an item is one of these, at whose name it begins.
pub(crate) fn is_of_tables(input: ParseStream<'_>, known: &HashSet<String>) -> bool {
    let ahead = input.fork();
    let Ok(tokens) = ahead.parse::<TokenStream>() else { return false };
    let item: Vec<TokenTree> = tokens.into_iter().collect();
    if table_name(&item).is_some() {
        return false;
    }
    made_of(&item, known).is_some()
}

/// `table name: Row { .. }`
pub(crate) fn table(input: ParseStream<'_>, docs: Vec<Attribute>) -> syn::Result<Item> {
    input.call(Ident::parse_any)?;
    let name: Ident = input.parse()?;
    if !input.peek(Token![:]) {
        let message = format!("a table needs the type of its rows: `table {name}: Row {{ key id; }}`");
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse::<Token![:]>()?;
    let ty = whole_type(input)?;
    if !input.peek(syn::token::Brace) {
        let message =
            format!("a table needs a key: `table {name}: {} {{ key id; }}`", crate::emit::written(&ty));
        return Err(syn::Error::new_spanned(&ty, message));
    }
    let body;
    syn::braced!(body in input);
    let (mut keys, mut indexes) = (Vec::new(), Vec::new());
    while !body.is_empty() {
        if let Some(word) = take_word(&body, "key") {
            keys.push(Key { span: word.span(), fields: fields(&body, "key id")? });
        } else if take_word(&body, "index").is_some() {
            let name: Ident = body.parse()?;
            if !body.peek(Token![:]) {
                let message = format!("an index has a name and a field: `index by_{name}: {name};`");
                return Err(syn::Error::new(name.span(), message));
            }
            body.parse::<Token![:]>()?;
            indexes.push(Index { name, fields: fields(&body, "index by_author: author")? });
        } else {
            let word =
                body.fork().call(Ident::parse_any).map_or_else(|_| String::new(), |word| word.to_string());
            let near = did_you_mean(&word, ["key", "index"]);
            return Err(syn::Error::new(
                body.span(),
                format!("a table has `key field;` and `index name: field;`{near}"),
            ));
        }
        if body.is_empty() {
            break;
        }
        if !body.peek(Token![;]) {
            return Err(syn::Error::new(body.span(), "expected `;`; a key of two fields is `key (a, b)`"));
        }
        body.parse::<Token![;]>()?;
    }
    Ok(Item::Table(Table { docs, name, ty, keys, indexes }))
}

/// `f`, `(f, g)`
fn fields(input: ParseStream<'_>, usage: &str) -> syn::Result<Vec<Ident>> {
    let expected = || format!("expected the name of a field of the row: `{usage};`");
    if input.peek(syn::token::Paren) {
        let names;
        syn::parenthesized!(names in input);
        if names.is_empty() {
            return Err(syn::Error::new(names.span(), expected()));
        }
        return Ok(names.parse_terminated(<Ident as Parse>::parse, Token![,])?.into_iter().collect());
    }
    let field: Ident =
        input.parse().map_err(|error: syn::Error| syn::Error::new(error.span(), expected()))?;
    if input.peek(Token![:]) || input.peek(Token![=]) {
        let message = format!("the name of the field is enough, its type is that of the row: `{usage};`");
        return Err(syn::Error::new(input.span(), message));
    }
    Ok(vec![field])
}

/// `name: Type = chain`, `view name: Type = chain`; `None` if something in it was wrong and has been reported.
pub(crate) fn derived(
    input: ParseStream<'_>,
    docs: Vec<Attribute>,
    errors: &Diagnostics,
) -> syn::Result<Option<Item>> {
    let view = if peek_word(input, "view") && input.peek2(syn::Ident) {
        Some(input.parse::<Ident>()?.span())
    } else {
        None
    };
    let name: Ident = input.parse()?;
    let ty = written_type(input)?;
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(
            input.span(),
            "expected `=` and a chain: `view name = table -> operator ..`",
        ));
    }
    input.parse::<Token![=]>()?;
    let begin = if peek_word(input, "merge") && input.peek2(syn::token::Paren) {
        let word: Ident = input.parse()?;
        let names;
        syn::parenthesized!(names in input);
        Begin::Merge(
            word.span(),
            names.parse_terminated(<Ident as Parse>::parse, Token![,])?.into_iter().collect(),
        )
    } else if input.peek(syn::Ident) {
        Begin::Name(input.parse()?)
    } else {
        return Err(syn::Error::new(
            input.span(),
            "expected the name of a table or of a node, or `merge(a, b)`",
        ));
    };
    let bounds = bounds(&name, input, errors)?;
    let (mut ops, mut whole) = (Vec::new(), true);
    while arrow(input, errors)? {
        match op(input, errors)? {
            Some(op) => ops.push(op),
            None => whole = false,
        }
    }
    if !whole {
        skip_to_end(input)?;
        return Ok(None);
    }
    Ok(Some(Item::Derived(Derived { docs, name, ty, view, begin, ops, bounds })))
}

/// Reads an operator; `None` if it was wrong and has been reported.
fn op(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<Op>> {
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected an operator after `->`"));
    }
    let name: Ident = input.call(Ident::parse_any)?;
    let Some(row) = operator(&name.to_string()) else {
        let (code, message) = unknown(&name.to_string());
        errors.error(code, &name, message);
        skip_to_arrow(input)?;
        return Ok(None);
    };
    let ahead = input.fork();
    match args(row, &name, &ahead, errors) {
        Ok(args) => {
            input.advance_to(&ahead);
            let bounds = bounds(&name, input, errors)?;
            Ok(Some(Op { name, row, args, bounds }))
        }
        Err(error) => {
            let message = format!("{} `{name}` is used as `{}`", sentence(&error), row.usage);
            errors.error_at(Code::Arguments, error.span(), message);
            skip_to_arrow(input)?;
            Ok(None)
        }
    }
}

fn unknown(name: &str) -> (Code, String) {
    let all: Vec<_> = OPERATORS.iter().map(|row| row.name).collect();
    if name == "into" {
        let message = "`into` leads a stream into a table; what is made of tables is read through a `view`";
        return (Code::TablesAndStreams, message.to_string());
    }
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return (
            Code::UnknownOperator,
            format!("there is no operator `{name}` on tables; did you mean `{meant}`?"),
        );
    }
    if streams::operator(name).is_some() {
        let message = format!(
            "`{name}` is an operator on streams, and this is made of tables; there are {}",
            all.join(", ")
        );
        return (Code::TablesAndStreams, message);
    }
    let near = did_you_mean(name, OPERATORS.iter().map(|row| row.name));
    let all = if near.is_empty() { format!("; there are {}", all.join(", ")) } else { near };
    (Code::UnknownOperator, format!("there is no operator `{name}` on tables{all}"))
}

fn args(
    row: &'static Operator,
    name: &Ident,
    input: ParseStream<'_>,
    errors: &Diagnostics,
) -> syn::Result<Args> {
    match row.syntax {
        Syntax::Index => Ok(Args::Index(parenthesized(input, name, index_refs)?)),
        Syntax::Closure => Ok(Args::Closure(parenthesized(input, name, function)?)),
        Syntax::Aggregate => {
            let fields = braced(input, name, |args| aggregate_fields(args, Language::Tables, errors))?;
            Ok(Args::Aggregate(fields))
        }
        Syntax::Other => Ok(Args::Others(vec![parenthesized(input, name, |args| args.parse())?])),
        Syntax::Others => {
            let names = |args: ParseStream<'_>| args.parse_terminated(<Ident as Parse>::parse, Token![,]);
            Ok(Args::Others(parenthesized(input, name, names)?.into_iter().collect()))
        }
        Syntax::Bare if input.peek(syn::token::Paren) || input.peek(syn::token::Brace) => {
            Err(syn::Error::new(input.span(), "unexpected here"))
        }
        Syntax::Bare => Ok(Args::None),
    }
}

/// `by_author`, `articles.by_author`; several, in parentheses or not, are judged later.
fn index_refs(args: ParseStream<'_>) -> syn::Result<Vec<IndexRef>> {
    if args.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in args);
        return index_refs(&inner);
    }
    if args.peek(Token![|]) {
        return Err(syn::Error::new(args.span(), "rows are found again by an index, and a closure is none;"));
    }
    Ok(args.parse_terminated(index_ref, Token![,])?.into_iter().collect())
}

fn index_ref(args: ParseStream<'_>) -> syn::Result<IndexRef> {
    let first: Ident = args.parse()?;
    if !args.peek(Token![.]) {
        return Ok(IndexRef { table: None, index: first });
    }
    args.parse::<Token![.]>()?;
    Ok(IndexRef { table: Some(first), index: args.parse()? })
}

/// `keep forever, memory 64 MiB, max_rows 10_000`
fn bounds(of: &Ident, input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Bounds> {
    let mut bounds = Bounds::default();
    loop {
        if input.peek(Token![,]) {
            let ahead = input.fork();
            ahead.parse::<Token![,]>()?;
            if !["keep", "memory", "max_rows"].iter().any(|word| peek_word(&ahead, word)) {
                return Ok(bounds);
            }
            input.advance_to(&ahead);
        }
        let at = input.span();
        let again = if peek_word(input, "keep") {
            bounds.keep.replace(keep_clause(input, errors)?).map(|_| "keep")
        } else if let Some(word) = take_word(input, "memory") {
            bounds.memory.replace(size::memory(word.span(), input, errors)?).map(|_| "memory")
        } else if let Some(word) = take_word(input, "max_rows") {
            bounds.max_rows.replace(max_rows(&word, input)?).map(|_| "max_rows")
        } else {
            return Ok(bounds);
        };
        if let Some(word) = again {
            errors.error_at(Code::Arguments, at, format!("`{of}` has `{word}` twice; remove one"));
        }
    }
}

fn max_rows(word: &Ident, input: ParseStream<'_>) -> syn::Result<MaxRows> {
    let span: Span = word.span();
    if !input.peek(LitInt) {
        return Err(syn::Error::new(span, "how many rows at the most? Write `max_rows 10_000`"));
    }
    let number: LitInt = input.parse()?;
    Ok(MaxRows { span, rows: number.base10_parse()? })
}
