//! The cluster as it is found: which of the snapshot's topics it has, and where their partitions begin and end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use lifeboat_archive::{
    manifest::ManifestTopic,
    words::{TopicId, TopicPartition},
};
use lifeboat_kafka::{
    KafkaError,
    wire::{Cluster, ListedOffset, OffsetSpec, TopicScope},
};

use super::matching::LiveBounds;

/// A topic of the cluster.
#[derive(Debug)]
pub(super) struct LiveTopic {
    pub(super) topic_id: TopicId,
    /// By number; or why one can't be looked at.
    pub(super) partitions: BTreeMap<i32, Result<LiveBounds, KafkaError>>,
}

type Offsets = HashMap<TopicPartition, Result<ListedOffset, KafkaError>>;

/// Those of the topics that the cluster has, by what it calls them.
pub(super) async fn look(
    cluster: &Cluster,
    names: &[String],
) -> Result<BTreeMap<String, LiveTopic>, KafkaError> {
    let asked: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut topics = cluster.topics(TopicScope::All).await?;
    topics.retain(|topic| asked.contains(&*topic.name));
    let partitions: Vec<_> = topics
        .iter()
        .flat_map(|topic| {
            let numbers = topic.partitions.iter();
            numbers.map(|found| TopicPartition::new(Arc::clone(&topic.name), found.partition))
        })
        .collect();
    let mut asked = Vec::new();
    // the end first: what is stable then is never beyond it
    for spec in [
        OffsetSpec::LastStable,
        OffsetSpec::HighWatermark,
        OffsetSpec::Earliest,
    ] {
        asked.push(cluster.list_offsets(&partitions, spec).await);
    }
    let mut found = BTreeMap::new();
    for topic in topics {
        if let Some(code) = topic.error {
            return Err(KafkaError::Broker {
                operation: "Metadata",
                subject: topic.name.to_string(),
                code,
                message: None,
            });
        }
        let bounds = topic.partitions.iter().map(|there| {
            let name = TopicPartition::new(Arc::clone(&topic.name), there.partition);
            (there.partition, bounds(&asked, &name))
        });
        let live = LiveTopic {
            topic_id: topic.id,
            partitions: bounds.collect(),
        };
        found.insert(topic.name.to_string(), live);
    }
    Ok(found)
}

fn bounds(asked: &[Offsets], partition: &TopicPartition) -> Result<LiveBounds, KafkaError> {
    let mut told = asked.iter().map(|offsets| match offsets.get(partition) {
        Some(Ok(listed)) => Ok(listed.offset),
        Some(Err(error)) => Err(error.clone()),
        None => Err(KafkaError::Broker {
            operation: "ListOffsets",
            subject: partition.to_string(),
            code: lifeboat_kafka::ErrorCode::LEADER_NOT_AVAILABLE,
            message: None,
        }),
    });
    let mut next = || told.next().unwrap_or(Ok(0));
    let (last_stable, high_watermark, start) = (next()?, next()?, next()?);
    Ok(LiveBounds {
        start,
        last_stable,
        high_watermark,
    })
}

/// Whether the cluster's topic is the very one that the snapshot is of.
pub(super) fn is_same_topic(topic: &ManifestTopic, live: &LiveTopic) -> bool {
    topic.topic_id == live.topic_id && topic.topic_id != TopicId::ZERO
}
