use lifeboat_archive::{
    print::RecordPart,
    results::ChosenTopics,
    words::{OffsetRange, Timestamp},
};
use lifeboat_restore::{
    live::{ComparedPartition, DifferenceKind, Way},
    verify::{Damage, Unread},
};

use super::*;

fn topic(name: &str, way: Way, counts: Counts, first: &[Difference]) -> ComparedTopic {
    let partitions = (0..)
        .zip(first)
        .map(|(partition, first)| ComparedPartition {
            partition,
            counts,
            first: Some(first.clone()),
        });
    ComparedTopic {
        only: None,
        topic: name.to_owned(),
        target: None,
        way: Some(way),
        problem: None,
        notes: Vec::new(),
        counts,
        partitions: partitions.collect(),
    }
}

fn report(topics: Vec<ComparedTopic>) -> Report {
    let mut totals = Counts::default();
    for topic in &topics {
        totals += topic.counts;
    }
    Report {
        snapshot: "20261122T020000Z-k3fa".parse().unwrap(),
        bounds_at: Timestamp::from_millis(1_795_312_800_000),
        source_cluster_id: "NrI2".to_owned(),
        target_cluster_id: "8YcX".to_owned(),
        chosen: None,
        exact: false,
        started_at: Timestamp::from_millis(1_795_320_000_000),
        elapsed_ms: 192_000,
        totals,
        topics,
        damage: Vec::new(),
        unread: Vec::new(),
        result: Some("NrI2/results/x.json".to_owned()),
        result_not_stored: None,
    }
}

fn sound() -> Vec<ComparedTopic> {
    let orders = Counts {
        same: 1_940_000,
        newer: 12_345,
        no_longer_kept: 700,
        held_back: 3,
        ..Counts::default()
    };
    let prices = Counts {
        same: 8_100,
        newer: 20,
        ..Counts::default()
    };
    let mut orders = topic("orders", Way::Offset, orders, &[]);
    orders.notes = vec!["the cluster has 6 partitions, the snapshot 3".to_owned()];
    vec![orders, topic("prices", Way::LatestByKey, prices, &[])]
}

#[test]
fn what_is_the_same_says_what_else_there_is() {
    let mut report = report(sound());
    report.target_cluster_id = report.source_cluster_id.clone();
    assert_eq!(exit(&report), Exit::Ok);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_differs_names_the_first_place_of_each_partition_and_damage_stands_last() {
    let counts = Counts {
        same: 500,
        changed: 1,
        missing: 2_000,
        extra: 1,
        ..Counts::default()
    };
    let first = [
        Difference {
            kind: DifferenceKind::Changed,
            parts: vec![RecordPart::Value, RecordPart::Headers],
            source_offset: Some(4_123_456),
            target_offset: Some(123_456),
        },
        Difference {
            kind: DifferenceKind::Missing,
            parts: Vec::new(),
            source_offset: Some(77),
            target_offset: None,
        },
        Difference {
            kind: DifferenceKind::Extra,
            parts: Vec::new(),
            source_offset: None,
            target_offset: Some(9),
        },
    ];
    let mut topics = sound();
    topics.push(topic("payments", Way::Order, counts, &first));
    topics[2].target = Some("dr.payments".to_owned());
    let mut gone = topic("audit", Way::Order, Counts::default(), &[]);
    gone.way = None;
    gone.problem = Some("the cluster does not have it".to_owned());
    topics.push(gone);
    let mut report = report(topics);
    report.exact = true;
    report.chosen = Some(ChosenTopics {
        include: Vec::new(),
        exclude: vec!["*.tmp".to_owned()],
    });
    assert_eq!(exit(&report), Exit::Differs);
    report.result_not_stored = Some("can't write x: not allowed".to_owned());
    report.unread = vec![Unread {
        object: "orders-2".to_owned(),
        problem: "nothing came for 60s at orders-2 offset 7".to_owned(),
    }];
    report.damage = vec![Damage {
        object: "NrI2/data/2026-11-19/01JD3Z2Q0000000000000000AA.tar.zst".to_owned(),
        member: Some("orders-1/00000000000000000000.log".to_owned()),
        topic: Some("orders".to_owned()),
        partition: Some(1),
        offsets: Some(OffsetRange::new(3, 9)),
        what: "CRC32C of the batch does not match".to_owned(),
        also_used_by: Vec::new(),
    }];
    assert_eq!(exit(&report), Exit::Damaged);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_could_not_be_read_is_no_success() {
    let mut report = report(sound());
    report.unread = vec![Unread {
        object: "orders-2".to_owned(),
        problem: "nothing came".to_owned(),
    }];
    assert_eq!(exit(&report), Exit::Unverified);
    assert!(!render(&report, Paint::never()).contains("the same:"));
}
