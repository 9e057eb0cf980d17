//! Whether everything that the commits lead to is there, and what else is.
//!
//! Names and sizes only: what is inside is for a verification to read.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use lifeboat_archive::{
    manifest::{Commit, Manifest},
    words::{Progress, Timestamp},
};

use crate::{Catalog, ClusterRepository, RepositoryError, catalog::READS, store::StoredObject};

mod findings;
mod inventory;
mod report;

use findings::{Findings, Told};
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
        let mut inventory = Inventory::of(there);
        let mut findings = Findings::default();
        self.name_results(&mut inventory);
        self.name_commits(&catalog, &mut inventory, &mut findings);
        for commit in catalog.snapshots() {
            progress.note(commit.snapshot.to_string());
            self.name_snapshot(commit, &mut inventory, &mut findings)
                .await;
            progress.advance(1);
        }
        let unknown = self.look_for_missing(&mut inventory).await;
        let mut report = report::compare(&catalog, &inventory, &unknown, findings);
        report.warnings = self.warnings(&catalog, &report);
        Ok(report)
    }

    /// Results lead nowhere, and no commit leads to them: they are there by being listed.
    fn name_results(&self, inventory: &mut Inventory) {
        let stored = inventory.stored.keys();
        let results = stored.filter(|object| self.layout().result_of(object).is_some());
        let results: Vec<_> = results.cloned().collect();
        for object in results {
            inventory.name(&object, Size::Any, None);
        }
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
                Known::Unread(told) => findings.concerns(told, snapshot),
            }
        }
        let reading = self.archives_of(unread, |topic, archives| match archives {
            Ok(archives) => inventory.name_archives(topic, archives, snapshot),
            Err(error) => {
                let object = &topic.list.object;
                let told = findings.add(object, error, Some(snapshot), Some(&topic.topic));
                inventory.name_unread(topic, told, snapshot);
            }
        });
        reading.await;
    }

    /// A listing may be older than a commit: what it lacks is asked for by name before it is called missing. Tells of
    /// which objects the store does not tell, and why.
    async fn look_for_missing(&self, inventory: &mut Inventory) -> HashMap<String, String> {
        let lacking = inventory
            .objects()
            .filter(|(_, wanted)| !inventory.stored.contains_key(&wanted.object));
        let lacking: Vec<_> = lacking.map(|(_, wanted)| wanted.object.clone()).collect();
        let mut asked = stream::iter(lacking)
            .map(async |object: String| {
                let size = self.repository().size(&object).await;
                (object, size)
            })
            .buffered(READS);
        let mut unknown = HashMap::new();
        while let Some((object, size)) = asked.next().await {
            match size {
                Ok(size) => {
                    let found = StoredObject {
                        object: object.clone(),
                        size,
                        modified: Timestamp::from_millis(0),
                    };
                    inventory.stored.insert(object, found);
                }
                Err(RepositoryError::NotFound { .. }) => {}
                Err(error) => {
                    unknown.insert(object, error.to_string());
                }
            }
        }
        unknown
    }

    /// What may be the trace of a commit that was lost, and may be harmless.
    fn warnings(&self, catalog: &Catalog, report: &ClusterReport) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut last = 0;
        for entry in &catalog.entries {
            let number = entry.sequence();
            // a copy of a part keeps the distances of the whole
            let follows = entry.commit().ok().and_then(|commit| commit.follows);
            let gap = match number.saturating_sub(last) {
                _ if follows.is_some_and(|before| before <= last) => None,
                0 | 1 => None,
                2 => Some(format!("commit {} is", last + 1)),
                _ => Some(format!("commits {} to {} are", last + 1, number - 1)),
            };
            warnings.extend(gap.map(|gap| {
                format!(
                    "{gap} not there: numbers are given without gaps, so snapshots were removed, or a copy was stopped"
                )
            }));
            last = number;
        }
        let folder = self.layout().manifests();
        let orphans = report.orphans.iter();
        let manifests = orphans.filter(|orphan| orphan.object.starts_with(&folder));
        warnings.extend(manifests.map(|orphan| {
            format!(
                "{} has no commit: its run ended right before that, or its commit was removed",
                orphan.object
            )
        }));
        warnings
    }
}

#[cfg(test)]
mod tests;
