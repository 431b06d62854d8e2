//! Tables, views and the nodes between them: a language of its own beside that of streams, and one region of a flow.
//!
//! The phases are those of streams: [`parse`] to [`ast`], [`build`] to [`region`], [`trace`] for what can be proved of it, [`check`];
//! [`crate::emit`] spells it.

pub(crate) mod ast;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod operators;
pub(crate) mod parse;
pub(crate) mod region;
pub(crate) mod row;
pub(crate) mod trace;
