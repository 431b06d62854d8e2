//! The typed ports of a flow: its handle, its builder, and what a host sees of them.

use super::Context;
use super::generics::Parameters;
use super::names::{OWN, declared};
use super::tables;
use crate::graph::{KnownType, Origin, identifier, is_partly_inferred, record_name, state_name, text};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::GenericParam;

/// A port and the type of its records; an output's may be unknown.
struct Port<'a> {
    name: &'a Ident,
    ty: Option<TokenStream>,
    known: Option<KnownType>,
    /// Whether it leads into a table: then it is a port that nobody sees.
    hidden: bool,
}

impl<'a> Port<'a> {
    fn new(context: &Context<'_>, name: &'a Ident, known: Option<KnownType>) -> Port<'a> {
        let ty = known.as_ref().map(|known| declared(context, known));
        Port { name, ty, known, hidden: false }
    }

    /// Its type by name: where there are parameters, rustc would take a type that does not exist for one of those.
    fn by_name(&self, context: &Context<'_>) -> Option<TokenStream> {
        match &self.known {
            Some(KnownType::Written(ty)) => Some(context.ty(ty)),
            _ => self.ty.clone(),
        }
    }

    /// A function of the host's that is there only for a port whose records can be records.
    fn given(&self, context: &Context<'_>, function: TokenStream) -> TokenStream {
        self.known.iter().fold(function, |function, known| context.given_record(known, function))
    }
}

fn inputs<'a>(context: &'a Context<'_>) -> Vec<Port<'a>> {
    // A flow in which a port bears the name of another, or of the handle's own field, has been told so.
    let nodes = context.graph.nodes.iter().enumerate().filter(|(id, node)| {
        let before = context.graph.nodes[..*id].iter().any(|other| other.name == node.name);
        matches!(node.origin, Origin::Input) && node.name != "control" && !before
    });
    let nodes = nodes.map(|(_, node)| node);
    let port = |node: &'a crate::graph::Node| {
        Port::new(context, &node.name, node.ty.clone().map(KnownType::Written))
    };
    nodes.map(port).collect()
}

fn outputs<'a>(context: &'a Context<'_>) -> Vec<Port<'a>> {
    let port = |output: &'a crate::graph::Output| {
        let port = Port::new(context, &output.name, output_type(context, output));
        Port { hidden: output.into.is_some(), ..port }
    };
    let is_input = |output: &crate::graph::Output| {
        context
            .graph
            .nodes
            .iter()
            .any(|node| matches!(node.origin, Origin::Input) && node.name == output.name)
    };
    context
        .graph
        .outputs
        .iter()
        .filter(|output| !is_input(output) && output.name != "control")
        .map(port)
        .collect()
}

/// The record type of an output: as written there, or as known of its node.
pub(super) fn output_type(context: &Context<'_>, output: &crate::graph::Output) -> Option<KnownType> {
    let written = output.ty.clone().filter(|ty| !is_partly_inferred(ty)).map(KnownType::Written);
    let known = written.or_else(|| output.node.and_then(|id| context.graph.node(id).stream.ty.clone()));
    let clashes =
        |name: &Ident| context.untyped.iter().any(|id| context.graph.node(*id).record_name() == *name);
    known.filter(|ty| !mentions(ty, &clashes))
}

/// Whether a type is made of a generated record of that name.
fn mentions(ty: &KnownType, name: &dyn Fn(&Ident) -> bool) -> bool {
    match ty {
        KnownType::Written(_) => false,
        KnownType::Record(record) => name(record),
        KnownType::Late(record) => mentions(record, name),
        KnownType::Joined(joined) => mentions(&joined.left, name) || mentions(&joined.right, name),
    }
}

/// The module's types, where a mistake leaves open what they are.
pub(super) fn unknown(context: &Context<'_>, error: &TokenStream) -> TokenStream {
    let graph = context.graph;
    let stateful = graph.nodes.iter().filter(|node| node.core().is_some()).map(|node| &node.name);
    let mut names: Vec<String> = Vec::new();
    let of_tables = graph.region.nodes.iter().map(|node| &node.name);
    for name in stateful.chain(of_tables).chain(&graph.unread_names) {
        for name in [record_name(name), state_name(name)].map(|name| name.to_string()) {
            if !OWN.contains(&name.as_str()) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let names = names.iter().map(|name| identifier(name, crate::compile::own()));
    quote! {
        type __Unknown = [(); #error];
        pub type Handle = __Unknown;
        pub type Builder = __Unknown;
        pub type Unread = __Unknown;
        pub type Inputs<H> = ::core::marker::PhantomData<H>;
        pub type Outputs<H> = ::core::marker::PhantomData<H>;
        #(pub type #names = __Unknown;)*
    }
}

/// The parameters of the flow's edges: those into it, and those out of it.
pub(super) fn edge_parameters(context: &Context<'_>) -> (Parameters, Parameters) {
    (parameters_of(context, &inputs(context)), parameters_of(context, &outputs(context)))
}

/// The parameters that the records of some ports are made of. Where a mistake leaves those open, there are none.
fn parameters_of(context: &Context<'_>, ports: &[Port<'_>]) -> Parameters {
    let known = ports.iter().filter_map(|port| port.known.as_ref()).filter(|_| context.unknown.is_none());
    context.parameters(&known.flat_map(|known| context.graph.parameters_of(known)).collect())
}

/// Those of the handle.
fn handle_parameters(context: &Context<'_>) -> Parameters {
    let mut ports = inputs(context);
    ports.extend(outputs(context));
    parameters_of(context, &ports)
}

/// Those of the builder: all, so that it can name the flow.
fn builder_parameters(context: &Context<'_>) -> Parameters {
    if context.unknown.is_some() { parameters_of(context, &[]) } else { context.all_parameters() }
}

pub(super) fn handle(context: &Context<'_>) -> TokenStream {
    let rt = &context.rt;
    let h = context.host();
    let flow = &context.graph.name;
    let (inputs, all_outputs) = (inputs(context), outputs(context));
    let edge_names: Vec<_> = all_outputs.iter().map(|port| port.name).collect();
    let outputs: Vec<_> = all_outputs.iter().filter(|port| !port.hidden).collect();
    let input_names: Vec<_> = inputs.iter().map(|port| port.name).collect();
    let input_types: Vec<_> = inputs.iter().map(|port| &port.ty).collect();
    let input_edges: Vec<_> = inputs.iter().map(|port| port.by_name(context)).collect();
    let output_names: Vec<_> = outputs.iter().map(|port| port.name).collect();
    let output_texts: Vec<_> = output_names.iter().map(|name| text(name)).collect();
    let output_types: Vec<_> = outputs
        .iter()
        .map(|port| match &port.ty {
            Some(ty) => quote!(#rt::embedded::Output<#ty>),
            None => quote!(#rt::embedded::AnyOutput),
        })
        .collect();
    let drained: Vec<_> = outputs
        .iter()
        .map(|port| {
            let name = port.name;
            let drain = port.ty.is_some().then(|| port.given(context, quote!(#rt::embedded::drain)));
            quote!(#drain(&mut self.#name))
        })
        .collect();
    let edges: Vec<_> = all_outputs
        .iter()
        .map(|port| match &port.ty {
            Some(_) => {
                let ty = port.by_name(context);
                quote!(#rt::host::Edge<#h, #ty>)
            }
            None => quote!(#rt::host::AnyEdge<#h>),
        })
        .collect();
    let unread_types = outputs.iter().map(|port| match &port.ty {
        Some(ty) => quote!(::std::vec::Vec<#ty>),
        None => quote!(#rt::embedded::AnyOutput),
    });
    let unread: Vec<_> = outputs
        .iter()
        .map(|Port { name, ty, .. }| match ty {
            Some(_) => quote!(#name: self.#name.into_unread()),
            None => quote!(#name: self.#name),
        })
        .collect();
    let (finish, shutdown, stop) = if context.whole {
        let finish = quote! {
            #(self.#input_names.close();)*
            self.control.finish(&mut [#(#drained),*]).await?;
            ::core::result::Result::Ok(Unread { #(#unread,)* })
        };
        let shutdown = quote! {
            #(self.#input_names.close();)*
            self.control.shutdown(deadline, &mut [#(#drained),*]).await
        };
        let stop = quote! {
            self.control.stop_with_checkpoint(&mut [#(#drained),*]).await?;
            ::core::result::Result::Ok(Unread { #(#unread,)* })
        };
        (finish, shutdown, stop)
    } else {
        (
            quote!(let _ = &mut self; ::core::unreachable!()),
            quote!(let _ = (&mut self, deadline); ::core::unreachable!()),
            quote!(let _ = &mut self; ::core::unreachable!()),
        )
    };
    let about = format!(
        "A running [`{flow}`](super::{flow}): a field for each input and output. Dropping it stops the flow."
    );
    let builder = builder(context, &inputs, &outputs);
    let of_region = tables::handle_fields(context);
    let of_handle = handle_parameters(context);
    let (declared, named, bounds) = (of_handle.declared(), of_handle.named(), of_handle.conditions());
    let (of_inputs, of_outputs) = edge_parameters(context);
    let (of_unread, if_unread) = (of_outputs.declared(), of_outputs.conditions());
    let unread_named = of_outputs.named();
    let edge_host = quote!(#h: #rt::host::Host);
    let (inputs_declared, if_inputs) = (of_inputs.declared_after(&edge_host), of_inputs.conditions());
    let (outputs_declared, if_outputs) = (of_outputs.declared_after(&edge_host), of_outputs.conditions());
    let input_texts = input_names.iter().map(|name| text(name));
    quote! {
        #[doc = #about]
        pub struct Handle #declared #bounds {
            // First, so that it is dropped first: then the flow is being stopped when its outputs go.
            #[doc = "The flow itself: its error, its counts, its graph."]
            pub control: #rt::embedded::FlowControl,
            #(pub #input_names: #rt::embedded::Input<#input_types>,)*
            #(pub #output_names: #output_types,)*
            #(#of_region,)*
        }

        impl #declared ::core::fmt::Debug for Handle #named #bounds {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct("Handle")
                    #(.field(#input_texts, &self.#input_names))*
                    #(.field(#output_texts, &self.#output_names))*
                    .field("control", &self.control)
                    .finish()
            }
        }

        #[doc = "What a finished flow's outputs still held: what nobody had read."]
        pub struct Unread #of_unread #if_unread { #(pub #output_names: #unread_types,)* }

        impl #of_unread ::core::fmt::Debug for Unread #unread_named #if_unread {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use #rt::ops::{Opaque as _, Shown as _};
                f.debug_struct("Unread")
                    #(.field(#output_texts, &(&#rt::ops::Debugged(&self.#output_names)).shown()))*
                    .finish()
            }
        }

        impl #declared Handle #named #bounds {
            #[doc = "Why a node gives nothing, in a sentence or a few: which watermark it has, which end it waits for, and who"]
            #[doc = "holds the watermark back."]
            #[must_use]
            pub fn explain(&self, node: &str) -> ::std::string::String {
                self.control.explain(node)
            }

            #[doc = "Closes the inputs, lets sources come to their end and the flow drain, and gives what nobody had read of"]
            #[doc = "its outputs. With a source that has no end, use `shutdown`."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "The error that ended the flow, if it did not drain."]
            pub async fn finish(mut self) -> ::core::result::Result<Unread #unread_named, #rt::error::FlowError> {
                #finish
            }

            #[doc = "As `finish`, but sources give no more, and the tasks are stopped where they stand when the deadline has"]
            #[doc = "passed. The list says how many records were dropped: those on their way to a node then, and those of an"]
            #[doc = "output that nobody had read. It is empty if the flow drained and its outputs were read, or taken."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "The error that ended the flow, if it was another than the deadline."]
            pub async fn shutdown(
                mut self,
                deadline: ::core::time::Duration,
            ) -> ::core::result::Result<::std::vec::Vec<#rt::embedded::Dropped>, #rt::error::FlowError> {
                #shutdown
            }

            #[doc = "Commits one more checkpoint of a durable flow, after which it takes no more, and stops it: started again, it"]
            #[doc = "goes on from there. No window fires for it, as it would with `finish`. Gives what nobody had read of its outputs."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "The error that ended the flow before that, or that it was stopped: because it is not durable."]
            pub async fn stop_with_checkpoint(mut self) -> ::core::result::Result<Unread #unread_named, #rt::error::FlowError> {
                #stop
            }
        }

        #builder

        #[doc = "The edges into the flow, in some host."]
        pub struct Inputs #inputs_declared #if_inputs { #(pub #input_names: #rt::host::Edge<#h, #input_edges>,)*
            #[doc(hidden)] pub __host: ::core::marker::PhantomData<#h> }

        #[doc = "The edges out of the flow, in some host."]
        pub struct Outputs #outputs_declared #if_outputs { #(pub #edge_names: #edges,)*
            #[doc(hidden)] pub __host: ::core::marker::PhantomData<#h> }
    }
}

/// Settings, and sources and sinks by the names of the ports.
fn builder(context: &Context<'_>, inputs: &[Port<'_>], outputs: &[&Port<'_>]) -> TokenStream {
    let rt = &context.rt;
    let of_tables = (!context.graph.region.is_empty()).then(|| quote! {
        #[doc = "Where the flow's tables are: a directory on a local disk, which is made if it is not there. Default: `tables`, in"]
        #[doc = "the directory of a flow that is durable in one; in memory for a flow that is not durable. Needs the feature"]
        #[doc = "`tables`."]
        #[must_use]
        pub fn tables(self, path: impl ::core::convert::Into<::std::path::PathBuf>) -> Self {
            Builder(self.0.tables(path))
        }
        #[doc = "As `tables`, with a store of one's own."]
        #[must_use]
        pub fn tables_in(self, store: impl #rt::tables::TableStore + 'static) -> Self {
            Builder(self.0.tables_in(store))
        }
        #[doc = "How long a read of a view waits for its answer. Default: as long as it takes."]
        #[must_use]
        pub fn read_deadline(self, deadline: ::core::time::Duration) -> Self {
            Builder(self.0.set(|settings| settings.read_deadline = ::core::option::Option::Some(deadline)))
        }
    });
    let sources = inputs.iter().map(|Port { name, ty, .. }| {
        let (method, text) = (format_ident!("{name}_from"), text(name));
        let doc = format!("Feeds the input `{name}` from a source.");
        quote! {
            #[doc = #doc]
            #[must_use]
            pub fn #method(self, source: impl #rt::connect::Source<Item = #ty>) -> Self {
                Builder(self.0.source(#text, source))
            }
        }
    });
    let sinks = outputs.iter().filter_map(|port| {
        let Port { name, ty, .. } = *port;
        let ty = ty.as_ref()?;
        let (method, text) = (format_ident!("{name}_to"), text(name));
        let doc = format!("Leads the output `{name}` into a sink.");
        Some(quote! {
            #[doc = #doc]
            #[must_use]
            pub fn #method(self, sink: impl #rt::connect::Sink<Item = #ty>) -> Self {
                Builder(self.0.sink(#text, sink))
            }
        })
    });
    let holds = outputs.iter().filter_map(|port| {
        let (name, ty) = (port.name, port.by_name(context)?);
        let (method, text) = (format_ident!("{name}_on_commit"), text(name));
        let doc = format!(
            "Holds the records of the output `{name}`, which no sink takes, until the epoch that they are part of is committed."
        );
        Some(quote! {
            #[doc = #doc]
            #[must_use]
            pub fn #method(self) -> Self
            where
                for<'t> #ty: #rt::record::StateData,
            {
                Builder(self.0.on_commit::<#ty>(#text))
            }
        })
    });
    let of_handle = handle_parameters(context).named();
    let parameters = builder_parameters(context);
    let (declared, named, bounds) = (parameters.declared(), parameters.named(), parameters.conditions());
    let standing = standing(context);
    quote! {
        #[doc = "The flow, its settings, and what is attached to its ports."]
        pub struct Builder #declared(pub(super) #rt::embedded::Builder<<__Flow #named as #rt::flow::Standing>::Flow>) #bounds;

        #standing

        impl #declared Builder #named #bounds {
            #[doc = "The tasks of each stage that has a key. Default 1; at most 256."]
            #[must_use]
            pub fn shards(self, shards: usize) -> Self {
                Builder(self.0.set(|settings| settings.shards = shards))
            }
            #[doc = "The batches that each edge holds before it makes its writers wait. Default 16."]
            #[must_use]
            pub fn capacity(self, batches: usize) -> Self {
                Builder(self.0.set(|settings| settings.capacity = batches))
            }
            #[doc = "The most records of a batch. Default 4,096."]
            #[must_use]
            pub fn batch_limit(self, records: usize) -> Self {
                Builder(self.0.set(|settings| settings.batch_limit = records))
            }
            #[doc = "The silence after which an input no longer holds back the watermark. Default 10 s."]
            #[must_use]
            pub fn idle_after(self, silence: ::core::time::Duration) -> Self {
                Builder(self.0.set(|settings| settings.idle_after = silence))
            }
            #[doc = "Makes the flow durable: its checkpoints are kept in a directory, which is made if it is not there, and it goes"]
            #[doc = "on from the last of them."]
            #[must_use]
            pub fn durable(self, path: impl ::core::convert::Into<::std::path::PathBuf>) -> Self {
                Builder(self.0.durable(path))
            }
            #[doc = "Makes the flow durable, with a storage of one's own."]
            #[must_use]
            pub fn durable_in(self, storage: impl #rt::checkpoint::storage::Storage) -> Self {
                Builder(self.0.durable_in(storage))
            }
            #[doc = "Where the keys go that are over a node's budget of `memory`: a directory on a local disk, which is emptied"]
            #[doc = "when the flow starts. Default: `tier`, in the directory of a flow that is durable in one."]
            #[must_use]
            pub fn tier(self, path: impl ::core::convert::Into<::std::path::PathBuf>) -> Self {
                Builder(self.0.tier(path))
            }
            #[doc = "As `tier`, with an empty store of one's own."]
            #[must_use]
            pub fn tier_in(self, store: impl #rt::state::TierStore) -> Self {
                Builder(self.0.tier_in(store))
            }
            #of_tables
            #[doc = "The time from one checkpoint of a durable flow to the next. Default 10 s."]
            #[must_use]
            pub fn checkpoint_every(self, interval: ::core::time::Duration) -> Self {
                Builder(self.0.set(|settings| settings.checkpoint_every = interval))
            }
            #[doc = "How long the store of a durable flow may fail before the flow does; until then it is tried again. Default"]
            #[doc = "30 s."]
            #[must_use]
            pub fn store_patience(self, patience: ::core::time::Duration) -> Self {
                Builder(self.0.set(|settings| settings.store_patience = patience))
            }
            #[doc = "The newest epochs that are kept: at least 2, so that one may be damaged. Default 2."]
            #[must_use]
            pub fn kept_epochs(self, epochs: usize) -> Self {
                Builder(self.0.set(|settings| settings.kept_epochs = epochs))
            }
            #[doc = "Lets the stored state of a node go that the flow does not have any more."]
            #[must_use]
            pub fn forget_state_of(self, node: &str) -> Self {
                Builder(self.0.forget_state_of(node))
            }
            #(#holds)*
            #[doc = "What is promised of each way from an input to an output, with what is attached now."]
            #[must_use]
            pub fn guarantees(&self) -> ::std::vec::Vec<#rt::embedded::Guarantee> {
                self.0.guarantees()
            }
            #[doc = "Runs the flow as tasks of the tokio runtime at hand. A durable flow reads its last checkpoint first."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "If there is none, a setting is out of its bounds, or the store of a durable flow cannot be used."]
            pub fn spawn(self) -> ::core::result::Result<Handle #of_handle, #rt::error::StartError> {
                self.0.spawn()
            }
            #[doc = "Runs the flow by hand, with a clock turned by hand: for tests."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "If a setting is out of its bounds."]
            pub fn inline(self) -> ::core::result::Result<(Handle #of_handle, #rt::embedded::Inline), #rt::error::StartError> {
                self.0.inline()
            }
            #(#sources)*
            #(#sinks)*
        }
    }
}

/// What stands for the flow in the module.
fn standing(context: &Context<'_>) -> TokenStream {
    let parameters = builder_parameters(context);
    let (declared, bounds) = (parameters.declared(), parameters.conditions());
    let types = context.graph.parameters().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(_) | GenericParam::Lifetime(_) => None,
    });
    let types: Vec<_> = types.collect();
    let body = (!types.is_empty()).then(|| quote!((#(::core::marker::PhantomData<#types>),*)));
    quote! {
        #[doc(hidden)]
        pub(super) struct __Flow #declared #body #bounds;
    }
}

/// `impl Flow`, and the methods of the flow's struct. A flow with mistakes has them too, so that its users' code is
/// not blamed; it is never run.
pub(super) fn flow_impl(context: &Context<'_>, description: &TokenStream) -> TokenStream {
    let Context { graph, rt, path, module, .. } = context;
    let (flow, h) = (context.flow_type(), context.host());
    let all = context.all_parameters();
    let (declared, all_named, bounds) = (all.declared(), all.named(), all.conditions());
    let of_handle = handle_parameters(context).named();
    let of_builder = builder_parameters(context).named();
    let (of_inputs, of_outputs) = edge_parameters(context);
    let (of_inputs, of_outputs) = if context.unknown.is_some() {
        (quote!(<#h>), quote!(<#h>))
    } else {
        (of_inputs.named_after(&quote!(#h)), of_outputs.named_after(&quote!(#h)))
    };
    let vis = &graph.vis;
    let import = context.import();
    let (inputs, outputs) = (inputs(context), outputs(context));
    let host = quote!(#rt::embedded::EmbeddedHost);
    let opens = inputs.iter().enumerate().map(|(place, port)| {
        let (name, input) = (port.name, port.given(context, quote!(#rt::host::Edge::input)));
        quote!(#name: #input(host, &graph.inputs[#place]))
    });
    let leads = outputs.iter().enumerate().map(|(place, port)| {
        let edge = if port.ty.is_some() { quote!(Edge) } else { quote!(AnyEdge) };
        let (name, output) = (port.name, port.given(context, quote!(#rt::host::#edge::output)));
        quote!(#output(outputs.#name, host, &graph.outputs[#place]))
    });
    let input_takes = inputs.iter().map(|port| {
        let (name, text) = (port.name, text(port.name));
        let take = port.given(context, quote!(#host::take_input));
        quote!(#name: #take(&mut *parts.host, #text))
    });
    let output_takes = outputs.iter().filter(|port| !port.hidden).map(|port| {
        let (name, text) = (port.name, text(port.name));
        let take = if port.ty.is_some() { quote!(take_output) } else { quote!(take_any_output) };
        let take = port.given(context, quote!(#host::#take));
        quote!(#name: #take(&mut *parts.host, #text))
    });
    let build_region =
        (context.whole && !context.graph.region.is_empty()).then(|| quote!(Self::build_region(flow, host);));
    let region_takes = tables::handle_takes(context);
    let (builder, standing) = if context.unknown.is_some() {
        (quote!(::core::unreachable!()), None)
    } else {
        // In a function `super::Flow` is nothing, so the module learns of the flow from here.
        let standing = quote! {
            impl #declared #path::flow::Standing for #module::__Flow #all_named #bounds { type Flow = #flow; }
        };
        (quote!(#module::Builder(#path::embedded::Builder::new(self))), Some(standing))
    };
    let inlined = if context.whole {
        quote!(Self::wire_stages(flow, host, inputs))
    } else {
        quote!(let _ = (flow, host, inputs); ::core::unreachable!())
    };
    let (wire, handle) = if context.whole {
        let wire = quote! {
            let graph = <Self as #rt::flow::Flow>::GRAPH;
            let inputs = #module::Inputs {
                #(#opens,)*
                __host: ::core::marker::PhantomData,
            };
            let outputs = Self::wire_stages(flow, host, inputs);
            #(#leads;)*
        };
        let handle = quote! {
            #module::Handle {
                #(#input_takes,)*
                #(#output_takes,)*
                #(#region_takes,)*
                control: parts.control,
            }
        };
        (wire, handle)
    } else {
        (quote!(let _ = (flow, host); ::core::unreachable!()), quote!(let _ = parts; ::core::unreachable!()))
    };
    quote! {
        #[allow(unused_imports, unused_parens, clippy::all, clippy::pedantic)]
        impl #declared #path::flow::Flow for #flow #bounds {
            const GRAPH: &'static #path::graph::Graph = &#description;
            type Handle = #module::Handle #of_handle;
            type Inputs<#h: #path::host::Host> = #module::Inputs #of_inputs;
            type Outputs<#h: #path::host::Host> = #module::Outputs #of_outputs;

            fn wire<#h: #path::host::Host>(
                flow: &::std::sync::Arc<Self>,
                host: &mut #h,
                inputs: #module::Inputs #of_inputs,
            ) -> #module::Outputs #of_outputs {
                #inlined
            }

            fn wire_ports<#h: #path::host::Host>(flow: &::std::sync::Arc<Self>, host: &mut #h) {
                #import
                #wire
            }

            fn wire_embedded(flow: &::std::sync::Arc<Self>, host: &mut #path::embedded::EmbeddedHost) {
                #build_region
                <Self as #path::flow::Flow>::wire_ports(flow, host);
            }

            fn handle(parts: #path::embedded::FlowParts<'_>) -> #module::Handle #of_handle {
                #import
                #handle
            }
        }

        #standing

        #[allow(dead_code)]
        impl #declared #flow #bounds {
            #[doc = "The flow as declared: its nodes, their state and its bounds, its stages."]
            #vis const GRAPH: &'static #path::graph::Graph = <Self as #path::flow::Flow>::GRAPH;

            #[doc = "To choose shards and other settings, and to attach sources and sinks."]
            #[must_use]
            #vis fn builder(self) -> #module::Builder #of_builder {
                #builder
            }

            #[doc = "Runs the flow as tasks of the tokio runtime at hand, with the default settings."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "If there is no runtime."]
            #vis fn spawn(self) -> ::core::result::Result<#module::Handle #of_handle, #path::error::StartError> {
                self.builder().spawn()
            }
        }
    }
}
