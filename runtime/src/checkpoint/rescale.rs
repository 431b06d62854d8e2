//! What a shard goes on from: the same, if there are as many as there were, or else what all of them agree on.

use super::manifest::{SenderAt, ShardAt, StageAt};

const ACTIVE: u8 = 0;

/// What the shard at that place, of so many, goes on from, fed by these in this order; `None` if the stage is new.
///
/// Where there are now more or fewer shards than there were, a watermark is the least that any of them had: it makes no
/// record late that was not.
#[must_use]
pub fn resumed(stage: &StageAt, shard: usize, shards: usize, feeders: &[String]) -> Option<ShardAt> {
    let same = stage.shards.len() == shards;
    let old: Vec<&ShardAt> = if same { vec![&stage.shards[shard]] } else { stage.shards.iter().collect() };
    let first = old.first()?;
    let senders = feeders.iter().enumerate().map(|(place, from)| {
        let nth = feeders[..place].iter().filter(|other| *other == from).count();
        let of = feeders.iter().filter(|other| *other == from).count();
        let all = old.iter().map(|shard| sender(&shard.senders, from, nth, of));
        all.reduce(least).unwrap_or_default()
    });
    let clock = |place: usize| {
        let stood = old.iter().filter_map(|shard| shard.clocks.get(place));
        stood.copied().reduce(|one, other| (one.0.min(other.0), one.1.min(other.1))).unwrap_or_default()
    };
    Some(ShardAt {
        watermark: old.iter().map(|shard| shard.watermark).min().unwrap_or(i64::MIN),
        ended: old.iter().all(|shard| shard.ended),
        senders: senders.collect(),
        clocks: (0..first.clocks.len()).map(clock).collect(),
    })
}

/// The `nth` of the `of` senders of that name; where there were more or fewer, what holds of all of them.
fn sender(senders: &[SenderAt], from: &str, nth: usize, of: usize) -> SenderAt {
    let mut named = senders.iter().filter(|sender| sender.from == from);
    if named.clone().count() == of {
        return named.nth(nth).cloned().unwrap_or_default();
    }
    let none = SenderAt { from: from.to_owned(), watermark: i64::MIN, status: ACTIVE };
    named.cloned().reduce(least).unwrap_or(none)
}

/// What holds of two: the lesser watermark, and active if one is, or else idle.
fn least(one: SenderAt, other: SenderAt) -> SenderAt {
    SenderAt {
        watermark: one.watermark.min(other.watermark),
        status: one.status.min(other.status),
        from: one.from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender_at(from: &str, watermark: i64, status: u8) -> SenderAt {
        SenderAt { from: from.to_owned(), watermark, status }
    }

    fn shard(watermark: i64, senders: Vec<SenderAt>) -> ShardAt {
        ShardAt { watermark, ended: false, senders, clocks: vec![(watermark, watermark)] }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn as_many_shards_go_on_each_from_its_own() {
        let shards = vec![
            shard(5, vec![sender_at("a", 5, 0), sender_at("a", 7, 1)]),
            shard(6, vec![sender_at("a", 6, 0), sender_at("a", 8, 2)]),
        ];
        let stage = StageAt { shards: shards.clone(), ..StageAt::default() };
        for (place, shard) in shards.into_iter().enumerate() {
            assert_eq!(resumed(&stage, place, 2, &names(&["a", "a"])), Some(shard));
        }
    }

    #[test]
    fn more_or_fewer_go_on_from_the_least_of_all() {
        let stage = StageAt {
            shards: vec![
                shard(5, vec![sender_at("a", 5, 1), sender_at("a", 7, 2)]),
                shard(6, vec![sender_at("a", 6, 1), sender_at("a", 8, 2)]),
            ],
            ..StageAt::default()
        };
        let one = resumed(&stage, 0, 1, &names(&["a"]));
        assert_eq!(one, Some(shard(5, vec![sender_at("a", 5, 1)])));
        let three = resumed(&stage, 2, 3, &names(&["a", "a", "a"])).expect("the stage is not new");
        assert_eq!(three.senders, vec![sender_at("a", 5, 1); 3]);
    }

    #[test]
    fn a_feeder_that_is_new_has_said_nothing() {
        let stage = StageAt { shards: vec![shard(5, vec![sender_at("a", 5, 0)])], ..StageAt::default() };
        let resumed = resumed(&stage, 0, 1, &names(&["b"])).expect("the stage is not new");
        assert_eq!(resumed.senders, [sender_at("b", i64::MIN, ACTIVE)]);
    }

    #[test]
    fn a_stage_that_is_new_has_nothing_to_go_on_from() {
        assert_eq!(resumed(&StageAt::default(), 0, 2, &[]), None);
    }
}
