//! Compacted topics: the latest record of each key, as far as one pass holds them (R12). No I/O.

use std::collections::HashMap;

use lifeboat_archive::print::RecordPrint;

use super::matching::Tally;

/// What a key takes in memory, about.
pub(super) const KEY_BYTES: u64 = 512;

/// Which keys are looked at: one of several equal parts, so that the keys of a part fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) number: u64,
    pub(super) of: u64,
}

impl Pass {
    /// As many passes as it takes for `records` keys, at most, in so many bytes.
    pub(super) fn all(records: u64, memory: u64) -> impl Iterator<Item = Self> {
        let most = (memory / KEY_BYTES).max(1_000);
        let of = records.div_ceil(most).max(1);
        (0..of).map(move |number| Self { number, of })
    }

    fn has(self, key: u128) -> bool {
        key % u128::from(self.of) == u128::from(self.number)
    }
}

/// The latest records of the snapshot and of the cluster.
#[derive(Debug)]
pub(super) struct LatestByKey {
    pass: Pass,
    /// Records of the cluster from this offset on are newer than the snapshot.
    newer_from: i64,
    /// A key that is gone may have been deleted after the snapshot, and its tombstone may be gone, too.
    may_be_deleted: bool,
    exact: bool,
    keys: HashMap<u128, Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    expected: Option<RecordPrint>,
    found: Option<RecordPrint>,
}

impl LatestByKey {
    pub(super) fn new(pass: Pass, may_be_deleted: bool, exact: bool) -> Self {
        Self {
            pass,
            newer_from: i64::MAX,
            may_be_deleted,
            exact,
            keys: HashMap::new(),
        }
    }

    /// From which offset on the cluster's records are newer than the snapshot.
    pub(super) fn newer_from(&mut self, offset: i64) {
        self.newer_from = offset;
    }

    /// A record of the snapshot.
    pub(super) fn expect(&mut self, record: RecordPrint) {
        if let Some(latest) = self.latest(&record) {
            latest.expected = Some(record);
        }
    }

    /// A record of the cluster.
    pub(super) fn see(&mut self, record: RecordPrint) {
        if let Some(latest) = self.latest(&record) {
            latest.found = Some(record);
        }
    }

    /// Records without a key mean nothing in a compacted topic, whose cleaner drops them.
    fn latest(&mut self, record: &RecordPrint) -> Option<&mut Latest> {
        let key = record.key.filter(|key| self.pass.has(*key))?;
        Some(self.keys.entry(key).or_default())
    }

    /// What all of that comes to, added to `tally`.
    pub(super) fn finish(self, tally: &mut Tally) {
        let mut keys: Vec<Latest> = self.keys.into_values().collect();
        // so that the first difference is the first
        keys.sort_unstable_by_key(|latest| {
            let place = latest.expected.or(latest.found);
            place.map(|record| (latest.expected.is_none(), record.offset))
        });
        for Latest { expected, found } in keys {
            // a tombstone is there, or it has done its work and is gone: both say that the key is deleted
            let alive = expected.filter(|record| record.value.is_some());
            let there = found.filter(|record| record.value.is_some());
            let is_newer = found.is_some_and(|record| record.offset >= self.newer_from);
            match (alive, there) {
                _ if is_newer && !self.exact => tally.counts.newer += 1,
                (None, None) => tally.counts.same += u64::from(expected.is_some()),
                (Some(expected), Some(found)) if expected.is_same(&found) => {
                    tally.counts.same += 1;
                }
                (Some(expected), Some(found)) => tally.changed(&expected, &found),
                (None, Some(found)) => tally.extra(&found),
                (Some(_), None) if self.may_be_deleted && found.is_none() => {
                    tally.counts.no_longer_kept += 1;
                }
                (Some(expected), None) => tally.missing(&expected),
            }
        }
    }
}

#[cfg(test)]
mod tests;
