//! Producer ids, and what partitions remember of them.

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        DescribeProducersRequest, DescribeProducersResponse, InitProducerIdRequest,
        describe_producers_request::TopicRequest, describe_producers_response::ProducerState,
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{
    Cluster,
    leaders::{Asked, ByPartition, LeaderQuestion, by_topic},
};
use crate::error::{ErrorCode, KafkaError};

const OPERATION: &str = "DescribeProducers";

/// Under which an idempotent producer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// Unique in the cluster.
    pub producer_id: i64,
    /// 0 for a fresh id.
    pub producer_epoch: i16,
}

/// What a partition remembers of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record; −1 where there is none.
    pub last_sequence: i32,
    /// The largest timestamp of its last batch.
    pub last_timestamp_ms: i64,
    /// The epoch of the coordinator that wrote its last marker; −1 where there is none.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins in this partition.
    pub open_transaction_start: Option<i64>,
}

impl Cluster {
    /// A fresh producer id, without a transactional id.
    pub async fn init_producer_id(&self) -> Result<ProducerIdentity, KafkaError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let answer = self
            .ask_any(&request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => Err(KafkaError::broker("InitProducerId", "a new producer", code)),
                }
            })
            .await?;
        Ok(ProducerIdentity {
            producer_id: answer.producer_id.0,
            producer_epoch: answer.producer_epoch,
        })
    }

    /// The producers that the leaders of these partitions remember. The answer has an entry for each partition. Takes Read on
    /// the topics.
    pub async fn active_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> ByPartition<Vec<ActiveProducer>> {
        self.ask_all_leaders(partitions, &Remembered).await
    }
}

struct Remembered;

impl LeaderQuestion for Remembered {
    type Request = DescribeProducersRequest;
    type Told = Vec<ActiveProducer>;
    const OPERATION: &'static str = OPERATION;

    fn request(&self, partitions: &[Asked<'_>]) -> DescribeProducersRequest {
        let topics = by_topic(partitions, |partition, _| partition.partition);
        let topics = topics.into_iter().map(|(name, partitions)| {
            TopicRequest::default()
                .with_name(StrBytes::from_string(name.to_owned()).into())
                .with_partition_indexes(partitions)
        });
        DescribeProducersRequest::default().with_topics(topics.collect())
    }

    fn read(
        &self,
        answer: &DescribeProducersResponse,
    ) -> Vec<(TopicPartition, Result<Vec<ActiveProducer>, KafkaError>)> {
        let topics = answer.topics.iter();
        let told = topics.flat_map(|topic| {
            let name: Arc<str> = topic.name.as_str().into();
            topic.partitions.iter().map(move |partition| {
                let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                let told = match ErrorCode::from_wire(partition.error_code) {
                    None => Ok(partition
                        .active_producers
                        .iter()
                        .map(read_producer)
                        .collect()),
                    Some(code) => {
                        let message = partition.error_message.as_ref();
                        Err(KafkaError::broker_says(OPERATION, &key, code, message))
                    }
                };
                (key, told)
            })
        });
        told.collect()
    }
}

fn read_producer(producer: &ProducerState) -> ActiveProducer {
    ActiveProducer {
        producer_id: producer.producer_id.0,
        producer_epoch: producer.producer_epoch,
        last_sequence: producer.last_sequence,
        last_timestamp_ms: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        open_transaction_start: Some(producer.current_txn_start_offset).filter(|&start| start >= 0),
    }
}
