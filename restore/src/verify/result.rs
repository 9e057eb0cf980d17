//! What is stored of a verification.

use lifeboat_archive::results::{ProofCounts, ProofKind, ProofOutcome, ProofResult};

use super::{Report, Verify};

impl Verify {
    /// Stores what was found, where that is wanted. That it can't be stored changes nothing of what was found.
    pub(super) async fn store(&self, report: &mut Report) {
        let result = self.options.store.then(|| self.result(report));
        let kept = crate::proof::store(&self.repository, result).await;
        (report.result, report.result_not_stored) = kept;
    }

    fn result(&self, report: &Report) -> ProofResult {
        ProofResult {
            snapshot: report.snapshot.clone(),
            cluster_id: report.cluster_id.clone(),
            kind: ProofKind::Verify,
            outcome: report.outcome(),
            level: Some(report.level),
            subset: report.subset,
            topics: report.topics.clone(),
            sample_percent: None,
            started_at: report.started_at,
            finished_at: self.clock.now(),
            counts: ProofCounts {
                topics: report.topics_checked,
                partitions: report.partitions,
                archives: report.archives_checked,
                segments: report.segments,
                batches: report.batches,
                records: report.records,
                bytes: report.bytes,
                problems: report.problems(),
            },
            target_cluster_id: None,
            measured: None,
            created_by: crate::proof::PROGRAM.to_owned(),
        }
    }
}

impl Report {
    fn outcome(&self) -> ProofOutcome {
        if !self.damage.is_empty() {
            ProofOutcome::Damaged
        } else if self.is_sound() {
            ProofOutcome::Ok
        } else {
            ProofOutcome::Incomplete
        }
    }

    fn problems(&self) -> u64 {
        (self.damage.len() + self.unread.len() + self.unopened.len()) as u64
    }
}
