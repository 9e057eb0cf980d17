//! Proves that a snapshot can be given back: every byte that it needs is read, and all damage is found.
//!
//! Level `batches`: the commit, manifest, documents and lists by their hashes; the lists against the manifest; each
//! archive, once from front to back, by its SHA-256, with every member's frames and hash and every batch's checksum and
//! offsets on the way. Nothing stops at the first damage.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Instant,
};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    documents::{ClusterDocument, GroupsDocument, TopicsDocument},
    index::SegmentEntry,
    json::{self, Document},
    lists::TopicList,
    manifest::{Commit, Manifest, ManifestTopic},
    segment::SegmentProblem,
    tarball::{ArchiveError, read_documents},
    words::{Clock, OffsetRange, Progress, SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_repository::{Catalog, CatalogEntry, ClusterRepository, RepositoryError};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

mod archive;
mod partition;

use archive::{Archive, Check};

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

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The cluster that it was taken of.
    pub cluster_id: String,
    /// How deep was looked.
    pub level: Level,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Archives that the snapshot needs.
    pub archives: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Everything that is damaged.
    pub damage: Vec<Damage>,
    /// Everything that could not be read, so that nothing is known of it.
    pub unread: Vec<Unread>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.verify-report";
}

impl Report {
    /// Whether all of the snapshot was read and all of it is right.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unread.is_empty()
    }
}

/// Something that is not as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The object, by its path below the repository's URL.
    pub object: String,
    /// The member of the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The topic whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The offsets that can't be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets: Option<OffsetRange>,
    /// What is wrong.
    pub what: String,
    /// Other snapshots that need the same object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_used_by: Vec<SnapshotId>,
}

/// Where something is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    object: String,
    member: Option<String>,
    topic_partition: Option<(String, i32)>,
    offsets: Option<OffsetRange>,
}

impl Place {
    pub(crate) fn object(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn segment(object: &str, entry: &SegmentEntry, offsets: OffsetRange) -> Self {
        Self {
            object: object.to_owned(),
            member: Some(entry.member.clone()),
            topic_partition: Some((entry.topic.clone(), entry.partition)),
            offsets: Some(offsets),
        }
    }
}

impl Damage {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        let (topic, partition) = place.topic_partition.unzip();
        Self {
            object: place.object,
            member: place.member,
            topic,
            partition,
            offsets: place.offsets,
            what: what.into(),
            also_used_by: Vec::new(),
        }
    }

    /// A segment that can't be read: from where it was still good to its end.
    pub(crate) fn of_segment(object: &str, entry: &SegmentEntry, error: &ArchiveError) -> Self {
        let ArchiveError::Segment {
            offset, problem, ..
        } = error
        else {
            return Self::new(
                Place::segment(object, entry, entry.range()),
                error.to_string(),
            );
        };
        let good_to = match problem {
            SegmentProblem::Batch(batch) => {
                batch.base_offset.map_or(*offset, |base| base.max(*offset))
            }
            _ => *offset,
        };
        // what only shows at the end concerns all of it
        let from = if good_to < entry.next_offset {
            good_to
        } else {
            entry.first_offset
        };
        let offsets = OffsetRange::new(from, entry.next_offset);
        Self::new(Place::segment(object, entry, offsets), problem.to_string())
    }

    pub(crate) fn of_object(object: &str, error: &RepositoryError) -> Self {
        match error {
            RepositoryError::Damaged { object, problem } => {
                Self::new(Place::object(object), problem.clone())
            }
            RepositoryError::NotFound { object } => {
                Self::new(Place::object(object), "it is missing")
            }
            other => Self::new(Place::object(object), other.to_string()),
        }
    }

    /// The partition whose data it is.
    pub fn topic_partition(&self) -> Option<TopicPartition> {
        Some(TopicPartition::new(self.topic.as_deref()?, self.partition?))
    }
}

/// `object, segment member, orders-3 offsets 5..9: what`
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        if let Some(member) = &self.member {
            write!(f, ", segment {member}")?;
        }
        if let Some(topic_partition) = self.topic_partition() {
            write!(f, ", {topic_partition}")?;
        }
        if let Some(offsets) = self.offsets {
            write!(f, " offsets {offsets}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The object.
    pub object: String,
    /// Why.
    pub problem: String,
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
        }
    }

    async fn manifest(&self, report: &mut Report) -> Option<Manifest> {
        let manifest = self.repository.manifest(&self.commit).await;
        report.sound(&self.commit.manifest.object, manifest)
    }

    async fn check_documents(&self, manifest: &Manifest, report: &mut Report) {
        let object = &manifest.documents.object;
        let bytes = self.repository.repository().read(&manifest.documents).await;
        let Some(bytes) = report.sound(object, bytes) else {
            return;
        };
        report.bytes += bytes.len() as u64;
        let members = match read_documents(&bytes) {
            Ok(members) => members,
            Err(error) => {
                report
                    .damage
                    .push(Damage::new(Place::object(object), error.to_string()));
                return;
            }
        };
        let parsed = [
            (
                "cluster.json",
                json_problem::<ClusterDocument>(&members, "cluster.json"),
            ),
            (
                "topics.json",
                json_problem::<TopicsDocument>(&members, "topics.json"),
            ),
            (
                "groups.json",
                json_problem::<GroupsDocument>(&members, "groups.json"),
            ),
        ];
        for (member, problem) in parsed {
            if let Some(problem) = problem {
                let place = Place {
                    member: Some(member.to_owned()),
                    ..Place::object(object)
                };
                report.damage.push(Damage::new(place, problem));
            }
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
            let unread = outcome.unread.map(|error| unread(&object, &error));
            report.unread.extend(unread);
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

impl Report {
    /// What was read, or nothing and a note of why.
    fn sound<T>(&mut self, object: &str, read: Result<T, RepositoryError>) -> Option<T> {
        match read {
            Ok(read) => return Some(read),
            Err(
                error @ (RepositoryError::Damaged { .. }
                | RepositoryError::NotFound { .. }
                | RepositoryError::TooNew { .. }),
            ) => self.damage.push(Damage::of_object(object, &error)),
            Err(error) => self.unread.push(unread(object, &error)),
        }
        None
    }
}

fn unread(object: &str, error: &RepositoryError) -> Unread {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    Unread {
        object: object.to_owned(),
        problem: format!("{error}{}", source.unwrap_or_default()),
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

fn json_problem<T: Document>(members: &BTreeMap<String, Vec<u8>>, name: &str) -> Option<String> {
    match members.get(name) {
        None => Some("it is missing".to_owned()),
        Some(bytes) => json::from_slice::<T>(bytes)
            .err()
            .map(|error| error.to_string()),
    }
}

fn check_topic(topic: &ManifestTopic, list: &TopicList, report: &mut Report) {
    for partition in &topic.partitions {
        let place = |offsets| Place {
            topic_partition: Some((topic.topic.clone(), partition.partition)),
            offsets,
            ..Place::object(&topic.list.object)
        };
        let listed = list
            .partitions
            .iter()
            .find(|listed| listed.partition == partition.partition);
        let Some(listed) = listed else {
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
