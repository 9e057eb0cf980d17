//! What earlier restores wrote into a cluster, as far as their journals are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use lifeboat_archive::words::{OffsetRange, SnapshotId, Timestamp, TopicId};

use super::{Entry, Journal, JournalError, PreparedTopic, kept::files_in};
use crate::{
    into::{Earlier, Interrupted, Unsettled},
    plan::Plan,
    selection::Selection,
};

/// What is known of the topics of a cluster from the journals of restores into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What came to its end.
    pub(crate) earlier: BTreeMap<String, Earlier>,
    /// What was interrupted while it was written.
    pub(crate) interrupted: BTreeMap<String, Interrupted>,
    /// Where the newest one that came to writing has begun, whatever became of it.
    pub(crate) begun: BTreeMap<String, Begun>,
    /// Topics that restores have not given all of their settings, and which, the newest last. One that has not come to
    /// writing may have set some of them, and hides no older one.
    pub(crate) unsettled: BTreeMap<String, Vec<Unsettled>>,
}

/// Where a restore has begun to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) topic_id: TopicId,
    /// The offset of the first record of each partition, by number.
    pub(crate) start_offsets: Vec<i64>,
    /// Of which snapshot.
    pub(crate) snapshot: Option<SnapshotId>,
    /// Which records of it.
    pub(crate) selection: Selection,
    /// Over how many partitions its records were spread, where that is another number than it had.
    pub(crate) spread: Option<usize>,
}

impl Begun {
    /// Which records of that snapshot were to be restored, where not all of them were.
    pub(crate) fn only_of(&self, snapshot: &SnapshotId) -> Option<&Selection> {
        let of_it = self.snapshot.as_ref() == Some(snapshot);
        Some(&self.selection).filter(|it| of_it && !it.is_everything())
    }
}

/// What the newest restore that touched each topic of that cluster wrote there, by the target's name; nothing of a topic
/// with which that one did not come to its end. A journal that can't be read is passed over.
pub(crate) fn earlier_in(folder: &Path, target_cluster_id: &str) -> Result<Known, JournalError> {
    let mut journals = Vec::new();
    for path in files_in(folder, None, target_cluster_id)? {
        match Journal::read(&path) {
            Ok(entries) => {
                journals.extend(Story::of(entries, &path));
            }
            Err(error) => tracing::warn!(%error, "a journal is passed over"),
        }
    }
    journals.sort_by(|one, other| (one.at, &one.journal).cmp(&(other.at, &other.journal)));
    let mut known = Known::default();
    for story in journals {
        // whatever an older one wrote is not alone there any more
        known
            .earlier
            .retain(|topic, _| !story.touched.contains(topic));
        // nor can it be gone on with, whatever became of this one
        known
            .interrupted
            .retain(|topic, _| !story.has_prepared(topic));
        known.interrupted.extend(story.interrupted());
        known.begun.extend(story.begun());
        for it in story.unsettled() {
            let of_topic = known.unsettled.entry(it.target.clone()).or_default();
            if it.settled || story.has_prepared(&it.target) {
                of_topic.clear();
            }
            if !it.put_back {
                of_topic.push(it);
            }
        }
        known.unsettled.retain(|_, of_topic| !of_topic.is_empty());
        known.earlier.extend(story.ended());
    }
    Ok(known)
}

/// What one journal tells.
#[derive(Debug, Default)]
struct Story {
    at: Timestamp,
    snapshot: Option<SnapshotId>,
    selection: Selection,
    /// Over how many partitions the records of the snapshot's topics were spread, where it was another number.
    spread: BTreeMap<String, usize>,
    /// The topics that it may have changed.
    touched: Vec<String>,
    prepared: Vec<PreparedTopic>,
    /// The settings of each topic, by the snapshot's name.
    settings: BTreeMap<String, Unsettled>,
    /// Records by the snapshot's topic and the partition.
    written: BTreeMap<(String, i32), u64>,
    /// The snapshot's topics of which records are missing.
    incomplete: Vec<String>,
    /// The snapshot's topics that have their settings.
    settled: Vec<String>,
    journal: PathBuf,
    /// Groups that may still get their offsets.
    left_out: BTreeSet<String>,
    finished: Option<Timestamp>,
    given_up: bool,
}

impl Story {
    /// None where it does not begin with a plan.
    fn of(entries: Vec<Entry>, journal: &Path) -> Option<Self> {
        let mut story = Self {
            journal: journal.to_owned(),
            ..Self::default()
        };
        let mut planned = false;
        for entry in entries {
            match entry {
                Entry::Planned(it) => {
                    planned = true;
                    story.at = it.at;
                    story.snapshot = Some(it.snapshot);
                    let selection = it.plan.as_ref().map(|plan| plan.selection.clone());
                    story.selection = selection.unwrap_or_default();
                    let topics = it.plan.iter().flat_map(Plan::written);
                    story.touched = topics.map(|it| it.target_name().to_owned()).collect();
                    let topics = it.plan.iter().flat_map(Plan::written);
                    let settings = topics.map(|it| (it.topic.clone(), Unsettled::of(it, journal)));
                    story.settings = settings.collect();
                    let spread = it.plan.iter().flat_map(Plan::spread);
                    story.spread = spread.map(|(topic, n)| (topic.to_owned(), n)).collect();
                    let groups = it.plan.iter().flat_map(|plan| &plan.groups);
                    let left_out = groups.filter(|it| it.skipped.is_some() && it.has_a_chance());
                    story.left_out = left_out.map(|it| it.group.clone()).collect();
                }
                Entry::Prepared(it) => story.prepared = it.topics,
                Entry::Written(it) => {
                    if it.is_incomplete() {
                        story.incomplete.push(it.topic.clone());
                    }
                    let records = it.counts.records;
                    story.written.insert((it.topic, it.partition), records);
                }
                Entry::GroupRestored(it) if it.is_left_out() => {
                    story.left_out.insert(it.group);
                }
                Entry::GroupRestored(it) => {
                    story.left_out.remove(&it.group);
                }
                Entry::SettingsRestored { topic, .. } => {
                    if let Some(settings) = story.settings.get_mut(&topic) {
                        settings.settled = true;
                    }
                    story.settled.push(topic);
                }
                Entry::PutBack { topic, .. } => {
                    if let Some(settings) = story.settings.get_mut(&topic) {
                        settings.put_back = true;
                    }
                }
                Entry::Finished { at } => story.finished = Some(at),
                Entry::GivenUp { .. } => story.given_up = true,
                _ => {}
            }
        }
        planned.then_some(story)
    }

    /// Whether it came to writing into that topic of the target.
    fn has_prepared(&self, target: &str) -> bool {
        self.prepared.iter().any(|topic| topic.target == target)
    }

    /// The topics that it may have written a part of, and can still be gone on with.
    fn interrupted(&self) -> Vec<(String, Interrupted)> {
        if self.finished.is_some() || self.given_up {
            return Vec::new();
        }
        let topics = self.prepared.iter().map(|topic| {
            let interrupted = Interrupted {
                at: self.at,
                topic_id: topic.topic_id,
                journal: self.journal.clone(),
            };
            (topic.target.clone(), interrupted)
        });
        topics.collect()
    }

    /// What it left of the settings of each topic.
    fn unsettled(&self) -> impl Iterator<Item = Unsettled> {
        self.settings.values().map(|settings| {
            let mut settings = settings.clone();
            let mut prepared = self.prepared.iter();
            let prepared = prepared.find(|it| it.target == settings.target);
            settings.topic_id = prepared.map(|it| it.topic_id).or(settings.topic_id);
            settings
        })
    }

    fn begun(&self) -> impl Iterator<Item = (String, Begun)> {
        self.prepared.iter().map(|topic| {
            let begun = Begun {
                topic_id: topic.topic_id,
                start_offsets: topic.start_offsets.clone(),
                snapshot: self.snapshot.clone(),
                selection: self.selection.of_topic(&topic.topic),
                spread: self.spread.get(&topic.topic).copied(),
            };
            (topic.target.clone(), begun)
        })
    }

    /// What it wrote into each topic with which it came to its end.
    fn ended(self) -> impl Iterator<Item = (String, Earlier)> {
        let Self {
            prepared,
            written,
            incomplete,
            settled,
            journal,
            left_out,
            finished,
            ..
        } = self;
        let ended = finished.into_iter().flat_map(move |at| {
            let topics = prepared.clone().into_iter();
            topics.map(move |topic| (at, topic))
        });
        ended
            // one that was stopped half-way keeps the settings of the time of writing
            .filter(move |(_, topic)| settled.contains(&topic.topic))
            // a later one may find what was damaged mended
            .filter(move |(_, topic)| !incomplete.contains(&topic.topic))
            .map(move |(at, topic)| {
                let ranges = (0..).zip(&topic.start_offsets).map(|(partition, start)| {
                    let records = written.get(&(topic.topic.clone(), partition));
                    let end = start.saturating_add_unsigned(records.copied().unwrap_or(0));
                    (partition, OffsetRange::new(*start, end))
                });
                let earlier = Earlier {
                    at,
                    topic_id: topic.topic_id,
                    written: ranges.collect(),
                    content: topic.content,
                    journal: journal.clone(),
                    left_out: left_out.clone(),
                };
                (topic.target, earlier)
            })
    }
}

#[cfg(test)]
mod tests;
