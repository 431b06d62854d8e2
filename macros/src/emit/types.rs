//! The flow's struct, and for each stateful node its record and its state.

use super::Context;
use super::body::ident;
use super::generics::Parameters;
use super::names::{asks_nothing, held, is_surely_data};
use crate::ast::{AggregateField, Args, StateField};
use crate::graph::{Graph, Id, Node, text};
use crate::operators::{Effect, FunctionState};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::HashSet;
use syn::{Attribute, GenericParam, Type};

/// The flow's struct: a field for each param.
pub(super) fn params(context: &Context<'_>) -> TokenStream {
    let Graph { vis, name, docs, params, .. } = context.graph;
    let bearer = bearer(context);
    let fields = params.iter().enumerate().map(|(place, param)| {
        let (docs, name, ty) = (&param.docs, &param.name, &param.ty);
        let docs = documented(docs, &format!("The param `{name}`."));
        let path = &context.path;
        match bearer.as_ref().filter(|_| place == 0) {
            Some(bearer) => quote!(#(#docs)* #vis #name: <#bearer as #path::flow::Bears<#ty>>::Param),
            None => quote!(#(#docs)* #vis #name: #ty),
        }
    });
    let parameters = context.all_parameters();
    let (declared, conditions) = (with_defaults(context, &parameters), parameters.conditions());
    let docs = documented(docs, &format!("The flow `{name}`."));
    let nodes = "\n# Graph\n\n```text";
    let listing = super::description::listing(context.graph);
    let default = default(context);
    let body = match &bearer {
        Some(bearer) if params.is_empty() => {
            quote!((::core::marker::PhantomData<#bearer>) #conditions;)
        }
        _ if params.is_empty() => quote!(#conditions;),
        _ => quote!(#conditions { #(#fields),* }),
    };
    quote! {
        #(#docs)*
        #[doc = #nodes]
        #(#[doc = #listing])*
        #[doc = "```"]
        #vis struct #name #declared #body
        #default
    }
}

/// The parameters of the flow's struct, with the defaults that the user gave them.
fn with_defaults(context: &Context<'_>, parameters: &Parameters) -> TokenStream {
    let defaults = context.graph.parameters().map(|param| match param {
        GenericParam::Type(param) => param.default.as_ref().map(|(eq, default)| quote!(#eq #default)),
        GenericParam::Const(param) => param.default.as_ref().map(|(eq, default)| quote!(#eq #default)),
        GenericParam::Lifetime(_) => None,
    });
    parameters.declared_with(defaults.collect())
}

/// A type made of those parameters that no param mentions: Rust has no struct without a use for each of its own.
///
/// Where there is a param, its type is one that this bears (`flow::Bears`), so that the struct is still written as the
/// flow's params and no more.
fn bearer(context: &Context<'_>) -> Option<TokenStream> {
    let graph = context.graph;
    let mentioned = graph.mentioned(&graph.params.iter().map(|param| &param.ty).fold(
        TokenStream::new(),
        |mut all, ty| {
            all.extend(quote!(#ty));
            all
        },
    ));
    let unmentioned = graph.parameters().filter_map(|param| match param {
        GenericParam::Type(param) if !mentioned.contains(&text(&param.ident)) => Some(&param.ident),
        _ => None,
    });
    let unmentioned: Vec<_> = unmentioned.collect();
    let phantoms = quote!((#(::core::marker::PhantomData<#unmentioned>,)*));
    (!unmentioned.is_empty()).then(|| quote!(fn() -> #phantoms))
}

/// `Default`, where every param has one.
fn default(context: &Context<'_>) -> TokenStream {
    let Graph { name, params, .. } = context.graph;
    if params.iter().any(|param| param.default.is_none()) {
        return TokenStream::new();
    }
    let fields = params.iter().map(|param| {
        let (name, default) = (&param.name, &param.default);
        quote!(#name: #default)
    });
    let value = match bearer(context) {
        Some(_) if params.is_empty() => quote!(Self(::core::marker::PhantomData)),
        _ => quote!(Self { #(#fields),* }),
    };
    let parameters = context.all_parameters();
    let (declared, named, conditions) = (parameters.declared(), parameters.named(), parameters.conditions());
    quote! {
        impl #declared ::core::default::Default for #name #named #conditions {
            fn default() -> Self {
                #value
            }
        }
    }
}

/// The user's docs, or else ours.
pub(super) fn documented(docs: &[Attribute], ours: &str) -> Vec<TokenStream> {
    if docs.is_empty() {
        return vec![quote!(#[doc = #ours])];
    }
    docs.iter().map(|doc| quote!(#doc)).collect()
}

/// The types of all stateful nodes.
pub(super) fn records_and_states(context: &Context<'_>) -> TokenStream {
    let nodes = context.graph.nodes.iter().enumerate();
    let typed = nodes.filter(|(id, _)| !context.untyped.contains(id));
    typed.filter_map(|(id, node)| types_of(context, id, node)).collect()
}

fn types_of(context: &Context<'_>, id: Id, node: &Node) -> Option<TokenStream> {
    let core = node.core()?;
    let op = &node.ops()[core];
    if !op.row.effect.has_state_struct() {
        return None;
    }
    let key = context.graph.before(id, core).key.unwrap_or_default();
    let state = state(context, node, &op.args);
    let record = (op.row.effect == Effect::Aggregate).then(|| record(context, id, node, &key, &op.args));
    Some(quote!(#record #state))
}

/// A field of a generated struct.
pub(super) struct Field {
    pub(super) docs: TokenStream,
    pub(super) name: Ident,
    /// Its type as it is declared.
    pub(super) ty: TokenStream,
    /// Its type by name, if that depends on what the user wrote.
    pub(super) doubtful: Option<TokenStream>,
}

impl Field {
    /// Of a type that the user wrote.
    pub(super) fn written(context: &Context<'_>, docs: TokenStream, name: &Ident, ty: &Type) -> Field {
        let doubtful = (!is_surely_data(ty)).then(|| context.ty(ty));
        Field { docs, name: name.clone(), ty: context.inside(ty), doubtful }
    }
}

/// The output record of an aggregate: the key, the window, the results.
fn record(context: &Context<'_>, id: Id, node: &Node, key: &[(Ident, Type)], args: &Args) -> TokenStream {
    let rt = &context.rt;
    let name = node.record_name();
    let docs = documented(&node.docs, &format!("A result of the node `{}`.", node.name));
    let of_key = |(name, ty): &(Ident, Type)| Field::written(context, quote!(#[doc = "The key."]), name, ty);
    let mut fields: Vec<Field> = key.iter().map(of_key).collect();
    if context.graph.has_window(id) {
        let (docs, ty) = (quote!(#[doc = "The window."]), quote!(#rt::time::Window));
        fields.push(Field { docs, name: ident("window"), ty, doubtful: None });
    }
    match args {
        Args::Aggregate(own) => fields.extend(own.iter().map(|AggregateField { docs, name, ty, .. }| {
            Field::written(context, quote!(#(#docs)*), name, ty)
        })),
        Args::Fold(fold) => {
            let docs = quote!(#[doc = "What was folded."]);
            fields.push(Field::written(context, docs, &ident("value"), &fold.ty));
        }
        _ => {}
    }
    let fields = distinct(fields);
    let parameters = of_record(context, id, &fields);
    results(context, &docs, &name, &parameters, &fields)
}

/// A struct of results, which can also be compared and shown.
pub(super) fn results(
    context: &Context<'_>,
    docs: &[TokenStream],
    name: &Ident,
    parameters: &Parameters,
    fields: &[Field],
) -> TokenStream {
    let rt = &context.rt;
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let texts = names.iter().map(|name| text(name));
    let shown = text(name);
    let data = data(context, &quote!(#(#docs)*), name, parameters, fields);
    let (declared, named) = (parameters.declared(), parameters.named());
    let comparable = parameters.conditions_and(&conditions(fields, &quote!(::core::cmp::PartialEq)));
    // What a parameter can show is known of each type that it stands for, and not of itself.
    let generic = |field: &&Field| !context.graph.mentioned(&field.ty).is_empty();
    let shown_if = fields.iter().filter(generic).map(|field| {
        let ty = &field.ty;
        quote!(for<'t> #ty: ::core::fmt::Debug,)
    });
    let shown_if = parameters.conditions_and(&shown_if.collect());
    quote! {
        #data

        impl #declared ::core::cmp::PartialEq for #name #named #comparable {
            fn eq(&self, other: &Self) -> bool {
                true #(&& ::core::cmp::PartialEq::eq(&self.#names, &other.#names))*
            }
        }

        impl #declared ::core::fmt::Debug for #name #named #shown_if {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use #rt::ops::{Opaque as _, Shown as _};
                f.debug_struct(#shown)
                    #(.field(#texts, &(&#rt::ops::Debugged(&self.#names)).shown()))*
                    .finish()
            }
        }
    }
}

/// A flow in which a name stands twice has been told so; here it stands once.
pub(super) fn distinct(mut fields: Vec<Field>) -> Vec<Field> {
    let mut seen = HashSet::new();
    fields.retain(|field| seen.insert(text(&field.name)));
    fields
}

/// A struct that can be copied and stored as far as its fields can.
///
/// It has conditions where it could derive: a type that falls short is then blamed by the flow that asks for it, once
/// and in the flow's words, and not by every derive.
fn data(
    context: &Context<'_>,
    docs: &TokenStream,
    name: &Ident,
    parameters: &Parameters,
    fields: &[Field],
) -> TokenStream {
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let declared = fields.iter().map(|Field { docs, name, ty, .. }| quote!(#docs pub #name: #ty));
    if !context.whole {
        return stub(docs, name, parameters, quote!(#(#declared,)*), &names);
    }
    let copyable = parameters.conditions_and(&conditions(fields, &quote!(::core::clone::Clone)));
    let (params, named, bounds) = (parameters.declared(), parameters.named(), parameters.conditions());
    let writable = in_quotes(&conditions(fields, &quote!(__psdf::serde::Serialize)));
    let readable = in_quotes(&conditions(fields, &quote!(__psdf::serde::de::DeserializeOwned)));
    let storable = writable
        .zip(readable)
        .map(|(writable, readable)| quote!(#[serde(bound(serialize = #writable, deserialize = #readable))]));
    quote! {
        #docs
        #[derive(__psdf::serde::Serialize, __psdf::serde::Deserialize)]
        #[serde(crate = "__psdf::serde")]
        #storable
        pub struct #name #params #bounds { #(#declared,)* }

        impl #params ::core::clone::Clone for #name #named #copyable {
            fn clone(&self) -> Self {
                Self { #(#names: ::core::clone::Clone::clone(&self.#names),)* }
            }
        }
    }
}

/// The same, for a flow with mistakes: it is never run.
fn stub(
    docs: &TokenStream,
    name: &Ident,
    parameters: &Parameters,
    declared: TokenStream,
    names: &[&Ident],
) -> TokenStream {
    let (params, named, bounds) = (parameters.declared(), parameters.named(), parameters.conditions());
    let read_params = parameters.declared_after(&quote!('de));
    quote! {
        #docs
        pub struct #name #params #bounds { #declared }

        impl #params ::core::clone::Clone for #name #named #bounds {
            fn clone(&self) -> Self {
                let _ = (#(&self.#names,)*);
                ::core::unreachable!()
            }
        }

        impl #params __psdf::serde::Serialize for #name #named #bounds {
            fn serialize<S: __psdf::serde::Serializer>(&self, _: S) -> ::core::result::Result<S::Ok, S::Error> {
                ::core::unreachable!()
            }
        }

        impl #read_params __psdf::serde::Deserialize<'de> for #name #named #bounds {
            fn deserialize<D: __psdf::serde::Deserializer<'de>>(_: D) -> ::core::result::Result<Self, D::Error> {
                ::core::unreachable!()
            }
        }
    }
}

/// The parameters that the fields of a struct are made of.
pub(super) fn of_fields(context: &Context<'_>, fields: &[Field]) -> Parameters {
    let names = fields.iter().flat_map(|field| context.graph.mentioned(&field.ty)).collect();
    context.parameters(&names)
}

/// The parameters of a record. As any type of data it asks nothing of them, unless a type of the user's may do so.
fn of_record(context: &Context<'_>, id: Id, fields: &[Field]) -> Parameters {
    let graph = context.graph;
    let core = graph.node(id).core().unwrap_or(0);
    let key = graph.before(id, core).key.unwrap_or_default();
    let of_args: Vec<&Type> = match super::body::core_args(graph.node(id)) {
        Some(Args::Aggregate(fields)) => fields.iter().map(|field| &field.ty).collect(),
        Some(Args::Fold(fold)) => vec![&fold.ty],
        _ => Vec::new(),
    };
    let mut types = key.iter().map(|(_, ty)| ty).chain(of_args);
    let parameters = of_fields(context, fields);
    if types.all(|ty| asks_nothing(graph, ty)) { parameters.unbounded() } else { parameters }
}

/// `for<'t> Type: Bound` for the user's types: of a condition so written rustc does not ask at once whether it is true.
fn conditions(fields: &[Field], bound: &TokenStream) -> TokenStream {
    fields.iter().filter_map(|field| field.doubtful.as_ref()).map(|ty| quote!(for<'t> #ty: #bound,)).collect()
}

/// Conditions as serde takes them; `None` without any.
fn in_quotes(conditions: &TokenStream) -> Option<String> {
    (!conditions.is_empty()).then(|| conditions.to_string())
}

/// The state struct of a stateful node.
fn state(context: &Context<'_>, node: &Node, args: &Args) -> TokenStream {
    state_of(context, &node.name, state_fields(context, args))
}

/// The state struct of a node of that name.
pub(super) fn state_of(context: &Context<'_>, node: &Ident, fields: Vec<Field>) -> TokenStream {
    let doc = format!("The state of the node `{node}` for one key.");
    let fields = distinct(fields);
    let name = crate::graph::state_name(node);
    data(context, &quote!(#[doc = #doc]), &name, &of_fields(context, &fields), &fields)
}

fn state_fields(context: &Context<'_>, args: &Args) -> Vec<Field> {
    match args {
        Args::Aggregate(fields) => fields.iter().map(|field| function_state(context, field)).collect(),
        Args::Fold(fold) => vec![Field::written(context, TokenStream::new(), &ident("value"), &fold.ty)],
        Args::Stateful(stateful) => {
            let field = |StateField { docs, name, ty, .. }: &StateField| {
                Field::written(context, quote!(#(#docs)*), name, ty)
            };
            stateful.state.iter().map(field).collect()
        }
        _ => Vec::new(),
    }
}

/// The parameters that the state of a node is made of.
pub(super) fn parameters_of_state(context: &Context<'_>, node: &Node) -> Parameters {
    let fields = super::body::core_args(node).map_or_else(Vec::new, |args| state_fields(context, args));
    of_fields(context, &fields)
}

/// What holds the front of a group's rows for a function.
pub(super) fn front_state(context: &Context<'_>, field: &AggregateField, holder: &Ident) -> Field {
    let (rt, held) = (&context.rt, held(field));
    let of = |held: TokenStream| quote!(#rt::tables::#holder<#held>);
    let doubtful = (!is_surely_data(held)).then(|| of(context.ty(held)));
    Field { docs: TokenStream::new(), name: field.name.clone(), ty: of(context.inside(held)), doubtful }
}

/// What holds what an aggregate function has seen.
pub(super) fn function_state(context: &Context<'_>, field: &AggregateField) -> Field {
    let AggregateField { name, ty, row, own, .. } = field;
    let rt = &context.rt;
    let (declared, doubtful) = match (row.state, own) {
        (FunctionState::Field, _) => return Field::written(context, TokenStream::new(), name, ty),
        (FunctionState::Own, Some(own)) => (context.inside(own), Some(context.ty(own))),
        (FunctionState::OfField(holder) | FunctionState::OfElement(holder), _) => {
            let (holder, held) = (ident(holder), held(field));
            let of = |held: TokenStream| quote!(#rt::aggregate::#holder<#held>);
            (of(context.inside(held)), (!is_surely_data(held)).then(|| of(context.ty(held))))
        }
        (FunctionState::Plain(holder), _) => {
            let holder = ident(holder);
            (quote!(#rt::aggregate::#holder), None)
        }
        (FunctionState::Own, None) => (quote!(()), None),
    };
    let perhaps = |state: TokenStream| {
        if field.may_be_missing() { quote!(#rt::aggregate::Filtered<#state>) } else { state }
    };
    let (ty, doubtful) = (perhaps(declared), doubtful.map(perhaps));
    Field { docs: TokenStream::new(), name: name.clone(), ty, doubtful }
}
