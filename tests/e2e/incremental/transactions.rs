//! Transactions that a snapshot cuts in two, or does not.

use std::{thread, time::Instant};

use lifeboat_tests::{Bulk, Fidelity, ReadOptions};

use super::{DEADLINE, shown_partitions, told};
use crate::lifeboat::Scene;

/// Whether the newest snapshot ends inside of a transaction.
fn has_open_transactions(scene: &Scene) -> bool {
    shown_partitions(scene, |_| true)
        .iter()
        .any(|it| it["last_stable_offset"].as_i64() < it["high_watermark"].as_i64())
}

#[test]
fn r14_transactions_that_snapshots_cut_in_two_come_back_whole() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    // committed, aborted and left open ones, in every kind of topic
    let wanted = Fidelity {
        compaction: false,
        ..Fidelity::default()
    };
    let filled = workload.fidelity(&wanted).unwrap();
    scene.snapshot(&[]);
    assert!(has_open_transactions(&scene));
    // those that were open are aborted, and new ones of the same producers follow
    workload.settle(&filled.open_transactions).unwrap();
    let load = Bulk {
        partitions: 3,
        records: 20_000,
        records_per_transaction: 700,
        abort_every: 3,
        batch_bytes: 1_000,
        ..Bulk::orders("orders")
    };
    let written = workload.bulk(&load).unwrap();
    assert!(written.aborted > 0);
    let second = scene.snapshot(&[]);
    assert_eq!(second["commit"]["kind"], "incremental");
    assert!(!has_open_transactions(&scene));
    assert_eq!(scene.differences(), Vec::<String>::new());
}

#[test]
fn r15_a_snapshot_taken_in_mid_stream_holds_each_transaction_as_a_whole_or_not_at_all() {
    const IN_ONE: u64 = 20_000;
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    let load = Bulk {
        partitions: 3,
        records: 50 * IN_ONE,
        records_per_transaction: u32::try_from(IN_ONE).unwrap(),
        ..Bulk::orders("orders")
    };
    let writer = thread::spawn(move || workload.bulk(&load).unwrap());
    let deadline = Instant::now() + DEADLINE;
    let mut cut = 0;
    while cut < 3 && !writer.is_finished() {
        assert!(Instant::now() < deadline, "{cut} cut");
        // not there yet, or nothing in it
        let run = scene.try_snapshot(&[]);
        if run.code != Some(0) || !has_open_transactions(&scene) {
            continue;
        }
        cut += 1;
        let restored = scene.restored().read(&ReadOptions::default()).unwrap();
        assert_eq!(
            restored.records() % IN_ONE,
            0,
            "half a transaction is there"
        );
    }
    assert!(cut > 0, "no snapshot was taken in mid-transaction");
    let written = writer.join().unwrap();
    scene.snapshot(&[]);
    let restored = scene.restored().read(&ReadOptions::default()).unwrap();
    assert_eq!(restored.records(), written.records);
}

/// Shorter than the time between two looks at their coordinator.
#[test]
fn r15_transactions_that_come_and_go_unseen_are_there_as_a_whole_or_told() {
    const IN_ONE: u64 = 12;
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    let load = Bulk {
        partitions: 3,
        records: 10_000 * IN_ONE,
        records_per_transaction: u32::try_from(IN_ONE).unwrap(),
        ..Bulk::orders("orders")
    };
    let writer = thread::spawn(move || workload.bulk(&load).unwrap());
    let deadline = Instant::now() + DEADLINE;
    let mut snapshots = 0;
    while snapshots < 3 && !writer.is_finished() {
        assert!(Instant::now() < deadline, "{snapshots} snapshots");
        let run = scene.try_snapshot(&[]);
        // not there yet, or nothing in it
        if run.code != Some(0) || shown_partitions(&scene, |_| true).is_empty() {
            continue;
        }
        snapshots += 1;
        let report = run.json().unwrap();
        let restored = scene.restored().read(&ReadOptions::default()).unwrap();
        let undecided = told(&report, "transactions");
        assert!(
            restored.records().is_multiple_of(IN_ONE) || !undecided.is_empty(),
            "{} records: half a transaction is there",
            restored.records()
        );
    }
    assert!(snapshots > 0, "no snapshot was taken between transactions");
    let written = writer.join().unwrap();
    scene.snapshot(&[]);
    let restored = scene.restored().read(&ReadOptions::default()).unwrap();
    assert_eq!(restored.records(), written.records);
}
