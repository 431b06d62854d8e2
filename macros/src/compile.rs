//! The whole pipeline.

use crate::diagnostics::{Code, Diagnostics};
use crate::{check, emit, graph, lower, parse};
use proc_macro2::{Ident, Span, TokenStream};
use std::collections::HashMap;
use syn::Generics;

/// Compiles what stands between the braces of `dataflow! { .. }`, led by the path of the facade.
pub(crate) fn compile(input: TokenStream) -> TokenStream {
    let errors = Diagnostics::new();
    let (facade, flows) = parse::flows(input, &errors);
    let mut code = TokenStream::new();
    let mut modules: HashMap<String, Ident> = HashMap::new();
    let generics: HashMap<String, Generics> =
        flows.iter().map(|flow| (graph::text(&flow.name), flow.generics.clone())).collect();
    for flow in flows {
        let module = graph::module_name(&flow.name);
        if let Some(other) = modules.insert(module.to_string(), flow.name.clone()) {
            let message = format!(
                "`{}` and `{other}` would both generate the module `{module}`; rename one",
                flow.name
            );
            errors.error(Code::SameIdentity, &flow.name, message);
            continue;
        }
        let graph = graph::build(flow, &errors);
        check::check(&graph, &errors);
        check::subflows_have_their_types(&graph, &generics, &errors);
        // A flow with a mistake gets the types its users name, and no body: rustc then has nothing to add.
        let plan = if errors.is_empty() { Some(lower::lower(&graph)) } else { None };
        // One of its errors becomes the type of what its users cannot be blamed for.
        let known = errors.is_empty() || graph.complete && check::clashes(&graph).is_empty();
        let unknown = if known { None } else { errors.take_as_length() };
        code.extend(emit::flow(&graph, plan.as_ref(), &facade, unknown));
    }
    code.extend(errors.into_tokens());
    code
}

/// The span that our own names bear: they neither collide with the user's nor are seen by them.
pub(crate) fn own() -> Span {
    Span::mixed_site()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::words;
    use std::collections::HashSet;

    #[test]
    fn generated_code_finds_the_runtime_by_the_facade_alone() {
        let code = compile(quote::quote! { [::renamed]
            flow Numbers {
                param least: u64 = 1;
                input numbers: u64;
                timed = numbers -> event_time(Timestamp::from_secs, lateness 1 s) -> filter(|n| *n >= least);
                counts = timed -> key_by(n: u64 = |n| *n) -> tumbling(1 min) else late -> aggregate { n2: u64 = count() };
                output counts;
                output late;
            }
        });
        let mut found = HashSet::new();
        words(code, &mut found);
        assert!(found.contains("renamed") && !found.contains("compile_error"));
        assert!(found.iter().all(|word| !word.starts_with("psdf")), "an installed name is taken for granted");
    }
}
