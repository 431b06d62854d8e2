//! Names are identities: of states, of generated types, of fields.

use crate::ast::{Args, Op, StateField};
use crate::diagnostics::{Code, Diagnostics};
use crate::emit::OWN;
use crate::graph::{Graph, Id, Node, Origin, Reader, module_name, parameter_ident, parameter_name, text};
use crate::operators::Effect;
use proc_macro2::Ident;
use std::collections::HashMap;
use syn::Type;
use syn::visit::Visit;

/// State is stored under its node's name, so a name has one state.
pub(super) fn one_state_for_each_name(graph: &Graph, errors: &Diagnostics) {
    for node in &graph.nodes {
        for second in node.ops().iter().filter(|op| op.row.effect.is_core()).skip(1) {
            let message = format!(
                "`{}` has two stateful operators under one name; end the first in a node of its own: `first = ..; {} = \
                 first -> ..`",
                node.name, node.name
            );
            errors.error(Code::TwoStates, &second.name, message);
        }
    }
}

/// Generated types stand in the flow's module, together with what its parent sees: none may hide another.
pub(super) fn generated_names_are_free(graph: &Graph, errors: &Diagnostics) {
    for (id, message) in clashes(graph) {
        errors.error(Code::SameIdentity, &graph.node(id).name, message);
    }
}

/// The nodes whose types cannot be generated, and why.
pub(crate) fn clashes(graph: &Graph) -> Vec<(Id, String)> {
    let used = UsedTypes::of(graph);
    let mut generated: HashMap<String, &Ident> = HashMap::new();
    let mut clashes = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let mut clash = None;
        for name in generated_for(node) {
            let made = text(&name);
            let other =
                generated.insert(made.clone(), &node.name).filter(|other| text(other) != text(&node.name));
            let reason = if let Some(other) = other {
                format!("`{}` and `{other}` would both generate the type `{made}`; rename one", node.name)
            } else if OWN.contains(&made.as_str()) {
                format!("`{}` would generate `{made}`, which every flow has; rename it", node.name)
            } else if used.names.contains_key(&made) {
                let module = module_name(&graph.name);
                format!(
                    "`{}` generates the type `{made}`, and the flow uses a type of that name; rename the node, or write \
                     `{module}::{made}` if that is the one you mean",
                    node.name
                )
            } else {
                continue;
            };
            clash.get_or_insert(reason);
        }
        clashes.extend(clash.map(|reason| (id, reason)));
    }
    clashes
}

/// The handle has one field for each input and output.
pub(super) fn ports_are_distinct(graph: &Graph, errors: &Diagnostics) {
    let inputs =
        graph.nodes.iter().filter(|node| matches!(node.origin, Origin::Input)).map(|node| &node.name);
    for name in
        inputs.chain(graph.outputs.iter().map(|output| &output.name)).filter(|name| text(name) == "control")
    {
        let message = "the handle has a field `control` of its own; give this one another name";
        errors.error(Code::SameIdentity, name, message);
    }
    for output in &graph.outputs {
        let is_input =
            |node: &Node| matches!(node.origin, Origin::Input) && text(&node.name) == text(&output.name);
        if graph.nodes.iter().any(is_input) {
            let name = &output.name;
            let message = format!(
                "`{name}` is an input, and the handle has one field of that name; give the output another: `output \
                 {name}_out = {name};`"
            );
            errors.error(Code::DefinedTwice, name, message);
        }
    }
}

/// The types generated for a stateful node.
fn generated_for(node: &Node) -> Vec<Ident> {
    let Some(core) = node.core() else { return Vec::new() };
    if !node.ops()[core].row.effect.has_state_struct() {
        return Vec::new();
    }
    let record = (node.ops()[core].row.effect == Effect::Aggregate).then(|| node.record_name());
    let state = (!matches!(node.ops()[core].row.effect, Effect::Join(_))).then(|| node.state_name());
    record.into_iter().chain(state).collect()
}

/// Types that are written by a bare name where the generated module sees them.
#[derive(Default)]
struct UsedTypes {
    names: HashMap<String, Ident>,
}

impl UsedTypes {
    fn of(graph: &Graph) -> Self {
        let mut used = UsedTypes::default();
        graph.nodes.iter().for_each(|node| used.of_node(node));
        graph.outputs.iter().filter_map(|output| output.ty.as_ref()).for_each(|ty| used.visit_type(ty));
        let parameters =
            graph.parameters().map(|param| (parameter_name(param), parameter_ident(param).clone()));
        used.names.extend(parameters);
        used
    }

    fn of_node(&mut self, node: &Node) {
        let shown = node.readers.iter().any(|reader| matches!(reader, Reader::Output(_)));
        let input = matches!(node.origin, Origin::Input);
        node.ty.iter().filter(|_| shown || input).for_each(|ty| self.visit_type(ty));
        node.ops().iter().for_each(|op| self.of_op(op));
    }

    fn of_op(&mut self, op: &Op) {
        match &op.args {
            Args::Key(fields) => fields.iter().for_each(|field| self.visit_type(&field.ty)),
            Args::Aggregate(fields) => {
                fields
                    .iter()
                    .flat_map(|field| field.own.iter().chain([&field.ty]))
                    .for_each(|ty| self.visit_type(ty));
            }
            Args::Fold(fold) => self.visit_type(&fold.ty),
            Args::Stateful(stateful) => {
                self.visit_type(&stateful.out);
                stateful.state.iter().flat_map(StateField::types).for_each(|ty| self.visit_type(ty));
            }
            Args::Closure(_)
            | Args::MapAsync(_)
            | Args::EventTime { .. }
            | Args::Route(_)
            | Args::Window { .. }
            | Args::Join(_)
            | Args::CountWindow(_)
            | Args::None => {}
        }
    }
}

impl<'ast> Visit<'ast> for UsedTypes {
    fn visit_type(&mut self, ty: &'ast Type) {
        if let Type::Path(path) = ty
            && path.qself.is_none()
            && path.path.leading_colon.is_none()
            && path.path.segments.len() == 1
        {
            let name = &path.path.segments[0].ident;
            self.names.insert(text(name), name.clone());
        }
        syn::visit::visit_type(self, ty);
    }
}

/// The record of an aggregate has the key's fields, `window`, and its own.
pub(super) fn record_fields_are_distinct(graph: &Graph, errors: &Diagnostics) {
    for (id, node) in graph.nodes.iter().enumerate() {
        let Some(core) = node.core() else { continue };
        let mut names: Vec<String> = graph.has_window(id).then(|| "window".to_string()).into_iter().collect();
        if let Args::Join(_) = &node.ops()[core].args {
            continue;
        }
        let key = graph.before(id, core).key.unwrap_or_default();
        let own: Vec<&Ident> = match &node.ops()[core].args {
            Args::Aggregate(fields) => fields.iter().map(|field| &field.name).collect(),
            Args::Stateful(stateful) => {
                // Its state has no key in it, and its record is the user's own.
                let fields = stateful.state.iter().map(|field| &field.name).collect::<Vec<_>>();
                repeated(&fields, &mut Vec::new(), node, errors);
                continue;
            }
            _ => Vec::new(),
        };
        let fields: Vec<&Ident> = key.iter().map(|(name, _)| name).chain(own).collect();
        repeated(&fields, &mut names, node, errors);
    }
}

fn repeated(fields: &[&Ident], names: &mut Vec<String>, node: &Node, errors: &Diagnostics) {
    for field in fields {
        if names.contains(&text(field)) {
            let message =
                format!("the field `{field}` of `{}` would be there twice; rename this one", node.name);
            errors.error(Code::DefinedTwice, field, message);
        }
        names.push(text(field));
    }
}
