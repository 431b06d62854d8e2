//! What has changed between two versions of a flow's stored state, and what one makes of the state of the other.

use super::schema_lock::Schemas;
use crate::checkpoint::manifest::{FieldSchema, StateSchema};
use crate::checkpoint::schema::compare;
use crate::checkpoint::value::{Migrated, Migration};
use crate::embedded::KeptState;

/// Something that has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// What is told of it.
    pub(super) what: String,
    /// Whether this version can go on from what is stored.
    pub(super) is_compatible: bool,
}

fn fine(what: String) -> Change {
    Change { what, is_compatible: true }
}

fn refused(what: String) -> Change {
    Change { what, is_compatible: false }
}

/// What has changed, node by node.
pub(super) fn changes(before: &Schemas, now: &[KeptState]) -> Vec<Change> {
    let mut nodes: Vec<&KeptState> = now.iter().collect();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut changes, mut gone_on): (Vec<Change>, Vec<&str>) = (Vec::new(), Vec::new());
    for node in nodes {
        match find(before, node) {
            None => changes.push(fine(format!("{}: a new node, which begins without state", node.name))),
            Some((name, schema)) => {
                gone_on.push(name);
                if name != node.name {
                    changes.push(fine(format!("{}: goes on from the state of `{name}`", node.name)));
                }
                of_node(schema, node, &mut changes);
            }
        }
    }
    for name in before.keys().filter(|name| !gone_on.contains(&name.as_str())) {
        changes.push(refused(format!(
            "{name}: this node is gone; if another goes on from its state write `#[formerly({name})]` there, and if none \
             does start the flow with `.forget_state_of(\"{name}\")`"
        )));
    }
    changes
}

/// What is stored of a node, by its name or by one that it had before.
fn find<'a>(before: &'a Schemas, node: &KeptState) -> Option<(&'a str, &'a StateSchema)> {
    let path = node.name.strip_suffix(node.node.name).unwrap_or_default();
    let formerly = node.node.formerly.iter().map(|former| format!("{path}{former}"));
    let mut names = std::iter::once(node.name.clone()).chain(formerly);
    names.find_map(|name| before.get_key_value(&name)).map(|(name, schema)| (name.as_str(), schema))
}

fn of_node(before: &StateSchema, now: &KeptState, changes: &mut Vec<Change>) {
    let named = |name: &str| format!("{}.{name}", now.name);
    match compare(now.node, before, &now.schema, &now.shape) {
        Err(error) => changes.push(refused(format!("{}: {error}", now.name))),
        Ok(Migration { fields }) => {
            let in_place = || (0..now.schema.fields.len()).map(Migrated::Stored).collect();
            let fields = fields.unwrap_or_else(in_place);
            for (field, from) in now.schema.fields.iter().zip(&fields) {
                let told =
                    of_field(before, field, from).map(|told| format!("{}: {told}", named(&field.name)));
                changes.extend(told.map(fine));
            }
            let is_read = |place: usize| {
                fields.iter().any(|from| {
                    matches!(from, Migrated::Stored(read) | Migrated::Converted(read, _) if *read == place)
                })
            };
            let gone = before.fields.iter().enumerate().filter(|(place, _)| !is_read(*place));
            changes.extend(gone.map(|(_, field)| {
                fine(format!("{}: gone, and what is stored of it is dropped", named(&field.name)))
            }));
            if before.key.iter().map(|key| &key.ty).ne(now.schema.key.iter().map(|key| &key.ty))
                || before.key_shape != now.schema.key_shape
            {
                changes.push(fine(format!(
                    "{}[]: the key is written with other types, and stored the same",
                    now.name
                )));
            }
        }
    }
}

/// What has become of a field; `None` if it is the same.
fn of_field(before: &StateSchema, field: &FieldSchema, from: &Migrated) -> Option<String> {
    let (place, how) = match from {
        Migrated::Default(_) => return Some("new, and begins with its default".to_owned()),
        Migrated::Stored(place) => (*place, "stored the same"),
        Migrated::Converted(place, _) => (*place, "migrated"),
    };
    let stored = before.fields.get(place)?;
    let renamed = (stored.name != field.name).then(|| format!("was `{}`", stored.name));
    let retyped = (stored.ty != field.ty || stored.shape != field.shape)
        .then(|| format!("`{}` became `{}`, {how}", stored.ty, field.ty));
    let told: Vec<String> = renamed.into_iter().chain(retyped).collect();
    (!told.is_empty()).then(|| told.join("; "))
}
