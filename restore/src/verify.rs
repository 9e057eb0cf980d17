//! Proves that a snapshot can be given back: every byte that it needs is read, and all damage is found.
//!
//! Level `batches`: the commit, manifest, documents and lists by their hashes; the lists against the manifest; each
//! archive, once from front to back, by its SHA-256, with every member's frames and hash and every batch's checksum and
//! offsets on the way. Nothing stops at the first damage. What is sealed is held against its hash as it is stored, and
//! looked into where there is an identity that opens it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Instant,
};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    documents::Documents,
    lists::TopicList,
    manifest::{Commit, Manifest, ManifestTopic},
    tarball::read_documents,
    words::{Clock, Progress},
};
use lifeboat_repository::{Catalog, CatalogEntry, ClusterRepository, RepositoryError};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

mod archive;
mod content;
mod partition;
mod report;

pub(crate) use report::Place;
pub use report::{Damage, Report, Unread};

use archive::{Archive, Check};
use report::unread;

/// Archives that are read at the same time, at most: two buffers and a frame each.
const MOST_ARCHIVES_AT_ONCE: usize = 8;

/// How deep to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every batch's checksum, offsets without unexplained jumps, counts.
    #[default]
    Batches,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("batches")
    }
}

/// A level that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a level of verification: {0:?} (there is: batches)")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text {
            "batches" => Ok(Self::Batches),
            other => Err(UnknownLevel(other.to_owned())),
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How deep to look.
    pub level: Level,
    /// Archives that are read at the same time; 0 = as many as there are processors.
    pub parallel: usize,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The repository could not be read at all.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
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
        // The damaged commits first: one of them could have been the snapshot that was meant.
        let catalog = self.repository.catalog().await?;
        report_damaged_commits(&catalog, &mut report);
        // From the manifest down, because each object's hash stands in the one above it.
        if let Some(manifest) = self.manifest(&mut report).await {
            self.check_documents(&manifest, &mut report).await;
            let archives = self.check_lists(&manifest, &mut report).await?;
            self.check_archives(archives, &mut report).await?;
        }
        // Only where there is damage, because it means to read the lists of all snapshots.
        if !report.damage.is_empty() {
            self.find_other_users(&catalog, &mut report).await?;
        }
        report.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    fn empty_report(&self) -> Report {
        Report {
            snapshot: self.commit.snapshot.clone(),
            cluster_id: self.commit.cluster_id.clone(),
            level: self.options.level,
            started_at: self.clock.now(),
            elapsed_ms: 0,
            archives: 0,
            segments: 0,
            batches: 0,
            bytes: 0,
            damage: Vec::new(),
            unread: Vec::new(),
            unopened: Vec::new(),
        }
    }

    async fn manifest(&self, report: &mut Report) -> Option<Manifest> {
        let manifest = self.repository.manifest(&self.commit).await;
        report.sound(&self.commit.manifest.object, manifest)
    }

    async fn check_documents(&self, manifest: &Manifest, report: &mut Report) {
        let object = &manifest.documents.object;
        let repository = self.repository.repository();
        let bytes = repository.read_plain(&manifest.documents).await;
        if let Err(why) = &bytes
            && why.is_for_want_of_identity()
        {
            // what is stored was read, and is what its hash says
            report.bytes += manifest.documents.size;
            report.unopened.push(unread(object, why));
            return;
        }
        let Some(bytes) = report.sound(object, bytes) else {
            return;
        };
        report.bytes += manifest.documents.size;
        let members = match read_documents(&bytes) {
            Ok(members) => members,
            Err(error) => {
                report
                    .damage
                    .push(Damage::new(Place::object(object), error.to_string()));
                return;
            }
        };
        let (documents, unreadable) = Documents::read_all(&members);
        let unreadable = unreadable.into_iter();
        let mut damaged: Vec<_> = unreadable
            .map(|error| (error.member, error.source.to_string()))
            .collect();
        // every snapshot has these
        for (member, is_read) in [
            ("cluster.json", documents.cluster.is_some()),
            ("topics.json", documents.topics.is_some()),
            ("groups.json", documents.groups.is_some()),
        ] {
            if !is_read && !members.contains_key(member) {
                damaged.push((member, "it is missing".to_owned()));
            }
        }
        for (member, problem) in damaged {
            let place = Place {
                member: Some(member.to_owned()),
                ..Place::object(object)
            };
            report.damage.push(Damage::new(place, problem));
        }
    }

    /// Checks the lists against the manifest; gives the archives that they name.
    async fn check_lists(
        &self,
        manifest: &Manifest,
        report: &mut Report,
    ) -> Result<Vec<Archive>, VerifyError> {
        self.progress
            .begin("reading lists", manifest.topics.len() as u64);
        let mut archives: BTreeMap<String, Archive> = BTreeMap::new();
        for topic in &manifest.topics {
            if self.cancel.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let list = self.repository.list(topic).await;
            if let Some(list) = report.sound(&topic.list.object, list) {
                check_topic(topic, &list, report);
                collect(list, &mut archives, report);
            }
            self.progress.advance(1);
        }
        Ok(archives.into_values().collect())
    }

    async fn check_archives(
        &self,
        archives: Vec<Archive>,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        report.archives = archives.len() as u64;
        let total = archives.iter().map(|archive| archive.reference.size).sum();
        self.progress.begin("verifying", total);
        let checks = archives.into_iter().map(|mut archive| {
            let check = Check {
                runtime: Handle::current(),
                repository: self.repository.repository().clone(),
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
            let (object, outcome) = match outcome {
                Ok(outcome) => outcome,
                Err(failed) => {
                    report.unread.push(Unread {
                        object: "an archive".to_owned(),
                        problem: failed.to_string(),
                    });
                    continue;
                }
            };
            report.segments += outcome.segments;
            report.batches += outcome.batches;
            report.bytes += outcome.bytes;
            report.damage.extend(outcome.damage);
            let told = |error| unread(&object, &error);
            report.unread.extend(outcome.unread.map(told));
            report.unopened.extend(outcome.unopened.map(told));
        }
        Ok(())
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

fn report_damaged_commits(catalog: &Catalog, report: &mut Report) {
    for entry in &catalog.entries {
        if let CatalogEntry::Damaged { object, reason, .. } = entry {
            report
                .damage
                .push(Damage::new(Place::object(object), reason.clone()));
        }
    }
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
