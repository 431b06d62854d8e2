//! How often a record that came in has its effect on what comes out, whatever crashes: for each way through the flow.

use super::host::Attached;
use crate::graph::Graph;
use std::fmt;

/// How often each record counts in what an output gives, when processes and machines may crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// At most once: the flow is not durable, and what is in it when the process dies is gone.
    AtMostOnce,
    /// At least once: after a crash the records since the last checkpoint come out again, with the
    /// [numbers](crate::embedded::RecordNumber) that they had where all that leads to them is in the same order again.
    AtLeastOnce,
    /// Exactly once: the sink shows what is committed and nothing else. A table that a stream leads into shows what is not
    /// committed yet, too, and after a crash does so no more.
    ExactlyOnce,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delivery::AtMostOnce => "at most once",
            Delivery::AtLeastOnce => "at least once",
            Delivery::ExactlyOnce => "exactly once",
        })
    }
}

/// What is promised of the way from an input to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The input.
    pub input: &'static str,
    /// Whether a source feeds it, which begins again by itself; else the callers have to send again what is not
    /// [committed](crate::embedded::Input::committed).
    pub has_source: bool,
    /// The output.
    pub output: &'static str,
    /// What is promised.
    pub delivery: Delivery,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Guarantee { input, has_source, output, delivery } = self;
        write!(f, "{input} -> {output}: {delivery}")?;
        if *delivery > Delivery::AtMostOnce && !has_source {
            write!(f, ", if what is not committed is sent again")?;
        }
        Ok(())
    }
}

/// The guarantee of each way through a flow.
pub(super) fn guarantees(graph: &'static Graph, attached: &Attached, is_durable: bool) -> Vec<Guarantee> {
    let mut all = Vec::new();
    for output in graph.outputs {
        let before = upstream(graph, output.node);
        for input in graph.inputs.iter().filter(|input| before[input.node]) {
            let delivery = match (is_durable, attached.sinks.get(output.name)) {
                (false, _) => Delivery::AtMostOnce,
                (true, _) if output.into.is_some() => Delivery::ExactlyOnce,
                (true, Some(sink)) if sink.is_transactional => Delivery::ExactlyOnce,
                (true, _) => Delivery::AtLeastOnce,
            };
            let has_source = attached.sources.contains_key(input.name);
            all.push(Guarantee { input: input.name, has_source, output: output.name, delivery });
        }
    }
    all
}

/// Which nodes lead to a node, itself among them.
fn upstream(graph: &Graph, node: usize) -> Vec<bool> {
    let mut seen = vec![false; graph.nodes.len()];
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut seen[node], true) {
            open.extend(graph.nodes[node].reads);
        }
    }
    seen
}
