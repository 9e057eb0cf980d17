//! The list of a cluster's snapshots.

use std::collections::BTreeMap;

use lifeboat_archive::{
    json::Document,
    manifest::{Commit, SnapshotState},
    words::{ByteSize, HumanCount, SnapshotId, Timestamp},
};
use lifeboat_repository::{Catalog, CatalogEntry, Results, Standing, UnreadableResult};
use serde::{Deserialize, Serialize};

use super::{
    Paint, Table, age, ago, plural,
    results::{results_trouble, standing_cell},
};
use crate::exit::Exit;

/// What `lifeboat snapshots` prints.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SnapshotsDocument {
    /// The repository's address.
    pub(crate) repository: String,
    /// The cluster; absent in a repository that holds none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_id: Option<String>,
    /// The snapshots, the newest first.
    pub(crate) snapshots: Vec<Commit>,
    /// Commits that can't be read any more.
    pub(crate) damaged: Vec<DamagedCommit>,
    /// Commits of a newer program.
    pub(crate) too_new: Vec<NewerCommit>,
    /// How the snapshots stand of which anything was verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) verified: BTreeMap<SnapshotId, Standing>,
    /// Results that count for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable_results: Vec<UnreadableResult>,
    /// Why it is not known what was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) results_unknown: Option<String>,
}

impl Document for SnapshotsDocument {
    const FORMAT: &'static str = "lifeboat.snapshots";
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DamagedCommit {
    pub(crate) sequence: u64,
    pub(crate) object: String,
    pub(crate) reason: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewerCommit {
    pub(crate) sequence: u64,
    pub(crate) object: String,
    pub(crate) version: u32,
}

/// What is not as Kafka stores it, byte by byte, is told beside the kind.
fn kind_cell(commit: &Commit) -> String {
    match commit.totals.repacked_bytes {
        0 => commit.kind.to_string(),
        _ => format!("{}, repacked", commit.kind),
    }
}

impl SnapshotsDocument {
    /// The list of `catalog`.
    pub(crate) fn new(repository: &str, catalog: Catalog) -> Self {
        let mut document = Self {
            repository: repository.to_owned(),
            cluster_id: Some(catalog.cluster),
            ..Self::default()
        };
        for entry in catalog.entries.into_iter().rev() {
            match entry {
                CatalogEntry::Committed(commit) => document.snapshots.push(commit),
                CatalogEntry::Damaged {
                    sequence,
                    object,
                    reason,
                } => document.damaged.push(DamagedCommit {
                    sequence,
                    object,
                    reason,
                }),
                CatalogEntry::TooNew {
                    sequence,
                    object,
                    found,
                    ..
                } => document.too_new.push(NewerCommit {
                    sequence,
                    object,
                    version: found,
                }),
            }
        }
        document
    }

    /// With what was proven of them; `Err`: why that is not known, which is no reason to show nothing.
    pub(crate) fn with_results(mut self, results: Result<Results, String>) -> Self {
        match results {
            Err(why) => self.results_unknown = Some(why),
            Ok(results) => {
                for commit in &self.snapshots {
                    if let Some(standing) = results.standing(&commit.snapshot) {
                        self.verified.insert(commit.snapshot.clone(), standing);
                    }
                }
                self.unreadable_results = results.unreadable;
            }
        }
        self
    }

    /// Damage is worse than a format that is too new.
    pub(crate) fn exit(&self) -> Exit {
        if !self.damaged.is_empty() {
            Exit::Damaged
        } else if !self.too_new.is_empty() {
            Exit::TooNew
        } else {
            Exit::Ok
        }
    }

    /// For people.
    pub(crate) fn render(&self, now: Timestamp, paint: Paint) -> String {
        let count = self.snapshots.len() + self.damaged.len() + self.too_new.len();
        if count == 0 {
            return format!(
                "no snapshots yet in {}\n  hint: take one with `lifeboat backup`\n",
                self.repository
            );
        }
        let mut text = self.table(now, paint);
        text.push('\n');
        text.push_str(&plural(self.snapshots.len() as u64, "snapshot"));
        if let Some(cluster) = &self.cluster_id {
            text.push_str(&format!(" of cluster {cluster}"));
        }
        if let Some(newest) = self.snapshots.first() {
            let when = ago(now.millis_since(newest.committed_at));
            text.push_str(&format!(" · the newest {when}"));
        }
        if let Some(verified) = self.newest_verified() {
            let when = ago(now.millis_since(verified.bounds_at));
            text.push_str(&format!(" · the newest that is verified {when}"));
        }
        text.push('\n');
        let trouble = results_trouble(
            &self.unreadable_results,
            self.results_unknown.as_deref(),
            paint,
        );
        if let Some(trouble) = trouble {
            text.push_str(&format!("\n{trouble}"));
        }
        self.render_trouble(&mut text, count, paint);
        text
    }

    /// What `latest-verified` names.
    fn newest_verified(&self) -> Option<&Commit> {
        self.snapshots.iter().find(|commit| {
            let standing = self.verified.get(&commit.snapshot);
            commit.state == SnapshotState::Complete
                && standing.is_some_and(|standing| standing.verified)
        })
    }

    fn table(&self, now: Timestamp, paint: Paint) -> String {
        let mut rows: Vec<(u64, [String; 8])> = Vec::new();
        for commit in &self.snapshots {
            let state = match commit.state {
                SnapshotState::Complete => commit.state.to_string(),
                SnapshotState::Partial => paint.doubtful("PARTIAL"),
            };
            let row = [
                commit.snapshot.to_string(),
                kind_cell(commit),
                age(now.millis_since(commit.committed_at)),
                commit.totals.topics.to_string(),
                HumanCount(commit.totals.records).to_string(),
                ByteSize(commit.totals.raw_bytes).to_string(),
                state,
                standing_cell(self.verified.get(&commit.snapshot), now, paint),
            ];
            rows.push((commit.sequence, row));
        }
        let unknown = |sequence: u64, state: String| {
            let dash = || "–".to_owned();
            let row = [
                format!("(commit {sequence})"),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                state,
                dash(),
            ];
            (sequence, row)
        };
        rows.extend(
            self.damaged
                .iter()
                .map(|entry| unknown(entry.sequence, paint.bad("DAMAGED"))),
        );
        rows.extend(
            self.too_new
                .iter()
                .map(|entry| unknown(entry.sequence, paint.bad("TOO NEW"))),
        );
        rows.sort_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
        let headings = [
            "ID", "KIND", "AGE", ">TOPICS", ">RECORDS", ">SIZE", "STATE", "VERIFIED",
        ];
        let mut table = Table::new(&headings);
        for (_, row) in rows {
            table.row(row);
        }
        table.render()
    }

    fn render_trouble(&self, text: &mut String, count: usize, paint: Paint) {
        if !self.damaged.is_empty() {
            let heading = format!(
                "DAMAGED: {} of {}",
                self.damaged.len(),
                plural(count as u64, "commit")
            );
            text.push_str(&format!("\n{}\n", paint.bad(&heading)));
            for entry in &self.damaged {
                text.push_str(&format!("  {}: {}\n", entry.object, entry.reason));
            }
            text.push_str("  hint: put the object back from a copy of the repository; what it named is still stored\n");
        }
        if !self.too_new.is_empty() {
            let heading = format!(
                "TOO NEW: {} of {}",
                self.too_new.len(),
                plural(count as u64, "commit")
            );
            text.push_str(&format!("\n{}\n", paint.bad(&heading)));
            for entry in &self.too_new {
                text.push_str(&format!(
                    "  {}: format version {}\n",
                    entry.object, entry.version
                ));
            }
            text.push_str("  hint: use the newest lifeboat\n");
        }
    }
}

#[cfg(test)]
mod tests;
