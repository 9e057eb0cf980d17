//! Commits what was translated, group by group, so that nothing is committed twice after an interruption.

use std::collections::HashMap;

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

use super::{PartitionOffsets, RestoredGroup, TranslatedGroup, note, restorable, translate};
use crate::{
    error::RestoreError,
    journal::{Entry, Journal, Past},
    plan::{Plan, PlannedGroup},
};

/// A group that is about to get its offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupBegun {
    /// Its name in the snapshot.
    pub group: String,
    /// The offsets that it had, of the partitions that it gets some of.
    pub had: Vec<CommittedOffset>,
}

impl GroupBegun {
    /// Of what is `there`, where offsets are `wanted`.
    fn of(group: &str, there: &[CommittedOffset], wanted: &[CommittedOffset]) -> Self {
        let of_wanted = |there: &&CommittedOffset| offset_in(wanted, there).is_some();
        Self {
            group: group.to_owned(),
            had: there.iter().filter(of_wanted).cloned().collect(),
        }
    }

    /// Whether it still lacks the offset that is `wanted`: one that is another than it had was committed by us, or by who
    /// read on from there, and is never set back.
    fn lacks(&self, wanted: &CommittedOffset, there: &[CommittedOffset]) -> bool {
        let now = offset_in(there, wanted);
        now == offset_in(&self.had, wanted) && now != Some(wanted.offset)
    }
}

/// The offset among `these` of the partition that `of` is in.
fn offset_in(these: &[CommittedOffset], of: &CommittedOffset) -> Option<i64> {
    let mut these = these.iter();
    let same = these.find(|it| it.topic == of.topic && it.partition == of.partition);
    same.map(|it| it.offset)
}

/// Commits the offsets of all groups of the plan, one group after the other.
///
/// # Crash consistency
/// Where a group stood is in the journal before its offsets are committed: whoever goes on tells by that whether they
/// were. Where it was gone on with (`resumed`), whoever got offsets in the `past` is left alone, and who was left out has
/// another chance.
pub(crate) async fn restore(
    cluster: &Cluster,
    groups: &GroupsDocument,
    plan: &Plan,
    partitions: &HashMap<TopicPartition, PartitionOffsets<'_>>,
    (past, resumed): (&Past, bool),
    journal: &Journal,
) -> Result<Vec<RestoredGroup>, RestoreError> {
    let planned = &plan.groups;
    let is_restored =
        |planned: &PlannedGroup| planned.skipped.is_none() || (resumed && planned.has_a_chance());
    let skipped = planned.iter().filter(|planned| !is_restored(planned));
    let mut restored: Vec<_> = skipped.map(RestoredGroup::skipped).collect();
    for (group, planned) in restorable(groups, planned, is_restored) {
        let known = past.groups.get(&group.group);
        if let Some(known) = known.filter(|known| !known.is_left_out()) {
            restored.push(known.clone());
            continue;
        }
        let one = OneGroup {
            cluster,
            group,
            planned,
            target: planned.target_name(),
        };
        let begun = past.groups_begun.get(&group.group);
        let done = one.restore(partitions, begun, journal).await?;
        journal.note(&Entry::GroupRestored(done.clone()))?;
        restored.push(done);
    }
    restored.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(restored)
}

/// One group, and what is to be done with it.
#[derive(Clone, Copy)]
struct OneGroup<'a> {
    cluster: &'a Cluster,
    group: &'a GroupDocument,
    planned: &'a PlannedGroup,
    /// Its name in the target.
    target: &'a str,
}

impl OneGroup<'_> {
    async fn restore(
        self,
        partitions: &HashMap<TopicPartition, PartitionOffsets<'_>>,
        begun: Option<&GroupBegun>,
        journal: &Journal,
    ) -> Result<RestoredGroup, RestoreError> {
        let Self { cluster, .. } = self;
        let mut translated = translate(self.group, &self.planned.kept, partitions);
        let mut restored = RestoredGroup {
            notes: std::mem::take(&mut translated.notes),
            not_restored: std::mem::take(&mut translated.not_restored),
            ..RestoredGroup::of(self.planned)
        };
        if translated.offsets.is_empty() {
            let why = "none of its partitions was restored".to_owned();
            return Ok(restored.without(why, self.planned.has_a_chance()));
        }
        // it may have come to life since the plan was made
        let (state, there) = match self.look().await {
            Ok(looked) => looked,
            // the records are there: a group that can't be had is no reason to leave the others out
            Err(error) if error.missing_right().is_some() => {
                let right = Right {
                    operation: Operation::Read,
                    resource: Resource::Group(self.target.to_owned()),
                };
                let why = format!("{error}: {} lacks {right}", cluster.principal());
                return Ok(restored.without(why, true));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(begun) = begun {
            let all = translated.offsets.len();
            translated.retain(|wanted| begun.lacks(wanted, &there));
            restored.committed = all - translated.offsets.len();
            if translated.offsets.is_empty() {
                return Ok(restored);
            }
        }
        if !state.is_vacant() {
            let why = format!(
                "it is active on the target ({})",
                state.state.to_lowercase()
            );
            return Ok(restored.without(why, true));
        }
        if begun.is_none() {
            let begun = GroupBegun::of(&self.group.group, &there, &translated.offsets);
            journal.append(&Entry::GroupBegun(begun))?;
        }
        let outcomes = match self.set_offsets(&translated.offsets).await {
            Ok(outcomes) => outcomes,
            // a broker without share groups, one that says no
            Err(error)
                if error.code().is_some() || matches!(error, KafkaError::UnsupportedApi { .. }) =>
            {
                return Ok(restored.without(cluster.explain(&error), true));
            }
            Err(error) => return Err(error.into()),
        };
        let explain = |error: &KafkaError| cluster.explain(error);
        let too_long = restored.account(&translated, outcomes, explain);
        if !too_long.offsets.is_empty() {
            self.commit_without_metadata(too_long, &mut restored)
                .await?;
        }
        Ok(restored)
    }

    /// What it does, and where it stands.
    async fn look(self) -> Result<(GroupState, Vec<CommittedOffset>), KafkaError> {
        let state = if self.group.is_share() {
            self.cluster.describe_share_group(self.target).await?
        } else {
            self.cluster.describe_group(self.target).await?
        };
        let is_share = self.group.is_share();
        let there = self.cluster.offsets_of(self.target, is_share).await?;
        Ok((state, there.offsets))
    }

    /// Commits them, or makes a share group start there.
    async fn set_offsets(self, offsets: &[CommittedOffset]) -> Result<CommitOutcomes, KafkaError> {
        if self.group.is_share() {
            self.cluster
                .alter_share_group_offsets(self.target, offsets)
                .await
        } else {
            self.cluster.commit_offsets(self.target, offsets).await
        }
    }

    /// The target's `offset.metadata.max.bytes` is smaller than the source's: the offset is worth more than its text.
    async fn commit_without_metadata(
        self,
        too_long: TranslatedGroup,
        restored: &mut RestoredGroup,
    ) -> Result<(), KafkaError> {
        let mut bare = too_long;
        let lengths: Vec<usize> = bare.offsets.iter().map(|it| it.metadata.len()).collect();
        for offset in &mut bare.offsets {
            offset.metadata.clear();
        }
        let outcomes = self
            .cluster
            .commit_offsets(self.target, &bare.offsets)
            .await?;
        let explain = |error: &KafkaError| self.cluster.explain(error);
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
}

impl TranslatedGroup {
    fn retain(&mut self, keep: impl Fn(&CommittedOffset) -> bool) {
        let mut kept = self.offsets.iter().map(&keep);
        self.sources.retain(|_| kept.next().unwrap_or(false));
        drop(kept);
        self.offsets.retain(keep);
    }

    /// Each offset, on the source and on the target.
    fn pairs(&self) -> impl Iterator<Item = (&CommittedOffset, &CommittedOffset)> {
        self.sources.iter().zip(&self.offsets)
    }
}

impl RestoredGroup {
    fn of(planned: &PlannedGroup) -> Self {
        Self {
            group: planned.group.clone(),
            target: planned.target.clone(),
            kept: planned.kept.clone(),
            ..Self::default()
        }
    }

    /// As the plan says it.
    fn skipped(planned: &PlannedGroup) -> Self {
        Self {
            skipped: planned.skipped.clone(),
            partial: planned.is_left_out(),
            ..Self::of(planned)
        }
    }

    fn without(mut self, why: String, partial: bool) -> Self {
        self.skipped = Some(why);
        self.partial = partial;
        self
    }

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
    use std::slice::from_ref;

    use super::*;

    fn at(offset: i64) -> CommittedOffset {
        CommittedOffset {
            topic: "orders".to_owned(),
            partition: 1,
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        }
    }

    /// A group whose consumers had begun to read again before the restore was gone on with was set back.
    #[test]
    fn after_an_interruption_a_group_gets_what_it_lacks_and_is_never_set_back() {
        let other = CommittedOffset {
            partition: 2,
            ..at(99)
        };
        let wanted = at(40);
        let fresh = GroupBegun::of("billing", &[], from_ref(&wanted));
        // killed before the commit; after it; after that the consumers read on, or were set back by hand
        assert!(fresh.lacks(&wanted, &[]));
        assert!(fresh.lacks(&wanted, from_ref(&other)));
        for now in [40, 55, 7] {
            assert!(!fresh.lacks(&wanted, &[other.clone(), at(now)]), "{now}");
        }
        // it stood somewhere before
        let moved = GroupBegun::of("billing", &[other.clone(), at(70)], from_ref(&wanted));
        assert_eq!(moved.had.len(), 1);
        assert!(moved.lacks(&wanted, &[at(70)]));
        for now in [40, 75] {
            assert!(!moved.lacks(&wanted, &[at(now)]), "{now}");
        }
    }

    #[test]
    fn what_is_left_out_of_the_offsets_is_left_out_of_their_sources() {
        let source = |offset| CommittedOffset {
            topic: "events".to_owned(),
            ..at(offset)
        };
        let mut translated = TranslatedGroup {
            offsets: vec![at(1), at(2), at(3)],
            sources: vec![source(11), source(12), source(13)],
            ..TranslatedGroup::default()
        };
        translated.retain(|it| it.offset != 2);
        let pairs: Vec<_> = translated
            .pairs()
            .map(|(s, t)| (s.offset, t.offset))
            .collect();
        assert_eq!(pairs, [(11, 1), (13, 3)]);
    }
}
