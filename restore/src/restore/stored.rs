//! What the snapshot holds of what is chosen.

use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::{
    documents::{Documents, GroupsDocument, TopicsDocument},
    manifest::ManifestTopic,
};
use lifeboat_repository::RepositoryError;

use super::{Restore, sealed::SealedArchives};
use crate::{
    error::RestoreError, names::Destinations, parts::Part, plan::PlanError, repartition,
    salvage::is_lost, selection::Selection, settings::SegmentAge,
};

/// What the lists say of the chosen topics.
#[derive(Default)]
pub(super) struct Stored {
    /// By topic, of the segments that are read.
    pub(super) ages: BTreeMap<String, Vec<SegmentAge>>,
    /// The topics whose list can't be read, and why.
    pub(super) unreadable: BTreeMap<String, String>,
}

/// What every snapshot has, and what it may have.
#[derive(Clone, Copy)]
pub(super) struct StoredDocuments<'d> {
    pub(super) topics: &'d TopicsDocument,
    pub(super) groups: &'d GroupsDocument,
    pub(super) all: &'d Documents,
}

impl Restore {
    pub(super) fn chosen(&self) -> impl Iterator<Item = &ManifestTopic> {
        let topics = self.manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    /// What is called how in the target.
    pub(super) fn destinations(
        &self,
        documents: StoredDocuments<'_>,
    ) -> Result<Destinations, RestoreError> {
        let topics = self.manifest.topics.iter().map(|it| it.topic.as_str());
        let groups = documents.groups.groups.iter().map(|it| it.group.as_str());
        let decided = self
            .options
            .naming
            .decide(topics, &self.options.topics, groups);
        Ok(decided.map_err(PlanError::from)?)
    }

    pub(super) fn documents(&self) -> Result<StoredDocuments<'_>, RestoreError> {
        let all = &self.documents;
        let missing = |name: &str| RepositoryError::Damaged {
            object: self.manifest.documents.object.clone(),
            problem: format!("it has no {name}"),
        };
        Ok(StoredDocuments {
            topics: all.topics.as_ref().ok_or_else(|| missing("topics.json"))?,
            groups: all.groups.as_ref().ok_or_else(|| missing("groups.json"))?,
            all,
        })
    }

    /// Which records of the chosen topics.
    pub(super) fn selection(&self, documents: &TopicsDocument) -> Result<Selection, RestoreError> {
        let chosen = self.partition_counts(documents);
        let selection = self
            .options
            .selection
            .resolve(self.manifest.bounds_at, &chosen);
        Ok(selection.map_err(PlanError::from)?)
    }

    /// How many partitions the chosen topics get, where it is another number than they had.
    pub(super) fn repartition(
        &self,
        documents: &TopicsDocument,
    ) -> Result<BTreeMap<String, usize>, RestoreError> {
        let chosen = self.partition_counts(documents).into_iter();
        let chosen = chosen.map(|(topic, count)| (topic, usize::try_from(count).unwrap_or(0)));
        let resolved = repartition::resolve(&self.options.repartition, &chosen.collect());
        Ok(resolved.map_err(PlanError::from)?)
    }

    /// How many partitions each of the chosen topics has in the snapshot.
    fn partition_counts<'a>(&'a self, documents: &TopicsDocument) -> BTreeMap<&'a str, i32> {
        let counts = documents.topics.iter();
        let counts: HashMap<&str, i32> = counts
            .map(|topic| (topic.topic.as_str(), topic.partition_count))
            .collect();
        let chosen = self.chosen().map(|topic| {
            let stored = topic.partitions.iter().map(|p| p.partition + 1).max();
            let named = counts.get(topic.topic.as_str()).copied();
            (topic.topic.as_str(), named.max(stored).unwrap_or(0))
        });
        chosen.collect()
    }

    /// How old the segments of the chosen topics are that are read, all of which can be opened.
    pub(super) async fn stored(&self, selection: &Selection) -> Result<Stored, RestoreError> {
        let mut stored = Stored::default();
        if !self.options.parts.has(Part::Data) {
            return Ok(stored);
        }
        let mut sealed = SealedArchives::default();
        for topic in self.chosen() {
            let list = match self.repository.list(topic).await {
                Err(error) if self.options.salvage && is_lost(&error) => {
                    let unreadable = &mut stored.unreadable;
                    unreadable.insert(topic.topic.clone(), error.to_string());
                    continue;
                }
                list => list?,
            };
            sealed.add(&list);
            let segments = list
                .partitions
                .iter()
                .flat_map(|partition| &partition.segments);
            let of_topic = segments.filter_map(|segment| SegmentAge::of(&segment.entry, selection));
            let of_topic = of_topic.collect();
            stored.ages.insert(topic.topic.clone(), of_topic);
        }
        sealed.open(&self.repository, self.options.salvage).await?;
        Ok(stored)
    }
}
