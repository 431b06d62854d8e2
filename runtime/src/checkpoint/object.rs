//! What can be wrong with a stored object, and reading one as a whole to find out.

use super::manifest::ObjectRef;
use super::storage::Storage;
use std::fmt;
use std::io;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// As much is read at once of what is only looked through.
const PIECE: u64 = 1 << 20;

/// An object cannot be used.
#[derive(Clone, Debug)]
pub enum ObjectError {
    /// It is not what was stored, or not there.
    Damaged {
        /// Its name.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is whole, and written by a later version of psdf.
    Version {
        /// Its name.
        object: String,
        /// The version of its format.
        version: u16,
    },
    /// It could not be read, so nothing is known of it.
    Io {
        /// Its name.
        object: String,
        /// Why.
        error: Arc<io::Error>,
    },
}

impl ObjectError {
    pub(super) fn damaged(object: &str, what: impl Into<String>) -> Self {
        ObjectError::Damaged { object: object.to_owned(), what: what.into() }
    }

    /// An object that is not there is damage: a manifest names it.
    pub(super) fn reading(object: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => ObjectError::damaged(object, "it is missing"),
            _ => ObjectError::Io { object: object.to_owned(), error: Arc::new(error) },
        }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::Damaged { object, what } => write!(f, "`{object}` is damaged: {what}"),
            ObjectError::Version { object, version } => {
                write!(
                    f,
                    "`{object}` has version {version} of its format, which this version of psdf does not know"
                )
            }
            ObjectError::Io { object, error } => write!(f, "`{object}` could not be read: {error}"),
        }
    }
}

impl std::error::Error for ObjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ObjectError::Damaged { .. } | ObjectError::Version { .. } => None,
            ObjectError::Io { error, .. } => Some(error.as_ref()),
        }
    }
}

/// Reads an object from its beginning to its end and compares it with what a manifest says of it.
///
/// # Errors
/// If it differs, or cannot be read.
pub fn verify(storage: &dyn Storage, object: &ObjectRef) -> Result<(), ObjectError> {
    let name = &object.name;
    let mut hash = Xxh3::new();
    let mut at = 0;
    loop {
        // One byte more than there should be, so that one that is too long is seen.
        let asked = PIECE.min((object.bytes - at).saturating_add(1));
        let piece = storage.get_range(name, at, asked).map_err(|error| ObjectError::reading(name, error))?;
        at += piece.len() as u64;
        if at > object.bytes {
            return Err(ObjectError::damaged(name, format!("it is longer than its {} bytes", object.bytes)));
        }
        hash.update(&piece);
        if (piece.len() as u64) < asked {
            break;
        }
    }
    if at < object.bytes {
        return Err(ObjectError::damaged(name, format!("it ends after {at} of {} bytes", object.bytes)));
    }
    if hash.digest() != object.checksum {
        return Err(ObjectError::damaged(name, "its checksum differs"));
    }
    Ok(())
}
