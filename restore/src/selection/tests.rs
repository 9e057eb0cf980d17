use lifeboat_archive::{
    index::{EpochStart, Holes},
    json::Sha256Hex,
    words::TopicId,
};

use super::*;

const BOUNDS: Timestamp = Timestamp::from_millis(1_787_450_400_000);

fn chosen() -> BTreeMap<&'static str, i32> {
    BTreeMap::from([("orders", 6), ("orders-eu", 2), ("audit", 1)])
}

fn time(text: &str) -> String {
    let point: TimePoint = text.parse().unwrap();
    point.resolve(BOUNDS).to_string()
}

#[test]
fn times_are_read_in_the_forms_that_people_write() {
    assert_eq!(time("2026-11-14T22:00Z"), "2026-11-14T22:00:00.000Z");
    assert_eq!(time("2026-11-14T22:00:05.250Z"), "2026-11-14T22:00:05.250Z");
    assert_eq!(time("2026-11-14T22:00+02:00"), "2026-11-14T20:00:00.000Z");
    assert_eq!(time("2026-11-14"), "2026-11-14T00:00:00.000Z");
    assert_eq!(time("-2h"), "2026-08-23T00:00:00.000Z");
    assert_eq!(time("-1d 30m"), "2026-08-22T01:30:00.000Z");
    // whose clock?
    for bad in [
        "2026-11-14T22:00",
        "yesterday",
        "22:00",
        "",
        "-",
        "-two",
        "2026-13-01",
        "äöüäöüäöüäöüäöü",
    ] {
        let error = bad.parse::<TimePoint>().unwrap_err().to_string();
        assert!(error.contains("2026-11-14T22:00Z"), "{bad}: {error}");
    }
}

fn resolved(wanted: &Wanted) -> Result<Selection, SelectionError> {
    wanted.resolve(BOUNDS, &chosen())
}

fn partitions(texts: &[&str]) -> Result<Selection, SelectionError> {
    resolved(&Wanted {
        partitions: texts.iter().map(|text| text.parse().unwrap()).collect(),
        ..Wanted::default()
    })
}

#[test]
fn partitions_are_chosen_by_number_and_range_and_other_topics_are_whole() {
    let selection = partitions(&["orders:0,3-5"]).unwrap();
    let taken = |topic: &str, count| -> Vec<i32> {
        (0..count)
            .filter(|partition| selection.of(topic, *partition).is_some())
            .collect()
    };
    assert_eq!(taken("orders", 6), [0, 3, 4, 5]);
    assert_eq!(taken("orders-eu", 2), [0, 1]);
    assert!(selection.restricts("orders") && !selection.restricts("audit"));
    assert_eq!(selection.to_string(), "orders: partitions 0, 3-5");
    let both = partitions(&["orders*:1", "orders:0"]).unwrap();
    assert_eq!(both.partitions["orders"], BTreeSet::from([0, 1]));
    assert_eq!(both.partitions["orders-eu"], BTreeSet::from([1]));
}

#[test]
fn what_names_nothing_is_refused_with_what_there_is() {
    let none = partitions(&["gone:0"]).unwrap_err();
    assert_eq!(none, SelectionError::NoTopic("gone".to_owned()));
    let none = partitions(&["orders*:3"]).unwrap_err();
    assert_eq!(
        none.to_string(),
        "topic orders-eu has no partition 3: they are 0 to 1"
    );
    for bad in [
        "orders",
        "orders:",
        "orders:x",
        "orders:3-1",
        "orders:-1",
        "[:1",
    ] {
        let error = bad.parse::<PartitionChoice>().unwrap_err().to_string();
        assert!(error.contains("orders:0,3-5"), "{bad}: {error}");
    }
    for bad in [
        "orders=3",
        "orders-x=3",
        "orders-3",
        "orders-3=x",
        "orders-3=-1",
        "-3=1",
    ] {
        let error = bad.parse::<OffsetLimit>().unwrap_err().to_string();
        assert!(error.contains("orders-3=12345"), "{bad}: {error}");
    }
    let limits = |text: &str| {
        resolved(&Wanted {
            until_offsets: vec![text.parse().unwrap()],
            ..Wanted::default()
        })
    };
    assert!(limits("gone-0=1").is_err() && limits("audit-1=1").is_err());
    let limited = limits("orders-eu-1=12345").unwrap();
    assert!(limited.of("orders-eu", 1).unwrap().takes_place(12_344, 0));
    assert!(!limited.of("orders-eu", 1).unwrap().takes_place(12_345, 0));
    assert!(limited.of("orders-eu", 0).unwrap().is_everything());
}

#[test]
fn nothing_lies_between_a_time_and_an_earlier_one() {
    let between = |from: &str, until: &str| {
        resolved(&Wanted {
            from: Some(from.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            ..Wanted::default()
        })
    };
    assert!(between("-2h", "-1h").is_ok());
    for (from, until) in [("-1h", "-2h"), ("2026-01-01", "2026-01-01")] {
        let error = between(from, until).unwrap_err();
        assert!(
            matches!(error, SelectionError::NothingBetween { .. }),
            "{error}"
        );
    }
}

#[test]
fn nothing_asked_for_is_everything() {
    let selection = resolved(&Wanted::default()).unwrap();
    assert!(selection.is_everything() && !selection.restricts("orders"));
    assert!(selection.of("orders", 3).unwrap().is_everything());
    assert_eq!(serde_json::to_string(&selection).unwrap(), "{}");
}

fn segment(min: Option<i64>, max: Option<i64>) -> SegmentEntry {
    SegmentEntry {
        member: "orders-0/00000000000000000010.log".to_owned(),
        topic: "orders".to_owned(),
        topic_id: TopicId([1; 16]),
        partition: 0,
        first_offset: 10,
        next_offset: 20,
        record_count: Some(10),
        batch_count: 1,
        min_timestamp_ms: min,
        max_timestamp_ms: max,
        leader_epochs: vec![EpochStart {
            epoch: 0,
            start_offset: 10,
        }],
        codecs: Vec::new(),
        raw_bytes: 100,
        largest_batch_bytes: 100,
        holes: Holes::default(),
        position: 0,
        length: 100,
        sha256: Sha256Hex::of(b"x"),
    }
}

#[test]
fn a_segment_is_left_out_only_where_the_index_proves_it() {
    let of = |from: Option<i64>, until: Option<i64>, end: Option<i64>| {
        let selection = RecordSelection {
            from,
            until,
            end,
            filters: None,
        };
        selection.of_segment(&segment(Some(50), Some(90)))
    };
    assert_eq!(of(None, None, None), Share::All);
    assert_eq!(of(Some(91), None, None), Share::None);
    assert_eq!(of(Some(90), None, None), Share::Some);
    assert_eq!(of(None, Some(91), None), Share::All);
    assert_eq!(of(None, Some(90), None), Share::Some);
    // 50 is the time of the first record of some batch: one behind it may be older
    assert_eq!(of(None, Some(50), None), Share::Some);
    assert_eq!(of(None, Some(10), None), Share::Some);
    assert_eq!(of(Some(10), None, None), Share::Some);
    assert_eq!(of(None, None, Some(10)), Share::None);
    assert_eq!(of(None, None, Some(11)), Share::Some);
    assert_eq!(of(None, None, Some(20)), Share::All);
    assert_eq!(of(Some(91), None, Some(20)), Share::None);
}

#[test]
fn a_segment_without_times_is_older_than_all_others() {
    let from = RecordSelection {
        from: Some(0),
        ..RecordSelection::default()
    };
    assert_eq!(from.of_segment(&segment(None, None)), Share::None);
    let until = RecordSelection {
        until: Some(0),
        ..RecordSelection::default()
    };
    assert_eq!(until.of_segment(&segment(None, None)), Share::All);
}
