//! The region of a flow: the types of its results, its part of the handle, and the calls that build it.

use super::Context;
use super::body::{Writer, ident};
use super::core::projected;
use super::description::option;
use super::names::declared;
use super::place::Place;
use super::types::{Field, distinct, documented, function_state, of_fields, results, state_of};
use crate::ast::{AggregateField, Budget, Memory};
use crate::graph::{Graph, KnownType, record_name, state_name, text};
use crate::lower::{Head, Plan, Stage, unites};
use crate::operators::TakesBack;
use crate::tables::region::{IndexId, Key, Region, Source, StateBounds, StepId, StepOp, Value};
use crate::tables::row;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Expr;

/// The records and states of all aggregates on tables.
pub(super) fn records_and_states(context: &Context<'_>) -> TokenStream {
    let region = &context.graph.region;
    let mut seen = Vec::new();
    // A node with two has been told so.
    let is_new = |step: StepId| {
        let new = !seen.contains(&region.steps[step].node);
        seen.push(region.steps[step].node);
        new
    };
    let mut is_new = is_new;
    let first = region.aggregates().filter(|(step, _)| is_new(*step) && !has_parameters(context, *step));
    first.map(|(step, fields)| types_of(context, step, fields)).collect()
}

fn types_of(context: &Context<'_>, step: StepId, fields: &[AggregateField]) -> TokenStream {
    let region = &context.graph.region;
    let here = &region.steps[step];
    let Some(node) = here.node.map(|node| &region.nodes[node]) else { return TokenStream::new() };
    let docs = documented(&node.docs, &format!("A result of the node `{}`.", node.name));
    let mut of_record = key_fields(context, &here.key);
    of_record.extend(
        fields.iter().map(|AggregateField { docs, name, ty, .. }| {
            Field::written(context, quote!(#(#docs)*), name, ty)
        }),
    );
    let of_record = distinct(of_record);
    let parameters = of_fields(context, &of_record);
    let record = results(context, &docs, &record_name(&node.name), &parameters, &of_record);
    let states = fields.iter().map(|field| function_state(context, field)).collect();
    let state = state_of(context, &node.name, states);
    quote!(#record #state)
}

fn key_fields(context: &Context<'_>, key: &Key) -> Vec<Field> {
    let Key::Of(id) = key else { return Vec::new() };
    let of_key = |name: &Ident| {
        let ty = field_type(context, id.table, name);
        Field { docs: quote!(#[doc = "The key."]), name: name.clone(), ty: ty.clone(), doubtful: Some(ty) }
    };
    context.graph.region.fields(*id).iter().map(of_key).collect()
}

/// The type of a field of a table's rows.
///
/// All of it stands at the field's name, so that rustc says of one that is not there so once.
fn field_type(context: &Context<'_>, table: usize, field: &Ident) -> TokenStream {
    let (rt, row, number) =
        (&context.rt, context.ty(&context.graph.region.tables[table].ty), row::number(field));
    Place::at(field.span()).put(quote!(<#row as #rt::row::Field<#number>>::Type))
}

/// The type of a key, in the generated module or beside it.
fn key_type(context: &Context<'_>, key: &Key) -> TokenStream {
    let Key::Of(id) = key else { return quote!(()) };
    let fields = context.graph.region.fields(*id).iter();
    let types: Vec<TokenStream> = fields.map(|field| field_type(context, id.table, field)).collect();
    if let [ty] = &types[..] { quote!(#ty) } else { quote!((#(#types),*)) }
}

/// Where a key is written: its last field, or the name of what has none.
fn place_of_key(region: &Region, key: &Key, name: &Ident) -> Place {
    let field = match key {
        Key::Of(id) => region.fields(*id).last(),
        Key::Whole | Key::Unknown => None,
    };
    Place::at(field.unwrap_or(name).span())
}

/// The type of a value, in the generated module, as a reader of the docs should see it. Checks have seen that it is known.
fn value_type(context: &Context<'_>, value: &Value) -> TokenStream {
    let region = &context.graph.region;
    match value {
        Value::Row(table) => declared(context, &KnownType::Written(region.tables[*table].ty.clone())),
        Value::Pair(left, right) => {
            let (left, right) = (value_type(context, left), value_type(context, right));
            quote!((#left, #right))
        }
        Value::Maybe(value) => {
            let value = value_type(context, value);
            quote!(::core::option::Option<#value>)
        }
        Value::Record(node) => {
            let record = record_name(&region.nodes[*node].name);
            quote!(#record)
        }
        Value::Made { ty: Some(ty) } => context.inside(ty),
        Value::Made { ty: None } | Value::Unknown => quote!(()),
    }
}

/// Whether what a step is made of has types that nobody knows, which has been called a mistake.
fn has_parameters(context: &Context<'_>, step: StepId) -> bool {
    let region = &context.graph.region;
    region
        .tables_under(step)
        .iter()
        .any(|&table| !context.graph.mentioned(&region.tables[table].ty).is_empty())
}

/// A field of the handle.
struct Port<'a> {
    name: &'a Ident,
    docs: Vec<TokenStream>,
    /// `Table` or `View`
    kind: Ident,
    key: TokenStream,
    value: TokenStream,
    /// Where its key is written.
    place: Place,
}

/// The tables and views of which the types are known.
fn ports<'a>(context: &'a Context<'_>) -> Vec<Port<'a>> {
    let region = &context.graph.region;
    let tables = region
        .tables
        .iter()
        .filter(|table| !table.key.is_empty() && !has_parameters(context, table.step))
        .map(|table| Port {
            name: &table.name,
            docs: documented(&table.docs, &format!("The table `{}`.", table.name)),
            kind: ident("Table"),
            key: key_type(context, &region.steps[table.step].key),
            value: declared(context, &KnownType::Written(table.ty.clone())),
            place: place_of_key(region, &region.steps[table.step].key, &table.name),
        });
    let views = region.nodes.iter().filter(|node| node.view.is_some()).filter_map(|node| {
        let step = *node.steps.last().filter(|&&step| !has_parameters(context, step))?;
        let last = &region.steps[step];
        let value = match &node.ty {
            Some(ty) => context.inside(ty),
            None => value_type(context, &last.value),
        };
        let docs = documented(&node.docs, &format!("The view `{}`.", node.name));
        let kind = ident("View");
        let place = place_of_key(region, &last.key, &node.name);
        Some(Port { name: &node.name, docs, kind, key: key_type(context, &last.key), value, place })
    });
    let mut seen = Vec::new();
    let mut is_new = |port: &Port<'_>| {
        let new = !seen.contains(&text(port.name)) && port.name != "control";
        seen.push(text(port.name));
        new
    };
    tables.chain(views).filter(|port| is_new(port)).collect()
}

/// `pub articles: Table<u64, Article>`
pub(super) fn handle_fields(context: &Context<'_>) -> Vec<TokenStream> {
    let rt = &context.rt;
    let field = |Port { name, docs, kind, key, value, .. }: &Port<'_>| quote!(#(#docs)* pub #name: #rt::tables::#kind<#key, #value>);
    ports(context).iter().map(field).collect()
}

/// `articles: host.take_of_region("articles")`
pub(super) fn handle_takes(context: &Context<'_>) -> Vec<TokenStream> {
    let take = |Port { name, place, .. }: &Port<'_>| {
        let (text, rt) = (text(name), &context.rt);
        let taken = place.called(
            &place.put(quote!(#rt::ops::same)),
            [quote!(parts.host.take_of_region(#text))],
            &context.rt,
        );
        quote!(#name: #taken)
    };
    ports(context).iter().map(take).collect()
}

/// The function that builds the region, starts it, and leaves its handles with the host; nothing without tables.
pub(super) fn region(context: &Context<'_>) -> TokenStream {
    let region = &context.graph.region;
    if region.is_empty() {
        return TokenStream::new();
    }
    // Its parts are those of a stage: closures that own the flow, and what aggregates call.
    let plan = Plan { stages: Vec::new() };
    let stage = Stage {
        node: 0,
        head: Head::Input,
        body: Vec::new(),
        late: None,
        outlets: Vec::new(),
        clocks: Vec::new(),
        timed: false,
    };
    let writer = Writer { context, plan: &plan, stage: &stage, hoisted: TokenStream::new(), count: 0 };
    let mut builder = Builder { region, writer, rt: context.rt.clone() };
    let (rt, flow) = (&context.rt, text(&context.graph.name));
    let (own, running, host, own_flow) = (ident("region"), ident("running"), ident("host"), ident("flow"));
    let steps: Vec<TokenStream> = (0..region.steps.len()).map(|step| builder.step(step)).collect();
    let tables = region.tables.iter().enumerate().map(|(place, table)| {
        let (name, var) = (text(&table.name), table_var(place));
        quote!(#host.give_of_region(#name, #running.table(#var));)
    });
    let views = region.nodes.iter().filter(|node| node.view.is_some()).filter_map(|node| {
        let (name, var) = (text(&node.name), step_var(*node.steps.last()?));
        Some(quote!(#host.give_of_region(#name, #running.view(#var));))
    });
    let feeds = context.graph.outputs.iter().filter_map(|output| {
        let (name, var) = (text(&output.name), table_var(output.into?));
        Some(quote!(#host.lead_into_table(#name, #running.table(#var));))
    });
    let parameters = context.all_parameters();
    let (declared, conditions) = (parameters.declared(), parameters.conditions());
    let (flow_type, path, import) = (context.flow_type(), &context.path, context.import());
    quote! {
        #[allow(unused_imports, unused_variables, unused_mut, unused_parens, clippy::all, clippy::pedantic)]
        impl #declared #flow_type #conditions {
            /// Builds the flow's tables and views.
            #[doc(hidden)]
            fn build_region(#own_flow: &::std::sync::Arc<Self>, #host: &mut #path::embedded::EmbeddedHost) {
                #import
                use #rt::ops::{ByReference as _, ByValue as _, Known as _};
                let mut #own = #rt::tables::Region::new(#flow);
                #(#steps)*
                let ::core::option::Option::Some(#running) = #host.start_region(#own) else { return };
                #(#tables)*
                #(#views)*
                #(#feeds)*
            }
        }
    }
}

fn table_var(table: usize) -> Ident {
    format_ident!("table{table}", span = crate::compile::own())
}

fn index_var(id: IndexId) -> Ident {
    let index = id.index.map_or_else(|| "key".to_string(), |index| index.to_string());
    format_ident!("index{}_{index}", id.table, span = crate::compile::own())
}

fn step_var(step: StepId) -> Ident {
    format_ident!("rel{step}", span = crate::compile::own())
}

struct Builder<'a> {
    region: &'a Region,
    writer: Writer<'a>,
    rt: TokenStream,
}

impl Builder<'_> {
    /// The call that adds a step, after what it needs.
    fn step(&mut self, step: StepId) -> TokenStream {
        let here = &self.region.steps[step];
        let (rt, region, var) = (self.rt.clone(), ident("region"), step_var(step));
        let name = text(self.region.name_of(step));
        let inputs: Vec<Ident> = here.inputs.iter().map(|&input| step_var(input)).collect();
        let keep = self.keep(&here.bounds);
        let call = match &here.op {
            StepOp::Table(table) => return self.table(*table, &var),
            StepOp::Filter(f) => {
                let add = Place::of_result(f).put(quote!(#rt::tables::Region::filter));
                let f = self.shown(f, &quote!(bool));
                quote!(#add(&mut #region, #name, #(#inputs)*, #f))
            }
            StepOp::MapValues(f) => {
                let add = Place::of_result(f).put(quote!(#rt::tables::Region::map_values));
                let (add, made) = match &here.value {
                    Value::Made { ty: Some(ty) } => {
                        let made = self.writer.context.ty(ty);
                        (self.given(Place::of(ty), &made, "IsRowValue", &add), made)
                    }
                    _ => (add, quote!(_)),
                };
                let f = self.shown(f, &made);
                quote!(#add(&mut #region, #name, #(#inputs)*, #f))
            }
            StepOp::Rekey { to } => {
                let (index, key) = (index_var(to.index), self.key_of_value(to.index, &to.path));
                quote!(#region.rekey(#name, #(#inputs)*, #index, #key))
            }
            StepOp::Whole => {
                return quote! {
                    let #var = #region.whole::<()>();
                    let #var = #region.rekey(#name, #(#inputs)*, #var, |_| ());
                };
            }
            StepOp::Aggregate(fields) => {
                let functions = self.functions(step, fields);
                let add = fields.iter().fold(quote!(#rt::tables::Region::aggregate), |add, field| {
                    let (place, ty) = (Place::of(&field.ty), self.writer.context.ty(&field.ty));
                    let add = self.given(place, &ty, "IsCompared", &add);
                    self.writer.given_field(field, add)
                });
                quote!(#add(&mut #region, #name, #(#inputs)*, #functions, #keep))
            }
            StepOp::Distinct => quote!(#region.distinct(#name, #(#inputs)*, #keep)),
            StepOp::Join { left } => {
                let join = ident(if *left { "left_join" } else { "join" });
                let named = here.named.first().copied().unwrap_or_else(|| here.at.span());
                let (one, other) = (&inputs[0], &inputs[1]);
                let other = self.by_one_key(Place::at(named), one, &quote!(#other));
                quote!(#region.#join(#name, #one, #other))
            }
            StepOp::Merge => {
                let first = &inputs[0];
                let others = inputs.iter().enumerate().skip(1).map(|(place, other)| {
                    let named = here.named.get(place).copied().unwrap_or_else(|| here.at.span());
                    let other = self.by_one_key(Place::at(named), first, &quote!(#other));
                    let merged =
                        Place::at(named).function(None, (&rt, &quote!(row::MergesRows<_>)), "of_one_type");
                    Place::at(named).called(&merged, [quote!(#first), other], &rt)
                });
                quote!(#region.merge(#name, ::std::vec![#first #(, #others)*]))
            }
            StepOp::View => {
                let rows = here.bounds.max_rows.map(|(_, rows)| usize::try_from(rows).unwrap_or(usize::MAX));
                let rows = rows.map_or(
                    quote!(::core::option::Option::None),
                    |rows| quote!(::core::option::Option::Some(#rows)),
                );
                quote!(#region.view(#name, #(#inputs)*, #keep, #rows))
            }
        };
        let hoisted = std::mem::take(&mut self.writer.hoisted);
        quote!(#hoisted let #var = #call;)
    }

    /// A function that is there only if a type meets a requirement: otherwise rustc has spoken of it, and says no more.
    fn given(
        &self,
        place: Place,
        ty: &TokenStream,
        requirement: &str,
        function: &TokenStream,
    ) -> TokenStream {
        let (rt, requirement) = (&self.rt, ident(requirement));
        let given = place.function(Some(ty), (rt, &quote!(row::#requirement<_>)), "given");
        let function = place.parenthesized(function);
        quote!(#given #function)
    }

    /// Rows by the key of others.
    fn by_one_key(&self, place: Place, one: &Ident, other: &TokenStream) -> TokenStream {
        let met = place.function(None, (&self.rt, &quote!(row::MeetsKey<_>)), "by_one_key");
        place.called(&met, [quote!(#one), other.clone()], &self.rt)
    }

    fn table(&mut self, place: usize, var: &Ident) -> TokenStream {
        let table = &self.region.tables[place];
        let rt = self.rt.clone();
        let (region, own, name) = (ident("region"), table_var(place), text(&table.name));
        let primary = IndexId { table: place, index: None };
        let (key, key_var) = (self.key_of_row(primary), index_var(primary));
        let indexes = table.indexes.iter().enumerate().map(|(index, declared)| {
            let id = IndexId { table: place, index: Some(index) };
            let (key, var, name) = (self.key_of_row(id), index_var(id), text(&declared.name));
            let add = self.given_key(id, quote!(#rt::tables::Region::index));
            quote!(let #var = #add(&mut #region, &#own, #name, #key);)
        });
        let indexes: Vec<_> = indexes.collect();
        let add = self.given_key(primary, quote!(#rt::tables::Region::table));
        let row = self.writer.context.ty(&table.ty);
        let add = self.given(Place::of(&table.ty), &row, "IsStoredRow", &add);
        quote! {
            let #own = #add(&mut #region, #name, #key);
            let #key_var = #region.primary(&#own);
            #(#indexes)*
            let #var = #own.rel();
        }
    }

    /// A function that is there only if the fields of an index can be a key.
    fn given_key(&self, id: IndexId, function: TokenStream) -> TokenStream {
        let context = self.writer.context;
        self.region.fields(id).iter().fold(function, |function, field| {
            let ty = field_type(context, id.table, field);
            self.given(Place::at(field.span()), &ty, "IsRowKey", &function)
        })
    }

    /// `|row: &Article| ..`: the key of a row.
    fn key_of_row(&self, id: IndexId) -> TokenStream {
        let context = self.writer.context;
        let (row, ty) = (ident("row"), context.ty(&context.graph.region.tables[id.table].ty));
        let key = self.key(id, &quote!(#row));
        quote!(|#row: &#ty| #key)
    }

    /// `|value: &_| ..`: the key of the row that is somewhere in a value.
    fn key_of_value(&self, id: IndexId, path: &[u8]) -> TokenStream {
        let context = self.writer.context;
        let (row, value) = (ident("row"), ident("value"));
        let ty = context.ty(&context.graph.region.tables[id.table].ty);
        let path = path.iter().map(|&side| syn::Index::from(usize::from(side)));
        let key = self.key(id, &quote!(#row));
        quote!(|#value: &_| { let #row: &#ty = &#value #(.#path)*; #key })
    }

    fn key(&self, id: IndexId, row: &TokenStream) -> TokenStream {
        let context = self.writer.context;
        let rt = &self.rt;
        let ty = context.ty(&context.graph.region.tables[id.table].ty);
        let fields = self.region.fields(id).iter().map(|field| {
            let (place, number) = (Place::at(field.span()), row::number(field));
            let get = place.put(quote!(<#ty as #rt::row::Field<#number>>::field));
            let arguments = place.parenthesized(row);
            let copy = place.put(quote!(::core::clone::Clone::clone));
            let copied = place.parenthesized(&quote!(#get #arguments));
            quote!(#copy #copied)
        });
        let fields: Vec<TokenStream> = fields.collect();
        if let [field] = &fields[..] { quote!(#field) } else { quote!((#(#fields),*)) }
    }

    /// The user's closure, around which one of ours owns the flow's params if it reads them.
    fn shown(&mut self, f: &Expr, made: &TokenStream) -> TokenStream {
        let (rt, value) = (self.rt.clone(), ident("value"));
        let f = self.writer.closure(f, 1);
        self.writer.owning(&quote!(#value: &_), &quote!(#rt::row::shown::<_, #made>(#value, #f)))
    }

    fn keep(&self, bounds: &StateBounds) -> TokenStream {
        let rt = &self.rt;
        let budget = bounds.memory.as_ref().map(|memory| budget(rt, memory, bounds.halved));
        let budget = budget.map_or(
            quote!(::core::option::Option::None),
            |budget| quote!(::core::option::Option::Some(#budget)),
        );
        quote!(#rt::tables::Keep { budget: #budget })
    }

    /// The functions of an aggregate as one.
    fn functions(&mut self, step: StepId, fields: &[AggregateField]) -> TokenStream {
        let (rt, module) = (self.rt.clone(), self.writer.context.module.clone());
        let name = self.region.name_of(step);
        let (record_ty, state_ty) = (record_name(name), state_name(name));
        let state_ty = quote!(#module::#state_ty);
        let number = quote!(#rt::panic::ENCLOSING);
        let (state, record, key, at) = (ident("state"), ident("record"), ident("key"), ident("at"));
        let inputs: Vec<Ident> = (0..fields.len()).map(projected).collect();
        let first: Vec<_> = fields.iter().map(|field| self.writer.init_field(&number, field)).collect();
        let init = self.writer.owning(&TokenStream::new(), &quote!(#state_ty { #(#first),* }));
        let taken: Vec<_> =
            fields.iter().map(|field| self.writer.projection(&number, field, &quote!(#record))).collect();
        let adds: Vec<_> = fields
            .iter()
            .zip(&inputs)
            .map(|(field, input)| {
                self.writer.add_one(&number, field, &state, &quote!((*#record)), input, &at)
            })
            .collect();
        let add = quote! {
            let #at = #rt::time::Timestamp::MIN;
            let (#(#inputs,)*) = (#(#taken,)*);
            #(#adds)*
        };
        let add = self.writer.owning(&quote!(#state: &mut #state_ty, #record: &_), &add);
        let retract = self.retract(fields, &number, &taken, &inputs, &state_ty);
        let results: Vec<_> =
            fields.iter().map(|field| self.writer.result_field(&number, field, &state)).collect();
        let of_key = self.key_values(&self.region.steps[step].key.clone());
        let finish = quote! {
            let #state = ::core::clone::Clone::clone(#state);
            #module::#record_ty { #(#of_key,)* #(#results,)* }
        };
        let finish = self.writer.owning(&quote!(#key: &_, #state: &#state_ty), &finish);
        let own = fields.iter().filter(|field| field.own.is_some()).map(|field| {
            let name = &field.name;
            quote!(|| #rt::ops::depends_on_order(&#state.#name))
        });
        let ordered = fields.iter().any(|field| field.own.is_none() && !unites(field));
        let (own, init_var) = (own.collect::<Vec<_>>(), ident("init"));
        let ordered = if own.is_empty() || ordered {
            quote!(#ordered)
        } else {
            quote!({ let #state = #init_var(); false #(#own)* })
        };
        quote!({
            let #init_var = #init;
            #rt::tables::Functions {
                ordered: #ordered,
                init: ::std::boxed::Box::new(#init_var),
                add: ::std::boxed::Box::new(#add),
                retract: ::std::boxed::Box::new(#retract),
                finish: ::std::boxed::Box::new(#finish),
            }
        })
    }

    /// `|state, record| ..`: lets a row go, if every function can.
    fn retract(
        &mut self,
        fields: &[AggregateField],
        number: &TokenStream,
        taken: &[TokenStream],
        inputs: &[Ident],
        state_ty: &TokenStream,
    ) -> TokenStream {
        let (rt, state, record) = (self.rt.clone(), ident("state"), ident("record"));
        let again = quote!(#rt::tables::Retracted::Recompute);
        if fields.iter().any(|field| takes_back(field) == TakesBack::Never) {
            return quote!(|_: &mut #state_ty, _: &_| #again);
        }
        let asks = fields.iter().zip(inputs).map(|(field, input)| {
            let name = &field.name;
            let back = match (takes_back(field), &field.own) {
                (TakesBack::Subtracted, _) => {
                    quote!(#rt::aggregate::Sum::take_back(&mut #state.#name, #input))
                }
                (_, Some(_)) => quote!(#rt::ops::retract_own(#number, &mut #state.#name, #input)),
                (_, None) => quote!(#rt::aggregate::Aggregate::retract(&mut #state.#name, #input)),
            };
            let back = match &field.filter {
                Some(_) => quote!(::core::option::Option::is_none_or(#input, |#input| #back)),
                None => back,
            };
            quote!(if !#back { return #again; })
        });
        let body = quote! {
            let (#(#inputs,)*) = (#(#taken,)*);
            #(#asks)*
            #rt::tables::Retracted::Done
        };
        self.writer.owning(&quote!(#state: &mut #state_ty, #record: &_), &body)
    }

    /// `article: key`, for the record of results.
    fn key_values(&self, key: &Key) -> Vec<TokenStream> {
        let Key::Of(id) = key else { return Vec::new() };
        let value = ident("key");
        let fields = self.region.fields(*id);
        if let [field] = fields {
            return vec![quote!(#field: ::core::clone::Clone::clone(#value))];
        }
        let of_place = |(place, field): (usize, &Ident)| {
            let place = syn::Index::from(place);
            quote!(#field: ::core::clone::Clone::clone(&#value.#place))
        };
        fields.iter().enumerate().map(of_place).collect()
    }
}

/// How a function lets a row go, with its filter: what then has no result at all is found by reading the rows again.
fn takes_back(field: &AggregateField) -> TakesBack {
    if field.may_be_missing() { TakesBack::Never } else { field.row.takes_back }
}

/// Half of a budget of bytes where a view and the state that it shows share one; of keys each has as many.
fn budget(rt: &TokenStream, memory: &Memory, halved: bool) -> TokenStream {
    let budget = match memory.budget {
        Budget::Bytes(bytes) if halved => Budget::Bytes(bytes / 2),
        whole => whole,
    };
    super::description::budget(rt, budget)
}

/// The region in `GRAPH`: the tables, and then the nodes.
pub(super) fn description(context: &Context<'_>) -> Vec<TokenStream> {
    let (region, rt) = (&context.graph.region, &context.path);
    let names = |names: &[Ident]| -> Vec<String> { names.iter().map(text).collect() };
    let tables = region.tables.iter().map(|table| {
        let (name, key, line) = (text(&table.name), names(&table.key), line_of(&table.name));
        let indexes = table.indexes.iter().map(|index| {
            let (name, fields) = (text(&index.name), names(&index.fields));
            quote!(#rt::graph::IndexMeta { name: #name, fields: &[#(#fields),*] })
        });
        quote!(#rt::graph::TableNode {
            name: #name, kind: #rt::graph::TableKind::Table, operators: &[], reads: &[], key: &[#(#key),*],
            indexes: &[#(#indexes),*], bound: ::core::option::Option::None, memory: ::core::option::Option::None,
            replay: &[], line: #line,
        })
    });
    let nodes = region.nodes.iter().map(|node| {
        let (name, operators, line) = (text(&node.name), &node.operators, line_of(&node.name));
        let kind = ident(if node.view.is_some() { "View" } else { "Node" });
        let reads = node.reads.iter().map(|source| match source {
            Source::Table(table) => *table,
            Source::Node(node) => region.tables.len() + node,
        });
        let key = node.steps.last().map_or(&Key::Unknown, |&step| &region.steps[step].key);
        let key = match key {
            Key::Of(id) => names(region.fields(*id)),
            Key::Whole | Key::Unknown => Vec::new(),
        };
        let bound = option(node.written.as_ref().map(|bound| quote!(#bound)));
        let memory = node.steps.iter().rev().find_map(|&step| region.steps[step].bounds.memory.as_ref());
        let memory = option(memory.map(|memory| super::description::budget(rt, memory.budget)));
        let replay = region.replay_of(node);
        quote!(#rt::graph::TableNode {
            name: #name, kind: #rt::graph::TableKind::#kind, operators: &[#(#operators),*], reads: &[#(#reads),*],
            key: &[#(#key),*], indexes: &[], bound: #bound, memory: #memory, replay: &[#(#replay),*], line: #line,
        })
    });
    tables.chain(nodes).collect()
}

fn line_of(name: &Ident) -> u32 {
    u32::try_from(crate::graph::line(name)).unwrap_or(0)
}

/// The region for the docs: a line for each table, node and view.
pub(super) fn listing(graph: &Graph) -> Vec<String> {
    let region = &graph.region;
    let tables = region.tables.iter().map(|table| {
        let key: Vec<String> = table.key.iter().map(text).collect();
        format!("table {}: {} by {}", table.name, super::written(&table.ty), key.join(", "))
    });
    let nodes = region.nodes.iter().map(|node| {
        let reads: Vec<String> = node.reads.iter().map(|source| region.source_name(*source)).collect();
        let chain: Vec<String> =
            std::iter::once(reads.join(", ")).chain(node.operators.iter().map(ToString::to_string)).collect();
        let view = if node.view.is_some() { "view " } else { "" };
        let bound = node.written.as_ref().map_or_else(String::new, |bound| format!("   [{bound}]"));
        let replay = region.replay_of(node).join(", ");
        let replay = if node.view.is_some() { format!("   replay: {replay}") } else { String::new() };
        format!("{view}{} = {}{bound}{replay}", node.name, chain.join(" -> "))
    });
    tables.chain(nodes).collect()
}
