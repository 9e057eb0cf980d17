//! What a check of the repository found.

use lifeboat_archive::{
    json::Document,
    words::{ByteSize, Timestamp},
};
use lifeboat_repository::check::{ClusterReport, Finding, FindingKind, Orphan};
use serde::{Deserialize, Serialize};

use super::{Paint, ago, plural, safe};
use crate::exit::Exit;

/// What to do about objects that are missing or damaged.
const PUT_BACK: &str = "put the objects back from a copy of the repository; snapshots that do not need them are not affected";
/// So many names are shown of a long list.
const SHOWN: usize = 10;

/// What `lifeboat check` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckDocument {
    /// The repository's address.
    pub(crate) repository: String,
    /// When it was checked.
    pub(crate) checked_at: Timestamp,
    /// What was found of each cluster.
    pub(crate) clusters: Vec<ClusterReport>,
}

impl Document for CheckDocument {
    const FORMAT: &'static str = "lifeboat.check";
}

impl CheckDocument {
    /// What is known to be wrong is worse than what is not known.
    pub(crate) fn exit(&self) -> Exit {
        let has = |wanted: &[FindingKind]| {
            let findings = self.clusters.iter().flat_map(|cluster| &cluster.findings);
            findings
                .into_iter()
                .any(|finding| wanted.contains(&finding.kind))
        };
        if has(&[FindingKind::Missing, FindingKind::Damaged]) {
            Exit::Damaged
        } else if has(&[FindingKind::Unread]) {
            Exit::Unverified
        } else if has(&[FindingKind::TooNew]) {
            Exit::TooNew
        } else {
            Exit::Ok
        }
    }

    /// For people.
    pub(crate) fn render(&self, paint: Paint) -> String {
        if self.clusters.is_empty() {
            return format!("no snapshots yet in {}\n", self.repository);
        }
        let clusters = self.clusters.iter();
        let texts: Vec<_> = clusters
            .map(|cluster| self.render_cluster(cluster, paint))
            .collect();
        texts.join("\n")
    }

    fn render_cluster(&self, cluster: &ClusterReport, paint: Paint) -> String {
        let mut text = format!(
            "cluster {}: {}, {}, {}\n",
            cluster.cluster_id,
            plural(cluster.commits, "snapshot"),
            plural(cluster.objects, "object"),
            ByteSize(cluster.bytes),
        );
        for (kind, heading, hint) in [
            (FindingKind::Missing, "MISSING", PUT_BACK),
            (FindingKind::Damaged, "DAMAGED", PUT_BACK),
            (
                FindingKind::Unread,
                "NOT CHECKED",
                "nothing is known of these; mend the cause and check again",
            ),
            (FindingKind::TooNew, "TOO NEW", "use the newest lifeboat"),
        ] {
            let found = cluster.findings.iter();
            let found: Vec<_> = found.filter(|finding| finding.kind == kind).collect();
            if found.is_empty() {
                continue;
            }
            let heading = format!("{heading}: {}", plural(found.len() as u64, "object"));
            text.push_str(&format!("\n{}\n", paint.bad(&heading)));
            for finding in found {
                text.push_str(&finding_lines(finding));
            }
            text.push_str(&format!("  hint: {hint}\n"));
        }
        if cluster.findings.is_empty() {
            let verdict = paint.good("everything is there");
            text.push_str(&format!(
                "{verdict}, with the right size; `lifeboat verify` reads what is inside\n"
            ));
        }
        for warning in cluster.warnings.iter().take(SHOWN) {
            text.push_str(&format!("warning: {}\n", safe(warning)));
        }
        if cluster.warnings.len() > SHOWN {
            let more = cluster.warnings.len() - SHOWN;
            text.push_str(&format!("  and {more} more: --json lists all\n"));
        }
        text.push_str(&self.orphan_lines(cluster));
        text
    }

    fn orphan_lines(&self, cluster: &ClusterReport) -> String {
        let newest = cluster.orphans.iter().map(|orphan| orphan.modified).max();
        let Some(newest) = newest else {
            return String::new();
        };
        let mut text = format!(
            "\npart of no snapshot: {}, {}, the newest written {}\n",
            plural(cluster.orphans.len() as u64, "object"),
            ByteSize(cluster.orphan_bytes),
            ago(self.checked_at.millis_since(newest)),
        );
        for Orphan { object, size, .. } in cluster.orphans.iter().take(SHOWN) {
            text.push_str(&format!("  {}  {}\n", safe(object), ByteSize(*size)));
        }
        if cluster.orphans.len() > SHOWN {
            let more = cluster.orphans.len() - SHOWN;
            text.push_str(&format!("  and {more} more: --json lists all\n"));
        }
        let why = if cluster.findings.is_empty() {
            "left by runs that did not finish, or of one that is under way"
        } else {
            "some may belong to what is damaged: leave them until that is mended"
        };
        text.push_str(&format!("  hint: {why}\n"));
        text
    }
}

fn finding_lines(finding: &Finding) -> String {
    let mut text = format!("  {}: {}\n", safe(&finding.object), safe(&finding.problem));
    for (word, names) in [
        (
            "needed by",
            finding.snapshots.iter().map(ToString::to_string).collect(),
        ),
        ("topics", finding.topics.clone()),
    ] {
        let names: Vec<String> = names;
        if names.is_empty() {
            continue;
        }
        let mut shown: Vec<_> = names.iter().take(SHOWN).map(|name| safe(name)).collect();
        if names.len() > SHOWN {
            shown.push(format!("and {} more", names.len() - SHOWN));
        }
        text.push_str(&format!("    {word} {}\n", shown.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests;
