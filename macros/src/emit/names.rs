//! Names for the types that the user wrote.
//!
//! They are written once, in the generated module, and go by these names everywhere else: then one that does not exist is
//! missed once, and none is read from another module than where it was meant.

use super::Context;
use super::place::Place;
use crate::ast::{AggregateField, Args, StateField};
use crate::graph::{Graph, KnownType, is_partly_inferred, parameter_name};
use crate::operators::Holds;
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{GenericArgument, PathArguments, Type};

/// The types that the generated module has for every flow.
pub(crate) const OWN: &[&str] = &["Handle", "Builder", "Inputs", "Outputs", "Unread"];

/// All types in a flow that need a name.
pub(super) fn written_types(graph: &Graph) -> Vec<Type> {
    let mut types: Vec<Type> = Vec::new();
    let of_nodes = graph.nodes.iter().flat_map(|node| {
        let of_ops = node.ops().iter().flat_map(|op| types_of(&op.args));
        node.ty.iter().chain(of_ops)
    });
    let of_outputs = graph.outputs.iter().filter_map(|output| output.ty.as_ref());
    let of_tables = graph.region.held_types().flat_map(|(_, types)| types);
    let of_functions = graph.region.aggregates().flat_map(|(_, fields)| fields).flat_map(types_of_field);
    for ty in of_nodes.chain(of_outputs).chain(of_tables).chain(of_functions) {
        if !is_plain(ty) && !is_partly_inferred(ty) && !graph.is_parameter(ty) && !types.contains(ty) {
            types.push(ty.clone());
        }
    }
    types
}

fn types_of(args: &Args) -> Vec<&Type> {
    match args {
        Args::Key(fields) => fields.iter().map(|field| &field.ty).collect(),
        Args::Aggregate(fields) => fields.iter().flat_map(types_of_field).collect(),
        Args::Fold(fold) => vec![&fold.ty],
        Args::Stateful(stateful) => {
            let state = stateful.state.iter().flat_map(StateField::types);
            state.chain([&stateful.out]).collect()
        }
        Args::Closure(_)
        | Args::MapAsync(_)
        | Args::EventTime { .. }
        | Args::Route(_)
        | Args::Window { .. }
        | Args::CountWindow(_)
        | Args::Join(_)
        | Args::None => Vec::new(),
    }
}

fn types_of_field(field: &AggregateField) -> impl Iterator<Item = &Type> {
    field.own.iter().chain([&field.ty, held(field)])
}

/// The declarations of the names, in the generated module.
pub(super) fn names(context: &Context<'_>) -> TokenStream {
    let declared = context.named.iter().enumerate().map(|(place, ty)| {
        let parameters = context.parameters_in(ty);
        let (name, ty, declared) = (name(place), context.inside(ty), parameters.declared());
        // Only with its bounds is an associated type of a parameter one.
        let bounded = (!declared.is_empty()).then(|| quote!(#[allow(type_alias_bounds)]));
        quote!(#[doc(hidden)] #bounded pub(super) type #name #declared = #ty;)
    });
    declared.collect()
}

fn name(place: usize) -> Ident {
    format_ident!("__Type{place}", span = crate::compile::own())
}

impl Context<'_> {
    /// A type of the user's.
    pub(super) fn ty(&self, ty: &Type) -> TokenStream {
        match self.named.iter().position(|named| named == ty) {
            Some(place) => {
                let (name, module) = (name(place), &self.module);
                let arguments = self.parameters_in(ty).named();
                let name = quote!(#name #arguments);
                Place::of(ty).put(if self.within { quote!(self::#name) } else { quote!(#module::#name) })
            }
            None if self.within => self.inside(ty),
            None => quote!(#ty),
        }
    }

    /// A type of the user's as written, seen from inside the generated module: one level down.
    ///
    /// Of a flow with mistakes, one may be a reference without a lifetime.
    pub(super) fn inside(&self, ty: &Type) -> TokenStream {
        self.further_in(quote!(#ty))
    }

    /// Tokens of the user's that stand in the generated module.
    pub(super) fn further_in(&self, tokens: TokenStream) -> TokenStream {
        from_within(&self.module, deeper(tokens, !self.whole))
    }

    /// The record generated for a node, with its parameters, in the generated module.
    pub(super) fn record_type(&self, name: &Ident) -> TokenStream {
        let arguments = self.parameters(&self.graph.parameters_of_record(name)).named();
        quote!(#name #arguments)
    }
}

/// The record type of a port, in the generated module, as a reader of the docs should see it.
pub(super) fn declared(context: &Context<'_>, known: &KnownType) -> TokenStream {
    let rt = &context.rt;
    match known {
        KnownType::Written(ty) => context.inside(ty),
        KnownType::Record(name) => context.record_type(name),
        KnownType::Late(record) => {
            let record = declared(context, record);
            quote!(#rt::record::Late<#record>)
        }
        KnownType::Joined(joined) => super::join::declared_join(context, joined),
    }
}

/// Whether a type is made of what is there everywhere.
fn is_plain(ty: &Type) -> bool {
    is_made_of(ty, &|name| EVERYWHERE.contains(&name))
}

/// Whether a type is made of what can surely be copied, compared and stored.
pub(super) fn is_surely_data(ty: &Type) -> bool {
    is_made_of(ty, &|name| EVERYWHERE.contains(&name) || ["Duration", "Timestamp", "Window"].contains(&name))
}

/// Whether a type of the user's can be named whatever its parameters are.
pub(super) fn asks_nothing(graph: &Graph, ty: &Type) -> bool {
    is_made_of(ty, &|name| {
        let is_parameter = || graph.parameters().any(|param| parameter_name(param) == name);
        EVERYWHERE.contains(&name) || is_parameter()
    })
}

const EVERYWHERE: &[&str] = &[
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "String", "Vec", "Option", "Box",
];

/// Whether all names in a type are known, and none has a path before it.
pub(super) fn is_made_of(ty: &Type, known: &dyn Fn(&str) -> bool) -> bool {
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(|ty| is_made_of(ty, known)),
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 1 => {
            let last = &path.path.segments[0];
            known(&last.ident.to_string()) && arguments(last).into_iter().all(|ty| is_made_of(ty, known))
        }
        _ => false,
    }
}

/// The types between the angle brackets of a path's segment.
pub(super) fn arguments(segment: &syn::PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let mut types = Vec::new();
    for argument in &arguments.args {
        if let GenericArgument::Type(ty) = argument {
            types.push(ty);
        }
    }
    types
}

/// `T`, if a type is written as `Vec<T>`.
pub(crate) fn list_element(ty: &Type) -> Option<&Type> {
    argument_of(ty, "Vec")
}

/// `T`, if a type is written as `Option<T>`.
pub(crate) fn optional(ty: &Type) -> Option<&Type> {
    argument_of(ty, "Option")
}

fn argument_of<'a>(ty: &'a Type, generic: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == generic)?;
    arguments(last).first().copied()
}

/// The type that the function of a field is about: that of the field, or what is listed in it, or what may be missing.
pub(super) fn held(field: &AggregateField) -> &Type {
    if field.may_be_missing() {
        return optional(&field.ty).unwrap_or(&field.ty);
    }
    if field.row.holds == Holds::List { element(&field.ty) } else { &field.ty }
}

/// `T`, of the `Vec<T>` that a field of `collect` or `top` is.
pub(super) fn element(ty: &Type) -> &Type {
    list_element(ty).unwrap_or(ty)
}

/// The tokens of a type where the flow's module, if they lead through it, is `self`: a module in a function is not to be
/// seen from inside by its name.
fn from_within(module: &Ident, tokens: TokenStream) -> TokenStream {
    let mut result = TokenStream::new();
    let mut colons = 0;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        let before = std::mem::take(&mut colons);
        match tree {
            TokenTree::Ident(name)
                if before < 2
                    && name == *module
                    && matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':') =>
            {
                let own = Ident::new("self", name.span());
                result.extend(quote!(#own));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), from_within(module, group.stream()));
                inner.set_span(group.span());
                result.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Punct(punct) => {
                colons = if punct.as_char() == ':' { before + 1 } else { 0 };
                result.extend([TokenTree::Punct(punct)]);
            }
            other => result.extend([other]),
        }
    }
    result
}

/// The tokens of a type, one module further down. With `lasting`, what is borrowed is so for ever.
fn deeper(tokens: TokenStream, lasting: bool) -> TokenStream {
    let mut result = TokenStream::new();
    let mut colons = 0;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        let before = std::mem::take(&mut colons);
        match tree {
            TokenTree::Ident(name) if before < 2 && (name == "self" || name == "super") => {
                let up = Ident::new("super", name.span());
                result.extend(if name == "self" { quote!(#up) } else { quote!(#up::#up) });
            }
            TokenTree::Ident(name) if before < 2 && OWN.iter().any(|own| name == own) => {
                // The user does not see ours by so short a name, and means another.
                let is_binding =
                    matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '=');
                let up = (!is_binding).then(|| Ident::new("super", name.span()));
                let up = up.map(|up| quote!(#up::));
                result.extend(quote!(#up #name));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), deeper(group.stream(), lasting));
                inner.set_span(group.span());
                result.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Punct(punct) => {
                colons = if punct.as_char() == ':' { before + 1 } else { 0 };
                let named = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
                let reference = lasting && punct.as_char() == '&';
                result.extend([TokenTree::Punct(punct)]);
                if reference {
                    result.extend(quote!('static));
                    // The name of a lifetime is two tokens, and a flow declares none.
                    tokens.by_ref().take(if named { 2 } else { 0 }).for_each(drop);
                }
            }
            other => result.extend([other]),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn ty(text: &str) -> Type {
        syn::parse_str(text).expect("a type")
    }

    #[test]
    fn paths_lead_from_inside_the_module_to_the_same_place() {
        let deeper = |text: &str| deeper(ty(text).to_token_stream(), true).to_string().replace(' ', "");
        assert_eq!(deeper("self::a::B<super::C, crate::D>"), "super::a::B<super::super::C,crate::D>");
        assert_eq!(deeper("super::super::B"), "super::super::super::B");
        assert_eq!(deeper("(A, [self::B; 2])"), "(A,[super::B;2])");
        assert_eq!(
            deeper("A<Handle, a::Handle, Inputs = Outputs>"),
            "A<super::Handle,a::Handle,Inputs=super::Outputs>"
        );
        assert_eq!(deeper("(&str, &'a str)"), "(&'staticstr,&'staticstr)");
    }

    #[test]
    fn a_path_through_the_module_begins_in_it() {
        let within = |text: &str| {
            let module = Ident::new("hours", proc_macro2::Span::call_site());
            from_within(&module, ty(text).to_token_stream()).to_string().replace(' ', "")
        };
        assert_eq!(within("Vec<hours::Views>"), "Vec<self::Views>");
        assert_eq!(within("(a::hours::Views,hours)"), "(a::hours::Views,hours)");
    }

    #[test]
    fn what_is_there_everywhere_needs_no_name() {
        assert!(is_plain(&ty("Vec<(u64, Option<String>)>")));
        assert!(!is_plain(&ty("Vec<Timestamp>")));
        assert!(!is_plain(&ty("a::String")));
        assert!(is_partly_inferred(&ty("Vec<_>")));
    }
}
