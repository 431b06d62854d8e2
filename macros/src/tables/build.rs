//! From what was written to a region's graph. What can be wrong here is names, and indexes that lead to no row.

use super::ast::{self, Args, Begin, Bounds, IndexRef, Item, MaxRows};
use super::operators::Effect;
use super::region::{
    Found, IndexId, Key, Node, Region, Source, StateBounds, Step, StepId, StepOp, Table, Value,
};
use crate::diagnostics::{Code, Diagnostics, did_you_mean};
use crate::graph::text;
use proc_macro2::{Ident, Span};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use syn::Type;

/// What the names of a flow stand for that are not of its region.
pub(crate) struct Others<'a> {
    pub(crate) streams: &'a dyn Fn(&str) -> bool,
    /// Streams that were named here: they are not to be blamed for having no reader.
    pub(crate) misnamed: &'a RefCell<Vec<Option<String>>>,
    /// The words in items that could not be read: what is not found may be there.
    pub(crate) unread: &'a HashSet<String>,
}

pub(crate) fn build(items: Vec<Item>, others: &Others<'_>, errors: &Diagnostics) -> Region {
    let mut builder = Builder { region: Region::default(), names: HashMap::new(), others, errors };
    let mut chains = Vec::new();
    for item in items {
        match item {
            Item::Table(table) => builder.table(table),
            Item::Derived(derived) => chains.push(builder.declare(derived)),
        }
    }
    let mut chains: Vec<Option<Chain>> = chains.into_iter().map(Some).collect();
    for node in 0..chains.len() {
        builder.node(node, &mut chains, &mut Vec::new());
    }
    builder.region
}

/// What is left of a node to be read.
struct Chain {
    begin: Begin,
    ops: Vec<ast::Op>,
    bounds: Bounds,
}

struct Builder<'a> {
    region: Region,
    names: HashMap<String, Source>,
    others: &'a Others<'a>,
    errors: &'a Diagnostics,
}

impl Builder<'_> {
    fn table(&mut self, table: ast::Table) {
        let place = self.region.tables.len();
        let step = self.region.steps.len();
        let name = table.name.clone();
        let key = match &table.keys[..] {
            [key] => key.fields.clone(),
            [] => {
                let message =
                    format!("`{name}` has no key; write the field that tells its rows apart: `key id;`");
                self.errors.error(Code::TableKey, &name, message);
                Vec::new()
            }
            [_, second, ..] => {
                let message = format!(
                    "`{name}` has two keys; a key of two fields is `key (a, b);`, another way to its rows \
                    is an `index`"
                );
                self.errors.error_at(Code::TableKey, second.span, message);
                Vec::new()
            }
        };
        let known =
            if key.is_empty() { Key::Unknown } else { Key::Of(IndexId { table: place, index: None }) };
        self.region.steps.push(Step {
            op: StepOp::Table(place),
            inputs: Vec::new(),
            named: Vec::new(),
            at: name.clone(),
            node: None,
            key: known,
            value: Value::Row(place),
            grouped: false,
            bounds: StateBounds::default(),
        });
        self.names.insert(text(&name), Source::Table(place));
        let ast::Table { docs, ty, indexes, .. } = table;
        self.region.tables.push(Table { docs, name, ty, key, indexes, step });
    }

    fn declare(&mut self, derived: ast::Derived) -> Chain {
        let ast::Derived { docs, name, ty, view, begin, ops, bounds } = derived;
        self.names.insert(text(&name), Source::Node(self.region.nodes.len()));
        let merge = matches!(begin, Begin::Merge(..)).then_some("merge");
        let operators = merge.into_iter().chain(ops.iter().map(|op| op.row.name)).collect();
        self.region.nodes.push(Node {
            docs,
            name,
            ty,
            view,
            reads: Vec::new(),
            operators,
            steps: Vec::new(),
            is_read: false,
            idle_bounds: Vec::new(),
            written: None,
        });
        Chain { begin, ops, bounds }
    }

    /// Reads a node, and before it those that it reads.
    fn node(&mut self, node: usize, chains: &mut [Option<Chain>], path: &mut Vec<usize>) {
        if let Some(begin) = path.iter().position(|&on| on == node) {
            let mut names: Vec<String> =
                path[begin..].iter().rev().map(|&on| text(&self.region.nodes[on].name)).collect();
            names.insert(0, names.last().cloned().unwrap_or_default());
            let message = format!("these nodes read each other in a circle: {}", names.join(" -> "));
            self.errors.error(Code::Cycle, &self.region.nodes[node].name, message);
            for &on in path.iter() {
                chains[on] = None;
                self.region.nodes[on].is_read = true;
            }
            return;
        }
        let Some(chain) = &chains[node] else { return };
        let mut named: Vec<Ident> = chain.begin.names().to_vec();
        for op in &chain.ops {
            if let Args::Others(others) = &op.args {
                named.extend(others.iter().cloned());
            }
        }
        path.push(node);
        for name in &named {
            if let Some(Source::Node(other)) = self.names.get(&text(name)).copied() {
                self.node(other, chains, path);
            }
        }
        path.pop();
        if let Some(chain) = chains[node].take() {
            self.chain(node, chain);
        }
    }

    /// The step of that name; reports it if there is none.
    fn find(&mut self, node: usize, name: &Ident) -> Option<StepId> {
        let Some(source) = self.names.get(&text(name)).copied() else {
            self.report_unknown(name);
            return None;
        };
        if let Source::Node(other) = source {
            self.region.nodes[other].is_read = true;
            if self.region.nodes[other].view.is_some() {
                let message = format!(
                    "`{name}` is a view, which is read by the service; give what both are made of a name of its own"
                );
                self.errors.error(Code::TablesAndStreams, name, message);
                return None;
            }
        }
        self.region.nodes[node].reads.push(source);
        self.region.step_of(source)
    }

    fn report_unknown(&self, name: &Ident) {
        if self.others.unread.contains(&text(name)) {
            return;
        }
        if (self.others.streams)(&text(name)) {
            self.others.misnamed.borrow_mut().push(Some(text(name)));
            let message = format!(
                "`{name}` is a stream, and views are made of tables; lead it into one first: `{name} -> into table;`"
            );
            self.errors.error(Code::TablesAndStreams, name, message);
            return;
        }
        let near = did_you_mean(&name.to_string(), self.names.keys().map(String::as_str));
        self.errors.error(Code::UnknownName, name, format!("there is no table or node `{name}`{near}"));
    }

    fn chain(&mut self, node: usize, chain: Chain) {
        let found: Vec<(Option<StepId>, Span)> =
            chain.begin.names().to_vec().iter().map(|name| (self.find(node, name), name.span())).collect();
        let Some(mut steps) = found.iter().map(|(step, _)| *step).collect::<Option<Vec<_>>>() else {
            // The others' names are looked up all the same.
            for op in &chain.ops {
                if let Args::Others(others) = &op.args {
                    for name in others {
                        let _ = self.find(node, name);
                    }
                }
            }
            return;
        };
        let mut made = Vec::new();
        if let Begin::Merge(at, names) = &chain.begin {
            let word = Ident::new("merge", *at);
            let named = names.iter().map(Ident::span).collect();
            let step = self.merge(node, word, std::mem::take(&mut steps), named);
            made.push(step);
            steps.push(step);
        }
        let Some(&first) = steps.first() else { return };
        let is_view = self.region.nodes[node].view.is_some();
        let count = chain.ops.len();
        let mut current = first;
        let mut last_bounds = Some(chain.bounds).filter(|bounds| bounds.span().is_some());
        if let Some(bounds) = last_bounds.take_if(|_| !is_view || count > 0) {
            self.idle(node, "the source", &bounds);
        }
        for (place, op) in chain.ops.into_iter().enumerate() {
            let last = place + 1 == count;
            let ast::Op { name, row, args, bounds } = op;
            let has_state = row.effect.has_state();
            let of_state = if last && is_view { false } else { has_state };
            let own = if of_state || last && is_view {
                bounds
            } else {
                if bounds.span().is_some() {
                    self.idle(node, row.name, &bounds);
                }
                Bounds::default()
            };
            let shared = last && is_view;
            let before = self.region.steps.len();
            let Some(step) = self.step(node, current, name, row.effect, args) else { return };
            if has_state {
                let mut bounds = bounds_of(&own);
                bounds.halved = shared;
                self.region.steps[step].bounds = bounds;
            }
            self.note_written(node, &own);
            if shared {
                last_bounds = Some(own);
            }
            made.extend(before..=step);
            current = step;
        }
        if is_view {
            let bounds = last_bounds.unwrap_or_default();
            self.note_written(node, &bounds);
            let halved =
                self.region.steps[current].node == Some(node) && self.region.steps[current].bounds.halved;
            let name = self.region.nodes[node].name.clone();
            let ends = self.push(node, StepOp::View, vec![current], name);
            self.region.steps[ends].bounds = StateBounds { halved, ..bounds_of(&bounds) };
            made.push(ends);
        } else if made.is_empty() {
            // A second name for what has one.
            made.push(current);
        }
        made.dedup();
        if let Some(ty) = self.region.nodes[node].ty.clone() {
            self.give_type(node, &made, &ty);
        }
        self.region.nodes[node].steps = made;
    }

    /// What the user wrote as the type of a node's values is that of what its last closure makes.
    fn give_type(&mut self, node: usize, steps: &[StepId], ty: &Type) {
        for &step in steps.iter().rev() {
            if self.region.steps[step].node != Some(node) {
                return;
            }
            match (&self.region.steps[step].op, &self.region.steps[step].value) {
                (StepOp::MapValues(_), _) => {
                    self.region.steps[step].value = Value::Made { ty: Some(ty.clone()) };
                    return;
                }
                (_, Value::Made { .. }) => {
                    self.region.steps[step].value = Value::Made { ty: Some(ty.clone()) };
                }
                _ => return,
            }
        }
    }

    fn idle(&mut self, node: usize, what: &str, bounds: &Bounds) {
        if let Some(span) = bounds.span() {
            self.region.nodes[node].idle_bounds.push((what.to_string(), span));
        }
    }

    fn note_written(&mut self, node: usize, bounds: &Bounds) {
        if bounds.span().is_none() {
            return;
        }
        let keep = bounds.keep.as_ref().map(|_| "keep forever".to_string());
        let memory = bounds.memory.as_ref().map(|memory| format!("memory {}", memory.written));
        let rows = bounds.max_rows.as_ref().map(|MaxRows { rows, .. }| format!("max_rows {rows}"));
        let parts: Vec<String> = [keep, memory, rows].into_iter().flatten().collect();
        self.region.nodes[node].written = Some(parts.join(", "));
    }

    fn push(&mut self, node: usize, op: StepOp, inputs: Vec<StepId>, at: Ident) -> StepId {
        let (key, value, grouped) = inputs.first().map_or((Key::Unknown, Value::Unknown, false), |&input| {
            let input = &self.region.steps[input];
            (input.key.clone(), input.value.clone(), input.grouped)
        });
        let (named, bounds) = (Vec::new(), StateBounds::default());
        self.region.steps.push(Step { op, inputs, named, at, node: Some(node), key, value, grouped, bounds });
        self.region.steps.len() - 1
    }

    fn merge(&mut self, node: usize, at: Ident, inputs: Vec<StepId>, named: Vec<Span>) -> StepId {
        let step = self.push(node, StepOp::Merge, inputs, at);
        self.region.steps[step].named = named;
        step
    }

    /// Adds the steps of an operator; `None` if it was wrong and has been reported.
    fn step(&mut self, node: usize, input: StepId, at: Ident, effect: Effect, args: Args) -> Option<StepId> {
        match (effect, args) {
            (Effect::Select, Args::Closure(f)) => Some(self.push(node, StepOp::Filter(f), vec![input], at)),
            (Effect::Replace, Args::Closure(f)) => {
                let step = self.push(node, StepOp::MapValues(f), vec![input], at);
                self.region.steps[step].value = Value::Made { ty: None };
                Some(step)
            }
            (Effect::Rekey, Args::Index(indexes)) => {
                let to = self.index(input, &at, &indexes)?;
                let key = Key::Of(to.index);
                let step = self.push(node, StepOp::Rekey { to }, vec![input], at);
                self.region.steps[step].key = key;
                self.region.steps[step].grouped = true;
                Some(step)
            }
            (Effect::Aggregate, Args::Aggregate(fields)) => {
                let mut input = input;
                if !self.region.steps[input].grouped {
                    input = self.push(node, StepOp::Whole, vec![input], at.clone());
                    self.region.steps[input].key = Key::Whole;
                }
                let step = self.push(node, StepOp::Aggregate(fields), vec![input], at);
                self.region.steps[step].value = Value::Record(node);
                self.region.steps[step].grouped = false;
                Some(step)
            }
            (Effect::Distinct, Args::None) => Some(self.push(node, StepOp::Distinct, vec![input], at)),
            (Effect::Join | Effect::LeftJoin, Args::Others(others)) => {
                let other = others.first()?;
                let span = other.span();
                let right = self.find(node, other)?;
                let left = effect == Effect::LeftJoin;
                let step = self.push(node, StepOp::Join { left }, vec![input, right], at);
                let value = self.region.steps[right].value.clone();
                let value = if left { Value::Maybe(Box::new(value)) } else { value };
                let joined = &mut self.region.steps[step];
                joined.value = Value::Pair(Box::new(joined.value.clone()), Box::new(value));
                joined.named = vec![span];
                Some(step)
            }
            (Effect::Merge, Args::Others(others)) => {
                let spans: Vec<Span> = others.iter().map(Ident::span).collect();
                let found: Vec<Option<StepId>> = others.iter().map(|name| self.find(node, name)).collect();
                let mut inputs = vec![input];
                inputs.extend(found.into_iter().collect::<Option<Vec<_>>>()?);
                let named = std::iter::once(at.span()).chain(spans).collect();
                Some(self.merge(node, at, inputs, named))
            }
            _ => None,
        }
    }

    /// The index that an operator names, with the way to its rows; reports what is wrong with it.
    fn index(&self, input: StepId, operator: &Ident, refs: &[IndexRef]) -> Option<Found> {
        let region = &self.region;
        let [wanted] = refs else {
            let (first, last) = (refs.first()?, refs.last()?);
            let tokens = [&first.index, &last.index];
            let message = format!(
                "`{operator}` takes one index; rows of one table are found by a key of several fields with `index name: (a, b);`, \
                 and those of a join by no key that comes from both sides"
            );
            self.errors.error(Code::JoinSide, quote::quote!(#(#tokens)*), message);
            return None;
        };
        let value = &region.steps[input].value;
        let under = region.tables_under(input);
        if let Some(table) = &wanted.table
            && !under.iter().any(|&under| region.tables[under].name == *table)
        {
            let known: Vec<String> = under.iter().map(|&under| text(&region.tables[under].name)).collect();
            let near = did_you_mean(&text(table), known.iter().map(String::as_str));
            let near = if near.is_empty() { format!("; they come from {}", listed(&known)) } else { near };
            self.errors.error(
                Code::UnknownName,
                table,
                format!("these rows do not come from a table `{table}`{near}"),
            );
            return None;
        }
        let candidates: Vec<usize> = under
            .iter()
            .copied()
            .filter(|&table| wanted.table.as_ref().is_none_or(|name| region.tables[table].name == *name))
            .collect();
        let is_key = wanted.index == "key";
        let has = |table: usize| -> Option<IndexId> {
            let indexes = &region.tables[table].indexes;
            let place = indexes.iter().position(|index| text(&index.name) == text(&wanted.index));
            if is_key {
                Some(IndexId { table, index: None })
            } else {
                place.map(|index| IndexId { table, index: Some(index) })
            }
        };
        let having: Vec<IndexId> = candidates.iter().filter_map(|&table| has(table)).collect();
        if having.is_empty() {
            self.report_missing(&wanted.index, &candidates);
            return None;
        }
        let in_value: Vec<(IndexId, Vec<Row>)> =
            having.iter().map(|&id| (id, rows_in(value, id.table))).collect();
        let held: Vec<&(IndexId, Vec<Row>)> = in_value.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        match &held[..] {
            [] => {
                self.report_lost(input, operator, &wanted.index, having[0]);
                None
            }
            [(id, rows)] => self.one_row(&wanted.index, *id, rows),
            [(first, _), (second, _), ..] => {
                let (first, second) = (region.shown(*first), region.shown(*second));
                let message = format!("there are two such indexes here; write `{first}` or `{second}`");
                self.errors.error(Code::MissingIndex, &wanted.index, message);
                None
            }
        }
    }

    /// The one place of a table's row in a value, if rows can be found by it: it is on the left of every join.
    fn one_row(&self, at: &Ident, id: IndexId, rows: &[Row]) -> Option<Found> {
        let shown = self.region.shown(id);
        let table = &self.region.tables[id.table].name;
        let message = match rows {
            [row] if row.maybe => format!(
                "`{shown}` is a key of rows that a `left_join` may not find, so there may be none; begin the chain with \
                 `{table}`, or use `join`"
            ),
            [row] if row.path.contains(&1) => format!(
                "`{shown}` is a key of the looked-up side of a join, by which its pairs cannot be found; begin the chain with \
                 `{table}`, and join the other to it"
            ),
            [row] => return Some(Found { index: id, path: row.path.clone() }),
            _ => format!(
                "`{table}` stands on both sides of the join, so `{shown}` could be of either; give its rows their key before \
                 the join"
            ),
        };
        self.errors.error(Code::JoinSide, at, message);
        None
    }

    fn report_missing(&self, at: &Ident, candidates: &[usize]) {
        let tables = candidates.iter().map(|&table| &self.region.tables[table]);
        let known: Vec<String> =
            tables.clone().flat_map(|table| table.indexes.iter().map(|index| text(&index.name))).collect();
        let by_field = tables.clone().find_map(|table| {
            let of_field =
                |index: &&ast::Index| index.fields.len() == 1 && text(&index.fields[0]) == text(at);
            table.indexes.iter().find(of_field).map(|index| text(&index.name))
        });
        let names: Vec<String> = tables.clone().map(|table| text(&table.name)).collect();
        let names = listed(&names);
        let near = did_you_mean(&text(at), known.iter().map(String::as_str));
        let help = match by_field {
            Some(index) => format!(" its index of that field is `{index}`"),
            None if !near.is_empty() => near.trim_start_matches(';').to_string(),
            None => {
                let field = text(at);
                let field = field.strip_prefix("by_").unwrap_or(&field);
                format!(" add one to the table: `index by_{field}: {field};`")
            }
        };
        self.errors.error(Code::MissingIndex, at, format!("{names} has no index `{at}`;{help}"));
    }

    /// Rows that could have been found, had an operator not made something else of them.
    fn report_lost(&self, input: StepId, operator: &Ident, at: &Ident, id: IndexId) {
        let region = &self.region;
        let table = &region.tables[id.table].name;
        let shown = region.shown(id);
        let Some(hop) = self.hop_that_loses(input, id.table) else { return };
        let step = &region.steps[hop];
        let (node, op) = (region.name_of(hop), &step.at);
        let message = match &step.op {
            StepOp::Aggregate(_) => format!(
                "`{shown}` cannot be a key here: the `{op}` of `{node}` makes one result of many rows of `{table}`; `join` it to \
                 `{table}` first"
            ),
            _ => format!(
                "`{shown}` cannot be a key here: the `{op}` of `{node}` makes something else of the rows of `{table}`; put \
                 `{operator}({at})` before it"
            ),
        };
        self.errors.error(Code::NotReplayable, at, message);
    }

    /// The last step, from a table on, after which the table's rows are not there as they are.
    fn hop_that_loses(&self, step: StepId, table: usize) -> Option<StepId> {
        let inputs = &self.region.steps[step].inputs;
        let with = inputs.iter().find(|&&input| !rows_in(&self.region.steps[input].value, table).is_empty());
        if with.is_some() {
            return Some(step);
        }
        inputs.iter().find_map(|&input| self.hop_that_loses(input, table))
    }
}

/// A row of a table in a value.
struct Row {
    path: Vec<u8>,
    maybe: bool,
}

fn rows_in(value: &Value, table: usize) -> Vec<Row> {
    let side = |value: &Value, side: u8| -> Vec<Row> {
        let add = |mut row: Row| {
            row.path.insert(0, side);
            row
        };
        rows_in(value, table).into_iter().map(add).collect()
    };
    match value {
        Value::Row(row) if *row == table => vec![Row { path: Vec::new(), maybe: false }],
        Value::Pair(left, right) => side(left, 0).into_iter().chain(side(right, 1)).collect(),
        Value::Maybe(value) => {
            let maybe = |row: Row| Row { maybe: true, ..row };
            rows_in(value, table).into_iter().map(maybe).collect()
        }
        Value::Row(_) | Value::Record(_) | Value::Made { .. } | Value::Unknown => Vec::new(),
    }
}

fn bounds_of(bounds: &Bounds) -> StateBounds {
    StateBounds {
        keeps: bounds.keep.is_some(),
        keep_duration: bounds.keep.as_ref().filter(|keep| keep.duration.is_some()).map(|keep| keep.span),
        memory: bounds.memory.clone(),
        max_rows: bounds.max_rows.as_ref().map(|rows| (rows.span, rows.rows)),
        halved: false,
    }
}

/// `` `a` ``, `` `a` or `b` ``
pub(crate) fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
