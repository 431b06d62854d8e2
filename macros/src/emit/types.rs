//! The flow's struct, and for each stateful node its record and its state.

use super::Context;
use super::body::ident;
use crate::ast::{AggregateField, Args};
use crate::graph::{Graph, Id, Node};
use crate::operators::{Effect, FunctionState};
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use std::collections::HashSet;
use syn::{Attribute, GenericArgument, PathArguments, Type};

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
    let key = context.graph.before(id, core).key.unwrap_or_default();
    let state = state(context, node, &op.args);
    let record = (op.row.effect == Effect::Aggregate).then(|| record(context, node, &key, &op.args));
    Some(quote!(#record #state))
}

/// A field of a generated struct.
struct Field<'a> {
    docs: TokenStream,
    name: Ident,
    ty: TokenStream,
    /// The type of the user's in it.
    written: Option<&'a Type>,
}

/// The output record of an aggregate: the key, the window, the results.
fn record(context: &Context<'_>, node: &Node, key: &[(Ident, Type)], args: &Args) -> TokenStream {
    let rt = &context.rt;
    let name = node.record_name();
    let docs = documented(&node.docs, &format!("A result of the node `{}`.", node.name));
    let field = |docs, name: &Ident, ty| Field { docs, name: name.clone(), ty: inside(ty), written: Some(ty) };
    let key_field = |(name, ty)| field(quote!(#[doc = "The key."]), name, ty);
    let mut fields: Vec<Field<'_>> = key.iter().map(|(name, ty)| key_field((name, ty))).collect();
    if node.window().is_some() {
        let (docs, ty) = (quote!(#[doc = "The window."]), quote!(#rt::time::Window));
        fields.push(Field { docs, name: ident("window"), ty, written: None });
    }
    match args {
        Args::Aggregate(own) => fields.extend(own.iter().map(|own| {
            let docs = &own.docs;
            field(quote!(#(#docs)*), &own.name, &own.ty)
        })),
        Args::Fold(fold) => fields.push(field(quote!(#[doc = "What was folded."]), &ident("value"), &fold.ty)),
        _ => {}
    }
    let fields = distinct(fields);
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let texts = names.iter().map(ToString::to_string);
    let text = name.to_string();
    let data = data(&quote!(#(#docs)*), &name, &fields);
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
                f.debug_struct(#text)
                    #(.field(#texts, &(&#rt::ops::Debugged(&self.#names)).shown()))*
                    .finish()
            }
        }
    }
}

/// A flow in which a name stands twice has been told so; here it stands once.
fn distinct(mut fields: Vec<Field<'_>>) -> Vec<Field<'_>> {
    let mut seen = HashSet::new();
    fields.retain(|field| seen.insert(field.name.to_string()));
    fields
}

/// A struct that can be copied and stored as far as its fields can.
///
/// It has conditions where it could derive: a type that falls short is then blamed by the flow that asks for it, once
/// and in the flow's words, and not by every derive.
fn data(docs: &TokenStream, name: &Ident, fields: &[Field<'_>]) -> TokenStream {
    let names: Vec<&Ident> = fields.iter().map(|field| &field.name).collect();
    let declared = fields.iter().map(|Field { docs, name, ty, .. }| quote!(#docs pub #name: #ty));
    let copyable = conditions(fields, &quote!(::core::clone::Clone));
    let writable = in_quotes(&conditions(fields, &quote!(__psdf::serde::Serialize)));
    let readable = in_quotes(&conditions(fields, &quote!(__psdf::serde::de::DeserializeOwned)));
    let storable = writable.zip(readable).map(|(writable, readable)| {
        quote!(#[serde(bound(serialize = #writable, deserialize = #readable))])
    });
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

/// `for<'t> Type: Bound` for the user's types: of a condition so written rustc does not ask at once whether it is true.
fn conditions(fields: &[Field<'_>], bound: &TokenStream) -> TokenStream {
    let doubtful = fields.iter().filter(|field| field.written.is_some_and(|ty| !surely_data(ty)));
    doubtful.map(|Field { ty, .. }| quote!(for<'t> #ty: #bound,)).collect()
}

/// Conditions as serde takes them; `None` without any, or if they cannot be quoted, as a macro's `$crate` cannot.
fn in_quotes(conditions: &TokenStream) -> Option<String> {
    Some(conditions.to_string()).filter(|text| !text.is_empty() && !text.contains('$'))
}

/// Whether a type is made of what can surely be copied, compared and stored.
fn surely_data(ty: &Type) -> bool {
    const KNOWN: &[&str] = &[
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
        "f64", "String", "Duration", "Timestamp", "Window",
    ];
    const CONTAINERS: &[&str] = &["Vec", "Option"];
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(surely_data),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            KNOWN.contains(&name.as_str())
                || (CONTAINERS.contains(&name.as_str()) && type_arguments(last).into_iter().all(surely_data))
        }),
        _ => false,
    }
}

/// The state struct of a stateful node.
fn state(context: &Context<'_>, node: &Node, args: &Args) -> TokenStream {
    let doc = format!("The state of the node `{}` for one key.", node.name);
    let field = |docs: &[Attribute], name: &Ident, ty: TokenStream, written| {
        let docs = quote!(#(#docs)*);
        Field { docs, name: name.clone(), ty, written: Some(written) }
    };
    let fields: Vec<Field<'_>> = match args {
        Args::Aggregate(fields) => {
            fields.iter().map(|own| field(&[], &own.name, function_state(context, own), &own.ty)).collect()
        }
        Args::Fold(fold) => vec![field(&[], &ident("value"), inside(&fold.ty), &fold.ty)],
        Args::Stateful(stateful) => {
            stateful.state.iter().map(|own| field(&own.docs, &own.name, inside(&own.ty), &own.ty)).collect()
        }
        _ => Vec::new(),
    };
    data(&quote!(#[doc = #doc]), &node.state_name(), &distinct(fields))
}

/// The type that holds what an aggregate function has seen, inside the generated module.
fn function_state(context: &Context<'_>, field: &AggregateField) -> TokenStream {
    let rt = &context.rt;
    let ty = &field.ty;
    let held = |name: &str| Ident::new(name, crate::compile::own());
    let state = match field.row.state {
        FunctionState::Plain(name) => {
            let name = held(name);
            quote!(#rt::aggregate::#name)
        }
        FunctionState::OfField(name) => {
            let name = held(name);
            quote!(#rt::aggregate::#name<#ty>)
        }
        FunctionState::OfElement(name) => {
            let name = held(name);
            let element = element(ty);
            quote!(#rt::aggregate::#name<#element>)
        }
        FunctionState::Field => quote!(#ty),
    };
    inside(&state)
}
