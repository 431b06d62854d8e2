//! What stands in the parentheses of joins.

use super::args::Read;
use super::chain::{keep_clause, memory_argument};
use super::duration::{duration, peek_word, take_argument};
use super::function;
use crate::ast::{Args, Join, JoinBound};
use crate::diagnostics::Diagnostics;
use proc_macro2::Ident;
use syn::Token;
use syn::parse::ParseStream;

/// `other`, and perhaps `within d`, `until f` or `keep ..`.
pub(super) fn join(args: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Read> {
    let other = other(args)?;
    let (mut bound, mut keep, mut memory) = (None, None, None);
    let ahead = args.fork();
    if take_argument(args, "within")? {
        bound = Some(JoinBound::Within(duration(args, errors)?));
    } else if take_argument(args, "until")? {
        bound = Some(JoinBound::Until(function(args)?));
    } else if ahead.parse::<Token![,]>().is_ok() && peek_word(&ahead, "keep") {
        args.parse::<Token![,]>()?;
        keep = Some(keep_clause(args, errors)?);
        memory = memory_argument(args, errors)?;
    }
    Ok(Read { args: Args::Join(Box::new(Join { other, bound })), keep, memory })
}

pub(super) fn lookup(args: ParseStream<'_>) -> syn::Result<Args> {
    Ok(Args::Join(Box::new(Join { other: other(args)?, bound: None })))
}

fn other(args: ParseStream<'_>) -> syn::Result<Ident> {
    let missing = "with which stream? Write the name of a node first";
    let name: Ident = args.parse().map_err(|_| syn::Error::new(args.span(), missing))?;
    if args.is_empty() || args.peek(Token![,]) {
        Ok(name)
    } else {
        Err(syn::Error::new(name.span(), missing))
    }
}
