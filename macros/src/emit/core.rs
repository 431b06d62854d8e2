//! The stateful heads of stages: what they take, hold and make.

use super::Context;
use super::body::{Writer, core_args, ident, node_number};
use super::names::held;
use super::place::Place;
use super::wire::duration;
use crate::ast::{AggregateField, Args, Duration, FunctionArgs, Stateful};
use crate::compile::own;
use crate::graph::{Id, Node};
use crate::lower::{Head, is_combined, needs_records};
use crate::operators::{Effect, Projection, Syntax, WindowKind};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Expr, Type};

pub(super) fn projected(place: usize) -> Ident {
    format_ident!("input{place}", span = own())
}

impl Writer<'_> {
    /// What the aggregate functions of a node take of a record, as a tuple.
    pub(super) fn projections(&mut self, id: Id, record: &TokenStream) -> TokenStream {
        let node = self.context.graph.node(id);
        let Some(Args::Aggregate(fields)) = core_args(node) else { return quote!(()) };
        let number = node_number(id);
        let inputs: Vec<_> = fields.iter().map(|field| self.projection(&number, field, record)).collect();
        quote!((#(#inputs,)*))
    }

    /// What a function takes of a record; with a filter, if the record passes it.
    pub(super) fn projection(
        &mut self,
        id: &TokenStream,
        field: &AggregateField,
        record: &TokenStream,
    ) -> TokenStream {
        let taken = self.taken(id, field, record);
        let Some(filter) = &field.filter else { return taken };
        let rt = &self.context.rt;
        let f = self.closure(&filter.f, 1);
        let passes = Place::at(filter.span).put(quote!(#rt::ops::filter));
        quote! {
            if #passes(#id, #record, #f) {
                ::core::option::Option::Some(#taken)
            } else {
                ::core::option::Option::None
            }
        }
    }

    fn taken(&mut self, id: &TokenStream, field: &AggregateField, record: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        if let Some(own) = &field.own {
            let place = Place::of(own);
            let f = match field.args.taken() {
                Some(f) => self.closure(f, 1),
                None => place.put(quote!(|_| ())),
            };
            let function = Some(self.context.ty(own));
            let project =
                place.function(function.as_ref(), (rt, &quote!(aggregate::OwnFunction<_>)), "project");
            let arguments = place.parenthesized(&quote!(#id, #record, #f));
            return quote!(#project #arguments);
        }
        let Some(f) = field.args.taken() else {
            return match field.row.projection {
                // A list of whole rows.
                Projection::Value => {
                    self.context.typed(held(field), &quote!(::core::clone::Clone::clone(#record)))
                }
                Projection::Nothing
                | Projection::Number
                | Projection::Fingerprint
                | Projection::Record
                | Projection::Own => quote!(()),
            };
        };
        let result = Place::of_result(f);
        let f = self.closure(f, 1);
        let project = Place::of(&field.function).put(quote!(#rt::ops::project));
        let projected = quote!(#project(#id, #record, #f));
        match field.row.projection {
            Projection::Number => {
                result.call(None, (rt, &quote!(aggregate::MeanInput)), "to_f64", &projected)
            }
            Projection::Fingerprint => {
                result.call(None, (rt, &quote!(ops::Distinguished)), "fingerprint", &quote!(&#projected))
            }
            Projection::Nothing | Projection::Value | Projection::Record | Projection::Own => {
                let ty = self.context.ty(held(field));
                quote!(#project::<_, #ty>(#id, #record, #f))
            }
        }
    }

    /// The call that places the stage of a node's stateful operator.
    pub(super) fn core(&mut self, id: Id, meta: &TokenStream, input: &TokenStream) -> TokenStream {
        let node = self.context.graph.node(id);
        let lateness = self.lateness();
        let host = ident("host");
        let head = quote!(#host, #meta, #input, &[#(#lateness),*]);
        match core_args(node) {
            Some(Args::Stateful(stateful)) => self.stateful(id, node, stateful, &head),
            Some(Args::Join(join)) => self.join(id, node, join, &head),
            Some(Args::None) => self.passing(id, node, &head),
            _ => match node.window() {
                Some(_) => self.windowed(id, node, &head),
                None => self.running(id, node, &head),
            },
        }
    }

    pub(super) fn lateness(&self) -> Vec<TokenStream> {
        self.stage.clocks.iter().map(|lateness| self.bound_duration(lateness)).collect()
    }

    /// A duration, where it is evaluated with the flow at hand.
    pub(super) fn bound_duration(&self, value: &Duration) -> TokenStream {
        let value = duration(value);
        let bound = self.bindings(&value);
        if bound.is_empty() { value } else { quote!({ #bound #value }) }
    }

    fn running(&mut self, id: Id, node: &Node, head: &TokenStream) -> TokenStream {
        let keep = self.keep(node);
        let every = node.core().and_then(|core| node.ops()[core].every.as_ref());
        let (init, add) = (self.init(id), self.add(id, every.is_none() && is_top(node)));
        let (key, state) = (ident("key"), ident("state"));
        let state_ty = self.state_type(node);
        let result = self.result(id, false);
        let finish = self.owning(&quote!(#key, #state: #state_ty), &result);
        let emit = self.emit();
        if let Some(every) = every {
            let rt = &self.context.rt;
            let every = self.bound_duration(&every.duration);
            let ticks = quote!(#rt::stages::Ticks::every(#every));
            let merge = self.merge(id, is_top(node));
            let arguments = quote!(#head, #ticks, #keep, #init, #add, #merge, #finish, #emit);
            return self.placed("thinned", &arguments);
        }
        self.placed("running", &quote!(#head, #keep, #init, #add, #finish, #emit))
    }

    /// `dedup`, `latest`: of the records that come some pass.
    fn passing(&mut self, id: Id, node: &Node, head: &TokenStream) -> TokenStream {
        let (number, keep, emit) = (node_number(id), self.keep(node), self.emit());
        let latest = node.core().is_some_and(|core| node.ops()[core].row.effect == Effect::Latest);
        self.placed(if latest { "latest" } else { "dedup" }, &quote!(#head, #number, #keep, #emit))
    }

    fn windowed(&mut self, id: Id, node: &Node, head: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let Some(op) = node.window() else { return TokenStream::new() };
        if let Args::CountWindow(size) = &op.args {
            return self.counted_out(id, node, size, head);
        }
        let (Args::Window { size, every, early, .. }, Effect::Window(kind)) = (&op.args, op.row.effect)
        else {
            return TokenStream::new();
        };
        let size = self.bound_duration(size);
        let allow = op
            .allow
            .as_ref()
            .map_or(quote!(::core::time::Duration::ZERO), |allow| self.bound_duration(allow));
        let (init, add) = (self.init(id), self.add(id, false));
        let (key, window, state) = (ident("key"), ident("window"), ident("state"));
        let state_ty = self.state_type(node);
        let finish = if self.stage.head == Head::Spread {
            quote!(|_, #window: #rt::time::Window, #state: #state_ty| (#window, #state))
        } else {
            let result = self.result(id, true);
            self.owning(&quote!(#key, #window, #state: #state_ty), &result)
        };
        let (late, emit) = (self.late(id), self.emit());
        let early = early.as_ref().map(|early| {
            let early = self.bound_duration(early);
            let ticks = quote!(#rt::stages::Ticks::every(#early));
            (ticks, self.merge(id, false))
        });
        let stage = if node.is_by_wall_clock() { "processing_windows" } else { "time_windows" };
        let united = is_combined(self.context.graph, id).then(|| (node_number(id), self.merge(id, false)));
        let time_windows = |writer: &mut Self, windows: TokenStream, copy: TokenStream| match &early {
            None if let Some((number, merge)) = &united => writer.placed(
                "combined_windows",
                &quote!(#head, #windows, #number, #copy, #init, #add, #merge, #finish, #late, #emit),
            ),
            None => writer.placed(stage, &quote!(#head, #windows, #copy, #init, #add, #finish, #late, #emit)),
            Some((ticks, merge)) => writer.placed(
                "early_windows",
                &quote!(#head, #windows, #ticks, #copy, #init, #add, #merge, #finish, #late, #emit),
            ),
        };
        match kind {
            WindowKind::Tumbling => {
                let windows = quote!(#rt::stages::TimeWindows::tumbling(#size, #allow));
                time_windows(self, windows, quote!(#rt::stages::taken_once))
            }
            WindowKind::Hopping => {
                let every = every.as_ref().map(|every| self.bound_duration(every));
                let windows = quote!(#rt::stages::TimeWindows::hopping(#size, #every, #allow));
                let record = ident("record");
                let overlapping = quote!(record::Overlapping<_>);
                let copy = Place::of(&op.name).call(None, (rt, &overlapping), "overlap", &quote!(#record));
                time_windows(self, windows, quote!(|#record| #copy))
            }
            WindowKind::Count => TokenStream::new(),
            WindowKind::Session => {
                let windows = quote!(#rt::stages::SessionWindows::new(#size, #allow));
                let Some((ticks, merge)) = early else {
                    let merge = self.merge(id, false);
                    let arguments = quote!(#head, #windows, #init, #add, #merge, #finish, #late, #emit);
                    return self.placed("sessions", &arguments);
                };
                let arguments = quote!(#head, #windows, #ticks, #init, #add, #merge, #finish, #late, #emit);
                self.placed("early_sessions", &arguments)
            }
        }
    }

    /// What unites the parts of a window without a key.
    pub(super) fn united(&mut self, id: Id, meta: &TokenStream, parts: &Ident) -> TokenStream {
        let host = ident("host");
        let state_ty = self.state_type(self.context.graph.node(id));
        let (key, window, state) = (ident("key"), ident("window"), ident("state"));
        let (lateness, merge) = (self.lateness(), self.merge(id, false));
        let result = self.result(id, true);
        let finish = self.owning(&quote!(#window, #state: #state_ty), &quote!(let #key = (); #result));
        let emit = self.emit();
        self.placed("united", &quote!(#host, #meta, #parts, &[#(#lateness),*], #merge, #finish, #emit))
    }

    /// `count_window`.
    fn counted_out(&mut self, id: Id, node: &Node, size: &Expr, head: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let (keep, bound) = (self.keep(node), self.bindings(&quote!(#size)));
        let windows = quote!(#rt::stages::CountWindows::new({ #bound #size }, #keep));
        let (init, add) = (self.init(id), self.add(id, false));
        let (key, window, state) = (ident("key"), ident("window"), ident("state"));
        let state_ty = self.state_type(node);
        let result = self.result(id, self.context.graph.has_window(id));
        let finish = self.owning(&quote!(#key, #window, #state: #state_ty), &result);
        let emit = self.emit();
        self.placed("count_windows", &quote!(#head, #windows, #init, #add, #finish, #emit))
    }

    fn stateful(&mut self, id: Id, node: &Node, stateful: &Stateful, head: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let number = node_number(id);
        let keep = self.keep(node);
        let init = self.init(id);
        let state_ty = self.state_type(node);
        let out_ty = self.context.ty(&stateful.out);
        let (state, record, at, out) = (ident("state"), ident("record"), ident("at"), ident("out"));
        let out_parameter = quote!(#out: &mut #rt::stages::Emit<'_, _, _, #out_ty>);
        let step = self.closure(&stateful.step, 3);
        let step = self.owning(
            &quote!(#state: &mut #state_ty, #record, #out_parameter),
            &quote!(#rt::ops::step(#number, #state, #record, #out, #step)),
        );
        let timer = match &stateful.timer {
            None => quote!(#rt::stages::no_timer),
            Some(timer) => {
                let timer = self.closure(timer, 3);
                self.owning(
                    &quote!(#state: &mut #state_ty, #at, #out_parameter),
                    &quote!(#rt::ops::step(#number, #state, #at, #out, #timer)),
                )
            }
        };
        let emit = self.emit();
        self.placed("stateful", &quote!(#head, #keep, #init, #step, #timer, #emit))
    }

    pub(super) fn keep(&self, node: &Node) -> TokenStream {
        let rt = &self.context.rt;
        match node.keep().and_then(|keep| keep.duration.as_ref()) {
            Some(keep) => {
                let keep = self.bound_duration(keep);
                quote!(#rt::state::Keep::For(#keep))
            }
            None => quote!(#rt::state::Keep::Forever),
        }
    }

    fn state_type(&self, node: &Node) -> TokenStream {
        let (module, name) = (&self.context.module, node.state_name());
        let parameters = super::types::parameters_of_state(self.context, node).turbofish();
        quote!(#module::#name #parameters)
    }

    /// A first value.
    fn first(&self, number: &TokenStream, ty: &Type, value: &Expr) -> TokenStream {
        let (rt, ty) = (&self.context.rt, self.context.ty(ty));
        quote!(#rt::ops::init::<#ty>(#number, || #value))
    }

    /// `field: state`, as it is before the first record.
    pub(super) fn init_field(&self, number: &TokenStream, field: &AggregateField) -> TokenStream {
        let rt = &self.context.rt;
        let AggregateField { name, ty, args, own, .. } = field;
        match (args, own) {
            (FunctionArgs::Fold { init, .. }, _) => {
                let value = self.first(number, ty, init);
                quote!(#name: #value)
            }
            (_, Some(own)) if !field.may_be_missing() => {
                let function = Some(self.context.ty(own));
                let trait_ = quote!(aggregate::OwnFunction<_>);
                let begin = Place::of(own).function(function.as_ref(), (rt, &trait_), "begin");
                let number = Place::of(own).parenthesized(number);
                quote!(#name: #begin #number)
            }
            _ => quote!(#name: ::core::default::Default::default()),
        }
    }

    /// `|| State { .. }`
    fn init(&mut self, id: Id) -> TokenStream {
        let number = node_number(id);
        let node = self.context.graph.node(id);
        let fields: Vec<TokenStream> = match core_args(node) {
            Some(Args::Aggregate(fields)) => {
                fields.iter().map(|field| self.init_field(&number, field)).collect()
            }
            Some(Args::Fold(fold)) => {
                let value = self.first(&number, &fold.ty, &fold.init);
                vec![quote!(value: #value)]
            }
            Some(Args::Stateful(stateful)) => stateful
                .state
                .iter()
                .filter_map(|field| {
                    let value = self.first(&number, &field.ty, field.default.as_ref()?);
                    let name = &field.name;
                    Some(quote!(#name: #value))
                })
                .collect(),
            _ => Vec::new(),
        };
        let state = self.state_type(node);
        self.owning(&TokenStream::new(), &quote!(#state { #(#fields),* }))
    }

    /// `|state, record, at| ..`: shows the state a record, or what was taken of it. With `tells` it answers whether that
    /// changed the result of the one field that there is.
    fn add(&mut self, id: Id, tells: bool) -> TokenStream {
        let rt = &self.context.rt;
        let number = node_number(id);
        let node = self.context.graph.node(id);
        let (state, record, at) = (ident("state"), ident("record"), ident("at"));
        let state_ty = self.state_type(node);
        if let Some(Args::Fold(fold)) = core_args(node) {
            let step = self.closure(&fold.step, 2);
            let body = quote!(#rt::ops::fold(#number, &mut #state.value, &#record, #step););
            return self.owning(&quote!(#state: &mut #state_ty, #record, _), &body);
        }
        let Some(Args::Aggregate(fields)) = core_args(node) else { return TokenStream::new() };
        let inputs: Vec<_> = (0..fields.len()).map(projected).collect();
        let (whole, told) = (needs_records(node), tells.then(|| ident("changed")));
        let adds: Vec<_> = fields
            .iter()
            .zip(&inputs)
            .map(|(field, input)| self.add_one(&number, field, &state, &quote!(#record), input, &at))
            .collect();
        if !whole {
            let parameters = quote!(#state: &mut #state_ty, (#(#inputs,)*), #at);
            return self.owning(&parameters, &quote!(#(#adds)* #told));
        }
        let projections = self.projections(id, &quote!(&#record));
        let body = quote!(let (#(#inputs,)*) = #projections; #(#adds)* #told);
        self.owning(&quote!(#state: &mut #state_ty, #record, #at), &body)
    }

    pub(super) fn add_one(
        &mut self,
        number: &TokenStream,
        field: &AggregateField,
        state: &Ident,
        record: &TokenStream,
        input: &Ident,
        at: &Ident,
    ) -> TokenStream {
        let rt = &self.context.rt;
        let name = &field.name;
        let added = match &field.args {
            FunctionArgs::None | FunctionArgs::Closure(_) | FunctionArgs::Quantile { .. } => {
                let state = self.given_field(field, quote!(&mut #state.#name));
                let add = match field.own {
                    Some(_) => quote!(#rt::ops::add_own(#number, #state, #input, #at)),
                    None => quote!(#rt::aggregate::Aggregate::add(#state, #input, #at)),
                };
                quote!(#add;)
            }
            FunctionArgs::Top { n, by } => {
                let state = self.listed(field, self.given_field(field, quote!(&mut #state.#name)), record);
                let compare = rank(by, rt);
                let by = self.closure(by, 1);
                let changed = ident("changed");
                quote!(let () = #input; let #changed = #state.add(#number, &#record, #at, #n, #by, #compare);)
            }
            FunctionArgs::Fold { step, .. } => {
                let step = self.closure(step, 2);
                quote!(let () = #input; #rt::ops::fold(#number, &mut #state.#name, &#record, #step);)
            }
        };
        match field.filter {
            Some(_) => quote!(if let ::core::option::Option::Some(#input) = #input { #added }),
            None => added,
        }
    }

    /// `|state, other| ..`: two states become one. With `tells` it answers whether that changed the result of the one
    /// field that there is.
    fn merge(&mut self, id: Id, tells: bool) -> TokenStream {
        let rt = &self.context.rt;
        let number = node_number(id);
        let node = self.context.graph.node(id);
        let (state, other) = (ident("state"), ident("other"));
        let state_ty = self.state_type(node);
        let merges: Vec<TokenStream> = match core_args(node) {
            Some(Args::Aggregate(fields)) => fields
                .iter()
                .map(|field @ AggregateField { name, args, .. }| match args {
                    FunctionArgs::None | FunctionArgs::Closure(_) | FunctionArgs::Quantile { .. } => {
                        let state = self.given_field(field, quote!(&mut #state.#name));
                        match field.own {
                            Some(_) => quote!(#rt::ops::merge_own(#number, #state, #other.#name);),
                            None => quote!(#rt::aggregate::Aggregate::merge(#state, #other.#name);),
                        }
                    }
                    FunctionArgs::Top { n, by } => {
                        let state = self.given_field(field, quote!(&mut #state.#name));
                        let compare = rank(by, rt);
                        let by = self.closure(by, 1);
                        let changed = ident("changed");
                        quote!(let #changed = #state.merge(#number, #other.#name, #n, #by, #compare);)
                    }
                    FunctionArgs::Fold { merge, .. } => {
                        let merge = merge.as_ref().map(|merge| self.closure(merge, 2));
                        quote!(#rt::ops::merge(#number, &mut #state.#name, #other.#name, #merge);)
                    }
                })
                .collect(),
            Some(Args::Fold(fold)) => {
                let merge = fold.merge.as_ref().map(|merge| self.closure(merge, 2));
                vec![quote!(#rt::ops::merge(#number, &mut #state.value, #other.value, #merge);)]
            }
            _ => Vec::new(),
        };
        let told = tells.then(|| ident("changed"));
        self.owning(&quote!(#state: &mut #state_ty, #other: #state_ty), &quote!(#(#merges)* #told))
    }

    /// `field: result`, of the state that an expression gives.
    pub(super) fn result_field(
        &self,
        number: &TokenStream,
        field: &AggregateField,
        state: &TokenStream,
    ) -> TokenStream {
        let rt = &self.context.rt;
        let AggregateField { name, args, .. } = field;
        let given = || self.given_field(field, state.clone());
        match args {
            FunctionArgs::None | FunctionArgs::Closure(_) => {
                let state = given();
                if field.own.is_some() {
                    let result = self.own_result(&field.ty, &quote!(#rt::ops::finish_own(#number, #state)));
                    return quote!(#name: #result);
                }
                quote!(#name: #rt::aggregate::Aggregate::finish(#state))
            }
            FunctionArgs::Quantile { q, .. } => {
                let (state, sketch) = (given(), ident("sketch"));
                let finished = quote!(#rt::aggregate::Aggregate::finish(#state));
                if field.may_be_missing() {
                    let at = quote!(|#sketch| #rt::ops::quantile(#number, &#sketch, || #q));
                    return quote!(#name: ::core::option::Option::map(#finished, #at));
                }
                quote!(#name: #rt::ops::quantile(#number, &#finished, || #q))
            }
            FunctionArgs::Top { .. } => {
                let state = given();
                quote!(#name: #state.finish())
            }
            FunctionArgs::Fold { .. } => quote!(#name: #state),
        }
    }

    /// The record of results: key, window, fields.
    fn result(&mut self, id: Id, windowed: bool) -> TokenStream {
        let number = node_number(id);
        let node = self.context.graph.node(id);
        let (key, state) = (ident("key"), ident("state"));
        let key_fields: Vec<Ident> = stream_key(self.context, id).into_iter().map(|(name, _)| name).collect();
        let (unpack, key_values) = match &key_fields[..] {
            [name] => (TokenStream::new(), vec![quote!(#name: #key)]),
            names => {
                let vars: Vec<_> = (0..names.len()).map(|i| format_ident!("key{i}", span = own())).collect();
                (
                    quote!(let (#(#vars),*) = #key;),
                    names.iter().zip(&vars).map(|(n, v)| quote!(#n: #v)).collect(),
                )
            }
        };
        let window = windowed.then(|| {
            let window = ident("window");
            quote!(window: #window,)
        });
        let fields: Vec<TokenStream> = match core_args(node) {
            Some(Args::Aggregate(fields)) => {
                let of = |name: &Ident| quote!(#state.#name);
                fields.iter().map(|field| self.result_field(&number, field, &of(&field.name))).collect()
            }
            _ => vec![quote!(value: #state.value)],
        };
        let (module, name) = (&self.context.module, node.record_name());
        let graph = self.context.graph;
        let parameters = self.context.parameters(&graph.parameters_of_record(&name)).turbofish();
        quote!(#unpack #module::#name #parameters { #(#key_values,)* #window #(#fields,)* })
    }
}

/// Whether the stateful operator of a node is `top`.
fn is_top(node: &Node) -> bool {
    node.core().is_some_and(|core| node.ops()[core].row.syntax == Syntax::Top)
}

/// How `top` compares what its closure returns.
pub(super) fn rank(by: &Expr, rt: &TokenStream) -> TokenStream {
    let (place, one, other) = (Place::of_result(by), ident("one"), ident("other"));
    let compare = place.function(None, (rt, &quote!(aggregate::Rank)), "compare");
    let compare = place.called(&compare, [quote!(#one), quote!(#other)], rt);
    quote!(|#one, #other| #compare)
}

fn stream_key(context: &Context<'_>, id: Id) -> Vec<(Ident, syn::Type)> {
    let core = context.graph.node(id).core().unwrap_or(0);
    context.graph.before(id, core).key.unwrap_or_default()
}
