//! Offsets that mean the same in the target as in the snapshot, without anything being written.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{
    documents::CommittedOffset,
    manifest::{Manifest, ManifestPartition},
    words::OffsetRange,
};

use super::Target;
use crate::names::TargetNames;

/// Partitions of the target where the snapshot's offsets hold as they are, by the snapshot's name of the topic.
pub type SameOffsets = BTreeMap<String, BTreeSet<i32>>;

/// Finds them: those where the source had a record at each offset from 0 on, so that whoever restored them restored each
/// to its own offset, and the target has as many.
pub(super) fn same_offsets(
    manifest: &Manifest,
    target: &Target,
    names: &TargetNames,
) -> SameOffsets {
    let mut same = SameOffsets::new();
    for topic in &manifest.topics {
        let Some(existing) = target.topics.get(names.target(&topic.topic)) else {
            continue;
        };
        for partition in &topic.partitions {
            let there = usize::try_from(partition.partition).ok();
            let there = there.and_then(|at| existing.partitions.get(at));
            if there.is_some_and(|there| holds_as_they_are(partition, *there)) {
                let of_topic = same.entry(topic.topic.clone()).or_default();
                of_topic.insert(partition.partition);
            }
        }
    }
    same
}

/// Markers, holes and gaps are offsets without a record; what is not stable may be left out.
fn holds_as_they_are(partition: &ManifestPartition, there: OffsetRange) -> bool {
    let end = partition.high_watermark;
    let gapless = partition.gaps.is_empty()
        && partition.log_start_offset == 0
        && partition.last_stable_offset == end
        && partition.record_count == u64::try_from(end).ok();
    gapless && there.start == 0 && there.end >= end
}

/// Whether an offset is among them.
pub(crate) fn is_same(same: &SameOffsets, committed: &CommittedOffset) -> bool {
    same.get(&committed.topic)
        .is_some_and(|partitions| partitions.contains(&committed.partition))
}
