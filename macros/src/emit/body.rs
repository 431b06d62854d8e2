//! The per-record path of a stage: statements, one for each operator, in one block.

use super::Context;
use super::place::Place;
use crate::ast::{Args, KeyField, Op};
use crate::compile::own;
use crate::graph::{Graph, Id, KnownType, Node, Reader, text};
use crate::lower::{Body, Branch, Head, Outlet, Plan, Stage, Step, Target, Time};
use crate::operators::Effect;
use crate::parse::words;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use std::collections::HashSet;
use syn::{Expr, Type};

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
    /// The node whose record it is, where others need it too.
    pub(super) lender: Id,
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
                    let lender = if cursor.owned { cursor.node } else { cursor.lender };
                    for (reader, body) in bodies.iter().enumerate() {
                        let last = reader + 1 == bodies.len();
                        let owned = cursor.owned && last;
                        let key_owned = cursor.key_owned && last;
                        tokens
                            .extend(self.block(body, Cursor { owned, key_owned, lender, ..cursor.clone() }));
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
        let shared = match self.context.graph.is_generic() {
            true => quote!(record::GenericShared<_>),
            false => quote!(record::Shared<_>),
        };
        self.named_at(cursor.lender).call(None, (rt, &shared), "share", &quote!(&#record))
    }

    /// From here on the records bear a node's name, and the type the user wrote for it.
    fn named(&mut self, id: Id, cursor: &mut Cursor) -> TokenStream {
        cursor.node = id;
        let node = self.context.graph.node(id);
        let Some(ty) = node.ty.as_ref().filter(|_| !matches!(node.origin, crate::graph::Origin::Input))
        else {
            return TokenStream::new();
        };
        let record = &cursor.record;
        if !cursor.owned {
            let call = self.context.given_typed(ty, &quote!(&#record), quote!(()));
            return quote!(#call;);
        }
        let call = self.context.typed(ty, &quote!(#record));
        quote!(let #record = #call;)
    }

    fn send(&mut self, outlet: usize, cursor: &Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let out = outlet_name(outlet);
        let Outlet { from, target, time } = &self.stage.outlets[outlet];
        let place = self.typed_at(*from);
        let known = self.known(*from, &cursor.record);
        let (is_record, is_state) = if self.context.graph.is_generic() {
            (quote!(record::GenericRecord<_>), quote!(record::GenericState<_>))
        } else {
            (quote!(record::IsRecord<_>), quote!(record::IsState<_>))
        };
        let sent = |record: TokenStream| place.call(None, (rt, &is_record), "itself", &record);
        match *target {
            Target::Output(output) => {
                let record = self.take(cursor);
                let record = match &self.context.graph.outputs[output].ty {
                    Some(ty) => self.context.typed(ty, &record),
                    None => record,
                };
                let record = sent(record);
                quote!(#known #out.push(#record);)
            }
            Target::Subflow { .. } => {
                let record = sent(self.take(cursor));
                quote!(#known #out.push(#record);)
            }
            Target::Parts(_) => {
                let record = &cursor.record;
                quote!(#out.push(#record);)
            }
            Target::Merge(merge) => {
                let record = sent(self.take(cursor));
                match (time, &cursor.at) {
                    (Some(_), Some(at)) if self.plan.stages[merge].timed => {
                        quote!(#known #out.push(#rt::record::Timed { at: #at, record: #record });)
                    }
                    _ => quote!(#known #out.push(#record);),
                }
            }
            Target::Core(stage) | Target::Joined(stage) => {
                let node = self.context.graph.node(self.plan.stages[stage].node);
                let payload = if let Some(side) = self.side(node, target) {
                    let record = self.take(cursor);
                    self.of_side(node, side, &record)
                } else if crate::lower::needs_records(node) {
                    let record = sent(self.take(cursor));
                    if holds_records(node) {
                        place.call(None, (rt, &is_state), "itself", &record)
                    } else {
                        record
                    }
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
                if self.plan.stages[stage].head == Head::Spread {
                    return quote!(#known #rt::outlet::Out::spread(#out, #at, #payload););
                }
                let route = self.given_key(self.plan.stages[stage].node, quote!(#rt::outlet::Out::route));
                quote!(#known let #payload_name = #payload; #route(#out, #key, #at, #payload_name);)
            }
        }
    }

    /// `flat_map`: what follows is done for each of what the record becomes.
    fn expand(&mut self, node: Id, op: usize, rest: &'a [Step], cursor: &Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let Args::Closure(f) = &self.context.graph.node(node).ops()[op].args else {
            return TokenStream::new();
        };
        let call = self.operator(node, op, "flat_map");
        let place = Place::of_result(f);
        let f = self.closure(f, 1);
        let record = self.take(cursor);
        let each = self.fresh("record");
        let inner = Cursor { record: each.clone(), owned: true, key_owned: false, ..cursor.clone() };
        let body = self.block(rest, inner);
        let several = place.function(None, (rt, &quote!(ops::Several<_>)), "each");
        quote!(for #each in #several(#call(#id, #record, #f), #id) { #body })
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
        let id = node_number(node);
        let op = &self.context.graph.node(node).ops()[place];
        let going_on = |tokens| Written { tokens, leaves: false };
        match (&op.args, op.row.effect) {
            (Args::Closure(f), Effect::Select) => {
                let (call, f, record) =
                    (self.operator(node, place, "filter"), self.closure(f, 1), &cursor.record);
                let tokens = quote!(if !#call(#id, &#record, #f) { break #label; });
                Written { tokens, leaves: true }
            }
            (Args::Closure(f), Effect::Inspect) => {
                let (call, f, record) =
                    (self.operator(node, place, "inspect"), self.closure(f, 1), &cursor.record);
                going_on(quote!(#call(#id, &#record, #f);))
            }
            (Args::Closure(f), Effect::Replace) => {
                let (call, f, record) =
                    (self.operator(node, place, "map"), self.closure(f, 1), self.take(cursor));
                let next = self.next(cursor);
                let made = self.made(node, place).map(|ty| quote!(::<_, #ty>));
                going_on(quote!(let #next = #call #made(#id, #record, #f);))
            }
            (Args::Closure(f), Effect::ReplaceOrDrop) => {
                let call = self.operator(node, place, "filter_map");
                let (f, record) = (self.closure(f, 1), self.take(cursor));
                let next = self.next(cursor);
                let made = self.made(node, place).map(|ty| quote!(::<_, #ty>));
                let tokens = quote! {
                    let ::core::option::Option::Some(#next) = #call #made(#id, #record, #f) else { break #label; };
                };
                Written { tokens, leaves: true }
            }
            (Args::Closure(closure), Effect::Try) => {
                let (call, f, record) =
                    (self.operator(node, place, "try_map"), self.closure(closure, 1), self.take(cursor));
                let failure = self.fresh("failure");
                let (result, made) = (Place::of_result(closure), self.made(node, place));
                let failed =
                    op.diverted.as_ref().and_then(|diverted| diverted.ty()).map(|ty| self.context.ty(ty));
                let made = (made.is_some() || failed.is_some()).then(|| {
                    let inferred = || quote!(_);
                    let (made, failed) = (made.unwrap_or_else(inferred), failed.unwrap_or_else(inferred));
                    quote!(::<_, ::core::result::Result<#made, #failed>>)
                });
                let at = op
                    .diverted
                    .as_ref()
                    .map_or_else(|| Place::of(&op.name), |diverted| Place::at(diverted.span));
                let diverted = self.diverted(&id, branches.first(), &failure, at, cursor);
                let next = self.next(cursor);
                let rt = &self.context.rt;
                let outcome = result.call(
                    None,
                    (rt, &quote!(ops::Outcome)),
                    "outcome",
                    &quote!(#call #made(#id, #record, #f)),
                );
                let tokens = quote! {
                    let #next = match #outcome {
                        ::core::result::Result::Ok(#next) => #next,
                        ::core::result::Result::Err(#failure) => { #diverted break #label; }
                    };
                };
                Written { tokens, leaves: true }
            }
            (Args::MapAsync(_), _) => {
                let tokens = self.answered((node, place), branches, cursor, label);
                Written { tokens, leaves: true }
            }
            (Args::EventTime { f, .. }, _) => going_on(self.set_time(node, place, f, clock, cursor)),
            (Args::Key(fields), _) => going_on(self.set_key(node, fields, cursor)),
            (Args::Route(arms), _) => {
                let conditions: Vec<Expr> = arms.iter().map(|arm| arm.condition.clone()).collect();
                going_on(self.route(&id, &conditions, branches, cursor))
            }
            // The others begin a stage, or stand before one that does.
            _ => going_on(TokenStream::new()),
        }
    }

    /// The type that the user wrote for what an operator makes, so that a closure which makes another is wrong there.
    fn made(&self, node: Id, place: usize) -> Option<TokenStream> {
        let node = self.context.graph.node(node);
        node.ty.as_ref().filter(|_| place + 1 == node.ops().len()).map(|ty| self.context.ty(ty))
    }

    /// A new variable for the record that an operator makes.
    pub(super) fn next(&mut self, cursor: &mut Cursor) -> Ident {
        let next = self.fresh("record");
        cursor.record = next.clone();
        cursor.owned = true;
        next
    }

    pub(super) fn diverted(
        &mut self,
        id: &TokenStream,
        branch: Option<&'a Branch>,
        failure: &Ident,
        at: Place,
        cursor: &Cursor,
    ) -> TokenStream {
        let rt = &self.context.rt;
        let local = ident("local");
        match branch {
            Some(Branch::To(body)) => {
                let cursor = Cursor {
                    record: failure.clone(),
                    owned: true,
                    key: None,
                    key_owned: false,
                    ..cursor.clone()
                };
                self.block(body, cursor)
            }
            Some(Branch::Fail) => {
                let error = at.call(None, (rt, &quote!(ops::Failure)), "error", &quote!(#failure));
                quote!(#local.fail(#id, #error);)
            }
            Some(Branch::Skip) | None => quote!(let _ = #failure; #local.skip(#id);),
        }
    }

    /// `event_time`: a watermark that a late record must not overtake goes into every outlet that this clock rules.
    fn set_time(
        &mut self,
        node: Id,
        place: usize,
        f: &Expr,
        clock: Option<usize>,
        cursor: &mut Cursor,
    ) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let call = self.operator(node, place, "event_time");
        let result = Place::of_result(f);
        let f = self.closure(f, 1);
        let record = &cursor.record;
        let ruled: Vec<Ident> = self
            .stage
            .outlets
            .iter()
            .enumerate()
            .filter(|(_, outlet)| clock.is_some_and(|clock| outlet.time == Some(Time::Clock(clock))))
            .map(|(place, _)| outlet_name(place))
            .collect();
        let at = self.fresh("at");
        let (local, mark) = (ident("local"), ident("mark"));
        cursor.at = Some(at.clone());
        let time =
            result.call(None, (rt, &quote!(time::EventTime)), "timestamp", &quote!(#call(#id, &#record, #f)));
        let Some(clock) = clock else { return quote!(let #at = #time;) };
        quote! {
            let #at = #time;
            if let ::core::option::Option::Some(#mark) = #local.observe(#clock, #at) { #(#ruled.mark(#mark);)* }
        }
    }

    fn set_key(&mut self, node: Id, fields: &[KeyField], cursor: &mut Cursor) -> TokenStream {
        let rt = &self.context.rt;
        let id = node_number(node);
        let record = cursor.record.clone();
        let types: Vec<_> = fields.iter().map(|field| self.context.ty(&field.ty)).collect();
        let values: Vec<_> = fields
            .iter()
            .map(|field| {
                let (f, ty) = (self.closure(&field.f, 1), self.context.ty(&field.ty));
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
            let (condition, Branch::To(body)) = (self.closure(condition, 1), branch) else { continue };
            let body = self.block(body, cursor.clone());
            tokens.extend(quote!(if #rt::ops::filter(#id, &#record, #condition) { #body } else));
        }
        let rest = match branches.get(conditions.len()) {
            Some(Branch::To(body)) => self.block(body, cursor.clone()),
            Some(Branch::Skip | Branch::Fail) | None => {
                let local = ident("local");
                quote!(#local.leave_out(#id);)
            }
        };
        quote!(#tokens { #rest })
    }

    /// A function of the runtime's, called on behalf of an operator, at the operator's name.
    fn operator(&self, node: Id, place: usize, function: &str) -> TokenStream {
        let (rt, function) = (&self.context.rt, ident(function));
        Place::of(&self.context.graph.node(node).ops()[place].name).put(quote!(#rt::ops::#function))
    }

    /// Where a node's record type is written, or else its name.
    fn typed_at(&self, id: Id) -> Place {
        match &self.context.graph.node(id).stream.ty {
            Some(KnownType::Written(ty)) => Place::of(ty),
            Some(KnownType::Record(_) | KnownType::Late(_) | KnownType::Joined(_)) | None => {
                self.named_at(id)
            }
        }
    }

    /// Where only a closure says what a node's records are, rustc must have understood it by here.
    fn known(&self, id: Id, record: &Ident) -> Option<TokenStream> {
        let (rt, node) = (&self.context.rt, self.context.graph.node(id));
        let record = self.named_at(id).called(&TokenStream::new(), [quote!(&#record)], rt);
        let known = self.named_at(id).put(quote!(.known();));
        node.stream.ty.is_none().then(|| quote!(#record #known))
    }

    /// Where a node has its name.
    fn named_at(&self, id: Id) -> Place {
        Place::of(&self.context.graph.node(id).name)
    }

    /// A closure as it stands; a function by its path in a closure, where it is asked whether it takes the record;
    /// anything else evaluated once, before the stage is placed.
    pub(super) fn closure(&mut self, f: &Expr, parameters: usize) -> TokenStream {
        match f {
            Expr::Closure(_) => quote!(#f),
            Expr::Path(_) if parameters > 1 => quote!(#f),
            Expr::Path(_) => {
                let (rt, name) = (&self.context.rt, ident("given"));
                let place = Place::of(f);
                let give = place.function(None, (rt, &quote!(ops::GivenTo<_, _, _>)), "give_to");
                let call = place.called(&give, [quote!(#name), quote!(&#f)], rt);
                quote!(|#name| #call)
            }
            _ => {
                let name = self.fresh("function");
                let bound = self.bindings(&quote!(#f));
                self.hoisted.extend(quote!(let #name = { #bound #f };));
                quote!(&#name)
            }
        }
    }

    /// `let` for each param that the tokens mention. Reads `flow`.
    pub(super) fn bindings(&self, tokens: &TokenStream) -> TokenStream {
        params_read(self.context, tokens)
    }

    /// A closure of our own around the user's: it owns the flow's params, if it needs them.
    ///
    /// What it owns is made before the stage is placed: only of what is a closure and nothing else does rustc wait to
    /// know what the closures before it have made.
    pub(super) fn owning(&mut self, parameters: &TokenStream, body: &TokenStream) -> TokenStream {
        let bound = self.bindings(body);
        if bound.is_empty() {
            return quote!(move |#parameters| { #body });
        }
        let (flow, own) = (ident("flow"), self.own_flow());
        quote!(move |#parameters| { let #flow = &#own; #bound #body })
    }

    /// The flow, for a closure that owns it.
    pub(super) fn own_flow(&mut self) -> Ident {
        let (flow, own) = (ident("flow"), self.fresh("flow"));
        self.hoisted.extend(quote!(let #own = ::std::sync::Arc::clone(#flow);));
        own
    }
}

/// `let` for each param that the tokens mention. Reads `flow`.
pub(super) fn params_read(context: &Context<'_>, tokens: &TokenStream) -> TokenStream {
    let mut mentioned = HashSet::new();
    words(tokens.clone(), &mut mentioned);
    let (rt, flow) = (&context.rt, ident("flow"));
    let params = context.graph.params.iter().filter(|param| mentioned.contains(&text(&param.name)));
    params
        .map(|param| {
            let name = &param.name;
            quote!(let #name = (&#rt::ops::Param(&#flow.#name)).get();)
        })
        .collect()
}

/// Whether a reader gives its records times and keeps the watermark that they come with.
pub(super) fn keeps_watermark(graph: &Graph, reader: Reader) -> bool {
    let Reader::Node(id) = reader else { return false };
    let is_first = |op: &&Op| op.row.effect == Effect::SetTime || op.row.effect.is_core();
    match graph.node(id).ops().iter().find(is_first) {
        Some(op) => matches!(op.args, Args::EventTime { lateness: None, .. }),
        None => graph.node(id).readers.iter().any(|reader| keeps_watermark(graph, *reader)),
    }
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
pub(super) fn key_type(context: &Context<'_>, key: &[(Ident, Type)]) -> TokenStream {
    let types: Vec<TokenStream> = key.iter().map(|(_, ty)| context.ty(ty)).collect();
    match &types[..] {
        [ty] => quote!(#ty),
        types => quote!((#(#types),*)),
    }
}

/// Whether a node holds the records that come to it, as they are.
fn holds_records(node: &Node) -> bool {
    node.core().is_some_and(|core| node.ops()[core].row.effect == Effect::Latest)
}

/// The operators that a node's state comes from.
pub(super) fn core_args(node: &Node) -> Option<&Args> {
    node.core().map(|core| &node.ops()[core].args)
}
