//! Decides topic by topic and group by group.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{
    documents::TopicDocument,
    manifest::{ManifestPartition, ManifestTopic, SnapshotState},
    words::Timestamp,
};

use super::{
    Choice, ExistingTopic, PlanError, PlannedPartition, PlannedTopic, Source, Target, TopicAction,
    content,
};
use crate::{
    into::{self, Wanted},
    names::if_another,
    parts::Part,
    repartition::Repartition,
    rewrite::BatchLimits,
    settings::{
        NEVER_RESTORED, SegmentAge, SettingsContext, TopicSettings, has_policy, proportion,
    },
};

mod groups;

/// What decisions rest on.
pub(super) struct Planner<'a> {
    pub(super) source: Source<'a>,
    pub(super) target: &'a Target,
    pub(super) choice: Choice<'a>,
    /// When retention would first look at what was restored.
    pub(super) done_at: Timestamp,
}

/// Where a topic goes.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// As the target calls it.
    name: &'a str,
    existing: Option<&'a ExistingTopic>,
    action: &'a TopicAction,
    replication_factor: i16,
    /// Whether its records are spread over another number of partitions.
    repartitioned: bool,
}

impl Place<'_> {
    /// What retention by size deletes first is what is there; how old that is, nobody tells.
    fn behind_what_is_there(self, ages: &[SegmentAge]) -> Vec<SegmentAge> {
        let Some(existing) = self.existing else {
            return ages.to_vec();
        };
        let replicas = u64::from(self.replication_factor.unsigned_abs()).max(1);
        let bytes = existing.bytes.unwrap_or(0) / replicas;
        let records = existing.records().max(1);
        let mut all = Vec::with_capacity(ages.len() + existing.partitions.len());
        for (partition, range) in (0..).zip(&existing.partitions) {
            all.push(SegmentAge {
                partition,
                max_timestamp_ms: None,
                records: range.span(),
                bytes: proportion(bytes, range.span(), records),
                largest_batch_bytes: 0,
            });
            let of_it = ages.iter().filter(|age| age.partition == partition);
            all.extend(of_it.copied());
        }
        all
    }
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
        let target_name = self.choice.names.topics.target(&topic.topic);
        let existing = self.target.topics.get(target_name);
        let replication_factor = match existing {
            Some(existing) => existing.replication_factor,
            None => self.replication_factor(document, &mut warnings),
        };
        let partitions = self.partitions(topic, document, existing);
        let data = self.choice.parts.has(Part::Data);
        let wanted_count = self.choice.repartition.get(&topic.topic).copied();
        let wanted = Wanted {
            partitions: partitions.len(),
            repartition: wanted_count,
            content: &content(
                &self.source.commit.manifest.sha256,
                &topic.topic,
                (&partitions, wanted_count),
                self.choice.selection,
            ),
            earlier: self.target.earlier.get(target_name),
            interrupted: self.target.interrupted.get(target_name),
            existing: self.choice.existing,
        };
        let action = match self.source.unreadable.get(&topic.topic) {
            Some(why) => unreadable(why),
            None => into::action(wanted, existing, &mut warnings),
        };
        let place = Place {
            name: target_name,
            existing,
            action: &action,
            replication_factor,
            repartitioned: wanted_count.is_some(),
        };
        let settings = self.settings(topic, document, place, &mut warnings);
        if data {
            warn_of_append_time(&settings, &mut warnings);
            warn_of_gaps(topic, &mut warnings);
            self.warn_of_old_values(&settings, &mut warnings);
        }
        if wanted_count.is_some() {
            self.warn_of_spreading(&settings, &mut warnings);
        }
        let assignment = match existing {
            None if self.choice.assignment && wanted_count.is_some() => {
                warnings.push(
                    "it gets another number of partitions: the target decides where their replicas are"
                        .to_owned(),
                );
                None
            }
            None if self.choice.assignment => {
                self.assignment(document, partitions.len(), &mut warnings)?
            }
            _ => None,
        };
        if let TopicAction::AlreadyThere { .. } = action {
            // it was all said when it was written
            warnings.clear();
        }
        Ok(PlannedTopic {
            topic: topic.topic.clone(),
            target: if_another(target_name, &topic.topic),
            source_topic_id: topic.topic_id,
            action,
            records: partitions
                .iter()
                .filter_map(|partition| partition.records)
                .sum(),
            bytes: partitions.iter().map(|partition| partition.bytes).sum(),
            partitions,
            replication_factor,
            assignment,
            limits: match wanted_count {
                Some(count) => BatchLimits::of(&settings).spread_over(count),
                None => BatchLimits::of(&settings),
            },
            repartition: wanted_count.map(|count| Repartition {
                start_offsets: start_offsets(count, existing),
            }),
            settings,
            existing_settings: existing.map(|e| e.settings.clone()).unwrap_or_default(),
            warnings,
        })
    }

    /// The segments that are read.
    fn ages(&self, topic: &ManifestTopic) -> &[SegmentAge] {
        let ages = self.source.ages.get(&topic.topic);
        ages.map_or(&[], Vec::as_slice)
    }

    /// What the topic is set to while it is written, and in the end.
    fn settings(
        &self,
        topic: &ManifestTopic,
        document: Option<&TopicDocument>,
        place: Place<'_>,
        warnings: &mut Vec<String>,
    ) -> TopicSettings {
        let none = BTreeMap::new();
        let configs = document.and_then(|document| document.configs.as_ref());
        let mut snapshots = configs.unwrap_or(&none);
        let mut ages = self.ages(topic).to_vec();
        match place.action {
            // it was set when it was written
            TopicAction::AlreadyThere { .. } => return TopicSettings::default(),
            TopicAction::Append { .. } => {
                self.warn_of_appending(place, snapshots, warnings);
                // others use it as it is: it has its own settings again in the end
                snapshots = &none;
                ages = place.behind_what_is_there(&ages);
            }
            _ if configs.is_none() => warnings.push(
                "the snapshot does not hold its settings: what the target's brokers have holds"
                    .to_owned(),
            ),
            _ => {}
        }
        let largest = topic.partitions.iter().map(|p| p.largest_batch_bytes).max();
        let context = SettingsContext {
            replication_factor: place.replication_factor,
            largest_batch_bytes: largest.unwrap_or(0),
            defaults: &self.target.defaults,
            ages: &ages,
            in_one_partition: place.repartitioned,
            done_at: self.done_at,
        };
        let unsettled = self.target.unsettled.get(place.name);
        let unsettled = unsettled.map_or(&[][..], Vec::as_slice);
        let existing = place.existing.map_or_else(BTreeMap::new, |it| {
            into::own_settings(it, unsettled, warnings)
        });
        let mut settings = TopicSettings::derive(snapshots, &existing, &context, warnings);
        if !self.choice.parts.has(Part::Data) {
            // nothing is written, and nothing can be deleted: it is made as it shall be
            settings.while_writing.clone_from(&settings.wanted);
            settings.put_off = None;
        }
        settings
    }

    fn warn_of_appending(
        &self,
        place: Place<'_>,
        snapshots: &BTreeMap<String, Option<String>>,
        warnings: &mut Vec<String>,
    ) {
        let Some(existing) = place.existing else {
            return;
        };
        let policy = self.target.defaults.policies_of(&existing.settings);
        let differing: Vec<&str> = snapshots
            .iter()
            .filter(|(name, value)| {
                existing.settings.get(*name) != value.as_ref()
                    && !NEVER_RESTORED.contains(&name.as_str())
            })
            .map(|(name, _)| name.as_str())
            .collect();
        into::warn_of_appending(policy, &differing, warnings);
    }

    /// What was deleted or written again under a key comes back where that is left out and older records are not.
    fn warn_of_old_values(&self, settings: &TopicSettings, warnings: &mut Vec<String>) {
        let policies = self.target.defaults.policies_of(&settings.wanted);
        let filters = &self.choice.selection.filters;
        if has_policy(policies, "compact") && filters.divides_keys() {
            warnings.push(
                "it is compacted: where the newest record of a key is left out, an older one comes back as its value"
                    .to_owned(),
            );
        }
    }

    /// What another number of partitions takes away.
    fn warn_of_spreading(&self, settings: &TopicSettings, warnings: &mut Vec<String>) {
        if self.choice.parts.has(Part::Data) && self.choice.parts.has(Part::Groups) {
            warnings.push(
                "its records go to other partitions: offsets of groups are not restored for it, and no offset map holds it"
                    .to_owned(),
            );
        }
        let policies = self.target.defaults.policies_of(&settings.wanted);
        if has_policy(policies, "compact") {
            warnings.push(
                "it is compacted: of a key that was in several partitions, the record of the highest one is kept"
                    .to_owned(),
            );
        }
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

    /// Its partitions, with what of them is read.
    fn partitions(
        &self,
        topic: &ManifestTopic,
        document: Option<&TopicDocument>,
        existing: Option<&ExistingTopic>,
    ) -> Vec<PlannedPartition> {
        let mut partitions = Self::all_partitions(topic, document, existing);
        let (data, selection) = (self.choice.parts.has(Part::Data), self.choice.selection);
        for partition in &mut partitions {
            let selected = selection.of(&topic.topic, partition.partition).is_some();
            if !data || !selected {
                *partition = partition.without_data();
            } else if selection.restricts(&topic.topic) {
                *partition = partition.read_in(self.ages(topic));
            }
        }
        partitions
    }

    fn all_partitions(
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
        warnings.extend_from_slice(self.choice.names.topics.warnings());
        warnings.extend(self.rights_of_renamed());
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
    /// What names topics and groups besides is restored for the names that the snapshot has.
    fn rights_of_renamed(&self) -> Option<String> {
        let names = self.choice.names;
        let renamed = !names.topics.is_nothing() || !names.groups.is_nothing();
        let rights = self.choice.parts.has(Part::Acls) || self.choice.parts.has(Part::Configs);
        (renamed && rights).then(|| {
            "ACLs and settings of groups are restored for the names of the snapshot, not for the new ones"
                .to_owned()
        })
    }

    /// Topics that are there stay as they are, also where they have another number of partitions.
    fn other_partition_counts(&self) -> impl Iterator<Item = String> {
        let wanted = self.source.topics.topics.iter();
        wanted.filter_map(|topic| {
            let chosen = self.choice.parts.has(Part::Topics) && self.choice.topics.choose(&topic.topic);
            let name = self.choice.names.topics.target(&topic.topic);
            let has = self.target.topics.get(name).filter(|_| chosen)?.partitions.len();
            let wants = usize::try_from(topic.partition_count).unwrap_or_default();
            (has != wants).then(|| {
                format!(
                    "{name} has {has} partitions on the target and {wants} in the snapshot: it stays as it is"
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

    /// The same, of which no more than these segments is read.
    fn read_in(&self, segments: &[SegmentAge]) -> Self {
        let of_this = || segments.iter().filter(|s| s.partition == self.partition);
        Self {
            records: self.records.map(|_| of_this().map(|s| s.records).sum()),
            bytes: of_this().map(|s| s.bytes).sum(),
            ..*self
        }
    }
}

/// Where the records begin that are spread over so many partitions.
fn start_offsets(count: usize, existing: Option<&ExistingTopic>) -> Vec<i64> {
    let there = existing.map_or(&[][..], |existing| &existing.partitions);
    let ends = there.iter().map(|range| range.end);
    ends.chain(std::iter::repeat(0)).take(count).collect()
}

/// Where its records are can't be known.
fn unreadable(why: &str) -> TopicAction {
    TopicAction::Refuse {
        records: 0,
        reason: format!("its list is damaged: {why}"),
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
