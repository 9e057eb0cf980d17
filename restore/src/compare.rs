//! Reads back what is written, with a client that shares no code with the writer, and compares it with the snapshot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use lifeboat_archive::{
    digest::RecordDigest,
    words::{Progress, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    KafkaError,
    records::{Isolation, Order, ReadOptions, RecordParts, follow_records},
};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::RestoreError;

/// What a partition has to hold.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Which of the followed partitions.
    pub(crate) slot: usize,
    pub(crate) topic_partition: TopicPartition,
    pub(crate) start_offset: i64,
    pub(crate) digest: RecordDigest,
}

/// What was read back of a partition.
#[derive(Debug, Default)]
struct Found {
    first_offset: Option<i64>,
    next_offset: i64,
    digest: RecordDigest,
    /// The first offset that does not follow the one before, behind the one that would.
    jump: Option<(i64, i64)>,
}

impl Found {
    fn see(&mut self, record: &RecordParts<'_>) {
        if self.first_offset.is_none() {
            self.first_offset = Some(record.offset);
        } else if record.offset != self.next_offset && self.jump.is_none() {
            self.jump = Some((self.next_offset, record.offset));
        }
        self.next_offset = record.offset + 1;
        let headers = record.headers.iter().copied();
        self.digest
            .update_parts(record.timestamp, record.key, record.value, headers);
    }
}

/// Reads back beside the writing: each partition is followed from its first record to the end that it is found to have.
#[derive(Debug)]
pub(crate) struct Comparison {
    orders: Sender<Order>,
    reader: JoinHandle<Result<Vec<Found>, KafkaError>>,
    records: Arc<AtomicU64>,
    /// Ends the reading of a restore that was given up.
    _stop: DropGuard,
}

impl Comparison {
    /// Begins, with nothing to read yet.
    pub(crate) fn begin(properties: &KafkaProperties, cancel: &CancellationToken) -> Self {
        let (orders, taken) = mpsc::channel();
        let records = Arc::new(AtomicU64::new(0));
        let mut options = ReadOptions::from(Isolation::ReadUncommitted);
        options.stop = cancel.child_token();
        options.stall_limit = PATIENCE;
        let stop = options.stop.clone().drop_guard();
        let (properties, counter) = (properties.clone(), Arc::clone(&records));
        let reader = spawn_blocking(move || read_back(&properties, &taken, options, &counter));
        Self {
            orders,
            reader,
            records,
            _stop: stop,
        }
    }

    /// The partition is about to be written; its slot is how many were before it.
    pub(crate) fn follow(&self, topic_partition: TopicPartition, start: i64) {
        self.order(Order::Follow {
            topic_partition,
            start,
        });
    }

    /// The partition is written.
    pub(crate) fn end(&self, slot: usize, end: i64) {
        self.order(Order::End { slot, end });
    }

    /// The writing of the partition was stopped.
    pub(crate) fn leave(&self, slot: usize) {
        self.order(Order::Leave { slot });
    }

    fn order(&self, order: Order) {
        // a reader that has failed says why at the end
        drop(self.orders.send(order));
    }

    /// Waits until everything is read back. An error names the first partition that differs.
    pub(crate) async fn finish(
        self,
        expected: &[Expected],
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        drop(self.orders);
        let mut reader = self.reader;
        let mut shown = 0;
        let mut ticks = tokio::time::interval(SHOW_EVERY);
        let read = loop {
            tokio::select! {
                read = &mut reader => break read?,
                _ = ticks.tick() => {
                    let records = self.records.load(Ordering::Relaxed);
                    progress.advance(records - shown);
                    shown = records;
                }
            }
        };
        match read {
            Ok(found) => verdict(expected, &found),
            Err(KafkaError::Interrupted) => Err(RestoreError::Cancelled),
            Err(error) => Err(error.into()),
        }
    }
}

/// Longer than the writing waits for a leader: what that survives must not fail here.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often the progress is brought up to date.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// Blocking. Gives what was found, by slot.
fn read_back(
    properties: &KafkaProperties,
    orders: &Receiver<Order>,
    options: ReadOptions,
    records: &AtomicU64,
) -> Result<Vec<Found>, KafkaError> {
    let mut found: Vec<Found> = Vec::new();
    follow_records(properties, orders, options, |slot, record| {
        if found.len() <= slot {
            found.resize_with(slot + 1, Found::default);
        }
        found[slot].see(&record);
        records.fetch_add(1, Ordering::Relaxed);
    })?;
    Ok(found)
}

fn verdict(expected: &[Expected], found: &[Found]) -> Result<(), RestoreError> {
    let nothing = Found::default();
    let differing: Vec<(&TopicPartition, String)> = expected
        .iter()
        .filter_map(|expected| {
            let found = found.get(expected.slot).unwrap_or(&nothing);
            Some((&expected.topic_partition, difference(expected, found)?))
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
    let first = found
        .first_offset
        .filter(|first| *first != expected.start_offset);
    let start = first.map(|first| (expected.start_offset, first));
    if let Some((at, jumped)) = start.or(found.jump) {
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
            slot: 0,
            topic_partition: TopicPartition::new("orders", 0),
            start_offset: 10,
            digest,
        }
    }

    fn found(records: &[RecordParts<'_>]) -> Found {
        let mut found = Found::default();
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
        for offsets in [[10, 12], [11, 12]] {
            let [first, second] = offsets;
            let found = found(&[record(first, b"a"), record(second, b"b")]);
            let jump = difference(&expected, &found).unwrap();
            assert!(jump.contains("follows where 1"), "{jump}");
        }
    }

    #[test]
    fn the_first_differing_partition_is_named_and_all_are_counted() {
        let partitions = [0u8, 1, 2].map(|number| Expected {
            slot: usize::from(number),
            topic_partition: TopicPartition::new("orders", i32::from(number)),
            ..expected(&[b"a"])
        });
        let found = [b"a", b"x", b"y"].map(|value| found(&[record(10, value)]));
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

    #[test]
    fn a_partition_of_which_nothing_was_read_back_differs_unless_it_is_empty() {
        assert!(verdict(&[expected(&[b"a"])], &[]).is_err());
        verdict(&[expected(&[])], &[]).unwrap();
    }
}
