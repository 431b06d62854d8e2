//! The records of calls in flight, as checkpoints hold them: so that no barrier waits for an answer.
//!
//! A copy of each record is kept from when it comes until what became of it leaves, with its time, its segment, and the
//! watermark that came before the segment. None of that changes, so each record is written once, at the first barrier that
//! finds it here. After a restart its call is made again, in the same order.
//!
//! Records go on with the shard that made their calls, as one: keys are numbers, led by a key group that the shard owns. A
//! shard that gets the records of several has no order between them, and so keeps no watermark between them either.

use crate::checkpoint::Delta;
use crate::checkpoint::shape::{fields_of, shape_of};
use crate::checkpoint::value::{
    Migration, Shape, Unreadable, ValueReader, ValueWriter, read_key, reads_back, write_key,
};
use crate::record::{Stamp, StateData};
use crate::state::{stamp_of, stored_stamp};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// How the records before a `map_async` are copied, written and read, where they are data.
pub struct Form<T> {
    copy: fn(&T) -> T,
    /// As the one field of a state; `None` where that could not be read again.
    write: fn(&T) -> Option<Vec<u8>>,
    read: fn(&mut ValueReader<'_>) -> Result<T, Unreadable>,
    fields: fn() -> Vec<(String, String)>,
}

impl<T> Clone for Form<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Form<T> {}

/// A record, as the state of a user's is stored: so it has a name in errors.
#[derive(Serialize, Deserialize)]
struct Whole<T> {
    record: T,
}

impl<T: StateData> Form<T> {
    fn of_data() -> Self {
        Form {
            copy: T::clone,
            write: |record| reads_back::<T>(record),
            read: |from| from.state::<Whole<T>>().map(|whole| whole.record),
            fields: fields_of::<Whole<T>>,
        }
    }
}

/// Asks whether the records before a `map_async` are data. `(&probe).form()` is [`KeptAsData::form`] where they are, and
/// else [`WaitedFor::form`]: rustc takes the first that fits.
pub struct Probe<T>(PhantomData<fn(T)>);

impl<T> Probe<T> {
    pub(super) fn new() -> Self {
        Probe(PhantomData)
    }
}

/// See [`Probe`].
pub trait KeptAsData<T> {
    /// How records are kept.
    fn form(&self) -> Option<Form<T>>;
}

impl<T: StateData> KeptAsData<T> for Probe<T> {
    fn form(&self) -> Option<Form<T>> {
        Some(Form::of_data())
    }
}

/// See [`Probe`].
pub trait WaitedFor<T> {
    /// They are not: a barrier waits for them.
    fn form(&self) -> Option<Form<T>>;
}

impl<T> WaitedFor<T> for &Probe<T> {
    fn form(&self) -> Option<Form<T>> {
        None
    }
}

/// A record's place among those of all shards: a key group of its shard, and its number there.
type Key = (u8, u64);

/// What is stored beside a record.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Head {
    segment: u64,
    /// The last watermark before its segment.
    after: Option<Timestamp>,
    at: Option<Timestamp>,
}

/// Whether a record is written.
enum Written {
    Not,
    /// It cannot be, or not so that it could be read.
    Never,
    Ready(Vec<u8>),
    /// It is part of a snapshot.
    Stored,
}

struct Noted<T, A> {
    number: u64,
    record: T,
    at: A,
    segment: u64,
    after: Option<Timestamp>,
    written: Written,
}

/// A record whose call is to be made again.
pub(super) struct Again<T, A> {
    pub(super) record: T,
    pub(super) at: A,
    /// It is of the same segment as the one before.
    pub(super) joins: bool,
    /// The watermark between its segment and the one before.
    pub(super) after: Option<Timestamp>,
}

/// See the [module](self).
pub(super) struct InFlight<T, A> {
    form: Form<T>,
    /// In a durable flow.
    tracked: bool,
    /// A key group of this shard.
    group: u8,
    /// In no order: as many places as records were ever here at once.
    noted: Vec<Option<Noted<T, A>>>,
    free: Vec<usize>,
    /// The number of the next record.
    next: u64,
    /// What is stored and not here any more.
    gone: Vec<Key>,
    /// The snapshot at hand.
    snapshot: Delta,
    /// What is being restored.
    restored: Vec<(Key, Head, T)>,
}

impl<T, A: Stamp> InFlight<T, A> {
    pub(super) fn new(form: Form<T>, group: u8) -> Self {
        InFlight {
            form,
            tracked: false,
            group,
            noted: Vec::new(),
            free: Vec::new(),
            next: 0,
            gone: Vec::new(),
            snapshot: Delta::default(),
            restored: Vec::new(),
        }
    }

    /// From here on records are kept.
    pub(super) fn track(&mut self) {
        self.tracked = true;
    }

    /// Keeps a copy of a record until it leaves. Answers its place.
    pub(super) fn note(&mut self, record: &T, at: A, segment: u64, after: Option<Timestamp>) -> usize {
        if !self.tracked {
            return 0;
        }
        let (number, record) = (self.next, (self.form.copy)(record));
        self.next += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.noted.push(None);
            self.noted.len() - 1
        });
        self.noted[place] = Some(Noted { number, record, at, segment, after, written: Written::Not });
        place
    }

    /// What became of the record at that place has left.
    pub(super) fn leave(&mut self, place: usize) {
        let Some(noted) = self.noted.get_mut(place).and_then(Option::take) else { return };
        self.free.push(place);
        if let Written::Stored = noted.written {
            self.gone.push((self.group, noted.number));
        }
    }

    /// Writes what is to be stored; whether all of it can be.
    pub(super) fn write(&mut self) -> bool {
        let mut all = true;
        for noted in self.noted.iter_mut().flatten() {
            if let Written::Not = noted.written {
                let written = (self.form.write)(&noted.record);
                noted.written = written.map_or(Written::Never, Written::Ready);
            }
            all &= !matches!(noted.written, Written::Never);
        }
        all
    }

    /// See [`StoredState::begin_snapshot`](crate::state::StoredState::begin_snapshot). What cannot be written is not here
    /// any more.
    pub(super) fn begin_snapshot(&mut self) {
        self.write();
        let (group, Delta { removed, written, .. }) = (self.group, &mut self.snapshot);
        for key in self.gone.drain(..) {
            removed.push(key.0, 0, |to| write_key(&key, to), |_| ());
        }
        for noted in self.noted.iter_mut().flatten() {
            let Written::Ready(record) = &noted.written else { continue };
            let head = Head { segment: noted.segment, after: noted.after, at: stored_stamp(noted.at) };
            let value = |to: &mut Vec<u8>| {
                ValueWriter::new(to).head(&head);
                to.extend_from_slice(record);
            };
            written.push(group, 0, |to| write_key(&(group, noted.number), to), value);
            noted.written = Written::Stored;
        }
    }

    /// The snapshot, all of it.
    pub(super) fn copy(&mut self, into: &mut Delta) {
        into.append(std::mem::take(&mut self.snapshot));
    }

    /// See [`StoredState::restore`](crate::state::StoredState::restore).
    pub(super) fn restore(
        &mut self,
        key: &[u8],
        value: &[u8],
        migration: &Migration,
    ) -> Result<(), Unreadable> {
        let mut from = ValueReader::new(value, migration);
        let (key, head, record) = (read_key::<Key>(key)?, from.head()?, (self.form.read)(&mut from)?);
        from.end()?;
        self.restored.push((key, head, record));
        Ok(())
    }

    /// All are back: in order, what is to be called again. Each is to get a new number, whoever had it before, so all that
    /// is stored is gone.
    pub(super) fn restored(&mut self, watermark: Timestamp) -> Vec<Again<T, A>> {
        let mut restored = std::mem::take(&mut self.restored);
        restored.sort_unstable_by_key(|(key, ..)| *key);
        self.next = restored.iter().map(|((_, number), ..)| number + 1).max().unwrap_or(0);
        self.gone = restored.iter().map(|(key, ..)| *key).collect();
        let of_one =
            restored.first().zip(restored.last()).is_none_or(|((one, ..), (last, ..))| one.0 == last.0);
        let mut before = None;
        let again = restored.into_iter().map(|((group, _), head, record)| {
            let segment = Some((group, head.segment));
            let joins = before == segment;
            before = segment;
            // With another number of shards the watermark can be less than that of this one was.
            let after = head.after.filter(|_| of_one).map(|after| after.min(watermark));
            Again { record, at: stamp_of(head.at), joins, after }
        });
        again.collect()
    }

    /// See [`StoredState::shape`](crate::state::StoredState::shape).
    pub(super) fn shape(&self) -> Shape {
        Shape { key: shape_of::<Key>(), fields: (self.form.fields)(), defaults: Vec::new() }
    }
}
