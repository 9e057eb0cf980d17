//! What a copy did, or would do.

use lifeboat_archive::words::ByteSize;
use lifeboat_repository::copy::{
    ClusterReport, CopyState, Finding, FindingKind, Report, Side, SnapshotReport,
};

use super::{Paint, Table, backup::duration, grouped, plural, safe};
use crate::exit::Exit;

/// So many names are shown of a long list.
const SHOWN: usize = 10;

/// Damage is worse than what can't be copied for another reason.
pub(crate) fn exit(report: &Report) -> Exit {
    let has = |wanted: &[FindingKind]| {
        let clusters = report.clusters.iter();
        let mut findings = clusters.flat_map(|cluster| &cluster.findings);
        findings.any(|finding| wanted.contains(&finding.kind))
    };
    if has(&[FindingKind::Missing, FindingKind::Damaged]) {
        Exit::Damaged
    } else if has(&[FindingKind::Conflict]) {
        Exit::Error
    } else if has(&[FindingKind::TooNew]) {
        Exit::TooNew
    } else {
        Exit::Ok
    }
}

/// For people.
pub(crate) fn render(report: &Report, paint: Paint) -> String {
    let mut text = format!("from  {}\nto    {}\n", report.from, report.to);
    for cluster in &report.clusters {
        text.push_str(&snapshots(cluster, paint));
    }
    if report.verified_objects > 0 {
        text.push_str(&format!(
            "\nread again there: {}, {}\n",
            plural(report.verified_objects, "object"),
            ByteSize(report.verified_bytes)
        ));
    }
    text.push_str(&format!("\n{}\n", summary(report, paint)));
    // what is wrong stands last
    for cluster in &report.clusters {
        text.push_str(&findings(cluster, paint));
    }
    text
}

/// What has changed, snapshot by snapshot; those that were there, and are as they were, are only counted.
fn snapshots(cluster: &ClusterReport, paint: Paint) -> String {
    let (there, changed): (Vec<_>, Vec<_>) = cluster
        .snapshots
        .iter()
        .partition(|one| one.state == CopyState::Present);
    let mut text = format!("\ncluster {}\n", safe(&cluster.cluster_id));
    if !changed.is_empty() {
        let mut table = Table::new(&["  SNAPSHOT", "KIND", ">OBJECTS", ">BYTES", "STATE"]);
        for one in changed {
            table.row(row(one, paint));
        }
        text.push_str(&table.render());
    }
    if !there.is_empty() {
        let count = plural(there.len() as u64, "snapshot");
        text.push_str(&format!("  {count} there already\n"));
    }
    if cluster.snapshots.is_empty() {
        text.push_str("  no snapshot to copy\n");
    }
    text
}

fn row(one: &SnapshotReport, paint: Paint) -> [String; 5] {
    let state = one.state.to_string();
    [
        format!("  {}", one.snapshot),
        one.kind.to_string(),
        grouped(i64::try_from(one.objects).unwrap_or(i64::MAX)),
        ByteSize(one.bytes).to_string(),
        match one.state {
            CopyState::Copied | CopyState::Repaired => paint.good(&state),
            CopyState::Pending | CopyState::Present => state,
            CopyState::Damaged | CopyState::NotCopied => paint.bad(&state),
        },
    ]
}

fn summary(report: &Report, paint: Paint) -> String {
    let snapshots = report.clusters.iter();
    let snapshots = snapshots.flat_map(|cluster| &cluster.snapshots);
    let count = |wanted: &[CopyState]| {
        let found = snapshots.clone().filter(|one| wanted.contains(&one.state));
        plural(found.count() as u64, "snapshot")
    };
    let moved = format!(
        "{}, {}",
        plural(report.objects, "object"),
        ByteSize(report.bytes)
    );
    if report.dry_run {
        let pending = count(&[CopyState::Pending]);
        return format!("nothing was copied; to be copied: {pending}, {moved}");
    }
    let done = count(&[CopyState::Copied, CopyState::Repaired]);
    if report.objects == 0 && done.starts_with("0 ") {
        return "nothing to copy".to_owned();
    }
    let rate = report.bytes.saturating_mul(1_000) / report.elapsed_ms.max(1);
    format!(
        "{} {done}, {moved} in {} ({}/s)",
        paint.good("copied"),
        duration(report.elapsed_ms),
        ByteSize(rate)
    )
}

fn findings(cluster: &ClusterReport, paint: Paint) -> String {
    let mut text = String::new();
    for side in [Side::Source, Side::Target] {
        for (kind, heading) in [
            (FindingKind::Missing, "MISSING"),
            (FindingKind::Damaged, "DAMAGED"),
            (FindingKind::Conflict, "NOT COMMITTED"),
            (FindingKind::TooNew, "TOO NEW"),
        ] {
            let found = cluster.findings.iter();
            let found: Vec<_> = found
                .filter(|finding| (finding.side, finding.kind) == (side, kind))
                .collect();
            if found.is_empty() {
                continue;
            }
            let heading = format!(
                "{heading} in the {side}: {}",
                plural(found.len() as u64, "object")
            );
            text.push_str(&format!("\n{}\n", paint.bad(&heading)));
            for finding in found {
                text.push_str(&finding_lines(finding));
            }
            text.push_str(&format!("  hint: {}\n", hint(side, kind)));
        }
    }
    text
}

fn finding_lines(finding: &Finding) -> String {
    let mut text = format!("  {}: {}\n", safe(&finding.object), safe(&finding.problem));
    let names = finding.snapshots.iter();
    let mut names: Vec<_> = names.take(SHOWN).map(ToString::to_string).collect();
    if finding.snapshots.len() > SHOWN {
        names.push(format!("and {} more", finding.snapshots.len() - SHOWN));
    }
    if !names.is_empty() {
        let who = match finding.kind {
            FindingKind::Conflict => "concerns",
            _ => "needed by",
        };
        text.push_str(&format!("    {who} {}\n", names.join(", ")));
    }
    text
}

fn hint(side: Side, kind: FindingKind) -> &'static str {
    match (side, kind) {
        (_, FindingKind::TooNew) => "use the newest lifeboat",
        (_, FindingKind::Conflict) => {
            "find out which of the two is right; nothing that is stored is ever overwritten"
        }
        (Side::Source, _) => {
            "put the objects back from another copy of the repository and run it again; `lifeboat verify` tells what of a \
             snapshot is lost"
        }
        (Side::Target, FindingKind::Missing) => "run it again with --verify-existing",
        (Side::Target, _) => {
            "nothing is ever overwritten: move these objects away there, and run it again with --verify-existing"
        }
    }
}

#[cfg(test)]
mod tests;
