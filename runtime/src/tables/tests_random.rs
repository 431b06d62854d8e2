//! Random graphs over random tables, written to, read and evicted from at random, with closures that panic now and then, held against an interpreter that keeps
//! nothing and computes everything from the tables. After each step every state is held against a replay from nothing.
//!
//! This finds what is wrong with a rule of partial state. That it does is checked, too: each rule is broken on purpose.

use super::aggregate::{Functions, Retracted};
use super::engine::{Engine, Stage};
use super::error::{ReadError, WriteError};
use super::graph::{Cx, Rule};
use super::region::{Keep, Region, ViewRel};
use super::rel::{Index, Rel, TableRel, Way};
use super::store::MemoryTables;
use super::table::table_of;
use super::undo::Writer;
use super::view::view_of;
use crate::graph::Budget;
use crate::testing::Rng;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;

/// A row of a table, or what nodes make of rows. One type, so that graphs can be random.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Value {
    Row([u8; 3]),
    Pair(Box<Value>, Box<Value>),
    Lone(Box<Value>),
    Made(u64),
    List(Vec<Value>),
}

impl Value {
    fn weight(&self) -> u64 {
        match self {
            Value::Row([id, x, y]) => u64::from(id + 2 * x + 3 * y),
            Value::Pair(left, right) => left.weight() + 2 * right.weight(),
            Value::Lone(left) => left.weight() + 1,
            Value::Made(n) => *n,
            Value::List(list) => list.iter().fold(1, |sum, value| (3 * sum + value.weight()) % 1009),
        }
    }

    /// A field of the row that lies at the end of a path.
    fn field(&self, path: &[Side], field: usize) -> u8 {
        match (self, path) {
            (Value::Row(fields), []) => fields[field],
            (Value::Pair(left, _) | Value::Lone(left), [Side::Left, rest @ ..]) => left.field(rest, field),
            (Value::Pair(_, right), [Side::Right, rest @ ..]) => right.field(rest, field),
            (value, path) => unreachable!("{path:?} leads to nothing in {value:?}"),
        }
    }
}

thread_local! {
    /// After how many more calls a closure of the graph panics.
    static PANICS_AFTER: Cell<Option<u8>> = const { Cell::new(None) };
}

/// What the closures of the graph look at, and the interpreter does not.
fn weigh(value: &Value) -> u64 {
    match PANICS_AFTER.get() {
        // Without the hook, which would print it.
        Some(0) => std::panic::resume_unwind(Box::new(PANICKED)),
        Some(calls) => PANICS_AFTER.set(Some(calls - 1)),
        None => {}
    }
    value.weight()
}

const PANICKED: &str = "a closure that panics";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Numbers that a graph and what is done to it are made of.
#[derive(Clone, Debug)]
struct Case {
    nodes: Vec<[u8; 4]>,
    steps: Vec<[u8; 4]>,
}

impl Case {
    fn of(rng: &mut Rng) -> Case {
        let numbers =
            |rng: &mut Rng| std::array::from_fn(|_| u8::try_from(rng.below(256)).expect("it is below"));
        let nodes = 1 + rng.below(8);
        let steps = 10 + rng.below(50);
        Case {
            nodes: (0..nodes).map(|_| numbers(rng)).collect(),
            steps: (0..steps).map(|_| numbers(rng)).collect(),
        }
    }
}

#[derive(Debug)]
enum Op {
    Table(usize),
    Filter(usize, u64),
    Map(usize, u64),
    Rekey { input: usize, path: Vec<Side>, field: usize },
    Aggregate(usize, Function),
    Join(usize, usize),
    LeftJoin(usize, usize),
    Merge(Vec<usize>),
    Distinct(usize),
}

#[derive(Clone, Copy, Debug)]
enum Function {
    Count,
    Sum,
    Min,
    Max,
    Collect,
}

/// How the rows of a node can be found by an index of a table, and where in them that table's row lies.
#[derive(Clone, Debug, PartialEq)]
struct Trace {
    table: usize,
    field: usize,
    path: Vec<Side>,
}

#[derive(Debug)]
struct Planned {
    op: Op,
    rel: Rel<u8, Value>,
    traces: Vec<Trace>,
    /// Whether a replay gives rows in the order in which the interpreter has them.
    in_order: bool,
}

const FIELDS: usize = 3;
const KEYS: u8 = 5;

struct Plan {
    region: Region,
    tables: [TableRel<u8, Value>; 2],
    indexes: [[Index<u8, Value>; FIELDS]; 2],
    nodes: Vec<Planned>,
    views: Vec<(usize, ViewRel<u8, Value>)>,
    whole: Option<(usize, ViewRel<(), Value>)>,
}

fn keep(number: u8) -> Keep {
    let budget = match number % 6 {
        0 => None,
        1 => Some(Budget::Keys(0)),
        2 => Some(Budget::Keys(1)),
        3 => Some(Budget::Keys(3)),
        4 => Some(Budget::Bytes(400)),
        _ => Some(Budget::Bytes(1 << 20)),
    };
    Keep { budget }
}

#[derive(Clone, Debug, Default, Serialize)]
struct State {
    rows: u64,
    sum: u64,
    extreme: Option<u64>,
    list: Vec<Value>,
}

impl Function {
    fn of(number: u8, in_order: bool) -> Function {
        match number % 5 {
            0 => Function::Count,
            1 => Function::Sum,
            2 => Function::Min,
            3 => Function::Max,
            _ if in_order => Function::Collect,
            _ => Function::Count,
        }
    }

    fn add(self, state: &mut State, value: &Value) {
        let weight = value.weight();
        match self {
            Function::Count => state.rows += 1,
            Function::Sum => state.sum += weight,
            Function::Min => state.extreme = Some(state.extreme.map_or(weight, |least| least.min(weight))),
            Function::Max => state.extreme = Some(state.extreme.map_or(weight, |most| most.max(weight))),
            Function::Collect => state.list.push(value.clone()),
        }
    }

    fn retract(self, state: &mut State, value: &Value) -> Retracted {
        match self {
            Function::Count => state.rows = state.rows.checked_sub(1).expect("only what is there goes"),
            Function::Sum => {
                state.sum = state.sum.checked_sub(value.weight()).expect("only what is there goes");
            }
            Function::Min | Function::Max if state.extreme == Some(value.weight()) => {
                return Retracted::Recompute;
            }
            Function::Min | Function::Max => {}
            Function::Collect => return Retracted::Recompute,
        }
        Retracted::Done
    }

    fn finish(self, state: &State) -> Value {
        match self {
            Function::Count => Value::Made(state.rows),
            Function::Sum => Value::Made(state.sum),
            Function::Min | Function::Max => Value::Made(state.extreme.expect("there was a row")),
            Function::Collect => Value::List(state.list.clone()),
        }
    }

    fn functions<K>(self) -> Functions<K, Value, State, Value> {
        Functions {
            init: Box::new(|_| State::default()),
            add: Box::new(move |state, value| {
                weigh(value);
                self.add(state, value);
            }),
            retract: Box::new(move |state, value| {
                weigh(value);
                self.retract(state, value)
            }),
            finish: Box::new(move |_, state| self.finish(state)),
            heap: Box::new(|_| 0),
            ordered: matches!(self, Function::Collect),
        }
    }

    fn fold<'a>(self, rows: impl Iterator<Item = &'a Value>) -> Value {
        let mut state = State::default();
        rows.for_each(|value| self.add(&mut state, value));
        self.finish(&state)
    }
}

impl Plan {
    fn new(case: &Case) -> Plan {
        let mut region = Region::new("Random");
        let field = |field: usize| move |value: &Value| value.field(&[], field);
        let tables = [region.table("a", field(0)), region.table("b", field(0))];
        let indexes = tables.map(|table| {
            [region.primary(&table), region.index(&table, "x", field(1)), region.index(&table, "y", field(2))]
        });
        let mut plan = Plan { region, tables, indexes, nodes: Vec::new(), views: Vec::new(), whole: None };
        for (table, rel) in tables.iter().enumerate() {
            let traces = (0..FIELDS).map(|field| Trace { table, field, path: Vec::new() }).collect();
            plan.nodes.push(Planned { op: Op::Table(table), rel: rel.rel(), traces, in_order: true });
        }
        for numbers in &case.nodes {
            plan.add(*numbers);
        }
        plan.add_whole(case);
        plan
    }

    fn add(&mut self, [what, one, two, how]: [u8; 4]) {
        let pick = |number: u8| usize::from(number) % self.nodes.len();
        let (one, two) = (pick(one), pick(two));
        let (left, right) = (&self.nodes[one], &self.nodes[two]);
        let (rel, other) = (left.rel, right.rel);
        let mut traces = left.traces.clone();
        let mut in_order = left.in_order;
        let region = &mut self.region;
        let number = u64::from(how);
        let (op, rel) = match what % 9 {
            0 => (
                Op::Filter(one, number % 3),
                region.filter("filter", rel, move |value| weigh(value) % 3 != number % 3),
            ),
            1 => {
                traces.clear();
                let map = move |value: &Value| Value::Made((weigh(value) + number) % 4);
                (Op::Map(one, number), region.map_values("map", rel, map))
            }
            2 | 3 => {
                if traces.is_empty() {
                    return;
                }
                let Trace { table, field, path } = traces[usize::from(how) % traces.len()].clone();
                let key = path.clone();
                let key = move |value: &Value| value.field(&key, field);
                let rekeyed = region.rekey("rekey", rel, self.indexes[table][field], key);
                (Op::Rekey { input: one, path, field }, rekeyed)
            }
            4 => {
                traces.clear();
                let function = Function::of(how, in_order);
                in_order = true;
                let aggregated = region.aggregate("aggregate", rel, function.functions(), keep(how / 5));
                (Op::Aggregate(one, function), aggregated)
            }
            5 => {
                // A join is asked by its left side wherever that knows the way, also where it has lost the row.
                let by_right = |trace: &&Trace| {
                    let way = self.indexes[trace.table][trace.field].way;
                    !region.graph.part(rel.id).serves(&region.graph, way)
                };
                let by_right: Vec<_> = right.traces.iter().filter(by_right).cloned().collect();
                in_order = in_order && right.in_order && by_right.is_empty();
                traces = joined(&traces, &by_right);
                let joined = region.join("join", rel, other);
                let pair = |(left, right): &(Value, Value)| {
                    Value::Pair(Box::new(left.clone()), Box::new(right.clone()))
                };
                (Op::Join(one, two), region.map_values("pairs", joined, pair))
            }
            6 => {
                traces = joined(&traces, &[]);
                in_order = in_order && right.in_order;
                let joined = region.left_join("left_join", rel, other);
                let pair = |(left, right): &(Value, Option<Value>)| match right {
                    Some(right) => Value::Pair(Box::new(left.clone()), Box::new(right.clone())),
                    None => Value::Lone(Box::new(left.clone())),
                };
                (Op::LeftJoin(one, two), region.map_values("pairs", joined, pair))
            }
            7 => {
                traces.retain(|trace| right.traces.contains(trace));
                in_order = in_order && right.in_order;
                (Op::Merge(vec![one, two]), region.merge("merge", vec![rel, other]))
            }
            _ => {
                traces.clear();
                in_order = false;
                (Op::Distinct(one), region.distinct("distinct", rel, keep(how)))
            }
        };
        let node = self.nodes.len();
        self.nodes.push(Planned { op, rel, traces, in_order });
        if !how.is_multiple_of(3) {
            self.views.push((node, self.region.view("view", rel, keep(how / 7), None)));
        }
    }

    /// Without a key: all rows of the last node that can give them.
    fn add_whole(&mut self, case: &Case) {
        let last = self.nodes.len() - 1;
        let all = |node: &usize| {
            self.region.graph.part(self.nodes[*node].rel.id).serves(&self.region.graph, Way::All)
        };
        let node = (0..=last).rev().find(all).unwrap_or(0);
        let how = case.nodes.first().map_or(0, |numbers| numbers[3]);
        let whole = self.region.whole();
        let rekeyed = self.region.rekey::<_, _, _, Value>("all", self.nodes[node].rel, whole, |_| ());
        let function = Function::Sum;
        let total = self.region.aggregate("total", rekeyed, function.functions(), keep(how));
        self.whole = Some((node, self.region.view("whole", total, keep(how / 2), None)));
        if self.views.is_empty() {
            let view = self.region.view("view", self.nodes[last].rel, keep(how / 3), None);
            self.views.push((last, view));
        }
    }
}

/// What the rows of a join can be found by, and where those rows lie in it.
fn joined(left: &[Trace], right: &[Trace]) -> Vec<Trace> {
    let sided =
        |side: Side| move |trace: &Trace| Trace { path: [&[side], &trace.path[..]].concat(), ..*trace };
    left.iter().map(sided(Side::Left)).chain(right.iter().map(sided(Side::Right))).collect()
}

/// The interpreter.
type Model = [BTreeMap<u8, Value>; 2];

fn interpret(nodes: &[Planned], node: usize, tables: &Model) -> Vec<(u8, Value)> {
    let of = |node: usize| interpret(nodes, node, tables);
    match &nodes[node].op {
        Op::Table(table) => tables[*table].clone().into_iter().collect(),
        Op::Filter(input, n) => {
            of(*input).into_iter().filter(|(_, value)| value.weight() % 3 != *n).collect()
        }
        Op::Map(input, n) => {
            let made = |value: Value| Value::Made((value.weight() + n) % 4);
            of(*input).into_iter().map(|(key, value)| (key, made(value))).collect()
        }
        Op::Rekey { input, path, field } => {
            of(*input).into_iter().map(|(_, value)| (value.field(path, *field), value)).collect()
        }
        Op::Aggregate(input, function) => {
            let mut groups: BTreeMap<u8, Vec<Value>> = BTreeMap::new();
            of(*input).into_iter().for_each(|(key, value)| groups.entry(key).or_default().push(value));
            groups.into_iter().map(|(key, rows)| (key, function.fold(rows.iter()))).collect()
        }
        Op::Join(left, right) => {
            let right = of(*right);
            let matches = |(key, left): (u8, Value)| {
                let matching = right.iter().filter(move |(other, _)| *other == key);
                let pair = move |right: &Value| Value::Pair(Box::new(left.clone()), Box::new(right.clone()));
                matching.map(move |(_, right)| (key, pair(right))).collect::<Vec<_>>()
            };
            of(*left).into_iter().flat_map(matches).collect()
        }
        Op::LeftJoin(left, right) => {
            let right = of(*right);
            let mut rows = Vec::new();
            for (key, left) in of(*left) {
                let found = rows.len();
                for (_, right) in right.iter().filter(|(other, _)| *other == key) {
                    rows.push((key, Value::Pair(Box::new(left.clone()), Box::new(right.clone()))));
                }
                if rows.len() == found {
                    rows.push((key, Value::Lone(Box::new(left))));
                }
            }
            rows
        }
        Op::Merge(inputs) => inputs.iter().flat_map(|input| of(*input)).collect(),
        Op::Distinct(input) => {
            let mut rows = of(*input);
            rows.sort();
            rows.dedup();
            rows
        }
    }
}

/// What is done to the graph, and what must come of it.
struct Run {
    engine: Engine,
    plan: Vec<Planned>,
    tables: [TableRel<u8, Value>; 2],
    views: Vec<(usize, ViewRel<u8, Value>)>,
    whole: (usize, ViewRel<(), Value>),
    model: Model,
    stages: Vec<Stage>,
    /// Whether each of them must succeed.
    outcomes: Vec<bool>,
    /// Whether a closure may panic in this step and the next: then the answer may be that it did, and nothing else changes.
    panics: bool,
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort();
    rows
}

impl Run {
    fn step(&mut self, [what, one, two, three]: [u8; 4]) -> Result<(), String> {
        match what % 13 {
            12 => {
                PANICS_AFTER.set(Some(one % 16));
                self.panics = true;
                Ok(())
            }
            0..=3 => {
                self.queue(what, one, two, three);
                self.flush()
            }
            4 => {
                self.queue(what / 13, one, two, three);
                Ok(())
            }
            5 => {
                self.queue_pair(one, two, three);
                self.flush()
            }
            6..=8 => {
                self.flush()?;
                let view = usize::from(one) % self.views.len();
                self.read(view, two % KEYS)
            }
            9 => {
                self.flush()?;
                self.read_whole()
            }
            10 => {
                self.flush()?;
                let states: Vec<_> = self.engine.graph.states().map(|(id, _)| id).collect();
                let state = states[usize::from(one) % states.len()];
                self.engine.evict(state, &(two % KEYS));
                Ok(())
            }
            _ => {
                self.flush()?;
                let (_, view) = &self.views[usize::from(one) % self.views.len()];
                let view = view_of::<u8, Value>(&self.engine.graph, view.id);
                if three % 2 == 0 {
                    view.pin(two % KEYS)
                } else {
                    view.unpin(&(two % KEYS))
                }
                Ok(())
            }
        }
    }

    fn queue(&mut self, what: u8, table: u8, key: u8, fields: u8) {
        let (table, key) = (usize::from(table % 2), key % KEYS);
        let row = Value::Row([key, fields % 4, fields / 4 % 4]);
        let (rel, rows) = (self.tables[table].rel(), &mut self.model[table]);
        let there = rows.contains_key(&key);
        let (stage, outcome): (Stage, bool) = match what % 4 {
            0 => {
                rows.entry(key).or_insert_with(|| row.clone());
                (Box::new(move |cx| table_of(cx.graph, rel).insert(cx, row)), !there)
            }
            1 => {
                rows.insert(key, row.clone());
                (Box::new(move |cx| table_of(cx.graph, rel).upsert(cx, Writer::Service, row)), true)
            }
            2 => {
                rows.entry(key).and_modify(|old| *old = row.clone());
                (Box::new(move |cx| table_of(cx.graph, rel).update(cx, key, |old| *old = row)), there)
            }
            _ => {
                rows.remove(&key);
                (Box::new(move |cx| table_of(cx.graph, rel).delete(cx, key).map(drop)), true)
            }
        };
        self.stages.push(stage);
        self.outcomes.push(outcome);
    }

    /// Both tables at once, or none.
    fn queue_pair(&mut self, key: u8, other: u8, fields: u8) {
        let (key, other) = (key % KEYS, other % KEYS);
        let upserted = Value::Row([key, fields % 4, fields / 4 % 4]);
        let inserted = Value::Row([other, fields / 16 % 4, fields / 64]);
        let [a, b] = self.tables.map(|table| table.rel());
        let outcome = !self.model[1].contains_key(&other);
        if outcome {
            self.model[0].insert(key, upserted.clone());
            self.model[1].insert(other, inserted.clone());
        }
        self.stages.push(Box::new(move |cx| {
            table_of(cx.graph, a).upsert(cx, Writer::Service, upserted)?;
            table_of(cx.graph, b).insert(cx, inserted)
        }));
        self.outcomes.push(outcome);
    }

    fn flush(&mut self) -> Result<(), String> {
        let answers = self.engine.write(std::mem::take(&mut self.stages));
        let outcomes = std::mem::take(&mut self.outcomes);
        let is_done = |answer: &Result<(), WriteError>| match answer {
            Ok(()) => true,
            Err(WriteError::Panicked { stored, message, .. }) => {
                *stored && self.panics && message == PANICKED
            }
            Err(_) => false,
        };
        let right = answers.iter().map(is_done).eq(outcomes.iter().copied());
        if right { Ok(()) } else { Err(format!("answered {answers:?} where {outcomes:?} was right")) }
    }

    fn read(&mut self, view: usize, key: u8) -> Result<(), String> {
        let (node, view) = &self.views[view];
        let read = self.engine.read::<u8, Value>(view.id, &key);
        self.engine.enforce();
        let rows = match read {
            Ok(rows) => sorted(rows.to_vec()),
            Err(ReadError::Panicked { .. }) if self.panics => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let right = interpret(&self.plan, *node, &self.model).into_iter().filter(|(other, _)| *other == key);
        let right = sorted(right.map(|(_, value)| value).collect());
        if rows == right { Ok(()) } else { Err(format!("a read of {key} gave {rows:?}, right is {right:?}")) }
    }

    fn read_whole(&mut self) -> Result<(), String> {
        let (node, view) = &self.whole;
        let read = self.engine.read::<(), Value>(view.id, &());
        self.engine.enforce();
        let rows = match read {
            Ok(rows) => rows.to_vec(),
            Err(ReadError::Panicked { .. }) if self.panics => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let all = interpret(&self.plan, *node, &self.model);
        let right: Vec<_> = (!all.is_empty())
            .then(|| Function::Sum.fold(all.iter().map(|(_, value)| value)))
            .into_iter()
            .collect();
        if rows == right { Ok(()) } else { Err(format!("all rows gave {rows:?}, right is {right:?}")) }
    }

    /// Whether each state is what a replay from nothing gives, and within its budget.
    fn audit(&self) -> Result<(), String> {
        let cx = Cx::new(&self.engine.graph, &*self.engine.store).without_states();
        for (_, state) in self.engine.graph.states() {
            if let Some(wrong) = state.audit(&cx).map_err(|error| format!("{error:?}"))? {
                return Err(wrong);
            }
        }
        Ok(())
    }
}

/// `None`: the graph is none that can be replayed.
fn run(case: &Case, broken: Option<Rule>) -> Option<Result<(), String>> {
    let plan = Plan::new(case);
    let Plan { mut region, tables, nodes, views, whole, .. } = plan;
    region.graph.broken = broken;
    let (engine, _) = region.engine(Box::new(MemoryTables::new())).ok()?;
    let (stages, outcomes, model) = (Vec::new(), Vec::new(), Model::default());
    let mut run =
        Run { engine, plan: nodes, tables, views, whole: whole?, model, stages, outcomes, panics: false };
    let outcome = case.steps.iter().try_for_each(|step| {
        let armed = run.panics;
        run.step(*step)?;
        if armed {
            PANICS_AFTER.set(None);
            run.panics = false;
        }
        if run.panics { Ok(()) } else { run.audit() }
    });
    PANICS_AFTER.set(None);
    run.panics = false;
    Some(outcome.and_then(|()| {
        run.flush()?;
        for key in 0..KEYS {
            (0..run.views.len()).try_for_each(|view| run.read(view, key))?;
            run.audit()?;
        }
        run.read_whole()
    }))
}

fn cases(default: u32) -> u32 {
    std::env::var("PSDF_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), ..ProptestConfig::default() })]

    #[test]
    fn partial_state_shows_what_the_tables_say(
        nodes in prop::collection::vec(any::<[u8; 4]>(), 1..9),
        steps in prop::collection::vec(any::<[u8; 4]>(), 1..60),
    ) {
        let case = Case { nodes, steps };
        if let Some(Err(wrong)) = run(&case, None) {
            prop_assert!(false, "{wrong} in {:?}", Plan::new(&case).nodes);
        }
    }
}

#[test]
fn most_random_graphs_can_be_replayed() {
    let mut rng = Rng::new(1);
    let runs = (0..200).filter(|_| run(&Case::of(&mut rng), None).is_some()).count();
    assert!(runs > 100, "{runs} of 200");
}

/// The first of so many random cases that notices that the rule is broken. What panics has noticed, too.
fn noticed(rule: Rule) -> Option<u64> {
    (0..20_000).find(|&seed| {
        let case = Case::of(&mut Rng::new(seed));
        let run = || run(&case, Some(rule));
        !matches!(std::panic::catch_unwind(run), Ok(None | Some(Ok(()))))
    })
}

macro_rules! broken {
    ($($test:ident: $rule:ident;)*) => {
        $(#[test]
        fn $test() {
            assert!(noticed(Rule::$rule).is_some());
        })*
    };
}

broken! {
    an_eviction_that_stops_at_the_side_of_a_join_is_noticed: EvictThroughJoins;
    an_eviction_that_stops_where_rows_get_another_key_is_noticed: EvictThroughRekeys;
    a_change_that_is_applied_twice_is_noticed: Once;
    a_change_that_fills_a_hole_is_noticed: Holes;
    the_new_version_on_both_sides_of_a_join_is_noticed: OldOnTheLeft;
    a_row_without_a_match_that_stays_beside_its_match_is_noticed: NoneGoes;
    an_extreme_that_stays_when_its_row_goes_is_noticed: Recompute;
    a_group_without_rows_that_has_a_result_is_noticed: EmptyGroups;
    state_that_outlives_a_write_cut_short_is_noticed: LetGo;
}
