use lifeboat_archive::words::SnapshotId;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_320_000_000);

fn finding(kind: FindingKind, object: &str, problem: &str, topics: usize) -> Finding {
    let snapshot: SnapshotId = "20260823T020000Z-k3fa".parse().unwrap();
    Finding {
        kind,
        object: object.to_owned(),
        problem: problem.to_owned(),
        snapshots: vec![snapshot],
        topics: (0..topics).map(|n| format!("topic-{n}")).collect(),
    }
}

fn document(findings: Vec<Finding>, orphans: usize) -> CheckDocument {
    let orphan = |n: usize| Orphan {
        object: format!("NrI2/data/2026-08-23/{n:026}.tar.zst"),
        size: 1 << 20,
        modified: Timestamp::from_millis(NOW.as_millis() - 7_200_000),
    };
    CheckDocument {
        repository: "file:///backups".to_owned(),
        checked_at: NOW,
        clusters: vec![ClusterReport {
            cluster_id: "NrI2".to_owned(),
            commits: 3,
            objects: 42,
            bytes: 7_000_000_000,
            findings,
            orphans: (0..orphans).map(orphan).collect(),
            orphan_bytes: (orphans as u64) << 20,
            warnings: Vec::new(),
        }],
    }
}

#[test]
fn a_sound_repository_is_told_in_two_lines() {
    let document = document(Vec::new(), 0);
    assert_eq!(document.exit(), Exit::Ok);
    insta::assert_snapshot!(document.render(Paint::never()));
}

#[test]
fn what_is_wrong_is_told_with_what_needs_it_and_what_to_do() {
    let document = document(
        vec![
            finding(
                FindingKind::Missing,
                "NrI2/data/a.tar.zst",
                "it is not there",
                12,
            ),
            finding(
                FindingKind::Damaged,
                "NrI2/data/b.tar.zst",
                "it has 6 bytes instead of 7",
                1,
            ),
            finding(FindingKind::Unread, "NrI2/data/c.tar.zst", "denied", 0),
        ],
        12,
    );
    assert_eq!(document.exit(), Exit::Damaged);
    insta::assert_snapshot!(document.render(Paint::never()));
}

#[test]
fn what_is_not_known_is_no_damage_and_not_sound_either() {
    let of = |kind| document(vec![finding(kind, "x", "y", 0)], 0).exit();
    assert_eq!(of(FindingKind::Unread), Exit::Unverified);
    assert_eq!(of(FindingKind::TooNew), Exit::TooNew);
    assert_eq!(document(Vec::new(), 1).exit(), Exit::Ok);
}
