use lifeboat_agent::backup::PartitionGap;
use lifeboat_archive::{
    json::Sha256Hex,
    lists::ObjectReference,
    manifest::{Commit, Gap, Problem, SnapshotKind, SnapshotState, Totals},
    words::{OffsetRange, Timestamp},
};

use super::*;

fn report(state: SnapshotState, gaps: Vec<PartitionGap>, problems: Vec<Problem>) -> Report {
    let at = Timestamp::from_millis(1_795_312_800_000);
    Report {
        commit: Commit {
            sequence: 4,
            follows: None,
            snapshot: "20261122T020000Z-k3fa".parse().unwrap(),
            cluster_id: "NrI2qCTxevO5IomtUq8w-_".to_owned(),
            kind: SnapshotKind::Full,
            state,
            started_at: at,
            bounds_at: at,
            committed_at: at,
            manifest: ObjectReference {
                object: "NrI2/manifests/x.json.zst".to_owned(),
                size: 1_234,
                sha256: Sha256Hex::of(b""),
            },
            totals: Totals {
                topics: 412,
                partitions: 3_980,
                records: 118_400_000,
                batches: 1_200_000,
                repacked_bytes: 0,
                raw_bytes: 52_000_000_000,
                read_bytes: 52_000_000_000,
                stored_bytes: 14_900_000_000,
                archives: 120,
                groups: 86,
                configs: Some(9),
                acls: Some(1),
                quotas: None,
                gaps: gaps.len() as u64,
            },
        },
        elapsed_ms: 114_000,
        rpo_ms: 126_000,
        bytes_per_second: 468_000_000,
        topics_left_out: 3,
        topics_unchanged: 0,
        builds_on: None,
        encrypted_to: Vec::new(),
        users: lifeboat_agent::backup::UsersReport {
            users: 2,
            credentials: 3,
            exact: 3,
            source: Some("controllers".to_owned()),
        },
        gaps,
        problems,
    }
}

fn gap(partition: i32, reason: GapReason) -> PartitionGap {
    PartitionGap {
        topic: "audit".to_owned(),
        partition,
        gap: Gap {
            range: OffsetRange::new(88_120_003, 88_241_000),
            reason,
        },
    }
}

#[test]
fn a_complete_backup_is_summed_up() {
    let report = report(SnapshotState::Complete, Vec::new(), Vec::new());
    insta::assert_snapshot!(render(&report, Paint::never()), @"
    committed 20261122T020000Z-k3fa in 1 m 54 s

      cluster   NrI2qCTxevO5IomtUq8w-_
      topics    412 in 3,980 partitions, 3 left out by --topics or --exclude
      records   118 M in 1.20 M batches
      kind      full
      bytes     52.0 GB read at 468 MB/s, 14.9 GB stored in 120 archives
      groups    86
      besides   1 ACL, no quotas (not saved), 9 settings
      users     2, 3 credentials sealed (from the controllers)
      rpo       2 m 06 s at commit
    ");
}

#[test]
fn a_partial_backup_ends_with_what_is_missing_and_what_to_do() {
    let problems = vec![
        Problem {
            subject: "group billing".to_owned(),
            problem: "its offset of orders-1 is beyond the data".to_owned(),
            partial: false,
        },
        Problem {
            subject: "topic payments-raw".to_owned(),
            problem: "User:lifeboat may not read it".to_owned(),
            partial: true,
        },
    ];
    let gaps = vec![
        gap(2, GapReason::DeletedBeforeRead),
        gap(3, GapReason::Unavailable),
    ];
    let report = report(SnapshotState::Partial, gaps, problems);
    insta::assert_snapshot!(render(&report, Paint::never()));
}

#[test]
fn thousands_of_gaps_do_not_push_the_summary_off_the_screen() {
    let gaps = (0..1_000)
        .map(|partition| gap(partition, GapReason::Truncated))
        .collect();
    let text = render(
        &report(SnapshotState::Partial, gaps, Vec::new()),
        Paint::never(),
    );
    assert!(text.lines().count() < 35, "{text}");
    assert!(text.contains("(980 more: `lifeboat show 20261122T020000Z-k3fa --gaps`)"));
}

#[test]
fn an_incremental_backup_tells_what_it_builds_on_and_what_was_read() {
    let mut report = report(SnapshotState::Complete, Vec::new(), Vec::new());
    report.commit.kind = SnapshotKind::Incremental;
    report.commit.totals.read_bytes = 1_300_000_000;
    report.commit.totals.stored_bytes = 410_000_000;
    report.commit.totals.archives = 4;
    report.builds_on = Some("20261121T020000Z-a2b3".parse().unwrap());
    report.topics_unchanged = 371;
    let text = render(&report, Paint::never());
    let lines = text
        .lines()
        .filter(|line| line.contains("kind") || line.contains("bytes"));
    let lines: Vec<_> = lines.collect();
    insta::assert_snapshot!(lines.join("\n"), @"
      kind      incremental on 20261121T020000Z-a2b3, 371 of 412 topics unchanged
      bytes     52.0 GB, of which 1.30 GB read at 468 MB/s, 410 MB stored in 4 archives
    ");
}
