//! Where in the user's text rustc blames what generated code asks of it.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Expr;

/// Some of the user's tokens, from the first to the last.
///
/// Tokens that bear these spans pass for the user's own: rustc underlines just these, and adds nothing about macros.
/// Only what is found by a path can bear them. Variables of ours cannot, but parentheses around one can.
#[derive(Clone, Copy)]
pub(super) struct Place {
    first: Span,
    last: Span,
    one_token: bool,
}

impl Place {
    pub(super) fn of(tokens: &impl ToTokens) -> Place {
        let mut trees = tokens.to_token_stream().into_iter();
        let first = trees.next().map_or_else(Span::call_site, |tree| tree.span());
        let last = trees.last().map(|tree| tree.span());
        Place { first, last: last.unwrap_or(first), one_token: last.is_none() }
    }

    /// One token.
    pub(super) fn at(span: Span) -> Place {
        Place { first: span, last: span, one_token: true }
    }

    /// What a closure returns, or the path in place of a closure.
    pub(super) fn of_result(f: &Expr) -> Place {
        match f {
            Expr::Closure(closure) => Place::of(&closure.body),
            other => Place::of(other),
        }
    }

    /// Tokens of ours as if they stood here.
    pub(super) fn put(self, tokens: TokenStream) -> TokenStream {
        let mut span = self.first;
        tokens
            .into_iter()
            .map(|tree| {
                let here = std::mem::replace(&mut span, self.last);
                match tree {
                    TokenTree::Group(group) => {
                        let mut moved = Group::new(group.delimiter(), self.put(group.stream()));
                        moved.set_span(here);
                        TokenTree::Group(moved)
                    }
                    mut tree => {
                        tree.set_span(here);
                        tree
                    }
                }
            })
            .collect()
    }

    /// A function called here.
    ///
    /// Each argument is given through a call that does nothing, so that it too has tokens which stand here.
    pub(super) fn called<const N: usize>(
        self,
        function: &TokenStream,
        arguments: [TokenStream; N],
        rt: &TokenStream,
    ) -> TokenStream {
        let arguments = arguments.map(|argument| {
            let (same, argument) = (self.put(quote!(#rt::ops::same)), self.parenthesized(&argument));
            quote!(#same #argument)
        });
        let arguments = self.parenthesized(&quote!(#(#arguments),*));
        quote!(#function #arguments)
    }

    /// Tokens of ours in parentheses that stand here.
    pub(super) fn parenthesized(self, tokens: &TokenStream) -> TokenStream {
        let mut group = Group::new(Delimiter::Parenthesis, tokens.clone());
        group.set_span(self.last);
        TokenTree::Group(group).into()
    }

    /// `<Self as path>::function`, where the path is one of the runtime's. Without a type, `Self` is inferred.
    pub(super) fn function(
        self,
        ty: Option<&TokenStream>,
        (rt, path): (&TokenStream, &TokenStream),
        function: &str,
    ) -> TokenStream {
        let function = super::body::ident(function);
        let open = self.put(quote!(<));
        let close = self.after(quote!(as #rt::#path>::#function));
        let ty = match ty {
            Some(ty) => ty.clone(),
            None if self.one_token => self.put(quote!(_)),
            // rustc blames `Self` too, and this one is as wide as the place.
            None => self.put(quote!(#rt::ops::Same<_>)),
        };
        quote!(#open #ty #close)
    }

    /// As [`Place::put`], for what does not begin here.
    fn after(self, tokens: TokenStream) -> TokenStream {
        Place { first: self.last, ..self }.put(tokens)
    }

    /// A call of such a function.
    pub(super) fn call(
        self,
        ty: Option<&TokenStream>,
        (rt, path): (&TokenStream, &TokenStream),
        function: &str,
        argument: &TokenStream,
    ) -> TokenStream {
        self.called(&self.function(ty, (rt, path), function), [argument.clone()], rt)
    }
}
