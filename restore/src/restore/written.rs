//! What was written, and the report of it.

use std::time::Instant;

use lifeboat_archive::words::Timestamp;

use super::{Plan, millis};
use crate::{
    groups::RestoredGroup,
    journal::{Journal, PartitionStopped, PartitionWritten, Past},
    offset_map::{self, MapFile, MappedPartition, Waiting, WrittenMap},
    plan::{PlannedTopic, TopicAction},
    replay::{ReadyTopic, WrittenPartition},
    report::{MadeChange, Report, RestoredPartition, RestoredTopic, TopicOutcome},
    rewrite::RewriteCounts,
};

/// What is known when everything is written.
pub(super) struct Written {
    pub(super) topics: Vec<ReadyTopic>,
    pub(super) partitions: Vec<Told>,
    pub(super) writing_ms: u64,
    /// Records that were there before.
    pub(super) there: u64,
    /// The offset map.
    pub(super) map: Option<WrittenMap>,
}

/// What became of a partition, as the journal keeps it.
type Told = Result<PartitionWritten, PartitionStopped>;

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
    let salvaged = written.whole().flat_map(|it| it.salvaged.clone());
    let salvaged: Vec<_> = salvaged.collect();
    let left_out = plan.cluster.left_out;
    let partial = lacks_offsets
        || groups.iter().any(|group| group.partial)
        || topics.iter().any(RestoredTopic::is_partial)
        || changes.iter().any(|it| it.refused.is_some())
        || left_out.iter().any(|it| it.partial)
        || salvaged.iter().any(|it| !it.lost.is_empty())
        || written
            .map
            .as_ref()
            .is_some_and(|map| map.problem.is_some());
    Report {
        snapshot: plan.snapshot,
        bounds_at: plan.bounds_at,
        source_cluster_id: plan.source_cluster_id,
        target_cluster_id: plan.target_cluster_id,
        parts: plan.parts,
        selection: plan.selection,
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
        salvaged,
        offset_map: written.map.clone(),
        partial,
        journal: journal.path().to_owned(),
        resumed: None,
        finish: None,
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
    pub(super) fn nothing(topics: Vec<ReadyTopic>, map: Option<&MapFile>) -> Self {
        Self {
            topics,
            partitions: Vec::new(),
            writing_ms: 0,
            there: 0,
            map: map.map(WrittenMap::of_nothing),
        }
    }

    /// What the journal says.
    pub(super) fn recalled(topics: Vec<ReadyTopic>, past: &Past, map: Option<&MapFile>) -> Self {
        let written = past.written.values().cloned().map(Ok);
        let stopped = past.stopped.values().cloned().map(Err);
        let mut partitions: Vec<Told> = written.chain(stopped).collect();
        partitions.sort_by(|one, other| place(one).cmp(&place(other)));
        let records = past.written.values().map(|it| it.counts.records);
        Self {
            topics,
            partitions,
            writing_ms: 0,
            there: records.sum(),
            // where the offsets went was known when the records were written
            map: map.map(|map| {
                past.map
                    .clone()
                    .unwrap_or_else(|| WrittenMap::interrupted(map))
            }),
        }
    }

    fn of<'w>(&'w self, topic: &'w str) -> impl Iterator<Item = &'w Told> {
        let partitions = self.partitions.iter();
        partitions.filter(move |told| place(told).0 == topic)
    }

    /// The partitions that are there to their end.
    pub(super) fn whole(&self) -> impl Iterator<Item = &PartitionWritten> {
        self.partitions.iter().filter_map(|told| told.as_ref().ok())
    }

    /// Whether a topic is whole, and still as it was while it was written.
    pub(super) fn lacks_settings(&self, topic: &str, past: &Past) -> bool {
        !self.stopped(topic) && !past.settings_restored.contains(topic)
    }

    pub(super) fn stopped(&self, topic: &str) -> bool {
        self.of(topic).any(Result::is_err)
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
            TopicAction::Append { .. } => TopicOutcome::Appended,
            TopicAction::Replace { records, .. } => TopicOutcome::Replaced { records },
            TopicAction::AlreadyThere { at, .. } => TopicOutcome::AlreadyThere { at },
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
            target: topic.target,
        }
    }
}

/// Writes the map of the partitions that are whole.
pub(super) fn write_map<'p>(
    file: &MapFile,
    waiting: &Waiting,
    partitions: impl Iterator<Item = &'p WrittenPartition>,
) -> WrittenMap {
    let partitions = partitions.filter_map(|partition| {
        Some(MappedPartition {
            topic: &partition.topic,
            target_topic: &partition.topic_partition.topic,
            partition: partition.topic_partition.partition,
            start_offset: partition.start_offset,
            runs: &partition.outcome.as_ref().ok()?.runs,
        })
    });
    offset_map::write(file, waiting, partitions)
}

fn place(told: &Told) -> (&str, i32) {
    match told {
        Ok(written) => (&written.topic, written.partition),
        Err(stopped) => (&stopped.topic, stopped.partition),
    }
}

fn reported(told: &Told) -> RestoredPartition {
    let (start_offset, counts, digest, stopped) = match told {
        Ok(it) => (it.start_offset, it.counts, it.digest.clone(), None),
        Err(it) => (
            it.start_offset,
            RewriteCounts::default(),
            None,
            Some(it.why.clone()),
        ),
    };
    RestoredPartition {
        partition: place(told).1,
        start_offset,
        end_offset: start_offset.saturating_add_unsigned(counts.records),
        counts,
        digest,
        stopped,
    }
}

#[cfg(test)]
mod tests;
