//! The function that builds a flow's region: a call for each step.

use super::Context;
use super::body::{Writer, ident};
use super::core::{projected, rank};
use super::front::{Front, RowAt};
use super::place::Place;
use super::tables::field_type;
use crate::ast::{AggregateField, Budget, FunctionArgs, Memory};
use crate::graph::{record_name, state_name, text};
use crate::lower::{Head, Plan, Stage, unites};
use crate::operators::TakesBack;
use crate::tables::region::{IndexId, Key, Region, StateBounds, StepId, StepOp, Value};
use crate::tables::row;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Expr;

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
        let there = self.fields_are_there(place);
        quote! {
            #there
            let #own = #add(&mut #region, #name, #key);
            let #key_var = #region.primary(&#own);
            #(#indexes)*
            let #var = #own.rel();
        }
    }

    /// Asks for each field of a table's key and indexes: of one that is not there rustc says so once, at its name.
    fn fields_are_there(&self, place: usize) -> TokenStream {
        let (table, rt) = (&self.region.tables[place], &self.rt);
        let row = self.writer.context.ty(&table.ty);
        let fields = table.key.iter().chain(table.indexes.iter().flat_map(|index| &index.fields));
        let asked = fields.map(|field| {
            let (here, at) = (Place::at(field.span()), row::place_of(rt, &row, field));
            let at = Place::of(&table.ty).put(quote!({ #at != #rt::row::NOWHERE }));
            let (begin, end) = (quote!(const _: () = <#row as #rt::row::HasField<), quote!(>>::ASKED;));
            let (begin, end) = (here.put(begin), here.put(end));
            quote!(#begin #at #end)
        });
        asked.collect()
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
        let (value, key) = (ident("value"), self.key_in_value(id, path));
        quote!(|#value: &_| #key)
    }

    /// The key of the row that is somewhere in `value`.
    fn key_in_value(&self, id: IndexId, path: &[u8]) -> TokenStream {
        let context = self.writer.context;
        let (row, value) = (ident("row"), ident("value"));
        let ty = context.ty(&context.graph.region.tables[id.table].ty);
        let path = path.iter().map(|&side| syn::Index::from(usize::from(side)));
        let key = self.key(id, &quote!(#row));
        quote!({ let #row: &#ty = &#value #(.#path)*; #key })
    }

    fn key(&self, id: IndexId, row: &TokenStream) -> TokenStream {
        let context = self.writer.context;
        let rt = &self.rt;
        let table = &context.graph.region.tables[id.table].ty;
        let ty = context.ty(table);
        let fields = self.region.fields(id).iter().map(|field| {
            let (place, at) = (Place::at(field.span()), row::place_of(rt, &ty, field));
            let at = Place::of(table).put(quote!({ #at }));
            let (begin, end) = (quote!(<#ty as #rt::row::Field<), quote!(>>::field));
            let (begin, end) = (place.put(begin), place.put(end));
            let get = quote!(#begin #at #end);
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
        let rows = ident("rows");
        let fronts: Vec<_> = fields.iter().map(|field| Front::of(self.region, step, field)).collect();
        let first = fields.iter().zip(&fronts).map(|(field, front)| match front {
            Some(front) => front.init(field, &rt, &rows),
            None => self.writer.init_field(&number, field),
        });
        let first: Vec<_> = first.collect();
        let init = self.writer.owning(&quote!(#rows: usize), &quote!(#state_ty { #(#first),* }));
        let taken: Vec<_> =
            fields.iter().map(|field| self.writer.projection(&number, field, &quote!(#record))).collect();
        let adds: Vec<_> = fields
            .iter()
            .zip(&inputs)
            .zip(&fronts)
            .map(|((field, input), front)| match front {
                Some(front) => self.front(front, field, &number, input, Change::Add),
                None => self.writer.add_one(&number, field, &state, &quote!((*#record)), input, &at),
            })
            .collect();
        let add = quote! {
            let #at = #rt::time::Timestamp::MIN;
            let (#(#inputs,)*) = (#(#taken,)*);
            #(#adds)*
        };
        let add = self.writer.owning(&quote!(#state: &mut #state_ty, #record: &_), &add);
        let retract = self.retract(fields, &fronts, &number, &taken, &inputs, &state_ty);
        let results = fields.iter().zip(&fronts).map(|(field, front)| match front {
            Some(_) => Front::result(field, &self.writer.given_field(field, of_state(&state, field))),
            None => {
                let held = of_state(&state, field);
                let copy = quote!(::core::clone::Clone::clone(#held));
                self.writer.result_field(&number, field, &copy)
            }
        });
        let results: Vec<_> = results.collect();
        let of_key = self.key_values(&self.region.steps[step].key.clone());
        let finish = quote! {
            #module::#record_ty { #(#of_key,)* #(#results,)* }
        };
        let finish = self.writer.owning(&quote!(#key: &_, #state: &#state_ty), &finish);
        let own = fields.iter().filter(|field| field.own.is_some()).map(|field| {
            let name = &field.name;
            quote!(|| #rt::ops::depends_on_order(&#state.#name))
        });
        let ordered = fields
            .iter()
            .zip(&fronts)
            .any(|(field, front)| front.is_none() && field.own.is_none() && !unites(field));
        let (own, init_var) = (own.collect::<Vec<_>>(), ident("init"));
        let ordered = if own.is_empty() || ordered {
            quote!(#ordered)
        } else {
            quote!({ let #state = #init_var(0); false #(#own)* })
        };
        let parts = fields.iter().zip(&fronts).map(|(field, front)| {
            let held = self.writer.given_field(field, of_state(&state, field));
            let of = if front.is_some() { quote!(Heap::heap) } else { quote!(heap_of) };
            quote!(#rt::tables::#of(#held))
        });
        let heap = quote!(|#state: &#state_ty| 0 #(+ #parts)*);
        quote!({
            let #init_var = #init;
            #rt::tables::Functions {
                ordered: #ordered,
                init: ::std::boxed::Box::new(#init_var),
                add: ::std::boxed::Box::new(#add),
                retract: ::std::boxed::Box::new(#retract),
                finish: ::std::boxed::Box::new(#finish),
                heap: ::std::boxed::Box::new(#heap),
            }
        })
    }

    /// `|state, record| ..`: lets a row go, if every function can.
    fn retract(
        &mut self,
        fields: &[AggregateField],
        fronts: &[Option<Front>],
        number: &TokenStream,
        taken: &[TokenStream],
        inputs: &[Ident],
        state_ty: &TokenStream,
    ) -> TokenStream {
        let (rt, state, record) = (self.rt.clone(), ident("state"), ident("record"));
        let again = quote!(#rt::tables::Retracted::Recompute);
        let never = |(field, front): (_, &Option<Front>)| {
            front.is_none() && matches!(takes_back(field), TakesBack::Never | TakesBack::FromFront)
        };
        if fields.iter().zip(fronts).any(never) {
            return quote!(|_: &mut #state_ty, _: &_| #again);
        }
        let asks = fields.iter().zip(inputs).zip(fronts).map(|((field, input), front)| {
            let name = &field.name;
            let front = front.as_ref().map(|front| self.front(front, field, number, input, Change::Retract));
            let back = match (takes_back(field), &field.own) {
                _ if let Some(back) = front => back,
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

    /// Shows the front of a group a row that comes or goes.
    fn front(
        &mut self,
        front: &Front,
        field: &AggregateField,
        number: &TokenStream,
        input: &Ident,
        change: Change,
    ) -> TokenStream {
        let (state, record, rt) = (ident("state"), ident("record"), self.rt.clone());
        let name = &field.name;
        let held = self.writer.given_field(field, quote!(&mut #state.#name));
        let call = ident(match change {
            Change::Add => "add",
            Change::Retract => "retract",
        });
        let told = match &field.args {
            FunctionArgs::Top { n, by } => {
                let held = self.writer.listed(field, held, &quote!((*#record)));
                let (compare, value) = (rank(by, &rt), ident("value"));
                let by = self.writer.closure(by, 1);
                let primary = |row: &RowAt| IndexId { table: row.table, index: None };
                let keys = front.rows.iter().map(|row| self.key_in_value(primary(row), &row.path));
                let keys: Vec<_> = keys.collect();
                quote!({
                    let () = #input;
                    (#held).#call(#number, #record, #n, #by, #compare, |#value| (#(#keys,)*))
                })
            }
            _ => quote!((#held).#call(#input)),
        };
        match (change, &field.filter) {
            (Change::Add, Some(_)) => {
                quote!(if let ::core::option::Option::Some(#input) = #input { #told })
            }
            (Change::Add, None) => quote!(#told;),
            (Change::Retract, _) => told,
        }
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

/// What happens to a row.
#[derive(Clone, Copy)]
enum Change {
    Add,
    Retract,
}

fn of_state(state: &Ident, field: &AggregateField) -> TokenStream {
    let name = &field.name;
    quote!(&#state.#name)
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
