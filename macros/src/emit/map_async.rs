//! The head of a stage that calls something outside of the flow: how it calls, what it keeps, what it is answered.

use super::body::{Cursor, Writer, ident, node_number};
use super::place::Place;
use crate::ast::{Args, Diversion, MapAsync};
use crate::graph::{Id, text};
use crate::lower::Branch;
use crate::parse::words;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::HashSet;
use syn::Expr;

impl<'a> Writer<'a> {
    /// The call that places the stage of a `map_async`.
    pub(super) fn map_async(&mut self, place: usize, meta: &TokenStream, input: &TokenStream) -> TokenStream {
        let rt = &self.context.rt;
        let id = self.stage.node;
        let node = self.context.graph.node(id);
        let Args::MapAsync(call) = &node.ops()[place].args else { return TokenStream::new() };
        let (host, number) = (ident("host"), node_number(id));
        let lateness = self.lateness();
        let options = self.async_options(call);
        let (record, at, kept) = (ident("record"), ident("at"), ident("kept"));
        let split = if self.stage.timed {
            quote!(|#rt::record::Timed { at: #at, record: #record }| (#record, #at))
        } else {
            quote!(|#record| (#record, ()))
        };
        let diverted = node.ops()[place].diverted.as_ref();
        let named = diverted.filter(|diverted| matches!(diverted.to, Diversion::Node { .. }));
        let retried = |value: &TokenStream| {
            call.retry().map(|(retry, _)| {
                Place::of(retry).call(None, (rt, &quote!(asked::TriedAgain<_>)), "copy", value)
            })
        };
        let given_back = named.map(|named| {
            Place::at(named.span).call(None, (rt, &quote!(asked::GivenBack<_>)), "copy", &quote!(#record))
        });
        let keep = match given_back.or_else(|| retried(&quote!(#record))) {
            Some(copy) => quote!(|#record| #copy),
            None => quote!(|_| ()),
        };
        let again = match retried(&quote!(#kept)) {
            Some(copy) => quote!(|#kept| ::core::option::Option::Some(#copy)),
            None => quote!(|_| ::core::option::Option::None),
        };
        let started = self.call(&number, call);
        let answer = ident("answer");
        let cursor = self.cursor(answer.clone(), self.stage.timed.then(|| at.clone()));
        let each = self.suffix(&quote!(#answer, #at), cursor, super::wire::Suffix::Body);
        let probe = ident("probe");
        let form = quote!(|#probe| {
            use #rt::stages::{KeptAsData as _, WaitedFor as _};
            (&#probe).form()
        });
        self.placed(
            "map_async",
            &quote!(
                #host, #meta, #input, &[#(#lateness),*], #number, #options, #split, #keep, #again, #started, #each,
                #form
            ),
        )
    }

    fn async_options(&self, call: &MapAsync) -> TokenStream {
        let rt = &self.context.rt;
        let bound = |value: &Expr| {
            let value = quote!(#value);
            let bound = self.bindings(&value);
            if bound.is_empty() { value } else { quote!({ #bound #value }) }
        };
        let concurrency = call.concurrency().map_or(quote!(16), |(_, value)| bound(value));
        let ordered = !call.is_unordered();
        let timeout = match call.timeout() {
            Some(timeout) => {
                let timeout = self.bound_duration(timeout);
                quote!(::core::option::Option::Some(#timeout))
            }
            None => quote!(::core::option::Option::None),
        };
        let retry = call.retry().map_or(quote!(0), |(_, value)| bound(value));
        quote!(#rt::stages::AsyncCalls::new(#concurrency, #ordered, #timeout, #retry))
    }

    /// `|record| ..`: the future that the user's closure makes of it.
    fn call(&mut self, number: &TokenStream, call: &MapAsync) -> TokenStream {
        let rt = &self.context.rt;
        let (record, flow) = (ident("record"), ident("flow"));
        let result = Place::of_result(&call.f);
        let f = match &call.f {
            Expr::Closure(closure) => quote!(#closure),
            other => self.closure(other, 1),
        };
        let called = quote!(#rt::asked::call(#number, #record, #f));
        let later = result.call(None, (rt, &quote!(asked::Later)), "later", &called);
        let moved = result.call(None, (rt, &quote!(asked::Moved)), "moved", &later);
        let body = result.call(None, (rt, &quote!(asked::Answer<_>)), "given", &moved);
        let mut mentioned = HashSet::new();
        words(quote!(#f), &mut mentioned);
        let params = self.context.graph.params.iter().filter(|param| mentioned.contains(&text(&param.name)));
        let bound: Vec<TokenStream> = params
            .map(|param| {
                let name = &param.name;
                quote!(let #name = (&#rt::asked::FutureParam { flow: #flow, param: |#flow| &#flow.#name }).get();)
            })
            .collect();
        if bound.is_empty() {
            return quote!(move |#record| #body);
        }
        let own = self.own_flow();
        quote!(move |#record| {
            use #rt::asked::{HeldByFlow as _, HeldByValue as _};
            let #flow = &#own;
            #(#bound)*
            #body
        })
    }

    /// The answer of a call: the record that goes on, or what becomes of the failure.
    pub(super) fn answered(
        &mut self,
        (node, place): (Id, usize),
        branches: &'a [Branch],
        cursor: &mut Cursor,
        label: &syn::Lifetime,
    ) -> TokenStream {
        let (rt, number) = (&self.context.rt, node_number(node));
        let op = &self.context.graph.node(node).ops()[place];
        let (failure, local) = (self.fresh("failure"), ident("local"));
        let diverted = match (branches.first(), &op.diverted) {
            (Some(Branch::Fail), Some(diverted)) => {
                let error = ident("error");
                let own = Place::at(diverted.span);
                let own = own.call(None, (rt, &quote!(ops::Failure)), "error", &quote!(#error));
                quote!(#local.fail(#number, #failure.fatal(|#error| #own));)
            }
            (branch, _) => self.diverted(&number, branch, &failure, Place::of(&op.name), cursor),
        };
        let answer = cursor.record.clone();
        let next = self.next(cursor);
        quote! {
            let #next = match #answer {
                ::core::result::Result::Ok(#next) => #next,
                ::core::result::Result::Err(#failure) => { #diverted break #label; }
            };
        }
    }
}
