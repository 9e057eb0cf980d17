//! What a restore came to.

use std::path::PathBuf;

use lifeboat_archive::{
    documents::diff::Change,
    json::Document,
    words::{SnapshotId, Timestamp, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    groups::RestoredGroup,
    names::name_or,
    offset_map::WrittenMap,
    parts::Parts,
    plan::changes::Unrestored,
    rewrite::RewriteCounts,
    salvage::Salvage,
    selection::Selection,
    settings::{LeftOut, RetentionPutOff},
    users::RestoredUser,
};

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When it was restored to.
    pub bounds_at: Timestamp,
    /// The cluster that it was taken of.
    pub source_cluster_id: String,
    /// The cluster that was restored into.
    pub target_cluster_id: String,
    /// What of the snapshot was to be restored.
    #[serde(default)]
    pub parts: Parts,
    /// Which records of it.
    #[serde(default, skip_serializing_if = "Selection::is_everything")]
    pub selection: Selection,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// How long the writing took.
    pub writing_ms: u64,
    /// How long the comparing went on when everything was written; absent where nothing was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparing_ms: Option<u64>,
    /// Sums over all topics.
    pub totals: RewriteCounts,
    /// The topics, by name.
    pub topics: Vec<RestoredTopic>,
    /// The groups, by name.
    pub groups: Vec<RestoredGroup>,
    /// SCRAM credentials, by user and mechanism.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<RestoredUser>,
    /// What was changed besides, or should have been, in that order.
    #[serde(default)]
    pub changes: Vec<MadeChange>,
    /// What of the rest the target did not get.
    #[serde(default)]
    pub left_out: Vec<Unrestored>,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Damaged segments that were restored as far as they are sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub salvaged: Vec<Salvage>,
    /// The file that says where every offset went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_map: Option<WrittenMap>,
    /// Whether something that was asked for is missing (exit code 3).
    pub partial: bool,
    /// The journal.
    pub journal: PathBuf,
    /// Where it went on with what was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
    /// The command that puts back the retention that was put off, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
}

/// What a restore found of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// When it was begun.
    pub begun_at: Timestamp,
    /// How many records were there already.
    pub records: u64,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.restore-report";
}

impl Report {
    /// Bytes per second, as Kafka stored them, while writing.
    pub fn rate(&self) -> u64 {
        self.totals.bytes_read * 1_000 / self.writing_ms.max(1)
    }

    /// With what it went on from, where it was begun before.
    pub(crate) fn resumed(self, begun_at: Option<Timestamp>, records: u64) -> Self {
        let resumed = begun_at.map(|begun_at| Resumed { begun_at, records });
        Self { resumed, ..self }
    }

    /// Whether retention is put off that [`crate::finish`] puts back.
    pub fn puts_off(&self) -> bool {
        self.topics.iter().any(|topic| topic.put_off.is_some())
    }

    /// Whether the target stayed as it was, because it is as it shall be or can't get what is missing.
    pub fn is_nothing(&self) -> bool {
        let groups = self.groups.iter().any(|group| group.skipped.is_none());
        let users = self.users.iter().any(RestoredUser::is_changed);
        let there = |it: &RestoredTopic| matches!(it.outcome, TopicOutcome::AlreadyThere { .. });
        self.topics.iter().all(there) && self.changes.is_empty() && !groups && !users
    }

    /// The partitions that were stopped, with why.
    pub fn stopped(&self) -> impl Iterator<Item = (&RestoredTopic, &RestoredPartition, &str)> {
        self.topics.iter().flat_map(|topic| {
            let stopped = topic.partitions.iter();
            stopped.filter_map(move |partition| {
                Some((topic, partition, partition.stopped.as_deref()?))
            })
        })
    }
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MadeChange {
    /// The change.
    pub change: Change,
    /// Why the target did not take it; absent where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What became of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredTopic {
    /// Its name in the snapshot.
    pub topic: String,
    /// Its name in the target; empty where it is the same. See [`Self::target_name`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// What became of it.
    pub outcome: TopicOutcome,
    /// Its id on the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// What was counted.
    pub counts: RewriteCounts,
    /// Its partitions, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<RestoredPartition>,
    /// Settings of the snapshot that it did not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Retention that stays suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off: Option<RetentionPutOff>,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl RestoredTopic {
    /// Its name in the target.
    pub fn target_name(&self) -> &str {
        name_or(&self.target, &self.topic)
    }

    /// Whether something of it that was asked for is missing.
    pub fn is_partial(&self) -> bool {
        let refused = matches!(
            self.outcome,
            TopicOutcome::Refused { .. } | TopicOutcome::Stopped
        );
        refused || self.left_out.iter().any(|left_out| left_out.partial)
    }
}

/// What became of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum TopicOutcome {
    /// It was made and written.
    Created,
    /// It was there, without records, and was written.
    Used,
    /// It was written behind what it held.
    Appended,
    /// It was written when what it held was deleted.
    Replaced {
        /// How many records that were, at most.
        records: u64,
    },
    /// It was restored from this very snapshot before, and is as it was then.
    AlreadyThere {
        /// When.
        at: Timestamp,
    },
    /// It was left alone.
    Refused {
        /// Why.
        reason: String,
    },
    /// A partition of it was stopped: it keeps the settings of the time of writing.
    Stopped,
}

/// What became of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredPartition {
    /// Its number.
    pub partition: i32,
    /// The offset of its first record.
    pub start_offset: i64,
    /// One more than the offset of its last record.
    pub end_offset: i64,
    /// What was counted.
    pub counts: RewriteCounts,
    /// The digest over its records; absent where not every one was decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why its writing was stopped; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}
