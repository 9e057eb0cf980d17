use super::*;
use crate::repartition::partition_for;

/// What each of the partitions gets, and what it came to.
fn spread(
    partitions: usize,
    limits: BatchLimits,
    sources: &[(ManifestPartition, Vec<Stored>)],
) -> (Vec<Vec<OutputBatch>>, Vec<Rewritten>) {
    let mut rewriter = Rewriter::spreading(partitions, PRODUCER, limits, Depth::Records);
    let mut out = Vec::new();
    for (partition, stored) in sources {
        let table = TransactionTable::default();
        rewriter.turn_to(partition, &table, RecordSelection::default());
        for stored in stored {
            let bytes = stored.bytes();
            let batch = Batch::parse(&bytes).unwrap().unwrap();
            rewriter.push(&batch, &mut out).unwrap();
        }
    }
    let rewritten = rewriter.finish(&mut out).unwrap();
    let mut by_partition = vec![Vec::new(); partitions];
    for batch in out {
        by_partition[batch.output].push(batch);
    }
    (by_partition, rewritten)
}

fn source(number: i32, stored: Vec<Stored>) -> (ManifestPartition, Vec<Stored>) {
    let end = stored.last().map_or(0, |last| last.base_offset + 1_000);
    let partition = ManifestPartition {
        partition: number,
        ..partition(0, end)
    };
    (partition, stored)
}

/// A record apart from where it stands.
fn content(record: &Plain) -> (i64, Option<&[u8]>, Option<&[u8]>) {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    (record.timestamp, key, value)
}

#[test]
fn every_record_goes_where_its_key_says_in_the_order_of_the_source_and_none_is_lost() {
    let gzip = Stored {
        codec: Codec::Gzip,
        ..Stored::run(40, 30, 10)
    };
    let large = Stored::run(100, 100, 2_000);
    let sources = [
        source(0, vec![Stored::run(0, 40, 10), gzip, large]),
        source(1, vec![Stored::run(3, 500, 50)]),
        source(2, Vec::new()),
    ];
    for partitions in [1, 2, 7, 64] {
        let (out, rewritten) = spread(partitions, LIMITS, &sources);
        let mut expected = vec![Vec::new(); partitions];
        for (from, stored) in &sources {
            for record in stored.iter().flat_map(|stored| &stored.records) {
                let place = (from.partition, record.offset);
                let to = partition_for(record.key.as_deref(), place, partitions);
                expected[to].push(content(record));
            }
        }
        let mut all = 0;
        for ((out, rewritten), expected) in out.iter().zip(&rewritten).zip(&expected) {
            let seen = consumed(out);
            assert_eq!(&seen.iter().map(content).collect::<Vec<_>>(), expected);
            assert_eq!(rewritten.counts.records, expected.len() as u64);
            assert_eq!(rewritten.content.record_count(), expected.len() as u64);
            all += rewritten.counts.records;
        }
        assert_eq!(all, 40 + 30 + 100 + 500);
        let read: u64 = rewritten.iter().map(|it| it.counts.batches_read).sum();
        assert_eq!(read, 4, "each is counted once");
    }
}

/// Who goes on with an interrupted restore makes all batches anew, and finds its place in each partition by their ends.
#[test]
fn rule_5_the_same_records_are_spread_into_the_same_batches_each_time() {
    let sources = [
        source(0, vec![Stored::run(0, 400, 30)]),
        source(1, vec![Stored::run(0, 300, 30)]),
    ];
    let limits = BatchLimits {
        encoded_bytes: 1_000,
    };
    let (one, _) = spread(5, limits, &sources);
    let (other, _) = spread(5, limits, &sources);
    assert_eq!(one, other);
    let ends = one.iter().map(Vec::len);
    assert!(ends.min() > Some(1), "several batches each");
}

#[test]
fn a_large_record_does_not_wait_for_others_once_for_each_partition() {
    let limits = BatchLimits {
        encoded_bytes: 1_000,
    };
    let mut rewriter = Rewriter::spreading(50, PRODUCER, limits, Depth::Batches);
    let (partition, _) = source(0, vec![Stored::run(0, 1, 1)]);
    let table = TransactionTable::default();
    rewriter.turn_to(&partition, &table, RecordSelection::default());
    for offset in (1..1_000).filter(|offset| offset % 5 != 0) {
        let mut out = Vec::new();
        let bytes = Stored::run(offset, 1, 5_000).bytes();
        let batch = Batch::parse(&bytes).unwrap().unwrap();
        rewriter.push(&batch, &mut out).unwrap();
        assert_eq!(out.last().map(|batch| batch.records), Some(1), "{offset}");
    }
}
