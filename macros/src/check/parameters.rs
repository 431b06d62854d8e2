//! The parameters of a generic flow.

use crate::diagnostics::{Code, Diagnostics};
use crate::emit::OWN;
use crate::graph::{Graph, Names, is_partly_inferred, parameter_ident, parameter_name, text};
use quote::ToTokens;
use std::collections::{HashMap, HashSet};
use syn::{GenericArgument, GenericParam, Generics, PathArguments};

/// The tasks of a flow live as long as it takes, and so must all that they hold.
pub(super) fn flows_borrow_nothing(graph: &Graph, errors: &Diagnostics) {
    for lifetime in graph.generics.lifetimes() {
        let message = format!(
            "a flow has no lifetimes: its tasks may outlive whatever they borrow; own the data, or share it in an `Arc`, \
             and remove `{}`",
            lifetime.lifetime
        );
        errors.error(Code::Parameters, &lifetime.lifetime, message);
    }
}

/// Whoever makes a flow would have to name a type that nothing comes of.
pub(super) fn every_parameter_is_used(graph: &Graph, errors: &Diagnostics) {
    let mut used: Names = graph.said.clone();
    // What is known of a parameter that is used, may speak of others.
    for _ in graph.parameters() {
        let also: HashSet<String> = known_of(graph, &used);
        used.extend(also);
    }
    for param in graph.parameters().filter(|param| !used.contains(&parameter_name(param))) {
        let (name, flow) = (parameter_ident(param), &graph.name);
        let message =
            format!("nothing in `{flow}` is made of `{name}`; remove it, or write it where it belongs");
        errors.error(Code::Parameters, name, message);
    }
}

fn known_of(graph: &Graph, used: &Names) -> Names {
    let of_param = graph.parameters().filter(|param| used.contains(&parameter_name(param))).map(|param| {
        let GenericParam::Type(param) = param else { return Names::new() };
        graph.mentioned(&param.bounds)
    });
    let predicates = graph.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let of_predicates = predicates
        .map(|predicate| graph.mentioned(predicate))
        .filter(|mentioned| mentioned.iter().any(|name| used.contains(name)));
    of_param.chain(of_predicates).flatten().collect()
}

/// The generated module has types of its own, and each has its parameters.
pub(super) fn parameters_are_named_as_nothing_else(graph: &Graph, errors: &Diagnostics) {
    for param in graph.parameters().filter(|param| OWN.contains(&parameter_name(param).as_str())) {
        let name = parameter_ident(param);
        let message = format!("every flow generates a type `{name}`; give the parameter another name");
        errors.error(Code::SameIdentity, name, message);
    }
}

/// Of flows that are declared side by side it is known which types each takes; of others rustc says it.
pub(crate) fn subflows_have_their_types(
    graph: &Graph,
    known: &HashMap<String, Generics>,
    errors: &Diagnostics,
) {
    for subflow in &graph.subflows {
        let Some(last) = subflow.flow.segments.last().filter(|_| subflow.flow.segments.len() == 1) else {
            continue;
        };
        let Some(generics) = known.get(&text(&last.ident)) else { continue };
        let params = || generics.params.iter().filter(|param| !matches!(param, GenericParam::Lifetime(_)));
        let needed = params().filter(|param| !has_default(param)).count();
        let given = match &last.arguments {
            PathArguments::AngleBracketed(arguments) => arguments.args.len(),
            PathArguments::None | PathArguments::Parenthesized(_) => 0,
        };
        if (needed..=params().count()).contains(&given) {
            continue;
        }
        let name = &last.ident;
        let message = if params().next().is_none() {
            format!("`{name}` is generic over nothing; write `{name}(..)`")
        } else {
            let names: Vec<String> = params().map(parameter_name).collect();
            let names = names.join(", ");
            format!(
                "`{name}` is generic over `{names}`, and which they are is written here: `{name}::<{names}>(..)`"
            )
        };
        errors.error(Code::Parameters, &subflow.flow, message);
    }
}

fn has_default(param: &GenericParam) -> bool {
    match param {
        GenericParam::Type(param) => param.default.is_some(),
        GenericParam::Const(param) => param.default.is_some(),
        GenericParam::Lifetime(_) => true,
    }
}

/// The graph of a flow is a constant, with those of the flows that stand in it: none of their types can be left open.
pub(super) fn types_of_subflows_are_written(graph: &Graph, errors: &Diagnostics) {
    for subflow in &graph.subflows {
        let last = subflow.flow.segments.last().map(|segment| &segment.arguments);
        let Some(PathArguments::AngleBracketed(arguments)) = last else { continue };
        let open = arguments.args.iter().find(|argument| match argument {
            GenericArgument::Type(ty) => is_partly_inferred(ty),
            _ => false,
        });
        if let Some(open) = open {
            let message =
                "the types of a flow that stands in another are a part of its graph; write this one";
            errors.error(Code::Parameters, open.to_token_stream(), message);
        }
    }
}
