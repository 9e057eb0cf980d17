//! Where offsets of the source go, without a cluster that is written to: as in a restore into empty topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lifeboat_archive::{
    documents::GroupsDocument,
    json::Document,
    manifest::Manifest,
    words::{Progress, SnapshotId, TopicPartition},
};
use lifeboat_repository::ClusterRepository;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    error::RestoreError,
    offsets::{OffsetMap, Translation},
    replay::Reading,
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Some offsets of a partition.
    Offsets {
        /// The partition.
        topic_partition: TopicPartition,
        /// The offsets of the source.
        offsets: Vec<i64>,
    },
    /// Everything that a group has committed.
    Group(String),
}

/// Something that the snapshot does not have.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// A partition.
    #[error("the snapshot holds no {0}")]
    NoPartition(TopicPartition),
    /// A group.
    #[error("the snapshot holds no offsets of group {0}")]
    NoGroup(String),
    /// It can't be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// Translates offsets of one snapshot.
#[derive(Debug)]
pub struct Translate<'a> {
    /// Where the snapshot is.
    pub repository: &'a ClusterRepository,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its groups, where it holds any.
    pub groups: Option<&'a GroupsDocument>,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early.
    pub cancel: CancellationToken,
}

/// Where offsets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Each offset that was asked for, in that order.
    pub offsets: Vec<TranslatedOffset>,
}

impl Document for Translated {
    const FORMAT: &'static str = "lifeboat.translated-offsets";
}

/// Where one offset goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslatedOffset {
    /// The group that committed it, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// In the source.
    pub source_offset: i64,
    /// In the target, whose topic was empty.
    pub target_offset: i64,
    /// How.
    pub translation: Translation,
}

struct Question {
    group: Option<String>,
    topic_partition: TopicPartition,
    offset: i64,
}

impl Translate<'_> {
    /// Reads what it takes, partition by partition.
    pub async fn run(&self, asked: &[Asked]) -> Result<Translated, TranslateError> {
        let questions = self.questions(asked)?;
        let mut wanted: BTreeMap<TopicPartition, Vec<i64>> = BTreeMap::new();
        for question in &questions {
            let offsets = wanted.entry(question.topic_partition.clone());
            offsets.or_default().push(question.offset);
        }
        let maps = self.maps(wanted).await?;
        let mut offsets = Vec::with_capacity(questions.len());
        for Question {
            group,
            topic_partition,
            offset,
        } in questions
        {
            let map = maps.get(&topic_partition);
            let (target_offset, translation) = map
                .and_then(|map| map.translate(offset, 0))
                .ok_or_else(|| TranslateError::NoPartition(topic_partition.clone()))?;
            offsets.push(TranslatedOffset {
                group,
                topic: topic_partition.topic.to_string(),
                partition: topic_partition.partition,
                source_offset: offset,
                target_offset,
                translation,
            });
        }
        Ok(Translated {
            snapshot: self.manifest.snapshot.clone(),
            offsets,
        })
    }

    /// What was asked, offset by offset. Of groups those in topics that the snapshot does not hold are left out.
    fn questions(&self, asked: &[Asked]) -> Result<Vec<Question>, TranslateError> {
        let partitions: BTreeSet<(&str, i32)> = self
            .manifest
            .topics
            .iter()
            .flat_map(|topic| {
                let partitions = topic.partitions.iter();
                partitions.map(|partition| (topic.topic.as_str(), partition.partition))
            })
            .collect();
        let mut questions = Vec::new();
        for asked in asked {
            match asked {
                Asked::Offsets {
                    topic_partition,
                    offsets,
                } => {
                    if !partitions.contains(&(&*topic_partition.topic, topic_partition.partition)) {
                        return Err(TranslateError::NoPartition(topic_partition.clone()));
                    }
                    questions.extend(offsets.iter().map(|offset| Question {
                        group: None,
                        topic_partition: topic_partition.clone(),
                        offset: *offset,
                    }));
                }
                Asked::Group(name) => {
                    let mut groups = self.groups.iter().flat_map(|it| &it.groups);
                    let group = groups.find(|it| it.group == *name);
                    let group = group.ok_or_else(|| TranslateError::NoGroup(name.clone()))?;
                    let committed = group.offsets.iter();
                    let held = committed
                        .filter(|it| partitions.contains(&(it.topic.as_str(), it.partition)));
                    questions.extend(held.map(|it| Question {
                        group: Some(name.clone()),
                        topic_partition: TopicPartition::new(it.topic.as_str(), it.partition),
                        offset: it.offset,
                    }));
                }
            }
        }
        Ok(questions)
    }

    async fn maps(
        &self,
        mut wanted: BTreeMap<TopicPartition, Vec<i64>>,
    ) -> Result<BTreeMap<TopicPartition, OffsetMap>, RestoreError> {
        let mut maps = BTreeMap::new();
        for topic in &self.manifest.topics {
            if !wanted.keys().any(|it| *it.topic == *topic.topic) {
                continue;
            }
            let list = Arc::new(self.repository.list(topic).await?);
            for partition in &topic.partitions {
                let name = TopicPartition::new(topic.topic.as_str(), partition.partition);
                let Some(offsets) = wanted.remove(&name) else {
                    continue;
                };
                let reading = Reading {
                    repository: self.repository.clone(),
                    topic_partition: name.clone(),
                    partition: partition.clone(),
                    list: Arc::clone(&list),
                    progress: self.progress.clone(),
                    cancel: self.cancel.clone(),
                };
                maps.insert(name, reading.translate(offsets).await?);
            }
        }
        Ok(maps)
    }
}
