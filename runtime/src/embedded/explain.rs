//! Why a node gives nothing: its watermark, what it waits for, and who holds the watermark back, in words.

use super::explain_tables::explain_table;
use super::gauge::{Feeder, Gauge, Origin, SenderGauge};
use super::names;
use super::shared::Shared;
use crate::batch::Status;
use crate::graph::{Graph, Node, NodeKind, StageMeta};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A sentence or a few about what a node waits for. `now` is the time of the host's clock.
pub(super) fn explain(shared: &Shared, name: &str, now: Duration, finished: bool) -> String {
    let flow = shared.graph.flow;
    let Some((graph, path, id)) = find(shared.graph, "", name) else {
        if let Some(table) = shared.graph.table(name) {
            return explain_table(shared, table, finished);
        }
        let tables = shared.graph.tables.iter().map(|table| table.name);
        let near = nearest(name, shared.node_names().chain(tables));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return format!("flow `{flow}` has no node `{name}`{near}");
    };
    let node = &graph.nodes[id];
    if let Some(error) = shared.error() {
        return error.to_string();
    }
    if finished {
        return format!("flow `{flow}` has ended, and `{name}` has given all its results");
    }
    let gauges = shared.gauges();
    let view = View { gauges: &gauges, now };
    let place = |is_it: &dyn Fn(&StageMeta) -> bool| graph.stages.iter().position(is_it);
    let core = place(&|stage| stage.node == id && stage.keyed).and_then(|core| view.stage(path, core));
    let own = place(&|stage| stage.node == id && !stage.keyed).or(node.stage);
    match (node.kind, core) {
        (NodeKind::Input, _) if path.is_empty() => view.input(name),
        (NodeKind::Stateful, Some(core)) => view.stateful(name, node, core),
        (NodeKind::Input | NodeKind::Stateful | NodeKind::Stateless | NodeKind::Flow, _) => {
            view.stateless(name, own.and_then(|own| view.stage(path, own)))
        }
    }
}

/// The node of that name, in a flow or in those that stand in it: the graph, the names that lead to it, and the place.
fn find(
    graph: &'static Graph,
    path: &'static str,
    name: &str,
) -> Option<(&'static Graph, &'static str, usize)> {
    let mut inner = graph.subflows.iter();
    let inner = inner.find_map(|subflow| find(subflow.graph, names::join(path, subflow.name), name));
    // What stands for an output of a flow inside has the name of the node in there, which is meant.
    inner.or_else(|| {
        let own = graph.nodes.iter().position(|node| names::join(path, node.name) == name);
        own.map(|id| (graph, path, id))
    })
}

struct View<'a> {
    gauges: &'a [Arc<Gauge>],
    now: Duration,
}

impl View<'_> {
    /// A stage among all, by the flow that it is declared in and its place there.
    fn stage(&self, path: &str, place: usize) -> Option<usize> {
        let is_it = |gauge: &&Arc<Gauge>| gauge.origin.path == path && gauge.origin.place == place;
        self.gauges.iter().find(is_it).map(|gauge| gauge.stage)
    }

    fn of_stage(&self, stage: usize) -> impl Iterator<Item = &Gauge> {
        self.gauges.iter().map(|gauge| &**gauge).filter(move |gauge| gauge.stage == stage)
    }

    fn shard(&self, stage: usize, shard: usize) -> Option<&Gauge> {
        self.of_stage(stage).find(|gauge| gauge.shard == shard)
    }

    fn node_of(&self, gauge: &Gauge) -> &'static str {
        let Origin { graph, path, place } = gauge.origin;
        names::join(path, graph.stages[place].name)
    }

    /// The task that reads an input.
    fn reads(&self, input: &str) -> Option<&Gauge> {
        let is_it = |sender: &SenderGauge| matches!(sender.feeder, Feeder::Input(name) if name == input);
        self.gauges.iter().map(|gauge| &**gauge).find(|gauge| gauge.senders.iter().any(is_it))
    }

    fn input(&self, name: &str) -> String {
        let silence = self.silence(name);
        format!("`{name}` is an input, and hands its records on as they come; {silence}")
    }

    /// "`lines` has sent nothing yet", "`lines` has been silent for 3 s".
    fn silence(&self, name: &str) -> String {
        let Some(gauge) = self.reads(name) else { return format!("nothing reads `{name}`") };
        let (silent, status) = (gauge.silent_for(self.now), gauge.senders.first().map(SenderGauge::status));
        let silent = shown(silent);
        match (gauge.came(), status) {
            (_, Some(Status::Ended)) => format!("`{name}` has ended"),
            (false, Some(Status::Idle)) => format!("`{name}` has sent nothing, and is idle"),
            (false, _) => format!("`{name}` has sent nothing yet"),
            (true, Some(Status::Idle)) => format!("`{name}` is idle: it has been silent for {silent}"),
            (true, _) => format!("`{name}` has been silent for {silent}"),
        }
    }

    fn stateless(&self, name: &str, stage: Option<usize>) -> String {
        let gauges = || stage.into_iter().flat_map(|stage| self.of_stage(stage));
        let mut text =
            format!("`{name}` has no window: it waits for nothing, and hands its records on as they come");
        let calls: u64 = gauges().map(Gauge::in_flight).sum();
        if calls > 0 {
            text = format!("`{name}` has no window; it waits for {calls} of its calls, which are in flight");
        }
        if gauges().any(Gauge::blocked) {
            text += "; what it has made waits for room, because what reads it takes no more";
        } else if !gauges().any(Gauge::came) {
            text += "; no record has come to it yet";
        }
        text
    }

    fn stateful(&self, name: &str, node: &Node, core: usize) -> String {
        if self.of_stage(core).any(Gauge::blocked) {
            return format!(
                "`{name}` has results that wait for room, because what reads them takes no more: read or `take` the \
                 outputs that it feeds"
            );
        }
        if !self.of_stage(core).any(Gauge::came) {
            return format!("no record has come to `{name}` yet; {}", self.inputs_of(core));
        }
        let waiting = self.of_stage(core).filter_map(|gauge| Some((gauge.waits_for()?, gauge)));
        let Some((end, gauge)) = waiting.min_by_key(|(end, gauge)| (*end, gauge.watermark())) else {
            return self.waits_for_none(name, node, core);
        };
        let what = if node.operators.contains(&"session") {
            format!("to pass {end}, the earliest end of a session unless a record prolongs it")
        } else if is_windowed(node) {
            format!("to reach {end}, the end of its earliest open window")
        } else {
            format!("to reach {end}, when its earliest timer is due")
        };
        let at = match gauge.watermark() {
            Timestamp::MIN => "it has none yet".to_string(),
            watermark => format!("it is at {watermark}"),
        };
        format!("`{name}` waits for its watermark {what}; {at}. {}", self.held_by(gauge))
    }

    fn waits_for_none(&self, name: &str, node: &Node, core: usize) -> String {
        let watermark = self.of_stage(core).map(Gauge::watermark).min().unwrap_or(Timestamp::MIN);
        if is_windowed(node) {
            format!("`{name}` has no open window: all that it had have fired, at the watermark {watermark}")
        } else {
            format!("`{name}` has no window and no timer: it works on each record as it comes")
        }
    }

    /// Who holds the watermark of a task back, followed to the inputs.
    fn held_by(&self, task: &Gauge) -> String {
        let mut reader = task;
        let mut idle = Vec::new();
        // A flow has no circles, so each step goes nearer to an input.
        loop {
            let of = |status| reader.senders.iter().filter(move |sender| sender.status() == status);
            let least = of(Status::Active).min_by_key(|sender| sender.watermark());
            // As in `Task::update_watermark`: where all are idle, none holds back another.
            let decides = least.or_else(|| of(Status::Idle).max_by_key(|sender| sender.watermark()));
            let Some(sender) = decides else {
                return "Nothing holds it back: all that feeds it has ended".into();
            };
            let others = reader.senders.iter().filter(|other| other.feeder != sender.feeder);
            for other in others.filter(|other| other.status() == Status::Idle) {
                idle.extend(self.inputs(other.feeder));
            }
            let Feeder::Shard { stage, shard, from, clock } = sender.feeder else {
                return self.held_by_inputs(None, self.inputs(sender.feeder), idle);
            };
            let Some(feeding) = self.shard(stage, shard) else {
                return self.held_by_inputs(None, Vec::new(), idle);
            };
            let node = self.node_of(feeding);
            if feeding.blocked() {
                return format!(
                    "`{node}` holds it back: what it has made waits for room, because something that reads it takes no \
                     more"
                );
            }
            match feeding.in_flight() {
                0 => {}
                1 => return format!("`{node}` holds it back: it waits for a call that is in flight"),
                calls => {
                    return format!("`{node}` holds it back: it waits for {calls} calls that are in flight");
                }
            }
            if clock {
                return self.held_by_inputs(Some(from), self.inputs(sender.feeder), idle);
            }
            reader = feeding;
        }
    }

    fn held_by_inputs(
        &self,
        from: Option<&str>,
        inputs: Vec<&'static str>,
        mut idle: Vec<&'static str>,
    ) -> String {
        idle.retain(|name| !inputs.contains(name));
        let names: Vec<String> = inputs.iter().map(|name| format!("`{name}`")).collect();
        let mut text = match from {
            Some(from) if inputs.first().is_some_and(|input| *input != from) => {
                format!("The times of `{from}` hold it there, which come from {}", names.join(" and "))
            }
            _ => format!("The times of {} hold it there", names.join(" and ")),
        };
        for (place, name) in inputs.iter().enumerate() {
            text += if place == 0 { ": " } else { ". " };
            text += &self.silence(name);
            text += &self.until_idle(name);
        }
        for name in idle {
            text += &format!(". {}, and does not hold it back", self.silence(name));
        }
        text
    }

    /// "; after 10 s it counts as idle, ..", for an input that is not yet.
    fn until_idle(&self, name: &str) -> String {
        let Some(gauge) = self.reads(name) else { return String::new() };
        match gauge.senders.first().map(SenderGauge::status) {
            Some(Status::Active) => format!(
                "; a record with a later time moves it on, and after {} of silence what it is merged with goes on \
                 without it",
                shown(gauge.idle_after)
            ),
            Some(Status::Idle) => "; a record with a later time, or its end, moves it on".into(),
            Some(Status::Ended) | None => String::new(),
        }
    }

    fn inputs_of(&self, stage: usize) -> String {
        let mut inputs = Vec::new();
        for sender in self.of_stage(stage).flat_map(|gauge| &gauge.senders) {
            inputs.extend(self.inputs(sender.feeder));
        }
        inputs.sort_unstable();
        inputs.dedup();
        let silent = |name: &&'static str| self.reads(name).is_none_or(|gauge| !gauge.came());
        if inputs.iter().all(silent) {
            let said: Vec<String> = inputs.iter().map(|name| self.silence(name)).collect();
            return said.join(", ");
        }
        let sent = inputs.iter().filter(|name| !silent(name)).map(|name| format!("`{name}`"));
        let sent: Vec<String> = sent.collect();
        format!("what {} sent has not got past the nodes between, or is still on its way", sent.join(" and "))
    }

    /// The inputs whose records come from a feeder.
    fn inputs(&self, feeder: Feeder) -> Vec<&'static str> {
        let mut inputs = match feeder {
            Feeder::Input(name) => vec![name],
            Feeder::Shard { stage, shard, .. } => {
                let senders = self.shard(stage, shard).into_iter().flat_map(|gauge| &gauge.senders);
                senders.flat_map(|sender| self.inputs(sender.feeder)).collect()
            }
        };
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }
}

/// Whether a stateful node works in windows: only those are bounded by something else than `keep`.
fn is_windowed(node: &Node) -> bool {
    node.bound.is_some_and(|bound| !bound.starts_with("keep"))
}

/// `3 s`, `250 ms`, `1.5 s`.
fn shown(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis < 1000 => format!("{millis} ms"),
        millis if millis.is_multiple_of(1000) => format!("{} s", millis / 1000),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// The name that was most likely meant, if one is near enough.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    let near = known.map(|candidate| (distance(name, candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// Edits between two names, where swapping neighbours is one edit (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}
