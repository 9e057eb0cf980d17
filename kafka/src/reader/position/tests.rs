use lifeboat_archive::{
    batch::Codec,
    records::{BatchBuilder, Produced},
    words::{OffsetRange, TopicId, TopicPartition},
};

use super::*;

const ALONE: Circumstances = Circumstances {
    alone: true,
    throttled: false,
    had_room: true,
};
const IN_COMPANY: Circumstances = Circumstances {
    alone: false,
    ..ALONE
};

fn position(start: i64, end: i64) -> Position {
    let range = ReadRange {
        topic_partition: TopicPartition::new("orders", 0),
        topic_id: TopicId([7; 16]),
        range: OffsetRange::new(start, end),
        leader_epoch: 5,
        compacted: false,
    };
    Position::new(0, range)
}

/// A batch of `count` records from `base_offset` on.
fn batch(base_offset: i64, count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    for _ in 0..count {
        // null key, null value, no headers
        builder.push(1_000, &[1, 1, 0]);
    }
    let produced = Produced {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        base_offset,
    };
    builder.finish(produced).unwrap().to_vec()
}

fn answer(records: Vec<u8>, high_watermark: i64) -> FetchedPartition {
    FetchedPartition {
        topic_partition: TopicPartition::new("orders", 0),
        error: None,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        diverging_epoch: None,
        current_leader: None,
        snapshot: None,
        records: records.into(),
    }
}

fn refusal(code: ErrorCode) -> FetchedPartition {
    FetchedPartition {
        error: Some(code),
        ..answer(Vec::new(), -1)
    }
}

#[test]
fn r1_a_batch_that_fetch_cut_is_left_for_the_next_request() {
    let mut position = position(0, 10);
    let whole = batch(0, 5);
    let mut records = whole.clone();
    records.extend_from_slice(&batch(5, 5)[..40]);
    let verdict = position.judge(&answer(records, 10), IN_COMPANY);
    let batches = whole.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: false
        }
    );
    assert_eq!(position.offset, 5);
}

#[test]
fn r1_a_first_batch_that_never_comes_whole_is_a_gap() {
    let mut position = position(0, 10);
    let cut = answer(batch(0, 10)[..40].to_vec(), 10);
    assert_eq!(position.judge(&cut, ALONE), Verdict::Again);
    assert_eq!(position.judge(&cut, ALONE), Verdict::Again);
    assert_eq!(
        position.judge(&cut, ALONE),
        Verdict::Lost(GapReason::Corrupt)
    );
}

#[test]
fn r1_a_first_batch_may_begin_before_the_log_start() {
    let mut position = position(3, 10);
    let whole = batch(0, 10);
    let verdict = position.judge(&answer(whole.clone(), 10), IN_COMPANY);
    let batches = whole.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: true
        }
    );
}

#[test]
fn r2_the_range_ends_where_the_next_batch_lies_behind_it() {
    let mut position = position(0, 8);
    let wanted = batch(0, 5);
    let mut records = wanted.clone();
    records.extend(batch(8, 5));
    let verdict = position.judge(&answer(records, 13), IN_COMPANY);
    let batches = wanted.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: true
        }
    );
}

#[test]
fn r2_an_empty_answer_never_ends_a_partition_that_was_not_asked_alone() {
    let mut position = position(0, 10);
    for _ in 0..50 {
        assert_eq!(
            position.judge(&answer(Vec::new(), 10), IN_COMPANY),
            Verdict::First
        );
    }
    assert!(position.wants_solitude());
}

#[test]
fn r2_a_throttled_or_crowded_out_answer_says_nothing() {
    let mut position = position(0, 10);
    let throttled = Circumstances {
        throttled: true,
        ..ALONE
    };
    let crowded_out = Circumstances {
        had_room: false,
        ..IN_COMPANY
    };
    for around in [throttled, crowded_out].repeat(10) {
        assert_eq!(
            position.judge(&answer(Vec::new(), 10), around),
            Verdict::Again
        );
    }
    assert!(!position.wants_solitude());
}

#[test]
fn r2_a_tail_hole_ends_after_two_empty_answers_alone() {
    let mut position = position(0, 10);
    assert_eq!(
        position.judge(&answer(Vec::new(), 10), IN_COMPANY),
        Verdict::First
    );
    assert_eq!(
        position.judge(&answer(Vec::new(), 10), IN_COMPANY),
        Verdict::First
    );
    assert!(position.wants_solitude());
    assert_eq!(
        position.judge(&answer(Vec::new(), 10), ALONE),
        Verdict::First
    );
    assert_eq!(
        position.judge(&answer(Vec::new(), 10), ALONE),
        Verdict::TailHole
    );
}

#[test]
fn r2_batches_after_empty_answers_start_the_count_anew() {
    let mut position = position(0, 10);
    for _ in 0..3 {
        position.judge(&answer(Vec::new(), 10), ALONE);
    }
    position.judge(&answer(batch(0, 5), 10), ALONE);
    assert_eq!(
        position.judge(&answer(Vec::new(), 10), ALONE),
        Verdict::First
    );
}

#[test]
fn r2_a_high_watermark_below_the_captured_end_is_waited_for_and_then_a_truncation() {
    let mut position = position(0, 10);
    for _ in 0..50 {
        assert_eq!(
            position.judge(&answer(Vec::new(), 9), ALONE),
            Verdict::Again
        );
    }
    assert!(position.failed_for(Duration::ZERO));
    assert_eq!(position.loss(), GapReason::Truncated);
    position.judge(&answer(batch(0, 5), 10), ALONE);
    assert!(!position.failed_for(Duration::ZERO), "it came on");
}

#[test]
fn a_fault_has_passed_when_the_leader_answers_however_long_the_turn_takes() {
    let mut position = position(0, 10);
    position.fail(GapReason::Unavailable);
    position.gone_for(Duration::MAX);
    let used_up = Circumstances {
        had_room: false,
        ..IN_COMPANY
    };
    let verdict = position.judge(&answer(Vec::new(), 10), used_up);
    assert_eq!(verdict, Verdict::Again);
    assert!(!position.failed_for(Duration::ZERO), "it only waits");
    assert!(!position.gone_for(Duration::from_secs(1)), "it is there");
}

#[test]
fn r2_a_batch_across_the_captured_end_means_that_the_log_was_truncated() {
    let mut position = position(0, 8);
    let mut records = batch(0, 5);
    records.extend(batch(5, 5));
    let verdict = position.judge(&answer(records, 10), ALONE);
    assert!(matches!(verdict, Verdict::Read { done: false, .. }));
    let verdict = position.judge(&answer(batch(5, 5), 10), ALONE);
    assert_eq!(verdict, Verdict::Lost(GapReason::Truncated));
}

/// The leader's epoch is not covered by the checksum.
fn batch_of_epoch(base_offset: i64, count: i32, leader_epoch: i32) -> Vec<u8> {
    let mut batch = batch(base_offset, count);
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    batch
}

#[test]
fn r2_r5_what_a_later_leader_wrote_below_the_captured_end_means_that_the_log_was_truncated() {
    let mut position = position(0, 10);
    let mut records = batch_of_epoch(0, 5, 5);
    records.extend(batch_of_epoch(5, 5, 6));
    let verdict = position.judge(&answer(records, 20), ALONE);
    let before = Verdict::Read {
        batches: batch_of_epoch(0, 5, 5).into(),
        done: false,
    };
    assert_eq!(verdict, before);
    let verdict = position.judge(&answer(batch_of_epoch(5, 5, 6), 20), ALONE);
    assert_eq!(verdict, Verdict::Lost(GapReason::Truncated));
    // behind the end it is what producers do
    position.advance(10);
    let verdict = position.judge(&answer(batch_of_epoch(10, 5, 6), 20), ALONE);
    assert!(matches!(verdict, Verdict::Read { done: true, .. }));
}

fn compacted(start: i64, end: i64) -> Position {
    let mut position = position(start, end);
    position.range.compacted = true;
    position
}

fn transactional(base_offset: i64, count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    for _ in 0..count {
        builder.push(1_000, &[1, 1, 0]);
    }
    let produced = Produced {
        producer_id: 9,
        producer_epoch: 0,
        base_sequence: 0,
        base_offset,
    };
    let mut batch = builder.finish(produced).unwrap().to_vec();
    // the attributes, and the checksum that is over them
    batch[22] |= 0x10;
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

#[test]
fn r11_a_compacted_partition_is_read_on_until_one_answer_brings_all_that_is_there() {
    let mut position = compacted(0, 10);
    let first = [batch(0, 10), batch(10, 5)].concat();
    let verdict = position.judge(&answer(first.clone(), 20), IN_COMPANY);
    let batches = first.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: false
        }
    );
    // a new leader, and more was appended meanwhile
    let second = batch_of_epoch(15, 5, 6);
    let verdict = position.judge(&answer(second.clone(), 25), IN_COMPANY);
    let batches = second.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: false
        }
    );
    let verdict = position.judge(&answer(batch_of_epoch(20, 5, 6), 25), IN_COMPANY);
    assert!(matches!(verdict, Verdict::Read { done: true, .. }));
    let end = RangeEnd {
        offset: 25,
        leader_epoch: 6,
        caught_up: true,
    };
    assert_eq!(position.end(), end);
}

#[test]
fn r11_a_compacted_partition_to_which_nothing_was_appended_ends_where_it_was_captured() {
    let mut position = compacted(0, 10);
    let verdict = position.judge(&answer(batch(0, 10), 10), IN_COMPANY);
    assert!(matches!(verdict, Verdict::Read { done: true, .. }));
    assert_eq!(position.end(), RangeEnd::captured(10));
}

#[test]
fn r15_what_is_transactional_behind_the_captured_end_is_never_taken() {
    let mut position = compacted(0, 10);
    let wanted = [batch(0, 10), batch(10, 2)].concat();
    let records = [wanted.clone(), transactional(12, 3), batch(15, 5)].concat();
    let verdict = position.judge(&answer(records, 20), IN_COMPANY);
    let batches = wanted.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: true
        }
    );
    // what else was cleaned meanwhile is not known: it stopped in silence
    assert!(!position.end().caught_up);
    assert_eq!(position.end().offset, 12);
    // below it is what was captured, also where it is the last
    let mut position = compacted(0, 13);
    let records = [batch(0, 10), transactional(10, 3)].concat();
    let verdict = position.judge(&answer(records.clone(), 13), IN_COMPANY);
    let batches = records.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: true
        }
    );
}

#[test]
fn r11_a_hole_behind_the_captured_end_is_asked_for_alone_and_then_passed_over() {
    let mut position = compacted(0, 10);
    position.judge(&answer(batch(0, 10), 20), IN_COMPANY);
    assert!(position.is_behind_end());
    for around in [IN_COMPANY, IN_COMPANY, ALONE] {
        let verdict = position.judge(&answer(Vec::new(), 20), around);
        assert_eq!(verdict, Verdict::First);
    }
    let verdict = position.judge(&answer(Vec::new(), 20), ALONE);
    assert_eq!((verdict, position.end().offset), (Verdict::TailHole, 20));
    assert!(position.end().caught_up);
}

#[test]
fn r11_damage_behind_the_captured_end_is_not_taken_for_a_hole() {
    let mut position = compacted(0, 10);
    position.judge(&answer(batch(0, 10), 20), ALONE);
    let mut damaged = batch(10, 10);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for records in [damaged.clone(), damaged[..40].to_vec()] {
        let verdict = position.judge(&answer(records, 20), ALONE);
        assert_eq!(verdict, Verdict::Again);
    }
    let verdict = position.judge(&answer(damaged, 20), ALONE);
    assert_eq!(verdict, Verdict::Lost(GapReason::Corrupt));
    assert_eq!(
        position.end().offset,
        10,
        "which is no gap: all that was captured is there"
    );
    assert!(!position.end().caught_up);
}

#[test]
fn r3_a_jump_in_an_error_free_answer_is_no_gap() {
    let mut position = position(0, 100);
    let mut records = batch(10, 5);
    records.extend(batch(90, 10));
    let expected = records.clone().into();
    let verdict = position.judge(&answer(records, 100), IN_COMPANY);
    assert_eq!(
        verdict,
        Verdict::Read {
            batches: expected,
            done: true
        }
    );
}

#[test]
fn r4_an_unknown_topic_id_is_looked_up_and_never_read_on_by_name() {
    for code in [
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::INCONSISTENT_TOPIC_ID,
    ] {
        assert!(means_deleted(code));
        assert_eq!(
            position(0, 10).judge(&refusal(code), ALONE),
            Verdict::Reroute
        );
    }
}

#[test]
fn r7_a_batch_whose_checksum_is_wrong_is_asked_for_again_and_then_a_gap() {
    let mut position = position(0, 10);
    let mut damaged = batch(5, 5);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let good = batch(0, 5);
    let verdict = position.judge(&answer([good.clone(), damaged.clone()].concat(), 10), ALONE);
    let batches = good.into();
    assert_eq!(
        verdict,
        Verdict::Read {
            batches,
            done: false
        }
    );
    for _ in 0..2 {
        assert_eq!(
            position.judge(&answer(damaged.clone(), 10), ALONE),
            Verdict::Again
        );
    }
    let verdict = position.judge(&answer(damaged, 10), ALONE);
    assert_eq!(verdict, Verdict::Lost(GapReason::Corrupt));
}

#[test]
fn an_offset_outside_of_the_log_is_asked_about_and_a_missing_right_is_final() {
    let verdict = position(0, 10).judge(&refusal(ErrorCode::OFFSET_OUT_OF_RANGE), ALONE);
    assert_eq!(verdict, Verdict::OutOfRange);
    let verdict = position(0, 10).judge(&refusal(ErrorCode::TOPIC_AUTHORIZATION_FAILED), ALONE);
    assert_eq!(verdict, Verdict::Lost(GapReason::Unauthorized));
}
