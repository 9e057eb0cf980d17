//! What the target is asked besides, where topics that are there may be written to, and whether it has room.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use lifeboat_archive::{
    documents::{GroupDocument, GroupsDocument},
    words::TopicPartition,
};

use super::Restore;
use crate::{
    error::RestoreError,
    into::Existing,
    journal::{self, Known},
    names::Destinations,
    parts::Part,
    plan::{ExistingTopic, Target, room::Throttle},
};

/// How many groups are asked at once.
const GROUPS_AT_ONCE: usize = 16;

impl Restore {
    /// Learns what is known of the topics of the target that hold records.
    pub(super) async fn look_closer(
        &self,
        target: &mut Target,
        groups: &GroupsDocument,
        names: &Destinations,
    ) -> Result<(), RestoreError> {
        if !self.options.parts.has(Part::Data) {
            return Ok(());
        }
        let known = self.known()?;
        target.earlier = known.earlier;
        target.interrupted = known.interrupted;
        target.unsettled = known.unsettled;
        self.weigh(target).await;
        match self.cluster.own_limits().await {
            Ok(limits) => target.throttle = Throttle::of(&limits),
            Err(error) => {
                let error = self.cluster.explain(&error);
                tracing::debug!(error, "the target's quotas are not known");
            }
        }
        if self.options.existing == Existing::Append && self.options.parts.has(Part::Groups) {
            target.committed = self.committed(target, groups, names).await?;
        }
        Ok(())
    }

    /// What the journals of earlier restores say. Who has no place for journals is told when one is begun.
    fn known(&self) -> Result<Known, RestoreError> {
        journal::folder(self.options.state_folder.as_deref()).map_or_else(
            |_| Ok(Known::default()),
            |folder| Ok(journal::earlier_in(&folder, self.cluster.cluster_id())?),
        )
    }

    /// How many bytes the topics take, and how many there is room for. Who may not ask that restores without knowing.
    async fn weigh(&self, target: &mut Target) {
        let partitions: Vec<TopicPartition> = target
            .topics
            .iter()
            .filter(|(_, topic)| topic.records() > 0)
            .flat_map(|(name, topic)| {
                let numbers = (0..).zip(&topic.partitions);
                numbers.map(|(number, _)| TopicPartition::new(name.as_str(), number))
            })
            .collect();
        let space = self.cluster.disk_space(&partitions).await;
        for (broker, error) in &space.unanswered {
            let error = self.cluster.explain(error);
            tracing::debug!(broker, error, "the room on its disks is not known");
        }
        for (name, bytes) in space.topics {
            if let Some(topic) = target.topics.get_mut(&*name) {
                topic.bytes = Some(bytes);
            }
        }
        target.usable_bytes = space.usable;
    }

    /// Topics that hold records and that groups have offsets of, by group, all as the target calls them.
    async fn committed(
        &self,
        target: &Target,
        groups: &GroupsDocument,
        names: &Destinations,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, RestoreError> {
        let full = |topic: &ExistingTopic| topic.records() > 0;
        let reads = |group: &&GroupDocument| {
            let mut offsets = group.offsets.iter();
            let there = |topic: &str| target.topics.get(names.topics.target(topic));
            offsets.any(|it| there(&it.topic).is_some_and(full))
        };
        let chosen = |group: &&GroupDocument| names.group_globs.choose(&group.group);
        let asked = groups.groups.iter().filter(chosen).filter(reads);
        let committed = futures::stream::iter(asked)
            .map(|group| async move {
                let name = names.groups.target(&group.group);
                match self.cluster.offsets_of(name, group.is_share()).await {
                    Ok(there) => {
                        let topics = there.offsets.into_iter().map(|it| it.topic);
                        Ok((name.to_owned(), topics.collect()))
                    }
                    // who may not see them may not change them: that is told when they are
                    Err(error) if error.missing_right().is_some() => {
                        Ok((name.to_owned(), BTreeSet::new()))
                    }
                    Err(error) => Err(RestoreError::from(error)),
                }
            })
            .buffer_unordered(GROUPS_AT_ONCE);
        committed.try_collect().await
    }
}
