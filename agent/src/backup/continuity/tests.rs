use lifeboat_archive::{
    index::{EpochStart, Holes, SegmentEntry},
    json::Sha256Hex,
    lists::{ListedSegment, TransactionTable},
    manifest::{Gap, GapReason},
    words::{OffsetRange, TopicPartition},
};

use super::*;

const THEN: Timestamp = Timestamp::from_millis(1_787_450_400_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const DELETE: Cleanup = Cleanup {
    compacts: false,
    deletes: true,
    tombstones_live: DAY,
};
const COMPACT: Cleanup = Cleanup {
    compacts: true,
    deletes: false,
    tombstones_live: DAY,
};

/// Offsets 0 to 100 are archived, the last batch ends at 90 and is of epoch 4; the log has 10 to 150 now.
struct Case {
    partition: ManifestPartition,
    list: PartitionList,
    topic_id: TopicId,
    then: Option<Cleanup>,
    current: Option<Cleanup>,
    bounds: PartitionBounds,
    epoch: Option<EpochEnd>,
    after: Duration,
}

impl Case {
    fn new() -> Self {
        let entry = SegmentEntry {
            member: "orders-0/00000000000000000000.log".to_owned(),
            topic: "orders".to_owned(),
            topic_id: TopicId([7; 16]),
            partition: 0,
            first_offset: 0,
            next_offset: 90,
            record_count: Some(90),
            batch_count: 9,
            min_timestamp_ms: None,
            max_timestamp_ms: None,
            leader_epochs: vec![
                EpochStart {
                    epoch: 3,
                    start_offset: 0,
                },
                EpochStart {
                    epoch: 4,
                    start_offset: 50,
                },
            ],
            raw_bytes: 900,
            largest_batch_bytes: 100,
            holes: Holes::default(),
            position: 0,
            length: 900,
            sha256: Sha256Hex::of(b""),
        };
        Self {
            partition: ManifestPartition {
                partition: 0,
                log_start_offset: 0,
                high_watermark: 100,
                last_stable_offset: 100,
                leader_epoch: 4,
                record_count: Some(90),
                batch_count: 9,
                raw_bytes: 900,
                largest_batch_bytes: 100,
                max_timestamp_ms: None,
                gaps: Vec::new(),
            },
            list: PartitionList {
                partition: 0,
                segments: vec![ListedSegment { archive: 0, entry }],
                holes: vec![OffsetRange::new(90, 100)],
                transactions: TransactionTable::default(),
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
            after: Duration::from_secs(3_600),
        }
    }

    fn decide(&self) -> Reading {
        let archived = Archived {
            topic_id: self.topic_id,
            partition: &self.partition,
            list: &self.list,
            bounds_at: THEN,
            cleanup: self.then,
        };
        let after = i64::try_from(self.after.as_millis()).unwrap();
        let now = Timestamp::from_millis(THEN.as_millis() + after);
        decide(Some(archived), &self.bounds, self.epoch, self.current, now)
    }
}

/// What is decided of the usual case when this is different.
fn when(change: impl FnOnce(&mut Case)) -> Reading {
    let mut case = Case::new();
    change(&mut case);
    case.decide()
}

#[test]
fn a_log_that_goes_on_is_read_from_where_the_snapshot_ended() {
    assert_eq!(when(|_| {}), Reading::From(100));
    // nothing came since
    assert_eq!(
        when(|it| it.bounds.high_watermark = 100),
        Reading::From(100)
    );
}

#[test]
fn what_the_last_snapshot_does_not_have_is_read_in_full() {
    let case = Case::new();
    let read = decide(None, &case.bounds, case.epoch, case.current, THEN);
    assert_eq!(read, Reading::Full(Why::New));
    assert_eq!(when(|it| it.list.segments.clear()), Reading::Full(Why::New));
    let gap = Gap {
        range: OffsetRange::new(20, 30),
        reason: GapReason::Unavailable,
    };
    assert_eq!(
        when(|it| it.partition.gaps.push(gap)),
        Reading::Full(Why::Gaps)
    );
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
    assert_eq!(when(|it| it.epoch = told(4, 90)), Reading::From(100));
    // the leader never had that epoch
    assert_eq!(when(|it| it.epoch = told(3, 50)), truncated);
}

#[test]
fn r5_what_can_not_be_told_is_not_assumed() {
    let unknown = Reading::Full(Why::Unknown);
    assert_eq!(when(|it| it.epoch = None), unknown);
    let told = |epoch, end_offset| Some(EpochEnd { epoch, end_offset });
    assert_eq!(when(|it| it.epoch = told(-1, -1)), unknown);
    let magic_1 = |it: &mut Case| {
        it.list.segments[0].entry.leader_epochs = vec![EpochStart {
            epoch: -1,
            start_offset: 0,
        }];
    };
    assert_eq!(when(magic_1), unknown);
    assert_eq!(when(|it| it.then = None), unknown);
    assert_eq!(when(|it| it.current = None), unknown);
}

#[test]
fn r6_a_log_start_behind_the_archive_is_where_reading_begins() {
    let read = when(|it| {
        it.bounds.log_start_offset = 120;
        // nothing that was archived is left to be continued
        it.epoch = None;
    });
    assert_eq!(read, Reading::From(120));
}

#[test]
fn r11_a_compacted_topic_goes_on_only_while_its_tombstones_live() {
    let compacted = |after: Duration, then: Duration, current: Duration| {
        when(|it| {
            let of = |tombstones_live| {
                Some(Cleanup {
                    tombstones_live,
                    ..COMPACT
                })
            };
            (it.then, it.current) = (of(then), of(current));
            it.after = after;
        })
    };
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    assert_eq!(compacted(hours(21), DAY, DAY), Reading::From(100));
    // less 10 % and a margin
    let late = Reading::Full(Why::Tombstones);
    assert_eq!(compacted(hours(22), DAY, DAY), late);
    assert_eq!(compacted(hours(2), hours(2), DAY), late);
    assert_eq!(compacted(hours(2), DAY, hours(2)), late);
    assert_eq!(compacted(Duration::ZERO, Duration::ZERO, DAY), late);
    // one that only deletes forgets nothing in between
    assert_eq!(when(|it| it.after = 100 * DAY), Reading::From(100));
}

#[test]
fn r11_a_clock_that_went_back_is_not_trusted() {
    let archived = Timestamp::from_millis(THEN.as_millis() + 1);
    assert!(!tombstones_are_seen(archived, COMPACT, COMPACT, THEN));
}

#[test]
fn r11_another_cleanup_policy_wants_a_full_read() {
    assert_eq!(
        when(|it| it.current = Some(COMPACT)),
        Reading::Full(Why::Policy)
    );
    let both = Cleanup {
        deletes: true,
        ..COMPACT
    };
    let was_both = |it: &mut Case| (it.then, it.current) = (Some(both), Some(COMPACT));
    assert_eq!(when(was_both), Reading::Full(Why::Policy));
}
