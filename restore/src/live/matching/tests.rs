use std::convert::Infallible;

use lifeboat_archive::manifest::{Gap, GapReason};

use super::*;
use crate::live::report::DifferenceKind;

fn record(offset: i64, value: &str) -> RecordPrint {
    RecordPrint::of(offset, 5, None, Some(value.as_bytes()), [])
}

/// Records of these values at offsets one after the other.
fn at(from: i64, values: &[&str]) -> Vec<RecordPrint> {
    let values = (from..).zip(values);
    values
        .map(|(offset, value)| record(offset, value))
        .collect()
}

fn bounds(start: i64, end: i64) -> LiveBounds {
    LiveBounds {
        start,
        last_stable: end,
        high_watermark: end,
    }
}

fn ahead(
    records: Vec<RecordPrint>,
) -> Ahead<impl FnMut() -> Result<Option<RecordPrint>, Infallible>> {
    let mut records = records.into_iter();
    Ahead::new(move || Ok(records.next()))
}

fn partition(start: i64, end: i64) -> ManifestPartition {
    ManifestPartition {
        partition: 0,
        log_start_offset: start,
        high_watermark: end,
        last_stable_offset: end,
        leader_epoch: 0,
        record_count: None,
        batch_count: 0,
        raw_bytes: 0,
        repacked_bytes: 0,
        largest_batch_bytes: 0,
        max_timestamp_ms: None,
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    }
}

fn in_order(
    live: LiveBounds,
    exact: bool,
    ours: Vec<RecordPrint>,
    theirs: &[RecordPrint],
) -> Tally {
    let mut matching = InOrder::new(live, Origin::Known(0), exact);
    let mut expected = ahead(ours);
    for found in theirs {
        let Ok(()) = matching.see(found, &mut expected);
    }
    let Ok(()) = matching.finish(&mut expected);
    matching.tally
}

fn by_offset(
    live: LiveBounds,
    exact: bool,
    snapshot: &ManifestPartition,
    ours: Vec<RecordPrint>,
    theirs: &[RecordPrint],
) -> Tally {
    let mut matching = ByOffset::new(live, snapshot, exact);
    let mut expected = ahead(ours);
    for found in theirs {
        let Ok(()) = matching.see(found, &mut expected);
    }
    let Ok(()) = matching.finish(&mut expected);
    matching.tally
}

#[test]
fn the_same_records_in_the_same_order_are_the_same_at_whatever_offsets() {
    let tally = in_order(
        bounds(0, 3),
        true,
        at(70, &["a", "b", "c"]),
        &at(0, &["a", "b", "c"]),
    );
    assert_eq!((tally.counts.same, tally.counts.differences()), (3, 0));
    assert_eq!(tally.first, None);
}

#[test]
fn what_was_changed_is_missing_or_is_extra_is_told_apart_and_the_rest_is_the_same() {
    let ours = || at(70, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    for (theirs, kind, source, target, same) in [
        (
            ["a", "b", "X", "d", "e", "f", "g", "h"].as_slice(),
            DifferenceKind::Changed,
            Some(72),
            Some(2),
            7,
        ),
        (
            &["a", "b", "e", "f", "g", "h"],
            DifferenceKind::Missing,
            Some(72),
            None,
            6,
        ),
        (
            &["a", "b", "X", "Y", "c", "d", "e", "f", "g", "h"],
            DifferenceKind::Extra,
            None,
            Some(2),
            8,
        ),
        (
            &["a", "b", "c", "d", "e", "f"],
            DifferenceKind::Missing,
            Some(76),
            None,
            6,
        ),
    ] {
        let tally = in_order(bounds(0, 10), false, ours(), &at(0, theirs));
        let first = tally.first.unwrap();
        assert_eq!(first.kind, kind, "{theirs:?}");
        assert_eq!((first.source_offset, first.target_offset), (source, target));
        assert_eq!(tally.counts.same, same, "{theirs:?}");
    }
}

#[test]
fn what_came_later_is_newer_unless_nothing_may_have() {
    let (ours, theirs) = (at(0, &["a", "b"]), at(0, &["a", "b", "c", "d"]));
    let later = in_order(bounds(0, 4), false, ours.clone(), &theirs);
    assert_eq!((later.counts.newer, later.counts.differences()), (2, 0));
    let exact = in_order(bounds(0, 4), true, ours, &theirs);
    assert_eq!((exact.counts.newer, exact.counts.extra), (0, 2));
}

#[test]
fn what_was_deleted_at_the_front_is_no_longer_kept_but_for_who_wants_it_exactly() {
    let ours = || at(0, &["a", "b", "c", "d"]);
    let theirs = at(2, &["c", "d"]);
    let kept = in_order(bounds(2, 4), false, ours(), &theirs);
    assert_eq!((kept.counts.no_longer_kept, kept.counts.same), (2, 2));
    assert_eq!(kept.counts.differences(), 0);
    let exact = in_order(bounds(2, 4), true, ours(), &theirs);
    assert_eq!(exact.counts.missing, 2);
    // no more than were there can have been deleted
    let moved = in_order(bounds(1, 3), false, ours(), &at(1, &["c", "d"]));
    assert_eq!((moved.counts.no_longer_kept, moved.counts.missing), (1, 1));
    // in the middle nothing is deleted
    let middle = in_order(bounds(1, 4), false, ours(), &at(1, &["b", "d"]));
    assert_eq!(middle.counts.missing, 1);
    // all of it, and only what is newer is left
    let gone = in_order(bounds(9, 9), false, ours(), &[]);
    assert_eq!((gone.counts.no_longer_kept, gone.counts.missing), (4, 0));
}

#[test]
fn a_long_run_of_other_records_is_changed_and_ends() {
    let values: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    let others = vec!["X"; 2_000];
    let tally = in_order(bounds(0, 2_000), false, at(0, &texts), &at(0, &others));
    assert_eq!((tally.counts.changed, tally.counts.same), (2_000, 0));
    assert_eq!(tally.first.unwrap().target_offset, Some(0));
}

#[test]
fn of_the_very_topic_each_offset_has_its_record() {
    let snapshot = partition(2, 8);
    let ours = || {
        let mut ours = at(2, &["a", "b", "c", "d", "e"]);
        // markers and holes have no record
        ours.remove(2);
        ours
    };
    let sound = by_offset(bounds(2, 20), false, &snapshot, ours(), &ours());
    assert_eq!((sound.counts.same, sound.counts.differences()), (4, 0));
    assert_eq!(sound.counts.newer, 12);
    let mut theirs = ours();
    theirs[1] = record(3, "X");
    theirs[2] = record(4, "Y");
    let tally = by_offset(bounds(2, 8), false, &snapshot, ours(), &theirs);
    let counts = tally.counts;
    // at 3 another value, at 4 one too many, at 5 none
    assert_eq!((counts.changed, counts.extra, counts.missing), (1, 1, 1));
    assert_eq!(tally.first.unwrap().source_offset, Some(3));
}

#[test]
fn below_the_log_start_nothing_is_missing_but_for_who_wants_it_exactly() {
    let snapshot = partition(0, 4);
    let ours = || at(0, &["a", "b", "c", "d"]);
    let theirs = at(2, &["c", "d"]);
    let kept = by_offset(bounds(2, 4), false, &snapshot, ours(), &theirs);
    assert_eq!((kept.counts.no_longer_kept, kept.counts.missing), (2, 0));
    let exact = by_offset(bounds(2, 4), true, &snapshot, ours(), &theirs);
    assert_eq!((exact.counts.no_longer_kept, exact.counts.missing), (0, 2));
    // everything was deleted, and newer records came
    let gone = by_offset(bounds(9, 12), false, &snapshot, ours(), &[]);
    assert_eq!((gone.counts.no_longer_kept, gone.counts.newer), (4, 3));
    // cut off at the end
    let cut = by_offset(bounds(0, 2), false, &snapshot, ours(), &at(0, &["a", "b"]));
    assert_eq!(cut.counts.missing, 2);
}

#[test]
fn what_was_not_decided_or_not_read_at_the_cut_and_what_an_open_transaction_keeps_back_is_no_difference()
 {
    let mut snapshot = partition(0, 6);
    snapshot.last_stable_offset = 3;
    snapshot.gaps = vec![Gap {
        range: OffsetRange::new(1, 2),
        reason: GapReason::Corrupt,
    }];
    let mut ours = at(0, &["a", "b", "c"]);
    ours.remove(1);
    // offset 1 was not read, and 3 belongs to what was committed later
    let theirs = at(0, &["a", "b", "c", "d"]);
    let tally = by_offset(bounds(0, 6), false, &snapshot, ours, &theirs);
    assert_eq!((tally.counts.same, tally.counts.newer), (2, 1));
    assert_eq!(tally.counts.differences(), 0);
    let held_back = LiveBounds {
        last_stable: 1,
        ..bounds(0, 3)
    };
    let ours = at(0, &["a", "b", "c"]);
    let tally = by_offset(held_back, false, &partition(0, 3), ours, &at(0, &["a"]));
    assert_eq!((tally.counts.held_back, tally.counts.missing), (2, 0));
}

/// After --replace, --append, or into a topic that was emptied, every missing record counted as no longer kept.
#[test]
fn what_never_was_at_the_front_is_missing_where_the_restore_began_behind_it() {
    let live = bounds(1_000, 1_002);
    let lacking = |origin| {
        let mut matching = InOrder::new(live, origin, false);
        let mut expected = ahead(at(0, &["a", "b", "c", "d"]));
        for found in at(1_000, &["c", "d"]) {
            let Ok(()) = matching.see(&found, &mut expected);
        }
        let Ok(()) = matching.finish(&mut expected);
        matching.tally
    };
    let replaced = lacking(Origin::of(Some(1_000), live));
    assert_eq!(
        (replaced.counts.missing, replaced.counts.no_longer_kept),
        (2, 0)
    );
    // the front went by retention
    let aged = lacking(Origin::of(Some(998), live));
    assert_eq!((aged.counts.missing, aged.counts.no_longer_kept), (0, 2));
    assert_eq!(Origin::Known(998).doubt(&aged, Way::Order), None);
    // nobody knows: it is not called the same
    let unknown = Origin::of(None, live);
    let doubt = unknown.doubt(&lacking(unknown), Way::Order).unwrap();
    assert!(
        doubt.contains("2 records") && doubt.contains("--state"),
        "{doubt}"
    );
}

#[test]
fn what_was_there_before_a_restore_is_not_read_and_newer_is_what_came_behind_it() {
    let appended = Origin::of(Some(70), bounds(3, 90));
    assert_eq!(appended.reads_from(bounds(3, 90)), 70);
    assert_eq!(appended.newer_from(10), 80);
    let from_the_start = Origin::of(None, bounds(0, 9));
    assert_eq!(from_the_start, Origin::Known(0));
    assert_eq!(from_the_start.reads_from(bounds(0, 9)), 0);
    // only values of compacted topics are taken for newer by where they lie
    let newer = Tally {
        counts: Counts {
            newer: 1,
            ..Counts::default()
        },
        first: None,
    };
    let unknown = Origin::of(None, bounds(3, 9));
    assert_eq!(unknown.doubt(&newer, Way::Order), None);
    assert!(unknown.doubt(&newer, Way::LatestByKey).is_some());
}
