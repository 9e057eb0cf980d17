use super::*;
use crate::{
    batch::Codec,
    samples::{self, Change, control, transactional},
};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

fn table(log_start: i64, batches: &[Vec<u8>]) -> TransactionTable {
    let mut tracker = TransactionTracker::new(log_start);
    for batch in batches {
        tracker
            .observe(&Batch::parse(batch).unwrap().unwrap())
            .unwrap();
    }
    tracker.finish()
}

fn aborted(producer_id: i64, first_offset: i64, marker_offset: i64) -> AbortedSpan {
    AbortedSpan {
        producer_id,
        first_offset,
        marker_offset,
    }
}

/// Base offsets of the batches that a restore keeps.
fn kept(table: &TransactionTable, last_stable_offset: i64, batches: &[Vec<u8>]) -> Vec<i64> {
    let index = table.index();
    let headers = batches.iter().map(|batch| samples::header(batch));
    headers
        .filter(|header| {
            let keeps = table.keeps(header, last_stable_offset);
            assert_eq!(index.keeps(header, last_stable_offset), keeps, "{header:?}");
            keeps
        })
        .map(|header| header.base_offset)
        .collect()
}

#[test]
fn r14_an_aborted_span_is_dropped_and_what_lies_between_is_kept() {
    let log = [
        transactional(0, 2, 7),
        samples::batch(2, 1, Codec::None),
        transactional(3, 1, 8),
        transactional(4, 2, 7),
        control(6, 7, ABORT),
        transactional(7, 1, 7),
        control(8, 8, COMMIT),
        control(9, 7, COMMIT),
    ];
    let table = table(0, &log);
    assert_eq!(table.aborted, [aborted(7, 0, 6)]);
    assert_eq!(table.open, []);
    assert_eq!(kept(&table, 10, &log), [2, 3, 7]);
}

#[test]
fn r14_a_span_begins_at_the_first_batch_since_the_last_marker() {
    let log = [
        transactional(0, 1, 7),
        control(1, 7, COMMIT),
        transactional(2, 1, 7),
        transactional(3, 1, 7),
        control(4, 7, ABORT),
        transactional(5, 1, 7),
        control(6, 7, ABORT),
    ];
    let table = table(0, &log);
    assert_eq!(table.aborted, [aborted(7, 2, 4), aborted(7, 5, 6)]);
    assert_eq!(kept(&table, 7, &log), [0]);
}

#[test]
fn r14_the_epoch_of_a_marker_is_not_compared() {
    let marker = samples::changed(
        control(1, 7, ABORT),
        Change {
            producer_epoch: Some(9),
            ..Change::default()
        },
    );
    assert_eq!(
        table(0, &[transactional(0, 1, 7), marker]).aborted,
        [aborted(7, 0, 1)]
    );
}

#[test]
fn r14_a_span_whose_start_was_cut_off_begins_at_the_log_start() {
    let log = [
        samples::batch(50, 1, Codec::None),
        control(51, 7, ABORT),
        control(52, 8, COMMIT),
    ];
    let table = table(50, &log);
    assert_eq!(table.aborted, [aborted(7, 50, 51)]);
    assert_eq!(kept(&table, 53, &log), [50]);
}

#[test]
fn r14_a_marker_without_data_since_the_last_one_does_not_reach_back() {
    // the producer added the partition to a transaction, wrote nothing to it, and aborted
    let log = [
        transactional(10, 1, 7),
        control(11, 7, COMMIT),
        control(12, 7, ABORT),
        control(13, 9, COMMIT),
        control(14, 9, ABORT),
    ];
    let table = table(10, &log);
    assert_eq!(table.aborted, []);
    assert_eq!(kept(&table, 15, &log), [10]);
}

/// The log cut in two, the second part watched by a tracker that goes on where the first one ended.
fn resumed(log_start: i64, batches: &[Vec<u8>], cut: usize) -> TransactionTable {
    let (earlier, later) = batches.split_at(cut);
    let mut tracker = TransactionTracker::resume(&table(log_start, earlier), log_start);
    for batch in later {
        tracker
            .observe(&Batch::parse(batch).unwrap().unwrap())
            .unwrap();
    }
    tracker.finish()
}

#[test]
fn r15_what_is_watched_in_two_parts_comes_to_the_same_as_in_one_wherever_it_is_cut() {
    let log = [
        transactional(10, 2, 7),
        samples::batch(12, 1, Codec::None),
        transactional(13, 1, 8),
        transactional(14, 2, 7),
        control(16, 7, ABORT),
        transactional(17, 1, 7),
        control(18, 8, COMMIT),
        // without data since the last one, and of somebody who never wrote any
        control(19, 8, ABORT),
        control(20, 7, ABORT),
        control(21, 5, ABORT),
        transactional(22, 1, 8),
        control(23, 8, ABORT),
        transactional(24, 1, 9),
    ];
    let whole = table(10, &log);
    for cut in 0..=log.len() {
        let parts = resumed(10, &log, cut);
        for last_stable_offset in [10, 17, 24, 25] {
            assert_eq!(
                kept(&parts, last_stable_offset, &log),
                kept(&whole, last_stable_offset, &log),
                "{cut}"
            );
        }
        assert_eq!(parts.open, whole.open, "{cut}");
    }
}

#[test]
fn r6_spans_below_a_log_start_that_has_moved_are_left_behind() {
    let log = [
        transactional(0, 1, 7),
        control(1, 7, ABORT),
        transactional(2, 2, 7),
        control(4, 7, ABORT),
        transactional(5, 1, 8),
    ];
    let earlier = table(0, &log);
    let mut tracker = TransactionTracker::resume(&earlier, 3);
    let marker = control(6, 8, ABORT);
    tracker
        .observe(&Batch::parse(&marker).unwrap().unwrap())
        .unwrap();
    let table = tracker.finish();
    assert_eq!(table.aborted, [aborted(7, 3, 4), aborted(8, 5, 6)]);
    assert_eq!(table.open, []);
}

#[test]
fn r14_open_spans_are_kept_below_the_last_stable_offset_only() {
    let log = [
        transactional(0, 1, 7),
        control(1, 7, COMMIT),
        transactional(2, 1, 8),
        transactional(3, 1, 7),
        transactional(4, 1, 9),
        control(5, 9, COMMIT),
        samples::batch(6, 1, Codec::None),
        transactional(7, 1, 8),
    ];
    let table = table(0, &log);
    let open = |producer_id, first_offset| OpenSpan {
        producer_id,
        first_offset,
    };
    assert_eq!(table.open, [open(8, 2), open(7, 3)]);
    // below the last stable offset everything is committed, marker seen or not
    assert_eq!(kept(&table, 8, &log), [0, 2, 3, 4, 6, 7]);
    assert_eq!(kept(&table, 3, &log), [0, 2, 4, 6]);
    assert_eq!(kept(&table, 2, &log), [0, 4, 6]);
}

#[test]
fn r14_a_leader_change_and_an_emptied_marker_settle_nothing() {
    let mut empty = control(2, 7, ABORT);
    empty.truncate(61);
    empty[8..12].copy_from_slice(&49u32.to_be_bytes());
    let empty = samples::changed(
        empty,
        Change {
            record_count: Some(0),
            ..Change::default()
        },
    );
    let log = [transactional(0, 1, 7), control(1, 7, 2), empty];
    let table = table(0, &log);
    assert_eq!(table.aborted, []);
    assert_eq!(table.open.len(), 1);
}

#[test]
fn r14_the_first_batch_may_begin_before_the_log_start() {
    let log = [transactional(3, 4, 7), control(7, 7, ABORT)];
    let table = table(5, &log);
    assert_eq!(kept(&table, 8, &log), [] as [i64; 0]);
}

#[test]
fn r14_an_unreadable_marker_is_an_error() {
    let mut marker = control(3, 7, ABORT);
    marker.truncate(63);
    marker[8..12].copy_from_slice(&51u32.to_be_bytes());
    let mut tracker = TransactionTracker::new(0);
    let error = tracker
        .observe(&Batch::parse(&marker).unwrap().unwrap())
        .unwrap_err();
    assert_eq!(error.base_offset, Some(3));
}
