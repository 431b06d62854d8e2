//! The `wire` function: a call for each stage, in an order in which each comes after those that feed it.

use super::Context;
use super::body::{Cursor, Writer, ident, key_type, node_number, outlet_name};
use super::place::Place;
use crate::ast::{Duration, DurationValue};
use crate::compile::own;
use crate::graph::{Id, Node, Origin};
use crate::lower::{Head, Plan, Target};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

pub(super) fn wire(context: &Context<'_>, plan: &Plan) -> TokenStream {
    let Context { graph, rt, path, module, .. } = context;
    let (flow, h) = (context.flow_type(), context.host());
    let parameters = context.all_parameters();
    let (declared, conditions) = (parameters.declared(), parameters.conditions());
    let (of_inputs, of_outputs) = super::handle::edge_parameters(context);
    let (of_inputs, of_outputs) = (of_inputs.named_after(&quote!(#h)), of_outputs.named_after(&quote!(#h)));
    let (own_flow, host, inputs) = (ident("flow"), ident("host"), ident("inputs"));
    let import = context.import();
    let stages = (0..plan.stages.len()).map(|place| {
        let subflow = super::subflow::before_stage(context, plan, place);
        let stage = stage(context, plan, place);
        quote!(#subflow #stage)
    });
    let leaving = ident("outputs");
    // Only where all is placed are the types of the edges known.
    let codecs = crossing(plan).map(|(stage, outlet)| {
        let codec = codec(stage, outlet);
        quote!((&#rt::codec::Codecs(&#codec)).tell(#host);)
    });
    let outputs = graph.outputs.iter().enumerate().map(|(place, output)| {
        let name = &output.name;
        let edge = edge_to(plan, Target::Output(place));
        match super::handle::output_type(context, output) {
            Some(_) => quote!(#name: #edge),
            None => quote!(#name: #edge.erase()),
        }
    });
    quote! {
        #[allow(unused_imports, unused_variables, unused_mut, unused_parens, clippy::all, clippy::pedantic)]
        impl #declared #flow #conditions {
            /// Wires the flow's stages into a host.
            #[doc(hidden)]
            fn wire_stages<#h: #path::host::Host>(
                #own_flow: &::std::sync::Arc<Self>,
                #host: &mut #h,
                #inputs: #module::Inputs #of_inputs,
            ) -> #module::Outputs #of_outputs {
                #import
                use #rt::ops::{ByReference as _, ByValue as _, Known as _};
                use #rt::codec::{ByNothing as _, BySerde as _};
                #(#stages)*
                let #leaving: #module::Outputs #of_outputs = #module::Outputs { #(#outputs,)* __host: ::core::marker::PhantomData };
                #(#codecs)*
                #leaving
            }
        }
    }
}

/// The variable of an edge.
fn edge(stage: usize, outlet: usize) -> Ident {
    format_ident!("edge{stage}_{outlet}", span = own())
}

/// The variable of where an edge is told how its records cross a network.
fn codec(stage: usize, outlet: usize) -> Ident {
    format_ident!("codec{stage}_{outlet}", span = own())
}

/// The edges that a host may lead from one process to another: those into stages that may run elsewhere than what feeds
/// them.
fn crossing(plan: &Plan) -> impl Iterator<Item = (usize, usize)> + '_ {
    plan.stages.iter().enumerate().flat_map(|(stage, writer)| {
        let outlets = writer.outlets.iter().enumerate();
        let there = outlets.filter(|(_, outlet)| may_cross(plan, outlet.target));
        there.map(move |(place, _)| (stage, place))
    })
}

fn may_cross(plan: &Plan, target: Target) -> bool {
    match target {
        Target::Core(_)
        | Target::Parts(_)
        | Target::Joined(_)
        | Target::Output(_)
        | Target::Subflow { .. } => true,
        // What follows an input, or stands alone, runs beside what feeds it; a clock does not.
        Target::Merge(stage) => !plan.stages[stage].clocks.is_empty(),
    }
}

/// The edges that lead to a place.
pub(super) fn edge_to(plan: &Plan, target: Target) -> Option<Ident> {
    edges(plan, target).next().map(|(_, edge)| edge)
}

/// The edges that lead from a node to a place.
fn edges_from(plan: &Plan, node: Id, target: Target) -> impl Iterator<Item = Ident> + '_ {
    edges(plan, target).filter(move |(from, _)| *from == node).map(|(_, edge)| edge)
}

/// The edges that lead to a place, and the node each comes from.
fn edges(plan: &Plan, target: Target) -> impl Iterator<Item = (Id, Ident)> + '_ {
    plan.stages.iter().enumerate().flat_map(move |(stage, writer)| {
        let outlets = writer.outlets.iter().enumerate();
        let there = outlets.filter(move |(_, outlet)| outlet.target == target);
        there.map(move |(place, outlet)| (outlet.from, edge(stage, place)))
    })
}

/// The call that places a stage, and the edges that leave it.
fn stage(context: &Context<'_>, plan: &Plan, place: usize) -> TokenStream {
    let rt = &context.rt;
    let stage = &plan.stages[place];
    let flow = context.flow_type();
    let meta = quote!(&<#flow as #rt::flow::Flow>::GRAPH.stages[#place]);
    let mut writer = Writer { context, plan, stage, hoisted: TokenStream::new(), count: 0 };
    let call = match stage.head {
        Head::Spread => {
            let input = edge_to(plan, Target::Core(place));
            writer.core(stage.node, &meta, &quote!(#input))
        }
        Head::Core if let Some(parts) = edge_to(plan, Target::Parts(place)) => {
            writer.united(stage.node, &meta, &parts)
        }
        Head::Core => {
            let input = edge_to(plan, Target::Core(place));
            let other = edge_to(plan, Target::Joined(place)).map(|other| quote!(.with(#other)));
            writer.core(stage.node, &meta, &quote!(#input #other))
        }
        Head::Call(at) => {
            let input = edge_to(plan, Target::Merge(place));
            writer.map_async(at, &meta, &quote!(#input))
        }
        Head::Input | Head::Merge | Head::Relay | Head::Flow => writer.stateless(&meta, place),
    };
    let edges = (0..stage.outlets.len()).rev().fold(quote!(()), |rest, outlet| {
        let edge = edge(place, outlet);
        quote!((#edge, #rest))
    });
    let hoisted = &writer.hoisted;
    let codecs = stage.outlets.iter().enumerate().filter(|(_, outlet)| may_cross(plan, outlet.target));
    let codecs = codecs.map(|(outlet, _)| {
        let (edge, codec) = (edge(place, outlet), codec(place, outlet));
        quote!(let #codec = #rt::host::codec_of(&#edge);)
    });
    quote!(#hoisted let #edges = #call; #(#codecs)*)
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
            Head::Merge => self.merged(node, place),
            Head::Flow => vec![super::subflow::output(self.context, node)],
            Head::Relay | Head::Call(_) | Head::Spread | Head::Core => {
                let edges = edges_from(self.plan, self.stage.node, Target::Merge(place));
                edges.into_iter().map(|edge| quote!(#edge)).collect()
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
        self.placed("stateless", &quote!(#host, #meta, ::std::vec![#(#sources),*], &[#(#lateness),*], #path))
    }

    /// The edges that a merge unites: the first, and the others held against it.
    fn merged(&mut self, node: &Node, stage: usize) -> Vec<TokenStream> {
        let Origin::Chain(chain) = &node.origin else { return Vec::new() };
        let rt = &self.context.rt;
        let mut edges: Vec<TokenStream> = Vec::new();
        for (source, named) in chain.begins_with().iter().zip(&chain.named) {
            let place = Place::at(*named);
            for edge in edges_from(self.plan, *source, Target::Merge(stage)) {
                if let Some(first) = edges.first() {
                    let merged = place.function(None, (rt, &quote!(host::Merges<_>)), "merged");
                    let merged = place.called(&merged, [quote!(&#first), quote!(#edge)], rt);
                    self.hoisted.extend(quote!(let #edge = #merged;));
                }
                edges.push(quote!(#edge));
            }
        }
        edges
    }

    pub(super) fn cursor(&self, record: Ident, at: Option<Ident>) -> Cursor {
        Cursor {
            record,
            owned: true,
            at,
            key: None,
            key_owned: false,
            node: self.stage.node,
            lender: self.stage.node,
        }
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
        let wrap =
            quote!(let #record = #rt::record::Late { record: #record, at: #at, watermark: #watermark };);
        let cursor = self.cursor(record.clone(), Some(at.clone()));
        self.suffix(&quote!(#record, #at, #watermark), cursor, Suffix::Late(wrap))
    }

    /// A closure that takes a record along a path to the outlets.
    pub(super) fn suffix(&mut self, parameters: &TokenStream, cursor: Cursor, which: Suffix) -> TokenStream {
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
                Target::Core(stage) | Target::Joined(stage) => {
                    let id = self.plan.stages[stage].node;
                    let core = self.context.graph.node(id).core().unwrap_or(0);
                    let key =
                        key_type(self.context, &self.context.graph.before(id, core).key.unwrap_or_default());
                    quote!(#rt::record::Keyed<#key, _, _>)
                }
                Target::Output(_) | Target::Merge(_) | Target::Parts(_) | Target::Subflow { .. } => quote!(_),
            };
            quote!((#rt::outlet::Out<#record>, #rest))
        })
    }
}

pub(super) enum Suffix {
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
