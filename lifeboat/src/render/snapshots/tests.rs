use lifeboat_archive::{
    json::Sha256Hex,
    lists::ObjectReference,
    manifest::{SnapshotKind, Totals},
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
