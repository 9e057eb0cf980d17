//! Whether everything that the commits lead to is there, and what else is.
//!
//! Names and sizes only: what is inside is for a verification to read.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use lifeboat_archive::{
    manifest::{Commit, Manifest, ManifestTopic},
    words::{Progress, SnapshotId, Timestamp},
};

use crate::{Catalog, ClusterRepository, RepositoryError, catalog::READS, store::StoredObject};

mod inventory;
mod report;

use inventory::{Inventory, Known, Size};
pub use report::{ClusterReport, Finding, FindingKind, Orphan};

impl ClusterRepository {
    /// Holds every commit, manifest, list, document and archive against what is stored.
    pub async fn check(&self, progress: &Progress) -> Result<ClusterReport, RepositoryError> {
        progress.begin("listing", 0);
        // The listing before the commits: what a backup adds meanwhile is looked for by name, and is no orphan.
        let there = self.repository().store().list_objects(self.id()).await?;
        let catalog = self.catalog().await?;
        progress.begin("checking", catalog.entries.len() as u64);
        let mut inventory = Inventory::default();
        let mut findings = Findings::default();
        self.name_commits(&catalog, &mut inventory, &mut findings);
        for commit in catalog.snapshots() {
            progress.note(commit.snapshot.to_string());
            self.name_snapshot(commit, &mut inventory, &mut findings)
                .await;
            progress.advance(1);
        }
        let stored = self.look_for_missing(&inventory, there).await;
        Ok(report::compare(&catalog, &inventory, stored, findings))
    }

    /// Commits are there by being listed; those that can't be read lead nowhere.
    fn name_commits(&self, catalog: &Catalog, inventory: &mut Inventory, findings: &mut Findings) {
        for entry in &catalog.entries {
            let object = self.layout().commit(entry.sequence());
            inventory.name(&object, Size::Any, None);
            if let Err(error) = entry.commit() {
                findings.add(&object, &error, None, None);
            }
        }
    }

    /// Everything that a commit leads to, as far as it can be read.
    async fn name_snapshot(
        &self,
        commit: &Commit,
        inventory: &mut Inventory,
        findings: &mut Findings,
    ) {
        let snapshot = Some(&commit.snapshot);
        let manifest = &commit.manifest;
        inventory.name(&manifest.object, Size::Exactly(manifest.size), snapshot);
        let read = match self.manifest(commit).await {
            Ok(read) => read,
            Err(error) => {
                findings.add(&manifest.object, &error, snapshot, None);
                return;
            }
        };
        let documents = &read.documents;
        inventory.name(&documents.object, Size::Exactly(documents.size), snapshot);
        self.name_lists(&read, inventory, findings).await;
    }

    /// The archives of every topic. Lists that an earlier snapshot has, too, are read once.
    async fn name_lists(
        &self,
        manifest: &Manifest,
        inventory: &mut Inventory,
        findings: &mut Findings,
    ) {
        let snapshot = &manifest.snapshot;
        let mut unread = Vec::new();
        for topic in &manifest.topics {
            let reference = &topic.list;
            let end = reference.position.saturating_add(reference.length);
            inventory.name(&reference.object, Size::AtLeast(end), Some(snapshot));
            match inventory.share_list(topic, snapshot) {
                Known::No => unread.push(topic),
                Known::Yes => {}
                Known::Unread(told) => findings.concerns(&told, snapshot),
            }
        }
        let mut lists = stream::iter(unread)
            .map(async |topic: &ManifestTopic| (topic, self.list(topic).await))
            .buffered(READS);
        while let Some((topic, list)) = lists.next().await {
            match list {
                Ok(list) => inventory.name_archives(topic, &list.archives, snapshot),
                Err(error) => {
                    let object = &topic.list.object;
                    let told = findings.add(object, &error, Some(snapshot), Some(&topic.topic));
                    inventory.name_unread(topic, told);
                }
            }
        }
    }

    /// A listing may be older than a commit: what it lacks is asked for by name before it is called missing.
    async fn look_for_missing(&self, inventory: &Inventory, there: Vec<StoredObject>) -> Stored {
        let mut stored = Stored {
            objects: there
                .into_iter()
                .map(|object| (object.object.clone(), object))
                .collect(),
            unknown: BTreeMap::new(),
        };
        let lacking = inventory
            .names()
            .filter(|name| !stored.objects.contains_key(*name));
        let lacking: Vec<_> = lacking.map(str::to_owned).collect();
        let mut asked = stream::iter(lacking)
            .map(async |object: String| {
                let size = self.repository().size(&object).await;
                (object, size)
            })
            .buffered(READS);
        while let Some((object, size)) = asked.next().await {
            match size {
                Ok(size) => {
                    let found = StoredObject {
                        object: object.clone(),
                        size,
                        modified: Timestamp::from_millis(0),
                    };
                    stored.objects.insert(object, found);
                }
                Err(RepositoryError::NotFound { .. }) => {}
                Err(error) => {
                    stored.unknown.insert(object, error.to_string());
                }
            }
        }
        stored
    }
}

/// What the store has.
#[derive(Debug, Default)]
struct Stored {
    objects: BTreeMap<String, StoredObject>,
    /// Objects of which it could not be told, and why.
    unknown: BTreeMap<String, String>,
}

/// An object, and what is wrong with it.
type Told = (String, String);

/// What was found while reading, each object and reason once.
#[derive(Debug, Default)]
struct Findings(BTreeMap<Told, Finding>);

impl Findings {
    fn add(
        &mut self,
        object: &str,
        error: &RepositoryError,
        snapshot: Option<&SnapshotId>,
        topic: Option<&str>,
    ) -> Told {
        let kind = FindingKind::of(error);
        let problem = match error {
            RepositoryError::Damaged { problem, .. } => problem.clone(),
            RepositoryError::NotFound { .. } => "it can't be read: it is not there".to_owned(),
            other => other.to_string(),
        };
        let key = (object.to_owned(), problem.clone());
        let finding = self.0.entry(key.clone()).or_insert_with(|| Finding {
            kind,
            object: object.to_owned(),
            problem,
            snapshots: Vec::new(),
            topics: Vec::new(),
        });
        finding.concerns(snapshot, topic);
        key
    }

    fn concerns(&mut self, told: &Told, snapshot: &SnapshotId) {
        if let Some(finding) = self.0.get_mut(told) {
            finding.concerns(Some(snapshot), None);
        }
    }
}

#[cfg(test)]
mod tests;
