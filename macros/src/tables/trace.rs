//! Whether state could be computed again: the way that a replay takes from a key back to the tables.
//!
//! A replay pulls. A step is asked for the rows of a key, its own or an index of a table under it, and asks those it reads.
//! A table looks them up; what makes new keys asks by the index that they are of; what holds state can be asked by its own
//! key alone; and a join asks its left side, and then its right for each key that it got.

use super::region::{IndexId, Key, Region, StepId, StepOp};
use crate::graph::text;

/// By what rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The key of the step that is asked.
    Key,
    Index(IndexId),
    /// All of them.
    All,
}

/// Where a replay gets no further.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) hop: StepId,
    pub(crate) way: Way,
    /// The source of a `merge` that it lies under: the merge, and the place.
    pub(crate) arm: Option<(StepId, usize)>,
}

/// The way of a replay, as lookups in tables: `votes.by_article`.
pub(crate) fn pull(region: &Region, step: StepId, way: Way) -> Result<Vec<String>, Broken> {
    let here = &region.steps[step];
    let broken = || Broken { hop: step, way, arm: None };
    match &here.op {
        StepOp::Table(table) => match way {
            Way::Key => Ok(vec![region.shown(IndexId { table: *table, index: None })]),
            Way::Index(id) if id.table == *table => Ok(vec![region.shown(id)]),
            Way::Index(_) => Err(broken()),
            Way::All => Ok(vec![format!("{}.all", text(&region.tables[*table].name))]),
        },
        StepOp::Filter(_) | StepOp::MapValues(_) | StepOp::View => pull(region, here.inputs[0], way),
        StepOp::Rekey { to } => {
            let way = if way == Way::Key { Way::Index(to.index) } else { way };
            pull(region, here.inputs[0], way)
        }
        StepOp::Whole => pull(region, here.inputs[0], Way::All),
        StepOp::Aggregate(_) | StepOp::Distinct if way == Way::Key => pull(region, here.inputs[0], way),
        StepOp::Aggregate(_) | StepOp::Distinct => Err(broken()),
        StepOp::Join { .. } => {
            let mut found = pull(region, here.inputs[0], way)?;
            found.extend(pull(region, here.inputs[1], Way::Key)?);
            Ok(found)
        }
        StepOp::Merge => {
            let mut found = Vec::new();
            for (place, &input) in here.inputs.iter().enumerate() {
                let arm = pull(region, input, way);
                found.extend(
                    arm.map_err(|broken| Broken { arm: broken.arm.or(Some((step, place))), ..broken })?,
                );
            }
            Ok(found)
        }
    }
}

/// Whether a step, or something that it is made of, is only partly in memory: the first such.
pub(crate) fn partial_under(region: &Region, step: StepId) -> Option<StepId> {
    let here = &region.steps[step];
    here.inputs.iter().find_map(|&input| {
        let own = region.steps[input].bounds.memory.is_some();
        if own { Some(input) } else { partial_under(region, input) }
    })
}

/// Whether the rows of several nodes are united under a step, in no order.
pub(crate) fn merge_under(region: &Region, step: StepId) -> Option<StepId> {
    if matches!(region.steps[step].op, StepOp::Merge) {
        return Some(step);
    }
    region.steps[step].inputs.iter().find_map(|&input| merge_under(region, input))
}

impl Region {
    /// The steps that hold state by key: what evicts, and what a replay fills.
    pub(crate) fn states(&self) -> impl Iterator<Item = StepId> + '_ {
        let has_state = |step: &StepId| {
            matches!(self.steps[*step].op, StepOp::Aggregate(_) | StepOp::Distinct | StepOp::View)
        };
        (0..self.steps.len()).filter(has_state).filter(|&step| self.steps[step].key != Key::Unknown)
    }
}
