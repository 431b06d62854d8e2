//! The per-record path of a stage: statements, one for each operator, in one block.

use super::Context;
use crate::ast::{Args, KeyField};
use crate::compile::own;
use crate::graph::{Id, Node};
use crate::lower::{Body, Branch, Outlet, Plan, Stage, Step, Target, Time};
use crate::operators::Effect;
use crate::parse::words;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashSet;
use syn::Expr;
use syn::spanned::Spanned;

/// Where the writing of a path has come to.
#[derive(Clone)]
pub(super) struct Cursor {
    /// The variable that holds the record.
    pub(super) record: Ident,
    /// Whether the record may be given away here, or another reader needs it too.
    pub(super) owned: bool,
    /// The variable that holds its time.
    pub(super) at: Option<Ident>,
    /// The variable that holds its key.
    pub(super) key: Option<Ident>,
    pub(super) key_owned: bool,
    /// The node whose name the record bears.
    pub(super) node: Id,
}

/// Statements, and whether one of them leaves the block.
struct Written {
    tokens: TokenStream,
    leaves: bool,
}

/// Writes the closures of one stage.
pub(super) struct Writer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) plan: &'a Plan,
    pub(super) stage: &'a Stage,
    /// Expressions that are evaluated once, before the stage is placed.
    pub(super) hoisted: TokenStream,
    /// The names of variables and labels are numbered.
    pub(super) count: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn fresh(&mut self, name: &str) -> Ident {
        self.count += 1;
        format_ident!("{name}{}", self.count, span = own())
    }

    /// A whole path, as a block.
    pub(super) fn path(&mut self, body: &'a Body, cursor: Cursor) -> TokenStream {
        self.block(body, cursor)
    }

    /// A path in a block of its own, which it can leave.
    fn block(&mut self, steps: &'a [Step], cursor: Cursor) -> TokenStream {
        self.count += 1;
        let label = syn::Lifetime::new(&format!("'path{}", self.count), own());
        let Written { tokens, leaves } = self.steps(steps, cursor, &label);
        if leaves { quote!(#label: { #tokens }) } else { quote!({ #tokens }) }
    }

    fn steps(&mut self, steps: &'a [Step], mut cursor: Cursor, label: &syn::Lifetime) -> Written {
        let mut tokens = TokenStream::new();
        let mut leaves = false;
        for (place, step) in steps.iter().enumerate() {
            match step {
                Step::Named(id) => tokens.extend(self.named(*id, &mut cursor)),
                Step::Send(outlet) => tokens.extend(self.send(*outlet, &cursor)),
                Step::Fork(bodies) => {
                    for (reader, body) in bodies.iter().enumerate() {
                        let last = reader + 1 == bodies.len();
                        let owned = cursor.owned && last;
                        let key_owned = cursor.key_owned && last;
                        tokens.extend(self.block(body, Cursor { owned, key_owned, ..cursor.clone() }));
                    }
                }
                Step::Op { node, place: op, clock, branches } => {
                    let operator = &self.context.graph.node(*node).ops()[*op];
                    if operator.row.effect == Effect::Expand {
                        tokens.extend(self.expand(*node, *op, &steps[place + 1..], &cursor));
                        return Written { tokens, leaves };
                    }
                    let written = self.op(*node, *op, *clock, branches, &mut cursor, label);
                    tokens.extend(written.tokens);
                    leaves |= written.leaves;
                }
            }
        }
        Written { tokens, leaves }
    }

    /// The record, given away, or a copy of it.
    fn take(&self, cursor: &Cursor) -> TokenStream {
        let record = &cursor.record;
        if cursor.owned {
            return quote!(#record);
        }
        let rt = &self.context.rt;
        let span = self.context.graph.node(cursor.node).name.span();
        spanned_call(&quote!(#rt::ops::share), &quote!(&#record), span)
    }

    /// From here on the records bear a node's name, and the type the user wrote for it.
    fn named(&mut self, id: Id, cursor: &mut Cursor) -> TokenStream {
        cursor.node = id;
        let node = self.context.graph.node(id);
        let Some(ty) = node.ty.as_ref().filter(|_| !matches!(node.origin, crate::graph::Origin::Input)) else {
            return TokenStream::new();
        };
        let rt = &self.context.rt;
        let record = &cursor.record;
        if !cursor.owned {
            let call = spanned_call(&quote!(#rt::ops::typed_ref::<#ty>), &quote!(&#record), ty.span());
            return quote!(#call;);
        }
        let call = spanned_call(&quote!(#rt::ops::typed::<#ty>), &quote!(#record), ty.span());
        quote!(let #record = #call;)
    }

    fn send(&mut self, outlet: usize, cursor: &Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let out = outlet_name(outlet);
        let Outlet { from, target, time } = &self.stage.outlets[outlet];
        let span = self.context.graph.node(*from).name.span();
        let sent = |record: TokenStream| spanned_call(&quote!(#rt::ops::sent), &record, span);
        match *target {
            Target::Output(output) => {
                let record = self.take(cursor);
                let record = match &self.context.graph.outputs[output].ty {
                    Some(ty) => spanned_call(&quote!(#rt::ops::typed::<#ty>), &record, ty.span()),
                    None => record,
                };
                let record = sent(record);
                quote!(#out.push(#record);)
            }
            Target::Merge(_) => {
                let record = sent(self.take(cursor));
                match (time, &cursor.at) {
                    (Some(_), Some(at)) => quote!(#out.push(#rt::record::Timed { at: #at, record: #record });),
                    _ => quote!(#out.push(#record);),
                }
            }
            Target::Core(stage) => {
                let node = self.context.graph.node(self.plan.stages[stage].node);
                let payload = if crate::lower::needs_records(node) {
                    sent(self.take(cursor))
                } else {
                    let record = &cursor.record;
                    self.projections(self.plan.stages[stage].node, &quote!(&#record))
                };
                let at = cursor.at.as_ref().filter(|_| time.is_some()).map_or(quote!(()), |at| quote!(#at));
                let key = match (&cursor.key, cursor.key_owned) {
                    (Some(key), true) => quote!(#key),
                    (Some(key), false) => quote!(::core::clone::Clone::clone(&#key)),
                    (None, _) => quote!(()),
                };
                // The payload may borrow from what the key was made of, so it comes first.
                let payload_name = self.fresh("payload");
                quote!(let #payload_name = #payload; #out.route(#key, #at, #payload_name);)
            }
        }
    }

    /// `flat_map`: what follows is done for each of what the record becomes.
    fn expand(&mut self, node: Id, op: usize, rest: &'a [Step], cursor: &Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let Args::Closure(f) = &self.context.graph.node(node).ops()[op].args else { return TokenStream::new() };
        let f = self.closure(f);
        let record = self.take(cursor);
        let each = self.fresh("record");
        let inner = Cursor { record: each.clone(), owned: true, key_owned: false, ..cursor.clone() };
        let body = self.block(rest, inner);
        quote!(for #each in #rt::ops::flat_map(#id, #record, #f) { #body })
    }

    fn op(
        &mut self,
        node: Id,
        place: usize,
        clock: Option<usize>,
        branches: &'a [Branch],
        cursor: &mut Cursor,
        label: &syn::Lifetime,
    ) -> Written {
        let rt = &self.context.rt;
        let id = node_number(node);
        let op = &self.context.graph.node(node).ops()[place];
        let going_on = |tokens| Written { tokens, leaves: false };
        match (&op.args, op.row.effect) {
            (Args::Closure(f), Effect::Select) => {
                let (f, record) = (self.closure(f), &cursor.record);
                let tokens = quote!(if !#rt::ops::filter(#id, &#record, #f) { break #label; });
                Written { tokens, leaves: true }
            }
            (Args::Closure(f), Effect::Inspect) => {
                let (f, record) = (self.closure(f), &cursor.record);
                going_on(quote!(#rt::ops::inspect(#id, &#record, #f);))
            }
            (Args::Closure(f), Effect::Replace) => {
                let (f, record) = (self.closure(f), self.take(cursor));
                let next = self.next(cursor);
                going_on(quote!(let #next = #rt::ops::map(#id, #record, #f);))
            }
            (Args::Closure(f), Effect::ReplaceOrDrop) => {
                let (f, record) = (self.closure(f), self.take(cursor));
                let next = self.next(cursor);
                let call = quote!(#rt::ops::filter_map(#id, #record, #f));
                let tokens = quote!(let ::core::option::Option::Some(#next) = #call else { break #label; };);
                Written { tokens, leaves: true }
            }
            (Args::Closure(f), Effect::Try) => {
                let (f, record) = (self.closure(f), self.take(cursor));
                let failure = self.fresh("failure");
                let diverted = self.diverted(&id, branches.first(), &failure, cursor);
                let next = self.next(cursor);
                let tokens = quote! {
                    let #next = match #rt::ops::try_map(#id, #record, #f) {
                        ::core::result::Result::Ok(#next) => #next,
                        ::core::result::Result::Err(#failure) => { #diverted break #label; }
                    };
                };
                Written { tokens, leaves: true }
            }
            (Args::EventTime { f, .. }, _) => going_on(self.set_time(node, f, clock.unwrap_or(0), cursor)),
            (Args::Key(fields), _) => going_on(self.set_key(node, fields, cursor)),
            (Args::Route(arms), _) => {
                let conditions: Vec<Expr> = arms.iter().map(|arm| arm.condition.clone()).collect();
                going_on(self.route(&id, &conditions, branches, cursor))
            }
            // The others begin a stage, or stand before one that does.
            _ => going_on(TokenStream::new()),
        }
    }

    /// A new variable for the record that an operator makes.
    fn next(&mut self, cursor: &mut Cursor) -> Ident {
        let next = self.fresh("record");
        cursor.record = next.clone();
        cursor.owned = true;
        next
    }

    fn diverted(
        &mut self,
        id: &TokenStream,
        branch: Option<&'a Branch>,
        failure: &Ident,
        cursor: &Cursor,
    ) -> TokenStream {
        let local = ident("local");
        match branch {
            Some(Branch::To(body)) => {
                let cursor =
                    Cursor { record: failure.clone(), owned: true, key: None, key_owned: false, ..cursor.clone() };
                self.block(body, cursor)
            }
            Some(Branch::Fail) => quote!(#local.fail(#id, #failure);),
            Some(Branch::Skip) | None => quote!(let _ = #failure; #local.skip(#id);),
        }
    }

    /// `event_time`: a watermark that a late record must not overtake goes into every outlet that this clock rules.
    fn set_time(&mut self, node: Id, f: &Expr, clock: usize, cursor: &mut Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let f = self.closure(f);
        let record = &cursor.record;
        let ruled: Vec<Ident> = self
            .stage
            .outlets
            .iter()
            .enumerate()
            .filter(|(_, outlet)| outlet.time == Some(Time::Clock(clock)))
            .map(|(place, _)| outlet_name(place))
            .collect();
        let at = self.fresh("at");
        let (local, mark) = (ident("local"), ident("mark"));
        cursor.at = Some(at.clone());
        quote! {
            let #at = #rt::ops::event_time(#id, &#record, #f);
            if let ::core::option::Option::Some(#mark) = #local.observe(#clock, #at) { #(#ruled.mark(#mark);)* }
        }
    }

    fn set_key(&mut self, node: Id, fields: &[KeyField], cursor: &mut Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let record = cursor.record.clone();
        let types: Vec<_> = fields.iter().map(|field| field.ty.clone()).collect();
        let values: Vec<_> = fields
            .iter()
            .map(|field| {
                let (f, ty) = (self.closure(&field.f), &field.ty);
                quote!(#rt::ops::key::<_, #ty>(#id, &#record, #f))
            })
            .collect();
        let key = self.fresh("key");
        cursor.key = Some(key.clone());
        cursor.key_owned = true;
        match (&types[..], &values[..]) {
            ([ty], [value]) => quote!(let #key: #ty = #value;),
            _ => quote!(let #key: (#(#types),*) = (#(#values),*);),
        }
    }

    fn route(
        &mut self,
        id: &TokenStream,
        conditions: &[Expr],
        branches: &'a [Branch],
        cursor: &Cursor,
    ) -> TokenStream {
        let rt = &self.context.rt;
        let record = &cursor.record;
        let mut tokens = TokenStream::new();
        for (condition, branch) in conditions.iter().zip(branches) {
            let (condition, Branch::To(body)) = (self.closure(condition), branch) else { continue };
            let body = self.block(body, cursor.clone());
            tokens.extend(quote!(if #rt::ops::filter(#id, &#record, #condition) { #body } else));
        }
        let rest = match branches.get(conditions.len()) {
            Some(Branch::To(body)) => self.block(body, cursor.clone()),
            Some(Branch::Skip | Branch::Fail) | None => {
                let local = ident("local");
                quote!(#local.skip(#id);)
            }
        };
        quote!(#tokens { #rest })
    }

    /// A closure or a path as it stands; anything else is evaluated once, before the stage is placed.
    pub(super) fn closure(&mut self, f: &Expr) -> TokenStream {
        if matches!(f, Expr::Closure(_) | Expr::Path(_)) {
            return quote!(#f);
        }
        let name = self.fresh("function");
        let bound = self.bindings(&quote!(#f));
        self.hoisted.extend(quote!(let #name = { #bound #f };));
        quote!(&#name)
    }

    /// `let` for each param that the tokens mention. Reads `flow`.
    pub(super) fn bindings(&self, tokens: &TokenStream) -> TokenStream {
        let mut mentioned = HashSet::new();
        words(tokens.clone(), &mut mentioned);
        let rt = &self.context.rt;
        let flow = ident("flow");
        let params = self.context.graph.params.iter().filter(|param| mentioned.contains(&param.name.to_string()));
        params
            .map(|param| {
                let name = &param.name;
                quote!(let #name = (&#rt::ops::Param(&#flow.#name)).get();)
            })
            .collect()
    }

    /// A closure of our own around the user's: it owns the flow's params, if it needs them.
    pub(super) fn owning(&self, parameters: &TokenStream, body: &TokenStream) -> TokenStream {
        let bound = self.bindings(body);
        if bound.is_empty() {
            return quote!(move |#parameters| { #body });
        }
        let flow = ident("flow");
        quote!({
            let #flow = ::std::sync::Arc::clone(#flow);
            move |#parameters| { #bound #body }
        })
    }
}

/// A call whose errors rustc shows at a token of the user's.
pub(super) fn spanned_call(function: &TokenStream, argument: &TokenStream, span: Span) -> TokenStream {
    let function = respan(function.clone(), span);
    let argument = respan(argument.clone(), span);
    quote_spanned!(span=> #function(#argument))
}

/// Our tokens at the user's place, resolved as ours.
fn respan(tokens: TokenStream, place: Span) -> TokenStream {
    let place_of = |span: Span| span.located_at(place);
    tokens
        .into_iter()
        .map(|tree| match tree {
            TokenTree::Group(group) => {
                let mut new = proc_macro2::Group::new(group.delimiter(), respan(group.stream(), place));
                new.set_span(place_of(group.span()));
                TokenTree::Group(new)
            }
            mut tree => {
                tree.set_span(place_of(tree.span()));
                tree
            }
        })
        .collect()
}

/// A variable of our own, which neither collides with the user's nor is seen by them.
pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name, own())
}

/// The variable of an outlet.
pub(super) fn outlet_name(outlet: usize) -> Ident {
    format_ident!("out{outlet}", span = own())
}

/// A node as generated code names it to the runtime.
pub(super) fn node_number(node: Id) -> TokenStream {
    let literal = proc_macro2::Literal::u16_suffixed(u16::try_from(node).unwrap_or(u16::MAX));
    quote!(#literal)
}

/// The key type of a stream.
pub(super) fn key_type(key: &[(Ident, syn::Type)]) -> TokenStream {
    match key {
        [(_, ty)] => quote!(#ty),
        _ => {
            let types = key.iter().map(|(_, ty)| ty);
            quote!((#(#types),*))
        }
    }
}

/// The operators that a node's state comes from.
pub(super) fn core_args(node: &Node) -> Option<&Args> {
    node.core().map(|core| &node.ops()[core].args)
}
