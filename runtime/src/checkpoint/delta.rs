//! What has changed in one shard of a stage between two barriers.

/// A table among those of a stage: 0 where it has one, and of windows the start of each, in microseconds.
pub type TableId = i64;

/// The changes of one shard of a stage in an epoch, as bytes.
///
/// They apply in this order: tables dropped, keys removed, entries written. So a key that was removed and came again is
/// there, and one that came and went is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Tables of which nothing is left.
    pub dropped: Vec<TableId>,
    /// Keys that are not there any more.
    pub removed: Records,
    /// Entries, new or changed.
    pub written: Records,
}

/// Keys with their values, one after the other. Those of removed keys have no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    places: Vec<Place>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    group: u8,
    table: TableId,
    begin: usize,
    /// Where the key ends and the value begins.
    key_end: usize,
    end: usize,
}

/// A key in a table, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The key's group: see [`crate::hash::key_group`].
    pub group: u8,
    /// The table.
    pub table: TableId,
    /// The key, as postcard writes it.
    pub key: &'a [u8],
    /// The value, as [`crate::checkpoint::value`] writes it; empty where the key was removed.
    pub value: &'a [u8],
}

impl Records {
    /// Adds a record whose key and value are written by these, each at the end of what it gets.
    pub fn push(
        &mut self,
        group: u8,
        table: TableId,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let begin = self.bytes.len();
        key(&mut self.bytes);
        let key_end = self.bytes.len();
        value(&mut self.bytes);
        self.places.push(Place { group, table, begin, key_end, end: self.bytes.len() });
    }

    /// Adds others behind these.
    pub fn append(&mut self, others: Records) {
        if self.is_empty() {
            *self = others;
            return;
        }
        let after = self.bytes.len();
        self.bytes.extend_from_slice(&others.bytes);
        self.places.extend(others.places.into_iter().map(|place| Place {
            begin: place.begin + after,
            key_end: place.key_end + after,
            end: place.end + after,
            ..place
        }));
    }

    /// The records, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.places.iter().map(|place| self.record(place))
    }

    fn record(&self, place: &Place) -> Record<'_> {
        Record {
            group: place.group,
            table: place.table,
            key: &self.bytes[place.begin..place.key_end],
            value: &self.bytes[place.key_end..place.end],
        }
    }

    /// Puts the records in the order of their key groups; those of a group keep theirs.
    pub fn sort_by_group(&mut self) {
        self.places.sort_by_key(|place| place.group);
    }

    /// Leaves those at these places out, which are taken.
    pub(crate) fn leave_out(&mut self, places: &mut Vec<u32>) {
        if places.is_empty() {
            return;
        }
        places.sort_unstable();
        let (mut place, mut left_out) = (0, places.iter().peekable());
        self.places.retain(|_| {
            let kept = left_out.next_if(|left_out| **left_out == place).is_none();
            place += 1;
            kept
        });
        places.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Delta {
    /// Adds another part of the same epoch's changes.
    pub fn append(&mut self, other: Delta) {
        self.dropped.extend(other.dropped);
        self.removed.append(other.removed);
        self.written.append(other.written);
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.removed.is_empty() && self.written.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_by_group_and_in_order() {
        let mut records = Records::default();
        for (group, key) in [(7, b"b"), (3, b"a"), (7, b"a")] {
            records.push(group, 0, |to| to.extend(key), |to| to.push(group));
        }
        records.sort_by_group();
        let all: Vec<_> =
            records.iter().map(|record| (record.group, record.key[0], record.value[0])).collect();
        assert_eq!(all, [(3, b'a', 3), (7, b'b', 7), (7, b'a', 7)]);
    }

    #[test]
    fn records_that_are_added_to_others_stay_what_they_are() {
        let mut all = Records::default();
        for part in [&b"ab"[..], b"", b"c"] {
            let mut records = Records::default();
            part.iter().for_each(|&key| records.push(key, 0, |to| to.push(key), |to| to.extend([key, key])));
            all.append(records);
        }
        let all: Vec<_> = all.iter().map(|record| (record.key.to_vec(), record.value.to_vec())).collect();
        assert_eq!(all, b"abc".map(|key| (vec![key], vec![key, key])));
    }
}
