//! Ends what a restore has left open: retention that was put off (R23), and the settings of topics that were still being
//! written when it was interrupted.
//!
//! Nothing is set that is not still as the restore has left it: what somebody has changed since stays.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use lifeboat_archive::{
    json::Document,
    words::{Clock, SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_kafka::wire::{Cluster, OffsetSpec};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    error::RestoreError,
    into::is_the_same,
    journal::{Entry, Journal, KeptJournal, Past, Stage},
    lease::{Lease, LeaseError},
    plan::{ExistingTopic, PlannedTopic, Target},
    settings::SettingChange,
    target, topics,
};

mod deleted;

pub use deleted::Deletion;
use deleted::{PartitionAge, Retention};

/// What is to be ended, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishPlan {
    /// The cluster.
    pub target_cluster_id: String,
    /// When this was decided.
    pub planned_at: Timestamp,
    /// Whether it was done, and is not only planned.
    pub done: bool,
    /// The restores that have left something open, the newest first.
    pub restores: Vec<OpenRestore>,
}

impl Document for FinishPlan {
    const FORMAT: &'static str = "lifeboat.restore-finish";
}

/// A restore that has left something open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRestore {
    /// Its journal.
    pub journal: PathBuf,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// How far it came.
    pub stage: Stage,
    /// Whether it was interrupted, and can't be resumed any more after this.
    pub given_up: bool,
    /// Its topics.
    pub topics: Vec<OpenTopic>,
    /// Why it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A topic that is not yet as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTopic {
    /// Its name in the snapshot.
    pub topic: String,
    /// Its name in the target.
    pub target: String,
    /// What is set.
    pub changes: Vec<SettingChange>,
    /// What Kafka deletes then at once, at most.
    #[serde(default, skip_serializing_if = "Deletion::is_nothing")]
    pub deletes: Deletion,
    /// What stays, and why, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Why the target did not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl FinishPlan {
    /// Whether there is nothing to be done.
    pub fn is_nothing(&self) -> bool {
        self.restores.is_empty()
    }

    /// What Kafka deletes at once, at most.
    pub fn deletes(&self) -> Deletion {
        let restores = self.restores.iter();
        let topics = restores.flat_map(|restore| &restore.topics);
        topics.fold(Deletion::default(), |sum, topic| sum + topic.deletes)
    }

    /// Whether something stayed open.
    pub fn is_partial(&self) -> bool {
        let refused = |restore: &OpenRestore| {
            let mut topics = restore.topics.iter();
            restore.skipped.is_some() || topics.any(|topic| topic.refused.is_some())
        };
        self.restores.iter().any(refused)
    }
}

/// What a topic lacks of its settings.
fn lacking(topic: &PlannedTopic, past: &Past) -> Vec<SettingChange> {
    if past.put_back.contains(&topic.topic) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    if !past.settings_restored.contains(&topic.topic) {
        changes = topic.settings.final_changes();
    }
    let put_off = topic.settings.put_off.iter();
    changes.extend(put_off.flat_map(|put_off| put_off.settings.clone()));
    changes
}

/// What of it is set: that which is still as it was while the topic was written.
fn decide(topic: &PlannedTopic, past: &Past, there: &BTreeMap<String, String>) -> OpenTopic {
    let mut open = OpenTopic {
        topic: topic.topic.clone(),
        target: topic.target_name().to_owned(),
        ..OpenTopic::default()
    };
    for change in lacking(topic, past) {
        let now = there.get(&change.name);
        if now == change.value.as_ref() {
            continue;
        }
        if now == topic.settings.while_writing.get(&change.name) {
            open.changes.push(change);
        } else {
            let now = now.map_or("the brokers' default", String::as_str);
            let name = &change.name;
            open.left
                .push(format!("{name} is {now}: somebody has changed it"));
        }
    }
    open
}

/// What of it is set, where `later` restores were begun: nothing of a topic that one of them has taken, or what that one
/// restored could be deleted.
fn decide_after(
    topic: &PlannedTopic,
    past: &Past,
    there: &BTreeMap<String, String>,
    later: &[KeptJournal],
) -> OpenTopic {
    let mut takers = later.iter();
    match takers.find(|it| it.has_taken(topic.target_name())) {
        None => decide(topic, past, there),
        Some(taker) => OpenTopic {
            topic: topic.topic.clone(),
            target: topic.target_name().to_owned(),
            left: vec![left_to(taker)],
            ..OpenTopic::default()
        },
    }
}

fn left_to(later: &KeptJournal) -> String {
    let (snapshot, path) = (&later.plan.snapshot, later.path.display());
    format!("it is left to the later restore of {snapshot} ({path})")
}

/// Whether the topic that is there is the one that was restored. Where it was to be made, and it did not come to writing
/// down its id, its settings tell.
fn is_same(topic: &PlannedTopic, past: &Past, there: &ExistingTopic) -> bool {
    let prepared = past.prepared.iter();
    let mut prepared = prepared.flat_map(|prepared| &prepared.topics);
    let prepared = prepared.find(|prepared| prepared.topic == topic.topic);
    let known = prepared.map(|prepared| prepared.topic_id);
    is_the_same(
        known.or_else(|| topic.action.topic_id()),
        &topic.settings,
        there,
    )
}

fn is_interrupted(past: &Past) -> bool {
    past.finished.is_none() && past.given_up.is_none()
}

/// Whether a journal still says what it said when it was `planned` how to end it.
fn is_as_planned(planned: &[KeptJournal], now: &KeptJournal) -> bool {
    let mut planned = planned.iter();
    planned.any(|planned| planned.path == now.path && planned.past == now.past)
}

/// Ends restores.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The cluster.
    pub cluster: Cluster,
    /// The journals of restores into it.
    pub journals: Vec<KeptJournal>,
    /// The time.
    pub clock: Clock,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl Finish {
    /// What would be done. Nothing is changed.
    pub async fn plan(&self) -> Result<FinishPlan, RestoreError> {
        let now = self.clock.now();
        let names = self.journals.iter().flat_map(|journal| {
            let lacks = |topic: &&PlannedTopic| !lacking(topic, &journal.past).is_empty();
            journal.plan.written().filter(lacks)
        });
        let mut names: Vec<Arc<str>> = names.map(|topic| topic.target_name().into()).collect();
        names.sort_unstable();
        names.dedup();
        let target = target::look(&self.cluster, &names, false).await?;
        let mut restores = Vec::new();
        for journal in &self.journals {
            restores.extend(self.open(journal, &target, now).await?);
        }
        Ok(FinishPlan {
            target_cluster_id: self.cluster.cluster_id().to_owned(),
            planned_at: now,
            done: false,
            restores,
        })
    }

    /// What a restore has left open, if anything.
    async fn open(
        &self,
        journal: &KeptJournal,
        target: &Target,
        now: Timestamp,
    ) -> Result<Option<OpenRestore>, RestoreError> {
        let (plan, past) = (&journal.plan, &journal.past);
        let later = journal.later()?;
        let mut topics = Vec::new();
        for topic in plan.written() {
            if lacking(topic, past).is_empty() {
                continue;
            }
            let there = target.topics.get(topic.target_name());
            let Some(there) = there.filter(|there| is_same(topic, past, there)) else {
                continue;
            };
            let mut open = decide_after(topic, past, &there.settings, &later);
            if open.changes.is_empty() && open.left.is_empty() {
                continue;
            }
            if !open.changes.is_empty() {
                open.deletes = self.deletes(topic, &open, there, target, now).await;
            }
            topics.push(open);
        }
        let given_up = is_interrupted(past);
        let is_open = given_up || !topics.is_empty();
        Ok(is_open.then(|| OpenRestore {
            journal: journal.path.clone(),
            snapshot: plan.snapshot.clone(),
            begun_at: journal.planned.at,
            stage: past.stage(plan),
            given_up,
            topics,
            skipped: None,
        }))
    }

    /// What Kafka would delete at once if the changes were made.
    async fn deletes(
        &self,
        topic: &PlannedTopic,
        open: &OpenTopic,
        there: &ExistingTopic,
        target: &Target,
        now: Timestamp,
    ) -> Deletion {
        let mut settings = there.settings.clone();
        for change in &open.changes {
            match &change.value {
                Some(value) => settings.insert(change.name.clone(), value.clone()),
                None => settings.remove(&change.name),
            };
        }
        let retention = Retention::of(&settings, &target.defaults);
        let partitions: Vec<TopicPartition> = (0..)
            .zip(&there.partitions)
            .map(|(number, _)| TopicPartition::new(topic.target_name(), number))
            .collect();
        let mut kept = match retention.horizon(now) {
            Some(horizon) => {
                let spec = OffsetSpec::NotBefore(horizon.as_millis());
                self.cluster.list_offsets(&partitions, spec).await
            }
            None => std::collections::HashMap::new(),
        };
        let ages = partitions.iter().zip(&there.partitions).enumerate();
        ages.map(|(at, (partition, &range))| {
            let (restored, restored_bytes) = topic.restored_at_most(at, range);
            let age = PartitionAge {
                range,
                kept_from: match kept.remove(partition) {
                    Some(Ok(first)) if first.offset < 0 => Some(range.end),
                    Some(Ok(first)) => Some(first.offset),
                    _ => None,
                },
                restored,
                restored_bytes,
            };
            retention.deletes(&age)
        })
        .fold(Deletion::default(), |sum, of_one| sum + of_one)
    }

    /// Does exactly what the plan says, but for journals that somebody works on.
    pub async fn apply(self, mut plan: FinishPlan) -> Result<FinishPlan, RestoreError> {
        for restore in &mut plan.restores {
            match self.finish(restore).await {
                Err(RestoreError::Lease(error @ LeaseError::Held { .. })) => {
                    restore.skipped = Some(error.to_string());
                }
                done => done?,
            }
        }
        plan.done = true;
        Ok(plan)
    }

    async fn finish(&self, restore: &mut OpenRestore) -> Result<(), RestoreError> {
        let timeout = self.cluster.request_timeout();
        let stop = self.cancel.child_token();
        let clock = self.clock.clone();
        let lease = Lease::take(&restore.journal, timeout, clock, stop).await?;
        let journal = Journal::reopen(&restore.journal)?;
        // whoever had the lease until now may have gone on, and others may have begun
        let now = KeptJournal::read(&restore.journal)?;
        if !is_as_planned(&self.journals, &now) {
            restore.skipped = Some("it was gone on with meanwhile: run --finish again".to_owned());
            return Ok(());
        }
        let later = now.later()?;
        for topic in &mut restore.topics {
            let taker = later.iter().find(|it| it.has_taken(&topic.target));
            if let Some(taker) = taker.filter(|_| !topic.changes.is_empty()) {
                topic.changes.clear();
                topic.deletes = Deletion::default();
                topic.left = vec![left_to(taker)];
            }
        }
        let at = self.clock.now();
        // before the first setting: from then on records may be deleted, and nobody may go on
        if restore.given_up {
            journal.append(&Entry::GivenUp { at })?;
        }
        for topic in &mut restore.topics {
            if self.cancel.is_cancelled() || !lease.guard().holds() {
                return Err(RestoreError::Cancelled);
            }
            match topics::set(&self.cluster, &topic.target, &topic.changes).await {
                Ok(()) => {
                    let topic = topic.topic.clone();
                    journal.append(&Entry::PutBack { topic, at })?;
                }
                Err(error) => topic.refused = Some(self.cluster.explain(&error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
