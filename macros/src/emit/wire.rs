//! The `wire` function: a call for each stage, in an order in which each comes after those that feed it.

use super::Context;
use super::body::{Cursor, Writer, ident, key_type, node_number, outlet_name};
use crate::ast::{Args, Duration, DurationValue};
use crate::compile::own;
use crate::graph::Id;
use crate::lower::{Head, Plan, Target};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

pub(super) fn wire(context: &Context<'_>, plan: &Plan) -> TokenStream {
    let Context { graph, rt, module, .. } = context;
    let flow = &graph.name;
    let (own_flow, host, inputs) = (ident("flow"), ident("host"), ident("inputs"));
    let asserts = asserts(context);
    let stages = (0..plan.stages.len()).map(|place| stage(context, plan, place));
    let outputs = graph.outputs.iter().enumerate().map(|(place, output)| {
        let name = &output.name;
        let edge = edge_to(plan, Target::Output(place)).into_iter().next();
        match super::handle::output_type(context, output) {
            Some(_) => quote!(#name: #edge),
            None => quote!(#name: #edge.erase()),
        }
    });
    quote! {
        #[allow(unused_imports, unused_variables, unused_mut, clippy::all, clippy::pedantic)]
        impl #flow {
            /// Wires the flow's stages into a host.
            #[doc(hidden)]
            fn wire<H: #rt::host::Host>(
                #own_flow: &::std::sync::Arc<Self>,
                #host: &mut H,
                #inputs: #module::Inputs<H>,
            ) -> #module::Outputs<H> {
                use #rt::ops::{ByReference as _, ByValue as _};
                #asserts
                #(#stages)*
                #module::Outputs { #(#outputs,)* host: ::core::marker::PhantomData }
            }
        }
    }
}

/// The variable of an edge.
fn edge(stage: usize, outlet: usize) -> Ident {
    format_ident!("edge{stage}_{outlet}", span = own())
}

/// The edges that lead to a place.
fn edge_to(plan: &Plan, target: Target) -> Vec<Ident> {
    let edges = plan.stages.iter().enumerate().flat_map(|(stage, writer)| {
        let outlets = writer.outlets.iter().enumerate();
        outlets.filter(|(_, outlet)| outlet.target == target).map(move |(outlet, _)| edge(stage, outlet))
    });
    edges.collect()
}

/// Questions to rustc, at the tokens that they are about.
fn asserts(context: &Context<'_>) -> TokenStream {
    let rt = &context.rt;
    let mut tokens = TokenStream::new();
    for (id, node) in context.graph.nodes.iter().enumerate() {
        let Some(core) = node.core() else { continue };
        for (_, ty) in context.graph.before(id, core).key.unwrap_or_default() {
            let span = ty.span().resolved_at(own());
            tokens.extend(quote_spanned!(span=> #rt::ops::assert_key::<#ty>();));
        }
        if let Args::Stateful(stateful) = &node.ops()[core].args {
            for field in &stateful.state {
                let ty = &field.ty;
                let span = ty.span().resolved_at(own());
                tokens.extend(quote_spanned!(span=> #rt::ops::assert_state::<#ty>();));
            }
        }
    }
    tokens
}

/// The call that places a stage, and the edges that leave it.
fn stage(context: &Context<'_>, plan: &Plan, place: usize) -> TokenStream {
    let rt = &context.rt;
    let stage = &plan.stages[place];
    let flow = &context.graph.name;
    let meta = quote!(&<#flow as #rt::flow::Flow>::GRAPH.stages[#place]);
    let mut writer = Writer { context, plan, stage, hoisted: TokenStream::new(), count: 0 };
    let call = match stage.head {
        Head::Core => {
            let input = edge_to(plan, Target::Core(place)).into_iter().next();
            writer.core(stage.node, &meta, &quote!(#input))
        }
        Head::Input | Head::Merge => writer.stateless(&meta, place),
    };
    let edges = (0..stage.outlets.len()).rev().fold(quote!(()), |rest, outlet| {
        let edge = edge(place, outlet);
        quote!((#edge, #rest))
    });
    let hoisted = &writer.hoisted;
    quote!(#hoisted let #edges = #call;)
}

impl Writer<'_> {
    fn stateless(&mut self, meta: &TokenStream, place: usize) -> TokenStream {
        let rt = &self.context.rt;
        let (host, inputs, item, at) = (ident("host"), ident("inputs"), ident("item"), ident("at"));
        let node = self.context.graph.node(self.stage.node);
        let sources = match self.stage.head {
            Head::Input => {
                let name = &node.name;
                vec![quote!(#inputs.#name)]
            }
            Head::Merge | Head::Core => {
                edge_to(self.plan, Target::Merge(place)).iter().map(|edge| quote!(#edge)).collect()
            }
        };
        let lateness: Vec<_> = self.stage.clocks.iter().map(|clock| self.bound_duration(clock)).collect();
        let pattern = if self.stage.timed {
            quote!(#rt::record::Timed { at: #at, record: #item })
        } else {
            quote!(#item)
        };
        let cursor = self.cursor(item, self.stage.timed.then_some(at));
        let path = self.suffix(&quote!(#pattern), cursor, Suffix::Body);
        quote!(#rt::stages::stateless(#host, #meta, ::std::vec![#(#sources),*], &[#(#lateness),*], #path))
    }

    fn cursor(&self, record: Ident, at: Option<Ident>) -> Cursor {
        Cursor { record, owned: true, at, key: None, key_owned: false, node: self.stage.node }
    }

    /// The closure that gets each result of a stateful head.
    pub(super) fn emit(&mut self) -> TokenStream {
        let (record, at) = (ident("record"), ident("at"));
        let cursor = self.cursor(record.clone(), self.stage.timed.then(|| at.clone()));
        self.suffix(&quote!(#record, #at), cursor, Suffix::Body)
    }

    /// The closure that gets each late record, with its time and the watermark.
    pub(super) fn late(&mut self, id: Id) -> TokenStream {
        let rt = &self.context.rt;
        let (record, at, watermark) = (ident("record"), ident("at"), ident("watermark"));
        if self.stage.late.is_none() {
            let (local, outs) = (ident("local"), ident("outs"));
            let number = node_number(id);
            let types = self.outlet_types();
            return quote!(move |_, _, _, #local: &mut #rt::stage::Local, #outs: &mut #types| #local.late(#number));
        }
        let wrap = quote!(let #record = #rt::record::Late { record: #record, at: #at, watermark: #watermark };);
        let cursor = self.cursor(record.clone(), Some(at.clone()));
        self.suffix(&quote!(#record, #at, #watermark), cursor, Suffix::Late(wrap))
    }

    /// A closure that takes a record along a path to the outlets.
    fn suffix(&mut self, parameters: &TokenStream, cursor: Cursor, which: Suffix) -> TokenStream {
        let rt = &self.context.rt;
        let (local, outs) = (ident("local"), ident("outs"));
        let stage = self.stage;
        let (before, body) = match which {
            Suffix::Body => (TokenStream::new(), &stage.body),
            Suffix::Late(before) => (before, stage.late.as_ref().unwrap_or(&stage.body)),
        };
        let path = self.path(body, cursor);
        let types = self.outlet_types();
        let names = (0..stage.outlets.len()).rev().fold(quote!(()), |rest, outlet| {
            let name = outlet_name(outlet);
            quote!((#name, #rest))
        });
        let parameters = quote!(#parameters, #local: &mut #rt::stage::Local, #outs: &mut #types);
        self.owning(&parameters, &quote!(let #names = #outs; #before #path))
    }

    /// `(Out<_>, (Out<_>, ()))`, with the keys that are known.
    fn outlet_types(&self) -> TokenStream {
        let rt = &self.context.rt;
        self.stage.outlets.iter().rev().fold(quote!(()), |rest, outlet| {
            let record = match outlet.target {
                Target::Core(stage) => {
                    let id = self.plan.stages[stage].node;
                    let core = self.context.graph.node(id).core().unwrap_or(0);
                    let key = key_type(&self.context.graph.before(id, core).key.unwrap_or_default());
                    quote!(#rt::record::Keyed<#key, _, _>)
                }
                Target::Output(_) | Target::Merge(_) => quote!(_),
            };
            quote!((#rt::outlet::Out<#record>, #rest))
        })
    }
}

enum Suffix {
    Body,
    /// With what is done to a late record first.
    Late(TokenStream),
}

/// A duration as an expression.
pub(super) fn duration(duration: &Duration) -> TokenStream {
    match &duration.value {
        DurationValue::Micros(micros) => quote!(::core::time::Duration::from_micros(#micros)),
        DurationValue::Expr(expr) => quote!(#expr),
    }
}
