//! The target cluster as it is found before a plan is made.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use lifeboat_archive::{
    documents::diff::Kind,
    words::{OffsetRange, Timestamp, TopicPartition},
};
use lifeboat_kafka::{
    ErrorCode, KafkaError, capture,
    rights::{Operation, Right},
    wire::{
        Cluster, ConfigEntry, ConfigResource, ConfigSource, ListedOffset, OffsetSpec, TopicConfigs,
        TopicMetadata, TopicScope,
    },
};

use crate::{
    error::RestoreError,
    plan::{
        ExistingTopic, Target,
        changes::{Found, FoundTopic},
    },
    settings::TopicDefaults,
};

type Offsets = HashMap<TopicPartition, Result<ListedOffset, KafkaError>>;

/// Looks at the target, as far as topics of these names and groups are concerned.
pub(crate) async fn look(
    cluster: &Cluster,
    topics: &[Arc<str>],
    groups: bool,
) -> Result<Target, RestoreError> {
    let everything = cluster.topics(TopicScope::All).await?;
    let asked: HashSet<&Arc<str>> = topics.iter().collect();
    let existing: Vec<&TopicMetadata> = everything
        .iter()
        .filter(|topic| asked.contains(&topic.name))
        .collect();
    let partitions: Vec<TopicPartition> = existing
        .iter()
        .flat_map(|topic| partitions(topic))
        .collect();
    let starts = cluster
        .list_offsets(&partitions, OffsetSpec::Earliest)
        .await;
    let ends = cluster
        .list_offsets(&partitions, OffsetSpec::HighWatermark)
        .await;
    // any topic tells the brokers' defaults for what it does not set itself
    let mut described: Vec<Arc<str>> = existing
        .iter()
        .map(|topic| Arc::clone(&topic.name))
        .collect();
    described.extend(everything.first().map(|topic| Arc::clone(&topic.name)));
    let configs = cluster.topic_configs(&described).await;
    let mut target = Target {
        cluster_id: cluster.cluster_id().to_owned(),
        brokers: cluster.brokers().iter().map(|broker| broker.id).collect(),
        ..Target::default()
    };
    for entries in configs.values().flatten() {
        learn_defaults(&mut target.defaults, entries);
    }
    let is_there: HashSet<&Arc<str>> = existing.iter().map(|topic| &topic.name).collect();
    if let Some(name) = topics.iter().find(|name| !is_there.contains(name)) {
        // a topic hides the defaults of what it sets itself; one that would be made does not
        match cluster.default_topic_settings(name).await {
            Ok(entries) => learn_defaults(&mut target.defaults, &entries),
            Err(error) => assumed(cluster, &error),
        }
    }
    may_be_changed(cluster, &existing, &configs)?;
    for topic in existing {
        if let Some(code) = topic.error {
            return Err(unreadable(&topic.name, code).into());
        }
        let settings = match configs.get(&topic.name) {
            Some(Ok(entries)) => own_settings(entries),
            Some(Err(error)) => return Err(error.clone().into()),
            None => BTreeMap::new(),
        };
        let found = ExistingTopic {
            topic_id: topic.id,
            partitions: ranges(topic, &starts, &ends)?,
            replication_factor: replication_factor(topic),
            settings,
            internal: topic.internal,
            bytes: None,
        };
        target.topics.insert(topic.name.to_string(), found);
    }
    if groups {
        target.groups = group_states(cluster).await?;
    }
    Ok(target)
}

/// Looks at the rest of the target, as far as it is to be changed: `kinds`, and the settings of the topics of these names.
pub(crate) async fn look_around(
    cluster: &Cluster,
    kinds: &[Kind],
    topics: &[Arc<str>],
    now: Timestamp,
) -> Result<Found, RestoreError> {
    let mut found = Found {
        brokers: cluster.brokers().iter().map(|broker| broker.id).collect(),
        ..Found::default()
    };
    if !kinds.is_empty() {
        let live = capture::live(cluster, kinds, now).await?;
        found.documents = live.documents;
        let unread = live.problems.into_iter();
        found.unread = unread
            .map(|(kind, problem)| (kind, capture::without_saving(&problem)))
            .collect();
    }
    if !topics.is_empty() {
        found.topics = settings_of(cluster, topics).await?;
    }
    Ok(found)
}

/// The settings of those of the topics that the target has.
async fn settings_of(
    cluster: &Cluster,
    topics: &[Arc<str>],
) -> Result<BTreeMap<String, FoundTopic>, RestoreError> {
    let asked: HashSet<&Arc<str>> = topics.iter().collect();
    let mut there = cluster.topics(TopicScope::All).await?;
    there.retain(|topic| asked.contains(&topic.name));
    let names: Vec<Arc<str>> = there.iter().map(|topic| Arc::clone(&topic.name)).collect();
    let mut configs = cluster.topic_configs(&names).await;
    let mut found = BTreeMap::new();
    for topic in &there {
        let settings = match configs.remove(&topic.name) {
            Some(Ok(entries)) => {
                Ok(ConfigResource::Topic(Arc::clone(&topic.name)).own_settings(entries))
            }
            // who may not see them may not change them either, and nothing is known to be done
            Some(Err(error)) if error.missing_right().is_some() => Err(cluster.explain(&error)),
            Some(Err(error)) => return Err(error.into()),
            None => continue,
        };
        let topic_found = FoundTopic {
            replication_factor: replication_factor(topic),
            settings,
        };
        found.insert(topic.name.to_string(), topic_found);
    }
    Ok(found)
}

/// Whoever may not see the settings of topics may not change them either, as a restore into them has to.
fn may_be_changed(
    cluster: &Cluster,
    existing: &[&TopicMetadata],
    configs: &TopicConfigs,
) -> Result<(), RestoreError> {
    let denied = |name: &Arc<str>| {
        let error = configs.get(name)?.as_ref().err()?;
        error.missing_right().map(|_| error)
    };
    let lacking: Vec<Right> = existing
        .iter()
        .filter(|topic| denied(&topic.name).is_some())
        .map(|topic| Right::on_topic(Operation::AlterConfigs, &topic.name))
        .collect();
    if !lacking.is_empty() {
        return Err(RestoreError::Denied {
            principal: cluster.principal().to_owned(),
            lacking,
        });
    }
    if let Some(error) = configs.keys().find_map(denied) {
        assumed(cluster, error);
    }
    Ok(())
}

fn assumed(cluster: &Cluster, error: &KafkaError) {
    let error = cluster.explain(error);
    tracing::warn!(
        error,
        "the target's defaults are not known: Kafka's own are assumed"
    );
}

fn unreadable(topic: &str, code: ErrorCode) -> KafkaError {
    KafkaError::Broker {
        operation: "Metadata",
        subject: topic.to_owned(),
        code,
        message: None,
    }
}

fn partitions(topic: &TopicMetadata) -> Vec<TopicPartition> {
    let numbers = topic.partitions.iter().map(|partition| partition.partition);
    numbers
        .map(|number| TopicPartition::new(Arc::clone(&topic.name), number))
        .collect()
}

fn ranges(
    topic: &TopicMetadata,
    starts: &Offsets,
    ends: &Offsets,
) -> Result<Vec<OffsetRange>, KafkaError> {
    let offset = |offsets: &Offsets, partition: &TopicPartition| match offsets.get(partition) {
        Some(Ok(listed)) => Ok(listed.offset),
        Some(Err(error)) => Err(error.clone()),
        None => Err(unreadable(&topic.name, ErrorCode::LEADER_NOT_AVAILABLE)),
    };
    partitions(topic)
        .iter()
        .map(|partition| {
            Ok(OffsetRange::new(
                offset(starts, partition)?,
                offset(ends, partition)?,
            ))
        })
        .collect()
}

fn replication_factor(topic: &TopicMetadata) -> i16 {
    let fewest = topic
        .partitions
        .iter()
        .map(|partition| partition.replicas.len())
        .min();
    fewest
        .and_then(|replicas| i16::try_from(replicas).ok())
        .unwrap_or(1)
}

fn own_settings(entries: &[ConfigEntry]) -> BTreeMap<String, String> {
    entries
        .iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic)
        .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
        .collect()
}

fn learn_defaults(defaults: &mut TopicDefaults, entries: &[ConfigEntry]) {
    for entry in entries {
        let Some(value) = &entry.value else { continue };
        if entry.source == ConfigSource::DynamicTopic {
            continue;
        }
        defaults.learn(&entry.name, value);
    }
}

async fn group_states(cluster: &Cluster) -> Result<BTreeMap<String, String>, KafkaError> {
    let mut listing = cluster.groups().await;
    if let Some((_, error)) = listing.unanswered.pop() {
        // a group that is not seen could be active
        return Err(error);
    }
    let groups = listing.groups.into_iter();
    Ok(groups.map(|group| (group.group, group.state)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source,
            sensitive: false,
            read_only: false,
        }
    }

    #[test]
    fn r23_defaults_come_from_what_a_topic_does_not_set_itself() {
        let mut defaults = TopicDefaults::default();
        let entries = [
            entry("retention.ms", "3600000", ConfigSource::StaticBroker),
            entry("retention.bytes", "5", ConfigSource::DynamicTopic),
            entry(
                "segment.bytes",
                "1000000",
                ConfigSource::DynamicDefaultBroker,
            ),
            entry("cleanup.policy", "compact", ConfigSource::Default),
        ];
        learn_defaults(&mut defaults, &entries);
        assert_eq!(defaults.retention_ms, 3_600_000);
        assert_eq!(defaults.retention_bytes, -1);
        assert_eq!(defaults.segment_bytes, 1_000_000);
        assert_eq!(defaults.cleanup_policy, "compact");
        assert_eq!(own_settings(&entries).len(), 1);
    }
}
