//! Where what is over the nodes' budgets of memory goes, while a flow is wired.

use super::epochs::PartSize;
use super::shared::{Place, Shared};
use crate::error::{FlowError, StartError};
use crate::graph::{Budget, Graph, Node};
use crate::host::Tasks;
use crate::state::{DiskTier, MemoryTier, Tier, TierStore};
use crate::testing::Rng;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where it is to go.
pub(super) enum Where {
    /// Nobody has said.
    Unsaid,
    Directory(PathBuf),
    Store(Arc<dyn TierStore>),
    /// All but a few keys of every node leave memory: a seed decides how many stay.
    Forced(u64),
}

/// The tiers of a flow that is being wired.
pub(super) struct Tiers {
    store: Option<Arc<dyn TierStore>>,
    forced: Option<Rng>,
    patience: Duration,
}

impl Tiers {
    /// Opens the store, if the flow needs one.
    pub(super) fn open(at: Where, graph: &'static Graph, patience: Duration) -> Result<Tiers, StartError> {
        let forced = match at {
            Where::Forced(seed) => Some(Rng::new(seed)),
            _ => None,
        };
        let Some(node) = with_a_budget(graph) else {
            let store = forced.is_some().then(|| Arc::new(MemoryTier::new()) as _);
            return Ok(Tiers { store, forced, patience });
        };
        let refused = |what: String| StartError::Memory { flow: graph.flow, node: node.name, what };
        let store = match at {
            Where::Store(store) => store,
            Where::Forced(_) => Arc::new(MemoryTier::new()) as _,
            Where::Directory(path) => on_disk(path).map_err(refused)?,
            Where::Unsaid => {
                let what = "nothing says where what is over it goes: give the builder a directory on a local disk with \
                            `.tier(path)`";
                return Err(refused(what.to_owned()));
            }
        };
        Ok(Tiers { store: Some(store), forced, patience })
    }

    /// How large the parts are in which states are stored.
    pub(super) fn parts(&mut self) -> PartSize {
        // Not always: every part is a step more that can fail.
        let forced = self.forced.as_mut().is_some_and(|rng| rng.one_in(4));
        if forced { PartSize::FORCED } else { PartSize::USUAL }
    }

    /// The tier of each shard of a stage, if its node has a budget.
    pub(super) fn of_stage(
        &mut self,
        stage: usize,
        node: &'static Node,
        (place, number): (Place, usize),
        tasks: &Tasks,
        shared: &Arc<Shared>,
    ) -> Result<Vec<Arc<Tier>>, StartError> {
        let forced =
            self.forced.as_mut().and_then(|rng| rng.one_in(2).then(|| Budget::Keys(1 + rng.below(5))));
        let (Some(store), Some(budget)) = (&self.store, forced.or(node.memory)) else {
            return Ok(Vec::new());
        };
        let tier = |shard| {
            let (flow, node, shared) = (shared.graph.flow, place.name, Arc::clone(shared));
            let fail = Arc::new(move |error| {
                shared.fail(FlowError::Memory { flow, node, error: Arc::new(error) });
            });
            let share = budget.of_one_in(tasks.all);
            let tier = Tier::new(&**store, &format!("{stage}-{shard}"), share, self.patience, fail);
            tier.map(Arc::new).map_err(|error| {
                let what = format!("there is no place for what is over it: {error}");
                StartError::Memory { flow, node, what }
            })
        };
        let tiers: Vec<_> = tasks.here.iter().copied().map(tier).collect::<Result<_, _>>()?;
        shared.add_tiers(number, &tiers);
        Ok(tiers)
    }
}

impl Budget {
    /// The share of each of so many shards.
    fn of_one_in(self, shards: usize) -> Budget {
        let share = |all: u64| (all / u64::try_from(shards).unwrap_or(u64::MAX)).max(1);
        match self {
            Budget::Bytes(bytes) => Budget::Bytes(share(bytes)),
            Budget::Keys(keys) => Budget::Keys(share(keys)),
        }
    }
}

/// A flow that is not durable has no budgets: what is over them would be gone.
pub(super) fn refuse_budgets(graph: &'static Graph) -> Result<(), StartError> {
    let Some(node) = with_a_budget(graph) else { return Ok(()) };
    let what = "what is over it goes to disk, which only a durable flow can have: start it with `.durable(path)`, or \
                remove `memory`";
    Err(StartError::Memory { flow: graph.flow, node: node.name, what: what.to_owned() })
}

/// The first node with a budget, in the flow or in one that stands in it.
fn with_a_budget(graph: &'static Graph) -> Option<&'static Node> {
    let own = graph.nodes.iter().find(|node| node.memory.is_some());
    own.or_else(|| graph.subflows.iter().find_map(|subflow| with_a_budget(subflow.graph)))
}

fn on_disk(path: PathBuf) -> Result<Arc<dyn TierStore>, String> {
    let opened = DiskTier::open(&path);
    let opened = opened
        .map_err(|error| format!("`{}` cannot be used for what is over it: {error}", path.display()))?;
    Ok(Arc::new(opened))
}
