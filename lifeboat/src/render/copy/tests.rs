use lifeboat_archive::{
    json,
    manifest::SnapshotKind,
    words::{SnapshotId, Timestamp},
};

use super::*;

fn id(n: u32) -> SnapshotId {
    format!("2026082{n}T020000Z-k3fa").parse().unwrap()
}

fn snapshot(n: u32, state: CopyState, objects: u64) -> SnapshotReport {
    SnapshotReport {
        snapshot: id(n),
        kind: if n == 1 {
            SnapshotKind::Full
        } else {
            SnapshotKind::Incremental
        },
        bounds_at: Timestamp::from_millis(1_795_320_000_000),
        state,
        sequence: (state == CopyState::Copied).then_some(n.into()),
        objects,
        bytes: objects * 40_000_000,
    }
}

fn report(snapshots: Vec<SnapshotReport>, findings: Vec<Finding>) -> Report {
    Report {
        from: "file:///backups".to_owned(),
        to: "s3://second-site/prod".to_owned(),
        dry_run: false,
        started_at: Timestamp::from_millis(1_795_320_000_000),
        elapsed_ms: 12_500,
        objects: snapshots.iter().map(|one| one.objects).sum(),
        bytes: snapshots.iter().map(|one| one.bytes).sum(),
        verified_objects: 0,
        verified_bytes: 0,
        clusters: vec![ClusterReport {
            cluster_id: "NrI2".to_owned(),
            snapshots,
            findings,
        }],
    }
}

fn finding(side: Side, kind: FindingKind, object: &str, problem: &str) -> Finding {
    Finding {
        kind,
        side,
        object: object.to_owned(),
        problem: problem.to_owned(),
        snapshots: vec![id(3), id(2)],
    }
}

#[test]
fn what_was_copied_is_told_snapshot_by_snapshot_and_summed_up() {
    let mut report = report(
        vec![
            snapshot(3, CopyState::Copied, 1_204),
            snapshot(2, CopyState::Copied, 4),
            snapshot(1, CopyState::Present, 0),
        ],
        Vec::new(),
    );
    assert_eq!(exit(&report), Exit::Ok);
    let done = render(&report, Paint::never());
    report.dry_run = true;
    report.clusters[0].snapshots[0].state = CopyState::Pending;
    let told = render(&report, Paint::never());
    insta::assert_snapshot!(format!("{done}\n---\n{told}"));
}

#[test]
fn a_second_copy_says_that_there_is_nothing_to_do() {
    let report = report(vec![snapshot(1, CopyState::Present, 0)], Vec::new());
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn what_could_not_be_copied_stands_last_with_what_to_do() {
    let report = report(
        vec![
            snapshot(4, CopyState::Copied, 12),
            snapshot(3, CopyState::NotCopied, 2),
            snapshot(2, CopyState::NotCopied, 0),
            snapshot(1, CopyState::Repaired, 1),
        ],
        vec![
            finding(
                Side::Source,
                FindingKind::Damaged,
                "NrI2/data/a.tar.zst",
                "its XXH3-128 does not match what was written",
            ),
            finding(
                Side::Target,
                FindingKind::Damaged,
                "NrI2/data/b.tar.zst",
                "it has 6 bytes instead of 7",
            ),
            finding(
                Side::Target,
                FindingKind::Conflict,
                "NrI2/commits/00000000000000000002.json",
                "it is of another snapshot with the same name",
            ),
        ],
    );
    assert_eq!(exit(&report), Exit::Damaged);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn the_json_document_is_stable() {
    let report = report(
        vec![snapshot(2, CopyState::Copied, 4)],
        vec![finding(
            Side::Source,
            FindingKind::Missing,
            "NrI2/data/a.tar.zst",
            "it is not there",
        )],
    );
    let text = String::from_utf8(json::to_vec_pretty(&report)).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn damage_conflicts_and_newer_formats_have_exit_codes_of_their_own() {
    let code = |kinds: &[FindingKind]| {
        let findings = kinds.iter();
        let findings = findings.map(|kind| finding(Side::Source, *kind, "x", "y"));
        exit(&report(Vec::new(), findings.collect())).code()
    };
    assert_eq!(code(&[]), 0);
    assert_eq!(code(&[FindingKind::TooNew]), 14);
    assert_eq!(code(&[FindingKind::TooNew, FindingKind::Conflict]), 1);
    assert_eq!(code(&[FindingKind::Conflict, FindingKind::Missing]), 20);
    assert_eq!(code(&[FindingKind::Damaged]), 20);
}
