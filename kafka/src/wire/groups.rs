//! Consumer groups: who there is, what they committed, and commits on their behalf.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use kafka_protocol::{
    messages::{
        ListGroupsRequest, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
        OffsetFetchResponse,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    protocol::StrBytes,
};
use lifeboat_archive::{documents::CommittedOffset, words::TopicPartition};

use super::{ADMIN, Cluster, Patience};
use crate::error::{ErrorCode, KafkaError};

mod coordinators;
mod describe;
mod shares;

pub use describe::GroupState;

/// How long a transactional commit may be undecided before what was committed before it is taken (R8).
const UNSTABLE: Duration = Duration::from_secs(30);

/// A group as a broker lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: String,
    /// `classic`, `consumer` (KIP-848), `share`, …; `classic` where the broker is too old to tell.
    pub group_type: String,
    /// `consumer`, `connect`, …; empty for groups that only commit.
    pub protocol_type: String,
    /// `Stable`, `Empty`, …
    pub state: String,
}

/// The groups of a cluster.
#[derive(Clone, Debug, Default)]
pub struct GroupListing {
    /// By name.
    pub groups: Vec<ListedGroup>,
    /// Brokers that did not tell: the groups that they coordinate are missing.
    pub unanswered: Vec<(i32, KafkaError)>,
}

/// What a group has committed.
#[derive(Clone, Debug, Default)]
pub struct GroupOffsets {
    /// By topic and partition.
    pub offsets: Vec<CommittedOffset>,
    /// Partitions with a transactional commit that is not decided: `offsets` has what was committed before it.
    pub unstable: Vec<TopicPartition>,
    /// Partitions whose offset the coordinator does not tell.
    pub unreadable: Vec<(TopicPartition, KafkaError)>,
}

/// What became of each offset, in the order given.
pub type CommitOutcomes = Vec<(TopicPartition, Result<(), KafkaError>)>;

impl Cluster {
    /// Asks all brokers for the groups that they coordinate.
    pub async fn groups(&self) -> GroupListing {
        let brokers = self.brokers();
        let answers = brokers.iter().map(|broker| self.groups_of(broker.id));
        let mut groups = BTreeMap::new();
        let mut unanswered = Vec::new();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(listed) => {
                    let by_name = listed.into_iter().map(|group| (group.group.clone(), group));
                    groups.extend(by_name);
                }
                Err(error) => unanswered.push((broker.id, error)),
            }
        }
        GroupListing {
            groups: groups.into_values().collect(),
            unanswered,
        }
    }

    async fn groups_of(&self, broker: i32) -> Result<Vec<ListedGroup>, KafkaError> {
        let answer =
            self.ask_broker(broker, &ListGroupsRequest::default(), |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => {
                        let subject = format!("broker {broker}");
                        Err(KafkaError::broker("ListGroups", subject, code))
                    }
                }
            })
            .await?;
        let groups = answer.groups.iter().map(|group| ListedGroup {
            group: group.group_id.to_string(),
            group_type: match group.group_type.as_str() {
                "" => "classic".to_owned(),
                known => known.to_owned(),
            },
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
        });
        Ok(groups.collect())
    }

    /// What a group has committed, or where it starts if it is a share group, for all topics.
    pub async fn offsets_of(
        &self,
        group: &str,
        is_share: bool,
    ) -> Result<GroupOffsets, KafkaError> {
        if is_share {
            self.share_group_offsets(group).await
        } else {
            self.group_offsets(group, true).await
        }
    }

    /// What a group has committed, for all topics.
    ///
    /// With `require_stable` a commit of a transaction that is not decided yet is waited for, half a minute long; then
    /// what was committed before it is taken, and the partition is named in `unstable` (R8).
    pub async fn group_offsets(
        &self,
        group: &str,
        require_stable: bool,
    ) -> Result<GroupOffsets, KafkaError> {
        if !require_stable {
            return self.fetch_offsets(group, false).await;
        }
        let mut patience = Patience::new(UNSTABLE.min(self.inner.settings.patience));
        loop {
            let stable = self.fetch_offsets(group, true).await?;
            if stable.unstable.is_empty() {
                return Ok(stable);
            }
            if !patience.pause().await {
                tracing::debug!(group, "a transactional commit hangs");
                let mut before = self.fetch_offsets(group, false).await?;
                before.unstable = stable.unstable;
                return Ok(before);
            }
        }
    }

    async fn fetch_offsets(
        &self,
        group: &str,
        require_stable: bool,
    ) -> Result<GroupOffsets, KafkaError> {
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(StrBytes::from_string(group.to_owned()).into())
            .with_topics(None);
        let request = OffsetFetchRequest::default()
            .with_groups(vec![asked])
            .with_require_stable(require_stable);
        self.ask_coordinator(group, &request, |answer| read_offsets(group, answer))
            .await
    }

    /// Commits offsets on behalf of a group without members; the outcome is per partition, in the order given.
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: &[CommittedOffset],
    ) -> Result<CommitOutcomes, KafkaError> {
        let request = commit_request(group, offsets);
        self.ask_coordinator(group, &request, |answer| {
            read_commits(group, offsets, answer)
        })
        .await
    }
}

fn read_offsets(group: &str, answer: &OffsetFetchResponse) -> Result<GroupOffsets, KafkaError> {
    const OPERATION: &str = "OffsetFetch";
    let found = answer
        .groups
        .iter()
        .find(|answer| answer.group_id.as_str() == group)
        .ok_or_else(|| KafkaError::Malformed {
            operation: OPERATION,
            detail: format!("group {group} is missing in the answer"),
        })?;
    if let Some(code) = ErrorCode::from_wire(found.error_code) {
        return Err(KafkaError::broker(
            OPERATION,
            format!("group {group}"),
            code,
        ));
    }
    let mut read = GroupOffsets::default();
    for topic in &found.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for partition in &topic.partitions {
            let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
            match ErrorCode::from_wire(partition.error_code) {
                Some(ErrorCode::UNSTABLE_OFFSET_COMMIT) => read.unstable.push(key),
                Some(code) => {
                    let error =
                        KafkaError::broker(OPERATION, format!("group {group}, {key}"), code);
                    read.unreadable.push((key, error));
                }
                None if partition.committed_offset < 0 => {}
                None => read.offsets.push(CommittedOffset {
                    topic: name.to_string(),
                    partition: partition.partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition
                        .metadata
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                }),
            }
        }
    }
    read.offsets.sort_unstable_by(|one, other| {
        (&one.topic, one.partition).cmp(&(&other.topic, other.partition))
    });
    Ok(read)
}

/// As a consumer that assigns partitions itself commits: no generation, no member.
fn commit_request(group: &str, offsets: &[CommittedOffset]) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for offset in offsets {
        topics.entry(&offset.topic).or_default().push(
            OffsetCommitRequestPartition::default()
                .with_partition_index(offset.partition)
                .with_committed_offset(offset.offset)
                .with_committed_leader_epoch(offset.leader_epoch)
                .with_committed_metadata(Some(StrBytes::from_string(offset.metadata.clone()))),
        );
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(StrBytes::from_string(name.to_owned()).into())
            .with_partitions(partitions)
    });
    OffsetCommitRequest::default()
        .with_group_id(StrBytes::from_string(group.to_owned()).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect())
}

fn read_commits(
    group: &str,
    offsets: &[CommittedOffset],
    answer: &OffsetCommitResponse,
) -> Result<CommitOutcomes, KafkaError> {
    const OPERATION: &str = "OffsetCommit";
    let mut codes = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let key = (topic.name.as_str(), partition.partition_index);
            codes.insert(key, ErrorCode::from_wire(partition.error_code));
        }
    }
    // the coordinator's own troubles come for every partition
    let moved = |code: &ErrorCode| {
        code.wants_new_coordinator() || *code == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    };
    if let Some(code) = codes.values().flatten().copied().find(moved) {
        return Err(KafkaError::broker(
            OPERATION,
            format!("group {group}"),
            code,
        ));
    }
    Ok(for_each_offset(OPERATION, group, offsets, |key| {
        codes.get(key).map(|code| code.map(|code| (code, None)))
    }))
}

/// What `told` says about each offset, by topic and partition, in the order given.
fn for_each_offset<'a>(
    operation: &'static str,
    group: &str,
    offsets: &[CommittedOffset],
    told: impl Fn(&(&str, i32)) -> Option<Option<(ErrorCode, Option<&'a StrBytes>)>>,
) -> CommitOutcomes {
    let outcomes = offsets.iter().map(|offset| {
        let partition = TopicPartition::new(offset.topic.as_str(), offset.partition);
        let outcome = match told(&(offset.topic.as_str(), offset.partition)) {
            Some(None) => Ok(()),
            Some(Some((code, message))) => {
                let subject = format!("group {group}, {partition}");
                Err(KafkaError::broker_says(operation, subject, code, message))
            }
            None => Err(KafkaError::Malformed {
                operation,
                detail: format!("{partition} is missing in the answer"),
            }),
        };
        (partition, outcome)
    });
    outcomes.collect()
}

#[cfg(test)]
mod tests;
