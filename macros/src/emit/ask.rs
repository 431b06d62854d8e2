//! What is asked of the types that the user wrote, and where: see `psdf_runtime::requirement`.

use super::Context;
use super::body::{Writer, core_args, ident};
use super::names::element;
use super::place::Place;
use crate::ast::{AggregateField, Args};
use crate::graph::{Id, KnownType};
use crate::lower::{Head, Target};
use crate::operators::Holds;
use crate::parse::words;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::HashSet;
use syn::Type;

/// A requirement of a type.
struct Ask {
    place: Place,
    ty: TokenStream,
    requirement: TokenStream,
}

impl Context<'_> {
    fn ask(&self, ty: &Type, requirement: TokenStream) -> Ask {
        Ask { place: Place::of(ty), ty: self.ty(ty), requirement }
    }

    fn of_key(&self, id: Id) -> Vec<Ask> {
        let core = self.graph.node(id).core().unwrap_or(0);
        let key = self.graph.before(id, core).key.unwrap_or_default();
        key.iter().map(|(_, ty)| self.ask(ty, quote!(record::Key<_>))).collect()
    }

    fn of_state(&self, id: Id) -> Vec<Ask> {
        let held = |ty| self.ask(ty, quote!(record::StateData<_>));
        match core_args(self.graph.node(id)) {
            Some(Args::Aggregate(fields)) => fields.iter().map(|field| self.of_field(field)).collect(),
            Some(Args::Stateful(stateful)) => {
                let out = self.ask(&stateful.out, quote!(record::Record<_>));
                stateful.state.iter().map(|field| held(&field.ty)).chain([out]).collect()
            }
            Some(Args::Fold(fold)) => vec![held(&fold.ty)],
            _ => Vec::new(),
        }
    }

    fn of_field(&self, field: &AggregateField) -> Ask {
        let requirement = match field.row.holds {
            Holds::Count => quote!(aggregate::Counted),
            Holds::Mean => quote!(aggregate::Averaged),
            Holds::Sum => quote!(aggregate::Summed<_>),
            Holds::Extreme => quote!(aggregate::Compared<_>),
            Holds::List => return self.ask(element(&field.ty), quote!(record::StateData<_>)),
            Holds::Any => quote!(record::StateData<_>),
        };
        self.ask(&field.ty, requirement)
    }

    /// A value that is there for rustc only if all that is asked is so.
    fn given_all(&self, asks: &[Ask], value: TokenStream) -> TokenStream {
        asks.iter().fold(value, |value, Ask { place, ty, requirement }| {
            let given = place.function(Some(ty), (&self.rt, requirement), "given");
            let value = place.parenthesized(&value);
            quote!(#given #value)
        })
    }

    /// What is asked of a record whose type is known.
    fn of_record(&self, ty: &KnownType) -> Vec<Ask> {
        match ty {
            KnownType::Written(ty) => vec![self.ask(ty, quote!(record::Record<_>))],
            KnownType::Record(name) => {
                let made = |&id: &Id| {
                    self.graph.node(id).core().is_some() && self.graph.node(id).record_name() == *name
                };
                let node = (0..self.graph.nodes.len()).find(made);
                node.into_iter().flat_map(|id| self.of_core(id)).collect()
            }
            KnownType::Late(record) => self.of_record(record),
        }
    }

    /// What is asked of the types of a stateful node.
    fn of_core(&self, id: Id) -> Vec<Ask> {
        self.of_key(id).into_iter().chain(self.of_state(id)).collect()
    }

    /// A record, held against the type that the user wrote for it.
    pub(super) fn typed(&self, ty: &Type, record: &TokenStream) -> TokenStream {
        let (typed, written) = self.written(ty, "typed");
        Place::of(ty).called(&typed, [record.clone(), written], &self.rt)
    }

    /// A value that is there for rustc only if what is referred to is of the type that the user wrote for it.
    pub(super) fn given_typed(&self, ty: &Type, reference: &TokenStream, value: TokenStream) -> TokenStream {
        let (given, written) = self.written(ty, "given_for");
        Place::of(ty).called(&given, [reference.clone(), written, value], &self.rt)
    }

    fn written(&self, ty: &Type, function: &str) -> (TokenStream, TokenStream) {
        let function = Place::of(ty).function(None, (&self.rt, &quote!(record::Written<_, _>)), function);
        let ty = self.ty(ty);
        (function, quote!(::core::marker::PhantomData::<#ty>))
    }

    /// A value that is there for rustc only if a record type can be a record.
    pub(super) fn given_record(&self, ty: &KnownType, value: TokenStream) -> TokenStream {
        self.given_all(&self.of_record(ty), value)
    }
}

impl Writer<'_> {
    /// The call that places the stage. The function is there only if the types that it goes by are as they must be.
    pub(super) fn placed(&self, function: &str, arguments: &TokenStream) -> TokenStream {
        let context = self.context;
        let (rt, function) = (&context.rt, ident(function));
        let node = context.graph.node(self.stage.node);
        let mut asks = match (self.stage.head, &node.ty) {
            (Head::Input, Some(ty)) => vec![context.ask(ty, quote!(record::Record<_>))],
            (Head::Input | Head::Merge | Head::Relay | Head::Core, _) => Vec::new(),
        };
        let read = self.stage.outlets.iter().filter_map(|outlet| match outlet.target {
            Target::Core(stage) => Some(self.plan.stages[stage].node),
            Target::Output(_) | Target::Merge(_) => None,
        });
        for core in (self.stage.head == Head::Core).then_some(self.stage.node).into_iter().chain(read) {
            asks.extend(context.of_core(core));
        }
        let mut mentioned = HashSet::new();
        words(arguments.clone(), &mut mentioned);
        let params = context.graph.params.iter().filter(|param| mentioned.contains(&param.name.to_string()));
        asks.extend(params.map(|param| context.ask(&param.ty, quote!(flow::Param<_>))));
        let function = context.given_all(&asks, quote!(#rt::stages::#function));
        quote!(#function(#arguments))
    }

    /// A value that is there only if the key before a stateful operator can be a key.
    pub(super) fn given_key(&self, id: Id, value: TokenStream) -> TokenStream {
        self.context.given_all(&self.context.of_key(id), value)
    }

    /// A value that is there only if a field can hold what its function makes.
    pub(super) fn given_field(&self, field: &AggregateField, value: TokenStream) -> TokenStream {
        self.context.given_all(&[self.context.of_field(field)], value)
    }

    /// The state of a field of `top`, if that lists records as they come.
    pub(super) fn listed(&self, field: &AggregateField, state: TokenStream, record: &Ident) -> TokenStream {
        self.context.given_typed(element(&field.ty), &quote!(&#record), state)
    }
}
