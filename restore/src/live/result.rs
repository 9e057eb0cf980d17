//! What is stored of a comparison.

use lifeboat_archive::results::{ProofCounts, ProofKind, ProofResult};

use super::{Compare, Report};

impl Compare {
    /// Stores what was found, where that is wanted. That it can't be stored changes nothing of what was found.
    pub(super) async fn store(&self, report: &mut Report) {
        if self.options.store && report.topics.iter().any(|topic| topic.only.is_some()) {
            let why = "it tells of some of the records only: the others were not to be restored";
            report.result_not_stored = Some(why.to_owned());
            return;
        }
        let result = self.options.store.then(|| self.result(report));
        let kept = crate::proof::store(&self.repository, result).await;
        (report.result, report.result_not_stored) = kept;
    }

    fn result(&self, report: &Report) -> ProofResult {
        let partitions = report
            .topics
            .iter()
            .map(|topic| topic.partitions.len() as u64);
        let problems = report.differing().count() + report.damage.len() + report.unread.len();
        ProofResult {
            snapshot: report.snapshot.clone(),
            cluster_id: report.source_cluster_id.clone(),
            kind: ProofKind::Compare,
            outcome: report.outcome(),
            level: None,
            subset: None,
            topics: report.chosen.clone(),
            sample_percent: None,
            started_at: report.started_at,
            finished_at: self.clock.now(),
            counts: ProofCounts {
                topics: report.topics.len() as u64,
                partitions: partitions.sum(),
                records: report.totals.same,
                problems: problems as u64,
                ..ProofCounts::default()
            },
            target_cluster_id: Some(report.target_cluster_id.clone()),
            measured: None,
            created_by: crate::proof::PROGRAM.to_owned(),
        }
    }
}
