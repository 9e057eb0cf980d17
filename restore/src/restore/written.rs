//! What was written, and the report of it.

use std::time::Instant;

use lifeboat_archive::{digest::RecordDigest, words::Timestamp};

use super::{Plan, millis};
use crate::{
    groups::RestoredGroup,
    journal::Journal,
    plan::{PlannedTopic, TopicAction},
    replay::{ReadyTopic, WrittenPartition},
    report::{MadeChange, Report, RestoredPartition, RestoredTopic, TopicOutcome},
    rewrite::RewriteCounts,
};

/// What is known when everything is written.
pub(super) struct Written {
    pub(super) topics: Vec<ReadyTopic>,
    pub(super) partitions: Vec<WrittenPartition>,
    pub(super) writing_ms: u64,
}

/// Puts the report together.
pub(super) fn report(
    plan: Plan,
    written: &Written,
    outcome: Outcome,
    journal: &Journal,
    times: Times,
) -> Report {
    let lacks_offsets = plan.lacks_offsets();
    let topics: Vec<RestoredTopic> = plan
        .topics
        .into_iter()
        .map(|topic| written.report(topic))
        .collect();
    let mut totals = RewriteCounts::default();
    for topic in &topics {
        totals += topic.counts;
    }
    let Outcome { groups, changes } = outcome;
    let left_out = plan.cluster.left_out;
    let partial = lacks_offsets
        || groups.iter().any(|group| group.partial)
        || topics.iter().any(RestoredTopic::is_partial)
        || changes.iter().any(|it| it.refused.is_some())
        || left_out.iter().any(|it| it.partial);
    Report {
        snapshot: plan.snapshot,
        bounds_at: plan.bounds_at,
        source_cluster_id: plan.source_cluster_id,
        target_cluster_id: plan.target_cluster_id,
        parts: plan.parts,
        started_at: times.started_at,
        elapsed_ms: millis(times.began),
        writing_ms: written.writing_ms,
        comparing_ms: times.comparing_ms,
        totals,
        topics,
        groups,
        users: Vec::new(),
        changes,
        left_out,
        warnings: plan.warnings,
        partial,
        journal: journal.path().to_owned(),
    }
}

/// What became of all that is no record.
pub(super) struct Outcome {
    pub(super) groups: Vec<RestoredGroup>,
    pub(super) changes: Vec<MadeChange>,
}

/// When what happened.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) started_at: Timestamp,
    pub(super) began: Instant,
    pub(super) comparing_ms: Option<u64>,
}

impl Written {
    /// Topics without records.
    pub(super) fn nothing(topics: Vec<ReadyTopic>) -> Self {
        Self {
            topics,
            partitions: Vec::new(),
            writing_ms: 0,
        }
    }

    fn of<'w>(&'w self, topic: &'w str) -> impl Iterator<Item = &'w WrittenPartition> {
        let partitions = self.partitions.iter();
        partitions.filter(move |partition| *partition.topic_partition.topic == *topic)
    }

    pub(super) fn stopped(&self, topic: &str) -> bool {
        self.of(topic).any(|partition| partition.outcome.is_err())
    }

    fn report(&self, topic: PlannedTopic) -> RestoredTopic {
        let partitions: Vec<RestoredPartition> = self.of(&topic.topic).map(reported).collect();
        let mut counts = RewriteCounts::default();
        for partition in &partitions {
            counts += partition.counts;
        }
        let outcome = match topic.action {
            TopicAction::Refuse { reason, .. } => TopicOutcome::Refused { reason },
            _ if self.stopped(&topic.topic) => TopicOutcome::Stopped,
            TopicAction::Create => TopicOutcome::Created,
            TopicAction::UseEmpty { .. } => TopicOutcome::Used,
        };
        let ready = self
            .topics
            .iter()
            .find(|ready| *ready.topic == *topic.topic);
        RestoredTopic {
            outcome,
            topic_id: ready.map(|ready| ready.topic_id),
            counts,
            partitions,
            left_out: topic.settings.left_out,
            put_off: topic.settings.put_off.filter(|_| ready.is_some()),
            warnings: topic.warnings,
            topic: topic.topic,
        }
    }
}

fn reported(written: &WrittenPartition) -> RestoredPartition {
    let (counts, digest, stopped) = match &written.outcome {
        Ok(rewritten) => {
            let digest = rewritten.content.record_digest().map(RecordDigest::hex);
            (rewritten.counts, digest, None)
        }
        Err(error) => (RewriteCounts::default(), None, Some(error.to_string())),
    };
    RestoredPartition {
        partition: written.topic_partition.partition,
        start_offset: written.start_offset,
        end_offset: written.start_offset.saturating_add_unsigned(counts.records),
        counts,
        digest,
        stopped,
    }
}
