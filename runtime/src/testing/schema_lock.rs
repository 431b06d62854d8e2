//! A lock file of a flow's stored state, so that a change of it shows in review.
//!
//! ```text
//! hourly[page]: String             a field of the key
//! hourly[] = str                   how the key is stored
//! hourly.views: u64 = u64          a field of the state: its type as it is declared, and how that is stored
//! seen = ()                        where there are no fields: how what is held is stored
//! ```

use super::schema_changes::{Change, changes};
use crate::checkpoint::manifest::{FieldSchema, StateSchema};
use crate::embedded::{Builder, KeptState};
use crate::flow::Flow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const UPDATE: &str = "PSDF_UPDATE_SCHEMA";

/// The state of each node, by its name.
pub(super) type Schemas = BTreeMap<String, StateSchema>;

/// Checks that the stored state of a flow is what a lock file says, which belongs into the user's repository: so no change
/// of it goes unseen. `make` gives the flow, with its params; it is wired and does not run.
///
/// The file is written where there is none, and written anew if the environment variable `PSDF_UPDATE_SCHEMA` is `1`.
///
/// ```no_run
/// # use psdf_runtime::{flow::Flow, testing::assert_state_schema};
/// # fn example<WebTraffic: Flow + Default>() {
/// assert_state_schema(WebTraffic::default, "tests/web_traffic.schema");
/// # }
/// ```
///
/// # Panics
/// If the state is another. The message lists what has changed, and which of it a version of the flow that finds the state
/// of the file could go on from. Also if the file can be neither read nor written.
pub fn assert_state_schema<F: Flow>(make: impl FnOnce() -> F, path: impl AsRef<Path>) {
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    if let Err(message) = check(make(), path.as_ref(), update) {
        panic!("{message}");
    }
}

fn check<F: Flow>(flow: F, path: &Path, update: bool) -> Result<(), String> {
    let kept = Builder::new(flow).kept_state().map_err(|error| error.to_string())?;
    let now = written(F::GRAPH.flow, &kept);
    let shown = path.display();
    if update || !path.exists() {
        return std::fs::write(path, now).map_err(|error| format!("{shown} cannot be written: {error}"));
    }
    let locked = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    // As a checkout under Windows may have it.
    let locked = locked.replace("\r\n", "\n");
    if locked == now {
        return Ok(());
    }
    let before = read(&locked).map_err(|line| {
        format!("{shown} is no lock file of state: line {line} is none of its own; {UPDATE}=1 writes it anew")
    })?;
    Err(told(F::GRAPH.flow, path, &changes(&before, &kept)))
}

/// What has changed, for a person.
fn told(flow: &str, path: &Path, changes: &[Change]) -> String {
    let mut text = format!("the stored state of flow `{flow}` is not what {} says:\n\n", path.display());
    for change in changes {
        let sign = if change.is_compatible { "ok     " } else { "REFUSED" };
        let _ = writeln!(text, "  {sign} {}", change.what);
    }
    if changes.is_empty() {
        text.push_str("  ok      only how the file is written\n");
    }
    let refused = changes.iter().filter(|change| !change.is_compatible).count();
    let verdict = match refused {
        0 => "this version goes on from state that is stored as the file says",
        _ => "this version refuses to start where state is stored as the file says",
    };
    let _ =
        write!(text, "\n{verdict}. If that is meant, write the file anew with {UPDATE}=1, and commit it.");
    text
}

/// The lock file of a flow.
fn written(flow: &str, kept: &[KeptState]) -> String {
    let nodes: BTreeMap<&str, &StateSchema> =
        kept.iter().map(|kept| (kept.name.as_str(), &kept.schema)).collect();
    let mut text =
        format!("# The stored state of flow `{flow}`. A test compares: {UPDATE}=1 writes it anew.\n");
    for (node, StateSchema { key, key_shape, fields }) in nodes {
        let _ = writeln!(text);
        for FieldSchema { name, ty, .. } in key {
            let _ = writeln!(text, "{node}[{name}]: {ty}");
        }
        let _ = writeln!(text, "{node}[] = {key_shape}");
        for FieldSchema { name, ty, shape } in fields {
            let _ = match name.as_str() {
                "" => writeln!(text, "{node} = {shape}"),
                _ => writeln!(text, "{node}.{name}: {ty} = {shape}"),
            };
        }
    }
    text
}

/// What a lock file says; the number of the line that says nothing known.
fn read(text: &str) -> Result<Schemas, usize> {
    let mut schemas = Schemas::new();
    for (place, line) in text.lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            read_line(line, &mut schemas).ok_or(place + 1)?;
        }
    }
    Ok(schemas)
}

fn read_line(line: &str, schemas: &mut Schemas) -> Option<()> {
    if let Some((node, shape)) = line.split_once("[] = ").filter(|(node, _)| is_name(node)) {
        shape.clone_into(&mut schemas.entry(node.to_owned()).or_default().key_shape);
        return Some(());
    }
    let field = |name: &str, ty: &str, shape: &str| FieldSchema {
        name: name.to_owned(),
        ty: ty.to_owned(),
        shape: shape.to_owned(),
    };
    if let Some((node, shape)) = line.split_once(" = ").filter(|(node, _)| is_name(node)) {
        schemas.entry(node.to_owned()).or_default().fields.push(field("", "", shape));
        return Some(());
    }
    let (name, declared) = line.split_once(": ")?;
    if let Some((node, key)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        schemas.entry(node.to_owned()).or_default().key.push(field(key, declared, ""));
        return Some(());
    }
    let (node, name) = name.rsplit_once('.').filter(|(node, _)| is_name(node))?;
    // A type can have ` = ` in it, what says how it is stored cannot.
    let (ty, shape) = declared.rsplit_once(" = ")?;
    schemas.entry(node.to_owned()).or_default().fields.push(field(name, ty, shape));
    Some(())
}

/// Whether this may be a node's name, led by those of flows.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_.".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, ty: &str, shape: &str) -> FieldSchema {
        FieldSchema { name: name.into(), ty: ty.into(), shape: shape.into() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        static NODE: crate::graph::Node = crate::graph::Node {
            name: "hourly",
            formerly: &[],
            kind: crate::graph::NodeKind::Stateful,
            operators: &[],
            reads: &[],
            key: &[],
            state: &[],
            bound: None,
            memory: None,
            stage: None,
            line: 0,
        };
        let schema = StateSchema {
            key: vec![field("page", "(String, u8)", ""), field("n", "std::net::IpAddr", "")],
            key_shape: "((str, u8), IpAddr[V4: [u8; 4]])".into(),
            fields: vec![
                field("views", "u64", "u64"),
                field("odd", "Box<dyn Iterator<Item = u8>>", "Odd{a: u8, b: (str, u8)}"),
                field("", "", "()"),
            ],
        };
        let shape = crate::checkpoint::value::Shape::default();
        let kept = KeptState { name: "inner.hourly".into(), node: &NODE, shape, schema: schema.clone() };
        let text = written("Traffic", &[kept]);
        assert_eq!(read(&text), Ok(Schemas::from([("inner.hourly".to_owned(), schema)])), "{text}");
    }

    #[test]
    fn a_line_that_is_none_of_a_lock_file_is_told() {
        assert_eq!(read("# fine\n\na.b: u8 = u8\n<<<<<<< HEAD\n"), Err(4));
    }
}
