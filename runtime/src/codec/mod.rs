//! How the batches of an edge cross a network: as bytes, where their records are data.
//!
//! Whether they are is found out where a flow is wired and the types of its edges are known, by which of two methods of
//! one name rustc finds first: [`BySerde`] or [`ByNothing`].

mod reader;

use self::reader::Reader;
use crate::batch::{Batch, Status};
use crate::host::Host;
use crate::record::Record;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// How batches of these records become bytes, and are made of them again.
pub struct Codec<T> {
    encode: fn(&Batch<T>) -> Result<Vec<u8>, Unsendable>,
    decode: fn(&[u8]) -> Result<Batch<T>, Unsendable>,
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Codec<T> {}

/// A batch cannot be sent as bytes, or bytes are no batch of these records.
#[derive(Clone, Debug)]
pub struct Unsendable(String);

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsendable {}

impl<T> Codec<T> {
    /// The batch as bytes.
    ///
    /// # Errors
    /// If a record's `Serialize` says no.
    pub fn encode(&self, batch: &Batch<T>) -> Result<Vec<u8>, Unsendable> {
        (self.encode)(batch)
    }

    /// The batch that these bytes were.
    ///
    /// # Errors
    /// If they were none of these records.
    pub fn decode(&self, bytes: &[u8]) -> Result<Batch<T>, Unsendable> {
        (self.decode)(bytes)
    }
}

/// Where an edge is told its codec; empty where its records are no data.
pub type CodecSlot<T> = Arc<OnceLock<Codec<T>>>;

/// Gives the codec of records that are data. A type of its own, so that a host which never asks compiles none.
pub trait Carries<T> {
    /// The codec.
    fn codec() -> Codec<T>;
}

/// By serde.
#[derive(Debug)]
pub enum Serde {}

impl<T: Serialize + Deserialize<'static>> Carries<T> for Serde {
    fn codec() -> Codec<T> {
        Codec { encode, decode }
    }
}

fn status_number(status: Status) -> u8 {
    match status {
        Status::Active => 0,
        Status::Idle => 1,
        Status::Ended => 2,
    }
}

/// The head of a batch on the wire; its records follow.
type Head = (u64, Vec<(u64, i64)>, i64, u8, u64);

fn encode<T: Serialize>(batch: &Batch<T>) -> Result<Vec<u8>, Unsendable> {
    let unsendable = |error: postcard::Error| Unsendable(format!("a record cannot be sent: {error}"));
    let marks = batch.marks.iter().map(|&(place, at)| (place as u64, at.0)).collect();
    let status = status_number(batch.status);
    let head: Head = (batch.items.len() as u64, marks, batch.watermark.0, status, batch.barrier);
    let bytes = Vec::with_capacity(64 + batch.items.len() * 2 * size_of::<T>());
    let bytes = postcard::to_extend(&head, bytes).map_err(unsendable)?;
    batch.items.iter().try_fold(bytes, |bytes, item| postcard::to_extend(item, bytes)).map_err(unsendable)
}

fn decode<T: Deserialize<'static>>(bytes: &[u8]) -> Result<Batch<T>, Unsendable> {
    let unreadable = |error: &dyn fmt::Display| Unsendable(format!("what was received is no batch: {error}"));
    let (head, rest) = postcard::take_from_bytes::<Head>(bytes).map_err(|error| unreadable(&error))?;
    let (records, marks, watermark, status, barrier) = head;
    // No more than the bytes could hold, whatever they say.
    let mut items = Vec::with_capacity(usize::try_from(records).unwrap_or(0).min(rest.len() + 1));
    let mut reader = Reader(rest);
    for _ in 0..records {
        items.push(T::deserialize(&mut reader).map_err(|error| unreadable(&error))?);
    }
    let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(items.len());
    let marks = marks.into_iter().map(|(at, watermark)| (place(at), Timestamp(watermark))).collect();
    let status = match status {
        0 => Status::Active,
        1 => Status::Idle,
        _ => Status::Ended,
    };
    Ok(Batch { parts: None, items, marks, watermark: Timestamp(watermark), status, barrier })
}

/// Asks of an edge whether its records are data.
pub struct Codecs<'a, T>(pub &'a CodecSlot<T>);

/// See the [module](self).
pub trait BySerde {
    /// Tells the edge how its records cross a network.
    fn tell<H: Host>(&self, host: &mut H);
}

/// See the [module](self).
pub trait ByNothing {
    /// There is nothing to tell.
    fn tell<H: Host>(&self, host: &mut H);
}

impl<T: Record + Serialize + Deserialize<'static>> BySerde for Codecs<'_, T> {
    fn tell<H: Host>(&self, host: &mut H) {
        host.carry::<T, Serde>(self.0);
    }
}

impl<T: 'static> ByNothing for &Codecs<'_, T> {
    fn tell<H: Host>(&self, _: &mut H) {
        const {
            assert!(
                !H::CROSSES,
                "records of this flow cannot cross the network, because their type is no data: derive `serde::Serialize` \
                 and `serde::Deserialize` for what is named below as `Codecs<'_, ..>`; or run the flow in one process"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec<T: Serialize + Deserialize<'static>>() -> Codec<T> {
        <Serde as Carries<T>>::codec()
    }

    #[test]
    fn a_batch_comes_out_as_it_went_in() {
        let batch = Batch {
            parts: None,
            items: vec![("a".to_owned(), 1u64), (String::new(), u64::MAX)],
            marks: vec![(1, Timestamp(-5))],
            watermark: Timestamp(7),
            status: Status::Idle,
            barrier: 3,
        };
        let bytes = codec().encode(&batch).unwrap();
        let read: Batch<(String, u64)> = codec().decode(&bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{batch:?}"));
    }

    #[test]
    fn records_without_bytes_keep_their_number() {
        let batch = Batch::of(vec![(); 1000]);
        let bytes = codec().encode(&batch).unwrap();
        assert_eq!(codec::<()>().decode(&bytes).unwrap().items.len(), 1000);
    }

    #[test]
    fn bytes_that_are_no_batch_are_an_error_and_no_panic() {
        let bytes = codec().encode(&Batch::of(vec![String::from("record")])).unwrap();
        for end in 0..bytes.len() {
            assert!(codec::<String>().decode(&bytes[..end]).is_err());
        }
    }
}
