//! What stands before items and fields: docs, and what state was before: `#[formerly(name)]`, `#[migrate(from = Type, f)]`.

use super::{function, whole_type};
use crate::ast::Migrate;
use crate::diagnostics::{Code, Diagnostics};
use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Meta, Token};

/// What was read before an item or a field.
#[derive(Default)]
pub(super) struct Attributes {
    /// Docs, and whatever else is not ours.
    pub(super) docs: Vec<Attribute>,
    pub(super) formerly: Vec<Ident>,
    pub(super) migrate: Option<Migrate>,
}

/// Reads the attributes that stand here.
pub(super) fn attributes(input: ParseStream<'_>, errors: &Diagnostics) -> syn::Result<Attributes> {
    let mut read = Attributes::default();
    for attribute in input.call(Attribute::parse_outer)? {
        let known = if attribute.path().is_ident("formerly") {
            former_names(&attribute).map(|names| read.formerly.extend(names))
        } else if attribute.path().is_ident("migrate") {
            migration(&attribute, read.migrate.is_some()).map(|migration| read.migrate = Some(migration))
        } else {
            read.docs.push(attribute);
            continue;
        };
        if let Err(error) = known {
            errors.error_at(Code::Arguments, error.span(), error.to_string());
        }
    }
    Ok(read)
}

/// `#[formerly(a, b)]`
fn former_names(attribute: &Attribute) -> syn::Result<Vec<Ident>> {
    let usage = "say what it was called before: `#[formerly(name)]`";
    let Meta::List(list) = &attribute.meta else {
        return Err(syn::Error::new_spanned(attribute.path(), usage));
    };
    let names = list.parse_args_with(|names: ParseStream<'_>| {
        if names.peek(syn::Lit) {
            return Err(syn::Error::new(
                names.span(),
                format!("a former name is written without quotes; {usage}"),
            ));
        }
        Ok(names.parse_terminated(Ident::parse_any, Token![,])?.into_iter().collect::<Vec<Ident>>())
    })?;
    if names.is_empty() { Err(syn::Error::new_spanned(attribute.path(), usage)) } else { Ok(names) }
}

/// `#[migrate(from = Type, f)]`
fn migration(attribute: &Attribute, again: bool) -> syn::Result<Migrate> {
    let usage = "`#[migrate(from = OldType, |old| ..)]`";
    if again {
        let message = "there is `#[migrate(..)]` already; remove one";
        return Err(syn::Error::new_spanned(attribute.path(), message));
    }
    let Meta::List(list) = &attribute.meta else {
        return Err(syn::Error::new_spanned(attribute.path(), format!("say what was stored: {usage}")));
    };
    list.parse_args_with(|args: ParseStream<'_>| {
        let begin = args.span();
        if !args.peek(syn::Ident) || args.parse::<Ident>()? != "from" || !args.peek(Token![=]) {
            args.parse::<proc_macro2::TokenStream>()?;
            return Err(syn::Error::new(begin, format!("say which type was stored: {usage}")));
        }
        args.parse::<Token![=]>()?;
        let from = whole_type(args)?;
        if args.is_empty() {
            let message = format!("say how what was stored becomes what the field is now: {usage}");
            return Err(syn::Error::new_spanned(from, message));
        }
        args.parse::<Token![,]>()?;
        let f = function(args)?;
        args.parse::<Option<Token![,]>>()?;
        Ok(Migrate { from, f })
    })
}

impl Attributes {
    /// Of an item. Other attributes would promise what nothing keeps: `#[cfg(..)]` most of all.
    pub(super) fn of_item(self, errors: &Diagnostics) -> Attributes {
        for attribute in self.docs.iter().filter(|attribute| !attribute.path().is_ident("doc")) {
            let message =
                "only doc comments can stand before an item of a flow, and `#[formerly(name)]` before a node";
            errors.error(Code::Syntax, attribute, message);
        }
        self.without_migration("what a node holds is migrated by its fields", errors)
    }

    /// Of what no type can be given to that was stored.
    pub(super) fn without_migration(self, why: &str, errors: &Diagnostics) -> Attributes {
        if let Some(migrate) = &self.migrate {
            let message = format!("{why}; only a field of `state {{ .. }}` takes `#[migrate(..)]`");
            errors.error(Code::Former, &migrate.from, message);
        }
        self
    }

    /// The docs of an item that holds no state.
    pub(super) fn of_no_state(self, what: &str, errors: &Diagnostics) -> Vec<Attribute> {
        if let Some(former) = self.formerly.first() {
            let message = format!(
                "{what} holds no state that could be stored under a former name; remove `#[formerly(..)]`"
            );
            errors.error(Code::Former, former, message);
        }
        self.docs
    }
}
