//! The bounds of partitions.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use kafka_protocol::{
    messages::{
        ListOffsetsRequest,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        list_offsets_response::ListOffsetsPartitionResponse,
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{ADMIN, Cluster, Patience};
use crate::error::{ErrorCode, KafkaError};

const OPERATION: &str = "ListOffsets";
/// A topic is unknown for a moment after it was created; after this time it is gone.
const UNKNOWN_TOPIC: Duration = Duration::from_secs(10);

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark: behind what all replicas have.
    HighWatermark,
    /// The last stable offset: before the first open transaction.
    LastStable,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::HighWatermark | Self::LastStable => -1,
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

type Listed = HashMap<TopicPartition, Result<ListedOffset, KafkaError>>;

impl Cluster {
    /// Asks the leaders of all these partitions at once, and again where one can't tell yet, until a deadline.
    ///
    /// The answer has an entry for each partition.
    pub async fn list_offsets(&self, partitions: &[TopicPartition], spec: OffsetSpec) -> Listed {
        let mut patience = self.patience();
        let unknown = Patience::new(UNKNOWN_TOPIC);
        let mut settled = Listed::with_capacity(partitions.len());
        let mut open: Vec<_> = partitions
            .iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let never_heard_of: Vec<_> = open
            .iter()
            .copied()
            .filter(|partition| self.leadership(partition).is_none())
            .collect();
        if !never_heard_of.is_empty() {
            self.look_for_leaders(never_heard_of).await;
        }
        loop {
            let mut round = self.ask_leaders(&open, spec).await;
            let last_round = patience.is_over();
            open.retain(|&partition| {
                let outcome = round
                    .remove(partition)
                    .unwrap_or_else(|| Err(missing(partition)));
                let again = outcome.as_ref().is_err_and(|error| {
                    let gone = error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                        && unknown.is_over();
                    error.is_retriable() && !gone
                });
                if again && !last_round {
                    return true;
                }
                settled.insert(partition.clone(), outcome);
                false
            });
            if open.is_empty() {
                return settled;
            }
            patience.pause().await;
            self.look_for_leaders(open.clone()).await;
        }
    }

    async fn look_for_leaders(&self, partitions: Vec<&TopicPartition>) {
        let topics: HashSet<_> = partitions
            .into_iter()
            .map(|partition| Arc::clone(&partition.topic))
            .collect();
        let topics: Vec<_> = topics.into_iter().collect();
        if let Err(error) = self.refresh(&topics).await {
            tracing::debug!(%error, "no metadata");
        }
    }

    /// One request to each leader, all at the same time.
    async fn ask_leaders(&self, partitions: &[&TopicPartition], spec: OffsetSpec) -> Listed {
        let mut listed = Listed::with_capacity(partitions.len());
        let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, i32)>> = BTreeMap::new();
        for &partition in partitions {
            let known = self.leadership(partition);
            if let Some((leader, epoch)) =
                known.and_then(|known| Some((known.leader?, known.epoch)))
            {
                by_leader
                    .entry(leader)
                    .or_default()
                    .push((partition, epoch));
                continue;
            }
            let code = match known {
                Some(_) => ErrorCode::LEADER_NOT_AVAILABLE,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            listed.insert(partition.clone(), no(partition, code));
        }
        let rounds = by_leader
            .into_iter()
            .map(|(leader, partitions)| self.ask_leader(leader, partitions, spec));
        for answers in join_all(rounds).await {
            listed.extend(answers);
        }
        listed
    }

    async fn ask_leader(
        &self,
        leader: i32,
        partitions: Vec<(&TopicPartition, i32)>,
        spec: OffsetSpec,
    ) -> Listed {
        let request = request(&partitions, spec);
        let answer = match self.broker(leader, ADMIN).await {
            Ok(connection) => connection.call(&request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => answer
                .topics
                .iter()
                .flat_map(|topic| {
                    let name: Arc<str> = topic.name.as_str().into();
                    topic.partitions.iter().map(move |partition| {
                        let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                        let outcome = outcome(&key, partition);
                        (key, outcome)
                    })
                })
                .collect(),
            Err(error) => partitions
                .into_iter()
                .map(|(partition, _)| (partition.clone(), Err(error.clone())))
                .collect(),
        }
    }
}

/// With the leader epoch, so that a leader that was deposed and does not know it yet is refused.
fn request(partitions: &[(&TopicPartition, i32)], spec: OffsetSpec) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, epoch) in partitions {
        topics.entry(&partition.topic).or_default().push(
            ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_current_leader_epoch(*epoch)
                .with_timestamp(spec.timestamp()),
        );
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        ListOffsetsTopic::default()
            .with_name(StrBytes::from_string(name.to_owned()).into())
            .with_partitions(partitions)
    });
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(spec.isolation_level())
        .with_topics(topics.collect())
}

fn outcome(
    partition: &TopicPartition,
    answer: &ListOffsetsPartitionResponse,
) -> Result<ListedOffset, KafkaError> {
    if let Some(code) = ErrorCode::from_wire(answer.error_code) {
        return no(partition, code);
    }
    if answer.offset < 0 {
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

fn missing(partition: &TopicPartition) -> KafkaError {
    KafkaError::Malformed {
        operation: OPERATION,
        detail: format!("{partition} is missing in the answer"),
    }
}

#[cfg(test)]
mod tests;
