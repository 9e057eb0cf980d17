#![expect(clippy::cast_possible_wrap, reason = "small numbers of tests")]

use lifeboat_archive::manifest::{Gap, GapReason};
use proptest::prelude::*;

use super::*;

fn partition(log_start_offset: i64, high_watermark: i64, gaps: &[(i64, i64)]) -> ManifestPartition {
    ManifestPartition {
        partition: 0,
        log_start_offset,
        high_watermark,
        last_stable_offset: high_watermark,
        leader_epoch: 0,
        record_count: None,
        batch_count: 0,
        repacked_bytes: 0,
        raw_bytes: 0,
        largest_batch_bytes: 0,
        max_timestamp_ms: None,
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: gaps
            .iter()
            .map(|&(start, end)| Gap {
                range: OffsetRange::new(start, end),
                reason: GapReason::DeletedBeforeRead,
            })
            .collect(),
    }
}

/// Kept records at 10..15, a left out transaction at 15..17, its marker at 17, a hole at 18..20, a record at 20,
/// a gap at 21..25, a record at 25, a marker at 26; the snapshot is [10, 27).
fn streamed(committed: &[i64]) -> OffsetMap {
    let source = partition(10, 27, &[(21, 25)]);
    let mut translator = OffsetTranslator::new(&source, committed.iter().copied());
    translator.keep_run(OffsetRange::new(10, 15), 0);
    translator.skip(OffsetRange::new(15, 17), Skipped::Transaction);
    translator.skip(OffsetRange::new(17, 18), Skipped::Marker);
    translator.keep(20, 5);
    translator.keep(25, 6);
    translator.skip(OffsetRange::new(26, 27), Skipped::Marker);
    translator.finish(7)
}

#[test]
fn r17_each_offset_goes_to_the_first_kept_record_at_or_behind_it() {
    use Skipped::{Gap, Hole, Marker, Transaction};
    use Translation::{BehindLogStart, BeyondEnd, End, Negative, NextRecord, SameRecord};
    let expected = [
        (-1, 107, Negative),
        (0, 100, BehindLogStart),
        (9, 100, BehindLogStart),
        (10, 100, SameRecord),
        (14, 104, SameRecord),
        (15, 105, NextRecord(Transaction)),
        (17, 105, NextRecord(Marker)),
        (18, 105, NextRecord(Hole)),
        (20, 105, SameRecord),
        (22, 106, NextRecord(Gap)),
        (25, 106, SameRecord),
        (26, 107, NextRecord(Marker)),
        (27, 107, End),
        (28, 107, BeyondEnd),
        (i64::MAX, 107, BeyondEnd),
    ];
    let mut committed: Vec<i64> = expected.iter().map(|(source, ..)| *source).collect();
    committed.reverse();
    committed.push(14);
    let map = streamed(&committed);
    for (source, target, translation) in expected {
        assert_eq!(
            map.translate(source, 100),
            Some((target, translation)),
            "{source}"
        );
    }
    assert_eq!(map.translate(12, 100), None);
}

#[test]
fn r17_an_empty_partition_sends_every_group_to_its_start() {
    let map = OffsetTranslator::new(&partition(5, 5, &[]), [0, 5, 9]).finish(0);
    assert_eq!(map.translate(0, 3), Some((3, Translation::BehindLogStart)));
    assert_eq!(map.translate(5, 3), Some((3, Translation::End)));
    assert_eq!(map.translate(9, 3), Some((3, Translation::BeyondEnd)));
}

#[test]
fn r17_what_moves_a_group_is_notable_and_what_does_not_is_not() {
    assert!(Translation::BehindLogStart.is_notable());
    assert!(Translation::BeyondEnd.is_notable());
    assert!(Translation::NextRecord(Skipped::Gap).is_notable());
    assert!(!Translation::NextRecord(Skipped::Marker).is_notable());
    assert!(!Translation::End.is_notable());
}

proptest! {
    #[test]
    fn r17_translation_equals_counting_the_kept_records_before(
        kept in proptest::collection::btree_set(5_i64..200, 0..60),
        committed in proptest::collection::vec(-3_i64..210, 0..20),
        as_runs: bool,
    ) {
        let source = partition(5, 200, &[]);
        let mut translator = OffsetTranslator::new(&source, committed.iter().copied());
        let kept: Vec<i64> = kept.into_iter().collect();
        if as_runs {
            let mut before = 0;
            for run in kept.chunk_by(|a, b| a + 1 == *b) {
                translator.keep_run(OffsetRange::new(run[0], run[0] + run.len() as i64), before);
                before += run.len() as u64;
            }
        } else {
            for (before, source) in kept.iter().enumerate() {
                translator.keep(*source, before as u64);
            }
        }
        let map = translator.finish(kept.len() as u64);
        for source in committed {
            let before = kept.iter().filter(|k| **k < source).count() as i64;
            let expected = if source < 0 { kept.len() as i64 } else { before };
            prop_assert_eq!(map.translate(source, 1_000).unwrap().0, 1_000 + expected);
        }
    }
}
