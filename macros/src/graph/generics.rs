//! The parameters of a generic flow, and which of them a type is made of.

use super::{Graph, KnownType, Node, text};
use crate::ast::Args;
use crate::emit::OWN;
use crate::parse::words;
use proc_macro2::Ident;
use quote::ToTokens;
use std::collections::HashSet;
use syn::{GenericParam, Generics, Type};

/// Some of a flow's parameters, by name.
pub(crate) type Names = HashSet<String>;

impl Graph {
    pub(crate) fn is_generic(&self) -> bool {
        !self.generics.params.is_empty()
    }

    /// The parameters of types and constants: what else may stand between the brackets is a mistake.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &GenericParam> {
        self.generics.params.iter().filter(|param| !matches!(param, GenericParam::Lifetime(_)))
    }

    /// The parameters that some tokens mention.
    pub(crate) fn mentioned(&self, tokens: &impl ToTokens) -> Names {
        if !self.is_generic() {
            return Names::new();
        }
        let mut found = HashSet::new();
        words(tokens.to_token_stream(), &mut found);
        self.parameters().map(parameter_name).filter(|name| found.contains(name)).collect()
    }

    /// Whether a type is a parameter, and no more.
    pub(crate) fn is_parameter(&self, ty: &Type) -> bool {
        let Type::Path(path) = ty else { return false };
        let name = path.path.get_ident().filter(|_| path.qself.is_none());
        name.is_some_and(|name| self.parameters().any(|param| parameter_name(param) == text(name)))
    }

    /// The parameters that a record is made of.
    pub(crate) fn parameters_of(&self, ty: &KnownType) -> Names {
        match ty {
            KnownType::Written(ty) => self.mentioned(ty),
            KnownType::Record(name) => self.parameters_of_record(name),
            KnownType::Late(record) => self.parameters_of(record),
            KnownType::Joined(joined) => {
                let (left, right) = (self.parameters_of(&joined.left), self.parameters_of(&joined.right));
                left.into_iter().chain(right).collect()
            }
        }
    }

    /// The parameters that the record generated for a node is made of.
    pub(crate) fn parameters_of_record(&self, name: &Ident) -> Names {
        if !self.is_generic() {
            return Names::new();
        }
        let made = |node: &&Node| node.core().is_some() && node.record_name() == *name;
        let Some(id) = self.nodes.iter().position(|node| made(&node)) else { return Names::new() };
        let core = self.nodes[id].core().unwrap_or(0);
        let key = self.before(id, core).key.unwrap_or_default();
        let key = key.iter().flat_map(|(_, ty)| self.mentioned(ty));
        let fields: Vec<&Type> = match &self.nodes[id].ops()[core].args {
            Args::Aggregate(fields) => fields.iter().map(|field| &field.ty).collect(),
            Args::Fold(fold) => vec![&fold.ty],
            _ => Vec::new(),
        };
        key.chain(fields.into_iter().flat_map(|ty| self.mentioned(ty))).collect()
    }

    /// `<K>`, of the parameters with these names, in the order of their declaration.
    pub(crate) fn arguments(&self, names: &Names) -> Vec<Ident> {
        let named = |param: &&GenericParam| names.contains(&parameter_name(param));
        self.parameters().filter(named).map(|param| parameter_ident(param).clone()).collect()
    }
}

/// The name of a parameter.
pub(crate) fn parameter_ident(param: &GenericParam) -> &Ident {
    match param {
        GenericParam::Type(param) => &param.ident,
        GenericParam::Const(param) => &param.ident,
        GenericParam::Lifetime(param) => &param.lifetime.ident,
    }
}

pub(crate) fn parameter_name(param: &GenericParam) -> String {
    text(parameter_ident(param))
}

/// Whether a flow cannot have such parameters: then nothing can be said of the types that are made of them.
pub(super) fn has_mistakes(generics: &Generics) -> bool {
    generics.params.iter().any(|param| match param {
        GenericParam::Lifetime(_) => true,
        GenericParam::Type(_) | GenericParam::Const(_) => OWN.contains(&parameter_name(param).as_str()),
    })
}
