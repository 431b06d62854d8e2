//! What a flow is turned into: which items, and how much code.

use crate::compile::compile;
use proc_macro2::{TokenStream, TokenTree};
use std::fmt::Write;

/// A node of every kind that remembers, and every kind that does not.
const FLOW: &str = "pub flow Everything {
    param threshold: u64 = 3;
    input numbers: u64;
    input others: u64;

    both = merge(numbers, others);
    parsed = both -> try_map(|n| u32::try_from(n)) else refused;
    timed = parsed -> event_time(|n| Timestamp::from_secs(i64::from(*n)), lateness 1 s);
    spread = timed -> filter(|n| *n > 1) -> flat_map(|n| 0..n) -> filter_map(|n| n.checked_sub(1)) -> inspect(|_| ());
    timed -> route { small: |n| *n < 10 } else large;
    keyed = spread -> key_by(n: u32 = |n| *n);

    windows = keyed -> tumbling(1 hour) else late -> aggregate { count: u64 = count(), least: u32 = min(|n| *n) };
    visits = keyed -> session(5 min) -> aggregate { count: u64 = count() };
    totals = keyed -> aggregate { sum: u32 = sum(|n| *n) } keep 1 day;
    folds = keyed -> fold(Vec<u32> = Vec::new(), |all, n| all.push(*n)) keep forever;
    steps = keyed -> stateful(u32) {
        state { last: u32 = 0, seen: u64 = 0 } keep 7 days;
        |state, n, out| { state.seen += 1; out.emit(n - state.last); state.last = n; }
    };
    plain = steps -> map(|n| n + 1);

    output refused; output small: u32; output large: u32; output late; output windows; output visits; output totals;
    output folds; output plain: u32;
}";

fn expansion(flow: &str) -> TokenStream {
    let flow: TokenStream = flow.parse().expect("a flow is tokens");
    compile(quote::quote!([::psdf] #flow))
}

/// The structs among some items and what is in them, modules inside of modules.
fn outline(items: &[syn::Item], depth: usize, text: &mut String) {
    let indent = "    ".repeat(depth);
    for item in items {
        match item {
            syn::Item::Struct(item) => {
                let fields = item.fields.iter().filter_map(|field| field.ident.as_ref());
                let fields: Vec<String> = fields.map(ToString::to_string).collect();
                writeln!(text, "{indent}struct {} {{ {} }}", item.ident, fields.join(", "))
                    .expect("it is a String");
            }
            syn::Item::Mod(item) => {
                writeln!(text, "{indent}mod {}", item.ident).expect("it is a String");
                outline(item.content.as_ref().map_or(&[], |(_, items)| items), depth + 1, text);
            }
            _ => {}
        }
    }
}

fn outline_of(flow: &str) -> String {
    let file: syn::File = syn::parse2(expansion(flow)).expect("the compiler gives Rust");
    let mut text = String::new();
    outline(&file.items, 0, &mut text);
    text
}

#[test]
fn nodes_with_state_have_a_record_and_a_state_struct_and_no_others_have() {
    let expected = "\
struct Everything { threshold }
mod everything
    struct Windows { n, window, count, least }
    struct WindowsState { count, least }
    struct Visits { n, window, count }
    struct VisitsState { count }
    struct Totals { n, sum }
    struct TotalsState { sum }
    struct Folds { n, value }
    struct FoldsState { value }
    struct StepsState { last, seen }
    struct Handle { control, numbers, others, refused, small, large, late, windows, visits, totals, folds, plain }
    struct Unread { refused, small, large, late, windows, visits, totals, folds, plain }
    struct Builder {  }
    struct __Flow {  }
    struct Inputs { numbers, others, __host }
    struct Outputs { refused, small, large, late, windows, visits, totals, folds, plain, __host }
";
    assert_eq!(outline_of(FLOW), expected);
}

#[test]
fn a_flow_without_state_has_its_ports_and_nothing_else() {
    let flow = "flow Plain {
        input numbers: u64;
        a = numbers -> map(|n| n + 1);
        b = a -> filter(|n| *n > 1);
        b -> route { c: |n| *n > 9 } else d;
        output c: u64; output d: u64;
    }";
    let expected = "\
struct Plain {  }
mod plain
    struct Handle { control, numbers, c, d }
    struct Unread { c, d }
    struct Builder {  }
    struct __Flow {  }
    struct Inputs { numbers, __host }
    struct Outputs { c, d, __host }
";
    assert_eq!(outline_of(flow), expected);
}

fn size(tokens: TokenStream) -> usize {
    let of_tree = |tree| match tree {
        TokenTree::Group(group) => 1 + size(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(of_tree).sum()
}

/// A chain of so many nodes; every `every`th has state.
fn chain(nodes: usize, every: usize) -> String {
    let mut flow = "flow Chain { input n0: u64;".to_string();
    for i in 1..=nodes {
        let from = i - 1;
        let operators = match i % every {
            0 => {
                "key_by(k: u64 = |n| *n) -> aggregate { sum: u64 = sum(|n| *n) } keep 1 hour -> map(|r| r.sum)"
            }
            1 => "filter(|n| *n > 7)",
            _ => "map(|n| n + 1)",
        };
        // `keep 1 hour` asks for time.
        let time = if i == 1 { "event_time(|n| time(*n), lateness 1 s) -> " } else { "" };
        write!(flow, "n{i} = n{from} -> {time}{operators};").expect("it is a String");
    }
    write!(flow, "output n{nodes}: u64; }}").expect("it is a String");
    flow
}

/// The deepest nesting of groups.
fn depth(tokens: TokenStream) -> usize {
    let of_tree = |tree| match tree {
        TokenTree::Group(group) => 1 + depth(group.stream()),
        _ => 0,
    };
    tokens.into_iter().map(of_tree).max().unwrap_or(0)
}

/// What rustc makes of it is measured by `cargo bench --bench compile_time`; here is why that is in proportion.
#[test]
fn twice_the_nodes_are_twice_the_code_and_no_deeper() {
    for every in [5, usize::MAX] {
        let [of_80, of_160] = [80, 160].map(|nodes| expansion(&chain(nodes, every)));
        assert!(!of_160.to_string().contains("compile_error"), "the chain is a right flow");
        let (small, large) = (size(of_80.clone()), size(of_160.clone()));
        assert!(large <= 2 * small, "{small} tokens for 80 nodes, {large} for 160");
        assert_eq!(depth(of_80), depth(of_160), "statements, and not one inside the other");
    }
}

#[test]
fn what_state_was_before_is_part_of_the_graph() {
    let flow = "flow Renamed {
        input numbers: u64;
        by_n = numbers -> key_by(n: u64 = |n| *n);
        /// How many.
        #[formerly(totals, sums)]
        counts = by_n -> aggregate {
            /// So many.
            #[formerly(n)]
            count: u64 = count(),
        } keep forever;
        #[formerly(steps)]
        output means: f64 = by_n -> stateful(f64) {
            state { #[formerly(avg)] #[migrate(from = f32, |avg| f64::from(avg))] /** The mean. */ mean: f64 = 0.0 } keep forever;
            |state, n, out| out.emit(state.mean + n as f64)
        };
        output counts;
    }";
    let text = expansion(flow).to_string();
    assert!(!text.contains("compile_error"), "{text}");
    for expected in [
        r#"name : "counts" , formerly : & ["totals" , "sums"]"#,
        r#"name : "count" , ty : "u64" , formerly : & ["n"] , migrated : :: core :: option :: Option :: None"#,
        r#"name : "means" , formerly : & ["steps"]"#,
        r#"name : "mean" , ty : "f64" , formerly : & ["avg"] , migrated : :: core :: option :: Option :: Some"#,
        r#"from : "f32""#,
        r#"# [doc = " How many."]"#,
        r#"# [doc = " So many."] pub count"#,
        r#"# [doc = " The mean. "] pub mean"#,
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("# [formerly") && !text.contains("# [migrate"), "rustc knows no such attributes");
}
