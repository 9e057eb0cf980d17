//! Gives topics, records and group offsets of a snapshot to a cluster that does not have them.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use lifeboat_archive::{
    documents::{GroupsDocument, TopicsDocument},
    json::{self, Document},
    manifest::{Commit, Manifest},
    tarball::read_documents,
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
    plan::{self, Choice, Source, TopicAction},
    replay::{ReadyTopic, Replay},
    rewrite::Producer,
    settings::SegmentAge,
    target, topics,
};
mod written;

pub use crate::{content::Depth, error::RestoreError, plan::Plan, report::Report};
use written::{Times, Written, report};

/// What a restore is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which topics.
    pub topics: TopicGlobs,
    /// Whether groups get their offsets.
    pub groups: bool,
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
            groups: true,
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
        let documents = self.documents().await?;
        let ages = self.ages().await?;
        let names: Vec<Arc<str>> = self
            .chosen()
            .map(|topic| topic.topic.as_str().into())
            .collect();
        let target = target::look(&self.cluster, &names, self.options.groups).await?;
        let source = Source {
            commit: &self.commit,
            manifest: &self.manifest,
            topics: &documents.topics,
            groups: &documents.groups,
            ages: &ages,
        };
        let choice = Choice {
            topics: &self.options.topics,
            groups: self.options.groups,
            compare: self.options.compare,
            into_source: self.options.into_source,
        };
        let mut plan = plan::plan(source, &target, choice, self.clock.now())?;
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
        let groups = self.documents().await?.groups;
        // The journal before the first change: whoever finds a half-made restore must know what it was to become.
        let journal = self.begin_journal(&plan)?;
        // Topics with settings that keep every record, whatever its age.
        let ready = self.prepare(&plan).await?;
        // Reading back goes on beside the writing; one waits for the network and the disks of the other.
        let comparison = self.begin_comparison(&plan);
        // The groups' offsets are known before the data: they are resolved while it passes by.
        let written = self
            .write(&plan, &groups, ready, &journal, comparison.as_ref())
            .await?;
        // All read back before groups and settings: a group never points into data that was not proven.
        let comparing_ms = self.compare(comparison, &written, &journal).await?;
        // Groups before settings: a consumer may start as soon as its offsets are there.
        let restored_groups = self
            .restore_groups(&plan, &groups, &written, &journal)
            .await?;
        // Settings last: from here on Kafka may compact and delete as it did on the source.
        self.finish_topics(&plan, &written, &journal).await?;
        journal.append(&Entry::Finished {
            at: self.clock.now(),
        })?;
        let times = Times {
            started_at,
            began,
            comparing_ms,
        };
        Ok(report(plan, &written, restored_groups, &journal, times))
    }

    fn chosen(&self) -> impl Iterator<Item = &lifeboat_archive::manifest::ManifestTopic> {
        let topics = self.manifest.topics.iter();
        topics.filter(|topic| self.options.topics.choose(&topic.topic))
    }

    async fn documents(&self) -> Result<Documents, RestoreError> {
        let reference = &self.manifest.documents;
        let bytes = self.repository.repository().read(reference).await?;
        let damaged = |what: String| RepositoryError::Damaged {
            object: reference.object.clone(),
            problem: what,
        };
        let members = read_documents(&bytes).map_err(|error| damaged(error.to_string()))?;
        Ok(Documents {
            topics: document(&members, "topics.json").map_err(damaged)?,
            groups: document(&members, "groups.json").map_err(damaged)?,
        })
    }

    /// How old the segments of the chosen topics are.
    async fn ages(&self) -> Result<BTreeMap<String, Vec<SegmentAge>>, RestoreError> {
        let mut ages = BTreeMap::new();
        for topic in self.chosen() {
            let list = self.repository.list(topic).await?;
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

struct Documents {
    topics: TopicsDocument,
    groups: GroupsDocument,
}

fn document<T: Document>(members: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<T, String> {
    let bytes = members
        .get(name)
        .ok_or_else(|| format!("it has no {name}"))?;
    json::from_slice(bytes).map_err(|error| format!("{name}: {error}"))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn refuse_if_nothing_is_left(plan: &Plan) -> Result<(), RestoreError> {
    if plan.topics.is_empty() || plan.written().next().is_some() {
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
        assert!(options.groups && !options.into_source);
        assert_eq!(options.compare, Some(Depth::Batches));
        assert!(options.topics.choose("anything"));
        assert_eq!(options.memory, ByteSize::mib(96));
    }
}
