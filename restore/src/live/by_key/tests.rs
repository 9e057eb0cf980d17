use super::*;
use crate::live::report::Counts;

fn record(offset: i64, key: &str, value: Option<&str>) -> RecordPrint {
    RecordPrint::of(
        offset,
        5,
        Some(key.as_bytes()),
        value.map(str::as_bytes),
        [],
    )
}

type Records<'a> = &'a [(i64, &'a str, Option<&'a str>)];

/// In as many passes; records from `newer_from` on are newer.
fn compare(ours: Records<'_>, theirs: Records<'_>, newer_from: i64, exact: bool) -> Vec<Counts> {
    [1, 3]
        .map(|of| {
            let mut tally = Tally::default();
            for number in 0..of {
                let mut latest = LatestByKey::new(Pass { number, of }, false, exact);
                for &(offset, key, value) in ours {
                    latest.expect(record(offset, key, value));
                }
                latest.newer_from(newer_from);
                for &(offset, key, value) in theirs {
                    latest.see(record(offset, key, value));
                }
                latest.finish(&mut tally);
            }
            tally.counts
        })
        .to_vec()
}

fn both(counts: &[Counts]) -> Counts {
    assert_eq!(counts[0], counts[1], "passes come to the same");
    counts[0]
}

const OURS: Records<'_> = &[
    (0, "a", Some("1")),
    (1, "b", Some("1")),
    (2, "a", Some("2")),
    (3, "c", Some("1")),
    (4, "c", None),
];

#[test]
fn r12_superseded_values_and_tombstones_that_are_gone_make_no_difference() {
    let cleaned = [(1, "b", Some("1")), (2, "a", Some("2"))];
    let counts = both(&compare(OURS, &cleaned, 5, true));
    assert_eq!((counts.same, counts.differences()), (3, 0));
    let counts = both(&compare(OURS, OURS, 5, true));
    assert_eq!((counts.same, counts.differences()), (3, 0));
}

#[test]
fn a_value_that_lives_again_one_that_is_gone_and_another_one_are_differences() {
    let theirs = [(0, "a", Some("1")), (3, "c", Some("1"))];
    let counts = both(&compare(OURS, &theirs, 5, false));
    assert_eq!((counts.changed, counts.extra, counts.missing), (1, 1, 1));
}

#[test]
fn what_came_later_supersedes_and_is_newer_unless_nothing_may_have() {
    let theirs = [
        (1, "b", Some("1")),
        (5, "a", Some("9")),
        (6, "d", Some("1")),
    ];
    let counts = both(&compare(OURS, &theirs, 5, false));
    assert_eq!((counts.same, counts.newer), (2, 2));
    assert_eq!(counts.differences(), 0);
    let counts = both(&compare(OURS, &theirs, 5, true));
    assert_eq!((counts.changed, counts.extra), (1, 1));
}

#[test]
fn a_key_that_may_have_been_deleted_later_is_no_longer_kept() {
    let pass = Pass { number: 0, of: 1 };
    for (may_be_deleted, missing) in [(true, 0), (false, 1)] {
        let mut latest = LatestByKey::new(pass, may_be_deleted, false);
        latest.expect(record(0, "a", Some("1")));
        latest.newer_from(1);
        let mut tally = Tally::default();
        latest.finish(&mut tally);
        assert_eq!(tally.counts.missing, missing);
        assert_eq!(tally.counts.no_longer_kept, 1 - missing);
    }
}

#[test]
fn the_passes_grow_with_the_records_and_not_the_memory() {
    assert_eq!(Pass::all(0, 1 << 20).count(), 1);
    let many = Pass::all(10_000_000, 96 << 20).count();
    assert_eq!(many, 51);
    let keys = (0..1_000_u128).map(|n| n * 7_919);
    for key in keys {
        let passes = Pass::all(10_000_000, 96 << 20);
        assert_eq!(passes.filter(|pass| pass.has(key)).count(), 1);
    }
}
