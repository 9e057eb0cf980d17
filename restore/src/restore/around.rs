//! What a restore changes besides topics and records, and offsets that need none.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use lifeboat_archive::{
    documents::{
        CommittedOffset, Documents, GroupsDocument,
        diff::{Change, ConfigResource, Kind, SettingValue},
    },
    words::TopicPartition,
};
use lifeboat_kafka::wire::Patience;

use super::{Course, Restore, StoredDocuments};
use crate::{
    apply,
    error::RestoreError,
    groups,
    journal::Entry,
    names::TargetNames,
    offsets::{OffsetMap, OffsetTranslator},
    parts::Part,
    plan::{
        Plan, Target,
        changes::{self, ClusterChanges, Found, Wish},
        taken_over::is_same,
    },
    report::MadeChange,
    target,
};

/// So long it may take until a change shows.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);
/// How many groups are asked at once.
const GROUPS_AT_ONCE: usize = 16;

impl Restore {
    /// What is to be changed besides topics, records and offsets. Only what something is to be done with is looked at:
    /// a restore of topics takes no right on anything else.
    pub(super) async fn decide_changes(
        &self,
        documents: StoredDocuments<'_>,
        names: &[Arc<str>],
    ) -> Result<ClusterChanges, RestoreError> {
        let options = &self.options;
        let kinds = changes::kinds_to_look_at(documents.all, &options.parts, options.prune_extra);
        let own = options.parts.has(Part::Configs) && !options.parts.has(Part::Data);
        if kinds.is_empty() && !own {
            return Ok(ClusterChanges::default());
        }
        let names = if own { names } else { &[] };
        let found = target::look_around(&self.cluster, &kinds, names, self.clock.now()).await?;
        self.decide(documents.all, &found)
    }

    /// Without the data, a group may stand already where it shall.
    pub(super) async fn drop_groups_that_are_there(
        &self,
        plan: &mut Plan,
        groups: &GroupsDocument,
        names: &TargetNames,
    ) {
        let may_stand: HashMap<&str, &str> = plan
            .groups
            .iter()
            .filter(|it| it.skipped.is_none() && it.not_restored == 0)
            .map(|it| (it.group.as_str(), it.target_name()))
            .collect();
        let asked = groups.groups.iter();
        let asked = asked.filter_map(|group| Some((group, *may_stand.get(group.group.as_str())?)));
        let there = futures::stream::iter(asked)
            .map(|(group, target)| async move {
                let there = self.cluster.offsets_of(target, group.is_share());
                (group, there.await)
            })
            .buffered(GROUPS_AT_ONCE);
        let same_offsets = &plan.same_offsets;
        let stands = there.filter_map(|(group, there)| async move {
            // what can't be read is committed, which tells why
            let there = there.ok()?.offsets;
            let stands = |wanted: &CommittedOffset| {
                let mut there = there.iter();
                there.any(|it| {
                    it.topic == names.target(&wanted.topic)
                        && it.partition == wanted.partition
                        && it.offset == wanted.offset
                        && it.metadata == wanted.metadata
                })
            };
            let mut offsets = group.offsets.iter();
            let all = offsets.all(|offset| !is_same(same_offsets, offset) || stands(offset));
            all.then_some(group.group.as_str())
        });
        let stands: HashSet<&str> = stands.collect().await;
        plan.groups.retain(|it| !stands.contains(it.group.as_str()));
    }

    fn decide(&self, snapshot: &Documents, found: &Found) -> Result<ClusterChanges, RestoreError> {
        let destinations = self.destinations(self.documents()?)?;
        let wish = Wish {
            parts: &self.options.parts,
            topics: &self.options.topics,
            names: &destinations.topics,
            broker_map: &self.options.broker_map,
            prune: self.options.prune_extra,
            principal: self.cluster.principal(),
        };
        Ok(changes::decide(snapshot, found, &wish)?)
    }

    pub(super) fn warnings(&self, documents: StoredDocuments<'_>) -> Vec<String> {
        let parts = &self.options.parts;
        let not_held = changes::not_held(documents.all, parts).into_iter();
        not_held
            .map(|kind| format!("the snapshot does not hold {kind}: the target's stay as they are"))
            .collect()
    }

    /// Changes the rest of the cluster, and what is to be removed after that.
    pub(super) async fn change_cluster(
        &self,
        course: &Course,
        documents: StoredDocuments<'_>,
    ) -> Result<Vec<MadeChange>, RestoreError> {
        if let Some(made) = &course.past.changes {
            return Ok(made.clone());
        }
        let plan = &course.plan;
        let wanted: Vec<Change> = [&plan.cluster.made, &plan.cluster.pruned]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.progress
            .begin("changing the cluster", wanted.len() as u64);
        let mut changed = apply::apply(&self.cluster, &wanted, &self.progress, &self.cancel).await;
        // who is interrupted here makes all of them again
        if self.cancel.is_cancelled() {
            return Err(RestoreError::Cancelled);
        }
        self.confirm(documents.all, &mut changed).await;
        let refused = changed.iter().filter(|it| it.refused.is_some()).count();
        course.journal.append(&Entry::ClusterChanged {
            changed: changed.len() - refused,
            refused,
            made: changed.clone(),
        })?;
        Ok(changed)
    }

    /// Reads back instead of trusting: brokers learn of a change one after the other, and who looks again at once, as
    /// the next restore does, must find it. What does not show in time is told as refused.
    async fn confirm(&self, snapshot: &Documents, changed: &mut [MadeChange]) {
        let kinds: BTreeSet<Kind> = changed.iter().map(|it| it.change.kind()).collect();
        let kinds: Vec<Kind> = kinds.into_iter().collect();
        let topics: BTreeSet<Arc<str>> = changed
            .iter()
            .filter_map(|it| it.change.topic())
            .map(Arc::from)
            .collect();
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        let mut patience = Patience::new(SHOWS_WITHIN);
        loop {
            let now = self.clock.now();
            let found = target::look_around(&self.cluster, &kinds, &topics, now).await;
            let left = found.and_then(|found| self.decide(snapshot, &found));
            let left = match left {
                Ok(left) => left,
                // an ACL of the snapshot may keep us from looking: the target has said that it took the changes
                Err(error) => {
                    tracing::warn!(%error, "the changes can't be read back");
                    return;
                }
            };
            let open = |it: &MadeChange| {
                let same = left.made.contains(&it.change) || left.pruned.contains(&it.change);
                it.refused.is_none() && same
            };
            if !changed.iter().any(open) {
                return;
            }
            if !patience.pause().await {
                for it in changed.iter_mut().filter(|it| open(it)) {
                    it.refused = Some(format!(
                        "the target took it and does not show it within {SHOWS_WITHIN:?}"
                    ));
                }
                return;
            }
        }
    }

    /// Offsets that stay as they are.
    pub(super) fn taken_over(
        &self,
        plan: &Plan,
        groups: &GroupsDocument,
    ) -> Vec<(TopicPartition, OffsetMap)> {
        if plan.same_offsets.is_empty() {
            return Vec::new();
        }
        let wanted = groups::wanted_offsets(groups, &plan.groups);
        let mut maps = Vec::new();
        for topic in &self.manifest.topics {
            let same = plan.same_offsets.get(&topic.topic);
            let same = same.filter(|_| self.options.topics.choose(&topic.topic));
            for partition in &topic.partitions {
                let name = TopicPartition::new(topic.topic.as_str(), partition.partition);
                let is_same = same.is_some_and(|same| same.contains(&partition.partition));
                let Some(offsets) = wanted.get(&name).filter(|_| is_same) else {
                    continue;
                };
                let mut translator = OffsetTranslator::new(partition, offsets.iter().copied());
                translator.keep_run(partition.range(), 0);
                maps.push((name, translator.finish(partition.range().span())));
            }
        }
        maps
    }
}

/// Settings of all brokers that the restore brings or takes away count as if that were done: R23 looks at what will
/// hold. What is hidden below one that is taken away, nobody tells: Kafka's own is assumed.
pub(super) fn learn_defaults(target: &mut Target, changes: &ClusterChanges) {
    for change in changes.made.iter().chain(&changes.pruned) {
        let Change::Config {
            resource: ConfigResource::Cluster,
            name,
            edit,
        } = change
        else {
            continue;
        };
        // as topics call it
        let Some(name) = name.strip_prefix("log.") else {
            continue;
        };
        match edit.to() {
            Some(SettingValue::Known(value)) => target.defaults.learn(name, value),
            Some(SettingValue::Untold) => {}
            None => target.defaults.forget(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::documents::diff::Edit;

    use super::*;
    use crate::settings::DEFAULT_RETENTION_MS;

    #[test]
    fn r23_settings_of_all_brokers_that_come_later_count_for_what_retention_would_delete() {
        let change = |name: &str, value: &str| Change::Config {
            resource: ConfigResource::Cluster,
            name: name.to_owned(),
            edit: Edit::Added {
                to: SettingValue::Known(value.to_owned()),
            },
        };
        let changes = ClusterChanges {
            made: vec![
                change("log.retention.ms", "3600000"),
                change("log.cleanup.policy", "compact"),
                change("num.io.threads", "9"),
            ],
            ..ClusterChanges::default()
        };
        let mut target = Target::default();
        learn_defaults(&mut target, &changes);
        assert_eq!(target.defaults.retention_ms, 3_600_000);
        assert_eq!(target.defaults.cleanup_policy, "compact");
        assert_eq!(target.defaults.retention_bytes, -1);

        let gone = ClusterChanges {
            pruned: vec![Change::Config {
                resource: ConfigResource::Cluster,
                name: "log.retention.ms".to_owned(),
                edit: Edit::Removed {
                    from: SettingValue::Known("-1".to_owned()),
                },
            }],
            ..ClusterChanges::default()
        };
        target.defaults.retention_ms = -1;
        learn_defaults(&mut target, &gone);
        assert_eq!(target.defaults.retention_ms, DEFAULT_RETENTION_MS);
        assert_eq!(target.defaults.cleanup_policy, "compact");
    }
}
