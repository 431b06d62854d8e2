//! Whether state that was stored by one version of a flow can be read by another.

use super::manifest::{FieldSchema, StateSchema};
use super::shape;
use super::value::{Migrated, Migration, Shape};
use crate::graph::Node;
use std::fmt;

/// How the state of a node is written now.
#[must_use]
pub fn schema(node: &Node, shape: &Shape) -> StateSchema {
    let key = node.key.iter().map(|field| FieldSchema {
        name: field.name.to_owned(),
        ty: field.ty.to_owned(),
        shape: String::new(),
    });
    let field = |(name, shape): &(String, String)| {
        let declared = node.state.iter().find(|field| field.name == name);
        FieldSchema {
            name: name.clone(),
            ty: declared.map_or(String::new(), |field| field.ty.to_owned()),
            shape: shape.clone(),
        }
    };
    StateSchema {
        key: key.collect(),
        key_shape: shape.key.clone(),
        fields: shape.fields.iter().map(field).collect(),
    }
}

/// How the records of calls in flight are written now: they are no state of the node's, and have no key of its own.
#[must_use]
pub fn in_flight(shape: &Shape) -> StateSchema {
    let field = |(name, shape): &(String, String)| FieldSchema {
        name: name.clone(),
        ty: String::new(),
        shape: shape.clone(),
    };
    StateSchema {
        key: Vec::new(),
        key_shape: shape.key.clone(),
        fields: shape.fields.iter().map(field).collect(),
    }
}

/// Whether records that were in flight can be so now; `now` is `None` where the node has no calls whose records are stored.
///
/// # Errors
/// What to say where they cannot.
pub fn compare_in_flight(node: &str, stored: &StateSchema, now: Option<&StateSchema>) -> Result<(), String> {
    let shapes = |schema: &StateSchema| -> Vec<String> {
        schema.fields.iter().map(|field| field.shape.clone()).collect()
    };
    let before = shapes(stored);
    let becomes = match now.map(shapes) {
        None => "and it has none now that could go on with them".to_owned(),
        Some(after) => {
            let same = |(one, other): (&String, &String)| shape::same(one, other);
            if before.len() == after.len() && before.iter().zip(&after).all(same) {
                return Ok(());
            }
            format!("which are `{}` now", after.join(", "))
        }
    };
    Err(format!(
        "calls of node `{node}` were in flight with records `{}`, {becomes}; let the version before finish them first, or let \
         them go with `.forget_state_of(\"{node}\")`",
        before.join(", "),
    ))
}

/// Stored state cannot be read by this version of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// The key is another.
    Key {
        /// The node.
        node: &'static str,
        /// The key that is stored.
        stored: String,
        /// The key as it is declared now.
        now: String,
    },
    /// A field has another type.
    Field {
        /// The node.
        node: &'static str,
        /// The field.
        field: String,
        /// The type that is stored.
        stored: String,
        /// The type as it is declared now.
        now: String,
    },
    /// A field is new, and where it is no default can be taken.
    NoDefault {
        /// The node.
        node: &'static str,
        /// The field.
        field: String,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaError::Key { node, stored, now } => write!(
                f,
                "the state of node `{node}` is stored by the key ({stored}), and its key is ({now}) now; what was counted for \
                 one key cannot be said of another: give the node another name, or begin with an empty store"
            ),
            SchemaError::Field { node, field, stored, now } => write!(
                f,
                "the field `{field}` of the state of node `{node}` is stored as `{stored}`, and is `{now}` now; declare how \
                 one becomes the other with `#[migrate(..)]`, give the field another name, or begin with an empty store"
            ),
            SchemaError::NoDefault { node, field } => write!(
                f,
                "the state of node `{node}` is stored without `{field}`, which has no default there; give the node another \
                 name, or begin with an empty store"
            ),
        }
    }
}

impl std::error::Error for SchemaError {}

fn of_key(schema: &StateSchema) -> String {
    let fields: Vec<String> =
        schema.key.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
    fields.join(", ")
}

/// A field's type in words: as it was declared, with how it is written where that alone would not tell two apart.
fn told_apart(one: &FieldSchema, other: &FieldSchema) -> (String, String) {
    let told = |field: &FieldSchema| {
        if one.ty == other.ty { format!("{} = {}", field.ty, field.shape) } else { field.ty.clone() }
    };
    (told(one), told(other))
}

/// The place of a field among those that are stored: by its name, or else by one that it had before.
fn find(stored: &StateSchema, name: &str, formerly: &[&str]) -> Option<usize> {
    let named = |name: &str| stored.fields.iter().position(|before| before.name == name);
    named(name).or_else(|| formerly.iter().find_map(|former| named(former)))
}

/// How what is stored becomes what is declared now.
///
/// # Errors
/// If it cannot.
pub fn compare(
    node: &'static Node,
    stored: &StateSchema,
    now: &StateSchema,
    shape: &Shape,
) -> Result<Migration, SchemaError> {
    let names = |schema: &StateSchema| schema.key.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    if names(stored) != names(now) || !shape::same(&stored.key_shape, &now.key_shape) {
        let (mut before, mut after) = (of_key(stored), of_key(now));
        if before == after {
            before = format!("{before} = {}", stored.key_shape);
            after = format!("{after} = {}", now.key_shape);
        }
        return Err(SchemaError::Key { node: node.name, stored: before, now: after });
    }
    let mut fields = Vec::with_capacity(now.fields.len());
    for (place, field) in now.fields.iter().enumerate() {
        let declared = node.state.iter().find(|declared| declared.name == field.name);
        let formerly = declared.map_or(&[][..], |declared| declared.formerly);
        let found = find(stored, &field.name, formerly);
        let Some(found) = found else {
            let default = shape.defaults.get(place).cloned();
            let default = default
                .ok_or_else(|| SchemaError::NoDefault { node: node.name, field: field.name.clone() })?;
            fields.push(Migrated::Default(default));
            continue;
        };
        let before = &stored.fields[found];
        if !shape::same(&before.shape, &field.shape) {
            let migrated = declared.and_then(|declared| declared.migrated);
            if let Some(migrated) =
                migrated.filter(|migrated| shape::same(&(migrated.shape)(), &before.shape))
            {
                fields.push(Migrated::Converted(found, migrated.convert));
                continue;
            }
            let (stored, now) = told_apart(before, field);
            return Err(SchemaError::Field { node: node.name, field: field.name.clone(), stored, now });
        }
        fields.push(Migrated::Stored(found));
    }
    let in_place =
        |(place, field): (usize, &Migrated)| matches!(field, Migrated::Stored(stored) if *stored == place);
    let as_it_was = fields.len() == stored.fields.len() && fields.iter().enumerate().all(in_place);
    Ok(Migration { fields: (!as_it_was).then_some(fields) })
}
