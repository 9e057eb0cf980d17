//! The bounds of partitions.

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        list_offsets_response::ListOffsetsPartitionResponse,
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{
    Cluster,
    leaders::{Asked, ByPartition, LeaderQuestion, by_topic},
};
use crate::error::{ErrorCode, KafkaError};

const OPERATION: &str = "ListOffsets";

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// Where what the leader has itself begins: what lies below is in remote storage only (KIP-405; from Kafka 3.6 on, older
    /// brokers have no such storage and take it for the log start).
    LocalStart,
    /// The high watermark: behind what all replicas have.
    HighWatermark,
    /// The last stable offset: before the first open transaction.
    LastStable,
    /// The first record that is not older than this, in milliseconds since 1970; −1 where there is none.
    NotBefore(i64),
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::LocalStart => -4,
            Self::HighWatermark | Self::LastStable => -1,
            Self::NotBefore(millis) => millis,
        }
    }

    fn isolation_level(self) -> i8 {
        i8::from(self == Self::LastStable)
    }
}

/// An offset as its leader tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset.
    pub offset: i64,
    /// The leader epoch at this offset; −1 where the leader does not tell.
    pub leader_epoch: i32,
}

impl Cluster {
    /// Asks the leaders of all these partitions at once, and again where one can't tell yet, until a deadline.
    ///
    /// The answer has an entry for each partition.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> ByPartition<ListedOffset> {
        self.ask_all_leaders(partitions, &spec).await
    }
}

impl LeaderQuestion for OffsetSpec {
    type Request = ListOffsetsRequest;
    type Told = ListedOffset;
    const OPERATION: &'static str = OPERATION;

    fn request(&self, partitions: &[Asked<'_>]) -> ListOffsetsRequest {
        let topics = by_topic(partitions, |partition, epoch| {
            ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_current_leader_epoch(epoch)
                .with_timestamp(self.timestamp())
        });
        let topics = topics.into_iter().map(|(name, partitions)| {
            ListOffsetsTopic::default()
                .with_name(StrBytes::from_string(name.to_owned()).into())
                .with_partitions(partitions)
        });
        ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_isolation_level(self.isolation_level())
            .with_topics(topics.collect())
    }

    fn read(
        &self,
        answer: &ListOffsetsResponse,
    ) -> Vec<(TopicPartition, Result<ListedOffset, KafkaError>)> {
        let topics = answer.topics.iter();
        let told = topics.flat_map(|topic| {
            let name: Arc<str> = topic.name.as_str().into();
            topic.partitions.iter().map(move |partition| {
                let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                let outcome = outcome(&key, partition, *self);
                (key, outcome)
            })
        });
        told.collect()
    }
}

fn outcome(
    partition: &TopicPartition,
    answer: &ListOffsetsPartitionResponse,
    spec: OffsetSpec,
) -> Result<ListedOffset, KafkaError> {
    if let Some(code) = ErrorCode::from_wire(answer.error_code) {
        return no(partition, code);
    }
    if answer.offset < 0 && !matches!(spec, OffsetSpec::NotBefore(_)) {
        return no(partition, ErrorCode::OFFSET_NOT_AVAILABLE);
    }
    Ok(ListedOffset {
        offset: answer.offset,
        leader_epoch: answer.leader_epoch,
    })
}

fn no<T>(partition: &TopicPartition, code: ErrorCode) -> Result<T, KafkaError> {
    Err(KafkaError::broker(OPERATION, partition, code))
}

#[cfg(test)]
mod tests;
