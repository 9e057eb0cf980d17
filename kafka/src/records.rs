//! Record by record through librdkafka: the reader that shares no code with [`crate::wire`], for read-backs.

use std::time::Duration;

use lifeboat_archive::{
    batch::TimestampType,
    words::{OffsetRange, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use rdkafka::{
    Message, Offset, Timestamp, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{ErrorCode, KafkaError};

mod client;
mod follow;
mod lookup;
mod progress;

use client::{Context, consumer};
pub use follow::{Order, follow_records};
use progress::Progress;

const OPERATION: &str = "consume";
/// How often the clock is looked at while nothing comes.
const POLL: Duration = Duration::from_millis(100);
/// After this long without an event everything that was on its way has arrived.
const QUIET: Duration = Duration::from_millis(250);

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All records up to the high watermark.
    ReadUncommitted,
    /// Those of committed transactions, and those of none; up to the last stable offset.
    ReadCommitted,
}

/// How to read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Which records.
    pub isolation: Isolation,
    /// How long nothing may come before it is an error.
    pub stall_limit: Duration,
    /// Ends the reading with [`KafkaError::Interrupted`].
    pub stop: CancellationToken,
}

impl From<Isolation> for ReadOptions {
    fn from(isolation: Isolation) -> Self {
        Self {
            isolation,
            stall_limit: Duration::from_secs(60),
            stop: CancellationToken::new(),
        }
    }
}

/// A record as a consumer gets it. Lives as long as the call that it is given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordParts<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its time in milliseconds since the Unix epoch; −1 where it has none.
    pub timestamp: i64,
    /// Who set the time.
    pub timestamp_type: TimestampType,
    /// Its key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// Its headers in order, repeated names included; a value of `None` is null.
    pub headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

/// Reads ranges of partitions and hands each record to `on_record`, in order within a partition; gives their number.
///
/// Blocks. Joins no group and commits nothing. Ends when every range was read: at its last offset, or at the end of the
/// log where compaction or markers left nothing at the end of the range. With [`Isolation::ReadUncommitted`] a log that
/// ends before its range does is an error; with `ReadCommitted` a range that an open transaction cuts is not.
pub fn read_records(
    properties: &KafkaProperties,
    ranges: &[(TopicPartition, OffsetRange)],
    options: impl Into<ReadOptions>,
    on_record: impl FnMut(&TopicPartition, RecordParts<'_>),
) -> Result<u64, KafkaError> {
    let options = options.into();
    let progress = Progress::new(ranges);
    if progress.is_done() {
        return Ok(0);
    }
    let consumer = consumer(properties, options.isolation)?;
    let mut reading = Reading {
        consumer,
        options,
        progress,
        records: 0,
        last_error: None,
        on_record,
    };
    while let Some(wave) = reading.progress.next_wave() {
        reading.read(&wave)?;
    }
    Ok(reading.records)
}

/// Whether records can be read with these properties; talks to nobody.
pub fn check_properties(properties: &KafkaProperties) -> Result<(), KafkaError> {
    let config = client::config(properties)?.create_native_config();
    config.map(drop).map_err(|error| client_error(&error))
}

struct Reading<F> {
    consumer: BaseConsumer<Context>,
    options: ReadOptions,
    progress: Progress,
    records: u64,
    /// Why nothing comes, as far as librdkafka said.
    last_error: Option<String>,
    on_record: F,
}

impl<F: FnMut(&TopicPartition, RecordParts<'_>)> Reading<F> {
    /// Reads these partitions until all are done, or until what is left has to be told apart in a later wave.
    fn read(&mut self, wave: &[usize]) -> Result<(), KafkaError> {
        self.assign(wave)?;
        let mut idle = Idle::default();
        while !self.progress.wave_is_done() {
            if self.options.stop.is_cancelled() {
                return Err(KafkaError::Interrupted);
            }
            let quiet = idle.elapsed();
            if quiet > self.options.stall_limit {
                return Err(self.stalled());
            }
            if quiet > QUIET && self.progress.is_ambiguous() {
                break;
            }
            let finished = match self.consumer.poll(POLL) {
                None => {
                    idle.nothing();
                    continue;
                }
                Some(Ok(message)) => {
                    let seen =
                        self.progress
                            .see(message.topic(), message.partition(), message.offset());
                    let Some(seen) = seen else { continue };
                    if seen.wanted {
                        self.records += 1;
                        (self.on_record)(seen.topic_partition, parts(&message));
                    }
                    seen.finished
                }
                Some(Err(ClientError::PartitionEOF(number))) => self.progress.see_end(number),
                Some(Err(error)) => {
                    idle.nothing();
                    self.note(&error)?;
                    continue;
                }
            };
            idle = Idle::default();
            if let Some(finished) = finished {
                self.finish(finished)?;
            }
        }
        Ok(())
    }

    fn assign(&self, wave: &[usize]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(wave.len());
        for &index in wave {
            let (partition, position) = self.progress.position(index);
            list.add_partition_offset(
                &partition.topic,
                partition.partition,
                Offset::Offset(position),
            )
            .map_err(|error| client_error(&error))?;
        }
        self.consumer
            .assign(&list)
            .map_err(|error| client_error(&error))
    }

    /// Stops fetching a partition that is done, and looks whether its log really reaches the end of the range.
    fn finish(&self, index: usize) -> Result<(), KafkaError> {
        let (partition, position) = self.progress.position(index);
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&partition.topic, partition.partition);
        self.consumer
            .pause(&list)
            .map_err(|error| client_error(&error))?;
        let end = self.progress.end(index);
        if position >= end || self.options.isolation == Isolation::ReadCommitted {
            return Ok(());
        }
        let (_, high_watermark) = self
            .consumer
            .fetch_watermarks(
                &partition.topic,
                partition.partition,
                self.options.stall_limit,
            )
            .map_err(|error| client_error(&error))?;
        if high_watermark < end {
            return Err(KafkaError::Broker {
                operation: OPERATION,
                subject: partition.to_string(),
                code: ErrorCode::OFFSET_OUT_OF_RANGE,
                message: Some(format!("the log ends at {high_watermark}, before {end}")),
            });
        }
        Ok(())
    }

    fn note(&mut self, error: &ClientError) -> Result<(), KafkaError> {
        // could we not prove who we are, the source of the tokens may know why
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication)
            && let Some(failure) = self.consumer.context().failure()
        {
            return Err(failure);
        }
        if is_final(error) || is_unexpected(error) {
            return Err(self.named(client_error(error)));
        }
        tracing::debug!(%error, "consumer error");
        self.last_error = Some(error.to_string());
        Ok(())
    }

    /// The binding does not tell whose error it is; of one partition that is clear.
    fn named(&self, mut error: KafkaError) -> KafkaError {
        if let KafkaError::Broker { subject, .. } = &mut error {
            let (partition, position) = self.progress.first_open();
            *subject = match self.progress.open_in_wave() {
                0 | 1 => format!("{partition} at offset {position}"),
                open => format!("one of {open} partitions, {partition} and others"),
            };
        }
        error
    }

    fn stalled(&self) -> KafkaError {
        let (partition, position) = self.progress.first_open();
        let others = self.progress.open_in_wave().saturating_sub(1);
        let cause = self.last_error.as_deref().unwrap_or("no error");
        KafkaError::Consumer {
            problem: format!(
                "nothing came for {:?} at {partition} offset {position} and {others} more partitions ({cause})",
                self.options.stall_limit
            ),
        }
    }
}

/// How long nothing came: the clock is looked at only while that is so, not for every record.
///
/// librdkafka repeats its errors many times a second: only records and ends count as something.
#[derive(Default)]
struct Idle(Option<Instant>);

impl Idle {
    fn nothing(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    fn elapsed(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// librdkafka goes on by itself after most errors; these it can't heal, and neither can anybody else.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::MessageConsumption(code) => matches!(
            code,
            RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::BadCompression
                // it does not read what is compressed in the formats before 0.11
                | RDKafkaErrorCode::NotImplemented
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::UnsupportedSASLMechanism
        ),
        _ => true,
    }
}

/// These end a reading of what has been there for long; while a partition is being written they may pass. A broker that
/// stops in the middle of a handshake looks like one that refuses a password.
fn is_unexpected(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::MessageConsumption(
            RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Authentication
        )
    )
}

fn parts<'a>(message: &'a BorrowedMessage<'_>) -> RecordParts<'a> {
    let (timestamp, timestamp_type) = match message.timestamp() {
        Timestamp::NotAvailable => (-1, TimestampType::CreateTime),
        Timestamp::CreateTime(time) => (time, TimestampType::CreateTime),
        Timestamp::LogAppendTime(time) => (time, TimestampType::LogAppendTime),
    };
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.as_bytes(), header.value))
            .collect()
    });
    RecordParts {
        offset: message.offset(),
        timestamp,
        timestamp_type,
        key: message.key(),
        value: message.payload(),
        headers: headers.unwrap_or_default(),
    }
}

/// Kafka's own codes keep their names; librdkafka's become text.
fn client_error(error: &ClientError) -> KafkaError {
    let code = error
        .rdkafka_error_code()
        .map(|code| match code {
            // the policy for this case is to say so
            RDKafkaErrorCode::AutoOffsetReset => RDKafkaErrorCode::OffsetOutOfRange,
            other => other,
        })
        .and_then(|code| i16::try_from(code as i32).ok())
        .filter(|&code| code > 0)
        .and_then(ErrorCode::from_wire);
    match code {
        Some(code) => KafkaError::broker(OPERATION, "records", code),
        None => KafkaError::Consumer {
            problem: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: ReadOptions) -> Result<u64, KafkaError> {
        let nowhere = KafkaProperties::from_bootstrap_servers("127.0.0.1:1").unwrap();
        let range = (TopicPartition::new("orders", 0), OffsetRange::new(7, 9));
        read_records(&nowhere, &[range], options, |_, _| {})
    }

    #[test]
    fn a_cluster_that_is_gone_is_an_error_although_its_errors_keep_coming() {
        let begin = Instant::now();
        let mut options = ReadOptions::from(Isolation::ReadUncommitted);
        options.stall_limit = Duration::from_secs(1);
        let error = read(options).unwrap_err().to_string();
        assert!(
            error.contains("nothing came for 1s at orders-0 offset 7"),
            "{error}"
        );
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_reading_ends_when_it_is_told_to() {
        let options = ReadOptions::from(Isolation::ReadCommitted);
        options.stop.cancel();
        assert!(matches!(read(options), Err(KafkaError::Interrupted)));
    }

    #[test]
    fn nothing_to_read_needs_no_cluster() {
        let nowhere = KafkaProperties::default();
        let empty = (TopicPartition::new("orders", 0), OffsetRange::new(9, 9));
        let read = read_records(&nowhere, &[empty], Isolation::ReadCommitted, |_, _| {});
        assert_eq!(read.unwrap(), 0);
    }
}
