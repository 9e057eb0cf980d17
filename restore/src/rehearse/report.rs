//! What a rehearsal came to, and what is stored of it.

use lifeboat_archive::{
    json::Document,
    results::{ChosenTopics, Measured, ProofCounts, ProofKind, ProofOutcome, ProofResult},
    words::{SnapshotId, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{PREFIX, Rehearse};
use crate::report::Report as Restored;

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it can be restored to.
    pub bounds_at: Timestamp,
    /// The cluster that it was taken of.
    pub source_cluster_id: String,
    /// The cluster that was restored into.
    pub target_cluster_id: String,
    /// What the names of the topics began with there.
    pub prefix: String,
    /// Which topics were to be rehearsed; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<ChosenTopics>,
    /// How much of them; missing where it was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_percent: Option<u32>,
    /// How many topics there were to choose from.
    pub topics_in_all: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, with the removal.
    pub elapsed_ms: u64,
    /// What came of it.
    pub outcome: ProofOutcome,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What was measured; missing where it was not proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// The topics that were restored, by name.
    pub topics: Vec<RehearsedTopic>,
    /// Topics that stay because that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Topics that could not be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_removed: Vec<NotRemoved>,
    /// Topics of earlier rehearsals, that were killed or kept theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// The object that this result is stored in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it is not stored, although it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_not_stored: Option<String>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.rehearse-report";
}

/// A topic that was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsedTopic {
    /// Its name in the snapshot.
    pub topic: String,
    /// Its partitions.
    pub partitions: u64,
    /// Records that were restored, and read back.
    pub records: u64,
    /// Their bytes, as Kafka stored them.
    pub bytes: u64,
}

/// A topic that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRemoved {
    /// Its name in the target.
    pub topic: String,
    /// Why not.
    pub problem: String,
}

impl Report {
    /// What was restored, and read back.
    pub(super) fn take(&mut self, restored: &Restored) {
        let topics = restored.topics.iter().map(|topic| RehearsedTopic {
            topic: topic.topic.clone(),
            partitions: topic.partitions.len() as u64,
            records: topic.counts.records,
            bytes: topic.counts.bytes_read,
        });
        self.topics = topics.collect();
        let stopped = restored.stopped().map(|(topic, partition, why)| {
            format!("{}-{}: {why}", topic.topic, partition.partition)
        });
        self.problems = stopped.collect();
        if !self.problems.is_empty() {
            self.outcome = ProofOutcome::Incomplete;
        }
    }
}

impl Rehearse {
    pub(super) fn empty_report(&self) -> Report {
        let now = self.clock.now();
        Report {
            snapshot: self.commit.snapshot.clone(),
            bounds_at: self.commit.bounds_at,
            source_cluster_id: self.commit.cluster_id.clone(),
            target_cluster_id: self.cluster.cluster_id().to_owned(),
            // its time, and four letters by lot: as snapshots are named
            prefix: format!("{PREFIX}{}.", SnapshotId::generate(now)),
            chosen: ChosenTopics::of(&self.options.topics),
            sample_percent: None,
            topics_in_all: 0,
            started_at: now,
            elapsed_ms: 0,
            outcome: ProofOutcome::Ok,
            problems: Vec::new(),
            measured: None,
            topics: Vec::new(),
            kept: Vec::new(),
            not_removed: Vec::new(),
            left_behind: Vec::new(),
            result: None,
            result_not_stored: None,
        }
    }

    /// Stores what came of it, where that is wanted.
    pub(super) async fn store(&self, report: &mut Report) {
        let result = self.options.store.then(|| self.result(report));
        let kept = crate::proof::store(&self.repository, result).await;
        (report.result, report.result_not_stored) = kept;
    }

    fn result(&self, report: &Report) -> ProofResult {
        let sum = |of: fn(&RehearsedTopic) -> u64| report.topics.iter().map(of).sum();
        ProofResult {
            snapshot: report.snapshot.clone(),
            cluster_id: report.source_cluster_id.clone(),
            kind: ProofKind::Rehearse,
            outcome: report.outcome,
            level: None,
            subset: None,
            topics: report.chosen.clone(),
            sample_percent: report.sample_percent,
            started_at: report.started_at,
            finished_at: self.clock.now(),
            counts: ProofCounts {
                topics: report.topics.len() as u64,
                partitions: sum(|topic| topic.partitions),
                records: sum(|topic| topic.records),
                bytes: sum(|topic| topic.bytes),
                problems: report.problems.len() as u64,
                ..ProofCounts::default()
            },
            target_cluster_id: Some(report.target_cluster_id.clone()),
            measured: report.measured,
            created_by: crate::proof::PROGRAM.to_owned(),
        }
    }
}
