//! Consumer groups get their offsets, translated, when everything is written and compared (R16–R18, R23).

use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::{
    documents::{CommittedOffset, GroupDocument, GroupsDocument},
    words::TopicPartition,
};
use lifeboat_kafka::{
    ErrorCode, KafkaError,
    rights::{Operation, Resource, Right},
    wire::{Cluster, CommitOutcomes, GroupState},
};
use serde::{Deserialize, Serialize};

use crate::{
    error::RestoreError,
    journal::{Entry, Journal},
    names::name_or,
    offsets::{OffsetMap, Translation},
    plan::{Plan, PlannedGroup},
};

/// A leader epoch of the source would make consumers refuse the target's metadata, or reset their offset (R16).
const NO_LEADER_EPOCH: i32 = -1;

/// What became of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredGroup {
    /// Its name in the snapshot.
    pub group: String,
    /// Its name in the target; empty where it is the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// How many offsets it got.
    pub committed: usize,
    /// Why it got none; absent where it was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Offsets that it did not get, or got in another way than a person would expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<OffsetNote>,
    /// Partitions of topics that were not restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_restored: Vec<String>,
    /// Topics that were appended to and that it reads there already, by the snapshot's names: its offsets there stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Whether something that was asked for is missing (exit code 3).
    #[serde(default)]
    pub partial: bool,
}

impl RestoredGroup {
    /// Why something is missing that was asked for.
    pub fn why_partial(&self) -> &str {
        let skipped = self.skipped.as_deref();
        skipped.unwrap_or("not all of its offsets were restored")
    }

    /// Its name in the target.
    pub fn target_name(&self) -> &str {
        name_or(&self.target, &self.group)
    }
}

/// Something to know about one offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetNote {
    /// The topic, as the snapshot calls it.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What was committed on the source.
    pub source_offset: i64,
    /// What it became.
    pub target_offset: i64,
    /// What there is to know, for people.
    pub note: String,
}

/// How the offsets of one restored partition are translated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionOffsets<'m> {
    /// What the target calls its topic.
    pub(crate) topic: &'m str,
    /// The map.
    pub(crate) map: &'m OffsetMap,
    /// The target's first offset.
    pub(crate) start_offset: i64,
}

/// The offsets of one group on the target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TranslatedGroup {
    offsets: Vec<CommittedOffset>,
    /// What each of them was on the source.
    sources: Vec<CommittedOffset>,
    notes: Vec<OffsetNote>,
    not_restored: Vec<String>,
}

/// The offsets that have to be looked out for while streaming, by partition.
pub(crate) fn wanted_offsets(
    groups: &GroupsDocument,
    planned: &[PlannedGroup],
) -> HashMap<TopicPartition, Vec<i64>> {
    let mut wanted: HashMap<TopicPartition, Vec<i64>> = HashMap::new();
    for (group, _) in restorable(groups, planned) {
        for committed in &group.offsets {
            wanted
                .entry(partition_of(committed))
                .or_default()
                .push(committed.offset);
        }
    }
    wanted
}

/// The groups that the plan restores, with their place in it.
fn restorable<'g>(
    groups: &'g GroupsDocument,
    planned: &'g [PlannedGroup],
) -> impl Iterator<Item = (&'g GroupDocument, &'g PlannedGroup)> {
    let documents: BTreeMap<&str, &GroupDocument> = groups
        .groups
        .iter()
        .map(|group| (group.group.as_str(), group))
        .collect();
    let restored = planned.iter().filter(|planned| planned.skipped.is_none());
    restored.filter_map(move |planned| Some((*documents.get(planned.group.as_str())?, planned)))
}

fn partition_of(committed: &CommittedOffset) -> TopicPartition {
    TopicPartition::new(committed.topic.as_str(), committed.partition)
}

/// Translates what `group` had committed, by the snapshot's names of the partitions.
pub(crate) fn translate(
    group: &GroupDocument,
    kept: &[String],
    partitions: &HashMap<TopicPartition, PartitionOffsets<'_>>,
) -> TranslatedGroup {
    let mut translated = TranslatedGroup::default();
    let moves = |committed: &&CommittedOffset| !kept.contains(&committed.topic);
    for committed in group.offsets.iter().filter(moves) {
        let partition = partition_of(committed);
        let target = partitions.get(&partition).and_then(|offsets| {
            let (map, start) = (offsets.map, offsets.start_offset);
            Some((offsets.topic, map.translate(committed.offset, start)?))
        });
        let Some((topic, (offset, translation))) = target else {
            translated.not_restored.push(partition.to_string());
            continue;
        };
        translated.offsets.push(CommittedOffset {
            topic: topic.to_owned(),
            offset,
            leader_epoch: NO_LEADER_EPOCH,
            ..committed.clone()
        });
        translated.sources.push(committed.clone());
        if translation.is_notable() {
            translated
                .notes
                .push(note(committed, offset, &moved(translation)));
        }
    }
    translated
}

fn moved(translation: Translation) -> String {
    format!("goes to {translation}")
}

fn note(committed: &CommittedOffset, target_offset: i64, note: &str) -> OffsetNote {
    OffsetNote {
        topic: committed.topic.clone(),
        partition: committed.partition,
        source_offset: committed.offset,
        target_offset,
        note: note.to_owned(),
    }
}

/// What is known of groups from before an interruption.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// They are not touched again.
    pub(crate) groups: BTreeMap<String, RestoredGroup>,
    /// Whether there was one: a group may have got its offsets without a line in the journal.
    pub(crate) resumed: bool,
}

/// Commits the offsets of all groups of the plan, one group after the other.
pub(crate) async fn restore(
    cluster: &Cluster,
    groups: &GroupsDocument,
    plan: &Plan,
    partitions: &HashMap<TopicPartition, PartitionOffsets<'_>>,
    before: &Before,
    journal: &Journal,
) -> Result<Vec<RestoredGroup>, RestoreError> {
    let planned = &plan.groups;
    let mut restored: Vec<RestoredGroup> = planned
        .iter()
        .filter(|planned| planned.skipped.is_some())
        .map(|planned| RestoredGroup {
            group: planned.group.clone(),
            target: planned.target.clone(),
            kept: planned.kept.clone(),
            skipped: planned.skipped.clone(),
            partial: planned.offsets > 0,
            ..RestoredGroup::default()
        })
        .collect();
    for (group, planned) in restorable(groups, planned) {
        if let Some(known) = before.groups.get(&group.group) {
            restored.push(known.clone());
            continue;
        }
        let done = restore_group(cluster, group, planned, partitions, before.resumed).await?;
        journal.note(&Entry::GroupRestored(done.clone()))?;
        restored.push(done);
    }
    restored.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(restored)
}

async fn restore_group(
    cluster: &Cluster,
    group: &GroupDocument,
    planned: &PlannedGroup,
    partitions: &HashMap<TopicPartition, PartitionOffsets<'_>>,
    resumed: bool,
) -> Result<RestoredGroup, KafkaError> {
    let mut translated = translate(group, &planned.kept, partitions);
    let target = Target {
        group: planned.target_name(),
        is_share: group.is_share(),
    };
    let mut restored = RestoredGroup {
        group: group.group.clone(),
        target: planned.target.clone(),
        kept: planned.kept.clone(),
        notes: std::mem::take(&mut translated.notes),
        not_restored: std::mem::take(&mut translated.not_restored),
        ..RestoredGroup::default()
    };
    if translated.offsets.is_empty() {
        restored.skipped = Some("none of its partitions was restored".to_owned());
        return Ok(restored);
    }
    // it may have come to life since the plan was made
    let state = match state_of(cluster, target).await {
        Ok(state) => state,
        // the records are there: a group that can't be had is no reason to leave the others out
        Err(error) if error.missing_right().is_some() => {
            let right = Right {
                operation: Operation::Read,
                resource: Resource::Group(target.group.to_owned()),
            };
            restored.skipped = Some(format!("{error}: {} lacks {right}", cluster.principal()));
            restored.partial = true;
            return Ok(restored);
        }
        Err(error) => return Err(error),
    };
    if !state.is_vacant() {
        let state = state.state.to_lowercase();
        let goes_on = resumed && has_all(cluster, target, &translated.offsets).await?;
        let why = if goes_on {
            "and goes on from the offsets that it has"
        } else {
            "on the target"
        };
        restored.skipped = Some(format!("it is active {why} ({state})"));
        restored.partial = !goes_on;
        return Ok(restored);
    }
    let outcomes = match set_offsets(cluster, target, &translated.offsets).await {
        Ok(outcomes) => outcomes,
        // a broker without share groups, one that says no
        Err(error)
            if error.code().is_some() || matches!(error, KafkaError::UnsupportedApi { .. }) =>
        {
            restored.skipped = Some(cluster.explain(&error));
            restored.partial = true;
            return Ok(restored);
        }
        Err(error) => return Err(error),
    };
    let explain = |error: &KafkaError| cluster.explain(error);
    let too_long = restored.account(&translated, outcomes, explain);
    if !too_long.offsets.is_empty() {
        commit_without_metadata(cluster, target, too_long, &mut restored).await?;
    }
    Ok(restored)
}

/// A group of the target.
#[derive(Clone, Copy)]
struct Target<'a> {
    group: &'a str,
    is_share: bool,
}

/// Whether the group has an offset wherever it shall have one, as it has where they were committed before an
/// interruption and its consumers have begun since.
async fn has_all(
    cluster: &Cluster,
    target: Target<'_>,
    wanted: &[CommittedOffset],
) -> Result<bool, KafkaError> {
    let there = cluster.offsets_of(target.group, target.is_share).await?;
    Ok(wanted.iter().all(|wanted| {
        let mut there = there.offsets.iter();
        there.any(|there| {
            there.topic == wanted.topic
                && there.partition == wanted.partition
                && there.offset >= wanted.offset
        })
    }))
}

async fn state_of(cluster: &Cluster, target: Target<'_>) -> Result<GroupState, KafkaError> {
    if target.is_share {
        cluster.describe_share_group(target.group).await
    } else {
        cluster.describe_group(target.group).await
    }
}

/// Commits them, or makes a share group start there.
async fn set_offsets(
    cluster: &Cluster,
    target: Target<'_>,
    offsets: &[CommittedOffset],
) -> Result<CommitOutcomes, KafkaError> {
    if target.is_share {
        cluster
            .alter_share_group_offsets(target.group, offsets)
            .await
    } else {
        cluster.commit_offsets(target.group, offsets).await
    }
}

/// The target's `offset.metadata.max.bytes` is smaller than the source's: the offset is worth more than its text.
async fn commit_without_metadata(
    cluster: &Cluster,
    target: Target<'_>,
    too_long: TranslatedGroup,
    restored: &mut RestoredGroup,
) -> Result<(), KafkaError> {
    let mut bare = too_long;
    let lengths: Vec<usize> = bare.offsets.iter().map(|it| it.metadata.len()).collect();
    for offset in &mut bare.offsets {
        offset.metadata.clear();
    }
    let outcomes = cluster.commit_offsets(target.group, &bare.offsets).await?;
    let explain = |error: &KafkaError| cluster.explain(error);
    restored.account(&bare, outcomes, explain);
    restored.partial = true;
    for ((source, offset), length) in bare.pairs().zip(lengths) {
        let text = format!(
            "committed without its metadata: {length} bytes are more than the target's offset.metadata.max.bytes"
        );
        restored.notes.push(note(source, offset.offset, &text));
    }
    Ok(())
}

impl TranslatedGroup {
    /// Each offset, on the source and on the target.
    fn pairs(&self) -> impl Iterator<Item = (&CommittedOffset, &CommittedOffset)> {
        self.sources.iter().zip(&self.offsets)
    }
}

impl RestoredGroup {
    /// Counts what was committed; gives the offsets whose metadata is too long.
    fn account(
        &mut self,
        translated: &TranslatedGroup,
        outcomes: CommitOutcomes,
        explain: impl Fn(&KafkaError) -> String,
    ) -> TranslatedGroup {
        let mut too_long = TranslatedGroup::default();
        for ((source, offset), (_, outcome)) in translated.pairs().zip(outcomes) {
            match outcome {
                Ok(()) => self.committed += 1,
                Err(error) if error.code() == Some(ErrorCode::OFFSET_METADATA_TOO_LARGE) => {
                    too_long.sources.push(source.clone());
                    too_long.offsets.push(offset.clone());
                }
                Err(error) => {
                    self.partial = true;
                    let text = format!("not committed: {}", explain(&error));
                    self.notes.push(note(source, offset.offset, &text));
                }
            }
        }
        too_long
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::manifest::ManifestPartition;

    use super::*;
    use crate::offsets::OffsetTranslator;

    fn committed(topic: &str, partition: i32, offset: i64, metadata: &str) -> CommittedOffset {
        CommittedOffset {
            topic: topic.to_owned(),
            partition,
            offset,
            leader_epoch: 12,
            metadata: metadata.to_owned(),
        }
    }

    fn group(offsets: Vec<CommittedOffset>) -> GroupDocument {
        GroupDocument {
            group: "billing".to_owned(),
            group_type: "classic".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Stable".to_owned(),
            offsets,
            members: Vec::new(),
        }
    }

    fn planned(skipped: Option<&str>) -> PlannedGroup {
        PlannedGroup {
            group: "billing".to_owned(),
            target: String::new(),
            offsets: 1,
            not_restored: 0,
            kept: Vec::new(),
            skipped: skipped.map(str::to_owned),
        }
    }

    fn map(offsets: &[i64]) -> OffsetMap {
        let partition = ManifestPartition {
            partition: 0,
            log_start_offset: 10,
            high_watermark: 20,
            last_stable_offset: 20,
            leader_epoch: 12,
            record_count: Some(10),
            batch_count: 1,
            repacked_bytes: 0,
            raw_bytes: 1,
            largest_batch_bytes: 1,
            max_timestamp_ms: None,
            last_batch: None,
            appended: 0,
            tombstones_unsafe: false,
            gaps: Vec::new(),
        };
        let mut translator = OffsetTranslator::new(&partition, offsets.iter().copied());
        translator.keep_run(partition.range(), 0);
        translator.finish(10)
    }

    fn partitions(map: &OffsetMap) -> HashMap<TopicPartition, PartitionOffsets<'_>> {
        called(map, "orders")
    }

    fn called<'m>(
        map: &'m OffsetMap,
        topic: &'m str,
    ) -> HashMap<TopicPartition, PartitionOffsets<'m>> {
        let start_offset = 100;
        HashMap::from([(
            TopicPartition::new("orders", 0),
            PartitionOffsets {
                topic,
                map,
                start_offset,
            },
        )])
    }

    #[test]
    fn r16_offsets_are_committed_without_leader_epoch_and_with_their_metadata() {
        let group = group(vec![committed("orders", 0, 15, "né")]);
        let map = map(&[15]);
        let partitions = partitions(&map);
        let translated = translate(&group, &[], &partitions);
        let expected = CommittedOffset {
            offset: 105,
            leader_epoch: -1,
            ..group.offsets[0].clone()
        };
        assert_eq!(translated.offsets, [expected]);
        assert_eq!(translated.notes, []);
    }

    #[test]
    fn offsets_follow_a_topic_to_its_new_name_and_notes_tell_of_the_old_one() {
        let group = group(vec![committed("orders", 0, 3, "")]);
        let map = map(&[3]);
        let translated = translate(&group, &[], &called(&map, "dr.orders"));
        assert_eq!(translated.offsets[0].topic, "dr.orders");
        assert_eq!(translated.sources, group.offsets);
        assert_eq!(translated.notes[0].topic, "orders");
    }

    #[test]
    fn r17_an_offset_behind_the_log_start_is_reported() {
        let group = group(vec![committed("orders", 0, 3, "")]);
        let map = map(&[3]);
        let partitions = partitions(&map);
        let translated = translate(&group, &[], &partitions);
        assert_eq!(translated.offsets[0].offset, 100);
        assert_eq!(translated.notes.len(), 1);
        assert!(translated.notes[0].note.contains("auto.offset.reset"));
    }

    #[test]
    fn r18_offsets_of_topics_that_were_not_restored_are_listed() {
        let group = group(vec![
            committed("gone", 3, 1, ""),
            committed("orders", 0, 20, ""),
        ]);
        let map = map(&[20]);
        let partitions = partitions(&map);
        let translated = translate(&group, &[], &partitions);
        assert_eq!(translated.not_restored, ["gone-3"]);
        assert_eq!(translated.offsets.len(), 1);
    }

    #[test]
    fn what_a_group_reads_there_already_stays() {
        let group = group(vec![
            committed("events", 0, 1, ""),
            committed("orders", 0, 15, ""),
        ]);
        let map = map(&[15]);
        let translated = translate(&group, &["orders".to_owned()], &partitions(&map));
        assert_eq!(translated.offsets, []);
        assert_eq!(translated.not_restored, ["events-0"]);
    }

    #[test]
    fn r18_only_groups_that_the_plan_restores_are_looked_out_for() {
        let document = GroupsDocument {
            groups: vec![group(vec![
                committed("orders", 0, 15, ""),
                committed("orders", 0, 16, ""),
            ])],
        };
        let wanted = wanted_offsets(&document, &[planned(None)]);
        assert_eq!(wanted[&TopicPartition::new("orders", 0)], [15, 16]);
        assert!(wanted_offsets(&document, &[planned(Some("active"))]).is_empty());
    }
}
