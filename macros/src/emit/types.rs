//! The flow's struct, and for each stateful node its record and its state.

use super::Context;
use super::body::ident;
use super::names::{held, is_surely_data};
use crate::ast::{AggregateField, Args, StateField};
use crate::graph::{Graph, Id, Node, text};
use crate::operators::{Effect, FunctionState};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::HashSet;
use syn::{Attribute, Type};

/// The flow's struct: a field for each param.
pub(super) fn params(context: &Context<'_>) -> TokenStream {
    let Graph { vis, name, docs, params, .. } = context.graph;
    let fields = params.iter().map(|param| {
        let (docs, name, ty) = (&param.docs, &param.name, &param.ty);
        let docs = documented(docs, &format!("The param `{name}`."));
        quote!(#(#docs)* #vis #name: #ty)
    });
    let docs = documented(docs, &format!("The flow `{name}`."));
    let nodes = "\n# Graph\n\n```text";
    let listing = super::description::listing(context.graph);
    let default = default(context);
    let body = if params.is_empty() { quote!(;) } else { quote!({ #(#fields),* }) };
    quote! {
        #(#docs)*
        #[doc = #nodes]
        #(#[doc = #listing])*
        #[doc = "```"]
        #vis struct #name #body
        #default
    }
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
    quote! {
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#fields),* }
            }
        }
    }
}

/// The user's docs, or else ours.
fn documented(docs: &[Attribute], ours: &str) -> Vec<TokenStream> {
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
struct Field {
    docs: TokenStream,
    name: Ident,
    /// Its type as it is declared.
    ty: TokenStream,
    /// Its type by name, if that depends on what the user wrote.
    doubtful: Option<TokenStream>,
}

impl Field {
    /// Of a type that the user wrote.
    fn written(context: &Context<'_>, docs: TokenStream, name: &Ident, ty: &Type) -> Field {
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
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let texts = names.iter().map(|name| text(name));
    let shown = text(&name);
    let data = data(context, &quote!(#(#docs)*), &name, &fields);
    let comparable = conditions(&fields, &quote!(::core::cmp::PartialEq));
    quote! {
        #data

        impl ::core::cmp::PartialEq for #name where #comparable {
            fn eq(&self, other: &Self) -> bool {
                true #(&& ::core::cmp::PartialEq::eq(&self.#names, &other.#names))*
            }
        }

        impl ::core::fmt::Debug for #name {
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
fn distinct(mut fields: Vec<Field>) -> Vec<Field> {
    let mut seen = HashSet::new();
    fields.retain(|field| seen.insert(text(&field.name)));
    fields
}

/// A struct that can be copied and stored as far as its fields can.
///
/// It has conditions where it could derive: a type that falls short is then blamed by the flow that asks for it, once
/// and in the flow's words, and not by every derive.
fn data(context: &Context<'_>, docs: &TokenStream, name: &Ident, fields: &[Field]) -> TokenStream {
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let declared = fields.iter().map(|Field { docs, name, ty, .. }| quote!(#docs pub #name: #ty));
    let copyable = conditions(fields, &quote!(::core::clone::Clone));
    if !context.whole {
        return stub(docs, name, quote!(#(#declared,)*), &names);
    }
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
        pub struct #name { #(#declared,)* }

        impl ::core::clone::Clone for #name where #copyable {
            fn clone(&self) -> Self {
                Self { #(#names: ::core::clone::Clone::clone(&self.#names),)* }
            }
        }
    }
}

/// The same, for a flow with mistakes: it is never run.
fn stub(docs: &TokenStream, name: &Ident, declared: TokenStream, names: &[&Ident]) -> TokenStream {
    quote! {
        #docs
        pub struct #name { #declared }

        impl ::core::clone::Clone for #name {
            fn clone(&self) -> Self {
                let _ = (#(&self.#names,)*);
                ::core::unreachable!()
            }
        }

        impl __psdf::serde::Serialize for #name {
            fn serialize<S: __psdf::serde::Serializer>(&self, _: S) -> ::core::result::Result<S::Ok, S::Error> {
                ::core::unreachable!()
            }
        }

        impl<'de> __psdf::serde::Deserialize<'de> for #name {
            fn deserialize<D: __psdf::serde::Deserializer<'de>>(_: D) -> ::core::result::Result<Self, D::Error> {
                ::core::unreachable!()
            }
        }
    }
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
    let doc = format!("The state of the node `{}` for one key.", node.name);
    let fields: Vec<Field> = match args {
        Args::Aggregate(fields) => fields.iter().map(|field| function_state(context, field)).collect(),
        Args::Fold(fold) => vec![Field::written(context, TokenStream::new(), &ident("value"), &fold.ty)],
        Args::Stateful(stateful) => {
            let field = |StateField { docs, name, ty, .. }: &StateField| {
                Field::written(context, quote!(#(#docs)*), name, ty)
            };
            stateful.state.iter().map(field).collect()
        }
        _ => Vec::new(),
    };
    data(context, &quote!(#[doc = #doc]), &node.state_name(), &distinct(fields))
}

/// What holds what an aggregate function has seen.
fn function_state(context: &Context<'_>, field: &AggregateField) -> Field {
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
