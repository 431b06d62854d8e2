//! Errors: each with a code, at the token to change.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use std::cell::{Cell, RefCell};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal,)*) => {
        /// What can be wrong with a flow. `docs/errors.md` has a page for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $doc])* $name,)*
        }

        impl Code {
            fn text(self) -> &'static str {
                match self {
                    $(Code::$name => $code,)*
                }
            }

            #[cfg(test)]
            pub(crate) const ALL: &[&str] = &[$($code),*];
        }
    };
}

codes! {
    /// Not of the language.
    Syntax = "P001",
    /// No such operator or aggregate function.
    UnknownOperator = "P002",
    /// No such node.
    UnknownName = "P003",
    /// One name for two things.
    DefinedTwice = "P004",
    /// A node reads itself.
    Cycle = "P005",
    /// A node that feeds nothing.
    FeedsNothing = "P006",
    /// An input that nobody reads.
    UnusedInput = "P007",
    /// Arguments that do not fit the operator.
    Arguments = "P008",
    /// A bare number where a duration or a size belongs.
    Unit = "P009",
    /// A stateful operator without a key before it.
    NoKey = "P010",
    /// An operator of event time without `event_time` before it.
    NoEventTime = "P011",
    /// State that nothing bounds.
    Unbounded = "P012",
    /// `keep` or `memory` where there is no state, or `keep` where a window bounds it.
    IdleKeep = "P013",
    /// A stateless closure that assigns to what it captured.
    CapturedState = "P014",
    /// A state field without a first value.
    NoDefault = "P015",
    /// `else` where nothing is diverted.
    IdleElse = "P016",
    /// Failures or leftovers without a place to go.
    NoElse = "P017",
    /// An output that is not a stream.
    NotAStream = "P018",
    /// A window without an aggregate, or the reverse.
    Window = "P019",
    /// Two stateful operators under one name.
    TwoStates = "P020",
    /// A fold whose states cannot be merged, in a session.
    NoMerge = "P021",
    /// Two things that would be generated under one name.
    SameIdentity = "P022",
    /// A former name, or a former type, that finds no state.
    Former = "P023",
    /// A join of streams whose keys differ.
    JoinKeys = "P030",
    /// Order where none can be promised.
    NoOrder = "P040",
    /// Parameters that a flow cannot have, or does nothing with.
    Parameters = "P050",
    /// An index that no table has.
    MissingIndex = "P060",
    /// State that could not be computed again: its key leads back to no index of a table.
    NotReplayable = "P061",
    /// What is kept whole, or leaves the tables, of what is only partly in memory.
    BelowPartial = "P062",
    /// One state looked up by two keys.
    TwoKeys = "P063",
    /// A key that comes from the wrong side of a join, or from both.
    JoinSide = "P064",
    /// A source of a `merge` that cannot be replayed by its key.
    MergeArm = "P065",
    /// An aggregate over all rows that cannot be kept whole.
    NoGroup = "P066",
    /// A join of tables whose keys differ.
    TableJoinKeys = "P067",
    /// Tables where streams belong, or the reverse.
    TablesAndStreams = "P068",
    /// A view whose value only rustc knows.
    ValueType = "P069",
    /// A table without a key, or with two.
    TableKey = "P070",
}

/// Gathers errors. Whoever makes one must hand it in: dropping it with errors inside is a bug.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    errors: RefCell<Vec<TokenStream>>,
    found: Cell<usize>,
    handed_in: Cell<bool>,
}

impl Diagnostics {
    pub(crate) fn new() -> Self {
        Diagnostics { errors: RefCell::default(), found: Cell::new(0), handed_in: Cell::new(false) }
    }

    /// Reports a mistake at a token (or the tokens from the first to the last of `at`).
    pub(crate) fn error(&self, code: Code, at: impl ToTokens, message: impl AsRef<str>) {
        let tokens = at.to_token_stream();
        let mut trees = tokens.into_iter();
        let first = trees.next().map_or_else(Span::call_site, |tree| tree.span());
        let last = trees.last().map_or(first, |tree| tree.span());
        self.error_between(code, first, last, message.as_ref());
    }

    /// Reports a mistake at a span.
    pub(crate) fn error_at(&self, code: Code, span: Span, message: impl AsRef<str>) {
        self.error_between(code, span, span, message.as_ref());
    }

    /// Reports what syn says.
    pub(crate) fn syntax(&self, error: syn::Error) {
        for error in error {
            self.error_at(Code::Syntax, error.span(), error.to_string());
        }
    }

    fn error_between(&self, code: Code, first: Span, last: Span, message: &str) {
        let message = format!("{message} [{}]", code.text());
        // The macro's name bears the first span and its argument the last: rustc underlines from one to the other.
        let name = quote_spanned!(first=> ::core::compile_error!);
        let argument = quote_spanned!(last=> { #message });
        self.errors.borrow_mut().push(quote::quote!(#name #argument));
        self.found.set(self.found.get() + 1);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found() == 0
    }

    /// How many errors there have been.
    pub(crate) fn found(&self) -> usize {
        self.found.get()
    }

    /// The first error, to stand for the length of an array and not among the items: rustc reports it there, and then
    /// says nothing of whatever is done with such an array. (In place of a type it would pass for `()`.)
    pub(crate) fn take_as_length(&self) -> Option<TokenStream> {
        let mut errors = self.errors.borrow_mut();
        (!errors.is_empty()).then(|| errors.remove(0))
    }

    /// The errors as items.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.handed_in.set(true);
        self.errors.take().into_iter().collect()
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        if !self.handed_in.get() && !std::thread::panicking() {
            assert!(self.is_empty(), "errors were found and not reported");
        }
    }
}

/// The name among `known` that was most likely meant, if one is near enough.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    let near = known.into_iter().map(|candidate| (distance(name, candidate), candidate));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// " Did you mean `x`?", or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("fliter", ["map", "filter"]), Some("filter"));
        assert_eq!(nearest("veiws", ["views", "visits"]), Some("views"));
        assert_eq!(nearest("banana", ["map", "filter"]), None);
    }

    #[test]
    fn every_code_has_a_page() {
        let pages = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md"));
        let pages = pages.expect("docs/errors.md is part of the repository");
        for code in Code::ALL {
            assert!(pages.contains(&format!("## {code}")), "docs/errors.md lacks {code}");
        }
    }
}
