//! Proves that a snapshot can be given back: every byte that it needs is read, and all damage is found.
//!
//! Always: the commit, manifest, documents and lists by their hashes; the lists against the manifest. Then, by the level:
//! of each archive, that it is there with its size (`objects`); the hash of what is stored (`hashes`); read once from
//! front to back, every member's frames and hash and every batch's checksum and offsets as well (`batches`); and every
//! record (`records`). Nothing stops at the first damage. What is sealed is held against its hash as it is stored, and
//! looked into where there is an identity that opens it. Of chosen topics only their segments are read, each by its hash.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    lists::TopicList,
    manifest::{Commit, Manifest, ManifestTopic},
    results::ChosenTopics,
    words::{Clock, Progress, SnapshotId, TopicGlobs},
};
use lifeboat_repository::{Catalog, CatalogEntry, ClusterRepository, RepositoryError};
use tokio::{runtime::Handle, task::JoinError};
use tokio_util::sync::CancellationToken;

mod archive;
mod content;
mod decoding;
mod documents;
mod partition;
mod presence;
mod report;
mod result;

pub use lifeboat_archive::results::{Level, Subset, UnknownLevel};
pub(crate) use report::Place;
pub use report::{Damage, Report, Unread};

use archive::{Archive, Check, Outcome};
use report::unread;

/// Archives that are read at the same time, at most: two buffers and a frame each.
const MOST_ARCHIVES_AT_ONCE: usize = 8;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How deep to look.
    pub level: Level,
    /// Which archives; all where none is named. Manifest, lists and documents are looked at always.
    pub subset: Option<Subset>,
    /// Which topics' segments.
    pub topics: TopicGlobs,
    /// Archives that are read at the same time; 0 = as many as there are processors.
    pub parallel: usize,
    /// Whether what was found is stored beside the snapshot.
    pub store: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::default(),
            subset: None,
            topics: TopicGlobs::default(),
            parallel: 0,
            store: true,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The repository could not be read at all.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Nothing would be looked at.
    #[error("no topic of {snapshot} is among those that were chosen: {topics}")]
    NoTopics {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What was chosen.
        topics: ChosenTopics,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// Verifies one snapshot.
#[derive(Clone, Debug)]
pub struct Verify {
    /// Where it is.
    pub repository: ClusterRepository,
    /// Which one.
    pub commit: Commit,
    /// How.
    pub options: Options,
    /// The time, for the report.
    pub clock: Clock,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl Verify {
    /// Reads everything and reports what is not as it was stored.
    pub async fn run(self) -> Result<Report, VerifyError> {
        let began = Instant::now();
        let mut report = self.empty_report();
        let catalog = self.repository.catalog().await?;
        // From the manifest down, because each object's hash stands in the one above it.
        if let Some(manifest) = self.manifest(&mut report).await {
            self.refuse_nothing(&manifest)?;
            self.check_documents(&manifest, &mut report).await;
            let archives = self.check_lists(&manifest, &mut report).await?;
            self.check_archives(archives, &mut report).await?;
        }
        // Only where there is damage, because it means to read the lists of all snapshots.
        if !report.damage.is_empty() {
            self.find_other_users(&catalog, &mut report).await?;
        }
        report.say_what_was_not_looked_at();
        report.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Whatever was found, and before what is found of others.
        self.store(&mut report).await;
        // Damaged commits are told first: one of them could have been the snapshot that was meant.
        report.damage.splice(0..0, damaged_commits(&catalog));
        Ok(report)
    }

    fn empty_report(&self) -> Report {
        Report {
            snapshot: self.commit.snapshot.clone(),
            cluster_id: self.commit.cluster_id.clone(),
            level: self.options.level,
            subset: self.options.subset,
            topics: ChosenTopics::of(&self.options.topics),
            started_at: self.clock.now(),
            elapsed_ms: 0,
            topics_in_all: 0,
            topics_checked: 0,
            partitions: 0,
            archives: 0,
            archives_checked: 0,
            segments: 0,
            batches: 0,
            records: 0,
            bytes: 0,
            not_looked_at: Vec::new(),
            damage: Vec::new(),
            unread: Vec::new(),
            unopened: Vec::new(),
            result: None,
            result_not_stored: None,
        }
    }

    fn refuse_nothing(&self, manifest: &Manifest) -> Result<(), VerifyError> {
        let chosen = ChosenTopics::of(&self.options.topics);
        match (chosen, self.chosen(manifest).next()) {
            (Some(topics), None) => Err(VerifyError::NoTopics {
                snapshot: self.commit.snapshot.clone(),
                topics,
            }),
            _ => Ok(()),
        }
    }

    fn chosen<'m>(&self, manifest: &'m Manifest) -> impl Iterator<Item = &'m ManifestTopic> {
        let topics = manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    async fn manifest(&self, report: &mut Report) -> Option<Manifest> {
        let manifest = self.repository.manifest(&self.commit).await;
        report.sound(&self.commit.manifest.object, manifest)
    }

    /// Checks the lists against the manifest; gives the archives that they name.
    async fn check_lists(
        &self,
        manifest: &Manifest,
        report: &mut Report,
    ) -> Result<Vec<Archive>, VerifyError> {
        self.progress
            .begin("reading lists", self.chosen(manifest).count() as u64);
        let mut archives: BTreeMap<String, Archive> = BTreeMap::new();
        for topic in self.chosen(manifest) {
            if self.cancel.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let list = self.repository.list(topic).await;
            if let Some(list) = report.sound(&topic.list.object, list) {
                check_topic(topic, &list, report);
                report.topics_checked += 1;
                report.partitions += topic.partitions.len() as u64;
                collect(list, &mut archives, report);
            }
            self.progress.advance(1);
        }
        report.topics_in_all = manifest.topics.len() as u64;
        report.archives = archives.len() as u64;
        let of_subset = |object: &str| {
            let subset = self.options.subset;
            subset.is_none_or(|subset| subset.has(object))
        };
        let archives = archives.into_values();
        Ok(archives
            .filter(|archive| of_subset(&archive.reference.object))
            .collect())
    }

    async fn check_archives(
        &self,
        archives: Vec<Archive>,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        report.archives_checked = archives.len() as u64;
        if self.options.level == Level::Objects {
            return self.check_presence(archives, report).await;
        }
        let ranged = self.is_ranged();
        let total = archives.iter().map(|archive| archive.bytes(ranged)).sum();
        self.progress.begin("verifying", total);
        let checks = archives.into_iter().map(|mut archive| {
            let check = Check {
                runtime: Handle::current(),
                repository: self.repository.repository().clone(),
                level: self.options.level,
                ranged,
                progress: self.progress.clone(),
                cancel: self.cancel.clone(),
            };
            tokio::task::spawn_blocking(move || {
                let object = archive.reference.object.clone();
                check.progress.note(object.as_str());
                (object, check.run(&mut archive))
            })
        });
        let mut outcomes = stream::iter(checks).buffered(self.parallel());
        while let Some(outcome) = outcomes.next().await {
            if self.cancel.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            count(outcome, report);
        }
        Ok(())
    }

    /// Of chosen topics only their segments are read. Their own hashes prove them.
    fn is_ranged(&self) -> bool {
        let some = ChosenTopics::of(&self.options.topics).is_some();
        some && self.options.level >= Level::Batches
    }

    fn parallel(&self) -> usize {
        match self.options.parallel {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            asked => asked,
        }
        .clamp(1, MOST_ARCHIVES_AT_ONCE)
    }

    async fn find_other_users(
        &self,
        catalog: &Catalog,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        for commit in catalog
            .snapshots()
            .filter(|other| other.snapshot != self.commit.snapshot)
        {
            if self.cancel.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let objects = self.objects_of(commit).await;
            for damage in &mut report.damage {
                if objects.contains(&damage.object) {
                    damage.also_used_by.push(commit.snapshot.clone());
                }
            }
        }
        Ok(())
    }

    /// The objects that a snapshot needs, as far as they can be found out.
    async fn objects_of(&self, commit: &Commit) -> BTreeSet<String> {
        let mut objects = BTreeSet::from([commit.manifest.object.clone()]);
        let Ok(manifest) = self.repository.manifest(commit).await else {
            return objects;
        };
        objects.insert(manifest.documents.object.clone());
        for topic in &manifest.topics {
            objects.insert(topic.list.object.clone());
            if let Ok(list) = self.repository.list(topic).await {
                objects.extend(list.archives.into_iter().map(|archive| archive.object));
            }
        }
        objects
    }
}

fn count(outcome: Result<(String, Outcome), JoinError>, report: &mut Report) {
    let (object, outcome) = match outcome {
        Ok(outcome) => outcome,
        Err(failed) => {
            report.unread.push(Unread {
                object: "an archive".to_owned(),
                problem: failed.to_string(),
            });
            return;
        }
    };
    report.segments += outcome.segments;
    report.batches += outcome.batches;
    report.records += outcome.records;
    report.bytes += outcome.bytes;
    report.damage.extend(outcome.damage);
    let told = |error| unread(&object, &error);
    report.unread.extend(outcome.unread.map(told));
    report.unopened.extend(outcome.unopened.map(told));
}

fn damaged_commits(catalog: &Catalog) -> Vec<Damage> {
    let entries = catalog.entries.iter();
    let damaged = entries.filter_map(|entry| match entry {
        CatalogEntry::Damaged { object, reason, .. } => {
            Some(Damage::new(Place::object(object), reason.clone()))
        }
        _ => None,
    });
    damaged.collect()
}

fn check_topic(topic: &ManifestTopic, list: &TopicList, report: &mut Report) {
    for partition in &topic.partitions {
        let place = |offsets| Place {
            topic_partition: Some((topic.topic.clone(), partition.partition)),
            offsets,
            ..Place::object(&topic.list.object)
        };
        let Some(listed) = list.partition(partition.partition) else {
            let damage = Damage::new(place(None), "the list lacks this partition");
            report.damage.push(damage);
            continue;
        };
        for finding in partition::check(partition, listed) {
            report
                .damage
                .push(Damage::new(place(finding.offsets), finding.what));
        }
    }
}

fn collect(list: TopicList, archives: &mut BTreeMap<String, Archive>, report: &mut Report) {
    let mut conflicting = BTreeSet::new();
    for reference in &list.archives {
        let known = archives
            .entry(reference.object.clone())
            .or_insert_with(|| Archive {
                reference: reference.clone(),
                segments: Vec::new(),
            });
        if known.reference != *reference {
            conflicting.insert(reference.object.clone());
        }
    }
    let segments = list
        .partitions
        .into_iter()
        .flat_map(|partition| partition.segments);
    for segment in segments {
        let object = list
            .archives
            .get(segment.archive)
            .map(|reference| &reference.object);
        if let Some(archive) = object.and_then(|object| archives.get_mut(object)) {
            archive.segments.push(segment.entry);
        }
    }
    for object in conflicting {
        let what = "the lists do not agree on its size and hash";
        report
            .damage
            .push(Damage::new(Place::object(&object), what));
    }
}

#[cfg(test)]
mod tests;
