//! The graph as text: Mermaid, Graphviz DOT, and a list for the terminal.

use super::{Field, Graph, Node, NodeKind, TableKind, TableNode};
use std::fmt::{self, Display, Write};

fn fields(fields: &[Field]) -> String {
    let shown: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
    shown.join(", ")
}

impl Node {
    /// The lines of a node's label: its name, its operators, and what it remembers for how long.
    fn label(&self) -> Vec<String> {
        let mut lines = vec![self.name.to_string()];
        if !self.operators.is_empty() {
            lines.push(self.operators.join(" → "));
        }
        if self.kind == NodeKind::Stateful {
            lines.push(format!("by {} · {}", fields(self.key), fields(self.state)));
            lines.extend(self.bound.map(ToString::to_string));
        }
        lines
    }
}

impl TableNode {
    fn label(&self) -> Vec<String> {
        let mut lines = vec![self.name.to_string()];
        if !self.operators.is_empty() {
            lines.push(self.operators.join(" → "));
        }
        lines.push(format!("by {}", self.key.join(", ")));
        lines.extend(self.bound.map(ToString::to_string));
        if !self.replay.is_empty() && self.kind != TableKind::Table {
            lines.push(format!("replay: {}", self.replay.join(", ")));
        }
        lines
    }
}

/// Mermaid reads labels as a dialect of HTML.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Graph {
    /// The graph in the language of Mermaid: `flowchart LR ..`.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (id, node) in self.nodes.iter().enumerate() {
            let label: Vec<_> = node.label().iter().map(|line| html(line)).collect();
            let (open, close, class) = match node.kind {
                NodeKind::Input => ("([", "])", "input"),
                NodeKind::Stateless => ("[", "]", "stateless"),
                NodeKind::Stateful => ("[[", "]]", "stateful"),
                NodeKind::Flow => ("{{", "}}", "flow"),
            };
            push(&mut text, format_args!("  n{id}{open}\"{}\"{close}:::{class}", label.join("<br/>")));
        }
        for (id, table) in self.tables.iter().enumerate() {
            let label: Vec<_> = table.label().iter().map(|line| html(line)).collect();
            let (open, close, class) = match table.kind {
                TableKind::Table => ("[(", ")]", "table"),
                TableKind::Node => ("[", "]", "stateless"),
                TableKind::View => ("([", "])", "view"),
            };
            push(&mut text, format_args!("  t{id}{open}\"{}\"{close}:::{class}", label.join("<br/>")));
        }
        for (id, output) in self.outputs.iter().enumerate() {
            push(&mut text, format_args!("  o{id}([\"{}\"]):::output", html(output.name)));
        }
        for (from, to) in self.edges() {
            push(&mut text, format_args!("  {from} --> {to}"));
        }
        text.push_str("  classDef input fill:#e8f0fe,stroke:#4a6fa5\n");
        text.push_str("  classDef output fill:#e8f0fe,stroke:#4a6fa5\n");
        text.push_str("  classDef stateless fill:#f4f4f4,stroke:#888\n");
        text.push_str("  classDef flow fill:#e6f4ea,stroke:#5b8a66\n");
        text.push_str("  classDef stateful fill:#fff2cc,stroke:#b8860b\n");
        if !self.tables.is_empty() {
            text.push_str("  classDef table fill:#fce8e6,stroke:#a5574a\n");
            text.push_str("  classDef view fill:#fce8e6,stroke:#a5574a\n");
        }
        text
    }

    /// The graph in the language of Graphviz: `digraph .. { }`.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = format!("digraph {} {{\n  rankdir=LR;\n", self.flow);
        text.push_str(
            "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=10];\n",
        );
        for (id, node) in self.nodes.iter().enumerate() {
            let label: Vec<_> =
                node.label().iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect();
            let colour = match node.kind {
                NodeKind::Input => "#e8f0fe",
                NodeKind::Stateless => "#f4f4f4",
                NodeKind::Stateful => "#fff2cc",
                NodeKind::Flow => "#e6f4ea",
            };
            push(
                &mut text,
                format_args!("  n{id} [label=\"{}\", fillcolor=\"{colour}\"];", label.join("\\n")),
            );
        }
        for (id, table) in self.tables.iter().enumerate() {
            let label: Vec<_> =
                table.label().iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect();
            let shape = match table.kind {
                TableKind::Table => "shape=cylinder, fillcolor=\"#fce8e6\"",
                TableKind::Node => "fillcolor=\"#f4f4f4\"",
                TableKind::View => "shape=ellipse, fillcolor=\"#fce8e6\"",
            };
            push(&mut text, format_args!("  t{id} [label=\"{}\", {shape}];", label.join("\\n")));
        }
        for (id, output) in self.outputs.iter().enumerate() {
            let shape = "shape=ellipse, fillcolor=\"#e8f0fe\"";
            push(&mut text, format_args!("  o{id} [label=\"{}\", {shape}];", output.name));
        }
        for (from, to) in self.edges() {
            push(&mut text, format_args!("  {from} -> {to};"));
        }
        text.push_str("}\n");
        text
    }

    /// Edges between nodes, and from nodes to outputs, by the names of the drawing.
    fn edges(&self) -> impl Iterator<Item = (String, String)> {
        let between =
            self.nodes.iter().enumerate().flat_map(|(to, node)| {
                node.reads.iter().map(move |from| (format!("n{from}"), format!("n{to}")))
            });
        let out =
            self.outputs.iter().enumerate().map(|(id, port)| (format!("n{}", port.node), format!("o{id}")));
        let of_tables = self.tables.iter().enumerate().flat_map(|(to, table)| {
            table.reads.iter().map(move |from| (format!("t{from}"), format!("t{to}")))
        });
        let into = self.outputs.iter().enumerate().filter_map(|(id, port)| {
            let table = self.tables.iter().position(|table| Some(table.name) == port.into)?;
            Some((format!("o{id}"), format!("t{table}")))
        });
        between.chain(out).chain(into).chain(of_tables)
    }
}

fn push(text: &mut String, line: fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a String does not fail");
}

/// One line a node: what it reads, what it does, what it remembers.
impl Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flow {}", self.flow)?;
        for node in self.nodes {
            let reads: Vec<_> = node.reads.iter().map(|&id| self.nodes[id].name).collect();
            let kind = match node.kind {
                NodeKind::Input => "input",
                NodeKind::Stateless => "stateless",
                NodeKind::Stateful => "stateful",
                NodeKind::Flow => "flow",
            };
            write!(f, "  {:<16} {kind:<10}", node.name)?;
            if !reads.is_empty() {
                write!(f, " {} -> {}", reads.join(", "), node.operators.join(" -> "))?;
            }
            if node.kind == NodeKind::Stateful {
                let bound = node.bound.unwrap_or("unbounded");
                write!(f, " {{ by {}; state {}; {bound} }}", fields(node.key), fields(node.state))?;
            }
            writeln!(f)?;
        }
        for table in self.tables {
            let kind = match table.kind {
                TableKind::Table => "table",
                TableKind::Node => "of tables",
                TableKind::View => "view",
            };
            write!(f, "  {:<16} {kind:<10}", table.name)?;
            if !table.reads.is_empty() {
                let reads: Vec<_> = table.reads.iter().map(|&id| self.tables[id].name).collect();
                let chain: Vec<_> = std::iter::once(reads.join(", "))
                    .chain(table.operators.iter().map(ToString::to_string))
                    .collect();
                write!(f, " {}", chain.join(" -> "))?;
            }
            write!(f, " {{ by {}", table.key.join(", "))?;
            for index in table.indexes {
                write!(f, "; {}: {}", index.name, index.fields.join(", "))?;
            }
            if let Some(bound) = table.bound {
                write!(f, "; {bound}")?;
            }
            if !table.replay.is_empty() && table.kind != TableKind::Table {
                write!(f, "; replay {}", table.replay.join(", "))?;
            }
            writeln!(f, " }}")?;
        }
        let outputs: Vec<_> = self.outputs.iter().map(|port| port.name).collect();
        writeln!(f, "  outputs: {}", outputs.join(", "))
    }
}
