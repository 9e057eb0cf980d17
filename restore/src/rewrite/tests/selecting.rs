//! What a selection leaves of the batches.

use std::collections::BTreeMap;

use lifeboat_archive::words::Timestamp;

use super::*;
use crate::{
    offsets::Translation,
    selection::{Filters, RecordSelection, Wanted},
};

/// From, until, and the first offset that is left out.
fn selection(from: Option<i64>, until: Option<i64>, end: Option<i64>) -> RecordSelection {
    let chosen = BTreeMap::from([("orders", 1)]);
    let wanted = Wanted {
        until_offsets: end
            .map(|end| format!("orders-0={end}").parse().unwrap())
            .into_iter()
            .collect(),
        ..Wanted::default()
    };
    let mut selection = wanted.resolve(Timestamp::default(), &chosen).unwrap();
    selection.from = from.map(Timestamp::from_millis);
    selection.until = until.map(Timestamp::from_millis);
    selection.of("orders", 0).unwrap()
}

fn timed(base_offset: i64, times: &[i64], size: usize) -> Stored {
    let records = times.iter().zip(base_offset..);
    Stored::of(
        records
            .map(|(time, offset)| record(offset, *time, size))
            .collect(),
    )
}

fn taken(selection: RecordSelection, stored: &[Stored]) -> (Vec<Plain>, u64, Vec<OutputBatch>) {
    let end = stored.last().map_or(0, |batch| {
        batch.base_offset + i64::from(batch.last_offset_delta) + 1
    });
    let table = TransactionTable::default();
    let (out, rewritten) = rewrite_selecting(selection, &partition(0, end), &table, stored);
    let left_out = rewritten.counts.not_selected_records;
    let all: usize = stored.iter().map(|batch| batch.records.len()).sum();
    assert_eq!(rewritten.counts.records + left_out, all as u64);
    (consumed(&out), left_out, out)
}

fn times(records: &[Plain]) -> Vec<i64> {
    records.iter().map(|record| record.timestamp).collect()
}

#[test]
fn a_record_is_taken_by_its_own_time_wherever_it_stands_in_its_batch() {
    for size in [10, 70_000] {
        for codec in [Codec::None, Codec::Gzip] {
            let mut stored = timed(0, &[50, 10, 99, 20, 100, 5], size);
            stored.codec = codec;
            let stored = std::slice::from_ref(&stored);
            let until = taken(selection(None, Some(50), None), stored);
            assert_eq!((times(&until.0), until.1), (vec![10, 20, 5], 3));
            let from = taken(selection(Some(50), None, None), stored);
            assert_eq!((times(&from.0), from.1), (vec![50, 99, 100], 3));
            let both = taken(selection(Some(10), Some(99), None), stored);
            assert_eq!((times(&both.0), both.1), (vec![50, 10, 20], 3));
            let below = taken(selection(None, Some(99), Some(4)), stored);
            assert_eq!((times(&below.0), below.1), (vec![50, 10, 20], 3));
        }
    }
}

#[test]
fn r20_in_a_batch_with_append_time_every_record_has_the_batchs_time() {
    let stored = Stored {
        flags: LOG_APPEND_TIME,
        max_timestamp: 5_000,
        ..timed(0, &[1, 9_000, 3], 10)
    };
    let stored = [stored];
    for (from, until, expected) in [
        (Some(5_000), None, 3),
        (Some(5_001), None, 0),
        (None, Some(5_000), 0),
        (None, Some(5_001), 3),
    ] {
        let (records, ..) = taken(selection(from, until, None), &stored);
        assert_eq!(times(&records), vec![5_000; expected], "{from:?} {until:?}");
    }
}

#[test]
fn a_record_without_a_time_counts_as_older_than_all_others() {
    let stored = [timed(0, &[-1, 10, -1], 10)];
    let (until, ..) = taken(selection(None, Some(10), None), &stored);
    assert_eq!(times(&until), [-1, -1]);
    let (from, ..) = taken(selection(Some(0), None, None), &stored);
    assert_eq!(times(&from), [10]);
}

#[test]
fn r21_a_large_batch_that_is_inside_as_a_whole_keeps_its_records_section() {
    let stored = timed(0, &[50, 10, 99], 70_000);
    let bytes = stored.bytes();
    for selection in [
        selection(None, Some(100), None),
        selection(Some(10), None, None),
        selection(Some(10), Some(100), Some(3)),
    ] {
        let (_, left_out, out) = taken(selection, std::slice::from_ref(&stored));
        assert_eq!((left_out, out.len()), (0, 1));
        assert_eq!(out[0].bytes[61..], bytes[61..]);
    }
}

#[test]
fn nothing_may_be_left() {
    let stored = [timed(0, &[1, 2], 10), timed(2, &[3], 70_000)];
    for selection in [
        selection(Some(4), None, None),
        selection(None, Some(1), None),
        selection(None, None, Some(0)),
    ] {
        let (records, left_out, out) = taken(selection, &stored);
        assert_eq!((records.len(), left_out, out.len()), (0, 3, 0));
    }
}

#[test]
fn r14_a_selection_takes_only_what_is_kept_anyhow() {
    let aborted = Stored {
        flags: TRANSACTIONAL,
        producer_id: 2,
        ..timed(0, &[10, 20], 10)
    };
    let table = TransactionTable {
        aborted: vec![AbortedSpan {
            producer_id: 2,
            first_offset: 0,
            marker_offset: 2,
        }],
        open: Vec::new(),
    };
    let stored = [aborted, timed(3, &[10, 20], 10)];
    let selection = selection(None, Some(20), None);
    let (out, rewritten) = rewrite_selecting(selection, &partition(0, 5), &table, &stored);
    assert_eq!(times(&consumed(&out)), [10]);
    assert_eq!(rewritten.counts.uncommitted_records, 2);
    assert_eq!(rewritten.counts.not_selected_records, 1);
}

#[test]
fn r17_an_offset_whose_record_is_left_out_goes_to_the_next_one_that_is_not() {
    use crate::offsets::Skipped::NotSelected;
    let stored = [timed(0, &[10, 50, 10, 50], 10), timed(4, &[50, 50], 70_000)];
    let selection = selection(None, Some(50), None);
    let none = TransactionTable::default();
    let (_, rewritten) = rewrite_selecting(selection, &partition(0, 6), &none, &stored);
    let left_out = Translation::NextRecord(NotSelected);
    for (source, target, translation) in [
        (0, 0, Translation::SameRecord),
        (1, 1, left_out),
        (2, 1, Translation::SameRecord),
        (3, 2, left_out),
        (4, 2, left_out),
        (5, 2, left_out),
        (6, 2, Translation::End),
    ] {
        let translated = rewritten.offsets.translate(source, 0);
        assert_eq!(translated, Some((target, translation)), "{source}");
        assert!(translation != left_out || translation.is_notable());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_selected_is_what_a_filter_of_the_records_takes(
        stored in batches(),
        jitter in proptest::collection::vec(0_i64..40, 1..50),
        log_start in 0_i64..10,
        from in proptest::option::of(0_i64..30),
        length in proptest::option::of(1_i64..30),
        end in proptest::option::of(0_i64..60),
    ) {
        let mut jitter = jitter.into_iter().cycle();
        let mut stored = stored;
        for batch in &mut stored {
            for record in &mut batch.records {
                record.timestamp = jitter.next().unwrap();
            }
            let times = batch.records.iter().map(|record| record.timestamp);
            batch.max_timestamp = times.max().unwrap_or(-1);
            batch.base_timestamp = batch.records.first().map_or(-1, |record| record.timestamp);
        }
        let until = length.map(|length| from.unwrap_or(0) + length);
        let high_watermark = stored.last().map_or(0, |batch| batch.base_offset + i64::from(batch.last_offset_delta) + 1);
        let source = partition(log_start.min(high_watermark), high_watermark);
        let none = TransactionTable::default();
        let selection = selection(from, until, end);
        let (out, rewritten) = rewrite_selecting(selection, &source, &none, &stored);

        let visible: Vec<Plain> = stored
            .iter()
            .flat_map(|batch| batch.records.iter().map(|record| Plain {
                timestamp: if batch.flags == LOG_APPEND_TIME { batch.max_timestamp } else { record.timestamp },
                ..record.clone()
            }))
            .filter(|record| record.offset >= log_start)
            .collect();
        let expected: Vec<Plain> = visible
            .iter()
            .filter(|record| from.is_none_or(|from| record.timestamp >= from))
            .filter(|record| until.is_none_or(|until| record.timestamp < until))
            .filter(|record| end.is_none_or(|end| record.offset < end))
            .cloned()
            .collect();
        let contents = |records: &[Plain]| -> Vec<Plain> {
            let records = records.iter().cloned();
            records.map(|record| Plain { offset: 0, ..record }).collect()
        };
        prop_assert_eq!(contents(&consumed(&out)), contents(&expected));
        let left_out = (visible.len() - expected.len()) as u64;
        prop_assert_eq!(rewritten.counts.not_selected_records, left_out);
        for source in 0..=high_watermark {
            let before = expected.iter().filter(|record| record.offset < source).count() as i64;
            let (target, translation) = rewritten.offsets.translate(source, 1_000).unwrap();
            prop_assert_eq!(target, 1_000 + before);
            let is_there = expected.iter().any(|record| record.offset == source);
            prop_assert_eq!(translation == Translation::SameRecord, is_there);
        }
    }
}

type Takes = fn(&Plain) -> bool;

/// The records that a filter takes, of the batches whatever their size and codec.
#[test]
fn what_is_filtered_is_what_a_look_at_each_record_takes() {
    let chosen = BTreeMap::from([("orders", 1)]);
    let filters = |all: &[&str], drop_tombstones| Filters {
        all: all.iter().map(|it| it.parse().unwrap()).collect(),
        drop_tombstones,
    };
    let cases: [(Filters, Takes); 4] = [
        (filters(&["key=*\u{1}"], false), |it| it.offset == 1),
        (filters(&["key!=*"], false), |it| it.key.is_none()),
        (filters(&["header:name"], true), |it| {
            !it.headers.is_empty() && it.value.is_some()
        }),
        (filters(&["key=*"], false), |it| it.key.is_some()),
    ];
    for (filters, takes) in cases {
        let wanted = Wanted {
            filters,
            ..Wanted::default()
        };
        let selection = wanted.resolve(Timestamp::default(), &chosen).unwrap();
        assert!(selection.restricts("orders") && !selection.is_everything());
        let selection = selection.of("orders", 0).unwrap();
        for size in [10, 70_000] {
            for codec in [Codec::None, Codec::Gzip] {
                let mut stored = [Stored::run(0, 12, size), Stored::run(12, 9, size)];
                stored[0].codec = codec;
                let (records, _, _) = taken(selection.clone(), &stored);
                let all = stored.iter().flat_map(|batch| &batch.records);
                let expected: Vec<_> = all
                    .filter(|it| takes(it))
                    .map(|it| it.key.clone())
                    .collect();
                let keys: Vec<_> = records.iter().map(|it| it.key.clone()).collect();
                assert_eq!(keys, expected, "{selection:?}");
            }
        }
    }
}

/// A batch of which all is taken is not taken apart for that.
#[test]
fn a_large_batch_of_which_a_filter_takes_everything_passes_as_it_is() {
    let wanted = Wanted {
        filters: Filters {
            all: vec!["!header:nobody".parse().unwrap()],
            drop_tombstones: false,
        },
        ..Wanted::default()
    };
    let chosen = BTreeMap::from([("orders", 1)]);
    let selection = wanted.resolve(Timestamp::default(), &chosen).unwrap();
    let mut stored = Stored::run(0, 8, 70_000);
    stored.codec = Codec::Gzip;
    let (records, left_out, out) = taken(selection.of("orders", 0).unwrap(), &[stored]);
    assert_eq!((records.len(), left_out, out.len()), (8, 0, 1));
    assert_eq!(
        Batch::parse(&out[0].bytes)
            .unwrap()
            .unwrap()
            .header
            .codec()
            .unwrap(),
        Codec::Gzip
    );
}
