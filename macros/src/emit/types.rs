//! The flow's struct, and for each stateful node its record and its state.

use super::Context;
use crate::ast::{AggregateField, Args};
use crate::graph::{Graph, Id, Node};
use crate::operators::{Effect, FunctionState};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
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

/// The output record of an aggregate: the key, the window, the results.
fn record(context: &Context<'_>, node: &Node, key: &[(Ident, Type)], args: &Args) -> TokenStream {
    let rt = &context.rt;
    let name = node.record_name();
    let docs = documented(&node.docs, &format!("A result of the node `{}`.", node.name));
    // A flow in which a name stands twice has been told so; here it stands once.
    let is_own = |name: &Ident| own_names(args).contains(name) || name == "window";
    let key: Vec<_> = key.iter().filter(|(name, _)| !is_own(name)).collect();
    let key_fields = key.iter().map(|(name, ty)| quote!(#[doc = "The key."] pub #name: #ty));
    let window = node.window().map(|_| quote!(#[doc = "The window."] pub window: #rt::time::Window,));
    let own: Vec<_> = match args {
        Args::Aggregate(fields) => fields.iter().map(result_field).collect(),
        Args::Fold(fold) => {
            let ty = &fold.ty;
            vec![quote!(#[doc = "What was folded."] pub value: #ty)]
        }
        _ => Vec::new(),
    };
    let results: Vec<&Type> = match args {
        Args::Aggregate(fields) => fields.iter().map(|field| &field.ty).collect(),
        _ => Vec::new(),
    };
    // Equality is derived where the results certainly have it: keys have it anyway.
    let eq = (matches!(args, Args::Aggregate(_)) && results.into_iter().all(surely_comparable))
        .then(|| quote!(PartialEq,));
    let names: Vec<Ident> = key.iter().map(|(name, _)| name.clone()).chain(own_names(args)).collect();
    let texts = names.iter().map(ToString::to_string);
    let text = name.to_string();
    let window_text = node.window().map(|_| quote!(.field("window", &self.window)));
    quote! {
        #(#docs)*
        #[derive(Clone, #eq __serde::Serialize, __serde::Deserialize)]
        #[serde(crate = "__serde")]
        pub struct #name { #(#key_fields,)* #window #(#own,)* }

        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use #rt::ops::{Opaque as _, Shown as _};
                f.debug_struct(#text)
                    #(.field(#texts, &(&#rt::ops::Debugged(&self.#names)).shown()))*
                    #window_text
                    .finish()
            }
        }
    }
}

fn own_names(args: &Args) -> Vec<Ident> {
    match args {
        Args::Aggregate(fields) => fields.iter().map(|field| field.name.clone()).collect(),
        Args::Fold(_) => vec![Ident::new("value", crate::compile::own())],
        _ => Vec::new(),
    }
}

fn result_field(field: &AggregateField) -> TokenStream {
    let AggregateField { docs, name, ty, .. } = field;
    quote!(#(#docs)* pub #name: #ty)
}

/// Whether a type is made of what the standard library and psdf can compare.
fn surely_comparable(ty: &Type) -> bool {
    const KNOWN: &[&str] = &[
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
        "f64", "String", "Duration", "Timestamp", "Window",
    ];
    const CONTAINERS: &[&str] = &["Vec", "Option"];
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(surely_comparable),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            KNOWN.contains(&name.as_str())
                || (CONTAINERS.contains(&name.as_str()) && type_arguments(last).into_iter().all(surely_comparable))
        }),
        _ => false,
    }
}

fn type_arguments(segment: &syn::PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let mut types = Vec::new();
    for argument in &arguments.args {
        if let GenericArgument::Type(ty) = argument {
            types.push(ty);
        }
    }
    types
}

/// The state struct of a stateful node.
fn state(context: &Context<'_>, node: &Node, args: &Args) -> TokenStream {
    let name = node.state_name();
    let doc = format!("The state of the node `{}` for one key.", node.name);
    let fields: Vec<TokenStream> = match args {
        Args::Aggregate(fields) => fields
            .iter()
            .map(|field| {
                let (name, ty) = (&field.name, function_state(context, field));
                quote!(pub #name: #ty)
            })
            .collect(),
        Args::Fold(fold) => {
            let ty = &fold.ty;
            vec![quote!(pub value: #ty)]
        }
        Args::Stateful(stateful) => stateful
            .state
            .iter()
            .map(|field| {
                let (docs, name, ty) = (&field.docs, &field.name, &field.ty);
                quote!(#(#docs)* pub #name: #ty)
            })
            .collect(),
        _ => Vec::new(),
    };
    quote! {
        #[doc = #doc]
        #[derive(Clone, __serde::Serialize, __serde::Deserialize)]
        #[serde(crate = "__serde")]
        pub struct #name { #(#fields,)* }
    }
}

/// The type that holds what an aggregate function has seen.
pub(super) fn function_state(context: &Context<'_>, field: &AggregateField) -> TokenStream {
    let rt = &context.rt;
    let ty = &field.ty;
    let span = ty.span();
    let held = |name: &str| Ident::new(name, crate::compile::own());
    match field.row.state {
        FunctionState::Plain(name) => {
            let name = held(name);
            quote!(#rt::aggregate::#name)
        }
        FunctionState::OfField(name) => {
            let name = held(name);
            quote_spanned!(span=> #rt::aggregate::#name<#ty>)
        }
        FunctionState::OfElement(name) => {
            let name = held(name);
            quote_spanned!(span=> #rt::aggregate::#name<<#ty as ::core::iter::IntoIterator>::Item>)
        }
        FunctionState::Field => quote!(#ty),
    }
}
