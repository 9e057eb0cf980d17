//! Raw record batches from a leader.

use std::{collections::HashMap, time::Duration};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
    },
    protocol::{Encodable, HeaderVersion},
};
use lifeboat_archive::words::{TopicId, TopicPartition};
use uuid::Uuid;

use super::{
    answer::Answer,
    connection::{Connection, Exchange},
    versions::{Api, millis},
};
use crate::error::{ErrorCode, KafkaError};

/// By topic id, which names a topic for good: a re-created one is another. Kafka 3.1 has version 13.
const FETCH: Api = Api::new(ApiKey::Fetch, "Fetch", 13, 17);

/// What an answer may have on top of the records.
const OVERHEAD: usize = 1 << 20;
const OVERHEAD_PER_PARTITION: usize = 128;
/// The first batch of an answer comes whole, however little was asked for; no broker stores a larger one, because none
/// reads a larger request (`socket.request.max.bytes`).
const LARGEST_BATCH: usize = 100 << 20;

/// Where to read on in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The first offset that is wanted.
    pub offset: i64,
    /// The leader's epoch: a leader of another one answers FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH. −1 = not checked.
    pub leader_epoch: i32,
    /// The leader epoch of the batch before `offset`: where the log diverges from it, the answer has a
    /// `diverging_epoch`. −1 = not checked.
    pub last_fetched_epoch: i32,
    /// How many bytes of this partition; the answer's first batch comes whole in any case.
    pub max_bytes: i32,
}

/// What an answer may be as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// Bytes of records in the answer.
    pub max_bytes: i32,
    /// Bytes of records for which the broker waits.
    pub min_bytes: i32,
    /// How long it waits for them.
    pub max_wait: Duration,
}

/// A leader's answer.
#[derive(Clone, Debug)]
pub struct FetchAnswer {
    /// How long the broker wants to be left alone. An empty answer with a throttle says nothing about the data.
    pub throttle: Duration,
    /// The partitions, as asked for.
    pub partitions: Vec<FetchedPartition>,
    /// Where the leaders listen that the partitions name.
    pub endpoints: Vec<NodeEndpoint>,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// Its id.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What came of a partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Why there is nothing.
    pub error: Option<ErrorCode>,
    /// The high watermark; −1 where there is an error.
    pub high_watermark: i64,
    /// The last stable offset; −1 where there is an error.
    pub last_stable_offset: i64,
    /// The log start offset; −1 where there is an error.
    pub log_start_offset: i64,
    /// Set where the log is not the one that was read before.
    pub diverging_epoch: Option<DivergingEpoch>,
    /// Who leads, where it is not the one that was asked, or not in the epoch that was sent.
    pub current_leader: Option<CurrentLeader>,
    /// Set where the metadata log is to be read from a snapshot first.
    pub snapshot: Option<SnapshotEnd>,
    /// Batches as they are stored; the last may be cut off. Shares the memory of the whole answer.
    pub records: Bytes,
}

/// Where a log ends to be the one that was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// The largest epoch, up to the one that was asked for, that the leader knows.
    pub epoch: i32,
    /// Where that epoch ends.
    pub end_offset: i64,
}

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// Its id; −1: nobody.
    pub id: i32,
    /// Its epoch.
    pub epoch: i32,
}

/// A snapshot of the metadata log, by where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// The first offset that is not in it.
    pub end_offset: i64,
    /// The epoch of the last record in it.
    pub epoch: i32,
}

/// Reads from one broker, in read_uncommitted and without a fetch session.
pub async fn fetch(
    connection: &Connection,
    positions: &[FetchPosition],
    limits: FetchLimits,
) -> Result<FetchAnswer, KafkaError> {
    let version = connection.version_of(FETCH)?;
    let mut body = BytesMut::with_capacity(64 + positions.len() * 48);
    request(positions, limits)
        .encode(&mut body, version)
        .map_err(|error| KafkaError::Malformed {
            operation: FETCH.name,
            detail: error.to_string(),
        })?;
    let budget = usize::try_from(limits.max_bytes).unwrap_or(0);
    let answer = connection
        .exchange(Exchange {
            api: FETCH,
            version,
            header_version: FetchRequest::header_version(version),
            body: vec![body.freeze()],
            answer_limit: budget.max(LARGEST_BATCH) + OVERHEAD,
            expected: budget + positions.len() * OVERHEAD_PER_PARTITION,
            grace: limits.max_wait,
        })
        .await?;
    let answer = decode(answer, positions, connection.address())?;
    connection.note_throttle(answer.throttle);
    Ok(answer)
}

fn request(positions: &[FetchPosition], limits: FetchLimits) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for position in positions {
        let id = Uuid::from_bytes(position.topic_id.0);
        // the broker fills its answer in the order of the request, so the order stays as it is
        if topics.last().is_none_or(|topic| topic.topic_id != id) {
            topics.push(FetchTopic::default().with_topic_id(id));
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(
                FetchPartition::default()
                    .with_partition(position.topic_partition.partition)
                    .with_current_leader_epoch(position.leader_epoch)
                    .with_fetch_offset(position.offset)
                    .with_last_fetched_epoch(position.last_fetched_epoch)
                    .with_log_start_offset(-1)
                    .with_partition_max_bytes(position.max_bytes),
            );
        }
    }
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(limits.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(limits.min_bytes)
        .with_max_bytes(limits.max_bytes)
        .with_isolation_level(0)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}

/// Versions 13 to 17, which are the same up to tagged fields.
fn decode(
    body: Bytes,
    positions: &[FetchPosition],
    broker: &str,
) -> Result<FetchAnswer, KafkaError> {
    let asked: HashMap<_, _> = positions
        .iter()
        .map(|position| {
            let tp = &position.topic_partition;
            ((position.topic_id, tp.partition), tp)
        })
        .collect();
    let mut answer = Answer::new(FETCH.name, body);
    let throttle = millis(answer.i32()?);
    if let Some(code) = ErrorCode::from_wire(answer.i16()?) {
        return Err(KafkaError::broker(FETCH.name, broker, code));
    }
    let _session_id = answer.i32()?;
    let topics = answer.count(18)?;
    let mut partitions = Vec::with_capacity(positions.len());
    for _ in 0..topics {
        let topic_id = TopicId(answer.uuid()?);
        for _ in 0..answer.count(37)? {
            let number = answer.i32()?;
            let topic_partition = *asked.get(&(topic_id, number)).ok_or_else(|| {
                answer.wrong(&format!(
                    "partition {number} of topic id {topic_id}, which was not asked for,"
                ))
            })?;
            partitions.push(decode_partition(&mut answer, topic_partition.clone())?);
        }
        answer.skip_tagged_fields()?;
    }
    let mut endpoints = Vec::new();
    answer.tagged_fields(|tag, mut field| {
        if tag == 0 {
            endpoints = decode_endpoints(&mut field)?;
        }
        Ok(())
    })?;
    Ok(FetchAnswer {
        throttle,
        partitions,
        endpoints,
    })
}

fn decode_endpoints(answer: &mut Answer) -> Result<Vec<NodeEndpoint>, KafkaError> {
    let count = answer.count(11)?;
    let mut endpoints = Vec::with_capacity(count);
    for _ in 0..count {
        let id = answer.i32()?;
        let host = answer.text()?;
        let port = answer.i32()?;
        let port = u16::try_from(port).map_err(|_| answer.wrong(&format!("port {port}")))?;
        let _rack = answer.compact_bytes()?;
        answer.skip_tagged_fields()?;
        endpoints.push(NodeEndpoint { id, host, port });
    }
    Ok(endpoints)
}

fn decode_partition(
    answer: &mut Answer,
    topic_partition: TopicPartition,
) -> Result<FetchedPartition, KafkaError> {
    let error = ErrorCode::from_wire(answer.i16()?);
    let high_watermark = answer.i64()?;
    let last_stable_offset = answer.i64()?;
    let log_start_offset = answer.i64()?;
    // aborted transactions come in read_committed only
    for _ in 0..answer.count(17)? {
        answer.slice(16)?;
        answer.skip_tagged_fields()?;
    }
    let _preferred_read_replica = answer.i32()?;
    let records = answer.compact_bytes()?;
    let (mut diverging_epoch, mut current_leader, mut snapshot) = (None, None, None);
    answer.tagged_fields(|tag, mut field| {
        match tag {
            0 => {
                let (epoch, end_offset) = (field.i32()?, field.i64()?);
                diverging_epoch = (epoch >= 0).then_some(DivergingEpoch { epoch, end_offset });
            }
            1 => {
                let (id, epoch) = (field.i32()?, field.i32()?);
                current_leader = (epoch >= 0).then_some(CurrentLeader { id, epoch });
            }
            2 => {
                let (end_offset, epoch) = (field.i64()?, field.i32()?);
                snapshot = (end_offset >= 0).then_some(SnapshotEnd { end_offset, epoch });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(FetchedPartition {
        topic_partition,
        error,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        diverging_epoch,
        current_leader,
        snapshot,
        records,
    })
}

#[cfg(test)]
mod tests;
