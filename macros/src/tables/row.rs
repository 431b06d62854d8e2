//! `#[derive(Row)]`: the types of a struct's fields by their names, so that a table's key needs none.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Fields, Path, Token};

/// What a field's name is as a number: 128 bits of FNV-1a, which derives and flows work out alike.
pub(crate) fn number(field: &Ident) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let name = field.unraw().to_string();
    name.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    syn::parse2(input).and_then(|input| fields(&input)).unwrap_or_else(|error| error.into_compile_error())
}

fn fields(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else { return Err(unfit(input)) };
    let Fields::Named(named) = &data.fields else { return Err(unfit(input)) };
    let facade = facade(&input.attrs)?;
    let name = &input.ident;
    let (declared, arguments, conditions) = input.generics.split_for_impl();
    let fields = named.named.iter().filter(|field| !is_skipped(&field.attrs));
    let fields: Vec<_> = fields.filter_map(|field| Some((field.ident.as_ref()?, &field.ty))).collect();
    let numbers = fields.iter().map(|(ident, _)| number(ident));
    let row = quote!(#facade::__private::row);
    let of_fields = fields.iter().enumerate().map(|(place, (ident, ty))| {
        quote! {
            #[diagnostic::do_not_recommend]
            impl #declared #row::Field<#place> for #name #arguments #conditions {
                type Type = #ty;
                #[inline(always)]
                fn field(&self) -> &#ty {
                    &self.#ident
                }
            }
        }
    });
    Ok(quote! {
        #[diagnostic::do_not_recommend]
        impl #declared #row::Fields for #name #arguments #conditions {
            const NAMES: &'static [u128] = &[#(#numbers),*];
        }
        #[diagnostic::do_not_recommend]
        impl #declared #row::Field<{ #row::NOWHERE }> for #name #arguments #conditions {
            type Type = #row::Unknown;
            #[inline(always)]
            fn field(&self) -> &#row::Unknown {
                &#row::Unknown
            }
        }
        #(#of_fields)*
    })
}

/// The place of a field among those of a row, as a constant.
pub(crate) fn place_of(rt: &TokenStream, row: &TokenStream, field: &Ident) -> TokenStream {
    let number = number(field);
    quote!(#rt::row::place(<#row as #rt::row::Fields>::NAMES, #number))
}

fn unfit(input: &DeriveInput) -> syn::Error {
    let message = "a row is a struct with named fields: a table's key and indexes go by their names";
    syn::Error::new(input.ident.span(), message)
}

/// `#[row(crate = path)]`, for who knows psdf by another name.
fn facade(attributes: &[Attribute]) -> syn::Result<TokenStream> {
    let mut facade = quote!(::psdf);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_args_with(|args: syn::parse::ParseStream<'_>| {
            args.parse::<Token![crate]>()?;
            args.parse::<Token![=]>()?;
            let path: Path = args.call(Path::parse_mod_style)?;
            facade = quote!(#path);
            Ok(())
        })?;
    }
    Ok(facade)
}

/// `#[row(skip)]`: a field whose type is not to be seen.
fn is_skipped(attributes: &[Attribute]) -> bool {
    let skips = |attribute: &Attribute| attribute.parse_args::<Ident>().is_ok_and(|word| word == "skip");
    attributes.iter().filter(|attribute| attribute.path().is_ident("row")).any(skips)
}
