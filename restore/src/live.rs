//! Holds a snapshot against a live cluster, both ways: the one that it was taken of, or one that it was restored into.
//!
//! The records of the archives, by the rules of a restore, against those that a consumer of committed records gets, read
//! with librdkafka. A live cluster goes on: what came behind the snapshot's last record and what retention took at the
//! front is told, and a difference only where that is asked for. Of compacted topics the latest record of each key counts.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    lists::TopicList,
    manifest::{Commit, Manifest, ManifestPartition, ManifestTopic},
    results::ChosenTopics,
    words::{ByteSize, Clock, Progress, SnapshotId, TopicGlobs, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{KafkaError, wire::Cluster};
use lifeboat_repository::{ClusterRepository, RepositoryError};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

mod by_key;
mod kept;
mod look;
mod matching;
mod partition;
mod report;
mod result;

pub use report::{
    ComparedPartition, ComparedTopic, Counts, Difference, DifferenceKind, Report, Way,
};

use kept::{Kept, KeptError};
use look::LiveTopic;
use matching::{LiveBounds, Origin, Tally};
use partition::{Job, JobError};

use crate::{
    journal::{self, Begun},
    names::{NameError, Naming, TargetNames},
    selection::RecordSelection,
    verify::{Damage, Unread},
};

/// Partitions that are compared at the same time, at most: a consumer with its queue, and a reader of archives each.
const MOST_AT_ONCE: usize = 4;

/// What to compare, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which topics, by the snapshot's names.
    pub topics: TopicGlobs,
    /// What they are called in the cluster.
    pub naming: Naming,
    /// Whether what came later, or is no longer kept, is a difference, too.
    pub exact: bool,
    /// For the keys of compacted topics.
    pub memory: ByteSize,
    /// Whether what was found is stored beside the snapshot.
    pub store: bool,
    /// Where the journals of restores are, if not at the usual place: they tell where restored records begin.
    pub state_folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            naming: Naming::default(),
            exact: false,
            memory: ByteSize::mib(96),
            store: true,
            state_folder: None,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The repository can't be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The cluster can't be talked to.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// They can't be called so in the cluster.
    #[error(transparent)]
    Names(#[from] NameError),
    /// Nothing would be compared.
    #[error("no topic of {snapshot} is among those that were chosen: {topics}")]
    NoTopics {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What was chosen.
        topics: ChosenTopics,
    },
    /// A part of this program failed.
    #[error("a part of the comparison failed: {0}")]
    Internal(String),
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// Compares one snapshot with a cluster.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The cluster.
    pub cluster: Cluster,
    /// How to reach it.
    pub properties: KafkaProperties,
    /// Where the snapshot is.
    pub repository: ClusterRepository,
    /// The snapshot.
    pub commit: Commit,
    /// What to do.
    pub options: Options,
    /// The time.
    pub clock: Clock,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl Compare {
    /// Reads both sides and reports where they differ. The cluster is not changed.
    pub async fn run(self) -> Result<Report, CompareError> {
        let began = Instant::now();
        let mut report = self.empty_report();
        let manifest = self.repository.manifest(&self.commit).await?;
        self.refuse_nothing(&manifest)?;
        self.progress.begin("looking at the cluster", 0);
        let chosen: Vec<_> = self.chosen(&manifest).collect();
        let names = self.target_names(&manifest)?;
        let names: Vec<_> = chosen
            .iter()
            .map(|topic| names.target(&topic.topic).to_owned())
            .collect();
        let mut live = look::look(&self.cluster, &names).await?;
        let begun = self.begun();
        let bytes = chosen.iter().flat_map(|topic| &topic.partitions);
        let bytes = bytes.map(|partition| partition.raw_bytes).sum();
        self.progress.begin("comparing", bytes);
        // several topics at once, because most have few partitions; the slots are for all partitions together
        let slots = Slots::new();
        let topics = chosen.into_iter().zip(names).map(|(topic, name)| {
            let there = live.remove(&name);
            let begun = begun.get(&name);
            self.topic(topic, name, there, begun, &slots)
        });
        let mut topics = stream::iter(topics).buffered(MOST_AT_ONCE);
        while let Some(found) = topics.next().await {
            report.add(found?);
        }
        drop(topics);
        report.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.store(&mut report).await;
        Ok(report)
    }

    /// Where restores into this cluster have begun, as far as journals are here.
    fn begun(&self) -> BTreeMap<String, Begun> {
        let known = journal::folder(self.options.state_folder.as_deref())
            .and_then(|folder| journal::earlier_in(&folder, self.cluster.cluster_id()));
        match known {
            Ok(known) => known.begun,
            Err(error) => {
                tracing::debug!(%error, "no journal tells where restores began");
                BTreeMap::new()
            }
        }
    }

    fn chosen<'m>(&self, manifest: &'m Manifest) -> impl Iterator<Item = &'m ManifestTopic> {
        let topics = manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    fn refuse_nothing(&self, manifest: &Manifest) -> Result<(), CompareError> {
        let chosen = ChosenTopics::of(&self.options.topics);
        match (chosen, self.chosen(manifest).next()) {
            (Some(topics), None) => Err(CompareError::NoTopics {
                snapshot: self.commit.snapshot.clone(),
                topics,
            }),
            _ => Ok(()),
        }
    }

    fn target_names(&self, manifest: &Manifest) -> Result<TargetNames, NameError> {
        let topics = manifest.topics.iter().map(|topic| topic.topic.as_str());
        let naming = &self.options.naming;
        let decided = naming.decide(topics, &self.options.topics, std::iter::empty());
        Ok(decided?.topics)
    }

    fn empty_report(&self) -> Report {
        Report {
            snapshot: self.commit.snapshot.clone(),
            bounds_at: self.commit.bounds_at,
            source_cluster_id: self.commit.cluster_id.clone(),
            target_cluster_id: self.cluster.cluster_id().to_owned(),
            chosen: ChosenTopics::of(&self.options.topics),
            exact: self.options.exact,
            started_at: self.clock.now(),
            elapsed_ms: 0,
            totals: Counts::default(),
            topics: Vec::new(),
            damage: Vec::new(),
            unread: Vec::new(),
            result: None,
            result_not_stored: None,
        }
    }

    async fn topic(
        &self,
        topic: &ManifestTopic,
        name: String,
        live: Option<LiveTopic>,
        begun: Option<&Begun>,
        slots: &Slots,
    ) -> Result<Found, CompareError> {
        let mut found = Found::of(empty_topic(topic, &name));
        match live {
            None => found.topic.problem = Some("the cluster does not have it".to_owned()),
            Some(live) => {
                let begun = begun.filter(|begun| begun.topic_id == live.topic_id);
                if let Some(partitions) = begun.and_then(|begun| begun.spread) {
                    found.unread(
                        &TopicPartition::new(name, 0),
                        format!(
                            "its records were spread over {partitions} partitions when they were restored: only the restore \
                             itself could compare them"
                        ),
                    );
                    return Ok(found);
                }
                self.compare(topic, &name, live, begun, slots, &mut found)
                    .await?;
            }
        }
        Ok(found)
    }

    async fn compare(
        &self,
        topic: &ManifestTopic,
        name: &str,
        live: LiveTopic,
        begun: Option<&Begun>,
        slots: &Slots,
        found: &mut Found,
    ) -> Result<(), CompareError> {
        let list = match self.repository.list(topic).await {
            Ok(list) => Arc::new(list),
            Err(error) if error.is_unusable() => {
                let object = &topic.list.object;
                found.damage.push(Damage::of_object(object, &error));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let way = way(topic, &live);
        found.topic.way = Some(way);
        found.topic.notes.extend(more_partitions(topic, &live));
        if self.options.exact {
            found.topic.problem = found.topic.notes.first().cloned();
        }
        // of a restore of some records, the others are not missing
        let only = begun.and_then(|begun| begun.only_of(&self.commit.snapshot));
        if let Some(only) = only {
            let note = format!("compared with what was to be restored: {only}");
            found.topic.notes.push(note);
            found.topic.only = Some(only.clone());
        }
        let jobs = self.jobs(topic, name, &live, begun, &list, found);
        let work = jobs.into_iter().map(async |(partition, job)| {
            let slot = slots.take(way).await;
            self.progress.note(job.target.to_string());
            let run = move || {
                let tally = job.run();
                let doubt = tally.as_ref().ok().and_then(|tally| job.doubt(tally));
                (tally, doubt, job.target, slot)
            };
            let run = tokio::task::spawn_blocking(run);
            (partition, run.await)
        });
        let mut outcomes = stream::iter(work).buffered(MOST_AT_ONCE);
        while let Some((partition, outcome)) = outcomes.next().await {
            if self.cancel.is_cancelled() {
                return Err(CompareError::Cancelled);
            }
            let (outcome, doubt, target, _) =
                outcome.map_err(|error| CompareError::Internal(error.to_string()))?;
            found.count(partition, outcome, &target)?;
            if let Some(doubt) = doubt {
                found.unread(&target, doubt);
            }
        }
        Ok(())
    }

    /// What there is to do for each partition; those that the cluster lacks are told.
    fn jobs(
        &self,
        topic: &ManifestTopic,
        name: &str,
        live: &LiveTopic,
        begun: Option<&Begun>,
        list: &Arc<TopicList>,
        found: &mut Found,
    ) -> Vec<(i32, Job)> {
        let way = way(topic, live);
        let is_same_topic = look::is_same_topic(topic, live);
        let selection = found.topic.only.clone().unwrap_or_default();
        let mut jobs = Vec::new();
        for partition in &topic.partitions {
            let number = partition.partition;
            let target = TopicPartition::new(name, number);
            match live.partitions.get(&number) {
                None => {
                    let problem = format!("the cluster does not have partition {number}");
                    found.topic.problem.get_or_insert(problem);
                }
                Some(Err(error)) => found.unread(&target, error.to_string()),
                Some(Ok(bounds)) => {
                    let Some(selection) = selection.of(&topic.topic, number) else {
                        continue;
                    };
                    let begun = begun.and_then(|begun| {
                        let number = usize::try_from(number).ok()?;
                        begun.start_offsets.get(number).copied()
                    });
                    let origin = Origin::of(begun, *bounds);
                    let job = Job {
                        kept: self.kept(list, partition, selection),
                        way,
                        is_same_topic,
                        may_be_deleted: self.may_be_deleted(
                            topic,
                            partition,
                            *bounds,
                            (!is_same_topic).then_some(origin),
                        ),
                        target,
                        live: *bounds,
                        origin,
                        exact: self.options.exact,
                        properties: self.properties.clone(),
                        memory: self.options.memory.0,
                        cancel: self.cancel.clone(),
                    };
                    jobs.push((number, job));
                }
            }
        }
        jobs
    }

    fn kept(
        &self,
        list: &Arc<TopicList>,
        partition: &ManifestPartition,
        selection: RecordSelection,
    ) -> Kept {
        Kept {
            runtime: Handle::current(),
            repository: self.repository.repository().clone(),
            list: Arc::clone(list),
            partition: partition.clone(),
            selection,
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
        }
    }

    /// Whether a key may have been deleted behind the snapshot, and its tombstone be gone by now (R11): only where records
    /// came that long ago.
    fn may_be_deleted(
        &self,
        topic: &ManifestTopic,
        partition: &ManifestPartition,
        live: LiveBounds,
        origin: Option<Origin>,
    ) -> bool {
        let end = match origin {
            None => partition.high_watermark,
            Some(origin) => {
                let records = partition.record_count.unwrap_or(0);
                origin.newer_from(i64::try_from(records).unwrap_or(i64::MAX))
            }
        };
        let age = self.clock.now().millis_since(self.commit.bounds_at);
        let age = u64::try_from(age).unwrap_or(0);
        let lives = topic
            .cleanup
            .map_or(0, |cleanup| cleanup.delete_retention_ms);
        live.high_watermark > end && age >= lives
    }
}

fn empty_topic(topic: &ManifestTopic, name: &str) -> ComparedTopic {
    ComparedTopic {
        only: None,
        topic: topic.topic.clone(),
        target: (name != topic.topic).then(|| name.to_owned()),
        way: None,
        problem: None,
        notes: Vec::new(),
        counts: Counts::default(),
        partitions: Vec::new(),
    }
}

fn way(topic: &ManifestTopic, live: &LiveTopic) -> Way {
    if topic.cleanup.is_some_and(|cleanup| cleanup.compact) {
        Way::LatestByKey
    } else if look::is_same_topic(topic, live) {
        Way::Offset
    } else {
        Way::Order
    }
}

/// Partitions that only the cluster has.
fn more_partitions(topic: &ManifestTopic, live: &LiveTopic) -> Option<String> {
    let (ours, theirs) = (topic.partitions.len(), live.partitions.len());
    (theirs > ours).then(|| format!("the cluster has {theirs} partitions, the snapshot {ours}"))
}

/// How many partitions are compared at the same time.
struct Slots {
    all: u32,
    free: Arc<Semaphore>,
}

impl Slots {
    fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let all = processors.clamp(2, MOST_AT_ONCE);
        Self {
            all: u32::try_from(all).unwrap_or(2),
            free: Arc::new(Semaphore::new(all)),
        }
    }

    /// Waits for one; who holds keys has all the memory, and so all of them.
    async fn take(&self, way: Way) -> Option<OwnedSemaphorePermit> {
        let many = match way {
            Way::LatestByKey => self.all,
            Way::Offset | Way::Order => 1,
        };
        Arc::clone(&self.free).acquire_many_owned(many).await.ok()
    }
}

/// What was found of a topic.
struct Found {
    topic: ComparedTopic,
    damage: Vec<Damage>,
    unread: Vec<Unread>,
}

impl Found {
    fn of(topic: ComparedTopic) -> Self {
        Self {
            topic,
            damage: Vec::new(),
            unread: Vec::new(),
        }
    }

    fn unread(&mut self, target: &TopicPartition, problem: String) {
        self.unread.push(Unread {
            object: target.to_string(),
            problem,
        });
    }

    /// What was found of a partition, or why it was not compared to its end.
    fn count(
        &mut self,
        partition: i32,
        outcome: Result<Tally, JobError>,
        target: &TopicPartition,
    ) -> Result<(), CompareError> {
        match outcome {
            Ok(Tally { counts, first }) => {
                self.topic.counts += counts;
                self.topic.partitions.push(ComparedPartition {
                    partition,
                    counts,
                    first,
                });
            }
            Err(JobError::Kept(KeptError::Damaged(damage))) => self.damage.push(*damage),
            Err(JobError::Kept(KeptError::Repository(error))) => {
                // every other partition would end the same way
                if error.is_for_want_of_identity() {
                    return Err(error.into());
                }
                self.unread(target, error.to_string());
            }
            Err(JobError::Kept(KeptError::Stopped) | JobError::Live(KafkaError::Interrupted)) => {
                return Err(CompareError::Cancelled);
            }
            Err(JobError::Live(error)) => self.unread(target, error.to_string()),
            Err(JobError::Lost) => {
                let why = format!("the reader of {target} is gone");
                return Err(CompareError::Internal(why));
            }
        }
        Ok(())
    }
}

impl Report {
    fn add(&mut self, found: Found) {
        self.totals += found.topic.counts;
        self.topics.push(found.topic);
        self.damage.extend(found.damage);
        self.unread.extend(found.unread);
    }
}
