//! Flows that stand in others: each is wired by its own function, into the same host.

use super::Context;
use super::body::{ident, keeps_watermark, params_read};
use super::place::Place;
use super::wire::edge_to;
use crate::compile::own;
use crate::graph::{Node, Origin, Subflow, text};
use crate::lower::{Head, Plan, Target};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Path;

/// The variable of a flow's outputs.
fn outputs(of: usize) -> Ident {
    format_ident!("subflow{of}", span = own())
}

/// The call that wires a flow, before the first of the stages that read it. What it reads comes before those too.
pub(super) fn before_stage(context: &Context<'_>, plan: &Plan, place: usize) -> Option<TokenStream> {
    let flow_of = |place: usize| {
        let stage = &plan.stages[place];
        match (&stage.head, &context.graph.node(stage.node).origin) {
            (Head::Flow, Origin::Flow { of, .. }) => Some(*of),
            _ => None,
        }
    };
    let of = flow_of(place)?;
    let first = (0..place).all(|earlier| flow_of(earlier) != Some(of));
    first.then(|| wire(context, plan, of))
}

fn wire(context: &Context<'_>, plan: &Plan, of: usize) -> TokenStream {
    let Context { graph, rt, .. } = context;
    let Subflow { flow, value, inputs, .. } = &graph.subflows[of];
    let (alias, named_flow) = alias(context, flow);
    let (outer, outputs, host) = (context.flow_type(), outputs(of), ident("host"));
    let (inner, given, ty) = (ident("inner"), ident("given"), ident("__Given"));
    let value = match value {
        Some(value) => {
            let bound = params_read(context, &quote!(#value));
            quote!({ #bound #value })
        }
        None => {
            let defaults = Place::of(flow).put(quote!(#rt::flow::Defaults));
            let fills = quote!(flow::Fills<#named_flow>);
            let filled = Place::of(flow).function(Some(&defaults), (rt, &fills), "filled");
            quote!(#filled())
        }
    };
    let fields = inputs.iter().enumerate().map(|(input, given)| {
        let (name, edge) = (&given.name, edge_to(plan, Target::Subflow { of, input }));
        let place = Place::at(given.named);
        let enter = place.function(None, (rt, &quote!(host::Enters<_>)), "enter");
        let edge = place.called(&enter, [quote!(#edge)], rt);
        quote!(#name: #edge)
    });
    let (parameters, host_parameter) = (context.parameters_in(flow).unbounded(), context.host());
    let declared = parameters.declared_after(&quote!(#host_parameter));
    let named = parameters.named_after(&quote!(_));
    // A field that is missing is missed at the flow's name.
    let literal = Place::of(flow).put(quote!(#ty::#named));
    let subflows = quote!(<#outer as #rt::flow::Flow>::GRAPH.subflows);
    quote! {
        let #outputs = {
            #alias
            type #ty #declared = <#flow as #rt::flow::Flow>::Inputs<#host_parameter>;
            let #inner = ::std::sync::Arc::new(#value);
            let #given = #literal { #(#fields,)* __host: ::core::marker::PhantomData };
            #rt::host::Host::inside(#host, &#subflows[..#of], &#subflows[#of], move |#host| {
                <#flow as #rt::flow::Flow>::wire(&#inner, #host, #given)
            })
        };
    }
}

/// A name for a flow with its types, and its declaration: an item, which sees no parameter of the flow around it.
fn alias(context: &Context<'_>, flow: &Path) -> (TokenStream, TokenStream) {
    let parameters = context.parameters_in(flow).unbounded();
    let (declared, named) = (parameters.declared(), parameters.named());
    (quote!(type __Flow #declared = #flow;), quote!(__Flow #named))
}

/// The edge out of a flow that a node reads.
pub(super) fn output(context: &Context<'_>, node: &Node) -> TokenStream {
    let Origin::Flow { of, output, .. } = &node.origin else { return TokenStream::new() };
    let rt = &context.rt;
    let (place, outputs) = (Place::of(output), outputs(*of));
    let edge = place.function(None, (rt, &quote!(host::Leaves<_>)), "edge");
    let edge = place.called(&edge, [quote!(#outputs.#output)], rt);
    let kept = node.readers.iter().any(|reader| keeps_watermark(context.graph, *reader));
    let asserted = kept.then(|| watermark_is_there(context, *of, output));
    quote!({ #asserted #edge })
}

/// Fails to compile where the output has no watermark to keep.
fn watermark_is_there(context: &Context<'_>, of: usize, output: &Ident) -> TokenStream {
    let (rt, flow) = (&context.rt, &context.graph.subflows[of].flow);
    let name = text(output);
    let message = format!(
        "the output `{name}` comes without a watermark: nothing in its flow needs event time; say how far out of order \
         its records may be: `event_time(.., lateness 1 min)`"
    );
    let (alias, named_flow) = alias(context, flow);
    let there = quote!(<#named_flow as #rt::flow::Flow>::GRAPH.output_has_watermark(#name));
    let assert = Place::of(output).put(quote!(::core::assert!(#there, #message)));
    // An item sees no parameter of the flow around it.
    if context.graph.mentioned(flow).is_empty() {
        quote!(const _: () = { #alias #assert };)
    } else {
        quote!({ #alias const { #assert } })
    }
}
