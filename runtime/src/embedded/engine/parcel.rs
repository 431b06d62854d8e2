//! What a host carries from an outlet to an inlet.

use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::any::Any;
use std::fmt;

/// A batch on its way from a task of one stage to a task of another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Parcel {
    /// The worker that it is for.
    pub to: u32,
    /// The task that sends it, by its place among those of its stage.
    pub from: u32,
    /// The task that it is for.
    pub lane: u32,
    /// The records in it.
    pub records: u32,
    /// What is in it.
    pub body: Body,
}

/// What is in a parcel.
pub enum Body {
    /// A batch as it is, for a worker of the same process.
    Here(Box<dyn Any + Send>),
    /// A batch as bytes, for one of another.
    Bytes(Vec<u8>),
}

impl Body {
    /// About how much memory it takes while it is on its way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Body::Here(_) => 0,
            Body::Bytes(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Here(_) => f.write_str("Here"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Body::Here(_) => Err(S::Error::custom("a batch for this process was led to another")),
            Body::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a batch")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Body, E> {
        Ok(Body::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Body, E> {
        Ok(Body::Bytes(bytes))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_as_they_are() {
        let parcel = Parcel { to: 1, from: 2, lane: 3, records: 4, body: Body::Bytes(vec![0, 255, 7]) };
        let bytes = postcard::to_stdvec(&parcel).unwrap();
        let read: Parcel = postcard::from_bytes(&bytes).unwrap();
        assert!(
            matches!(read, Parcel { to: 1, from: 2, lane: 3, records: 4, body: Body::Bytes(bytes) } if bytes == [0, 255, 7])
        );
    }
}
