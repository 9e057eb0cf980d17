//! Gives topics, records and group offsets of a snapshot to a cluster that does not have them.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use lifeboat_archive::{
    documents::{Documents, GroupsDocument, TopicsDocument},
    manifest::{Commit, Manifest},
    words::{ByteSize, Clock, Progress, TopicGlobs, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{Pace, wire::Cluster};
use lifeboat_repository::{ClusterRepository, RepositoryError};
use tokio_util::sync::CancellationToken;

use crate::{
    compare::{Comparison, ReadBack},
    groups::{self, PartitionOffsets, RestoredGroup},
    journal::{self, Entry, Journal, Planned, Prepared, PreparedTopic},
    parts::{Part, Parts},
    plan::{self, Choice, Source, TopicAction},
    replay::{ReadyTopic, Replay},
    rewrite::Producer,
    settings::SegmentAge,
    target, topics,
};
mod around;
mod sealed;
mod written;

pub use crate::{content::Depth, error::RestoreError, plan::Plan, report::Report};
use around::learn_defaults;
use sealed::SealedArchives;
use written::{Outcome, Times, Written, report};

/// What a restore is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which topics.
    pub topics: TopicGlobs,
    /// Which parts.
    pub parts: Parts,
    /// Whether settings, quotas and ACLs that the snapshot does not have are removed.
    pub prune_extra: bool,
    /// Whether new topics get the snapshot's assignment of replicas, and not only as many.
    pub assignment: bool,
    /// What the snapshot's brokers are called in the target, where it is another name.
    pub broker_map: BTreeMap<i32, i32>,
    /// How closely what was written is compared, if it is read back at all.
    pub compare: Option<Depth>,
    /// Whether the snapshot's own cluster may be written to.
    pub into_source: bool,
    /// Memory for all records that are on their way.
    pub memory: ByteSize,
    /// Bytes per second that are written at most, as they are sent.
    pub max_rate: Option<ByteSize>,
    /// Connections to each broker that data are written by, at least 1.
    pub max_connections: usize,
    /// Where the journal is kept; see [`journal::default_folder`] for where, if not here.
    pub state_folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            parts: Parts::everything(),
            prune_extra: false,
            assignment: false,
            broker_map: BTreeMap::new(),
            compare: Some(Depth::Batches),
            into_source: false,
            memory: ByteSize::mib(96),
            max_rate: None,
            max_connections: 4,
            state_folder: None,
        }
    }
}

/// Restores one snapshot.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The target.
    pub cluster: Cluster,
    /// How to reach the target.
    pub properties: KafkaProperties,
    /// Where the snapshot is.
    pub repository: ClusterRepository,
    /// The snapshot.
    pub commit: Commit,
    /// Its manifest.
    pub manifest: Manifest,
    /// What the cluster was besides its records.
    pub documents: Documents,
    /// What to do.
    pub options: Options,
    /// The time.
    pub clock: Clock,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl Restore {
    /// What the restore would do. Nothing is changed.
    pub async fn plan(&self) -> Result<Plan, RestoreError> {
        self.progress.begin("planning", 0);
        let documents = self.documents()?;
        let parts = &self.options.parts;
        let ages = self.ages().await?;
        let names: Vec<Arc<str>> = self
            .chosen()
            .map(|topic| topic.topic.as_str().into())
            .collect();
        let of_topics = [Part::Data, Part::Topics, Part::Groups];
        let with_topics = of_topics.into_iter().any(|part| parts.has(part));
        let of_topics = if with_topics { names.as_slice() } else { &[] };
        let mut target = target::look(&self.cluster, of_topics, parts.has(Part::Groups)).await?;
        let changes = self.decide_changes(documents, &names).await?;
        learn_defaults(&mut target, &changes);
        let source = Source {
            commit: &self.commit,
            manifest: &self.manifest,
            topics: documents.topics,
            groups: documents.groups,
            ages: &ages,
        };
        let choice = Choice {
            topics: &self.options.topics,
            parts,
            assignment: self.options.assignment,
            broker_map: &self.options.broker_map,
            compare: self.options.compare,
            into_source: self.options.into_source,
        };
        let mut plan = plan::plan(source, &target, choice, self.clock.now())?;
        plan.cluster = changes;
        plan.warnings.extend(self.warnings(documents));
        if !parts.has(Part::Data) {
            self.drop_groups_that_are_there(&mut plan, documents.groups)
                .await;
        }
        topics::preflight(&self.cluster, &mut plan).await?;
        Ok(plan)
    }

    /// Plans and applies the plan.
    pub async fn run(self) -> Result<Report, RestoreError> {
        let plan = self.plan().await?;
        Box::pin(self.apply(plan)).await
    }

    /// Applies exactly `plan`.
    ///
    /// # Crash consistency
    /// What was wanted is in the journal before anything is changed, and the target's topics keep the settings of the
    /// time of writing until everything was compared: nothing that was restored can be deleted meanwhile.
    pub async fn apply(self, plan: Plan) -> Result<Report, RestoreError> {
        let (began, started_at) = (Instant::now(), self.clock.now());
        refuse_if_nothing_is_left(&plan)?;
        let documents = self.documents()?;
        // The journal before the first change: whoever finds a half-made restore must know what it was to become.
        let journal = self.begin_journal(&plan)?;
        // Topics with settings that keep every record, whatever its age.
        let ready = self.prepare(&plan).await?;
        // All read back before groups and settings: a group never points into data that was not proven.
        let (written, comparing_ms) = self.write_data(&plan, documents, ready, &journal).await?;
        // Groups before settings: a consumer may start as soon as its offsets are there.
        let restored_groups = self
            .restore_groups(&plan, documents.groups, &written, &journal)
            .await?;
        // Settings of topics: from here on Kafka may compact and delete as it did on the source.
        self.finish_topics(&plan, &written, &journal).await?;
        // All else last: throttles and quotas would slow the records down, a cluster's retention could delete them
        // before they are compared, and rights that are taken could keep the restore from its end.
        let changed = self.change_cluster(&plan, documents, &journal).await?;
        journal.append(&Entry::Finished {
            at: self.clock.now(),
        })?;
        let times = Times {
            started_at,
            began,
            comparing_ms,
        };
        let outcome = Outcome {
            groups: restored_groups,
            changes: changed,
        };
        Ok(report(plan, &written, outcome, &journal, times))
    }

    async fn write_data(
        &self,
        plan: &Plan,
        documents: StoredDocuments<'_>,
        ready: Vec<ReadyTopic>,
        journal: &Journal,
    ) -> Result<(Written, Option<u64>), RestoreError> {
        if !plan.parts.has(Part::Data) || plan.written().next().is_none() {
            return Ok((Written::nothing(ready), None));
        }
        // Reading back goes on beside the writing; one waits for the network and the disks of the other.
        let comparison = self.begin_comparison(plan);
        // The groups' offsets are known before the data: they are resolved while it passes by.
        let written = self
            .write(plan, documents.groups, ready, journal, comparison.as_ref())
            .await?;
        let comparing_ms = self.compare(comparison, &written, journal).await?;
        Ok((written, comparing_ms))
    }

    fn chosen(&self) -> impl Iterator<Item = &lifeboat_archive::manifest::ManifestTopic> {
        let topics = self.manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    fn documents(&self) -> Result<StoredDocuments<'_>, RestoreError> {
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

    /// How old the segments of the chosen topics are, all of which can be opened.
    async fn ages(&self) -> Result<BTreeMap<String, Vec<SegmentAge>>, RestoreError> {
        let mut ages = BTreeMap::new();
        if !self.options.parts.has(Part::Data) {
            return Ok(ages);
        }
        let mut sealed = SealedArchives::default();
        for topic in self.chosen() {
            let list = self.repository.list(topic).await?;
            sealed.add(&list);
            let segments = list
                .partitions
                .iter()
                .flat_map(|partition| &partition.segments);
            let of_topic = segments.map(|segment| SegmentAge {
                partition: segment.entry.partition,
                max_timestamp_ms: segment.entry.max_timestamp_ms,
                records: segment.entry.record_count.unwrap_or(0),
                bytes: segment.entry.raw_bytes,
                largest_batch_bytes: segment.entry.largest_batch_bytes,
            });
            ages.insert(topic.topic.clone(), of_topic.collect());
        }
        sealed.open(&self.repository).await?;
        Ok(ages)
    }

    fn begin_journal(&self, plan: &Plan) -> Result<Journal, RestoreError> {
        let folder = match &self.options.state_folder {
            Some(folder) => folder.clone(),
            None => journal::default_folder()?,
        };
        let journal = Journal::begin(&folder, Planned::of(plan, self.clock.now()))?;
        tracing::info!(journal = %journal.path().display(), "begins");
        Ok(journal)
    }

    async fn prepare(&self, plan: &Plan) -> Result<Vec<ReadyTopic>, RestoreError> {
        let topics = plan.written().count() as u64;
        self.progress.begin("creating topics", topics);
        self.unless_cancelled(topics::prepare(&self.cluster, plan))
            .await
    }

    /// Gives up waiting when the restore is cancelled.
    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, RestoreError>>,
    ) -> Result<T, RestoreError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(RestoreError::Cancelled),
            done = work => done,
        }
    }

    async fn write(
        &self,
        plan: &Plan,
        groups: &GroupsDocument,
        ready: Vec<ReadyTopic>,
        journal: &Journal,
        comparison: Option<&Comparison>,
    ) -> Result<Written, RestoreError> {
        let began = Instant::now();
        let identity = self.cluster.init_producer_id().await?;
        let producer = Producer {
            id: identity.producer_id,
            epoch: identity.producer_epoch,
        };
        journal.append(&Entry::Prepared(Prepared {
            producer,
            topics: ready.iter().map(prepared).collect(),
        }))?;
        self.progress.begin("writing", plan.bytes);
        let replay = Replay {
            cluster: self.cluster.clone(),
            repository: self.repository.clone(),
            manifest: &self.manifest,
            topics: ready.clone(),
            producer,
            wanted: groups::wanted_offsets(groups, &plan.groups),
            memory: ByteSize(self.options.memory.0 - self.memory_for_comparison().0),
            lanes: self.options.max_connections.max(1),
            pace: Pace::new(self.options.max_rate),
            depth: plan.compare.unwrap_or(Depth::Batches),
            comparison,
            journal,
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
        };
        let mut partitions = replay.run().await?;
        partitions.sort_by(|one, other| one.topic_partition.cmp(&other.topic_partition));
        Ok(Written {
            topics: ready,
            partitions,
            writing_ms: millis(began),
        })
    }

    /// What is fetched while it is compared.
    fn memory_for_comparison(&self) -> ByteSize {
        ByteSize(self.options.memory.0 / 8)
    }

    fn begin_comparison(&self, plan: &Plan) -> Option<Comparison> {
        let from = ReadBack {
            cluster: &self.cluster,
            properties: &self.properties,
            writers: self.options.max_connections.max(1),
            memory: self.memory_for_comparison(),
            cancel: &self.cancel,
        };
        plan.compare.map(|depth| Comparison::begin(depth, from))
    }

    /// Waits for the rest of the comparison; gives for how long.
    async fn compare(
        &self,
        comparison: Option<Comparison>,
        written: &Written,
        journal: &Journal,
    ) -> Result<Option<u64>, RestoreError> {
        let Some(comparison) = comparison else {
            return Ok(None);
        };
        let began = Instant::now();
        let records = written.partitions.iter().filter_map(|partition| {
            let rewritten = partition.outcome.as_ref().ok()?;
            Some(rewritten.counts.records)
        });
        self.progress.begin("comparing", records.sum());
        comparison
            .finish(&written.partitions, &self.progress)
            .await?;
        journal.append(&Entry::Compared)?;
        Ok(Some(millis(began)))
    }

    async fn restore_groups(
        &self,
        plan: &Plan,
        groups: &GroupsDocument,
        written: &Written,
        journal: &Journal,
    ) -> Result<Vec<RestoredGroup>, RestoreError> {
        if plan.groups.is_empty() {
            return Ok(Vec::new());
        }
        self.progress
            .begin("restoring groups", plan.groups.len() as u64);
        let mut partitions: HashMap<TopicPartition, PartitionOffsets<'_>> = HashMap::new();
        for partition in &written.partitions {
            let Ok(rewritten) = &partition.outcome else {
                continue;
            };
            let offsets = PartitionOffsets {
                map: &rewritten.offsets,
                start_offset: partition.start_offset,
            };
            partitions.insert(partition.topic_partition.clone(), offsets);
        }
        let taken_over = self.taken_over(plan, groups);
        partitions.extend(taken_over.iter().map(|(partition, map)| {
            let start_offset = 0;
            (partition.clone(), PartitionOffsets { map, start_offset })
        }));
        let restore = groups::restore(&self.cluster, groups, &plan.groups, &partitions);
        let restored = self.unless_cancelled(async { Ok(restore.await?) }).await?;
        journal.append(&Entry::GroupsCommitted)?;
        Ok(restored)
    }

    async fn finish_topics(
        &self,
        plan: &Plan,
        written: &Written,
        journal: &Journal,
    ) -> Result<(), RestoreError> {
        self.progress
            .begin("setting topics", plan.written().count() as u64);
        for topic in plan.written() {
            // a topic that was stopped half-way is kept as it is, until somebody has looked at it
            if written.stopped(&topic.topic) {
                continue;
            }
            self.unless_cancelled(topics::finish(&self.cluster, topic))
                .await?;
            journal.append(&Entry::SettingsRestored {
                topic: topic.topic.clone(),
            })?;
            self.progress.advance(1);
        }
        Ok(())
    }
}

/// What every snapshot has, and what it may have.
#[derive(Clone, Copy)]
struct StoredDocuments<'d> {
    topics: &'d TopicsDocument,
    groups: &'d GroupsDocument,
    all: &'d Documents,
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn refuse_if_nothing_is_left(plan: &Plan) -> Result<(), RestoreError> {
    // what else there is to be done is done all the same
    if plan.topics.is_empty() || plan.changes_anything() {
        return Ok(());
    }
    let refused = plan.refused().map(|topic| match &topic.action {
        TopicAction::Refuse { reason, .. } => (topic.topic.clone(), reason.clone()),
        _ => (topic.topic.clone(), String::new()),
    });
    Err(RestoreError::Refused(refused.collect()))
}

fn prepared(topic: &ReadyTopic) -> PreparedTopic {
    PreparedTopic {
        topic: topic.topic.to_string(),
        topic_id: topic.topic_id,
        start_offsets: topic.start_offsets.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_everything_is_restored_and_compared_but_not_into_the_source() {
        let options = Options::default();
        assert!(options.parts == Parts::everything() && !options.into_source);
        assert_eq!(options.compare, Some(Depth::Batches));
        assert!(options.topics.choose("anything"));
        assert_eq!(options.memory, ByteSize::mib(96));
    }
}
