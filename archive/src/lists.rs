//! Which segments make up a topic: what a restore reads instead of listing the repository.

use serde::{Deserialize, Serialize};

use crate::{
    index::SegmentEntry,
    json::{Document, Sha256Hex, Xxh3Hex},
    words::{OffsetRange, TopicId},
};

/// An object of the repository, by the path below its root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectReference {
    /// The path below the repository's URL.
    pub object: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the object.
    pub sha256: Sha256Hex,
}

/// An archive, by the path below the repository's root.
///
/// Its segments are named by their SHA-256; the hash of the whole also covers what lies between and behind them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArchiveReference {
    /// The path below the repository's URL.
    pub object: String,
    /// Bytes.
    pub size: u64,
    /// XXH3-128 of the object.
    pub xxh3_128: Xxh3Hex,
}

/// The segments and transactions of one topic; one zstd frame of a lists object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicList {
    /// The topic's name.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// The archives that its segments are in.
    pub archives: Vec<ArchiveReference>,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionList>,
}

impl TopicList {
    /// What it says of a partition.
    pub fn partition(&self, number: i32) -> Option<&PartitionList> {
        let mut partitions = self.partitions.iter();
        partitions.find(|listed| listed.partition == number)
    }
}

impl Document for TopicList {
    const FORMAT: &'static str = "lifeboat.list";
}

/// The segments and transactions of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionList {
    /// The partition's number.
    pub partition: i32,
    /// Its segments, by offset, never overlapping.
    pub segments: Vec<ListedSegment>,
    /// Offsets behind the last batch (all, where there is none) that the broker passed over in an error-free answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<OffsetRange>,
    /// What the transactions in the segments came to.
    pub transactions: TransactionTable,
}

/// A segment and the archive that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSegment {
    /// Which of the list's archives, from 0.
    pub archive: usize,
    /// What the archive's index says of it.
    pub entry: SegmentEntry,
}

/// The outcome of the transactions of one partition, derived from batch headers and control batches (R14).
///
/// Committed spans are not kept: below the last stable offset whatever is not aborted is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionTable {
    /// Aborted spans, by marker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aborted: Vec<AbortedSpan>,
    /// Spans without a marker at the end of the snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenSpan>,
}

/// A transaction that was aborted: its data lies in `[first_offset, marker_offset)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortedSpan {
    /// Who wrote it.
    pub producer_id: i64,
    /// Its first batch; the log start where that was cut off.
    pub first_offset: i64,
    /// The abort marker.
    pub marker_offset: i64,
}

/// A transaction that had no marker when the snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSpan {
    /// Who writes it.
    pub producer_id: i64,
    /// Its first batch.
    pub first_offset: i64,
}
