//! Where share groups start (KIP-932).

use std::collections::BTreeMap;

use kafka_protocol::{
    messages::{
        AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
        DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
        alter_share_group_offsets_request::{
            AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
        },
        describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
    },
    protocol::StrBytes,
};
use lifeboat_archive::{documents::CommittedOffset, words::TopicPartition};

use super::{Cluster, CommitOutcomes, GroupOffsets, for_each_offset};
use crate::error::{ErrorCode, KafkaError};

impl Cluster {
    /// Where a share group starts, for all topics. What it has acknowledged beyond that is not told.
    pub async fn share_group_offsets(&self, group: &str) -> Result<GroupOffsets, KafkaError> {
        let asked = DescribeShareGroupOffsetsRequestGroup::default()
            .with_group_id(StrBytes::from_string(group.to_owned()).into())
            .with_topics(None);
        let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![asked]);
        let mut patience = self.patience();
        loop {
            let read = self.ask_coordinator(group, &request, |answer| read_starts(group, answer));
            let read = read.await?;
            let mut unreadable = read.unreadable.iter();
            if !unreadable.any(|(_, error)| is_moving(error)) || !patience.pause().await {
                return Ok(read);
            }
        }
    }

    /// Sets where a share group without members starts; one that is not there is made. The outcome is per partition, in
    /// the order given.
    pub async fn alter_share_group_offsets(
        &self,
        group: &str,
        offsets: &[CommittedOffset],
    ) -> Result<CommitOutcomes, KafkaError> {
        let request = alter_request(group, offsets);
        let mut patience = self.patience();
        loop {
            // the same start twice is the same as once, so it may be asked for again
            let altered = self.ask_coordinator(group, &request, |answer| {
                read_altered(group, offsets, answer)
            });
            let altered = altered.await?;
            let mut refused = altered.iter().filter_map(|(_, it)| it.as_ref().err());
            if !refused.any(is_moving) || !patience.pause().await {
                return Ok(altered);
            }
        }
    }
}

/// The states of share partitions have coordinators of their own, whose errors stand with each partition.
fn is_moving(error: &KafkaError) -> bool {
    error
        .code()
        .is_some_and(ErrorCode::is_of_moving_coordinator)
}

fn read_starts(
    group: &str,
    answer: &DescribeShareGroupOffsetsResponse,
) -> Result<GroupOffsets, KafkaError> {
    const OPERATION: &str = "DescribeShareGroupOffsets";
    let found = answer
        .groups
        .iter()
        .find(|answer| answer.group_id.as_str() == group)
        .ok_or_else(|| KafkaError::Malformed {
            operation: OPERATION,
            detail: format!("group {group} is missing in the answer"),
        })?;
    if let Some(code) = ErrorCode::from_wire(found.error_code) {
        return Err(KafkaError::broker_says(
            OPERATION,
            format!("group {group}"),
            code,
            found.error_message.as_ref(),
        ));
    }
    let mut read = GroupOffsets::default();
    for topic in &found.topics {
        for partition in &topic.partitions {
            let key = TopicPartition::new(topic.topic_name.as_str(), partition.partition_index);
            match ErrorCode::from_wire(partition.error_code) {
                Some(code) => {
                    let subject = format!("group {group}, {key}");
                    let message = partition.error_message.as_ref();
                    let error = KafkaError::broker_says(OPERATION, subject, code, message);
                    read.unreadable.push((key, error));
                }
                // it has not begun there
                None if partition.start_offset < 0 => {}
                None => read.offsets.push(CommittedOffset {
                    topic: topic.topic_name.to_string(),
                    partition: partition.partition_index,
                    offset: partition.start_offset,
                    leader_epoch: partition.leader_epoch,
                    metadata: String::new(),
                }),
            }
        }
    }
    read.offsets.sort_unstable_by(|one, other| {
        (&one.topic, one.partition).cmp(&(&other.topic, other.partition))
    });
    Ok(read)
}

fn alter_request(group: &str, offsets: &[CommittedOffset]) -> AlterShareGroupOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for offset in offsets {
        topics.entry(&offset.topic).or_default().push(
            AlterShareGroupOffsetsRequestPartition::default()
                .with_partition_index(offset.partition)
                .with_start_offset(offset.offset),
        );
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        AlterShareGroupOffsetsRequestTopic::default()
            .with_topic_name(StrBytes::from_string(name.to_owned()).into())
            .with_partitions(partitions)
    });
    AlterShareGroupOffsetsRequest::default()
        .with_group_id(StrBytes::from_string(group.to_owned()).into())
        .with_topics(topics.collect())
}

fn read_altered(
    group: &str,
    offsets: &[CommittedOffset],
    answer: &AlterShareGroupOffsetsResponse,
) -> Result<CommitOutcomes, KafkaError> {
    const OPERATION: &str = "AlterShareGroupOffsets";
    if let Some(code) = ErrorCode::from_wire(answer.error_code) {
        return Err(KafkaError::broker_says(
            OPERATION,
            format!("group {group}"),
            code,
            answer.error_message.as_ref(),
        ));
    }
    let mut told = BTreeMap::new();
    for topic in &answer.responses {
        for partition in &topic.partitions {
            let key = (topic.topic_name.as_str(), partition.partition_index);
            let code = ErrorCode::from_wire(partition.error_code);
            told.insert(
                key,
                code.map(|code| (code, partition.error_message.as_ref())),
            );
        }
    }
    Ok(for_each_offset(OPERATION, group, offsets, |key| {
        told.get(key).copied()
    }))
}

#[cfg(test)]
mod tests;
