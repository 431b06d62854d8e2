//! The parameters of a generic flow, as what is generated for it declares and names them.
//!
//! Each item has those that its fields are made of: so none needs a field that only mentions the others.

use super::Context;
use crate::graph::{Names, parameter_ident, parameter_name};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::GenericParam;

/// Some of the parameters of a flow, with what is known of them.
pub(super) struct Parameters {
    /// `T: Bound, const N: usize`
    declared: Vec<TokenStream>,
    /// `T, const N: usize`
    bare: Vec<TokenStream>,
    /// `T`, `N`
    names: Vec<Ident>,
    /// `where`, without the word.
    predicates: Vec<TokenStream>,
}

impl Parameters {
    /// The same, with nothing known of them.
    pub(super) fn unbounded(self) -> Parameters {
        Parameters { declared: self.bare.clone(), predicates: Vec::new(), ..self }
    }

    /// `<T: Bound>`, or nothing.
    pub(super) fn declared(&self) -> TokenStream {
        in_brackets(&self.declared)
    }

    /// `<T: Bound = Default>`, or nothing.
    pub(super) fn declared_with(&self, defaults: Vec<Option<TokenStream>>) -> TokenStream {
        let with_default = self.declared.iter().zip(defaults).map(|(param, default)| quote!(#param #default));
        in_brackets(&with_default.collect::<Vec<_>>())
    }

    /// `<__Host: Host, T: Bound>`
    pub(super) fn declared_after(&self, first: &TokenStream) -> TokenStream {
        let declared = &self.declared;
        quote!(<#first #(, #declared)*>)
    }

    /// `<T>`, or nothing.
    pub(super) fn named(&self) -> TokenStream {
        in_brackets(&self.names)
    }

    /// `<__Host, T>`
    pub(super) fn named_after(&self, first: &TokenStream) -> TokenStream {
        let names = &self.names;
        quote!(<#first #(, #names)*>)
    }

    /// `::<T>`, or nothing.
    pub(super) fn turbofish(&self) -> TokenStream {
        if self.names.is_empty() {
            return TokenStream::new();
        }
        let named = self.named();
        quote!(::#named)
    }

    /// `where T: Bound,`, or nothing.
    pub(super) fn conditions(&self) -> TokenStream {
        self.conditions_and(&TokenStream::new())
    }

    /// The same, with conditions of ours.
    pub(super) fn conditions_and(&self, ours: &TokenStream) -> TokenStream {
        let predicates = &self.predicates;
        if predicates.is_empty() && ours.is_empty() {
            return TokenStream::new();
        }
        quote!(where #(#predicates,)* #ours)
    }
}

fn in_brackets(parts: &[impl ToTokens]) -> TokenStream {
    if parts.is_empty() { TokenStream::new() } else { quote!(<#(#parts),*>) }
}

impl Context<'_> {
    /// All parameters of the flow.
    pub(super) fn all_parameters(&self) -> Parameters {
        let all = self.graph.parameters().map(parameter_name).collect();
        self.parameters(&all)
    }

    /// The parameters of what some tokens are made of.
    pub(super) fn parameters_in(&self, tokens: &impl ToTokens) -> Parameters {
        self.parameters(&self.graph.mentioned(tokens))
    }

    /// The parameters with these names. Of what is known of them that is kept which speaks of no other.
    pub(super) fn parameters(&self, names: &Names) -> Parameters {
        let params = || self.graph.parameters().filter(|param| names.contains(&parameter_name(param)));
        let own = |tokens: &dyn Fn() -> TokenStream| self.graph.mentioned(&tokens()).is_subset(names);
        let declared = params().map(|param| match param {
            GenericParam::Type(param) => {
                let bounds = param.bounds.iter().filter(|bound| own(&|| quote!(#bound)));
                let bounds = bounds.map(|bound| self.placed_here(quote!(#bound)));
                let name = &param.ident;
                // A flow is tasks, which may outlive whatever is borrowed.
                quote!(#name: 'static #(+ #bounds)*)
            }
            GenericParam::Const(param) => {
                let (name, ty) = (&param.ident, &param.ty);
                quote!(const #name: #ty)
            }
            GenericParam::Lifetime(_) => TokenStream::new(),
        });
        let bare = params().map(|param| match param {
            GenericParam::Const(param) => {
                let (name, ty) = (&param.ident, &param.ty);
                quote!(const #name: #ty)
            }
            GenericParam::Type(_) | GenericParam::Lifetime(_) => parameter_ident(param).to_token_stream(),
        });
        let written = self.graph.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
        let predicates = written.filter(|predicate| {
            let said = self.graph.mentioned(predicate);
            said.is_subset(names) && (!said.is_empty() || names.len() == self.graph.parameters().count())
        });
        Parameters {
            declared: declared.collect(),
            bare: bare.collect(),
            names: params().map(|param| parameter_ident(param).clone()).collect(),
            predicates: predicates.map(|predicate| self.placed_here(quote!(#predicate))).collect(),
        }
    }

    /// What the user wrote beside the flow, from where what is written stands.
    fn placed_here(&self, tokens: TokenStream) -> TokenStream {
        if self.within { self.further_in(tokens) } else { tokens }
    }

    /// The flow's struct with its parameters, beside it.
    pub(super) fn flow_type(&self) -> TokenStream {
        let (name, parameters) = (&self.graph.name, self.all_parameters().named());
        quote!(#name #parameters)
    }

    /// The parameter that stands for a host, where the flow may have parameters too.
    pub(super) fn host(&self) -> Ident {
        let taken = self.graph.parameters().any(|param| parameter_name(param) == "H");
        super::body::ident(if taken { "__Host" } else { "H" })
    }
}
