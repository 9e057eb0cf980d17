//! What a check found.

use std::collections::{HashMap, HashSet};

use lifeboat_archive::words::{SnapshotId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, inventory::Inventory};
use crate::{Catalog, RepositoryError};

/// What was found of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// Whose snapshots.
    pub cluster_id: String,
    /// Commits, those that can't be read included.
    pub commits: u64,
    /// Objects that they lead to and that are there.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// What is wrong, by object.
    pub findings: Vec<Finding>,
    /// What no commit leads to: of runs that did not finish, or that are under way.
    pub orphans: Vec<Orphan>,
    /// Bytes of these.
    pub orphan_bytes: u64,
    /// What may be the trace of a commit that was lost, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In one word.
    pub kind: FindingKind,
    /// The object.
    pub object: String,
    /// In many.
    pub problem: String,
    /// The snapshots that need it, the oldest first; none where a commit can't be read.
    pub snapshots: Vec<SnapshotId>,
    /// The topics that have something in it; none where that is not known, or it is not about topics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

/// What is wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It is not there.
    Missing,
    /// It is not what was written.
    Damaged,
    /// A newer program wrote it.
    TooNew,
    /// The store did not tell.
    Unread,
}

impl FindingKind {
    /// Only what the store says is not there is missing.
    pub(super) fn of(error: &RepositoryError) -> Self {
        match error {
            RepositoryError::NotFound { .. } => Self::Missing,
            RepositoryError::Damaged { .. } => Self::Damaged,
            RepositoryError::TooNew { .. } => Self::TooNew,
            _ => Self::Unread,
        }
    }
}

/// An object that no commit leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The object.
    pub object: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
}

/// Holds what is named against what is stored; `unknown` are objects of which the store does not tell, and why.
pub(super) fn compare(
    catalog: &Catalog,
    inventory: &Inventory,
    unknown: &HashMap<String, String>,
    read: Findings,
) -> ClusterReport {
    let mut report = ClusterReport {
        cluster_id: catalog.cluster.clone(),
        commits: catalog.entries.len() as u64,
        objects: 0,
        bytes: 0,
        findings: Vec::new(),
        orphans: Vec::new(),
        orphan_bytes: 0,
        warnings: Vec::new(),
    };
    let needs = inventory.needs();
    // what could not be read for the same reason that is told here is told once
    let mut told = HashSet::new();
    for (number, wanted) in inventory.objects() {
        let object = &wanted.object;
        let (kind, problem) = match (inventory.stored.get(object), unknown.get(object)) {
            (Some(there), _) => {
                report.objects += 1;
                report.bytes += there.size;
                match wanted.wrong_size(there.size) {
                    Some(problem) => (FindingKind::Damaged, problem),
                    None => continue,
                }
            }
            (None, Some(problem)) => (FindingKind::Unread, problem.clone()),
            (None, None) => (FindingKind::Missing, "it is not there".to_owned()),
        };
        told.insert(object.as_str());
        let (snapshots, topics) = inventory.needed_by(wanted, needs.get(&number));
        report.findings.push(Finding {
            kind,
            object: object.clone(),
            problem,
            snapshots,
            topics,
        });
    }
    let read = read.into_all();
    let read = read.filter(|finding| !told.contains(finding.object.as_str()));
    report.findings.extend(read);
    report
        .findings
        .sort_by(|one, other| (one.kind, &one.object).cmp(&(other.kind, &other.object)));
    for (object, there) in &inventory.stored {
        if !inventory.has(object) {
            report.orphan_bytes += there.size;
            report.orphans.push(Orphan {
                object: object.clone(),
                size: there.size,
                modified: there.modified,
            });
        }
    }
    report
}
