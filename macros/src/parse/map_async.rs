//! `(f, concurrency n, ordered | unordered, timeout d, retry n)`: the options in any order.

use super::duration::duration;
use super::function;
use crate::ast::{Args, AsyncOption, AsyncValue, MapAsync};
use crate::diagnostics::{Diagnostics, did_you_mean};
use proc_macro2::Ident;
use syn::Token;
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;

const OPTIONS: &[&str] = &["concurrency", "ordered", "unordered", "timeout", "retry"];

pub(super) fn map_async(args: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Args> {
    let f = function(args)?;
    let mut options = Vec::new();
    loop {
        let ahead = args.fork();
        if ahead.parse::<Token![,]>().is_err() || ahead.is_empty() {
            return Ok(Args::MapAsync(Box::new(MapAsync { f, options })));
        }
        options.push(option(&ahead, errors)?);
        args.advance_to(&ahead);
    }
}

fn option(args: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<AsyncOption> {
    let name: Ident = args.parse()?;
    let value = match name.to_string().as_str() {
        "concurrency" => AsyncValue::Concurrency(args.parse()?),
        "ordered" => AsyncValue::Ordered,
        "unordered" => AsyncValue::Unordered,
        "timeout" => AsyncValue::Timeout(duration(args, errors)?),
        "retry" => AsyncValue::Retry(args.parse()?),
        other => {
            let near = did_you_mean(other, OPTIONS.iter().copied());
            let all = if near.is_empty() { format!("; there are {}", OPTIONS.join(", ")) } else { near };
            return Err(syn::Error::new(name.span(), format!("`map_async` has no option `{other}`{all}")));
        }
    };
    Ok(AsyncOption { name, value })
}
