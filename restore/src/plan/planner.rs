//! Decides topic by topic and group by group.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{
    documents::{CommittedOffset, GroupDocument, TopicDocument},
    manifest::{ManifestPartition, ManifestTopic, SnapshotState},
    words::Timestamp,
};

use super::{
    Choice, ExistingTopic, PlanError, PlannedGroup, PlannedPartition, PlannedTopic, Source, Target,
    TopicAction,
    taken_over::{SameOffsets, is_same},
    written,
};
use crate::{
    parts::Part,
    rewrite::BatchLimits,
    settings::{SettingsContext, TopicSettings},
};

/// What decisions rest on.
pub(super) struct Planner<'a> {
    pub(super) source: Source<'a>,
    pub(super) target: &'a Target,
    pub(super) choice: Choice<'a>,
    /// When retention would first look at what was restored.
    pub(super) done_at: Timestamp,
}

impl Planner<'_> {
    pub(super) fn topic(&self, topic: &ManifestTopic) -> Result<PlannedTopic, PlanError> {
        let mut warnings = Vec::new();
        let document = self
            .source
            .topics
            .topics
            .iter()
            .find(|d| d.topic == topic.topic);
        if document.is_none() {
            warnings.push("the snapshot does not hold its settings: defaults".to_owned());
        }
        let existing = self.target.topics.get(&topic.topic);
        let replication_factor = match existing {
            Some(existing) => existing.replication_factor,
            None => self.replication_factor(document, &mut warnings),
        };
        let existing_settings = existing.map(|e| e.settings.clone()).unwrap_or_default();
        let largest = topic.partitions.iter().map(|p| p.largest_batch_bytes).max();
        let context = SettingsContext {
            replication_factor,
            largest_batch_bytes: largest.unwrap_or(0),
            defaults: &self.target.defaults,
            ages: self
                .source
                .ages
                .get(&topic.topic)
                .map_or(&[], Vec::as_slice),
            done_at: self.done_at,
        };
        let none = BTreeMap::new();
        let configs = document.and_then(|document| document.configs.as_ref());
        if configs.is_none() {
            warnings.push(
                "the snapshot does not hold its settings: what the target's brokers have holds"
                    .to_owned(),
            );
        }
        let configs = configs.unwrap_or(&none);
        let mut settings =
            TopicSettings::derive(configs, &existing_settings, &context, &mut warnings);
        let data = self.choice.parts.has(Part::Data);
        if data {
            warn_of_append_time(&settings, &mut warnings);
            warn_of_gaps(topic, &mut warnings);
        } else {
            // nothing is written, and nothing can be deleted: it is made as it shall be
            settings.while_writing.clone_from(&settings.wanted);
            settings.put_off = None;
        }
        let mut partitions = Self::partitions(topic, document, existing);
        if !data {
            for partition in &mut partitions {
                *partition = partition.without_data();
            }
        }
        let assignment = match existing {
            None if self.choice.assignment => {
                self.assignment(document, partitions.len(), &mut warnings)?
            }
            _ => None,
        };
        Ok(PlannedTopic {
            topic: topic.topic.clone(),
            source_topic_id: topic.topic_id,
            action: action(&partitions, existing, &mut warnings),
            records: partitions
                .iter()
                .filter_map(|partition| partition.records)
                .sum(),
            bytes: partitions.iter().map(|partition| partition.bytes).sum(),
            partitions,
            replication_factor,
            assignment,
            limits: BatchLimits::of(&settings),
            settings,
            existing_settings,
            warnings,
        })
    }

    /// The snapshot's replicas of each partition, by the target's names of the brokers.
    fn assignment(
        &self,
        document: Option<&TopicDocument>,
        partitions: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Vec<Vec<i32>>>, PlanError> {
        let document = document.filter(|document| document.assignment.len() == partitions);
        let Some(document) = document else {
            warnings.push(
                "the snapshot does not hold where its replicas were: the target decides".to_owned(),
            );
            return Ok(None);
        };
        let mut assignment = document.assignment.clone();
        for replicas in &mut assignment {
            for broker in replicas.iter_mut() {
                *broker = self
                    .choice
                    .broker_map
                    .get(broker)
                    .copied()
                    .unwrap_or(*broker);
                if !self.target.brokers.contains(broker) {
                    return Err(PlanError::NoBroker {
                        topic: document.topic.clone(),
                        broker: *broker,
                    });
                }
            }
            let different: BTreeSet<&i32> = replicas.iter().collect();
            if let (true, Some(&broker)) = (different.len() < replicas.len(), replicas.first()) {
                return Err(PlanError::BrokersMerged { broker });
            }
        }
        Ok(Some(assignment))
    }

    fn replication_factor(
        &self,
        document: Option<&TopicDocument>,
        warnings: &mut Vec<String>,
    ) -> i16 {
        let wanted = document
            .map_or(1, |document| document.replication_factor)
            .max(1);
        let brokers = i16::try_from(self.target.brokers.len())
            .unwrap_or(i16::MAX)
            .max(1);
        if wanted > brokers {
            let plural = if brokers == 1 { "" } else { "s" };
            warnings.push(format!(
                "replication factor {wanted} becomes {brokers}: the target has {brokers} broker{plural}"
            ));
        }
        wanted.min(brokers)
    }

    fn partitions(
        topic: &ManifestTopic,
        document: Option<&TopicDocument>,
        existing: Option<&ExistingTopic>,
    ) -> Vec<PlannedPartition> {
        let in_manifest: BTreeMap<i32, &ManifestPartition> =
            topic.partitions.iter().map(|p| (p.partition, p)).collect();
        // a partition that the backup could not read at all has its place nevertheless: keys go by the count
        let count = document.map_or(0, |document| document.partition_count);
        let numbers: BTreeSet<i32> = in_manifest.keys().copied().chain(0..count).collect();
        numbers
            .into_iter()
            .map(|partition| {
                let there = usize::try_from(partition).ok();
                let there = existing.zip(there).and_then(|(e, at)| e.partitions.get(at));
                let from = in_manifest.get(&partition);
                PlannedPartition {
                    partition,
                    start_offset: there.map_or(0, |range| range.end),
                    records: from.map_or(Some(0), |from| from.record_count),
                    bytes: from.map_or(0, |from| from.raw_bytes),
                    largest_batch_bytes: from.map_or(0, |from| from.largest_batch_bytes),
                    gap_offsets: from
                        .map_or(0, |from| from.gaps.iter().map(|gap| gap.range.span()).sum()),
                }
            })
            .collect()
    }

    pub(super) fn groups(&self, topics: &[PlannedTopic], same: &SameOffsets) -> Vec<PlannedGroup> {
        if !self.choice.parts.has(Part::Groups) {
            return Vec::new();
        }
        let restored: BTreeSet<&str> = written(topics).map(|topic| topic.topic.as_str()).collect();
        let groups = self.source.groups.groups.iter();
        let data = self.choice.parts.has(Part::Data);
        let is_restored = |offset: &CommittedOffset| {
            if data {
                restored.contains(offset.topic.as_str())
            } else {
                self.choice.topics.choose(&offset.topic) && is_same(same, offset)
            }
        };
        groups
            .filter(|group| !group.offsets.is_empty())
            .map(|group| {
                let offsets = group.offsets.iter().filter(|o| is_restored(o)).count();
                PlannedGroup {
                    group: group.group.clone(),
                    offsets,
                    not_restored: group.offsets.len() - offsets,
                    skipped: self.why_skipped(group, offsets),
                }
            })
            .collect()
    }

    /// Only empty groups are written to (R18).
    fn why_skipped(&self, group: &GroupDocument, offsets: usize) -> Option<String> {
        if offsets == 0 && !self.choice.parts.has(Part::Data) {
            return Some("its offsets can't be translated without the data".to_owned());
        }
        if offsets == 0 {
            return Some("none of its topics is restored".to_owned());
        }
        let state = self.target.groups.get(&group.group)?;
        if is_vacant(state) {
            return None;
        }
        Some(format!(
            "it is active on the target ({})",
            state.to_lowercase()
        ))
    }

    pub(super) fn warnings(&self, topics: &[PlannedTopic]) -> Vec<String> {
        let mut warnings = Vec::new();
        let manifest = self.source.manifest;
        if !self.choice.parts.has(Part::Data) {
            warnings.extend(self.other_partition_counts());
        }
        if manifest.state == SnapshotState::Partial {
            let (gaps, problems) = (manifest.totals.gaps, manifest.problems.len());
            warnings.push(format!(
                "the snapshot is partial: {gaps} gaps, {problems} problems"
            ));
        }
        if self.target.cluster_id == manifest.cluster_id {
            warnings.push("the target is the cluster that the snapshot was taken of".to_owned());
        }
        let consumer_groups = self.source.groups.groups.iter();
        let converted = consumer_groups
            .filter(|group| group.group_type.eq_ignore_ascii_case("consumer"))
            .count();
        if converted > 0 && self.choice.parts.has(Part::Groups) && !topics.is_empty() {
            warnings.push(format!(
                "{converted} groups of the new protocol (KIP-848) come back as classic and convert when a member joins"
            ));
        }
        let shares = self.source.groups.groups.iter();
        let shares = shares.filter(|group| group.is_share() && !group.offsets.is_empty());
        let shares = shares.count();
        if shares > 0 && !topics.is_empty() {
            warnings.push(format!(
                "{shares} share groups start where all before was acknowledged: what was acknowledged beyond that is delivered again"
            ));
        }
        warnings
    }
}

impl Planner<'_> {
    /// Topics that are there stay as they are, also where they have another number of partitions.
    fn other_partition_counts(&self) -> impl Iterator<Item = String> {
        let wanted = self.source.topics.topics.iter();
        wanted.filter_map(|topic| {
            let chosen = self.choice.parts.has(Part::Topics) && self.choice.topics.choose(&topic.topic);
            let has = self.target.topics.get(&topic.topic).filter(|_| chosen)?.partitions.len();
            let wants = usize::try_from(topic.partition_count).unwrap_or_default();
            (has != wants).then(|| {
                format!(
                    "{} has {has} partitions on the target and {wants} in the snapshot: it stays as it is",
                    topic.topic
                )
            })
        })
    }
}

impl PlannedPartition {
    /// The same with nothing to be written.
    fn without_data(&self) -> Self {
        Self {
            records: Some(0),
            bytes: 0,
            largest_batch_bytes: 0,
            gap_offsets: 0,
            ..*self
        }
    }
}

/// Whether a group in `state` has no members.
fn is_vacant(state: &str) -> bool {
    ["empty", "dead", ""]
        .iter()
        .any(|vacant| state.eq_ignore_ascii_case(vacant))
}

fn action(
    partitions: &[PlannedPartition],
    existing: Option<&ExistingTopic>,
    warnings: &mut Vec<String>,
) -> TopicAction {
    let Some(existing) = existing else {
        return TopicAction::Create;
    };
    let records: u64 = existing.partitions.iter().map(|range| range.span()).sum();
    let (has, wants) = (existing.partitions.len(), partitions.len());
    if records > 0 {
        let reason = "it holds records on the target".to_owned();
        return TopicAction::Refuse { records, reason };
    }
    if has < wants {
        let reason = format!("it has {has} partitions on the target and {wants} in the snapshot");
        return TopicAction::Refuse { records, reason };
    }
    if has > wants {
        warnings.push(format!(
            "it has {has} partitions on the target and {wants} in the snapshot: new records of a key may go elsewhere"
        ));
    }
    TopicAction::UseEmpty {
        topic_id: existing.topic_id,
    }
}

fn warn_of_append_time(settings: &TopicSettings, warnings: &mut Vec<String>) {
    let kind = settings.wanted.get("message.timestamp.type");
    if kind.is_some_and(|kind| kind == "LogAppendTime") {
        warnings.push(
            "LogAppendTime: records keep their times, and their type becomes CreateTime".to_owned(),
        );
    }
}

fn warn_of_gaps(topic: &ManifestTopic, warnings: &mut Vec<String>) {
    let gaps = || {
        topic
            .partitions
            .iter()
            .flat_map(|partition| &partition.gaps)
    };
    let offsets: u64 = gaps().map(|gap| gap.range.span()).sum();
    if offsets > 0 {
        warnings.push(format!(
            "{} gaps: the backup could not read {offsets} offsets",
            gaps().count()
        ));
    }
}
