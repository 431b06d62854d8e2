//! The compiler against nonsense: whatever it is fed, it gives code that parses, or errors at tokens that it was fed.
//!
//! Random tokens find what the parser does not expect; valid flows with a few tokens deleted, doubled, swapped or
//! replaced get past it, and find what the checks and the emitter do not expect.

use crate::compile::compile;
use proc_macro2::{
    Delimiter, Group, Ident, LineColumn, Literal, Punct, Spacing, Span, TokenStream, TokenTree,
};
use proptest::prelude::*;
use proptest::sample::Index;
use std::str::FromStr;
use syn::visit::Visit;

/// Flows in which every item, operator, clause and aggregate function occurs.
const FLOWS: &[&str] = &[
    "pub flow Forum {
        param least: u32 = 0;
        /// What was written.
        table articles: Article { key id; index by_author: author; }
        table votes: Vote { key (article, user); index by_article: article; index by_both: (user, article); }
        input drafts: Article;
        drafts -> filter(|draft| draft.id > 0) -> into articles;
        counted = votes -> filter(|vote| vote.weight >= least);
        vote_count = counted -> group_by(by_article) -> aggregate {
            votes: u64 = count(), light: Option<u32> = min(|v| v.weight, where |v| v.weight < 5), rows: Vec<Vote> = collect(),
            xor: u64 = Xor(|v| v.user), best: Vec<Vote> = top(2, by |v| v.weight),
        } keep forever, memory 8 MiB;
        view page: Page = articles -> left_join(vote_count) -> map_values(|(a, v)| page(a, v.as_ref()))
            keep forever, memory 64 MiB, max_rows 10_000;
        users = merge(counted, votes) -> rekey(votes.key) -> distinct keep forever;
        more = users -> merge(votes);
        view by_user = more -> join(votes) keep forever;
        view total = votes -> aggregate { n: u64 = count() } keep forever;
    }",
    "/// Live traffic analytics for one web site.
    pub flow WebTraffic {
        /// How far above its own past.
        param threshold: f64 = 3.0;
        input lines: String;
        requests = lines -> try_map(Request::parse) else malformed;
        views = requests -> event_time(|r| r.at, lateness 1 min) -> filter(Request::is_page_view);
        /// Views of each page in each hour.
        hourly = views
            -> key_by(path: String = |v| v.path.clone())
            -> tumbling(1 hour)
            -> aggregate { views: u64 = count(), bytes: u64 = sum(|v| v.bytes) };
        visits = views
            -> key_by(visitor: Visitor = Request::visitor)
            -> session(30 min)
            -> aggregate { pages: u64 = count(), entry: String = first(|v| v.path.clone()) };
        spikes = hourly
            -> key_by(path: String = |h| h.path.clone())
            -> stateful(Spike) {
                state { mean: f64 = 0.0, hours: u32 = 0 }
                keep 7 days;
                |state, hour, out| {
                    if state.hours >= 24 && hour.views as f64 > threshold * state.mean {
                        out.emit(Spike::new(&hour, state.mean));
                    }
                    state.hours += 1;
                }
            };
        output malformed;
        output hourly;
        output visits;
        output spikes;
    }",
    "flow Everything {
        param delay: Duration = Duration::from_secs(5);
        param wanted: Vec<String>;
        input a: (u64, Timestamp);
        input b: (u64, Timestamp);
        all: (u64, Timestamp) = merge(a, b) -> inspect(|x| log(x)) -> event_time(|x| x.1, lateness delay);
        all -> route { small: |x| x.0 < 10, large: |x| x.0 > 100 } else rest;
        sums = small
            -> key_by(x: u64 = |x| x.0, y: bool = |x| wanted.is_empty())
            -> hopping(1 hour, every 5 min, allow 30 s) else late: Late<(u64, Timestamp)>
            -> aggregate {
                least: u64 = min(|x| x.0), most: u64 = max(|x| x.0), mean: f64 = mean(|x| x.0),
                last: u64 = last(|x| x.0), kinds: u64 = distinct(|x| x.0), each: Vec<u64> = collect(|x| x.0),
                best: Vec<(u64, Timestamp)> = top(3, by |x| x.0), odd: bool = fold(false, |odd, _| *odd = !*odd),
                low: Option<u64> = min(|x| x.0, where |x| x.0 > 3), some: u64 = count(where is_some),
                about: u64 = approx_distinct(|x| x.0), p9: Option<f64> = quantile(0.9, |x| x.0, where |x| x.0 > 3),
                own: u64 = Own(|x| x.0), theirs: Option<u64> = their::Own::<u64>(where |x| x.0 > 3),
            };
        folded = large -> key_by(all: () = |_| ()) -> session(5 min) -> fold(u64 = 0, |n, x| *n += x.0, merge |n, m| *n += m);
        counts = rest -> key_by(x: u64 = |x| x.0) -> aggregate { n: u64 = count() } keep 7 days;
        alarms = counts -> key_by(x: u64 = |c| c.x) -> stateful(u64) {
            state { n: u64 = 0 }
            keep forever;
            |state, count, out| { state.n = count.n; out.set_timer(out.time()); }
            on timer |state, at, out| out.emit(state.n)
        };
        words = late -> flat_map(|l| [l.record.0; 2]) -> filter_map(|x| x.checked_sub(1)) -> map(|x| x + 1);
        numbers = words -> try_map(|x| u8::try_from(x)) else skip;
        output sums;
        output folded;
        output alarms;
        output numbers;
        output twice: u8 = numbers -> try_map(check) else fail;
    }",
    "pub(crate) flow First { input x: u64; output y = x; } flow Second { input x: u64; output y = x -> map(|x| x); }",
];

/// Words and signs that mean something to the compiler somewhere.
const WORDS: &[&str] = &[
    "flow",
    "pub",
    "param",
    "input",
    "output",
    "merge",
    "else",
    "skip",
    "fail",
    "keep",
    "forever",
    "allow",
    "every",
    "lateness",
    "state",
    "on",
    "timer",
    "by",
    "map",
    "filter",
    "flat_map",
    "try_map",
    "event_time",
    "key_by",
    "route",
    "tumbling",
    "hopping",
    "session",
    "aggregate",
    "fold",
    "stateful",
    "count",
    "sum",
    "top",
    "collect",
    "min",
    "hour",
    "days",
    "s",
    "String",
    "u64",
    "Vec",
    "self",
    "Self",
    "super",
    "crate",
    "r#type",
    "_",
    "__",
    "_1",
    "a",
    "b",
    "x",
    "control",
    "window",
    "value",
    "host",
    "async",
    "fn",
    "mut",
    "true",
    "Handle",
    "HandleState",
    "dyn",
    "for",
    "where",
];
const SIGNS: &str = ";:,=-><|.&*+!?#$@'/%^~";
const LITERALS: &[&str] = &[
    "0",
    "1",
    "30",
    "30s",
    "7days",
    "1u8",
    "1e3",
    "0.5",
    "99999999999999999999",
    "\"text\"",
    "'c'",
    "b\"x\"",
];

/// What can stand in a token stream.
fn tree() -> impl Strategy<Value = TokenTree> {
    let leaf = prop_oneof![
        6 => any::<Index>().prop_map(|index| word(WORDS[index.index(WORDS.len())])),
        4 => any::<(Index, bool)>().prop_map(|(index, joint)| {
            let sign = SIGNS.chars().nth(index.index(SIGNS.len())).unwrap_or(';');
            // An apostrophe is the beginning of a lifetime, which a lone one is not.
            let spacing = if joint && sign != '\'' { Spacing::Joint } else { Spacing::Alone };
            if sign == '\'' { word("a") } else { Punct::new(sign, spacing).into() }
        }),
        2 => any::<Index>().prop_map(|index| {
            Literal::from_str(LITERALS[index.index(LITERALS.len())]).expect("a literal").into()
        }),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        (
            prop_oneof![Just(Delimiter::Parenthesis), Just(Delimiter::Brace), Just(Delimiter::Bracket)],
            prop::collection::vec(inner, 0..8),
        )
            .prop_map(|(delimiter, trees)| Group::new(delimiter, trees.into_iter().collect()).into())
    })
}

fn word(text: &str) -> TokenTree {
    match text {
        "_" => Ident::new("_", Span::call_site()).into(),
        text => text.parse::<TokenStream>().expect("a word").into_iter().next().expect("one word"),
    }
}

/// A change of a token stream at some place.
#[derive(Clone, Debug)]
enum Change {
    Delete,
    Double,
    Swap,
    Replace(TokenTree),
    Insert(TokenTree),
    /// Wherever the same word stands.
    Rename(TokenTree),
    Empty,
    Cut,
}

fn change() -> impl Strategy<Value = (Index, Change)> {
    let change = prop_oneof![
        4 => Just(Change::Delete),
        3 => Just(Change::Double),
        4 => Just(Change::Swap),
        3 => tree().prop_map(Change::Replace),
        3 => tree().prop_map(Change::Insert),
        3 => any::<Index>().prop_map(|index| Change::Rename(word(WORDS[index.index(WORDS.len())]))),
        1 => Just(Change::Empty),
        1 => Just(Change::Cut),
    ];
    (any::<Index>(), change)
}

fn size(tokens: &TokenStream) -> usize {
    let of_tree = |tree: TokenTree| match tree {
        TokenTree::Group(group) => 1 + size(&group.stream()),
        _ => 1,
    };
    tokens.clone().into_iter().map(of_tree).sum()
}

/// What stands at a place, counted through all groups.
fn at(tokens: &TokenStream, place: &mut usize) -> Option<TokenTree> {
    for tree in tokens.clone() {
        if *place == 0 {
            return Some(tree);
        }
        *place -= 1;
        if let TokenTree::Group(group) = &tree
            && let Some(found) = at(&group.stream(), place)
        {
            return Some(found);
        }
    }
    None
}

fn renamed(tokens: TokenStream, from: &str, to: &TokenTree) -> TokenStream {
    let rename = |tree: TokenTree| match tree {
        TokenTree::Group(group) => Group::new(group.delimiter(), renamed(group.stream(), from, to)).into(),
        TokenTree::Ident(name) if name == from => to.clone(),
        tree => tree,
    };
    tokens.into_iter().map(rename).collect()
}

/// Changes what stands at a place.
fn changed(tokens: TokenStream, place: &mut usize, change: &Change) -> TokenStream {
    let mut trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut here = 0;
    while here < trees.len() {
        if *place == 0 {
            *place = usize::MAX;
            match change {
                Change::Delete => drop(trees.remove(here)),
                Change::Double => trees.insert(here, trees[here].clone()),
                Change::Swap if here > 0 => trees.swap(here, here - 1),
                Change::Swap => {}
                Change::Replace(tree) => trees[here] = tree.clone(),
                Change::Insert(tree) => trees.insert(here, tree.clone()),
                Change::Rename(_) => {}
                Change::Empty => trees = Vec::new(),
                Change::Cut => trees.truncate(here),
            }
            break;
        }
        *place = place.saturating_sub(1);
        if let TokenTree::Group(group) = &trees[here] {
            let inner = size(&group.stream());
            if *place < inner {
                let delimiter = group.delimiter();
                trees[here] = Group::new(delimiter, changed(group.stream(), place, change)).into();
                break;
            }
            *place -= inner;
        }
        here += 1;
    }
    trees.into_iter().collect()
}

/// The same tokens, as if read from a file: with places. None is on the first line, where `Span::call_site` is.
fn read_anew(tokens: &TokenStream) -> Option<TokenStream> {
    format!("\n{tokens}").parse().ok()
}

/// The errors in what the compiler gave: the places and the texts of all `compile_error!`.
#[derive(Default)]
struct Errors(Vec<(LineColumn, LineColumn, String)>);

impl<'ast> Visit<'ast> for Errors {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == "compile_error") {
            let first = call.path.segments[0].ident.span();
            let last = call.delimiter.span().join();
            self.0.push((first.start(), last.end(), call.tokens.to_string()));
        }
    }
}

/// The promise. Answers the errors.
fn holds_for(tokens: TokenStream) -> Result<Vec<String>, TestCaseError> {
    let Some(input) = read_anew(&tokens) else { return Ok(Vec::new()) };
    let text = input.to_string();
    let spans: Vec<Span> = input.clone().into_iter().map(|tree| tree.span()).collect();
    let output = std::panic::catch_unwind(|| compile(quote::quote!([::psdf] #input)));
    let Ok(output) = output else { return Err(TestCaseError::fail(format!("panics: {text}"))) };
    let file: syn::File = match syn::parse2(output.clone()) {
        Ok(file) => file,
        Err(error) => return Err(TestCaseError::fail(format!("gives no Rust ({error}): {text}"))),
    };
    let mut errors = Errors::default();
    errors.visit_file(&file);
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(errors.texts()) };
    for (start, end, message) in &errors.0 {
        let inside = *start >= first.start() && *end <= last.end() && start.line > 0;
        prop_assert!(inside, "error outside of the input, {start:?} to {end:?}: {message}\n{text}");
        prop_assert!(message.contains("[P0"), "no code: {message}\n{text}");
    }
    Ok(errors.texts())
}

impl Errors {
    fn texts(self) -> Vec<String> {
        self.0.into_iter().map(|(_, _, text)| text).collect()
    }
}

#[test]
fn the_flows_to_be_changed_are_right() {
    for flow in FLOWS {
        let errors = holds_for(flow.parse().expect("tokens")).expect("a promise that holds");
        assert_eq!(errors, [""; 0]);
    }
}

/// As many as a debug build can do in some seconds; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn random_tokens_are_refused_in_order(trees in prop::collection::vec(tree(), 0..40)) {
        holds_for(trees.into_iter().collect())?;
    }

    #[test]
    fn random_items_are_refused_in_order(trees in prop::collection::vec(tree(), 0..40)) {
        let body: TokenStream = trees.into_iter().collect();
        holds_for(quote::quote!(flow Name { #body }))?;
    }

    #[test]
    fn changed_flows_are_compiled_or_refused_in_order(
        flow in 0..FLOWS.len(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let mut tokens: TokenStream = FLOWS[flow].parse().expect("tokens");
        for (place, change) in changes {
            let mut place = place.index(size(&tokens).max(1));
            tokens = match (&change, at(&tokens, &mut place.clone())) {
                (Change::Rename(to), Some(TokenTree::Ident(from))) => renamed(tokens, &from.to_string(), to),
                _ => changed(tokens, &mut place, &change),
            };
        }
        holds_for(tokens)?;
    }
}
