//! Records taken away from the front of partitions.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kafka_protocol::{
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{
    Cluster,
    leaders::{Asked, ByPartition, LeaderQuestion, by_topic},
    topics::wire_millis,
};
use crate::error::{ErrorCode, KafkaError};

const OPERATION: &str = "DeleteRecords";

/// Up to where.
struct Deletion<'a> {
    before: &'a HashMap<TopicPartition, i64>,
    timeout: Duration,
}

impl Cluster {
    /// Takes away, for ever, all records before an offset of each partition; gives its log start then, which no replica
    /// goes back behind.
    ///
    /// Doing it again does no more. It takes Delete on the topics, which must not be compacted only
    /// ([`ErrorCode::POLICY_VIOLATION`]).
    pub async fn delete_records(&self, before: &HashMap<TopicPartition, i64>) -> ByPartition<i64> {
        let partitions: Vec<TopicPartition> = before.keys().cloned().collect();
        let timeout = self.request_timeout();
        let deletion = Deletion { before, timeout };
        self.ask_all_leaders(&partitions, &deletion).await
    }
}

impl LeaderQuestion for Deletion<'_> {
    type Request = DeleteRecordsRequest;
    type Told = i64;
    const OPERATION: &'static str = OPERATION;

    fn request(&self, partitions: &[Asked<'_>]) -> DeleteRecordsRequest {
        let topics = by_topic(partitions, |partition, _| {
            DeleteRecordsPartition::default()
                .with_partition_index(partition.partition)
                .with_offset(self.before.get(partition).copied().unwrap_or(0))
        });
        let topics = topics.into_iter().map(|(name, partitions)| {
            DeleteRecordsTopic::default()
                .with_name(StrBytes::from_string(name.to_owned()).into())
                .with_partitions(partitions)
        });
        DeleteRecordsRequest::default()
            .with_topics(topics.collect())
            // the brokers wait for all replicas; the answer has a way to go
            .with_timeout_ms(wire_millis(self.timeout / 2))
    }

    fn read(
        &self,
        answer: &DeleteRecordsResponse,
    ) -> Vec<(TopicPartition, Result<i64, KafkaError>)> {
        let topics = answer.topics.iter();
        let told = topics.flat_map(|topic| {
            let name: Arc<str> = topic.name.as_str().into();
            topic.partitions.iter().map(move |partition| {
                let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                let outcome = match ErrorCode::from_wire(partition.error_code) {
                    None => Ok(partition.low_watermark),
                    Some(code) => Err(KafkaError::broker(OPERATION, &key, code)),
                };
                (key, outcome)
            })
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests;
