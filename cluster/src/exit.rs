//! With which code a process of a cluster ends, and what that means to the one who has started it.

use crate::config::ConfigError;
use crate::error::ClusterError;
use crate::mesh::MeshError;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The job has come to its end, or to a clean stop.
pub const DONE: u8 = 0;
/// Start all processes of the job again: it goes on from its last checkpoint. `EX_TEMPFAIL` of `sysexits.h`.
pub const AGAIN: u8 = 75;
/// Starting again does not help.
pub const GAVE_UP: u8 = 1;

/// Why a process ends before the job has.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Another run may succeed: code [`AGAIN`].
    Again(Box<dyn Error + Send + Sync>),
    /// No run will, before somebody has changed something: code [`GAVE_UP`].
    GiveUp(Box<dyn Error + Send + Sync>),
    /// It was asked to: code [`DONE`].
    Stopped,
}

impl Failure {
    /// The code to end with.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Failure::Again(_) => AGAIN,
            Failure::GiveUp(_) => GAVE_UP,
            Failure::Stopped => DONE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Again(error) | Failure::GiveUp(error) => error.fmt(f),
            Failure::Stopped => f.write_str("it was asked to"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Failure::Again(error) | Failure::GiveUp(error) => Some(error.as_ref()),
            Failure::Stopped => None,
        }
    }
}

impl From<MeshError> for Failure {
    fn from(error: MeshError) -> Self {
        ClusterError::Mesh(Arc::new(error)).into()
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        match &error {
            ClusterError::Start(_) => Failure::GiveUp(Box::new(error)),
            ClusterError::Mesh(mesh) => match **mesh {
                MeshError::Config(_) => Failure::GiveUp(Box::new(error)),
                MeshError::Stopped => Failure::Stopped,
                MeshError::Listen { .. }
                | MeshError::Late { .. }
                | MeshError::Lost { .. }
                | MeshError::Claim(_)
                | MeshError::System(_) => Failure::Again(Box::new(error)),
            },
            ClusterError::Stopped { .. } => Failure::Stopped,
            ClusterError::Flow(_) | ClusterError::Store(_) | ClusterError::Workers(_) => {
                Failure::Again(Box::new(error))
            }
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::GiveUp(Box::new(error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Again(Box::new(error))
    }
}
