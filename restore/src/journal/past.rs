//! What the lines of a journal say together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use lifeboat_archive::words::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Entry, PartitionStopped, PartitionWritten, Prepared};
use crate::{
    content::Depth,
    groups::{GroupBegun, RestoredGroup},
    offset_map::WrittenMap,
    parts::Part,
    plan::{Plan, PlannedGroup, PlannedTopic},
    report::MadeChange,
};

/// What was done before, as far as it is written down.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a line of the journal"
)]
pub struct Past {
    /// Where records were about to be written; none where it did not come so far.
    pub prepared: Option<Prepared>,
    /// Partitions that were written.
    pub written: BTreeMap<(String, i32), PartitionWritten>,
    /// Partitions whose writing was stopped.
    pub stopped: BTreeMap<(String, i32), PartitionStopped>,
    /// Whether somebody went on while it was written.
    pub resumed_writing: bool,
    /// Whether nothing is left to be written.
    pub all_written: bool,
    /// Whether it was compared.
    pub compared: bool,
    /// What became of the offset map.
    pub map: Option<WrittenMap>,
    /// Groups that were about to get their offsets, and where they stood.
    pub groups_begun: BTreeMap<String, GroupBegun>,
    /// Groups that have their offsets.
    pub groups: BTreeMap<String, RestoredGroup>,
    /// Whether all of them have.
    pub groups_committed: bool,
    /// Topics that have their final settings, but for what is put off.
    pub settings_restored: BTreeSet<String>,
    /// What became of the changes besides, where they were made.
    pub changes: Option<Vec<MadeChange>>,
    /// Whether the users were restored.
    pub users_restored: bool,
    /// Topics that have all of their settings.
    pub put_back: BTreeSet<String>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// When it was given up.
    pub given_up: Option<Timestamp>,
}

/// How far a restore has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not a record is written.
    Preparing,
    /// Records are being written.
    Writing,
    /// They are being read back.
    Comparing,
    /// Groups get their offsets.
    Groups,
    /// Topics get their settings.
    Settings,
    /// The rest of the cluster is changed.
    Cluster,
    /// Users get their passwords.
    Users,
    /// It is at its end.
    Finished,
    /// It was given up.
    GivenUp,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "creating topics",
            Self::Writing => "writing",
            Self::Comparing => "comparing",
            Self::Groups => "restoring groups",
            Self::Settings => "setting topics",
            Self::Cluster => "changing the cluster",
            Self::Users => "restoring users",
            Self::Finished => "finished",
            Self::GivenUp => "given up",
        })
    }
}

impl Past {
    /// What `entries` say, in their order: the later one holds.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut past = Self::default();
        for entry in entries {
            past.learn(entry);
        }
        past
    }

    pub(crate) fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Planned(_) | Entry::Replacing { .. } => {}
            Entry::Resumed { .. } => {
                self.resumed_writing |= self.prepared.is_some() && !self.all_written;
            }
            Entry::Prepared(prepared) => self.prepared = Some(prepared),
            Entry::Written(written) => {
                let key = (written.topic.clone(), written.partition);
                self.stopped.remove(&key);
                self.written.insert(key, written);
            }
            Entry::Stopped(stopped) => {
                let key = (stopped.topic.clone(), stopped.partition);
                self.written.remove(&key);
                self.stopped.insert(key, stopped);
            }
            Entry::AllWritten => self.all_written = true,
            Entry::Compared => self.compared = true,
            Entry::MapWritten(map) => self.map = Some(map),
            Entry::GroupBegun(begun) => {
                self.groups_begun.insert(begun.group.clone(), begun);
            }
            Entry::GroupRestored(group) => {
                self.groups.insert(group.group.clone(), group);
            }
            Entry::GroupsCommitted => self.groups_committed = true,
            Entry::SettingsRestored { topic, .. } => {
                self.settings_restored.insert(topic);
            }
            Entry::ClusterChanged { made, .. } => self.changes = Some(made),
            Entry::Finished { at } => self.finished = Some(at),
            Entry::UsersRestored => self.users_restored = true,
            Entry::PutBack { topic, .. } => {
                self.put_back.insert(topic);
            }
            Entry::GivenUp { at } => self.given_up = Some(at),
        }
    }

    /// Whether the records of `plan` are there and proven, as far as that was asked for: from then on the topics may
    /// have their final settings, groups may read on, and what is there is not ours alone any more.
    pub fn is_proven(&self, plan: &Plan) -> bool {
        if !plan.parts.has(Part::Data) {
            return false;
        }
        self.all_written && (self.compared || self.compares(plan).is_none())
    }

    /// How closely `plan` is compared with what was written. What is salvaged may be damaged in another way when it is
    /// gone on with, and what was written before does not fit then: that is always compared.
    pub fn compares(&self, plan: &Plan) -> Option<Depth> {
        let may_differ = plan.salvage && self.resumed_writing;
        plan.compare.or(may_differ.then_some(Depth::Batches))
    }

    /// How far the restore of `plan` has come.
    pub fn stage(&self, plan: &Plan) -> Stage {
        let users = plan.parts.has(Part::Users) && !self.users_restored;
        if self.given_up.is_some() {
            Stage::GivenUp
        } else if self.finished.is_some() {
            if users { Stage::Users } else { Stage::Finished }
        } else if plan.parts.has(Part::Data) && !self.is_proven(plan) {
            match (&self.prepared, self.all_written) {
                (None, _) => Stage::Preparing,
                (Some(_), false) => Stage::Writing,
                (Some(_), true) => Stage::Comparing,
            }
        } else if !plan.groups.is_empty() && !self.groups_committed {
            Stage::Groups
        } else if plan.written().any(|topic| self.lacks_settings(topic)) {
            Stage::Settings
        } else {
            Stage::Cluster
        }
    }

    /// Whether a topic is still as it was while it was written.
    pub fn lacks_settings(&self, topic: &PlannedTopic) -> bool {
        !self.settings_restored.contains(&topic.topic)
            && !self.stopped.keys().any(|(name, _)| *name == topic.topic)
    }

    /// Groups that did not get the offsets that they may get, and have another chance.
    pub fn groups_left<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = &'p PlannedGroup> {
        let groups = plan.groups.iter().filter(|it| it.has_a_chance());
        groups.filter(|planned| match self.groups.get(&planned.group) {
            Some(done) => done.is_left_out(),
            None => planned.skipped.is_some(),
        })
    }

    /// What of its plan a restore that has come to its end did not restore, each for people.
    pub fn missing(&self, plan: &Plan) -> Vec<String> {
        let stopped = self.stopped.iter();
        let stopped = stopped.map(|((topic, number), it)| format!("{topic}-{number}: {}", it.why));
        let damaged = self.written.iter().filter(|(_, it)| it.is_incomplete());
        let damaged = damaged.map(|((topic, number), _)| {
            format!("{topic}-{number}: records are damaged in the archives")
        });
        // one that was skipped by the plan has no line; what an earlier restore left out, that one's journal tells
        let skipped = self.groups_left(plan);
        let skipped = skipped.filter(|it| !self.groups.contains_key(&it.group));
        let skipped = skipped.filter_map(|it| Some((&it.group, it.skipped.as_deref()?)));
        let groups = self.groups.values().filter(|it| it.partial);
        let groups = groups.map(|it| (&it.group, it.why_partial()));
        let groups = groups.chain(skipped);
        let groups = groups.map(|(group, why)| format!("group {group}: {why}"));
        let changes = self.changes.iter().flatten();
        let refused = changes.filter_map(|it| {
            let why = it.refused.as_ref()?;
            Some(format!("{} {}: {why}", it.change.sign(), it.change))
        });
        let records = stopped.chain(damaged);
        records.chain(groups).chain(refused).collect()
    }

    /// Whether it came to its end.
    pub fn has_ended(&self, plan: &Plan) -> bool {
        self.finished.is_some() && !self.is_unfinished(plan)
    }

    /// Whether there is something to go on with.
    pub fn is_unfinished(&self, plan: &Plan) -> bool {
        !matches!(self.stage(plan), Stage::Finished | Stage::GivenUp)
    }
}

#[cfg(test)]
mod tests;
