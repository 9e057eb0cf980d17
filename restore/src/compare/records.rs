//! Record by record, read with a client that shares no code with the writer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{self, Receiver, Sender},
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
use tokio_util::sync::DropGuard;

use super::{ReadBack, counter, shown, verdict};
use crate::{error::RestoreError, replay::WrittenPartition};

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
pub(crate) struct RecordComparison {
    orders: Sender<Order>,
    reader: JoinHandle<Result<Vec<Found>, KafkaError>>,
    records: Arc<AtomicU64>,
    /// Ends the reading of a restore that was given up.
    _stop: DropGuard,
}

impl RecordComparison {
    pub(super) fn begin(from: ReadBack<'_>) -> Self {
        let (orders, taken) = mpsc::channel();
        let records = counter();
        let mut options = ReadOptions::from(Isolation::ReadUncommitted);
        options.stop = from.cancel.child_token();
        options.stall_limit = from.patience();
        let stop = options.stop.clone().drop_guard();
        let (properties, seen) = (from.properties.clone(), Arc::clone(&records));
        let reader = spawn_blocking(move || read_back(&properties, &taken, options, &seen));
        Self {
            orders,
            reader,
            records,
            _stop: stop,
        }
    }

    pub(super) fn follow(&self, topic_partition: TopicPartition, start: i64) {
        self.order(Order::Follow {
            topic_partition,
            start,
        });
    }

    pub(super) fn end(&self, slot: usize, end: i64) {
        self.order(Order::End { slot, end });
    }

    pub(super) fn leave(&self, slot: usize) {
        self.order(Order::Leave { slot });
    }

    fn order(&self, order: Order) {
        // a reader that has failed says why at the end
        drop(self.orders.send(order));
    }

    pub(super) async fn finish(
        self,
        written: impl Iterator<Item = &WrittenPartition>,
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        drop(self.orders);
        let found = match shown(&self.records, progress, self.reader).await? {
            Ok(found) => found,
            Err(KafkaError::Interrupted) => return Err(RestoreError::Cancelled),
            Err(error) => return Err(error.into()),
        };
        let (nothing, mut differing, mut compared) = (Found::default(), Vec::new(), 0);
        for partition in written {
            compared += 1;
            let digest = partition.outcome.as_ref().ok();
            let digest = digest.and_then(|rewritten| rewritten.content.record_digest());
            let found = found.get(partition.slot).unwrap_or(&nothing);
            let problem = digest.map_or_else(
                || Some("its records were not counted".to_owned()),
                |digest| difference(partition.start_offset, digest, found),
            );
            differing.extend(problem.map(|problem| (&partition.topic_partition, problem)));
        }
        verdict(&differing, compared)
    }
}

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

fn difference(start_offset: i64, expected: &RecordDigest, found: &Found) -> Option<String> {
    let (wanted, there) = (expected.records(), found.digest.records());
    let first = found.first_offset.filter(|first| *first != start_offset);
    let start = first.map(|first| (start_offset, first));
    if let Some((at, jumped)) = start.or(found.jump) {
        return Some(format!("offset {jumped} follows where {at} was expected"));
    }
    if wanted != there {
        return Some(format!("it holds {there} records, {wanted} were restored"));
    }
    if *expected != found.digest {
        let (digest, other) = (expected.hex(), found.digest.hex());
        return Some(format!(
            "the digest of its {wanted} records is {other}, not {digest}"
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

    fn expected(values: &[&[u8]]) -> RecordDigest {
        let mut digest = RecordDigest::new();
        for value in values {
            digest.update_parts(5, None, Some(value), [(&b"h"[..], None)]);
        }
        digest
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
        assert_eq!(difference(10, &expected(&[b"a", b"b"]), &found), None);
    }

    #[test]
    fn another_value_another_count_and_a_jump_are_told_apart() {
        let expected = expected(&[b"a", b"b"]);
        let other = difference(10, &expected, &found(&[record(10, b"a"), record(11, b"c")]));
        assert!(other.unwrap().contains("digest"));
        let fewer = difference(10, &expected, &found(&[record(10, b"a")]));
        assert!(fewer.unwrap().contains("1 records, 2 were restored"));
        for offsets in [[10, 12], [11, 12]] {
            let [first, second] = offsets;
            let found = found(&[record(first, b"a"), record(second, b"b")]);
            let jump = difference(10, &expected, &found).unwrap();
            assert!(jump.contains("follows where 1"), "{jump}");
        }
    }

    #[test]
    fn a_partition_of_which_nothing_was_read_back_differs_unless_it_is_empty() {
        let nothing = Found::default();
        assert!(difference(10, &expected(&[b"a"]), &nothing).is_some());
        assert_eq!(difference(10, &expected(&[]), &nothing), None);
    }
}
