//! From tokens to what was written. Accepts anything shaped right and judges nothing.
//!
//! A flow is cut at its semicolons first, so that a mistake in one item does not hide those in the next.

pub(crate) mod args;
mod attributes;
pub(crate) mod chain;
pub(crate) mod duration;
mod join;
mod map_async;
pub(crate) mod size;
mod subflow;

use crate::ast::{Chain, Feed, Flow, Input, Item, Node, Output, Param};
use crate::diagnostics::{Code, Diagnostics, did_you_mean, nearest};
use crate::graph::text;
use crate::tables;
use attributes::{Attributes, attributes};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use std::collections::{HashSet, VecDeque};
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
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected `flow Name { .. }`"));
    }
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
    let before = errors.found();
    let mut unread_names = Vec::new();
    let mut generics: syn::Generics = input.parse()?;
    generics.where_clause = input.parse()?;
    if !input.peek(syn::token::Brace) {
        return Err(syn::Error::new(
            input.span(),
            format!("expected the items of the flow: `flow {name} {{ .. }}`"),
        ));
    }
    let body;
    syn::braced!(body in input);
    let body: TokenStream = body.parse()?;
    let mut said = HashSet::new();
    words(body.clone(), &mut said);
    let (mut items, mut unread) = (Vec::new(), HashSet::new());
    let mut nameless = false;
    let of_tables = tables::parse::names_of_tables(&body);
    let mut rest: VecDeque<TokenStream> = split_at_semicolons(body).into();
    while let Some(tokens) = rest.pop_front() {
        let read = read_whole(tokens.clone(), |input| {
            let read = item(input, &of_tables, errors);
            let left: TokenStream = input.parse()?;
            Ok((read, left))
        });
        let (read, left) = match read {
            Ok((Ok(item), left)) => (item, left),
            Ok((Err(error), _)) | Err(error) => {
                errors.syntax(error);
                (None, TokenStream::new())
            }
        };
        match read {
            Some(item) => {
                let Some(left) = end_of_item(&item, &tokens, left, errors) else {
                    unread_names.extend(name_of_unread(&tokens));
                    words(tokens, &mut unread);
                    continue;
                };
                if !left.is_empty() {
                    rest.push_front(left);
                }
                items.push(item);
            }
            None => {
                let name = name_of_unread(&tokens);
                nameless |= name.is_none();
                unread_names.extend(name);
                words(tokens, &mut unread);
            }
        }
    }
    let complete = errors.found() == before;
    Ok(Some(Flow { docs, vis, name, generics, items, said, unread, complete, unread_names, nameless }))
}

/// The name of a node that could not be read, if it has one.
fn name_of_unread(tokens: &TokenStream) -> Option<Ident> {
    let mut trees = tokens.clone().into_iter().skip_while(|tree| match tree {
        TokenTree::Punct(punct) => punct.as_char() == '#',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Bracket,
        _ => false,
    });
    match (trees.next()?, trees.next()) {
        (TokenTree::Ident(name), Some(TokenTree::Punct(sign))) if ['=', ':'].contains(&sign.as_char()) => {
            // A word of Rust was not its name yet.
            syn::parse2::<Ident>(TokenTree::Ident(name).into()).ok()
        }
        // An input, an output, a param: not a node that others would miss, or its name is among its words.
        (TokenTree::Ident(word), Some(TokenTree::Ident(name)))
            if KEYWORDS.iter().any(|known| word == known) =>
        {
            Some(name)
        }
        _ => None,
    }
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
fn item(
    input: ParseStream<'_>,
    of_tables: &HashSet<String>,
    errors: &Diagnostics,
) -> syn::Result<Option<Item>> {
    if input.peek(Token![;]) {
        input.parse::<Token![;]>()?;
        return Ok(None);
    }
    if input.peek(Token![#]) && input.peek2(Token![!]) {
        let docs = input.call(Attribute::parse_inner)?;
        if let Some(first) = docs.first() {
            let message = "write `///` before the flow, or before an item: nothing takes `//!` here";
            errors.error(Code::Syntax, first, message);
        }
    }
    let attributes = attributes(input, errors)?.of_item(errors);
    needless_words(input, errors)?;
    if tables::parse::is_of_tables(input, of_tables) {
        let docs = attributes.of_no_state("what is made of tables", errors);
        return Ok(tables::parse::derived(input, docs, errors)?.map(Item::Region));
    }
    if is_subflow(input) {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        attributes.of_no_state("a flow that stands in another", errors);
        return Ok(Some(Item::Subflow(subflow::subflow(Some(name), input)?)));
    }
    let item = match keyword(input, errors)? {
        Some("param") => Some(Item::Param(param(input, attributes.of_no_state("a param", errors))?)),
        Some("input") => Some(Item::Input(self::input(input, attributes.of_no_state("an input", errors))?)),
        Some("output") => output(input, attributes, errors)?.map(Item::Output),
        Some("table") => {
            let docs = attributes.of_no_state("a table", errors);
            Some(Item::Region(tables::parse::table(input, docs)?))
        }
        Some("view") => {
            let docs = attributes.of_no_state("a view", errors);
            tables::parse::derived(input, docs, errors)?.map(Item::Region)
        }
        _ => node(input, attributes, errors)?,
    };
    if item.is_none() {
        // What could not be read has been reported: the rest of the item would only say so again.
        input.parse::<TokenStream>()?;
    }
    Ok(item)
}

const KEYWORDS: &[&str] = &["param", "input", "output", "table", "view"];

/// Words that begin declarations elsewhere, and not here.
fn needless_words(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<()> {
    if input.peek(Token![pub]) {
        let vis: Visibility = input.parse()?;
        errors.error(Code::Syntax, vis, "remove `pub`: what a flow generates is as visible as the flow");
    }
    for word in ["let", "mut", "node"] {
        let ahead = input.fork();
        if ahead.call(Ident::parse_any).is_ok_and(|ident| ident == word) && ahead.peek(syn::Ident::peek_any) {
            let found = input.call(Ident::parse_any)?;
            let ahead = input.fork();
            if ahead.peek(Token![mut]) {
                ahead.parse::<Token![mut]>()?;
            }
            let is_value = ahead.parse::<Ident>().is_ok()
                && ahead.parse::<Token![=]>().is_ok()
                && (ahead.peek(syn::Lit) || ahead.peek2(Token![::]) || ahead.peek2(Token![!]));
            if is_value && word != "node" {
                let message = "a flow has no variables; what closures read is a `param name: Type = default;`, and what \
                               they change is state";
                return Err(syn::Error::new(found.span(), message));
            }
            // `let mut` is one mistake.
            if word != "mut" {
                let message =
                    format!("remove `{found}`: a node is declared by its name, `name = source -> operator;`");
                errors.error(Code::Syntax, found, message);
            }
        }
    }
    Ok(())
}

/// The keyword before the name of an item; near ones are reported and taken for it.
fn keyword(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Option<&'static str>> {
    if let Some(known) = KEYWORDS.iter().find(|word| is_keyword(input, word)) {
        return Ok(Some(known));
    }
    let ahead = input.fork();
    let Ok(word) = ahead.call(Ident::parse_any) else { return Ok(None) };
    if !ahead.peek(syn::Ident::peek_any) {
        return Ok(None);
    }
    let Some(meant) = nearest(&word.to_string(), KEYWORDS.iter().copied()) else {
        let message = format!(
            "`{word}` begins no item of a flow; write `param`, `input`, `output`, `table`, `view`, or `name = source -> operator;`"
        );
        return Err(syn::Error::new(word.span(), message));
    };
    errors.error(Code::Syntax, &word, format!("`{word}` begins no item of a flow; did you mean `{meant}`?"));
    // The word stays in front of the item, as the right one would.
    Ok(KEYWORDS.iter().find(|known| **known == meant).copied())
}

/// Whether an item gives a flow a name: `name = Flow(..);`. With an output after it, it is a chain.
fn is_subflow(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    if ahead.parse::<Ident>().is_err() || ahead.parse::<Token![=]>().is_err() || !subflow::is_flow(&ahead) {
        return false;
    }
    let read = subflow::subflow(None, &ahead);
    read.is_err() || !ahead.peek(Token![.])
}

/// What is left behind an item: nothing, if it ends as it should; items, if it lacks its end. `None` if there is
/// something else, so that it may not be the item that was meant.
fn end_of_item(
    item: &Item,
    tokens: &TokenStream,
    left: TokenStream,
    errors: &Diagnostics,
) -> Option<TokenStream> {
    let mut rest = left.clone().into_iter();
    let next = rest.next();
    let sign = match &next {
        Some(TokenTree::Punct(punct)) => punct.as_char(),
        _ => ' ',
    };
    if sign == ';' {
        return Some(TokenStream::new());
    }
    // A table ends with its brace.
    if matches!(item, Item::Region(tables::ast::Item::Table(_))) && (left.is_empty() || is_beginning(&left)) {
        return Some(left);
    }
    if sign == ',' {
        let after: TokenStream = rest.collect();
        let names = bare_names(&after).filter(|_| matches!(item, Item::Output(_)));
        let message = match &names {
            Some(names) => format!("`output` leads out one node; write `output {};` for the next", names[0]),
            None => "an item ends with `;`, not with `,`".to_string(),
        };
        errors.error(Code::Syntax, &next, message);
        return Some(match names {
            Some(names) => quote::quote!(#(output #names;)*),
            None => after,
        });
    }
    let ended = tokens.clone().into_iter().count() - left.clone().into_iter().count();
    let last = tokens.clone().into_iter().nth(ended.saturating_sub(1));
    if left.is_empty() || is_beginning(&left) {
        let end = last.map_or_else(Span::call_site, |last| match last {
            TokenTree::Group(group) => group.span_close(),
            last => last.span(),
        });
        errors.error_at(Code::Syntax, end, "this item needs a `;` at its end");
        return Some(left);
    }
    let message = match &next {
        Some(TokenTree::Ident(word)) => {
            let near = did_you_mean(&word.to_string(), ["else", "keep", "allow", "forever", "memory"]);
            if near.is_empty() {
                format!("`{word}` cannot stand here; expected `;`, or `->` and an operator")
            } else {
                format!("`{word}` cannot stand here{near}")
            }
        }
        _ => "expected `;`, or `->` and an operator".to_string(),
    };
    errors.error(Code::Syntax, &next, message);
    None
}

/// `a, b;`
fn bare_names(tokens: &TokenStream) -> Option<Vec<Ident>> {
    let mut names = Vec::new();
    for (place, tree) in tokens.clone().into_iter().enumerate() {
        match tree {
            TokenTree::Ident(name) if place % 2 == 0 => names.push(name),
            TokenTree::Punct(punct) if place % 2 == 1 && [',', ';'].contains(&punct.as_char()) => {}
            _ => return None,
        }
    }
    (!names.is_empty()).then_some(names)
}

/// Whether an item begins here.
fn is_beginning(tokens: &TokenStream) -> bool {
    let mut trees = tokens.clone().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Punct(punct)), _) => punct.as_char() == '#',
        (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(_))) => {
            KEYWORDS.iter().any(|known| word == known)
        }
        (Some(TokenTree::Ident(_)), Some(TokenTree::Punct(sign))) => {
            ['=', ':', '-'].contains(&sign.as_char())
        }
        _ => false,
    }
}

/// Whether a word stands here that is followed by a name, so that it is not a node's name itself.
fn is_keyword(input: ParseStream<'_>, word: &str) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok_and(|ident| ident == word) && ahead.peek(syn::Ident::peek_any)
}

fn param(input: ParseStream<'_>, docs: Vec<Attribute>) -> syn::Result<Param> {
    input.call(Ident::parse_any)?;
    let name: Ident = input.parse()?;
    if !input.peek(Token![:]) {
        let message =
            format!("a param needs its type: `param {name}: Type;`, or `param {name}: Type = default;`");
        return Err(syn::Error::new(name.span(), message));
    }
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

fn output(
    input: ParseStream<'_>,
    attributes: Attributes,
    errors: &Diagnostics,
) -> syn::Result<Option<Output>> {
    input.call(Ident::parse_any)?;
    let name = input.parse()?;
    let ty = written_type(input)?;
    let chain = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        match chain::chain(input, errors)? {
            Some(Chain { into: Some(table), .. }) => {
                let message = format!("a stream goes out, or into `{table}`; write two items for both");
                errors.error(Code::TablesAndStreams, table, message);
                return Ok(None);
            }
            Some(chain) => Some(chain),
            None => return Ok(None),
        }
    } else {
        None
    };
    let Attributes { docs, formerly, .. } = attributes;
    if chain.is_none()
        && let Some(former) = formerly.first()
    {
        let message = format!("the former name belongs to the node: write it before `{name} = ..`");
        errors.error(Code::Former, former, message);
    }
    Ok(Some(Output { docs, formerly, name, ty, chain }))
}

fn node(input: ParseStream<'_>, attributes: Attributes, errors: &Diagnostics) -> syn::Result<Option<Item>> {
    named_otherwise(input)?;
    let named = input.peek(syn::Ident) && (input.peek2(Token![=]) || input.peek2(Token![:]));
    let (name, ty) = if named {
        let name: Ident = input.parse()?;
        let ty = if input.peek(Token![:]) && input.peek2(Token![=]) {
            let sign: Token![:] = input.parse()?;
            errors.error(
                Code::Syntax,
                sign,
                format!("a node is declared with `=`: `{name} = source -> operator;`"),
            );
            None
        } else {
            written_type(input)?
        };
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
    let Some(chain) = chain::chain(input, errors)? else { return Ok(None) };
    if let Some(table) = &chain.into {
        if let Some(name) = &name {
            let message = format!("what goes into a table has no name of its own: remove `{name} =`");
            errors.error(Code::TablesAndStreams, name, message);
            return Ok(None);
        }
        let table = table.clone();
        attributes.of_no_state("what goes into a table", errors);
        return Ok(Some(Item::Feed(Feed { table, chain })));
    }
    let Attributes { docs, formerly, .. } = attributes;
    Ok(Some(Item::Node(Node { docs, formerly, name, ty, chain })))
}

/// What cannot be the name of a node, and what cannot follow it.
fn named_otherwise(input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    let Ok(name) = ahead.call(Ident::parse_any) else { return Ok(()) };
    if ahead.peek(Token![=]) && !input.peek(syn::Ident) {
        let message = format!("`{name}` is a word of Rust, and cannot be a name; take another");
        return Err(syn::Error::new(name.span(), message));
    }
    if ahead.peek(Token![-]) && !ahead.peek(Token![->]) {
        let message = "a name has no `-` in it; write `_`";
        return Err(syn::Error::new(ahead.span(), message));
    }
    if ahead.peek(Token![<-]) {
        let message = format!("a node is declared with `=`: `{name} = source -> operator;`");
        return Err(syn::Error::new_spanned(ahead.parse::<Token![<-]>()?, message));
    }
    Ok(())
}

pub(crate) fn written_type(input: ParseStream<'_>) -> syn::Result<Option<Type>> {
    if !input.peek(Token![:]) {
        return Ok(None);
    }
    input.parse::<Token![:]>()?;
    Ok(Some(whole_type(input)?))
}

/// A type. What a `macro_rules!` hands on as `$t:ty` comes in a group that its user never sees.
pub(crate) fn whole_type(input: ParseStream<'_>) -> syn::Result<Type> {
    let mut ty = Type::parse(input)?;
    while let Type::Group(group) = ty {
        ty = *group.elem;
    }
    Ok(ty)
}

/// A closure, or what stands for one. As `$f:expr` it comes in such a group too; rustc knows what a closure is given only
/// where it sees the closure itself.
pub(crate) fn function(input: ParseStream<'_>) -> syn::Result<Expr> {
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
