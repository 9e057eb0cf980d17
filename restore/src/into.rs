//! Whether, and how, a topic that the target has already is written to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use lifeboat_archive::{
    json::Sha256Hex,
    words::{HumanCount, OffsetRange, Timestamp, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    plan::{ExistingTopic, PlannedTopic, TopicAction},
    settings::{TopicSettings, has_policy},
};

/// What is done with topics that hold records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// They are left alone.
    #[default]
    Refuse,
    /// What is restored comes behind what they hold.
    Append,
    /// What they hold is deleted first.
    Replace,
}

/// What an earlier restore wrote into a topic, and came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// When it ended.
    pub at: Timestamp,
    /// The topic's id.
    pub topic_id: TopicId,
    /// What was written: see [`crate::plan::PlannedTopic::content`].
    pub content: Sha256Hex,
    /// Where it lies, by partition.
    pub written: BTreeMap<i32, OffsetRange>,
    /// Its journal.
    pub journal: PathBuf,
    /// Groups, by the snapshot's names, that it left out and that can get their offsets when it is gone on with.
    pub left_out: BTreeSet<String>,
}

/// A restore that may have written a part of a topic, and did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// When it was begun.
    pub at: Timestamp,
    /// The topic's id.
    pub topic_id: TopicId,
    /// Its journal.
    pub journal: PathBuf,
}

/// A topic that a restore has not given all of its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The journal of that restore.
    pub journal: PathBuf,
    /// Its name in the target.
    pub target: String,
    /// Its id; none where it was to be made, and nothing tells whether it was.
    pub topic_id: Option<TopicId>,
    /// What it was set to, and was to be set to.
    pub settings: TopicSettings,
    /// Whether only what was put off is missing.
    pub settled: bool,
    /// Whether nothing is missing any more.
    pub put_back: bool,
}

impl Unsettled {
    /// As a plan begins that `journal` keeps.
    pub(crate) fn of(planned: &PlannedTopic, journal: &Path) -> Self {
        Self {
            journal: journal.to_owned(),
            target: planned.target_name().to_owned(),
            topic_id: planned.action.topic_id(),
            settings: planned.settings.clone(),
            settled: false,
            put_back: false,
        }
    }

    /// Whether it is the topic that is there.
    fn is(&self, existing: &ExistingTopic) -> bool {
        is_the_same(self.topic_id, &self.settings, existing)
    }
}

/// Whether the topic that is there is the one that a restore has written, or was about to make: where it did not come to
/// writing down its id, all of its settings tell. A few may be anybody's.
pub(crate) fn is_the_same(
    known: Option<TopicId>,
    settings: &TopicSettings,
    there: &ExistingTopic,
) -> bool {
    known.map_or_else(
        || settings.is_as_made(&there.settings),
        |id| id == there.topic_id,
    )
}

/// The topic's own settings, where those of `existing` may still be those of restores, the newest of them last. What was
/// taken from the journals of those goes to `warnings`.
pub(crate) fn own_settings(
    existing: &ExistingTopic,
    unsettled: &[Unsettled],
    warnings: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut own = existing.settings.clone();
    // the newest one that has set a setting knows what was there before
    let mut known = BTreeSet::new();
    for it in unsettled.iter().rev().filter(|it| it.is(existing)) {
        let mut taken = Vec::new();
        for name in it.settings.still_ours(&existing.settings, it.settled) {
            if !known.insert(name) {
                continue;
            }
            let before = match it.settings.wanted.get(name) {
                Some(wanted) => own.insert(name.to_owned(), wanted.clone()),
                None => own.remove(name),
            };
            if before.as_ref() != it.settings.wanted.get(name) {
                taken.push(name);
            }
        }
        if !taken.is_empty() {
            warnings.push(format!(
                "it still has settings of an earlier restore: its own {} are taken from the journal of that, {}",
                some_of(&taken),
                it.journal.display()
            ));
        }
    }
    own
}

/// `a, b, c and 6 more`
fn some_of(names: &[&str]) -> String {
    const TOLD: usize = 3;
    let (told, rest) = names.split_at(TOLD.min(names.len()));
    let told = told.join(", ");
    match rest.len() {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

impl Earlier {
    /// Whether `content` is still there, and nothing came behind it. Where all else was to be deleted, nothing may be
    /// before it either.
    fn is_still(&self, content: &Sha256Hex, existing: &ExistingTopic, alone: bool) -> bool {
        let as_written = |(partition, now): (i32, &OffsetRange)| match self.written.get(&partition)
        {
            Some(written) if alone => *now == *written,
            Some(written) => now.start <= written.start && now.end == written.end,
            // one that the snapshot does not have
            None => !alone || now.span() == 0,
        };
        let same = self.topic_id == existing.topic_id && self.content == *content;
        same && (0..).zip(&existing.partitions).all(as_written)
    }
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// How many partitions the topic has in the snapshot.
    pub(crate) partitions: usize,
    /// How many it shall have, where that is another number.
    pub(crate) repartition: Option<usize>,
    /// What is to be written: see [`crate::plan::PlannedTopic::content`].
    pub(crate) content: &'a Sha256Hex,
    /// What an earlier restore wrote.
    pub(crate) earlier: Option<&'a Earlier>,
    /// Which restore was interrupted while it wrote there.
    pub(crate) interrupted: Option<&'a Interrupted>,
    /// What shall be done with what holds records.
    pub(crate) existing: Existing,
}

/// Decides; what is good to know goes to `warnings`.
pub(crate) fn action(
    wanted: Wanted<'_>,
    existing: Option<&ExistingTopic>,
    warnings: &mut Vec<String>,
) -> TopicAction {
    let Some(existing) = existing else {
        return TopicAction::Create;
    };
    let records = existing.records();
    let topic_id = existing.topic_id;
    let (has, wants) = (existing.partitions.len(), wanted.partitions);
    let refuse = |reason: String| TopicAction::Refuse { records, reason };
    if existing.internal {
        return refuse("Kafka keeps its own state there".to_owned());
    }
    let alone = wanted.existing == Existing::Replace;
    if let Some(earlier) = wanted.earlier
        && earlier.is_still(wanted.content, existing, alone)
    {
        let at = earlier.at;
        return TopicAction::AlreadyThere { topic_id, at };
    }
    let interrupted = wanted.interrupted.filter(|it| it.topic_id == topic_id);
    if let Some(it) = interrupted.filter(|_| records > 0) {
        let begun = format!(
            "a restore that was begun at {} and interrupted has written to it ({})",
            it.at,
            it.journal.display()
        );
        if wanted.existing != Existing::Replace {
            return refuse(format!(
                "it holds {} records, and {begun}: --resume goes on with that one, --finish ends it, --replace deletes \
                 what it wrote; written once more its records would be there twice",
                HumanCount(records)
            ));
        }
        warnings.push(format!("{begun}: it can't be resumed after this"));
    }
    if records > 0 && wanted.existing == Existing::Refuse {
        return refuse(format!(
            "it holds {} records on the target: --append adds to them, --replace deletes them first, --rename and \
             --prefix restore beside them",
            HumanCount(records)
        ));
    }
    match wanted.repartition {
        Some(asked) if has != asked => {
            return refuse(format!(
                "it has {has} partitions on the target, and {asked} were asked for: --repartition TOPIC={has} takes what \
                 is there, --rename restores beside it"
            ));
        }
        None if has < wants => {
            return refuse(format!(
                "it has {has} partitions on the target and {wants} in the snapshot: delete it, restore beside it with \
                 --rename, or spread its records by their keys with --repartition"
            ));
        }
        None if has > wants => warnings.push(format!(
            "it has {has} partitions on the target and {wants} in the snapshot: new records of a key may go elsewhere"
        )),
        _ => {}
    }
    match wanted.existing {
        _ if records == 0 => TopicAction::UseEmpty { topic_id },
        Existing::Replace => TopicAction::Replace {
            topic_id,
            records,
            bytes: existing.bytes,
            before: existing.partitions.iter().map(|range| range.end).collect(),
        },
        Existing::Append | Existing::Refuse => TopicAction::Append { topic_id, records },
    }
}

/// What is good to know of records that come behind others: `policy` is the topic's own, or the brokers' default.
pub(crate) fn warn_of_appending(policy: &str, differing: &[&str], warnings: &mut Vec<String>) {
    if has_policy(policy, "compact") {
        warnings.push(
            "it is compacted: a value of the snapshot wins over one that is there, even if that is newer".to_owned(),
        );
    }
    if !differing.is_empty() {
        warnings.push(format!(
            "it keeps its own settings, which are not the snapshot's: {}",
            differing.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests;
