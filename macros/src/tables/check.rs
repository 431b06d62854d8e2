//! What can be wrong with tables and views. Checks judge and change nothing.

use super::region::{Key, Node, Region, Source, StepId, StepOp};
use super::trace::{Broken, Way, merge_under, partial_under, pull};
use crate::ast::FunctionArgs;
use crate::diagnostics::{Code, Diagnostics};
use crate::graph::{Graph, record_name, text};
use proc_macro2::Ident;

/// Reports every mistake it can find.
pub(crate) fn check(graph: &Graph, errors: &Diagnostics) {
    let region = &graph.region;
    indexes_are_distinct(region, errors);
    tables_have_no_parameters(graph, errors);
    every_node_is_read(graph, errors);
    state_is_kept(region, errors);
    bounds_fit_what_they_bound(region, errors);
    one_aggregate_for_each_name(region, errors);
    keys_of_joins_are_of_one_length(region, errors);
    results_of_all_rows_are_whole(region, errors);
    state_can_be_replayed(region, errors);
    nothing_whole_is_below_what_is_partial(region, errors);
    the_greatest_have_an_order(region, errors);
    values_of_views_have_a_type(region, errors);
    fields_of_results_are_distinct(region, errors);
    names_are_free(graph, errors);
}

fn indexes_are_distinct(region: &Region, errors: &Diagnostics) {
    for table in &region.tables {
        let mut seen: Vec<String> = vec!["key".to_string()];
        for index in &table.indexes {
            if seen.contains(&text(&index.name)) {
                let name = &index.name;
                let message = if name == "key" {
                    format!("`key` is what the key of `{}` goes by; give the index another name", table.name)
                } else {
                    format!(
                        "the table `{}` has an index `{name}` already; give this one another name",
                        table.name
                    )
                };
                errors.error(Code::DefinedTwice, name, message);
            }
            seen.push(text(&index.name));
        }
        let keys = std::iter::once(&table.key).chain(table.indexes.iter().map(|index| &index.fields));
        for fields in keys {
            for (place, field) in fields.iter().enumerate() {
                if fields[..place].iter().any(|before| text(before) == text(field)) {
                    let message = format!("`{field}` is in this key twice; remove one");
                    errors.error(Code::DefinedTwice, field, message);
                }
            }
        }
    }
}

/// The store of a table is of one type.
fn tables_have_no_parameters(graph: &Graph, errors: &Diagnostics) {
    for table in &graph.region.tables {
        if let Some(parameter) = graph.mentioned(&table.ty).iter().next() {
            let message = format!(
                "the rows of `{}` are stored, and `{parameter}` may be any type; write the type itself",
                table.name
            );
            errors.error(Code::Parameters, &table.ty, message);
        }
    }
}

fn every_node_is_read(graph: &Graph, errors: &Diagnostics) {
    for node in graph.region.nodes.iter().filter(|node| node.view.is_none() && !node.is_read) {
        let name = &node.name;
        if !graph.unread.contains(&text(name)) && !is_led_out(graph, name) {
            let message = format!(
                "nothing reads `{name}`; make it a view, `view {name} = ..`, read it in one, or remove it"
            );
            errors.error(Code::FeedsNothing, name, message);
        }
    }
}

/// Whether an output names it, which has been called a mistake.
fn is_led_out(graph: &Graph, name: &Ident) -> bool {
    graph.outputs.iter().any(|output| text(&output.name) == text(name))
        || graph
            .nodes
            .iter()
            .any(|node| matches!(&node.origin, crate::graph::Origin::Chain(chain) if chain.source.is_empty()))
}

/// Nothing grows without saying so.
fn state_is_kept(region: &Region, errors: &Diagnostics) {
    for step in region.states() {
        let here = &region.steps[step];
        let name = region.name_of(step);
        if let Some(span) = here.bounds.keep_duration {
            let message = "what is made of tables is there as long as its rows are; write `keep forever`, and with \
                           `memory 64 MiB` how much of it is in memory";
            errors.error_at(Code::Unbounded, span, message);
        } else if !here.bounds.keeps && !here.bounds.halved {
            let message = match here.op {
                StepOp::View => format!(
                    "the view `{name}` holds its rows in memory; write `keep forever` at its end, or `keep forever, memory 64 MiB` \
                     to hold a part of them"
                ),
                _ => format!(
                    "`{}` holds state; write `keep forever` after it, or `keep forever, memory 64 MiB` to hold a part of it",
                    here.at
                ),
            };
            errors.error(Code::Unbounded, &here.at, message);
        }
    }
}

fn bounds_fit_what_they_bound(region: &Region, errors: &Diagnostics) {
    for (what, span) in region.nodes.iter().flat_map(|node| &node.idle_bounds) {
        let message = if what == "the source" {
            "nothing is held here; what is kept is said at the end of a view, or after `aggregate` and `distinct`".to_string()
        } else {
            format!(
                "`{what}` holds nothing; what is kept is said at the end of a view, or after `aggregate` and `distinct`"
            )
        };
        errors.error_at(Code::IdleKeep, *span, message);
    }
    for step in &region.steps {
        if let Some((span, rows)) = step.bounds.max_rows {
            if !matches!(step.op, StepOp::View) && !step.bounds.halved {
                let message = "`max_rows` bounds the rows of one key of a view; write it at the end of one";
                errors.error_at(Code::IdleKeep, span, message);
            } else if rows == 0 {
                let message = "a view with no rows answers nothing; write for example `max_rows 10_000`";
                errors.error_at(Code::Arguments, span, message);
            }
        }
    }
}

/// The record of results bears the name of its node.
fn one_aggregate_for_each_name(region: &Region, errors: &Diagnostics) {
    for node in 0..region.nodes.len() {
        let own = region.aggregates().filter(|(step, _)| region.steps[*step].node == Some(node));
        for (step, _) in own.skip(1) {
            let name = &region.nodes[node].name;
            let message = format!(
                "`{name}` has two aggregates under one name; end the first in a node of its own: `first = ..; {name} = first -> ..`"
            );
            errors.error(Code::TwoStates, &region.steps[step].at, message);
        }
    }
}

/// Rows meet whose keys are equal: rustc compares the types, and here their number is.
fn keys_of_joins_are_of_one_length(region: &Region, errors: &Diagnostics) {
    for step in &region.steps {
        let (StepOp::Join { .. } | StepOp::Merge) = step.op else { continue };
        let left = &region.steps[step.inputs[0]].key;
        for (place, &other) in step.inputs.iter().enumerate().skip(1) {
            let right = &region.steps[other].key;
            if length(region, left) == length(region, right)
                || *left == Key::Unknown
                || *right == Key::Unknown
            {
                continue;
            }
            let (first, second) = (region.name_of(step.inputs[0]), region.name_of(other));
            let (left, right) = (region.shown_key(left), region.shown_key(right));
            let at = step.named.get(if matches!(step.op, StepOp::Merge) { place } else { 0 });
            let at = at.copied().unwrap_or_else(|| step.at.span());
            let (code, message) = match step.op {
                StepOp::Merge => (
                    Code::MergeArm,
                    format!(
                        "`merge` unites rows of one kind of key, and `{first}` has the key {left}, `{second}` the key {right}; \
                     `rekey` one of them"
                    ),
                ),
                _ => (
                    Code::TableJoinKeys,
                    format!(
                        "rows meet by their key: that of `{first}` is {left}, and that of `{second}` is {right}; give `{second}` the \
                     same with `rekey(index)` in a node of its own"
                    ),
                ),
            };
            errors.error_at(code, at, message);
        }
    }
}

fn length(region: &Region, key: &Key) -> Option<usize> {
    match key {
        Key::Of(id) => Some(region.fields(*id).len()),
        Key::Whole => Some(0),
        Key::Unknown => None,
    }
}

/// What is under one key is in memory or is not: there is no part of it.
fn results_of_all_rows_are_whole(region: &Region, errors: &Diagnostics) {
    for step in region.states() {
        let here = &region.steps[step];
        let Some(memory) = &here.bounds.memory else { continue };
        if here.key == Key::Whole && !(matches!(here.op, StepOp::View) && here.bounds.halved) {
            let name = region.name_of(step);
            let message = format!(
                "`{name}` is one result of all rows, so no part of it can leave memory; remove `memory`, or put \
                 `group_by(index)` before the `aggregate`"
            );
            errors.error_at(Code::NoGroup, memory.span, message);
        }
    }
}

/// All state begins empty and is filled by replays; so there must be a way back to the tables.
fn state_can_be_replayed(region: &Region, errors: &Diagnostics) {
    let mut told: Vec<(StepId, Way)> = Vec::new();
    for step in region.states() {
        let Err(broken) = pull(region, step, Way::Key) else { continue };
        // Two aggregates under one name are another mistake.
        if region.steps[step].node == region.steps[broken.hop].node {
            continue;
        }
        if !told.contains(&(broken.hop, broken.way)) {
            told.push((broken.hop, broken.way));
            report_broken(region, step, &broken, errors);
        }
    }
}

fn report_broken(region: &Region, asking: StepId, broken: &Broken, errors: &Diagnostics) {
    let hop = &region.steps[broken.hop];
    let (state, asks) = (region.name_of(broken.hop), region.name_of(asking));
    let by = match broken.way {
        Way::Key => region.shown_key(&hop.key),
        Way::Index(id) => region.shown(id),
        Way::All => "all rows at once".to_string(),
    };
    if let Some((merge, place)) = broken.arm {
        let merge = &region.steps[merge];
        let arm = region.name_of(merge.inputs[place]);
        let at = merge.named.get(place).copied().unwrap_or_else(|| merge.at.span());
        let message = match broken.way {
            Way::Index(id) => format!(
                "`{asks}` asks this `merge` for rows by `{by}`, and those of `{arm}` do not come from `{}`; give each its key \
                 before the `merge`: `{arm} -> rekey(index)`",
                region.tables[id.table].name
            ),
            Way::Key | Way::All => {
                format!(
                    "`{asks}` asks this `merge` for {by}, which `{arm}` cannot give; aggregate it by a key"
                )
            }
        };
        errors.error_at(Code::MergeArm, at, message);
        return;
    }
    let operator = &hop.at;
    let asking_step = region.steps.iter().enumerate().find(|(step, _)| *step == asking).map(|(_, step)| step);
    match (&hop.op, broken.way) {
        (_, Way::All) => {
            let message = format!(
                "`{asks}` is one result of all rows, and the `{operator}` of `{state}` can be asked for one key at a time; \
                 aggregate the table itself, or put `group_by(index)` before"
            );
            let at = asking_step.map_or(state, |step| &step.at);
            errors.error(Code::NoGroup, at, message);
        }
        (StepOp::Aggregate(_) | StepOp::Distinct, _) => {
            let key = region.shown_key(&hop.key);
            let message = format!(
                "the `{operator}` of `{state}` keeps its rows by {key}, and `{asks}` looks them up by `{by}`: one state has one \
                 key; put the `rekey` before the `{operator}`"
            );
            let at = rekey_between(region, asking, broken.hop)
                .map_or(&region.steps[asking].at, |step| &region.steps[step].at);
            errors.error(Code::TwoKeys, at, message);
        }
        _ => {
            let message = format!("`{asks}` cannot be computed again: `{state}` has no rows by `{by}`");
            errors.error(Code::NotReplayable, operator, message);
        }
    }
}

/// The step that asks for rows by another key, between what asks and what is asked.
fn rekey_between(region: &Region, asking: StepId, hop: StepId) -> Option<StepId> {
    let mut step = asking;
    let mut last = None;
    while step != hop {
        if let StepOp::Rekey { .. } = region.steps[step].op {
            last = Some(step);
        }
        step = *region.steps[step].inputs.first()?;
    }
    last
}

/// A change to what is not in memory is dropped, so what is made of it would miss it.
fn nothing_whole_is_below_what_is_partial(region: &Region, errors: &Diagnostics) {
    for step in region.states().filter(|&step| region.steps[step].bounds.memory.is_none()) {
        let Some(partial) = partial_under(region, step) else { continue };
        let here = &region.steps[step];
        if here.bounds.halved && matches!(here.op, StepOp::View) {
            continue;
        }
        let (name, above) = (region.name_of(step), region.name_of(partial));
        let cure = if here.key == Key::Whole {
            format!("keep `{above}` whole: remove its `memory`")
        } else {
            format!("write `memory ..` here too, or keep `{above}` whole")
        };
        let message = format!(
            "`{name}` is kept whole, and `{above}`, which it is made of, is only partly in memory: a change to what is not there \
             is dropped, and would be missed here; {cure}"
        );
        errors.error(Code::BelowPartial, &here.at, message);
    }
}

/// Equals are in the order of their table's key, and rows of several nodes are in none.
fn the_greatest_have_an_order(region: &Region, errors: &Diagnostics) {
    for (step, fields) in region.aggregates() {
        let Some(merge) = merge_under(region, step) else { continue };
        for field in fields.iter().filter(|field| matches!(field.args, FunctionArgs::Top { .. })) {
            let function = crate::emit::written(&field.function);
            let message = format!(
                "`{function}` lists equals in the order of their table's key, and the rows that `{}` merges have none; take the \
                 greatest of each before it",
                region.name_of(merge)
            );
            errors.error(Code::NoOrder, &field.function, message);
        }
    }
}

/// The handle of a view has the type of its values.
fn values_of_views_have_a_type(region: &Region, errors: &Diagnostics) {
    for node in region.nodes.iter().filter(|node| node.view.is_some()) {
        let Some(&last) = node.steps.last() else { continue };
        if node.ty.as_ref().is_some_and(crate::graph::is_partly_inferred)
            || node.ty.is_none() && !region.steps[last].value.is_known()
        {
            let name = &node.name;
            let message = format!(
                "what a closure makes has a type that is not written; write it: `view {name}: Type = ..`"
            );
            errors.error(Code::ValueType, name, message);
        }
    }
}

/// The record of results has the key's fields and its own.
fn fields_of_results_are_distinct(region: &Region, errors: &Diagnostics) {
    for (step, fields) in region.aggregates() {
        let key = match &region.steps[step].key {
            Key::Of(id) => region.fields(*id).iter().map(text).collect(),
            Key::Whole | Key::Unknown => Vec::new(),
        };
        let mut names: Vec<String> = key;
        for field in fields {
            if names.contains(&text(&field.name)) {
                let message = format!(
                    "the field `{}` of `{}` would be there twice; rename this one",
                    field.name,
                    region.name_of(step)
                );
                errors.error(Code::DefinedTwice, &field.name, message);
            }
            names.push(text(&field.name));
        }
    }
}

/// What is generated stands beside what else a flow generates.
fn names_are_free(graph: &Graph, errors: &Diagnostics) {
    let region = &graph.region;
    let ports = region.tables.iter().map(|table| &table.name);
    let ports = ports.chain(region.nodes.iter().filter(|node| node.view.is_some()).map(|node| &node.name));
    for name in ports.filter(|name| text(name) == "control") {
        let message = "the handle has a field `control` of its own; give this one another name";
        errors.error(Code::SameIdentity, name, message);
    }
    let mut made: Vec<String> = graph
        .nodes
        .iter()
        .filter(|node| node.core().is_some())
        .flat_map(|node| [node.record_name().to_string(), node.state_name().to_string()])
        .collect();
    let mut seen = Vec::new();
    for (step, _) in region.aggregates() {
        // Two under one name are another mistake.
        if seen.contains(&region.steps[step].node) {
            continue;
        }
        seen.push(region.steps[step].node);
        let name = region.name_of(step);
        let record = record_name(name).to_string();
        let of_row = region.tables.iter().find(|table| crate::emit::written(&table.ty) == record);
        let message = if crate::emit::OWN.contains(&record.as_str()) {
            format!("`{name}` would generate `{record}`, which every flow has; rename it")
        } else if let Some(table) = of_row {
            format!(
                "`{name}` generates the type `{record}`, which the rows of `{}` have; rename the node",
                table.name
            )
        } else if made.contains(&record) {
            format!("`{name}` and another node would both generate the type `{record}`; rename one")
        } else {
            made.push(record);
            continue;
        };
        errors.error(Code::SameIdentity, name, message);
    }
}

impl Region {
    /// What a replay of a node's last state looks up, one after the other.
    pub(crate) fn replay_of(&self, node: &Node) -> Vec<String> {
        let Some(&last) = node.steps.last() else { return Vec::new() };
        let mut found = pull(self, last, Way::Key).unwrap_or_default();
        found.dedup();
        found
    }

    /// The name of a source.
    pub(crate) fn source_name(&self, source: Source) -> String {
        match source {
            Source::Table(table) => text(&self.tables[table].name),
            Source::Node(node) => text(&self.nodes[node].name),
        }
    }
}
