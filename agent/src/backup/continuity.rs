//! Whether a partition may be read from where the last snapshot ended: checked, not assumed (R5, R6, R11).

use std::{fmt, time::Duration};

use lifeboat_archive::{
    manifest::{Cleanup, Gap, LastBatch, ManifestPartition},
    words::{OffsetRange, SnapshotId, Timestamp, TopicId},
};
use lifeboat_kafka::wire::EpochEnd;

use super::{bounds::PartitionBounds, unfinished::Inherited};

/// What the clocks of two agents, and of the broker, may differ by.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);

/// A partition that so many snapshots have appended to may be read in full once more: its list, and the ranges that a
/// restore reads, grow with their number.
const MANY_APPENDED: u32 = 500;
/// Bytes for each of these snapshots that it may cost.
const LITTLE: u64 = 1 << 20;

/// What the last snapshot has of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archived<'m> {
    pub(super) topic_id: TopicId,
    pub(super) partition: &'m ManifestPartition,
    /// When its bounds were captured.
    pub(super) bounds_at: Timestamp,
    /// How it was cleaned up then; `None` where that is not known.
    pub(super) cleanup: Option<Cleanup>,
}

impl Archived<'_> {
    /// The last batch, where it still lies in a log that begins at `log_start`.
    pub(super) fn last_batch_behind(&self, log_start: i64) -> Option<LastBatch> {
        let last = self.partition.last_batch;
        last.filter(|last| last.next_offset > log_start)
    }

    /// Offsets that were deleted before any snapshot had them.
    pub(super) fn lost_before_saved(&self, bounds: &PartitionBounds) -> OffsetRange {
        let end = self.partition.high_watermark;
        if self.topic_id == bounds.topic_id && bounds.log_start_offset > end {
            OffsetRange::new(end, bounds.log_start_offset)
        } else {
            OffsetRange::new(end, end)
        }
    }
}

/// From where a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of it.
    Full(Why),
    /// What the last snapshot has is used again, up to `start`, behind its last batch that is still in the log.
    Continued { start: i64, new: New },
}

/// What has come since the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum New {
    /// Nothing, and nothing has gone.
    Nothing,
    /// Nothing, but the log begins elsewhere now.
    LogStart,
    /// Batches.
    Batches,
}

/// Why all of a partition is read though there is an earlier snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// That is what was asked for.
    Wanted,
    /// The earlier ones do not have it.
    New,
    /// Nothing of what they have is in the log any more.
    Gone,
    /// It is another topic of the same name.
    Recreated,
    /// The log does not hold any more what was archived: an unclean leader election.
    Truncated,
    /// It can't be told whether the log still holds it.
    Unknown,
    /// It can't be told whether it is compacted.
    Settings,
    /// Something could not be read then and may be there now.
    Gaps,
    /// Deletions may have come and gone unseen since then.
    Tombstones,
    /// Deletions may have come and gone while it was read.
    Slow,
    /// It is compacted now and was not, or the other way round.
    Policy,
    /// The earlier segment list can't be read any more.
    Damaged,
    /// Archives that it is in are not in the store any more.
    Lost,
    /// It is in very many small segments.
    Fragmented,
    /// What is sealed must not point at what is not.
    Unsealed,
}

impl Why {
    /// Whether there was something to build on, and it could not be used.
    pub(super) fn is_told(self) -> bool {
        !matches!(self, Self::Wanted | Self::New | Self::Gone)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wanted => "asked for",
            Self::New => "not in the last snapshots",
            Self::Gone => "nothing of the last snapshot is left in the log",
            Self::Recreated => "re-created since the last snapshot",
            Self::Truncated => "truncated since the last snapshot (unclean leader election)",
            Self::Unknown => "no leader tells whether it continues the last snapshot",
            Self::Settings => "how it is cleaned up can't be read, or could not for the last snapshot",
            Self::Gaps => "the last snapshot has gaps in it",
            Self::Tombstones => {
                "compacted, and the last snapshot is older than tombstones live (delete.retention.ms)"
            }
            Self::Slow => "compacted, and reading it took longer than tombstones live",
            Self::Policy => "its cleanup.policy has changed since the last snapshot",
            Self::Damaged => "its list in the last snapshot is damaged",
            Self::Lost => "archives that earlier snapshots have it in are missing from the store",
            Self::Fragmented => "in very many small segments of earlier snapshots",
            Self::Unsealed => "not encrypted in the last snapshot",
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
    let held = archived.partition;
    let missing = |gap: &Gap| gap.range.end > bounds.log_start_offset;
    if held.gaps.iter().any(missing) {
        return Reading::Full(Why::Gaps);
    }
    if held.tombstones_unsafe {
        return Reading::Full(Why::Slow);
    }
    let (start, end) = (bounds.log_start_offset, bounds.high_watermark);
    if end < held.high_watermark || start < held.log_start_offset {
        return Reading::Full(Why::Truncated);
    }
    let Some(last) = archived.last_batch_behind(start) else {
        return decide_without_data(held, bounds);
    };
    let told = epoch.filter(|told| told.epoch >= 0 && told.end_offset >= 0);
    let Some(told) = told.filter(|_| last.leader_epoch >= 0) else {
        return Reading::Full(Why::Unknown);
    };
    if told.epoch != last.leader_epoch || told.end_offset < last.next_offset {
        return Reading::Full(Why::Truncated);
    }
    let new = if end > held.high_watermark {
        New::Batches
    } else if start > held.log_start_offset {
        New::LogStart
    } else {
        New::Nothing
    };
    // where nothing came, no deletion did
    if new == New::Batches {
        let (Some(then), Some(current)) = (archived.cleanup, cleanup) else {
            // it may be compacted
            return Reading::Full(Why::Settings);
        };
        if (then.compact, then.delete) != (current.compact, current.delete) {
            return Reading::Full(Why::Policy);
        }
        if !tombstones_are_seen(archived.bounds_at, then, current, now) {
            return Reading::Full(Why::Tombstones);
        }
        if is_fragmented(held) {
            return Reading::Full(Why::Fragmented);
        }
    }
    Reading::Continued {
        start: last.next_offset,
        new,
    }
}

/// Whether it is in many small segments, and reading all of it costs little for each snapshot that appended to it.
///
/// What is counted are snapshots: small segments that the limit of the memory makes come back after each reading in full.
fn is_fragmented(held: &ManifestPartition) -> bool {
    held.appended >= MANY_APPENDED && held.raw_bytes / u64::from(held.appended) < LITTLE
}

/// How often segments were appended to a partition since it was read in full, now once more if it `grew`. Each time brought
/// one at least: no more are counted than there are, for Kafka deletes the oldest and the list forgets them.
pub(super) fn count_appended(before: u32, grew: bool, segments: usize) -> u32 {
    let appended = before.saturating_add(u32::from(grew));
    appended.min(u32::try_from(segments).unwrap_or(u32::MAX))
}

/// Whether what an unfinished run has stored of a partition can be used: it must go on where `reading` begins, and the log
/// must go on where it ends. `builds_on` is the snapshot that `reading` continues.
pub(super) fn can_inherit(
    inherited: &Inherited,
    reading: Reading,
    builds_on: Option<&SnapshotId>,
    bounds: &PartitionBounds,
    epoch: Option<EpochEnd>,
    cleanup: Option<Cleanup>,
    now: Timestamp,
) -> bool {
    let Some(last) = inherited.last_batch() else {
        return false;
    };
    let begins = match reading {
        // what became visible before it was never read
        Reading::Full(_) => {
            inherited.builds_on.is_none() && inherited.from <= bounds.log_start_offset
        }
        Reading::Continued { start, new } => {
            new == New::Batches
                && builds_on.is_some()
                && inherited.builds_on.as_ref() == builds_on
                && inherited.from == start
        }
    };
    let goes_on = epoch.is_some_and(|told| {
        last.leader_epoch >= 0
            && told.epoch == last.leader_epoch
            && told.end_offset >= last.next_offset
    });
    begins
        && goes_on
        && inherited.topic_id == bounds.topic_id
        && last.next_offset > bounds.log_start_offset
        && last.next_offset <= bounds.high_watermark
        && cleanup
            .is_some_and(|cleanup| tombstones_are_seen(inherited.begun_at, cleanup, cleanup, now))
}

/// Nothing of what is archived is still in the log, so nothing has to continue it and nothing of it can come back.
fn decide_without_data(held: &ManifestPartition, bounds: &PartitionBounds) -> Reading {
    let nothing = |start: i64, end: i64| start == end && held.last_batch.is_none();
    let start = bounds.log_start_offset;
    let was_empty = nothing(held.log_start_offset, held.high_watermark);
    if was_empty && nothing(start, bounds.high_watermark) && start == held.log_start_offset {
        let new = New::Nothing;
        return Reading::Continued { start, new };
    }
    Reading::Full(Why::Gone)
}

/// Whether no deletion can have come and gone between the last snapshot and a reading that ended at `read_at` (R11): a
/// tombstone lives for `delete.retention.ms` at least.
pub(super) fn tombstones_are_seen(
    bounds_at: Timestamp,
    then: Cleanup,
    current: Cleanup,
    read_at: Timestamp,
) -> bool {
    if !current.compact {
        return true;
    }
    let live = then.delete_retention_ms.min(current.delete_retention_ms);
    let safe = less_a_tenth(Duration::from_millis(live)).saturating_sub(CLOCK_MARGIN);
    let between = read_at.millis_since(bounds_at);
    u64::try_from(between).is_ok_and(|between| Duration::from_millis(between) < safe)
}

/// Whether no deletion can have come and gone while a partition was read from front to back (R11). `took` is measured
/// from the first request to the last answer, and is nothing where one answer had it all.
pub(super) fn was_quick_enough(cleanup: Option<Cleanup>, took: Duration) -> bool {
    match cleanup {
        Some(cleanup) if cleanup.compact => {
            let live = Duration::from_millis(cleanup.delete_retention_ms);
            took.is_zero() || took < less_a_tenth(live)
        }
        // where the settings are not known, that is a problem of its own
        _ => true,
    }
}

fn less_a_tenth(live: Duration) -> Duration {
    live.saturating_sub(live / 10)
}

#[cfg(test)]
mod tests;
