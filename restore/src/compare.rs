//! Reads back what was written, with a client that shares no code with the writer, and compares it with the snapshot.

use std::collections::HashMap;

use lifeboat_archive::{
    digest::RecordDigest,
    words::{OffsetRange, Progress, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    KafkaError,
    records::{Isolation, ReadOptions, RecordParts, read_records},
};
use tokio_util::sync::CancellationToken;

use crate::error::RestoreError;

/// What a partition has to hold.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) start_offset: i64,
    pub(crate) digest: RecordDigest,
}

/// What was read back of a partition.
#[derive(Debug, Default)]
struct Found {
    next_offset: i64,
    digest: RecordDigest,
    /// The first offset that is not where it should be.
    jump: Option<(i64, i64)>,
}

impl Found {
    fn see(&mut self, record: &RecordParts<'_>) {
        if record.offset != self.next_offset && self.jump.is_none() {
            self.jump = Some((self.next_offset, record.offset));
        }
        self.next_offset = record.offset + 1;
        let headers = record.headers.iter().copied();
        self.digest
            .update_parts(record.timestamp, record.key, record.value, headers);
    }
}

/// Reads everything back; blocking. An error names the first partition that differs.
pub(crate) fn compare(
    properties: &KafkaProperties,
    expected: &[Expected],
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<(), RestoreError> {
    let ranges: Vec<(TopicPartition, OffsetRange)> = expected
        .iter()
        .map(|expected| {
            let start = expected.start_offset;
            let end = start.saturating_add_unsigned(expected.digest.records());
            (
                expected.topic_partition.clone(),
                OffsetRange::new(start, end),
            )
        })
        .collect();
    let mut found: HashMap<TopicPartition, Found> = ranges
        .iter()
        .map(|(topic_partition, range)| {
            let found = Found {
                next_offset: range.start,
                ..Found::default()
            };
            (topic_partition.clone(), found)
        })
        .collect();
    let mut options = ReadOptions::from(Isolation::ReadUncommitted);
    options.stop = cancel.clone();
    let read = read_records(properties, &ranges, options, |topic_partition, record| {
        if let Some(found) = found.get_mut(topic_partition) {
            found.see(&record);
        }
        progress.advance(1);
        let value = record.value.map_or(0, <[u8]>::len);
        progress.add_bytes((record.key.map_or(0, <[u8]>::len) + value) as u64);
    });
    match read {
        Ok(_) => verdict(expected, &found),
        Err(KafkaError::Interrupted) => Err(RestoreError::Cancelled),
        Err(error) => Err(error.into()),
    }
}

fn verdict(
    expected: &[Expected],
    found: &HashMap<TopicPartition, Found>,
) -> Result<(), RestoreError> {
    let differing: Vec<(&TopicPartition, String)> = expected
        .iter()
        .filter_map(|expected| {
            let partition = &expected.topic_partition;
            Some((partition, difference(expected, found.get(partition)?)?))
        })
        .collect();
    match differing.first() {
        None => Ok(()),
        Some((first, problem)) => Err(RestoreError::Differs {
            first: (*first).clone(),
            problem: problem.clone(),
            differing: differing.len(),
            compared: expected.len(),
        }),
    }
}

fn difference(expected: &Expected, found: &Found) -> Option<String> {
    let (wanted, there) = (expected.digest.records(), found.digest.records());
    if let Some((at, jumped)) = found.jump {
        return Some(format!("offset {jumped} follows where {at} was expected"));
    }
    if wanted != there {
        return Some(format!("it holds {there} records, {wanted} were restored"));
    }
    if expected.digest != found.digest {
        let (wanted, there) = (expected.digest.hex(), found.digest.hex());
        return Some(format!(
            "the digest of its {wanted_records} records is {there}, not {wanted}",
            wanted_records = expected.digest.records()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::batch::TimestampType;

    use super::*;

    fn record(offset: i64, value: &[u8]) -> RecordParts<'_> {
        RecordParts {
            offset,
            timestamp: 5,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(value),
            headers: vec![(b"h", None)],
        }
    }

    fn expected(values: &[&[u8]]) -> Expected {
        let mut digest = RecordDigest::new();
        for value in values {
            digest.update_parts(5, None, Some(value), [(&b"h"[..], None)]);
        }
        Expected {
            topic_partition: TopicPartition::new("orders", 0),
            start_offset: 10,
            digest,
        }
    }

    fn found(records: &[RecordParts<'_>]) -> Found {
        let mut found = Found {
            next_offset: 10,
            ..Found::default()
        };
        for record in records {
            found.see(record);
        }
        found
    }

    #[test]
    fn the_same_records_at_the_expected_offsets_do_not_differ() {
        let found = found(&[record(10, b"a"), record(11, b"b")]);
        assert_eq!(difference(&expected(&[b"a", b"b"]), &found), None);
    }

    #[test]
    fn another_value_another_count_and_a_jump_are_told_apart() {
        let expected = expected(&[b"a", b"b"]);
        let other = difference(&expected, &found(&[record(10, b"a"), record(11, b"c")]));
        assert!(other.unwrap().contains("digest"));
        let fewer = difference(&expected, &found(&[record(10, b"a")]));
        assert!(fewer.unwrap().contains("1 records, 2 were restored"));
        let jump = difference(&expected, &found(&[record(10, b"a"), record(12, b"b")]));
        assert!(jump.unwrap().contains("offset 12 follows where 11"));
    }

    #[test]
    fn the_first_differing_partition_is_named_and_all_are_counted() {
        let partitions = [0, 1, 2].map(|number| Expected {
            topic_partition: TopicPartition::new("orders", number),
            ..expected(&[b"a"])
        });
        let found = partitions
            .iter()
            .zip([b"a", b"x", b"y"])
            .map(|(expected, value)| {
                (
                    expected.topic_partition.clone(),
                    found(&[record(10, value)]),
                )
            })
            .collect();
        let Err(RestoreError::Differs {
            first,
            differing,
            compared,
            ..
        }) = verdict(&partitions, &found)
        else {
            panic!("they differ");
        };
        assert_eq!(first, TopicPartition::new("orders", 1));
        assert_eq!((differing, compared), (2, 3));
    }
}
