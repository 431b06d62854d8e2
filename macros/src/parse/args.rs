//! What stands in the parentheses and braces of operators.

use super::attributes::{Attributes, attributes};
use super::chain::{keep_clause, memory_argument};
use super::duration::{duration, peek_word, take_argument, take_flag, take_word};
use super::join::{join, lookup};
use super::map_async::map_async;
use super::{function, whole_type};
use crate::ast::{
    AggregateField, Args, Arm, Duration, Filter, Fold, FunctionArgs, Keep, KeyField, Memory, StateField,
    Stateful,
};
use crate::diagnostics::{Code, Diagnostics, did_you_mean, nearest};
use crate::graph::text;
use crate::operators::{
    ELSEWHERE, FUNCTIONS, Function, FunctionSyntax, Holds, OWN_FUNCTION, Operator, Syntax, aggregate_function,
};
use proc_macro2::{Ident, TokenStream};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseBuffer, ParseStream};
use syn::{Expr, ExprPath, Token, Type, TypePath};

/// What was read of an operator's arguments.
pub(super) struct Read {
    pub(super) args: Args,
    /// A `keep` that stands inside the braces.
    pub(super) keep: Option<Keep>,
    pub(super) memory: Option<Memory>,
}

impl From<Args> for Read {
    fn from(args: Args) -> Self {
        Read { args, keep: None, memory: None }
    }
}

/// Reads an operator's arguments, and an `allow` inside them; `None` if they were wrong and have been reported.
pub(super) fn args(
    name: &Ident,
    row: &'static Operator,
    input: ParseStream<'_>,
    errors: &Diagnostics,
) -> syn::Result<Option<(Read, Option<Duration>)>> {
    // On a fork, so that a mistake in here leaves no half-read group behind, of which syn would complain too.
    let ahead = input.fork();
    match read(row, &ahead, errors, name) {
        Ok(read) => {
            input.advance_to(&ahead);
            Ok(Some(read))
        }
        Err(error) => {
            // syn knows what it met, the table what the operator needs.
            let message = format!("{} `{name}` is used as `{}`", sentence(&error), row.usage);
            errors.error_at(Code::Arguments, error.span(), message);
            Ok(None)
        }
    }
}

/// What an error says, so that something can follow.
pub(crate) fn sentence(error: &syn::Error) -> String {
    let text = error.to_string();
    if text.ends_with('?') { text } else { format!("{text};") }
}

fn read(
    row: &'static Operator,
    input: ParseStream<'_>,
    errors: &Diagnostics,
    name: &Ident,
) -> syn::Result<(Read, Option<Duration>)> {
    let plain = |args: Args| Ok((args.into(), None));
    match row.syntax {
        Syntax::Closure(_) => plain(Args::Closure(parenthesized(input, name, function)?)),
        Syntax::EventTime => plain(parenthesized(input, name, |args| event_time(args, errors))?),
        Syntax::MapAsync => plain(parenthesized(input, name, |args| map_async(args, errors))?),
        Syntax::Key => plain(Args::Key(parenthesized(input, name, |args| list(args, key_field))?)),
        Syntax::Route => plain(Args::Route(braced(input, name, |args| list(args, arm))?)),
        Syntax::Window | Syntax::HoppingWindow => {
            parenthesized(input, name, |args| window(args, row, errors))
        }
        Syntax::CountWindow => plain(Args::CountWindow(parenthesized(input, name, |args| args.parse())?)),
        Syntax::Aggregate => {
            let fields = braced(input, name, |args| aggregate_fields(args, Language::Streams, errors))?;
            plain(Args::Aggregate(fields))
        }
        Syntax::Fold => plain(Args::Fold(Box::new(parenthesized(input, name, fold)?))),
        Syntax::Top => plain(parenthesized(input, name, |args| top(args, name))?),
        Syntax::Bare if input.peek(syn::token::Paren) || input.peek(syn::token::Brace) => {
            Err(syn::Error::new(input.span(), "unexpected here"))
        }
        Syntax::Bare => plain(Args::None),
        Syntax::Stateful => {
            let out = parenthesized(input, name, whole_type)?;
            Ok((braced(input, name, |body| stateful(out, body, errors))?, None))
        }
        Syntax::Join => Ok((parenthesized(input, name, |args| join(args, errors))?, None)),
        Syntax::Lookup => plain(parenthesized(input, name, lookup)?),
    }
}

/// Reads what stands in parentheses, all of it.
pub(crate) fn parenthesized<T>(
    input: ParseStream<'_>,
    name: &Ident,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(name.span(), format!("`{name}` lacks its arguments in parentheses")));
    }
    let args;
    syn::parenthesized!(args in input);
    whole(&args, name, read)
}

/// Reads what stands in braces, all of it.
pub(crate) fn braced<T>(
    input: ParseStream<'_>,
    name: &Ident,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Brace) {
        return Err(syn::Error::new(name.span(), format!("`{name}` lacks its body in braces")));
    }
    let args;
    syn::braced!(args in input);
    whole(&args, name, read)
}

fn whole<T>(
    args: &ParseBuffer<'_>,
    name: &Ident,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if args.is_empty() {
        return Err(syn::Error::new(name.span(), format!("`{name}` lacks its arguments")));
    }
    let value = read(args)?;
    to_the_end(args, value)
}

/// What was read, if but a comma follows it.
fn to_the_end<T>(args: ParseStream<'_>, value: T) -> syn::Result<T> {
    if args.peek(Token![,]) {
        args.parse::<Token![,]>()?;
    }
    if args.is_empty() { Ok(value) } else { Err(unexpected(args)) }
}

/// What stands where nothing more is expected.
fn unexpected(args: ParseStream<'_>) -> syn::Error {
    let word = args.fork().parse::<Ident>().map_or_else(|_| String::new(), |word| word.to_string());
    let near = did_you_mean(&word, ["lateness", "every", "allow", "merge", "keep", "by"]);
    syn::Error::new(args.span(), format!("this is more than was expected{near}"))
}

/// Items with commas between them.
fn list<T>(args: ParseStream<'_>, read: impl Fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<Vec<T>> {
    let mut items = Vec::new();
    while !args.is_empty() {
        items.push(read(args)?);
        if args.is_empty() {
            break;
        }
        if !args.peek(Token![,]) {
            return Err(syn::Error::new(args.span(), "expected `,`"));
        }
        args.parse::<Token![,]>()?;
    }
    Ok(items)
}

fn event_time(args: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Args> {
    let f = function(args)?;
    if !take_argument(args, "lateness")? {
        let ahead = args.fork();
        if ahead.parse::<Token![,]>().is_ok()
            && let Ok(word) = ahead.parse::<Ident>()
            && nearest(&word.to_string(), ["lateness"]).is_some()
        {
            return Err(syn::Error::new(
                word.span(),
                format!("there is no `{word}`; did you mean `lateness`?"),
            ));
        }
        return Ok(Args::EventTime { f, lateness: None });
    }
    if args.peek(Token![=]) || args.peek(Token![:]) {
        return Err(syn::Error::new(args.span(), "a duration follows `lateness` at once: `lateness 1 min`"));
    }
    Ok(Args::EventTime { f, lateness: Some(duration(args, errors)?) })
}

fn key_field(args: ParseStream<'_>) -> syn::Result<KeyField> {
    let ahead = args.fork();
    if ahead.parse::<Ident>().is_err() || !ahead.peek(Token![:]) || ahead.peek(Token![::]) {
        return Err(syn::Error::new(
            args.span(),
            "a key has a name and a type, because it is stored and shown",
        ));
    }
    let name = args.parse()?;
    args.parse::<Token![:]>()?;
    let ty = whole_type(args)?;
    if !args.peek(Token![=]) {
        let message = format!("where does the key `{name}` come from? Add `= |record| ..`");
        return Err(syn::Error::new_spanned(&ty, message));
    }
    args.parse::<Token![=]>()?;
    Ok(KeyField { name, ty, f: function(args)? })
}

fn arm(args: ParseStream<'_>) -> syn::Result<Arm> {
    let name = args.parse()?;
    args.parse::<Token![:]>()?;
    Ok(Arm { name, condition: function(args)? })
}

fn window(
    args: ParseStream<'_>,
    row: &'static Operator,
    errors: &Diagnostics,
) -> syn::Result<(Read, Option<Duration>)> {
    let size = duration(args, errors)?;
    let (mut every, mut allow, mut early, mut by_wall_clock) = (None, None, None, None);
    loop {
        if take_argument(args, "every")? {
            every = Some(duration(args, errors)?);
        } else if let Some(word) = take_flag(args, "processing_time")? {
            by_wall_clock = Some(word.span());
        } else if take_argument(args, "early")? {
            if take_word(args, "every").is_none() {
                return Err(syn::Error::new(args.span(), "how often? Write `early every 5 min`"));
            }
            early = Some(duration(args, errors)?);
        } else if take_argument(args, "allow")? {
            allow = Some(duration(args, errors)?);
        } else {
            break;
        }
    }
    match (row.syntax, &every) {
        (Syntax::HoppingWindow, None) => {
            Err(syn::Error::new(args.span(), "how often does a new window begin? Add `, every 5 min`"))
        }
        (Syntax::Window, Some(_)) => Err(syn::Error::new(args.span(), "only `hopping` windows have `every`")),
        _ => Ok((Args::Window { size, every, early, by_wall_clock }.into(), allow)),
    }
}

/// Which operators an aggregate stands among.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Streams,
    Tables,
}

/// The fields of `aggregate`.
pub(crate) fn aggregate_fields(
    args: ParseStream<'_>,
    language: Language,
    errors: &Diagnostics,
) -> syn::Result<Vec<AggregateField>> {
    let fields = list(args, |args| aggregate_field(args, language, errors))?;
    Ok(fields.into_iter().flatten().collect())
}

/// A field of `aggregate`; `None` if its function is unknown, which has been reported.
fn aggregate_field(
    args: ParseStream<'_>,
    language: Language,
    errors: &Diagnostics,
) -> syn::Result<Option<AggregateField>> {
    let attributes =
        attributes(args, errors)?.without_migration("what a function holds is of a type of its own", errors);
    let Attributes { docs, formerly, .. } = attributes;
    let name: Ident = args.parse()?;
    if !args.peek(Token![:]) {
        let message = format!("the field `{name}` needs its type, because it is stored: `{name}: u64 = ..`");
        return Err(syn::Error::new(name.span(), message));
    }
    args.parse::<Token![:]>()?;
    let ty = whole_type(args)?;
    args.parse::<Token![=]>()?;
    let Ok(called) = args.parse::<ExprPath>() else {
        return Err(syn::Error::new(
            args.span(),
            format!("expected an aggregate function, such as `{name}: u64 = count()`"),
        ));
    };
    if !args.peek(syn::token::Paren) {
        let written = crate::emit::written(&called);
        return Err(syn::Error::new_spanned(
            &called,
            format!("`{written}` lacks its parentheses: `{written}(..)`"),
        ));
    }
    let content;
    syn::parenthesized!(content in args);
    let Some(row) = function_row(&called, errors) else {
        content.parse::<TokenStream>()?;
        return Ok(None);
    };
    let own = (row.syntax == FunctionSyntax::Own).then(|| {
        Type::Path(TypePath { attrs: Vec::new(), qself: called.qself.clone(), path: called.path.clone() })
    });
    let ahead = content.fork();
    // Of a table's rows all can be listed as they are: what there is of them is known.
    let whole = language == Language::Tables
        && row.holds == Holds::List
        && row.syntax == FunctionSyntax::Closure
        && (content.is_empty() || content.peek(Token![where]));
    let syntax = if whole { FunctionSyntax::None } else { row.syntax };
    let read = function_args(syntax, &ahead).and_then(|args| {
        let filter = filter(&ahead, !matches!(args, FunctionArgs::None))?;
        to_the_end(&ahead, (args, filter))
    });
    match read {
        Ok((args, filter)) => {
            content.advance_to(&ahead);
            Ok(Some(AggregateField { docs, formerly, name, ty, function: called, row, own, args, filter }))
        }
        Err(error) => {
            content.parse::<TokenStream>()?;
            let called = crate::emit::written(&called);
            let message = format!("{} `{called}` is used as `{}`", sentence(&error), row.usage);
            errors.error_at(Code::Arguments, error.span(), message);
            Ok(None)
        }
    }
}

/// The row of a function; what cannot be the name of one of ours is the path of one of the user's own. `None` if there
/// is no such function, which has been reported.
fn function_row(called: &ExprPath, errors: &Diagnostics) -> Option<&'static Function> {
    let name = called.path.get_ident().filter(|_| called.qself.is_none()).map(text);
    let Some(name) = name.filter(|name| !name.starts_with(char::is_uppercase)) else {
        return Some(&OWN_FUNCTION);
    };
    let row = aggregate_function(&name);
    if row.is_none() {
        let elsewhere = ELSEWHERE.iter().find(|(elsewhere, _)| name == *elsewhere).map(|(_, meant)| *meant);
        let known = elsewhere.filter(|meant| aggregate_function(meant).is_some());
        let near = known.map_or_else(
            || did_you_mean(&name, FUNCTIONS.iter().map(|row| row.name)),
            |meant| format!("; did you mean `{meant}`?"),
        );
        let all: Vec<_> = FUNCTIONS.iter().map(|row| row.name).collect();
        let all = if near.is_empty() { format!("; there are {}", all.join(", ")) } else { near };
        errors.error(Code::UnknownOperator, called, format!("there is no aggregate function `{name}`{all}"));
    }
    row
}

/// `where f`, behind a comma if something stands before it.
fn filter(args: ParseStream<'_>, behind: bool) -> syn::Result<Option<Filter>> {
    let ahead = args.fork();
    if behind && ahead.parse::<Token![,]>().is_err() {
        return Ok(None);
    }
    if !ahead.peek(Token![where]) {
        return Ok(None);
    }
    let span = ahead.parse::<Token![where]>()?.span;
    if ahead.is_empty() {
        return Err(syn::Error::new(span, "which records count? Write `where |record| ..`"));
    }
    let f = function(&ahead)?;
    args.advance_to(&ahead);
    Ok(Some(Filter { span, f }))
}

fn function_args(syntax: FunctionSyntax, args: ParseStream<'_>) -> syn::Result<FunctionArgs> {
    match syntax {
        FunctionSyntax::None => Ok(FunctionArgs::None),
        FunctionSyntax::Closure => Ok(FunctionArgs::Closure(function(args)?)),
        FunctionSyntax::Top => {
            let n = args.parse()?;
            if !take_argument(args, "by")? {
                return Err(syn::Error::new(args.span(), "the greatest by what? Add `, by |record| ..`"));
            }
            Ok(FunctionArgs::Top { n, by: function(args)? })
        }
        FunctionSyntax::Fold => {
            let init = args.parse()?;
            args.parse::<Token![,]>()?;
            let (step, merge) = step_and_merge(args)?;
            Ok(FunctionArgs::Fold { init, step, merge })
        }
        FunctionSyntax::Quantile => {
            let q = args.parse()?;
            if args.parse::<Token![,]>().is_err() {
                return Err(syn::Error::new(
                    args.span(),
                    "which part of them, and of what? Write `0.99, |record| ..`",
                ));
            }
            Ok(FunctionArgs::Quantile { q, f: function(args)? })
        }
        FunctionSyntax::Own if args.is_empty() || args.peek(Token![where]) => Ok(FunctionArgs::None),
        FunctionSyntax::Own => Ok(FunctionArgs::Closure(function(args)?)),
    }
}

/// `top` as an operator is an aggregate of one field, whose type is that of the records: see `Graph::spell_tops`.
fn top(args: ParseStream<'_>, name: &Ident) -> syn::Result<Args> {
    let row = aggregate_function("top").expect("`top` is a row of the table");
    let args = function_args(row.syntax, args)?;
    let ty = syn::parse_quote_spanned!(name.span()=> Vec<()>);
    let docs = vec![syn::parse_quote!(#[doc = " The records, the greatest first."])];
    let field = Ident::new("top", name.span());
    let function = ExprPath { attrs: Vec::new(), qself: None, path: name.clone().into() };
    let (formerly, own, filter) = (Vec::new(), None, None);
    Ok(Args::Aggregate(vec![AggregateField {
        docs,
        formerly,
        name: field,
        ty,
        function,
        row,
        own,
        args,
        filter,
    }]))
}

fn fold(args: ParseStream<'_>) -> syn::Result<Fold> {
    let ty = whole_type(args)?;
    args.parse::<Token![=]>()?;
    let init = args.parse()?;
    args.parse::<Token![,]>()?;
    let (step, merge) = step_and_merge(args)?;
    Ok(Fold { ty, init, step, merge })
}

fn step_and_merge(args: ParseStream<'_>) -> syn::Result<(Expr, Option<Expr>)> {
    let step = function(args)?;
    let merge = if take_argument(args, "merge")? { Some(function(args)?) } else { None };
    Ok((step, merge))
}

fn stateful(out: Type, body: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Read> {
    if take_word(body, "state").is_none() {
        return Err(syn::Error::new(
            body.span(),
            "its body begins with `state { name: Type = init }`, which may be empty",
        ));
    }
    let fields;
    syn::braced!(fields in body);
    let state = list(&fields, |field| state_field(field, errors))?;
    let keep = if peek_word(body, "keep") { Some(keep_clause(body, errors)?) } else { None };
    let memory = if keep.is_some() { memory_argument(body, errors)? } else { None };
    if body.peek(Token![;]) {
        body.parse::<Token![;]>()?;
    } else if keep.is_some() {
        return Err(syn::Error::new(body.span(), "expected `;` after `keep ..`"));
    }
    before_the_step(body)?;
    let step = function(body)?;
    if body.peek(Token![;]) {
        return Err(syn::Error::new(
            body.span(),
            "remove this `;`: the closure is followed by `on timer`, or by nothing",
        ));
    }
    let timer = if take_word(body, "on").is_some() {
        if take_word(body, "timer").is_none() {
            return Err(syn::Error::new(body.span(), "expected `on timer |state, at, out| { .. }`"));
        }
        Some(function(body)?)
    } else {
        None
    };
    if peek_word(body, "on") {
        return Err(syn::Error::new(body.span(), "there is `on timer` already; remove one"));
    }
    Ok(Read { args: Args::Stateful(Box::new(Stateful { out, state, step, timer })), keep, memory })
}

/// Words that stand in the wrong place before the closure of `stateful`.
fn before_the_step(body: ParseStream<'_>) -> syn::Result<()> {
    let ahead = body.fork();
    let Ok(word) = ahead.parse::<Ident>() else { return Ok(()) };
    let message = if word == "on" && peek_word(&ahead, "timer") {
        "`on timer` stands after the closure of the records".to_string()
    } else if word == "keep" {
        "there is `keep` already; remove one".to_string()
    } else if word != "move" && (ahead.peek(syn::Ident) || ahead.peek(syn::Lit)) {
        let near = did_you_mean(&word.to_string(), ["keep"]);
        format!("`{word}` cannot stand here{near}")
    } else {
        return Ok(());
    };
    Err(syn::Error::new(word.span(), message))
}

fn state_field(args: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<StateField> {
    let Attributes { docs, formerly, migrate } = attributes(args, errors)?;
    let name = args.parse()?;
    args.parse::<Token![:]>()?;
    let ty = whole_type(args)?;
    let default = if args.peek(Token![=]) {
        args.parse::<Token![=]>()?;
        Some(args.parse()?)
    } else {
        None
    };
    Ok(StateField { docs, formerly, migrate, name, ty, default })
}
