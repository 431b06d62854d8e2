//! From the plan to Rust. Emitting only spells: what is fused and cut was decided before.

mod ask;
mod body;
mod core;
mod description;
mod front;
mod generics;
mod handle;
mod join;
mod map_async;
mod names;
mod place;
mod region;
mod subflow;
mod tables;
mod types;
mod wire;

pub(crate) use names::{OWN, list_element, optional};

use crate::graph::{Graph, Id, module_name};
use crate::lower::Plan;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::Type;

/// What all of the emitting needs to know.
#[derive(Clone)]
pub(crate) struct Context<'a> {
    pub(crate) graph: &'a Graph,
    /// The runtime by the name that generated code imports it under, for bodies and the generated module.
    pub(crate) rt: TokenStream,
    /// `$crate::__private`: where nothing is imported.
    pub(crate) path: TokenStream,
    /// The module that holds what is generated.
    pub(crate) module: Ident,
    /// The types that the user wrote, each of which the generated module has a name for.
    pub(crate) named: Vec<Type>,
    /// Whether the flow is without mistakes.
    pub(crate) whole: bool,
    /// Whether what is written stands in that module, and not beside it.
    pub(crate) within: bool,
    /// The nodes of a flow with mistakes whose types cannot stand beside others.
    pub(crate) untyped: Vec<Id>,
    /// Of a flow whose ports are not known: an error, in place of the length of an array.
    pub(crate) unknown: Option<TokenStream>,
}

/// The code of a flow. Without a plan, which a flow with mistakes has not, it has the types that its users name and
/// does nothing; where not even those are known, all of them are one type that rustc finds no fault with, `unknown`.
pub(crate) fn flow(
    graph: &Graph,
    plan: Option<&Plan>,
    facade: &TokenStream,
    unknown: Option<TokenStream>,
) -> TokenStream {
    let module = module_name(&graph.name);
    let mut untyped: Vec<Id> = crate::check::clashes(graph).into_iter().map(|(id, _)| id).collect();
    untyped.extend(
        (0..graph.nodes.len())
            .filter(|&id| graph.nodes[..id].iter().any(|before| before.name == graph.node(id).name)),
    );
    let (rt, path, named) = (quote!(__psdf), quote!(#facade::__private), names::written_types(graph));
    let context =
        Context { graph, rt, path, module, named, whole: plan.is_some(), within: false, untyped, unknown };
    let params = types::params(&context);
    let inner = Context { within: true, ..context.clone() };
    let inside = match &context.unknown {
        // A parameter may be the mistake.
        Some(error) if graph.is_generic() => vec![handle::unknown(&inner, error)],
        Some(error) => vec![names::names(&inner), handle::unknown(&inner, error)],
        None => vec![
            names::names(&inner),
            types::records_and_states(&inner),
            tables::records_and_states(&inner),
            handle::handle(&inner),
        ],
    };
    let body = match plan {
        Some(plan) => {
            let (wire, region) = (wire::wire(&context, plan), region::region(&context));
            quote!(#wire #region)
        }
        None => TokenStream::new(),
    };
    let description = description::description(&context, plan);
    let flow_impl = handle::flow_impl(&context, &description);
    let Context { module, .. } = &context;
    let import = context.import();
    let (vis, name) = (&graph.vis, &graph.name);
    let about = format!("What `dataflow!` generated for [`{name}`].");
    quote! {
        #params
        #[doc = #about]
        #[allow(missing_docs, unreachable_pub, unused_imports, dead_code, clippy::all, clippy::pedantic)]
        #vis mod #module {
            use super::*;
            #import
            #(#inside)*
        }
        #flow_impl
        #body
    }
}

impl Context<'_> {
    /// Makes the runtime known by a name of one word, which can bear any span.
    fn import(&self) -> TokenStream {
        let (rt, path) = (&self.rt, &self.path);
        quote!(use #path as #rt;)
    }
}

/// Tokens as a person would write them: for pictures, `GRAPH` and messages.
pub(crate) fn written(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let mut result = String::new();
    let mut letters = text.chars().peekable();
    let glued = |c: char| "<>:&()[],;.!".contains(c);
    while let Some(letter) = letters.next() {
        if letter == ' ' {
            let next = letters.peek().copied().unwrap_or(' ');
            let before = result.chars().last().unwrap_or(' ');
            if glued(next) && next != '&' || glued(before) && !",;>)".contains(before) {
                continue;
            }
        }
        result.push(letter);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_people_write_them() {
        let written = |text: &str| written(&syn::parse_str::<syn::Type>(text).expect("a type"));
        assert_eq!(written("Vec<(u64, String)>"), "Vec<(u64, String)>");
        assert_eq!(
            written("std::collections::HashMap<u64, Option<&'static str>>"),
            "std::collections::HashMap<u64, Option<&'static str>>"
        );
        assert_eq!(written("[u8; 4]"), "[u8; 4]");
    }
}
