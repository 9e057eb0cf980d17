use lifeboat_archive::{
    json::Sha256Hex,
    lists::ObjectReference,
    manifest::{SnapshotKind, Totals},
    results::{Level, ProofCounts, ProofKind, ProofOutcome, ProofResult},
    words::SnapshotId,
};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_320_000_000);

fn commit(sequence: u64, days: i64, state: SnapshotState) -> CatalogEntry {
    let at = Timestamp::from_millis(NOW.as_millis() - days * 86_400_000 - 7_200_000);
    let snapshot: SnapshotId = format!(
        "{}-k3f{}",
        at.compact(),
        char::from(b'a' + u8::try_from(sequence).unwrap())
    )
    .parse()
    .unwrap();
    CatalogEntry::Committed(Commit {
        sequence,
        follows: None,
        manifest: ObjectReference {
            object: format!("NrI2/manifests/{snapshot}.json.zst"),
            size: 1_234,
            sha256: Sha256Hex::of(b""),
        },
        snapshot,
        cluster_id: "NrI2".to_owned(),
        kind: SnapshotKind::Full,
        state,
        started_at: at,
        bounds_at: at,
        committed_at: at,
        totals: Totals {
            topics: 412,
            partitions: 3_980,
            records: 9_210_000_000 + sequence,
            raw_bytes: 1_020_000_000_000,
            ..Totals::default()
        },
    })
}

fn document(entries: Vec<CatalogEntry>) -> SnapshotsDocument {
    let catalog = Catalog {
        cluster: "NrI2".to_owned(),
        entries,
    };
    SnapshotsDocument::new("file:///backups", catalog)
}

#[test]
fn the_newest_snapshot_stands_first() {
    let document = document(vec![
        commit(1, 7, SnapshotState::Complete),
        commit(2, 1, SnapshotState::Partial),
        commit(3, 0, SnapshotState::Complete),
    ]);
    assert_eq!(document.exit(), Exit::Ok);
    insta::assert_snapshot!(document.render(NOW, Paint::never()));
}

#[test]
fn damaged_and_newer_commits_are_listed_in_their_place_and_last() {
    let document = document(vec![
        commit(1, 7, SnapshotState::Complete),
        CatalogEntry::Damaged {
            sequence: 2,
            object: "NrI2/commits/00000000000000000002.json".to_owned(),
            reason: "lifeboat.commit: the sha256 at its end does not match its content".to_owned(),
        },
        commit(3, 0, SnapshotState::Complete),
        CatalogEntry::TooNew {
            sequence: 4,
            object: "NrI2/commits/00000000000000000004.json".to_owned(),
            found: 2,
            known: 1,
        },
    ]);
    assert_eq!(document.exit(), Exit::Damaged);
    insta::assert_snapshot!(document.render(NOW, Paint::never()));
}

fn proven(hours_ago: i64, with: impl FnOnce(&mut ProofResult)) -> ProofResult {
    let at = Timestamp::from_millis(NOW.as_millis() - hours_ago * 3_600_000);
    let mut result = ProofResult {
        snapshot: "20261122T020000Z-k3fd".parse().unwrap(),
        cluster_id: "NrI2".to_owned(),
        kind: ProofKind::Verify,
        outcome: ProofOutcome::Ok,
        level: Some(Level::Batches),
        subset: None,
        topics: None,
        sample_percent: None,
        started_at: at,
        finished_at: at,
        counts: ProofCounts::default(),
        target_cluster_id: None,
        measured: None,
        created_by: "lifeboat test".to_owned(),
    };
    with(&mut result);
    result
}

#[test]
fn what_was_proven_of_each_stands_last_and_what_can_not_be_read_below() {
    let document = document(
        (1..=7)
            .map(|n| commit(n, 7 - i64::try_from(n).unwrap(), SnapshotState::Complete))
            .collect(),
    );
    let mut results = Results::default();
    let of = [
        proven(3, |result| result.subset = "1/7".parse().ok()),
        proven(22, |_| {}),
        proven(5, |result| result.outcome = ProofOutcome::Damaged),
        proven(40, |result| {
            result.kind = ProofKind::Rehearse;
            result.level = None;
        }),
        proven(2, |result| {
            result.kind = ProofKind::Rehearse;
            result.outcome = ProofOutcome::Differs;
        }),
        proven(2, |result| result.outcome = ProofOutcome::Incomplete),
    ];
    for (commit, result) in document.snapshots.iter().zip(of) {
        results
            .by_snapshot
            .insert(commit.snapshot.clone(), vec![result]);
    }
    results.unreadable.push(UnreadableResult {
        object: "NrI2/results/20261122T020000Z-k3fd/20261122T040000.000Z-k3f9ab.json".to_owned(),
        problem: "lifeboat.result: the sha256 at its end does not match its content".to_owned(),
    });
    let document = document.with_results(Ok(results));
    assert_eq!(document.exit(), Exit::Ok);
    insta::assert_snapshot!(document.render(NOW, Paint::never()));
}

#[test]
fn where_results_can_not_be_listed_the_snapshots_are_and_it_is_said() {
    let document = document(vec![commit(1, 0, SnapshotState::Complete)]);
    let why = "can't list NrI2/results: not allowed".to_owned();
    let document = document.with_results(Err(why));
    assert_eq!(document.exit(), Exit::Ok);
    insta::assert_snapshot!(document.render(NOW, Paint::never()));
}

#[test]
fn r27_what_is_not_as_kafka_stores_it_is_told() {
    let mut repacked = commit(1, 0, SnapshotState::Complete);
    if let CatalogEntry::Committed(commit) = &mut repacked {
        commit.totals.repacked_bytes = 7;
    }
    let shown = document(vec![repacked]).render(NOW, Paint::never());
    assert!(shown.contains("full, repacked"), "{shown}");
}

#[test]
fn an_empty_repository_says_what_to_do() {
    let document = document(Vec::new());
    assert_eq!(document.exit(), Exit::Ok);
    insta::assert_snapshot!(document.render(NOW, Paint::never()), @"
    no snapshots yet in file:///backups
      hint: take one with `lifeboat backup`
    ");
}

#[test]
fn the_json_document_is_stable() {
    let document = document(vec![commit(1, 0, SnapshotState::Complete)]);
    let json = String::from_utf8(lifeboat_archive::json::to_vec_pretty(&document)).unwrap();
    insta::assert_snapshot!(json);
}
