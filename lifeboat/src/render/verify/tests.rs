use lifeboat_archive::{
    results::ChosenTopics,
    words::{OffsetRange, Timestamp},
};
use lifeboat_restore::verify::{Level, Unread};

use super::*;

fn report(damage: Vec<Damage>, unread: Vec<Unread>) -> Report {
    Report {
        snapshot: "20261122T020000Z-k3fa".parse().unwrap(),
        cluster_id: "NrI2".to_owned(),
        level: Level::Batches,
        subset: None,
        topics: None,
        started_at: Timestamp::from_millis(1_795_312_800_000),
        elapsed_ms: 920_000,
        topics_in_all: 412,
        topics_checked: 412,
        partitions: 3_980,
        archives: 8_120,
        archives_checked: 8_120,
        segments: 16_000,
        batches: 120_000_000,
        records: 0,
        bytes: 1_020_000_000_000,
        not_looked_at: vec!["the records inside of batches".to_owned()],
        damage,
        unread,
        unopened: Vec::new(),
        result: Some(
            "NrI2/results/20261122T020000Z-k3fa/20261122T180000.123Z-k3f9ab.json".to_owned(),
        ),
        result_not_stored: None,
    }
}

fn damage() -> Damage {
    Damage {
        object: "NrI2/data/2026-11-19/01JD3Z2Q0000000000000000AA.tar.zst".to_owned(),
        member: Some("events-4/00000000004411200000.log".to_owned()),
        topic: Some("events".to_owned()),
        partition: Some(4),
        offsets: Some(OffsetRange::new(4_411_203_118, 4_411_207_041)),
        what: "CRC32C of the batch does not match".to_owned(),
        also_used_by: vec![
            "20261121T020000Z-qxqa".parse().unwrap(),
            "20261120T020000Z-aaaa".parse().unwrap(),
        ],
    }
}

#[test]
fn a_sound_snapshot_says_how_much_was_read() {
    let report = report(Vec::new(), Vec::new());
    assert_eq!(exit(&report), Exit::Ok);
    insta::assert_snapshot!(render(&report, Paint::never()), @"
    20261122T020000Z-k3fa  8,120 archives, 16,000 segments, 1.02 TB checked in 15 m 20 s (1.11 GB/s), level batches

    sound: all of 120,000,000 batches
      not looked at: the records inside of batches
    ");
}

#[test]
fn a_part_of_some_topics_says_what_it_left_out_and_that_it_is_not_stored() {
    let report = Report {
        level: Level::Records,
        subset: Some("2/7".parse().unwrap()),
        topics: Some(ChosenTopics {
            include: vec!["orders*".to_owned()],
            exclude: vec!["*.tmp".to_owned()],
        }),
        topics_checked: 12,
        archives_checked: 1_160,
        records: 2_400_000_000,
        not_looked_at: vec![
            "400 of 412 topics".to_owned(),
            "6,960 of 8,120 archives".to_owned(),
        ],
        result: None,
        result_not_stored: Some("can't write NrI2/results/x.json: not allowed".to_owned()),
        ..report(Vec::new(), Vec::new())
    };
    assert_eq!(exit(&report), Exit::Ok);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn that_all_is_there_says_no_more_than_that() {
    let report = Report {
        level: Level::Objects,
        not_looked_at: vec!["what is inside of archives and documents".to_owned()],
        ..report(Vec::new(), Vec::new())
    };
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn damage_names_object_segment_and_offsets_and_stands_last() {
    let missing = Damage {
        object: "NrI2/metadata/20261122T020000Z-k3fa.tar.zst".to_owned(),
        member: None,
        topic: None,
        partition: None,
        offsets: None,
        what: "it is missing".to_owned(),
        also_used_by: Vec::new(),
    };
    let unread = Unread {
        object: "NrI2/data/2026-11-19/01JD3Z2Q0000000000000000AB.tar.zst".to_owned(),
        problem: "can't read it: Input/output error (os error 5)".to_owned(),
    };
    let report = report(vec![damage(), missing], vec![unread]);
    assert_eq!(exit(&report), Exit::Damaged);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_could_not_be_opened_is_no_success_and_it_is_said_what_was_verified() {
    let unopened = |n: u32| Unread {
        object: format!("NrI2/data/{n}.tar.zst.age"),
        problem: format!(
            "NrI2/data/{n}.tar.zst.age is encrypted to 2 recipients (X25519), and no identity was given that opens it"
        ),
    };
    let report = Report {
        unopened: (0..7).map(unopened).collect(),
        ..report(Vec::new(), Vec::new())
    };
    assert_eq!(exit(&report), Exit::Unverified);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_could_not_be_read_is_no_success() {
    let unread = Unread {
        object: "NrI2/data/x.tar.zst".to_owned(),
        problem: "can't read it: Input/output error (os error 5)".to_owned(),
    };
    let report = report(Vec::new(), vec![unread]);
    assert_eq!(exit(&report), Exit::Unverified);
    assert!(!render(&report, Paint::never()).contains("sound"));
}
