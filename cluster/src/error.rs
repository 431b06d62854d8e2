//! Why a flow has not come to its end on its workers.

use crate::mesh::MeshError;
use psdf_runtime::{FlowError, StartError};
use std::fmt;
use std::sync::Arc;

/// A flow cannot start on its workers, or has not come to its end.
#[derive(Clone, Debug)]
pub enum ClusterError {
    /// It cannot start.
    Start(Arc<StartError>),
    /// It ended with an error.
    Flow(FlowError),
    /// Its checkpoints cannot be read.
    Store(String),
    /// It was asked to stop and has: it goes on from its last checkpoint when it is started again.
    Stopped {
        /// The last committed epoch.
        committed: u64,
    },
    /// Its processes have not come together.
    Mesh(Arc<MeshError>),
    /// The workers could not be made, or one of them is gone.
    Workers(String),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Start(error) => write!(f, "{error}"),
            ClusterError::Flow(error) => write!(f, "{error}"),
            ClusterError::Store(error) => write!(f, "the checkpoints cannot be used: {error}"),
            ClusterError::Stopped { committed } => write!(f, "stopped as asked, after epoch {committed}"),
            ClusterError::Mesh(error) => write!(f, "{error}"),
            ClusterError::Workers(error) => write!(f, "the workers of the cluster failed: {error}"),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::Start(error) => Some(&**error),
            ClusterError::Flow(error) => Some(error),
            ClusterError::Mesh(error) => Some(&**error),
            ClusterError::Store(_) | ClusterError::Stopped { .. } | ClusterError::Workers(_) => None,
        }
    }
}
