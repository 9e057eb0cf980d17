//! Raw record batches to a leader.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use indexmap::IndexMap;
use kafka_protocol::messages::{
    ApiKey, ProduceResponse, produce_response::PartitionProduceResponse,
};
use lifeboat_archive::words::{TopicId, TopicPartition};

use super::{
    connection::{Connection, Exchange},
    shape::{self, answers},
    versions::{Api, millis},
};
use crate::error::{ErrorCode, KafkaError};

/// All of them are written the same up to the name of the topic; by topic id from 13 on (Kafka 4.1).
const PRODUCE: Api = Api::new(ApiKey::Produce, "Produce", 9, 13);
const FIRST_WITH_TOPIC_ID: i16 = 13;
const ANSWER_LIMIT: usize = 16 << 20;

/// A leader's answer.
#[derive(Clone, Debug)]
pub struct ProduceAnswer {
    /// How long the broker wants to be left alone.
    pub throttle: Duration,
    /// For each partition, in the order of the request: where its batch begins in the log, or why it is not there.
    pub partitions: Vec<(TopicPartition, Result<i64, KafkaError>)>,
}

/// Writes one batch to each of these partitions, which this broker leads.
///
/// `acks` is 1 or −1: without an answer nobody knows what was written. `timeout` is how long the broker waits for the
/// other replicas. An error of the whole request leaves open what was written.
pub async fn produce(
    connection: &Connection,
    acks: i16,
    timeout: Duration,
    batches: Vec<(TopicPartition, TopicId, Bytes)>,
) -> Result<ProduceAnswer, KafkaError> {
    if acks == 0 {
        return Err(KafkaError::property(
            "acks",
            "0 leaves no answer to check",
            None,
        ));
    }
    let version = connection.version_of(PRODUCE)?;
    let asked: Vec<_> = batches
        .iter()
        .map(|(partition, id, _)| (partition.clone(), *id))
        .collect();
    let body = connection
        .exchange(Exchange {
            api: PRODUCE,
            version,
            header_version: 2,
            body: encode(version, acks, timeout, batches)?,
            answer_limit: ANSWER_LIMIT,
            expected: 0,
            grace: timeout,
        })
        .await?;
    let answer: ProduceResponse = shape::decode(PRODUCE, answers::PRODUCE, body, version)?;
    let throttle = millis(answer.throttle_time_ms);
    connection.note_throttle(throttle);
    Ok(ProduceAnswer {
        throttle,
        partitions: outcomes(&answer, version, asked),
    })
}

/// The request by hand: the batches go out from where they are instead of being copied into one buffer.
fn encode(
    version: i16,
    acks: i16,
    timeout: Duration,
    batches: Vec<(TopicPartition, TopicId, Bytes)>,
) -> Result<Vec<Bytes>, KafkaError> {
    let mut topics: IndexMap<(TopicId, Arc<str>), Vec<_>> = IndexMap::new();
    for (partition, id, batch) in batches {
        let key = (id, partition.topic);
        topics
            .entry(key)
            .or_default()
            .push((partition.partition, batch));
    }
    let mut parts = Vec::with_capacity(2 * topics.values().map(Vec::len).sum::<usize>() + 1);
    let mut out = BytesMut::with_capacity(64);
    put_compact_length(&mut out, None)?;
    out.put_i16(acks);
    out.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    put_compact_length(&mut out, Some(topics.len()))?;
    for ((id, name), partitions) in topics {
        if version >= FIRST_WITH_TOPIC_ID {
            out.put_slice(&id.0);
        } else {
            put_compact_length(&mut out, Some(name.len()))?;
            out.put_slice(name.as_bytes());
        }
        put_compact_length(&mut out, Some(partitions.len()))?;
        for (number, batch) in partitions {
            out.put_i32(number);
            put_compact_length(&mut out, Some(batch.len()))?;
            parts.push(out.split().freeze());
            parts.push(batch);
            put_no_tagged_fields(&mut out);
        }
        put_no_tagged_fields(&mut out);
    }
    put_no_tagged_fields(&mut out);
    parts.push(out.freeze());
    Ok(parts)
}

/// Length plus one as an unsigned varint; `None` is null.
fn put_compact_length(out: &mut BytesMut, length: Option<usize>) -> Result<(), KafkaError> {
    let mut rest = match length {
        None => 0,
        Some(length) => u32::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(1))
            .ok_or_else(|| malformed(format!("a batch of {length} bytes")))?,
    };
    loop {
        let [low, ..] = (rest & 0x7f).to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.put_u8(low);
            break;
        }
        out.put_u8(low | 0x80);
    }
    Ok(())
}

fn put_no_tagged_fields(out: &mut BytesMut) {
    out.put_u8(0);
}

fn outcomes(
    answer: &ProduceResponse,
    version: i16,
    asked: Vec<(TopicPartition, TopicId)>,
) -> Vec<(TopicPartition, Result<i64, KafkaError>)> {
    let mut by_id = HashMap::new();
    let mut by_name = HashMap::new();
    for topic in &answer.responses {
        for partition in &topic.partition_responses {
            if version >= FIRST_WITH_TOPIC_ID {
                let id = TopicId(topic.topic_id.into_bytes());
                by_id.insert((id, partition.index), partition);
            } else {
                by_name.insert((topic.name.as_str(), partition.index), partition);
            }
        }
    }
    asked
        .into_iter()
        .map(|(partition, id)| {
            let number = partition.partition;
            let answer = if version >= FIRST_WITH_TOPIC_ID {
                by_id.get(&(id, number))
            } else {
                by_name.get(&(&*partition.topic, number))
            };
            let outcome = answer.map_or_else(
                || Err(malformed(format!("{partition} is missing in the answer"))),
                |answer| outcome(&partition, answer),
            );
            (partition, outcome)
        })
        .collect()
}

fn outcome(
    partition: &TopicPartition,
    answer: &PartitionProduceResponse,
) -> Result<i64, KafkaError> {
    let Some(code) = ErrorCode::from_wire(answer.error_code) else {
        return Ok(answer.base_offset);
    };
    let of_a_record = answer
        .record_errors
        .first()
        .and_then(|error| error.batch_index_error_message.as_ref());
    let message = answer.error_message.as_ref().or(of_a_record);
    Err(KafkaError::broker_says(
        PRODUCE.name,
        partition,
        code,
        message,
    ))
}

fn malformed(detail: String) -> KafkaError {
    KafkaError::Malformed {
        operation: PRODUCE.name,
        detail,
    }
}

#[cfg(test)]
mod tests;
