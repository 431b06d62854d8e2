//! Joins: what goes into them, the stages that do them, what is known of their results.

use super::Context;
use super::body::{Writer, ident, node_number};
use super::names::declared;
use super::place::Place;
use super::written;
use crate::ast::{Args, Join, JoinBound};
use crate::graph::{Id, JoinedType, KnownType, Node};
use crate::lower::{Head, Target};
use crate::operators::{Effect, JoinKind, WindowKind};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// A side of a join.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Left,
    Right,
}

/// What kind of join a node has.
fn kind(node: &Node) -> Option<JoinKind> {
    match node.ops()[node.core()?].row.effect {
        Effect::Join(kind) => Some(kind),
        _ => None,
    }
}

/// The record type of a join, in the generated module.
pub(super) fn declared_join(context: &Context<'_>, joined: &JoinedType) -> TokenStream {
    let rt = &context.rt;
    let (left, right) = (declared(context, &joined.left), declared(context, &joined.right));
    let option = |ty: &TokenStream| quote!(::core::option::Option<#ty>);
    let (left, right) = match joined.kind {
        JoinKind::Inner => (left, right),
        JoinKind::Left | JoinKind::Lookup => (left, option(&right)),
        JoinKind::Full => (option(&left), option(&right)),
    };
    let window = joined.windowed.then(|| quote!(#rt::time::Window,));
    quote!((#window #left, #right))
}

/// What a join holds, for `GRAPH`: the records of its sides.
pub(super) fn held(context: &Context<'_>, id: Id) -> Option<Vec<TokenStream>> {
    let (graph, rt) = (context.graph, &context.path);
    let node = graph.node(id);
    kind(node)?;
    let left = graph.before(id, node.core()?).ty;
    let sides = [("left", left), ("right", graph.joined_stream(id).and_then(|stream| stream.ty))];
    let field = |(name, ty): (&str, Option<KnownType>)| {
        let ty = ty.map_or_else(|| "_".to_string(), |ty| shown(&ty));
        super::description::field(rt, name, &ty, None)
    };
    Some(sides.map(field).into())
}

/// A record type as a person would write it.
fn shown(ty: &KnownType) -> String {
    match ty {
        KnownType::Written(ty) => written(ty),
        KnownType::Record(name) => written(name),
        KnownType::Late(record) => format!("Late<{}>", shown(record)),
        KnownType::Joined(joined) => {
            let (left, right) = (shown(&joined.left), shown(&joined.right));
            let window = if joined.windowed { "Window, " } else { "" };
            match joined.kind {
                JoinKind::Inner => format!("({window}{left}, {right})"),
                JoinKind::Left | JoinKind::Lookup => format!("({window}{left}, Option<{right}>)"),
                JoinKind::Full => format!("({window}Option<{left}>, Option<{right}>)"),
            }
        }
    }
}

/// A record type made of what the user wrote, outside of the generated module. The others can surely be held.
fn written_type(context: &Context<'_>, known: &KnownType) -> Option<TokenStream> {
    let rt = &context.rt;
    match known {
        KnownType::Written(ty) => Some(context.ty(ty)),
        KnownType::Late(record) => {
            let record = written_type(context, record)?;
            Some(quote!(#rt::record::Late<#record>))
        }
        KnownType::Record(_) | KnownType::Joined(_) => None,
    }
}

impl Writer<'_> {
    /// Which side of a join an outlet leads to, if it leads to one.
    pub(super) fn side(&self, node: &Node, target: &Target) -> Option<Side> {
        kind(node)?;
        Some(if matches!(target, Target::Joined(_)) { Side::Right } else { Side::Left })
    }

    /// What a join asks of what it holds.
    fn held_by_join(&self) -> TokenStream {
        if self.context.graph.is_generic() {
            quote!(record::GenericJoined<_>)
        } else {
            quote!(record::Joined<_>)
        }
    }

    /// A record as one of a join's sides. That it can be held is asked where the side is named.
    pub(super) fn of_side(&self, node: &Node, side: Side, record: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let (place, variant) = match side {
            Side::Left => (node.core().map(|core| Place::of(&node.ops()[core].name)), "Left"),
            Side::Right => (node.joins().map(|(_, at)| Place::at(at)), "Right"),
        };
        let (place, variant) = (place.unwrap_or_else(|| Place::of(&node.name)), ident(variant));
        let record = place.call(None, (rt, &self.held_by_join()), "itself", record);
        quote!(#rt::record::Side::#variant(#record))
    }

    /// A value that is there for rustc only if what a join holds can be held, as far as its types are known: else rustc
    /// would learn them from what reads the join, and blame the whole flow.
    pub(super) fn given_sides(&self, value: TokenStream) -> TokenStream {
        let (graph, rt, id) = (self.context.graph, &self.context.rt, self.stage.node);
        let node = graph.node(id);
        let sides = kind(node).filter(|_| self.stage.head == Head::Core).and_then(|_| {
            let (core, (_, at)) = (node.core()?, node.joins()?);
            let left = (graph.before(id, core).ty, Place::of(&node.ops()[core].name));
            Some([left, (graph.joined_stream(id).and_then(|stream| stream.ty), Place::at(at))])
        });
        sides.into_iter().flatten().fold(value, |value, (ty, place)| {
            let Some(ty) = ty.and_then(|ty| written_type(self.context, &ty)) else { return value };
            let given = place.function(Some(&place.put(ty)), (rt, &self.held_by_join()), "given");
            let value = place.parenthesized(&value);
            quote!(#given #value)
        })
    }

    /// The call that places the stage of a join.
    pub(super) fn join(&mut self, id: Id, node: &Node, join: &Join, head: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let (late, emit) = (self.late(id), self.emit());
        let joining: Ident = ident(match kind(node) {
            Some(JoinKind::Lookup) => {
                let keep = self.keep(self.context.graph.keeper(id));
                return self.placed("lookup", &quote!(#head, #keep, #late, #emit));
            }
            Some(JoinKind::Left) => "LeftOuter",
            Some(JoinKind::Full) => "FullOuter",
            Some(JoinKind::Inner) | None => "Inner",
        });
        let joining = quote!(#rt::stages::#joining);
        if let Some(op) = node.window()
            && let (Args::Window { size, every, .. }, Effect::Window(kind)) = (&op.args, op.row.effect)
        {
            let (size, zero) = (self.bound_duration(size), quote!(::core::time::Duration::ZERO));
            let every = every.as_ref().map(|every| self.bound_duration(every));
            let (function, windows) = match kind {
                WindowKind::Tumbling => ("time_window_join", quote!(TimeWindows::tumbling(#size, #zero))),
                WindowKind::Hopping => {
                    ("time_window_join", quote!(TimeWindows::hopping(#size, #every, #zero)))
                }
                // Of which the checks say that it joins nothing.
                WindowKind::Count => return TokenStream::new(),
                WindowKind::Session => ("session_join", quote!(SessionWindows::new(#size, #zero))),
            };
            return self.placed(function, &quote!(#head, #joining, #rt::stages::#windows, #late, #emit));
        }
        let at = ident("at");
        let mut until = quote!(|_| #rt::time::Timestamp::MAX);
        let pairing = match &join.bound {
            Some(JoinBound::Within(d)) => {
                let d = self.bound_duration(d);
                quote!(within(#d))
            }
            Some(JoinBound::Until(f)) => {
                let (number, result) = (node_number(id), Place::of_result(f));
                let f = self.closure(f, 1);
                let time = quote!(#rt::ops::event_time(#number, #at, #f));
                let time = result.call(None, (rt, &quote!(time::EventTime)), "timestamp", &time);
                until = self.owning(&quote!(#at: &_), &time);
                quote!(until())
            }
            None => {
                let keep = self.keep(node);
                quote!(keep(#keep))
            }
        };
        self.placed("join", &quote!(#head, #joining, #rt::stages::Pairing::#pairing, #until, #late, #emit))
    }
}
