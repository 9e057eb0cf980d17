//! Topics and their settings.

use std::{collections::BTreeMap, sync::Arc};

use lifeboat_archive::{
    documents::{Settings, TopicDocument, TopicsDocument},
    manifest::{Cleanup, Problem},
};

use super::partial;
use crate::{
    error::KafkaError,
    wire::{Cluster, ConfigEntry, ConfigResource, TopicMetadata},
};

/// Topics, and how they are cleaned up.
#[derive(Clone, Debug)]
pub struct CapturedTopics {
    /// The topics with their own settings (not the brokers' defaults), by name.
    pub document: TopicsDocument,
    /// What holds of their cleanup, whoever says so; those that could not be read are missing.
    pub cleanups: BTreeMap<Arc<str>, Cleanup>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads the settings of these topics.
pub async fn topics(
    cluster: &Cluster,
    topics: &[TopicMetadata],
) -> Result<CapturedTopics, KafkaError> {
    let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
    let mut configs = cluster.topic_configs(&names).await;
    if let Some(unreachable) = common_cause(&configs) {
        return Err(unreachable);
    }
    let mut problems = Vec::new();
    let mut cleanups = BTreeMap::new();
    let mut documents = Vec::with_capacity(topics.len());
    for topic in topics {
        let own = match configs.remove(&topic.name) {
            Some(Ok(entries)) => {
                let cleanup = cleanup(&entries);
                cleanups.extend(cleanup.map(|cleanup| (Arc::clone(&topic.name), cleanup)));
                Some(ConfigResource::Topic(Arc::clone(&topic.name)).own_settings(entries))
            }
            Some(Err(error)) => {
                problems.push(partial(
                    format!("topic {}", topic.name),
                    format!(
                        "its configuration can't be read: {}",
                        cluster.explain(&error)
                    ),
                ));
                None
            }
            None => None,
        };
        documents.push(topic_document(topic, own));
    }
    documents.sort_unstable_by(|one, other| one.topic.cmp(&other.topic));
    Ok(CapturedTopics {
        document: TopicsDocument { topics: documents },
        cleanups,
        problems,
    })
}

/// Kafka's `cleanup.policy` is a list of `compact` and `delete`; it may be empty.
fn cleanup(entries: &[ConfigEntry]) -> Option<Cleanup> {
    let value = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name)?;
        entry.value.as_deref()
    };
    let policy = value("cleanup.policy")?;
    let has = |wanted: &str| policy.split(',').any(|policy| policy.trim() == wanted);
    Some(Cleanup {
        compact: has("compact"),
        delete: has("delete"),
        delete_retention_ms: value("delete.retention.ms")?.parse().ok()?,
    })
}

/// Leaves out the topics of which the brokers tell nothing, and names them.
pub fn without_metadata(topics: &mut Vec<TopicMetadata>) -> Vec<Problem> {
    let mut problems = Vec::new();
    topics.retain(|topic| {
        problems.extend(topic.error.map(|code| {
            partial(
                format!("topic {}", topic.name),
                format!("its metadata can't be read: {code}"),
            )
        }));
        topic.error.is_none()
    });
    problems
}

/// Where no topic's settings can be told because no broker answers, that is one error and not one per topic.
fn common_cause(
    configs: &BTreeMap<Arc<str>, Result<Vec<ConfigEntry>, KafkaError>>,
) -> Option<KafkaError> {
    let mut errors = configs.values().map(|config| config.as_ref().err());
    let first = errors.next()??;
    let unanswered = |error: Option<&KafkaError>| error.is_some_and(|error| error.code().is_none());
    (unanswered(Some(first)) && errors.all(unanswered)).then(|| first.clone())
}

fn topic_document(topic: &TopicMetadata, configs: Option<Settings>) -> TopicDocument {
    let assignment: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| partition.replicas.clone())
        .collect();
    TopicDocument {
        topic: topic.name.to_string(),
        topic_id: topic.id,
        partition_count: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        replication_factor: most_common_length(&assignment),
        assignment,
        configs,
    }
}

/// The larger of two that are equally common.
fn most_common_length(assignment: &[Vec<i32>]) -> i16 {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for replicas in assignment {
        *counts.entry(replicas.len()).or_default() += 1;
    }
    let common = counts
        .into_iter()
        .max_by_key(|&(length, count)| (count, length));
    common.map_or(1, |(length, _)| i16::try_from(length).unwrap_or(i16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ConfigSource;

    #[test]
    fn only_settings_of_the_topic_itself_are_saved_and_sensitive_ones_without_value() {
        let entry = |name: &str, source, value: Option<&str>| ConfigEntry {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            source,
            sensitive: value.is_none(),
            read_only: false,
        };
        let own = ConfigResource::Topic("orders".into()).own_settings(vec![
            entry(
                "cleanup.policy",
                ConfigSource::DynamicTopic,
                Some("compact"),
            ),
            entry("retention.ms", ConfigSource::Default, Some("604800000")),
            entry("segment.ms", ConfigSource::DynamicDefaultBroker, Some("1")),
            entry("vendor.password", ConfigSource::DynamicTopic, None),
        ]);
        assert_eq!(
            own,
            BTreeMap::from([
                ("cleanup.policy".to_owned(), Some("compact".to_owned())),
                ("vendor.password".to_owned(), None),
            ])
        );
    }

    #[test]
    fn how_a_topic_is_cleaned_up_is_what_holds_whoever_says_so() {
        let entries = |policy: &str| {
            let entry = |name: &str, source, value: &str| ConfigEntry {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                source,
                sensitive: false,
                read_only: false,
            };
            [
                entry("cleanup.policy", ConfigSource::DynamicDefaultBroker, policy),
                entry("delete.retention.ms", ConfigSource::Default, "86400000"),
            ]
        };
        let both = Cleanup {
            compact: true,
            delete: true,
            delete_retention_ms: 86_400_000,
        };
        assert_eq!(cleanup(&entries("compact, delete")), Some(both));
        let delete = Cleanup {
            compact: false,
            ..both
        };
        assert_eq!(cleanup(&entries("delete")), Some(delete));
        assert_eq!(cleanup(&entries("delete")[..1]), None);
    }

    #[test]
    fn the_replication_factor_is_that_of_most_partitions() {
        assert_eq!(
            most_common_length(&[vec![1, 2, 3], vec![2, 3, 1], vec![1, 2, 3, 4]]),
            3
        );
        assert_eq!(most_common_length(&[vec![1], vec![1, 2]]), 2);
    }
}
