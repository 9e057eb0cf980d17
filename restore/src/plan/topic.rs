//! What a plan says of one topic.

use std::collections::BTreeMap;

use lifeboat_archive::{
    json::Sha256Hex,
    words::{OffsetRange, Timestamp, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    names::name_or,
    repartition::Repartition,
    rewrite::BatchLimits,
    selection::Selection,
    settings::{TopicSettings, proportion},
};

/// One topic of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTopic {
    /// Its name in the snapshot.
    pub topic: String,
    /// Its name in the target; empty where it is the same. See [`Self::target_name`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Its id on the source.
    pub source_topic_id: TopicId,
    /// What is done with it.
    pub action: TopicAction,
    /// The snapshot's partitions, by number.
    pub partitions: Vec<PlannedPartition>,
    /// How many replicas it gets.
    pub replication_factor: i16,
    /// Which brokers hold each partition, by number; absent where the target decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Vec<Vec<i32>>>,
    /// Its settings.
    pub settings: TopicSettings,
    /// The settings that it has on the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub existing_settings: BTreeMap<String, String>,
    /// Where batches end.
    pub limits: BatchLimits,
    /// Where it gets another number of partitions than it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repartition: Option<Repartition>,
    /// Records to be read.
    pub records: u64,
    /// Bytes to be read.
    pub bytes: u64,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What is done with a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum TopicAction {
    /// The target does not have it: it is created.
    Create,
    /// The target has it, without a record: it is written to.
    UseEmpty {
        /// Its id there.
        topic_id: TopicId,
    },
    /// The target has it, with records: what is restored comes behind them.
    Append {
        /// Its id there.
        topic_id: TopicId,
        /// How many records it holds, at most.
        records: u64,
    },
    /// The target has it, with records: they are deleted first.
    Replace {
        /// Its id there.
        topic_id: TopicId,
        /// How many records it holds, at most.
        records: u64,
        /// Their bytes on the brokers' disks, with all replicas; absent where the brokers do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Before which offset of each partition they are deleted, by number.
        before: Vec<i64>,
    },
    /// It was restored from this very snapshot, and is as it was then: nothing is done.
    AlreadyThere {
        /// Its id there.
        topic_id: TopicId,
        /// When.
        at: Timestamp,
    },
    /// It is left alone.
    Refuse {
        /// How many records it holds there.
        records: u64,
        /// Why, for people.
        reason: String,
    },
}

impl TopicAction {
    /// The topic's id on the target, where the target has it and it is touched.
    pub fn topic_id(&self) -> Option<TopicId> {
        match *self {
            Self::UseEmpty { topic_id }
            | Self::Append { topic_id, .. }
            | Self::Replace { topic_id, .. } => Some(topic_id),
            Self::Create | Self::AlreadyThere { .. } | Self::Refuse { .. } => None,
        }
    }
}

/// One partition of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPartition {
    /// Its number.
    pub partition: i32,
    /// The offset that its first record gets.
    pub start_offset: i64,
    /// Records to be read; `null` where old compressed batches do not tell.
    pub records: Option<u64>,
    /// Bytes to be read.
    pub bytes: u64,
    /// Its largest batch.
    pub largest_batch_bytes: u64,
    /// Offsets that the backup could not read.
    pub gap_offsets: u64,
}

impl PlannedTopic {
    /// Its name in the target.
    pub fn target_name(&self) -> &str {
        name_or(&self.target, &self.topic)
    }

    /// The offset that the first record of each of its partitions in the target gets, by number.
    pub(crate) fn start_offsets(&self) -> Vec<i64> {
        match &self.repartition {
            Some(repartition) => repartition.start_offsets.clone(),
            None => self.partitions.iter().map(|it| it.start_offset).collect(),
        }
    }

    /// How many records the restore wrote at most into its partition `number` in the target, which has `range` now, and
    /// their bytes as Kafka stored them.
    pub(crate) fn restored_at_most(&self, number: usize, range: OffsetRange) -> (u64, u64) {
        let Some(repartition) = &self.repartition else {
            let planned = self.partitions.get(number);
            let records = planned.and_then(|it| it.records).unwrap_or(0);
            return (records, planned.map_or(0, |it| it.bytes));
        };
        // how the keys divide them nobody knew before
        let start = repartition.start_offsets.get(number).copied();
        let behind = |start| OffsetRange::new(start, range.end.max(start)).span();
        let records = start.map_or(0, behind).min(self.records);
        (records, proportion(self.bytes, records, self.records))
    }

    /// How many partitions it has in the target, at least.
    pub fn partition_count(&self) -> usize {
        let another = self.repartition.as_ref().map(Repartition::partitions);
        another.unwrap_or(self.partitions.len())
    }

    /// Whether anything is done with it.
    pub fn is_written(&self) -> bool {
        !self.is_refused() && !self.is_already_there()
    }

    /// Whether it is left alone although it was asked for.
    pub fn is_refused(&self) -> bool {
        matches!(self.action, TopicAction::Refuse { .. })
    }

    /// Whether it is there as it shall be.
    pub fn is_already_there(&self) -> bool {
        matches!(self.action, TopicAction::AlreadyThere { .. })
    }

    /// The hash of which records it shall hold.
    pub fn content(&self, manifest_sha256: &Sha256Hex, selection: &Selection) -> Sha256Hex {
        let partitions = self.repartition.as_ref().map(Repartition::partitions);
        let spread = (self.partitions.as_slice(), partitions);
        content(manifest_sha256, &self.topic, spread, selection)
    }
}

/// The hash of which records of a topic are restored, and where they go: over how many partitions they are spread. How
/// they are cut into batches is no part of it.
pub(super) fn content(
    manifest_sha256: &Sha256Hex,
    topic: &str,
    (partitions, spread): (&[PlannedPartition], Option<usize>),
    selection: &Selection,
) -> Sha256Hex {
    let partitions: Vec<_> = partitions
        .iter()
        .map(|it| (it.partition, it.records, it.bytes))
        .collect();
    let selection = selection.of_topic(topic);
    let definition = (manifest_sha256, topic, partitions, selection);
    // written before by who spread nothing: the same as ever
    let bytes = match spread {
        None => serde_json::to_vec(&definition),
        Some(spread) => serde_json::to_vec(&(definition, spread)),
    };
    Sha256Hex::of(&bytes.unwrap_or_default())
}
