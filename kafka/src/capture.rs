//! A live cluster as documents, and what of it could not be read.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    documents::{ClusterDocument, GroupDocument, GroupsDocument, TopicDocument, TopicsDocument},
    manifest::Problem,
    words::Timestamp,
};

use crate::{
    error::{ErrorCode, KafkaError},
    wire::{Cluster, ConfigEntry, ConfigSource, GroupOffsets, ListedGroup, TopicMetadata},
};

mod hidden;

pub use hidden::hidden;

/// Groups asked at the same time; their coordinators answer one after the other anyway.
const GROUPS_AT_ONCE: usize = 16;

/// Who was asked, as last heard of.
pub fn cluster(cluster: &Cluster, captured_at: Timestamp) -> ClusterDocument {
    ClusterDocument {
        cluster_id: cluster.cluster_id().to_owned(),
        captured_at,
        brokers: cluster.brokers(),
        reassignments: None,
        open_transactions: None,
    }
}

/// These topics with their own settings (not the brokers' defaults), by name.
pub async fn topics(
    cluster: &Cluster,
    topics: &[TopicMetadata],
) -> Result<(TopicsDocument, Vec<Problem>), KafkaError> {
    let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
    let mut configs = cluster.topic_configs(&names).await;
    if let Some(unreachable) = common_cause(&configs) {
        return Err(unreachable);
    }
    let mut problems = Vec::new();
    let mut documents = Vec::with_capacity(topics.len());
    for topic in topics {
        let own = match configs.remove(&topic.name) {
            Some(Ok(entries)) => own_settings(entries),
            Some(Err(error)) => {
                problems.push(partial(
                    format!("topic {}", topic.name),
                    format!(
                        "its configuration can't be read: {}",
                        cluster.explain(&error)
                    ),
                ));
                BTreeMap::new()
            }
            None => BTreeMap::new(),
        };
        documents.push(topic_document(topic, own));
    }
    documents.sort_unstable_by(|one, other| one.topic.cmp(&other.topic));
    Ok((TopicsDocument { topics: documents }, problems))
}

/// Every consumer group with its committed offsets, by name.
///
/// A group whose offsets can't be read is left out and named: it must not look as if it had none.
pub async fn groups(cluster: &Cluster) -> Result<(GroupsDocument, Vec<Problem>), KafkaError> {
    let mut listing = cluster.groups().await;
    if listing.unanswered.len() == cluster.brokers().len()
        && let Some((_, error)) = listing.unanswered.pop()
    {
        return Err(error);
    }
    let mut problems: Vec<_> = listing
        .unanswered
        .iter()
        .map(|(broker, error)| {
            partial(
                format!("broker {broker}"),
                format!(
                    "the groups that it coordinates are missing: {}",
                    cluster.explain(error)
                ),
            )
        })
        .collect();
    let (shares, consumers): (Vec<_>, Vec<_>) = listing
        .groups
        .into_iter()
        .partition(|group| group.group_type.eq_ignore_ascii_case("share"));
    problems.extend(shares.iter().map(share_group));
    let names: Vec<_> = consumers.iter().map(|group| group.group.clone()).collect();
    cluster.find_coordinators(&names).await?;
    let mut read = stream::iter(consumers)
        .map(async |group| {
            let offsets = cluster.group_offsets(&group.group, true).await;
            (group, offsets)
        })
        .buffered(GROUPS_AT_ONCE);
    let mut documents = Vec::with_capacity(names.len());
    while let Some((group, offsets)) = read.next().await {
        let explain = |error: &KafkaError| cluster.explain(error);
        documents.extend(group_document(group, offsets, explain, &mut problems));
    }
    Ok((GroupsDocument { groups: documents }, problems))
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

fn own_settings(entries: Vec<ConfigEntry>) -> BTreeMap<String, Option<String>> {
    entries
        .into_iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic)
        .map(|entry| (entry.name, entry.value))
        .collect()
}

fn topic_document(
    topic: &TopicMetadata,
    configs: BTreeMap<String, Option<String>>,
) -> TopicDocument {
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

fn group_document(
    group: ListedGroup,
    offsets: Result<GroupOffsets, KafkaError>,
    explain: impl Fn(&KafkaError) -> String,
    problems: &mut Vec<Problem>,
) -> Option<GroupDocument> {
    let subject = format!("group {}", group.group);
    let offsets = match offsets {
        Ok(offsets) => offsets,
        // deleted since it was listed
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => return None,
        Err(error) => {
            problems.push(partial(
                subject,
                format!("its offsets can't be read: {}", explain(&error)),
            ));
            return None;
        }
    };
    for partition in &offsets.unstable {
        problems.push(Problem {
            subject: subject.clone(),
            problem: format!(
                "{partition}: a transaction that commits its offset is undecided for too long; what was committed before it is saved"
            ),
            partial: false,
        });
    }
    for (partition, error) in &offsets.unreadable {
        problems.push(partial(
            subject.clone(),
            format!("{partition}: its offset can't be read: {}", explain(error)),
        ));
    }
    Some(GroupDocument {
        group: group.group,
        group_type: group.group_type,
        protocol_type: group.protocol_type,
        state: group.state,
        offsets: offsets.offsets,
        members: Vec::new(),
    })
}

fn share_group(group: &ListedGroup) -> Problem {
    Problem {
        subject: format!("group {}", group.group),
        problem: "is a share group, which has no committed offsets: not saved".to_owned(),
        partial: false,
    }
}

fn partial(subject: String, problem: String) -> Problem {
    Problem {
        subject,
        problem,
        partial: true,
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{documents::CommittedOffset, words::TopicPartition};

    use super::*;

    fn listed(group: &str) -> ListedGroup {
        ListedGroup {
            group: group.to_owned(),
            group_type: "classic".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Empty".to_owned(),
        }
    }

    #[test]
    fn only_settings_of_the_topic_itself_are_saved_and_sensitive_ones_without_value() {
        let entry = |name: &str, source, value: Option<&str>| ConfigEntry {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            source,
            sensitive: value.is_none(),
            read_only: false,
        };
        let own = own_settings(vec![
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
    fn the_replication_factor_is_that_of_most_partitions() {
        assert_eq!(
            most_common_length(&[vec![1, 2, 3], vec![2, 3, 1], vec![1, 2, 3, 4]]),
            3
        );
        assert_eq!(most_common_length(&[vec![1], vec![1, 2]]), 2);
    }

    #[test]
    fn r8_an_undecided_commit_is_saved_as_it_was_before_and_flagged() {
        let offset = CommittedOffset {
            topic: "orders".to_owned(),
            partition: 1,
            offset: 7,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let offsets = GroupOffsets {
            offsets: vec![offset.clone()],
            unstable: vec![TopicPartition::new("orders", 1)],
            unreadable: Vec::new(),
        };
        let mut problems = Vec::new();
        let document = group_document(
            listed("checkout"),
            Ok(offsets),
            ToString::to_string,
            &mut problems,
        )
        .unwrap();
        assert_eq!(document.offsets, [offset]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].subject, "group checkout");
        assert!(problems[0].problem.contains("orders-1"), "{problems:?}");
    }

    #[test]
    fn a_group_whose_offsets_cannot_be_read_is_named_and_not_saved_as_empty() {
        let denied = KafkaError::broker(
            "OffsetFetch",
            "group secret",
            ErrorCode::GROUP_AUTHORIZATION_FAILED,
        );
        let mut problems = Vec::new();
        assert_eq!(
            group_document(
                listed("secret"),
                Err(denied),
                ToString::to_string,
                &mut problems
            ),
            None
        );
        assert!(problems[0].partial);
        let gone = KafkaError::broker("OffsetFetch", "group x", ErrorCode::GROUP_ID_NOT_FOUND);
        let document = group_document(listed("x"), Err(gone), ToString::to_string, &mut problems);
        assert_eq!(document, None);
        assert_eq!(problems.len(), 1);
    }
}
