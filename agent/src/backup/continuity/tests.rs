use std::sync::Arc;

use lifeboat_archive::{
    index::{EpochStart, Holes, SegmentEntry},
    json::{Sha256Hex, Xxh3Hex},
    lists::{ArchiveReference, TransactionTable},
    manifest::{Gap, GapReason},
    words::TopicPartition,
};

use super::*;

const THEN: Timestamp = Timestamp::from_millis(1_787_450_400_000);
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const DELETE: Cleanup = Cleanup {
    compact: false,
    delete: true,
    delete_retention_ms: 24 * HOUR,
};
const COMPACT: Cleanup = Cleanup {
    compact: true,
    delete: false,
    delete_retention_ms: 24 * HOUR,
};

/// Offsets 0 to 100 are archived, the last batch ends at 90 and is of epoch 4; the log has 10 to 150 now.
struct Case {
    partition: ManifestPartition,
    topic_id: TopicId,
    then: Option<Cleanup>,
    current: Option<Cleanup>,
    bounds: PartitionBounds,
    epoch: Option<EpochEnd>,
    after_ms: u64,
}

impl Case {
    fn new() -> Self {
        Self {
            partition: ManifestPartition {
                partition: 0,
                log_start_offset: 0,
                high_watermark: 100,
                last_stable_offset: 100,
                leader_epoch: 4,
                record_count: Some(90),
                batch_count: 9,
                repacked_bytes: 0,
                raw_bytes: 900,
                largest_batch_bytes: 100,
                max_timestamp_ms: None,
                last_batch: Some(LastBatch {
                    next_offset: 90,
                    leader_epoch: 4,
                }),
                appended: 0,
                tombstones_unsafe: false,
                gaps: Vec::new(),
            },
            topic_id: TopicId([7; 16]),
            then: Some(DELETE),
            current: Some(DELETE),
            bounds: PartitionBounds {
                topic_partition: TopicPartition::new("orders", 0),
                topic_id: TopicId([7; 16]),
                log_start_offset: 10,
                high_watermark: 150,
                last_stable_offset: 150,
                leader_epoch: 5,
            },
            epoch: Some(EpochEnd {
                epoch: 4,
                end_offset: 95,
            }),
            after_ms: HOUR,
        }
    }

    fn archived(&self) -> Archived<'_> {
        Archived {
            topic_id: self.topic_id,
            partition: &self.partition,
            bounds_at: THEN,
            cleanup: self.then,
        }
    }

    fn decide(&self) -> Reading {
        let now = later(self.after_ms);
        let archived = Some(self.archived());
        decide(archived, &self.bounds, self.epoch, self.current, now)
    }
}

fn later(by_ms: u64) -> Timestamp {
    Timestamp::from_millis(THEN.as_millis() + i64::try_from(by_ms).unwrap())
}

/// What is decided of the usual case when this is different.
fn when(change: impl FnOnce(&mut Case)) -> Reading {
    let mut case = Case::new();
    change(&mut case);
    case.decide()
}

fn continued(start: i64, new: New) -> Reading {
    Reading::Continued { start, new }
}

#[test]
fn a_log_that_goes_on_is_read_from_behind_the_last_archived_batch() {
    assert_eq!(when(|_| {}), continued(90, New::Batches));
    let nothing_new = |it: &mut Case| it.bounds.high_watermark = 100;
    assert_eq!(when(nothing_new), continued(90, New::LogStart));
    let as_it_was = |it: &mut Case| {
        nothing_new(it);
        it.bounds.log_start_offset = 0;
    };
    assert_eq!(when(as_it_was), continued(90, New::Nothing));
}

#[test]
fn an_empty_partition_that_stays_empty_has_not_changed() {
    let empty = |it: &mut Case, start: i64, end: i64| {
        it.partition.last_batch = None;
        (it.partition.log_start_offset, it.partition.high_watermark) = (70, 70);
        (it.bounds.log_start_offset, it.bounds.high_watermark) = (start, end);
        it.epoch = None;
    };
    assert_eq!(when(|it| empty(it, 70, 70)), continued(70, New::Nothing));
    assert_eq!(when(|it| empty(it, 70, 75)), Reading::Full(Why::Gone));
    assert_eq!(when(|it| empty(it, 75, 75)), Reading::Full(Why::Gone));
    assert_eq!(when(|it| empty(it, 60, 75)), Reading::Full(Why::Truncated));
}

#[test]
fn what_the_last_snapshot_does_not_have_is_read_in_full() {
    let case = Case::new();
    let read = decide(None, &case.bounds, case.epoch, case.current, THEN);
    assert_eq!(read, Reading::Full(Why::New));
    let gap = Gap {
        range: OffsetRange::new(20, 30),
        reason: GapReason::Unavailable,
    };
    assert_eq!(
        when(|it| it.partition.gaps.push(gap.clone())),
        Reading::Full(Why::Gaps)
    );
    // what was missing is not in the log any more
    let passed = when(|it| {
        it.partition.gaps.push(gap.clone());
        it.bounds.log_start_offset = 30;
    });
    assert_eq!(passed, continued(90, New::Batches));
}

#[test]
fn r4_a_topic_of_the_same_name_is_another_topic() {
    assert_eq!(
        when(|it| it.bounds.topic_id = TopicId([8; 16])),
        Reading::Full(Why::Recreated)
    );
}

#[test]
fn r5_a_log_that_was_truncated_below_the_archive_is_read_in_full() {
    let truncated = Reading::Full(Why::Truncated);
    assert_eq!(when(|it| it.bounds.high_watermark = 99), truncated);
    let told = |epoch, end_offset| Some(EpochEnd { epoch, end_offset });
    assert_eq!(when(|it| it.epoch = told(4, 89)), truncated);
    // exactly to the end of the last batch: the rest was a hole
    let whole = continued(90, New::Batches);
    assert_eq!(when(|it| it.epoch = told(4, 90)), whole);
    // the leader never had that epoch
    assert_eq!(when(|it| it.epoch = told(3, 50)), truncated);
}

#[test]
fn r5_what_can_not_be_told_is_not_assumed() {
    let unknown = Reading::Full(Why::Unknown);
    assert_eq!(when(|it| it.epoch = None), unknown);
    let told = |epoch, end_offset| Some(EpochEnd { epoch, end_offset });
    assert_eq!(when(|it| it.epoch = told(-1, -1)), unknown);
    let magic_1 = |it: &mut Case| it.partition.last_batch.as_mut().unwrap().leader_epoch = -1;
    assert_eq!(when(magic_1), unknown);
    let settings = Reading::Full(Why::Settings);
    assert_eq!(when(|it| it.then = None), settings);
    assert_eq!(when(|it| it.current = None), settings);
}

#[test]
fn r6_where_nothing_archived_is_left_in_the_log_nothing_has_to_be_continued() {
    let gone = |log_start: i64| {
        when(|it| {
            it.bounds.log_start_offset = log_start;
            it.epoch = None;
        })
    };
    assert_eq!(gone(120), Reading::Full(Why::Gone));
    assert_eq!(gone(90), Reading::Full(Why::Gone));
    assert_eq!(gone(89), Reading::Full(Why::Unknown));
}

#[test]
fn offsets_that_were_deleted_before_any_snapshot_had_them_are_known() {
    let lost = |log_start: i64| {
        let mut case = Case::new();
        case.bounds.log_start_offset = log_start;
        case.archived().lost_before_saved(&case.bounds)
    };
    assert!(lost(100).is_empty());
    assert_eq!(lost(120), OffsetRange::new(100, 120));
    let mut recreated = Case::new();
    recreated.bounds.log_start_offset = 120;
    recreated.topic_id = TopicId([8; 16]);
    let lost = recreated.archived().lost_before_saved(&recreated.bounds);
    assert!(lost.is_empty());
}

#[test]
fn r11_a_compacted_topic_goes_on_only_while_its_tombstones_live() {
    let compacted = |after_ms: u64, then: u64, current: u64| {
        when(|it| {
            let of = |delete_retention_ms| {
                Some(Cleanup {
                    delete_retention_ms,
                    ..COMPACT
                })
            };
            (it.then, it.current) = (of(then), of(current));
            it.after_ms = after_ms;
        })
    };
    let whole = continued(90, New::Batches);
    assert_eq!(compacted(21 * HOUR, DAY, DAY), whole);
    // less 10 % and a margin
    let late = Reading::Full(Why::Tombstones);
    assert_eq!(compacted(22 * HOUR, DAY, DAY), late);
    assert_eq!(compacted(2 * HOUR, 2 * HOUR, DAY), late);
    assert_eq!(compacted(2 * HOUR, DAY, 2 * HOUR), late);
    assert_eq!(compacted(0, 0, DAY), late);
    // one that only deletes forgets nothing in between
    assert_eq!(when(|it| it.after_ms = 100 * DAY), whole);
}

#[test]
fn r11_where_nothing_came_no_deletion_did_however_long_it_is_ago() {
    let idle = when(|it| {
        (it.then, it.current) = (Some(COMPACT), Some(COMPACT));
        it.after_ms = 1_000 * HOUR;
        it.bounds.high_watermark = 100;
        it.bounds.log_start_offset = 0;
    });
    assert_eq!(idle, continued(90, New::Nothing));
}

#[test]
fn r11_a_changed_policy_is_read_in_full() {
    let policy = Reading::Full(Why::Policy);
    assert_eq!(when(|it| it.current = Some(COMPACT)), policy);
    assert_eq!(when(|it| it.then = Some(COMPACT)), policy);
    let both = Cleanup {
        delete: true,
        ..COMPACT
    };
    let now_deleted_too = |it: &mut Case| (it.then, it.current) = (Some(COMPACT), Some(both));
    assert_eq!(when(now_deleted_too), policy);
}

#[test]
fn r11_what_may_hold_deleted_keys_is_not_built_on() {
    assert_eq!(
        when(|it| it.partition.tombstones_unsafe = true),
        Reading::Full(Why::Slow)
    );
}

#[test]
fn what_many_snapshots_appended_little_to_is_read_in_full_when_it_grows() {
    let of = |appended, raw_bytes| {
        when(|it| {
            it.partition.appended = appended;
            it.partition.raw_bytes = raw_bytes;
        })
    };
    let fragmented = Reading::Full(Why::Fragmented);
    assert_eq!(of(500, 499 << 20), fragmented);
    assert_eq!(of(u32::MAX, 1), fragmented);
    assert_ne!(of(500, 500 << 20), fragmented);
    assert_ne!(of(499, 1), fragmented);
    // what does not grow costs nothing
    let idle = when(|it| {
        it.partition.appended = 500;
        it.bounds.high_watermark = it.partition.high_watermark;
    });
    assert_ne!(idle, fragmented);
}

#[test]
fn what_kafka_has_deleted_does_not_count_as_appended_any_more() {
    assert_eq!(count_appended(0, true, 1), 1);
    assert_eq!(count_appended(7, true, 100), 8);
    assert_eq!(count_appended(7, false, 100), 7);
    // a day's retention: there are never more than those of a day
    assert_eq!(count_appended(24, true, 24), 24);
    assert_eq!(count_appended(24, false, 0), 0);
    assert_eq!(count_appended(u32::MAX, true, usize::MAX), u32::MAX);
}

#[test]
fn r11_a_reading_in_full_takes_less_time_than_tombstones_live() {
    let quick = |took_ms: u64, delete_retention_ms: u64| {
        let cleanup = Cleanup {
            delete_retention_ms,
            ..COMPACT
        };
        was_quick_enough(Some(cleanup), Duration::from_millis(took_ms))
    };
    assert!(quick(899, 1_000));
    assert!(!quick(900, 1_000));
    // one answer is one moment
    assert!(quick(0, 0));
    assert!(!quick(1, 0));
    assert!(was_quick_enough(Some(DELETE), Duration::MAX));
}

#[test]
fn a_clock_that_was_set_back_is_not_trusted() {
    let before = Timestamp::from_millis(THEN.as_millis() - 1);
    assert!(!tombstones_are_seen(THEN, COMPACT, COMPACT, before));
    assert!(tombstones_are_seen(THEN, COMPACT, COMPACT, later(1)));
}

/// What an unfinished run has stored behind the snapshot of [`Case::new`]: 90 to 120.
fn inherited() -> Inherited {
    let entry = SegmentEntry {
        member: "orders-0/00000000000000000090.log".to_owned(),
        topic: "orders".to_owned(),
        topic_id: TopicId([7; 16]),
        partition: 0,
        first_offset: 90,
        next_offset: 120,
        record_count: Some(30),
        batch_count: 3,
        min_timestamp_ms: None,
        max_timestamp_ms: None,
        codecs: Vec::new(),
        leader_epochs: vec![EpochStart {
            epoch: 5,
            start_offset: 90,
        }],
        raw_bytes: 300,
        largest_batch_bytes: 100,
        holes: Holes::default(),
        position: 0,
        length: 300,
        sha256: Sha256Hex::of(b""),
    };
    let archive = ArchiveReference {
        object: "c/data/x.tar.zst".to_owned(),
        size: 300,
        xxh3_128: Xxh3Hex::of(b""),
    };
    Inherited {
        topic_id: TopicId([7; 16]),
        builds_on: Some(snapshot()),
        from: 90,
        begun_at: later(HOUR),
        segments: vec![(Arc::new(archive), entry)],
        transactions: TransactionTable::default(),
    }
}

fn snapshot() -> SnapshotId {
    SnapshotId::generate(THEN)
}

#[test]
fn what_an_unfinished_run_has_stored_is_used_only_where_the_log_goes_on_from_it() {
    let whole = inherited();
    let base = whole.builds_on.clone();
    let can = |change: &dyn Fn(&mut Inherited, &mut Case), reading: Reading| {
        let (mut stored, mut case) = (whole.clone(), Case::new());
        case.epoch = Some(EpochEnd {
            epoch: 5,
            end_offset: 150,
        });
        change(&mut stored, &mut case);
        let (base, now) = (base.as_ref(), later(2 * HOUR));
        can_inherit(
            &stored,
            reading,
            base,
            &case.bounds,
            case.epoch,
            case.current,
            now,
        )
    };
    let goes_on = continued(90, New::Batches);
    assert!(can(&|_, _| {}, goes_on));
    // it stands behind another snapshot, or behind none
    assert!(!can(&|it, _| it.builds_on = None, goes_on));
    assert!(!can(
        &|it, _| it.builds_on = Some(SnapshotId::generate(later(1))),
        goes_on
    ));
    assert!(!can(&|it, _| it.from = 100, goes_on));
    // nothing is to be read
    assert!(!can(&|_, _| {}, continued(90, New::LogStart)));
    // another topic, another log, less of it
    assert!(!can(&|it, _| it.topic_id = TopicId([8; 16]), goes_on));
    let told = |epoch, end_offset| Some(EpochEnd { epoch, end_offset });
    assert!(!can(&|_, it| it.epoch = told(5, 119), goes_on));
    assert!(!can(&|_, it| it.epoch = told(4, 150), goes_on));
    assert!(!can(&|_, it| it.epoch = None, goes_on));
    assert!(!can(&|_, it| it.bounds.high_watermark = 119, goes_on));
    assert!(!can(&|_, it| it.bounds.log_start_offset = 120, goes_on));
    // in full, from the log start
    let full = Reading::Full(Why::Wanted);
    assert!(!can(&|_, _| {}, full));
    let from_the_start = |from: i64| {
        move |it: &mut Inherited, _: &mut Case| {
            it.builds_on = None;
            it.from = from;
        }
    };
    assert!(can(&from_the_start(10), full));
    assert!(can(&from_the_start(0), full));
    // more of the log can be seen now
    assert!(!can(&from_the_start(11), full));
    // deletions may have come and gone since it began (R11)
    let lives = |hours: u64| {
        move |_: &mut Inherited, it: &mut Case| {
            let delete_retention_ms = hours * HOUR;
            it.current = Some(Cleanup {
                delete_retention_ms,
                ..COMPACT
            });
        }
    };
    assert!(can(&lives(2), goes_on));
    assert!(!can(&lives(1), goes_on));
}
