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
mod tests {
    use lifeboat_archive::json::Sha256Hex;

    use super::*;
    use crate::{
        groups::RestoredGroup,
        journal::{PartitionWritten, Planned, Prepared},
        offsets::OffsetTranslator,
        restore::Options,
        rewrite::{Producer, RewriteCounts},
        salvage::Salvage,
        testing::plans,
        verify::{Damage, Place},
    };

    const CLUSTER: &str = "target";

    /// A journal of a restore of orders into dr.orders, begun at that time.
    fn begin(folder: &Path, at: i64, cluster: &str) -> Journal {
        let mut topic = plans::topic("orders");
        topic.target = "dr.orders".to_owned();
        let mut plan = plans::plan(vec![topic]);
        plan.target_cluster_id = cluster.to_owned();
        let at = Timestamp::from_millis(at);
        let planned = Planned::of(&plan, &Options::default(), at);
        let journal = Journal::create(folder, &planned).unwrap();
        let planned = Entry::Planned(Box::new(planned));
        journal.append(&planned).unwrap();
        journal
    }

    /// So many records of a partition of orders are there.
    fn written(partition: i32, records: u64) -> PartitionWritten {
        let counts = RewriteCounts {
            records,
            ..RewriteCounts::default()
        };
        let translator = OffsetTranslator::new(&plans::partition(partition), []);
        PartitionWritten {
            topic: "orders".to_owned(),
            target: "dr.orders".to_owned(),
            partition,
            start_offset: 5,
            counts,
            digest: None,
            offsets: translator.finish(records),
            salvaged: Vec::new(),
        }
    }

    fn write(journal: &Journal) {
        let topic = PreparedTopic {
            topic: "orders".to_owned(),
            target: "dr.orders".to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 5],
            content: Sha256Hex::of(b"content"),
        };
        let prepared = Prepared {
            producer: Producer { id: 7, epoch: 0 },
            topics: vec![topic],
        };
        for entry in [Entry::Prepared(prepared), Entry::Written(written(1, 8))] {
            journal.append(&entry).unwrap();
        }
    }

    fn end(journal: &Journal, at: i64) {
        let settled = Entry::SettingsRestored {
            topic: "orders".to_owned(),
            target: "dr.orders".to_owned(),
        };
        let at = Timestamp::from_millis(at);
        for entry in [settled, Entry::Finished { at }] {
            journal.append(&entry).unwrap();
        }
    }

    #[test]
    fn what_a_restore_wrote_that_came_to_its_end_is_known_by_the_targets_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            earlier_in(folder.path(), CLUSTER)
                .unwrap()
                .earlier
                .is_empty()
        );
        let journal = begin(folder.path(), 5, CLUSTER);
        write(&journal);
        assert!(
            earlier_in(folder.path(), CLUSTER)
                .unwrap()
                .earlier
                .is_empty()
        );
        end(&journal, 9);
        let known = earlier_in(folder.path(), CLUSTER).unwrap().earlier;
        let ranges = [(0, OffsetRange::new(0, 0)), (1, OffsetRange::new(5, 13))];
        let expected = Earlier {
            at: Timestamp::from_millis(9),
            topic_id: TopicId([3; 16]),
            content: Sha256Hex::of(b"content"),
            written: ranges.into(),
            journal: journal.path().to_owned(),
            left_out: BTreeSet::new(),
        };
        assert_eq!(known, BTreeMap::from([("dr.orders".to_owned(), expected)]));
        assert!(
            earlier_in(folder.path(), "other")
                .unwrap()
                .earlier
                .is_empty()
        );
        let nowhere = folder.path().join("nowhere");
        assert!(earlier_in(&nowhere, CLUSTER).unwrap().earlier.is_empty());
    }

    #[test]
    fn groups_that_a_restore_left_out_are_known_until_they_have_their_offsets() {
        let folder = tempfile::tempdir().unwrap();
        let journal = begin(folder.path(), 5, CLUSTER);
        write(&journal);
        let billing = |skipped: Option<&str>| {
            Entry::GroupRestored(RestoredGroup {
                group: "billing".to_owned(),
                skipped: skipped.map(str::to_owned),
                partial: skipped.is_some(),
                ..RestoredGroup::default()
            })
        };
        journal.append(&billing(Some("it is active"))).unwrap();
        end(&journal, 9);
        let left_out = || {
            let known = earlier_in(folder.path(), CLUSTER).unwrap();
            known.earlier["dr.orders"].left_out.clone()
        };
        assert_eq!(left_out(), BTreeSet::from(["billing".to_owned()]));
        journal.append(&billing(None)).unwrap();
        assert_eq!(left_out(), BTreeSet::new());
    }

    #[test]
    fn a_later_restore_that_did_not_come_to_its_end_leaves_nothing_to_rely_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = begin(folder.path(), 5, CLUSTER);
        write(&first);
        end(&first, 9);
        // it may have set the topic's settings, and was killed
        begin(folder.path(), 20, CLUSTER);
        assert!(
            earlier_in(folder.path(), CLUSTER)
                .unwrap()
                .earlier
                .is_empty()
        );
        let third = begin(folder.path(), 30, CLUSTER);
        write(&third);
        end(&third, 40);
        let known = earlier_in(folder.path(), CLUSTER).unwrap().earlier;
        assert_eq!(known["dr.orders"].at, Timestamp::from_millis(40));
    }

    #[test]
    fn a_topic_of_which_records_are_lost_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let journal = begin(folder.path(), 5, CLUSTER);
        write(&journal);
        let lacking = Entry::Written(PartitionWritten {
            salvaged: vec![Salvage {
                damage: Damage::new(Place::object("archive"), "it is missing"),
                lost: vec![OffsetRange::new(1, 4)],
                lost_records: Some(3),
            }],
            ..written(0, 3)
        });
        journal.append(&lacking).unwrap();
        end(&journal, 9);
        assert!(
            earlier_in(folder.path(), CLUSTER)
                .unwrap()
                .earlier
                .is_empty()
        );
    }

    #[test]
    fn a_topic_that_was_stopped_half_way_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let journal = begin(folder.path(), 5, CLUSTER);
        write(&journal);
        let at = Timestamp::from_millis(9);
        journal.append(&Entry::Finished { at }).unwrap();
        assert!(
            earlier_in(folder.path(), CLUSTER)
                .unwrap()
                .earlier
                .is_empty()
        );
    }

    /// `--append` anew after an interruption appended everything once more.
    #[test]
    fn a_restore_that_was_interrupted_while_it_wrote_is_known_until_it_ends_or_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let interrupted = || earlier_in(folder.path(), CLUSTER).unwrap().interrupted;
        let journal = begin(folder.path(), 5, CLUSTER);
        assert!(interrupted().is_empty(), "nothing is written yet");
        write(&journal);
        let expected = Interrupted {
            at: Timestamp::from_millis(5),
            topic_id: TopicId([3; 16]),
            journal: journal.path().to_owned(),
        };
        let expected = BTreeMap::from([("dr.orders".to_owned(), expected)]);
        assert_eq!(interrupted(), expected);
        let begun = Begun {
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 5],
            snapshot: Some("20260823T020000Z-k3fa".parse().unwrap()),
            selection: Selection::default(),
        };
        let known = earlier_in(folder.path(), CLUSTER).unwrap().begun;
        assert_eq!(known, BTreeMap::from([("dr.orders".to_owned(), begun)]));
        // another one that has written nothing does not change that
        begin(folder.path(), 20, CLUSTER);
        assert_eq!(interrupted(), expected);
        end(&journal, 30);
        assert!(interrupted().is_empty());

        let second = begin(folder.path(), 40, CLUSTER);
        write(&second);
        assert_eq!(interrupted().len(), 1);
        let at = Timestamp::from_millis(50);
        second.append(&Entry::GivenUp { at }).unwrap();
        assert!(interrupted().is_empty());
    }

    /// A restore after an interrupted one took the settings of the time of writing for the topic's own.
    #[test]
    fn what_a_restore_has_not_set_of_a_topic_is_known_until_it_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let unsettled = || {
            let mut known = earlier_in(folder.path(), CLUSTER).unwrap().unsettled;
            let of_topic = known.remove("dr.orders").unwrap_or_default();
            assert!(known.is_empty());
            let of_topic = of_topic.into_iter();
            of_topic
                .map(|it| (it.journal, it.topic_id, it.settled))
                .collect::<Vec<_>>()
        };
        let journal = begin(folder.path(), 5, CLUSTER);
        let first = || journal.path().to_owned();
        assert_eq!(unsettled(), [(first(), None, false)]);
        write(&journal);
        let id = Some(TopicId([3; 16]));
        assert_eq!(unsettled(), [(first(), id, false)]);
        end(&journal, 9);
        // what was put off is still as it was
        assert_eq!(unsettled(), [(first(), id, true)]);
        // another one that has only planned does not hide it, until it has come to writing
        let second = begin(folder.path(), 30, CLUSTER);
        let path = || second.path().to_owned();
        assert_eq!(unsettled(), [(first(), id, true), (path(), None, false)]);
        write(&second);
        assert_eq!(unsettled(), [(path(), id, false)]);
        let at = Timestamp::from_millis(40);
        let topic = "orders".to_owned();
        second.append(&Entry::PutBack { topic, at }).unwrap();
        assert_eq!(unsettled(), []);
    }

    /// `--append` was refused for ever for what an older restore had written, which could not be resumed any more.
    #[test]
    fn what_was_interrupted_is_over_when_a_later_restore_came_to_writing_there_and_ended_somehow() {
        let folder = tempfile::tempdir().unwrap();
        let interrupted = || earlier_in(folder.path(), CLUSTER).unwrap().interrupted;
        let journal = begin(folder.path(), 5, CLUSTER);
        write(&journal);
        let second = begin(folder.path(), 20, CLUSTER);
        write(&second);
        assert_eq!(interrupted()["dr.orders"].journal, second.path());
        // with the topic stopped: it has no settings
        let at = Timestamp::from_millis(30);
        second.append(&Entry::Finished { at }).unwrap();
        assert!(interrupted().is_empty());
    }
}
