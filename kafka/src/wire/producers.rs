//! Producer ids, and what partitions remember of them.

use std::slice;

use kafka_protocol::{
    messages::{
        DescribeProducersRequest, DescribeProducersResponse, InitProducerIdRequest,
        describe_producers_request::TopicRequest,
        describe_producers_response::{PartitionResponse, ProducerState},
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{ADMIN, Cluster};
use crate::error::{ErrorCode, KafkaError};

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

    /// The producers that a partition's leader remembers.
    pub async fn describe_producers(
        &self,
        partition: &TopicPartition,
    ) -> Result<Vec<ActiveProducer>, KafkaError> {
        let topic = TopicRequest::default()
            .with_name(StrBytes::from_string(partition.topic.to_string()).into())
            .with_partition_indexes(vec![partition.partition]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let mut patience = self.patience();
        loop {
            let error = match self.ask_for_producers(partition, &request).await {
                Err(error) if error.is_retriable() => error,
                settled => return settled,
            };
            if !patience.pause().await {
                return Err(error);
            }
            if let Err(error) = self.refresh(slice::from_ref(&partition.topic)).await {
                tracing::debug!(%error, "no metadata");
            }
        }
    }

    async fn ask_for_producers(
        &self,
        partition: &TopicPartition,
        request: &DescribeProducersRequest,
    ) -> Result<Vec<ActiveProducer>, KafkaError> {
        let leader = self.leader(partition).ok_or_else(|| {
            KafkaError::broker(
                "DescribeProducers",
                partition,
                ErrorCode::LEADER_NOT_AVAILABLE,
            )
        })?;
        let connection = self.broker(leader, ADMIN).await?;
        let answer = connection.call(request).await?;
        read_producers(partition, &answer)
    }
}

fn read_producers(
    partition: &TopicPartition,
    answer: &DescribeProducersResponse,
) -> Result<Vec<ActiveProducer>, KafkaError> {
    let found: Option<&PartitionResponse> = answer
        .topics
        .iter()
        .filter(|topic| *topic.name.as_str() == *partition.topic)
        .flat_map(|topic| &topic.partitions)
        .find(|answer| answer.partition_index == partition.partition);
    let answer = found.ok_or_else(|| KafkaError::Malformed {
        operation: "DescribeProducers",
        detail: format!("{partition} is missing in the answer"),
    })?;
    match ErrorCode::from_wire(answer.error_code) {
        None => Ok(answer.active_producers.iter().map(read_producer).collect()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeProducers",
            partition,
            code,
            answer.error_message.as_ref(),
        )),
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
