//! What a snapshot holds, and the commit that makes it exist.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    index::SegmentEntry,
    json::{Document, Sha256Hex},
    lists::ObjectReference,
    words::{OffsetRange, SnapshotId, Timestamp, TopicId},
};

/// Whether earlier archives are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// Everything was read anew; nothing is shared.
    Full,
    /// Points into archives of earlier snapshots.
    Incremental,
}

impl fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Incremental => "incr",
        })
    }
}

/// Whether all that was asked for is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotState {
    /// Everything.
    Complete,
    /// Something is missing: see the gaps and problems of the manifest.
    Partial,
}

impl fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Complete => "complete",
            Self::Partial => "PARTIAL",
        })
    }
}

/// Everything about one snapshot; complete in itself, no chain to walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The snapshot's name.
    pub snapshot: SnapshotId,
    /// Whose data it is.
    pub cluster_id: String,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// Complete or partial.
    pub state: SnapshotState,
    /// When the backup began.
    pub started_at: Timestamp,
    /// When the bounds of all partitions were captured: what the snapshot can be restored to.
    pub bounds_at: Timestamp,
    /// When the last byte was stored.
    pub finished_at: Timestamp,
    /// The program that wrote it: `lifeboat 0.1.0`.
    pub created_by: String,
    /// The topics, by name.
    pub topics: Vec<ManifestTopic>,
    /// The cluster documents: `metadata/<snapshot>.tar.zst`.
    pub documents: ObjectReference,
    /// Sums over everything.
    pub totals: Totals,
    /// The newest earlier snapshot whose archives are used again; missing in a full one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builds_on: Option<SnapshotId>,
    /// What could not be saved and why, other than gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Document for Manifest {
    const FORMAT: &'static str = "lifeboat.manifest";
}

/// A topic in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestTopic {
    /// The topic's name.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// Where its segment list is: with an unchanged topic, in the lists of an earlier snapshot.
    pub list: ListReference,
    /// How Kafka cleaned it up; `null` where that could not be read. What the next incremental backup goes by.
    #[serde(default)]
    pub cleanup: Option<Cleanup>,
    /// Its partitions, by number.
    pub partitions: Vec<ManifestPartition>,
}

impl ManifestTopic {
    /// What it says of a partition.
    pub fn partition(&self, number: i32) -> Option<&ManifestPartition> {
        let at = self
            .partitions
            .binary_search_by_key(&number, |partition| partition.partition);
        self.partitions.get(at.ok()?)
    }
}

/// What holds of a topic, whether it says so itself or its brokers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleanup {
    /// `cleanup.policy` has `compact` in it.
    pub compact: bool,
    /// `cleanup.policy` has `delete` in it.
    pub delete: bool,
    /// `delete.retention.ms`: so long a tombstone lives at least.
    pub delete_retention_ms: u64,
}

/// One zstd frame inside a lists object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReference {
    /// The lists object, by its path below the repository's URL.
    pub object: String,
    /// Where the frame begins.
    pub position: u64,
    /// Bytes of the frame.
    pub length: u64,
    /// SHA-256 of the frame's (compressed) bytes.
    pub sha256: Sha256Hex,
}

/// A partition in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPartition {
    /// The partition's number.
    pub partition: i32,
    /// The log start offset when the bounds were captured.
    pub log_start_offset: i64,
    /// The high watermark then: the snapshot ends here.
    pub high_watermark: i64,
    /// The last stable offset then.
    pub last_stable_offset: i64,
    /// The leader's epoch then; −1 where the broker did not tell.
    pub leader_epoch: i32,
    /// Records by the batch headers, control records left out; `null` where old compressed batches do not tell.
    pub record_count: Option<u64>,
    /// Record batches.
    pub batch_count: u64,
    /// Bytes as Kafka stores them; of repacked batches without their compression.
    pub raw_bytes: u64,
    /// Of them, those in segments with repacked batches (R27); missing where none.
    #[serde(default, skip_serializing_if = "is_zero_bytes")]
    pub repacked_bytes: u64,
    /// The largest batch in bytes, for `max.message.bytes`.
    pub largest_batch_bytes: u64,
    /// Largest record timestamp, `null` where there is none.
    pub max_timestamp_ms: Option<i64>,
    /// The last batch; `null` where there is none.
    #[serde(default)]
    pub last_batch: Option<LastBatch>,
    /// How many snapshots appended segments to the list since all was read, never more than it has. Missing where none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub appended: u32,
    /// Reading it took longer than its tombstones live: a deleted key may have come back (R11). Missing where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tombstones_unsafe: bool,
    /// Data that was there when the bounds were captured and could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// Where the data of a partition end, and under which leader: what an incremental backup asks the broker about (R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBatch {
    /// One more than its last offset.
    pub next_offset: i64,
    /// The leader epoch that it was written in; −1 for magic 0 and 1.
    pub leader_epoch: i32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero_bytes(number: &u64) -> bool {
    *number == 0
}

impl ManifestPartition {
    /// The offsets that the snapshot vouches for.
    pub fn range(&self) -> OffsetRange {
        OffsetRange::new(self.log_start_offset, self.high_watermark)
    }
}

impl LastBatch {
    /// Where a partition ends whose last segment this is.
    pub fn of(segment: &SegmentEntry) -> Self {
        Self {
            next_offset: segment.next_offset,
            leader_epoch: segment.leader_epochs.last().map_or(-1, |last| last.epoch),
        }
    }
}

/// Offsets that should be in the snapshot and are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Which offsets.
    #[serde(flatten)]
    pub range: OffsetRange,
    /// Why.
    pub reason: GapReason,
}

/// Why data could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Retention or DeleteRecords moved the log start past it during the run.
    DeletedBeforeRead,
    /// The log end or high watermark fell below the captured end (unclean leader election).
    Truncated,
    /// The topic was deleted, or deleted and created again, during the run.
    TopicDeleted,
    /// The partition had no leader, or its leader did not answer, until the deadline.
    Unavailable,
    /// The principal may not read it.
    Unauthorized,
    /// The broker gave a batch whose checksum does not match, each time it was asked.
    Corrupt,
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeletedBeforeRead => "deleted by retention or DeleteRecords before it was read",
            Self::Truncated => "truncated by an unclean leader election during the run",
            Self::TopicDeleted => "the topic was deleted or re-created during the run",
            Self::Unavailable => "no leader answered until the deadline",
            Self::Unauthorized => "the principal may not read it",
            Self::Corrupt => "the broker's copy is corrupt: its checksum does not match",
        })
    }
}

/// Something that is not in the snapshot, or not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What it concerns: `group checkout`, `topic orders`.
    pub subject: String,
    /// What is wrong, and why.
    pub problem: String,
    /// Whether it makes the snapshot partial (exit code 3), or is only good to know.
    pub partial: bool,
}

/// Sums over a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// Records by the batch headers (old compressed batches, which do not tell, left out).
    pub records: u64,
    /// Record batches.
    pub batches: u64,
    /// Bytes as Kafka stores them; of repacked batches without their compression.
    pub raw_bytes: u64,
    /// Of them, those in segments with repacked batches (R27); missing where none.
    #[serde(default, skip_serializing_if = "is_zero_bytes")]
    pub repacked_bytes: u64,
    /// Of them, those that were read for this snapshot; the others stand in earlier archives.
    #[serde(default)]
    pub read_bytes: u64,
    /// Bytes of the archives that this snapshot wrote.
    pub stored_bytes: u64,
    /// Archives that this snapshot wrote.
    pub archives: u64,
    /// Consumer groups.
    pub groups: u64,
    /// Dynamic settings of brokers, groups and client-metrics subscriptions; `null` where they could not be read.
    #[serde(default)]
    pub configs: Option<u64>,
    /// ACLs; `null` where they could not be read.
    #[serde(default)]
    pub acls: Option<u64>,
    /// Entities with client quotas; `null` where they could not be read.
    #[serde(default)]
    pub quotas: Option<u64>,
    /// Gaps.
    pub gaps: u64,
}

/// The small object that makes a snapshot exist: written last, create-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its place in the order of commits, also its name; never used twice.
    pub sequence: u64,
    /// The number before it, where that is not one less: a copy of a part of a repository keeps the distances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<u64>,
    /// The snapshot's name.
    pub snapshot: SnapshotId,
    /// Whose data it is.
    pub cluster_id: String,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// Complete or partial.
    pub state: SnapshotState,
    /// When the backup began.
    pub started_at: Timestamp,
    /// When the bounds of all partitions were captured.
    pub bounds_at: Timestamp,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// The manifest.
    pub manifest: ObjectReference,
    /// Sums, for listings.
    pub totals: Totals,
}

impl Document for Commit {
    const FORMAT: &'static str = "lifeboat.commit";
}
