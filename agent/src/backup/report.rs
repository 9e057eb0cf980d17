//! What a backup came to.

use std::time::Duration;

use lifeboat_archive::{
    json::Document,
    manifest::{Commit, Gap, Problem, SnapshotState},
    seal::Recipient,
    words::SnapshotId,
};
use serde::{Deserialize, Serialize};

use super::{assemble::StoredManifest, secrets::UsersReport};

/// The result of a backup that was committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The commit.
    pub commit: Commit,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Milliseconds from the captured bounds to the commit: data written since then is not inside.
    pub rpo_ms: i64,
    /// Raw batch bytes that were read, per second.
    pub bytes_per_second: u64,
    /// Topics that are neither internal nor chosen.
    pub topics_left_out: u64,
    /// Topics that are as an earlier snapshot has them: nothing of them was read.
    #[serde(default)]
    pub topics_unchanged: u64,
    /// The newest earlier snapshot of which something is used again; missing where all was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builds_on: Option<SnapshotId>,
    /// The recipients to whom records and documents are encrypted; missing where they are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted_to: Vec<String>,
    /// What was saved of the SCRAM users.
    #[serde(default)]
    pub users: UsersReport,
    /// What could not be read.
    pub gaps: Vec<PartitionGap>,
    /// What else is worth knowing.
    pub problems: Vec<Problem>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.backup-report";
}

/// A gap and where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartitionGap {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What is missing and why.
    #[serde(flatten)]
    pub gap: Gap,
}

impl Report {
    pub(super) fn new(
        commit: Commit,
        stored: &StoredManifest,
        recipients: &[Recipient],
        elapsed: Duration,
    ) -> Self {
        let manifest = &stored.manifest;
        let mut gaps = Vec::new();
        for topic in &manifest.topics {
            for partition in &topic.partitions {
                gaps.extend(partition.gaps.iter().map(|gap| PartitionGap {
                    topic: topic.topic.clone(),
                    partition: partition.partition,
                    gap: gap.clone(),
                }));
            }
        }
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Self {
            elapsed_ms,
            rpo_ms: commit.committed_at.millis_since(commit.bounds_at),
            bytes_per_second: commit.totals.read_bytes.saturating_mul(1_000) / elapsed_ms.max(1),
            topics_left_out: stored.topics_left_out,
            topics_unchanged: stored.topics_unchanged,
            builds_on: manifest.builds_on.clone(),
            encrypted_to: recipients.iter().map(ToString::to_string).collect(),
            users: stored.users.clone(),
            gaps,
            problems: manifest.problems.clone(),
            commit,
        }
    }

    /// Whether something is missing: exit code 3.
    pub fn is_partial(&self) -> bool {
        self.commit.state == SnapshotState::Partial
    }
}
