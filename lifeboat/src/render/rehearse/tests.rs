use lifeboat_archive::words::Timestamp;
use lifeboat_restore::rehearse::{NotRemoved, RehearsedTopic};

use super::*;

fn report() -> Report {
    let topic = |name: &str| RehearsedTopic {
        topic: name.to_owned(),
        partitions: 24,
        records: 600_000_000,
        bytes: 106_000_000_000,
    };
    Report {
        snapshot: "20261122T020000Z-k3fa".parse().unwrap(),
        bounds_at: Timestamp::from_millis(1_795_312_800_000),
        source_cluster_id: "NrI2".to_owned(),
        target_cluster_id: "8YcX".to_owned(),
        prefix: "lifeboat-rehearsal-20261122T040000Z-abcd.".to_owned(),
        chosen: None,
        sample_percent: None,
        topics_in_all: 2,
        started_at: Timestamp::from_millis(1_795_320_000_000),
        elapsed_ms: 1_960_000,
        outcome: ProofOutcome::Ok,
        problems: Vec::new(),
        measured: Some(Measured {
            rto_ms: 1_840_000,
            rpo_ms: 7_200_000,
            records: 1_200_000_000,
            bytes: 212_000_000_000,
        }),
        topics: vec![topic("orders"), topic("payments")],
        kept: Vec::new(),
        not_removed: Vec::new(),
        left_behind: Vec::new(),
        result: Some("NrI2/results/x.json".to_owned()),
        result_not_stored: None,
    }
}

#[test]
fn what_was_proven_says_how_long_it_took_and_how_much_would_be_lost() {
    assert_eq!(exit(&report()), Exit::Ok);
    insta::assert_snapshot!(render(&report(), Paint::never()));
}

#[test]
fn a_sample_and_whatever_is_left_in_the_cluster_is_told() {
    let report = Report {
        sample_percent: Some(5),
        topics_in_all: 412,
        not_removed: vec![NotRemoved {
            topic: "lifeboat-rehearsal-20261122T040000Z-abcd.orders".to_owned(),
            problem: "not authorized: User:lifeboat lacks Delete on topic orders".to_owned(),
        }],
        left_behind: vec!["lifeboat-rehearsal-20261101T040000Z-dcba.audit".to_owned()],
        result_not_stored: Some("can't write x: not allowed".to_owned()),
        ..report()
    };
    assert_eq!(exit(&report), Exit::Partial);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_differs_stands_last_and_nothing_is_measured() {
    let report = Report {
        outcome: ProofOutcome::Differs,
        problems: vec![
            "1 of 36 partitions differ from the snapshot, the first is orders-3: it holds 4 records, 5 were restored"
                .to_owned(),
        ],
        measured: None,
        topics: Vec::new(),
        kept: vec!["lifeboat-rehearsal-20261122T040000Z-abcd.orders".to_owned()],
        ..report()
    };
    assert_eq!(exit(&report), Exit::Differs);
    insta::assert_snapshot!(render(&report, Paint::never()));
}
