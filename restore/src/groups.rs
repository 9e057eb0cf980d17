//! Consumer groups get their offsets, translated, when everything is written and compared (R16–R18, R23).

use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::{
    documents::{CommittedOffset, GroupDocument, GroupsDocument},
    words::TopicPartition,
};
use serde::{Deserialize, Serialize};

use crate::{
    names::name_or,
    offsets::{OffsetMap, Translation},
    plan::PlannedGroup,
};

mod commit;

pub use commit::GroupBegun;
pub(crate) use commit::restore;

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

    /// Whether it got nothing of what it may get, and has another chance.
    pub(crate) fn is_left_out(&self) -> bool {
        self.partial && self.skipped.is_some()
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

/// The offsets that have to be looked out for while streaming, by partition; those of groups too that are left out this
/// time, and can be had later.
pub(crate) fn wanted_offsets(
    groups: &GroupsDocument,
    planned: &[PlannedGroup],
) -> HashMap<TopicPartition, Vec<i64>> {
    let mut wanted: HashMap<TopicPartition, Vec<i64>> = HashMap::new();
    for (group, _) in restorable(groups, planned, PlannedGroup::has_a_chance) {
        for committed in &group.offsets {
            wanted
                .entry(partition_of(committed))
                .or_default()
                .push(committed.offset);
        }
    }
    wanted
}

/// The groups of a plan that `are_restored`, with their place in it.
fn restorable<'g>(
    groups: &'g GroupsDocument,
    planned: &'g [PlannedGroup],
    are_restored: impl Fn(&PlannedGroup) -> bool,
) -> impl Iterator<Item = (&'g GroupDocument, &'g PlannedGroup)> {
    let documents: BTreeMap<&str, &GroupDocument> = groups
        .groups
        .iter()
        .map(|group| (group.group.as_str(), group))
        .collect();
    let restored = planned.iter().filter(move |planned| are_restored(planned));
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

#[cfg(test)]
mod tests;
