//! What is attached to a flow's ports, whichever worker it is that serves them.

use crate::connect::{Sink, Source};
use crate::embedded::host::{AttachedSink, AttachedSource};
use crate::graph::{Graph, PortMeta};
use std::any::type_name;
use std::collections::HashMap;
use std::fmt;

type Make<T> = Box<dyn Fn(&'static str, usize) -> T + Send + Sync>;

/// A source for each partition of an input.
pub(super) struct Partitioned {
    pub(super) partitions: usize,
    pub(super) make: Make<AttachedSource>,
    pub(super) record: &'static str,
}

pub(super) struct Served {
    pub(super) make: Make<AttachedSink>,
    pub(super) record: &'static str,
}

/// How one of so many partitions of an input is called in checkpoints.
pub(super) fn partition_name(input: &str, partition: usize, of: usize) -> String {
    if of == 1 { input.to_owned() } else { format!("{input}/{partition}") }
}

/// Sources and sinks by the names of the ports.
#[derive(Default)]
pub struct Ports {
    pub(super) sources: HashMap<String, Partitioned>,
    pub(super) sinks: HashMap<String, Served>,
    /// Outputs that nobody wants.
    pub(super) let_go: Vec<String>,
}

impl Ports {
    /// Feeds an input from so many sources, each made by the worker that reads it.
    pub fn source<S: Source>(
        &mut self,
        input: &str,
        partitions: usize,
        make: impl Fn(usize) -> S + Send + Sync + 'static,
    ) {
        let make: Make<_> = Box::new(move |port, partition| AttachedSource::of(port, make(partition)));
        let source = Partitioned { partitions, make, record: type_name::<S::Item>() };
        self.sources.insert(input.to_owned(), source);
    }

    /// Leads an output into a sink, on one worker.
    pub fn sink<K: Sink>(&mut self, output: &str, make: impl Fn() -> K + Send + Sync + 'static) {
        let make: Make<_> = Box::new(move |port, _| AttachedSink::of(port, make()));
        self.sinks.insert(output.to_owned(), Served { make, record: type_name::<K::Item>() });
    }

    /// The partitions of all inputs by the names that they have in checkpoints: an input of one is the same as in a flow of
    /// one process.
    pub(super) fn partitions(&self, graph: &'static Graph) -> Vec<String> {
        let of_input = |port: &PortMeta| {
            let partitions = self.sources.get(port.name).map_or(1, |source| source.partitions);
            (0..partitions)
                .map(|partition| partition_name(port.name, partition, partitions))
                .collect::<Vec<_>>()
        };
        graph.inputs.iter().flat_map(of_input).collect()
    }

    /// Drops what comes out at an output.
    pub fn let_go(&mut self, output: &str) {
        self.let_go.push(output.to_owned());
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("sources", &self.sources.keys())
            .field("sinks", &self.sinks.keys())
            .field("let_go", &self.let_go)
            .finish()
    }
}
