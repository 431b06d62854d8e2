//! What is asked of the types that the user wrote, and where: see `psdf_runtime::requirement`.

use super::Context;
use super::body::{Writer, core_args, ident};
use super::names::{element, held, is_made_of, is_surely_data};
use super::place::Place;
use crate::ast::{AggregateField, Args};
use crate::graph::{Id, KnownType, text};
use crate::lower::{Head, Target};
use crate::operators::Holds;
use crate::parse::words;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::HashSet;
use syn::Type;

/// What a type must be.
#[derive(Clone, Copy)]
enum Requirement {
    Record,
    Key,
    Param,
    /// What a field must be to hold the result of its function.
    Field(Holds),
    /// What the user calls by its path as an aggregate function.
    Function,
    /// What that keeps.
    OwnState,
    /// What that takes of a record.
    OwnInput,
}

const STATE: Requirement = Requirement::Field(Holds::Any);

impl Requirement {
    /// Its trait in the runtime; there is another for what is made of parameters.
    fn path(self, generic: bool) -> TokenStream {
        match self {
            Requirement::Record | Requirement::OwnInput if generic => quote!(record::GenericRecord<_>),
            Requirement::Key if generic => quote!(record::GenericKey<_>),
            Requirement::Field(Holds::List | Holds::Any) | Requirement::OwnState if generic => {
                quote!(record::GenericState<_>)
            }
            Requirement::Record | Requirement::OwnInput => quote!(record::IsRecord<_>),
            Requirement::Key => quote!(record::IsKey<_>),
            Requirement::Param => quote!(flow::Param<_>),
            Requirement::Field(Holds::Count) => quote!(aggregate::Counted),
            Requirement::Field(Holds::Mean) => quote!(aggregate::Averaged),
            Requirement::Field(Holds::Sum) => quote!(aggregate::Summed<_>),
            Requirement::Field(Holds::Extreme) => quote!(aggregate::Compared<_>),
            Requirement::Field(Holds::List | Holds::Any) | Requirement::OwnState => {
                quote!(record::IsState<_>)
            }
            Requirement::Field(Holds::Own) => quote!(record::IsRecord<_>),
            Requirement::Function => quote!(aggregate::OwnFunction<_>),
        }
    }

    /// What it is asked of, if that is a part of the user's own function.
    fn of_function(self) -> Option<TokenStream> {
        match self {
            Requirement::OwnState => Some(quote!(State)),
            Requirement::OwnInput => Some(quote!(Taken)),
            _ => None,
        }
    }

    /// Whether a type can only meet it, so that there is nothing to ask.
    fn is_surely_met(self, ty: &Type) -> bool {
        const NO_NUMBERS: &[&str] =
            &["bool", "char", "String", "Vec", "Option", "Box", "Duration", "Timestamp", "Window"];
        let is = |wanted: &str| is_made_of(ty, &|name| name == wanted);
        let has_no = |unwanted: &[&str]| is_made_of(ty, &|name| !unwanted.contains(&name));
        is_surely_data(ty)
            && match self {
                Requirement::Key => has_no(&["f32", "f64"]),
                Requirement::Field(Holds::Count) => is("u64"),
                Requirement::Field(Holds::Mean) => is("f64"),
                Requirement::Field(Holds::Sum) => matches!(ty, Type::Path(_)) && has_no(NO_NUMBERS),
                Requirement::Record
                | Requirement::Param
                | Requirement::Field(Holds::Extreme | Holds::List | Holds::Any | Holds::Own) => true,
                Requirement::Function | Requirement::OwnState | Requirement::OwnInput => false,
            }
    }
}

/// A requirement of a type.
struct Ask {
    ty: Type,
    requirement: Requirement,
}

impl Context<'_> {
    fn of_key(&self, id: Id) -> Vec<Ask> {
        let core = self.graph.node(id).core().unwrap_or(0);
        let key = self.graph.before(id, core).key.unwrap_or_default();
        key.into_iter().map(|(_, ty)| Ask { ty, requirement: Requirement::Key }).collect()
    }

    fn of_state(&self, id: Id) -> Vec<Ask> {
        match core_args(self.graph.node(id)) {
            Some(Args::Aggregate(fields)) => fields.iter().flat_map(of_field).collect(),
            Some(Args::Stateful(stateful)) => {
                let out = Ask { ty: stateful.out.clone(), requirement: Requirement::Record };
                let state =
                    stateful.state.iter().map(|field| Ask { ty: field.ty.clone(), requirement: STATE });
                state.chain([out]).collect()
            }
            Some(Args::Fold(fold)) => vec![Ask { ty: fold.ty.clone(), requirement: STATE }],
            _ => Vec::new(),
        }
    }

    /// A value that is there for rustc only if all that is asked is so.
    fn given_all(&self, asks: &[Ask], value: TokenStream) -> TokenStream {
        let open = asks.iter().filter(|ask| !ask.requirement.is_surely_met(&ask.ty));
        open.fold(value, |value, Ask { ty, requirement }| {
            let (place, rt) = (Place::of(ty), &self.rt);
            let mut asked = self.ty(ty);
            // Only of what is a function is more asked.
            if let Some(part) = requirement.of_function() {
                let (open, part) =
                    (place.put(quote!(<)), place.put(quote!(as #rt::aggregate::OwnFunction<_>>::#part)));
                asked = quote!(#open #asked #part);
            }
            let generic = !self.graph.mentioned(ty).is_empty();
            let given = place.function(Some(&asked), (rt, &requirement.path(generic)), "given");
            let value = place.parenthesized(&value);
            quote!(#given #value)
        })
    }

    /// A function of the runtime, if a type that was stored by an earlier version can be held as state.
    pub(super) fn given_stored(&self, ty: &Type, function: TokenStream) -> TokenStream {
        self.given_all(&[Ask { ty: ty.clone(), requirement: STATE }], function)
    }

    /// What is asked of a record whose type is known.
    fn of_record(&self, ty: &KnownType) -> Vec<Ask> {
        match ty {
            KnownType::Written(ty) => vec![Ask { ty: ty.clone(), requirement: Requirement::Record }],
            KnownType::Record(name) => {
                let made = |&id: &Id| {
                    self.graph.node(id).core().is_some() && self.graph.node(id).record_name() == *name
                };
                let node = (0..self.graph.nodes.len()).find(made);
                node.into_iter().flat_map(|id| self.of_core(id)).collect()
            }
            KnownType::Late(record) => self.of_record(record),
            KnownType::Joined(joined) => {
                self.of_record(&joined.left).into_iter().chain(self.of_record(&joined.right)).collect()
            }
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

fn of_field(field: &AggregateField) -> Vec<Ask> {
    let asked = [Requirement::Function, Requirement::OwnState, Requirement::OwnInput];
    let of_own = |own: &Type| asked.map(|requirement| Ask { ty: own.clone(), requirement });
    let function = field.own.iter().flat_map(of_own);
    let result = Ask { ty: held(field).clone(), requirement: Requirement::Field(field.row.holds) };
    function.chain([result]).collect()
}

impl Writer<'_> {
    /// The call that places the stage. The function is there only if the types that it goes by are as they must be.
    pub(super) fn placed(&self, function: &str, arguments: &TokenStream) -> TokenStream {
        let context = self.context;
        let (rt, function) = (&context.rt, ident(function));
        let node = context.graph.node(self.stage.node);
        let mut asks = match (self.stage.head, &node.ty) {
            (Head::Input, Some(ty)) => vec![Ask { ty: ty.clone(), requirement: Requirement::Record }],
            (
                Head::Input
                | Head::Merge
                | Head::Call(_)
                | Head::Relay
                | Head::Spread
                | Head::Core
                | Head::Flow,
                _,
            ) => Vec::new(),
        };
        let read = self.stage.outlets.iter().filter_map(|outlet| match outlet.target {
            Target::Core(stage) | Target::Joined(stage) => Some(self.plan.stages[stage].node),
            Target::Output(_) | Target::Merge(_) | Target::Parts(_) | Target::Subflow { .. } => None,
        });
        let holds = matches!(self.stage.head, Head::Spread | Head::Core);
        for core in holds.then_some(self.stage.node).into_iter().chain(read) {
            asks.extend(context.of_core(core));
        }
        let mut mentioned = HashSet::new();
        words(arguments.clone(), &mut mentioned);
        let params = context.graph.params.iter().filter(|param| mentioned.contains(&text(&param.name)));
        asks.extend(params.map(|param| Ask { ty: param.ty.clone(), requirement: Requirement::Param }));
        let function = context.given_all(&asks, quote!(#rt::stages::#function));
        let function = self.given_sides(function);
        quote!(#function(#arguments))
    }

    /// A value that is there only if the key before a stateful operator can be a key.
    pub(super) fn given_key(&self, id: Id, value: TokenStream) -> TokenStream {
        self.context.given_all(&self.context.of_key(id), value)
    }

    /// A value that is there only if a field can hold what its function makes.
    pub(super) fn given_field(&self, field: &AggregateField, value: TokenStream) -> TokenStream {
        self.context.given_all(&of_field(field), value)
    }

    /// What a function of the user's own makes, held against the type of its field.
    pub(super) fn own_result(&self, ty: &Type, made: &TokenStream) -> TokenStream {
        let (place, rt) = (Place::of(ty), &self.context.rt);
        let result = place.function(None, (rt, &quote!(aggregate::ResultOf<_, _>)), "result");
        let ty = self.context.ty(ty);
        place.called(&result, [made.clone(), quote!(::core::marker::PhantomData::<#ty>)], rt)
    }

    /// The state of a field of `top`, if that lists records as they come.
    pub(super) fn listed(
        &self,
        field: &AggregateField,
        state: TokenStream,
        record: &TokenStream,
    ) -> TokenStream {
        self.context.given_typed(element(&field.ty), &quote!(&#record), state)
    }
}
