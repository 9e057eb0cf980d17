//! Whether a partition may be read from where the last snapshot ended: checked, not assumed (R5, R6, R11).

use std::{fmt, time::Duration};

use lifeboat_archive::{
    lists::PartitionList,
    manifest::ManifestPartition,
    words::{Timestamp, TopicId},
};
use lifeboat_kafka::wire::EpochEnd;

use super::bounds::PartitionBounds;

/// What clocks may differ by, and the time that the cleaner takes its own time from.
const MARGIN: Duration = Duration::from_secs(60);

/// How a topic is cleaned up: what holds, whether the topic or its brokers say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cleanup {
    /// `cleanup.policy` has `compact` in it.
    pub(super) compacts: bool,
    /// `cleanup.policy` has `delete` in it.
    pub(super) deletes: bool,
    /// `delete.retention.ms`: so long a tombstone lives at least.
    pub(super) tombstones_live: Duration,
}

/// What the last snapshot has of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archived<'m> {
    pub(super) topic_id: TopicId,
    pub(super) partition: &'m ManifestPartition,
    pub(super) list: &'m PartitionList,
    /// When its bounds were captured.
    pub(super) bounds_at: Timestamp,
    /// How it was cleaned up then; `None` where that is not known.
    pub(super) cleanup: Option<Cleanup>,
}

impl Archived<'_> {
    /// The epoch of the last archived batch, and where that batch ends; `None` where nothing is archived, or it has no
    /// epoch (magic 0 and 1).
    pub(super) fn last_batch(&self) -> Option<(i32, i64)> {
        let last = self.list.segments.last()?;
        let epoch = last.entry.leader_epochs.last()?.epoch;
        (epoch >= 0).then_some((epoch, last.entry.next_offset))
    }
}

/// From where a partition is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of it.
    Full(Why),
    /// From the end of the last snapshot on, or from the log start where that is behind it.
    From(i64),
}

/// Why all of a partition is read though there is an earlier snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The earlier one does not have it, or nothing of it.
    New,
    /// It is another topic of the same name.
    Recreated,
    /// The log does not hold any more what was archived: an unclean leader election.
    Truncated,
    /// It can't be told whether the log still holds it.
    Unknown,
    /// Something could not be read then and may be there now.
    Gaps,
    /// Deletions may have come and gone unseen since then.
    Tombstones,
    /// It is compacted now and was not, or the other way round.
    Policy,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "not in the last snapshot",
            Self::Recreated => "re-created since the last snapshot",
            Self::Truncated => "truncated since the last snapshot",
            Self::Unknown => "whether it continues the last snapshot can't be told",
            Self::Gaps => "the last snapshot has gaps in it",
            Self::Tombstones => {
                "compacted, and the last snapshot is older than its tombstones live"
            }
            Self::Policy => "its cleanup policy has changed since the last snapshot",
        })
    }
}

/// Decides from where a partition is read.
pub(super) fn decide(
    archived: Option<Archived<'_>>,
    bounds: &PartitionBounds,
    epoch: Option<EpochEnd>,
    cleanup: Option<Cleanup>,
    now: Timestamp,
) -> Reading {
    let Some(archived) = archived else {
        return Reading::Full(Why::New);
    };
    if archived.topic_id != bounds.topic_id {
        return Reading::Full(Why::Recreated);
    }
    if !archived.partition.gaps.is_empty() {
        return Reading::Full(Why::Gaps);
    }
    let end = archived.partition.high_watermark;
    if bounds.high_watermark < end {
        return Reading::Full(Why::Truncated);
    }
    if archived.list.segments.is_empty() {
        return Reading::Full(Why::New);
    }
    // what was archived is gone by now, and nothing has to continue it
    if bounds.log_start_offset < end {
        let (Some((asked, batch_end)), Some(told)) = (archived.last_batch(), epoch) else {
            return Reading::Full(Why::Unknown);
        };
        if told.epoch < 0 || told.end_offset < 0 {
            return Reading::Full(Why::Unknown);
        }
        if told.epoch != asked || told.end_offset < batch_end {
            return Reading::Full(Why::Truncated);
        }
    }
    let (Some(then), Some(current)) = (archived.cleanup, cleanup) else {
        // it may be compacted
        return Reading::Full(Why::Unknown);
    };
    if (then.compacts, then.deletes) != (current.compacts, current.deletes) {
        return Reading::Full(Why::Policy);
    }
    if !tombstones_are_seen(archived.bounds_at, then, current, now) {
        return Reading::Full(Why::Tombstones);
    }
    Reading::From(end.max(bounds.log_start_offset))
}

/// Whether no deletion can have come and gone between the last snapshot and a reading that ended at `read_at` (R11): a
/// tombstone lives for `delete.retention.ms` at least.
pub(super) fn tombstones_are_seen(
    bounds_at: Timestamp,
    then: Cleanup,
    current: Cleanup,
    read_at: Timestamp,
) -> bool {
    if !current.compacts {
        return true;
    }
    let lives = then.tombstones_live.min(current.tombstones_live);
    let safe = (lives - lives / 10).saturating_sub(MARGIN);
    let between = read_at.millis_since(bounds_at);
    u64::try_from(between).is_ok_and(|between| Duration::from_millis(between) < safe)
}

#[cfg(test)]
mod tests;
