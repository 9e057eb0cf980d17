//! What a copy did, and what stood in its way.

use std::fmt;

use lifeboat_archive::{
    json::Document,
    manifest::SnapshotKind,
    words::{SnapshotId, Timestamp},
};
use serde::{Deserialize, Serialize};

use crate::RepositoryError;

/// What a copy did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The address of the repository that was copied from.
    pub from: String,
    /// The address of the one that was copied to.
    pub to: String,
    /// Whether nothing was copied, only looked.
    pub dry_run: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Objects that were copied, commits not counted; of a dry run those that would be.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects of the target that were there already and were read again.
    pub verified_objects: u64,
    /// Their bytes.
    pub verified_bytes: u64,
    /// What was done for each cluster.
    pub clusters: Vec<ClusterReport>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.copy-report";
}

/// What was done for a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// The cluster.
    pub cluster_id: String,
    /// The snapshots that were asked for, the newest first.
    pub snapshots: Vec<SnapshotReport>,
    /// What is wrong, by object.
    pub findings: Vec<Finding>,
}

/// What became of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReport {
    /// Its name.
    pub snapshot: SnapshotId,
    /// Full or incremental.
    pub kind: SnapshotKind,
    /// What it can be restored to.
    pub bounds_at: Timestamp,
    /// What became of it.
    pub state: CopyState,
    /// The number of its commit in the target; of a dry run the one that it would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Objects that were copied for it, those that it shares with newer ones not counted again.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// It is in the target now.
    Copied,
    /// It would be copied.
    Pending,
    /// It was in the target before.
    Present,
    /// It was in the target before, and something of it was missing there that is there now.
    Repaired,
    /// It is in the target, and damaged there: see the findings.
    Damaged,
    /// It is not in the target: see the findings.
    NotCopied,
}

impl fmt::Display for CopyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Copied => "copied",
            Self::Pending => "to be copied",
            Self::Present => "was there",
            Self::Repaired => "repaired",
            Self::Damaged => "DAMAGED",
            Self::NotCopied => "NOT COPIED",
        })
    }
}

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In one word.
    pub kind: FindingKind,
    /// Whose object.
    pub side: Side,
    /// The object.
    pub object: String,
    /// In many words.
    pub problem: String,
    /// The snapshots of this copy that need it, the newest first; none where a commit can't be read.
    pub snapshots: Vec<SnapshotId>,
}

/// What is wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It is not there.
    Missing,
    /// It is not what was written.
    Damaged,
    /// The target has another snapshot of the same name, or no number for it.
    Conflict,
    /// A newer program wrote it.
    TooNew,
}

impl FindingKind {
    /// None where it says nothing of the object: the store failed.
    pub(super) fn of(error: &RepositoryError) -> Option<Self> {
        match error {
            RepositoryError::NotFound { .. } => Some(Self::Missing),
            RepositoryError::Damaged { .. } | RepositoryError::Exists { .. } => Some(Self::Damaged),
            RepositoryError::TooNew { .. } => Some(Self::TooNew),
            _ => None,
        }
    }
}

/// One of the two repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The one that is copied from.
    Source,
    /// The one that is copied to.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// What is wrong with an object, before it is known who needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Obstacle {
    pub(super) kind: FindingKind,
    pub(super) side: Side,
    pub(super) object: String,
    pub(super) problem: String,
}

impl Obstacle {
    pub(super) fn damaged(side: Side, object: &str, problem: impl Into<String>) -> Self {
        Self {
            kind: FindingKind::Damaged,
            side,
            object: object.to_owned(),
            problem: problem.into(),
        }
    }

    /// The target holds another snapshot of the same name.
    pub(super) fn another(commit: String) -> Self {
        Self {
            kind: FindingKind::Conflict,
            side: Side::Target,
            object: commit,
            problem: "it is of another snapshot with the same name".to_owned(),
        }
    }

    /// The commit would stand among those of newer or of older snapshots.
    pub(super) fn no_number(commit: String) -> Self {
        Self {
            kind: FindingKind::Conflict,
            side: Side::Target,
            object: commit,
            problem: "no number is free between the older and the newer snapshots that are there"
                .to_owned(),
        }
    }

    /// What an error says of `object`; the error itself where it says nothing of it.
    pub(super) fn of(
        side: Side,
        object: &str,
        error: RepositoryError,
    ) -> Result<Self, RepositoryError> {
        let Some(kind) = FindingKind::of(&error) else {
            return Err(error);
        };
        let problem = match error {
            RepositoryError::NotFound { .. } => "it is not there".to_owned(),
            RepositoryError::Damaged { problem, .. } => problem,
            RepositoryError::Exists { .. } => "it is there already, with other content".to_owned(),
            other => other.to_string(),
        };
        Ok(Self {
            kind,
            side,
            object: object.to_owned(),
            problem,
        })
    }

    pub(super) fn finding(self, snapshots: Vec<SnapshotId>) -> Finding {
        let Self {
            kind,
            side,
            object,
            problem,
        } = self;
        Finding {
            kind,
            side,
            object,
            problem,
            snapshots,
        }
    }
}
