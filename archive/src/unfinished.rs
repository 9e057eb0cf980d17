//! What a backup has stored that has not committed yet: the next one goes on from there.

use serde::{Deserialize, Serialize};

use crate::{
    json::Document,
    lists::{ArchiveReference, ListedSegment, TransactionTable},
    words::{SnapshotId, Timestamp, TopicId},
};

/// What came to be stored since the note before it, or, in the first one of a run, since it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressNote {
    /// The snapshot that it is going to be.
    pub snapshot: SnapshotId,
    /// Whose data it is.
    pub cluster_id: String,
    /// When the bounds were captured of the run that read the first of it: no batch was read before.
    pub bounds_at: Timestamp,
    /// The archives that the segments are in; each is confirmed.
    pub archives: Vec<ArchiveReference>,
    /// The partitions of which something came to be stored.
    pub partitions: Vec<StoredPart>,
}

impl Document for ProgressNote {
    const FORMAT: &'static str = "lifeboat.progress";
}

/// Segments of one partition that follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPart {
    /// The topic.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The snapshot whose segments come before them; missing where they begin at the log start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builds_on: Option<SnapshotId>,
    /// Where the partition's segments of this run begin: what is missing from there on is a hole.
    pub from: i64,
    /// The segments, by offset.
    pub segments: Vec<ListedSegment>,
    /// What is known of transactions at the end of the last of them.
    pub transactions: TransactionTable,
}
