//! Decides which groups get which offsets.

use std::collections::BTreeSet;

use lifeboat_archive::documents::{CommittedOffset, GroupDocument};

use super::Planner;
use crate::{
    names::if_another,
    parts::Part,
    plan::{
        PlannedGroup, PlannedTopic, TopicAction,
        taken_over::{SameOffsets, is_same},
    },
};

/// What is done with the topics that groups have offsets of.
struct TopicsOfGroups<'a> {
    restored: BTreeSet<&'a str>,
    /// Their records go to other partitions, where no offset of the source has a place.
    spread: BTreeSet<&'a str>,
    appended: BTreeSet<&'a str>,
    already_there: BTreeSet<&'a str>,
    same: &'a SameOffsets,
}

impl Planner<'_> {
    pub(in crate::plan) fn groups(
        &self,
        topics: &[PlannedTopic],
        same: &SameOffsets,
    ) -> Vec<PlannedGroup> {
        if !self.choice.parts.has(Part::Groups) {
            return Vec::new();
        }
        let of = |is: fn(&PlannedTopic) -> bool| -> BTreeSet<&str> {
            let topics = topics.iter().filter(|topic| is(topic));
            topics.map(|topic| topic.topic.as_str()).collect()
        };
        let topics = TopicsOfGroups {
            restored: of(|topic| topic.is_written() && topic.repartition.is_none()),
            spread: of(|topic| topic.repartition.is_some()),
            appended: of(|topic| matches!(topic.action, TopicAction::Append { .. })),
            already_there: of(PlannedTopic::is_already_there),
            same,
        };
        let groups = self.source.groups.groups.iter();
        groups
            .filter(|group| !group.offsets.is_empty())
            .filter(|group| self.choice.names.group_globs.choose(&group.group))
            .map(|group| self.group(group, &topics))
            .collect()
    }

    fn group(&self, group: &GroupDocument, topics: &TopicsOfGroups<'_>) -> PlannedGroup {
        let names = self.choice.names;
        let target_name = names.groups.target(&group.group);
        let data = self.choice.parts.has(Part::Data);
        let committed = self.target.committed.get(target_name);
        let reads_already = |topic: &str| {
            let there = committed.is_some_and(|it| it.contains(names.topics.target(topic)));
            there && topics.appended.contains(topic)
        };
        let is_restored = |offset: &&CommittedOffset| {
            if data {
                // a partition that is not written keeps what the group has there
                let selection = self.choice.selection;
                let selected = selection.of(&offset.topic, offset.partition).is_some();
                let restored = topics.restored.contains(offset.topic.as_str());
                restored && selected && !reads_already(&offset.topic)
            } else {
                self.choice.topics.choose(&offset.topic) && is_same(topics.same, offset)
            }
        };
        let offsets = group.offsets.iter().filter(is_restored).count();
        let all = group.offsets.iter().map(|offset| offset.topic.as_str());
        let kept: BTreeSet<&str> = all.clone().filter(|topic| reads_already(topic)).collect();
        let kept_offsets = all.clone().filter(|topic| kept.contains(topic)).count();
        let there: BTreeSet<&str> = all.filter(|it| topics.already_there.contains(it)).collect();
        let left_out_by = there.iter().find_map(|topic| {
            let earlier = self.target.earlier.get(names.topics.target(topic))?;
            let left_out = earlier.left_out.contains(&group.group);
            left_out.then(|| earlier.journal.clone())
        });
        let skipped = if offsets > 0 {
            self.why_skipped(target_name)
        } else if !data {
            Some("its offsets can't be translated without the data".to_owned())
        } else if group
            .offsets
            .iter()
            .any(|it| topics.spread.contains(it.topic.as_str()))
        {
            Some(
                "its topics get another number of partitions, where its offsets have no place"
                    .to_owned(),
            )
        } else if let Some(journal) = &left_out_by {
            Some(format!(
                "its topics are there already, and it was left out when they were written: go on with that restore, \
                 --resume --journal {}",
                journal.display()
            ))
        } else if !kept.is_empty() {
            Some("it reads these topics on the target already: its offsets stay".to_owned())
        } else if !there.is_empty() {
            Some("its topics are there already: its offsets stay".to_owned())
        } else {
            Some("none of its topics is restored".to_owned())
        };
        PlannedGroup {
            group: group.group.clone(),
            target: if_another(target_name, &group.group),
            offsets,
            not_restored: group.offsets.len() - offsets - kept_offsets,
            kept: kept.into_iter().map(str::to_owned).collect(),
            left_out_by: left_out_by.filter(|_| skipped.is_some()),
            skipped,
        }
    }

    /// Only empty groups are written to (R18).
    fn why_skipped(&self, target_name: &str) -> Option<String> {
        let state = self.target.groups.get(target_name)?;
        if is_vacant(state) {
            return None;
        }
        Some(format!(
            "it is active on the target ({})",
            state.to_lowercase()
        ))
    }
}

/// Whether a group in `state` has no members.
fn is_vacant(state: &str) -> bool {
    ["empty", "dead", ""]
        .iter()
        .any(|vacant| state.eq_ignore_ascii_case(vacant))
}
