//! Gives topics, records and group offsets of a snapshot to a cluster that does not have them.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lifeboat_archive::{
    documents::{Documents, GroupsDocument},
    manifest::{Commit, Manifest},
    words::{ByteSize, Clock, Progress, TopicGlobs, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{Pace, wire::Cluster};
use lifeboat_repository::ClusterRepository;
use tokio_util::sync::CancellationToken;

use crate::{
    compare::{Comparison, ReadBack},
    groups::{self, PartitionOffsets, RestoredGroup},
    into::Existing,
    journal::{self, Entry, KeptJournal, PartitionWritten, Prepared, PreparedTopic},
    names::Naming,
    offset_map::{MapFile, Waiting},
    parts::{Part, Parts},
    plan::{self, Choice, Source, TopicAction, Unfinished},
    repartition::RepartitionChoice,
    replay::{ReadyTopic, Replay, WriteError, WrittenPartition},
    rewrite::Producer,
    selection::Wanted,
    target,
};
mod around;
mod course;
mod existing;
mod sealed;
mod stored;
mod written;

pub use crate::{content::Depth, error::RestoreError, plan::Plan, report::Report};
use around::learn_defaults;
use course::{Course, Start};
use stored::{Stored, StoredDocuments};
use written::{Outcome, Times, Written, write_map};

/// What a restore is to do.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Options {
    /// Which topics.
    pub topics: TopicGlobs,
    /// What they are called in the target, and which groups.
    pub naming: Naming,
    /// What is done with topics that hold records.
    pub existing: Existing,
    /// Which parts.
    pub parts: Parts,
    /// Which records.
    pub selection: Wanted,
    /// Whether damaged segments are restored as far as they are sound, and topics without a list left out.
    pub salvage: bool,
    /// How many partitions topics get, where it shall be another number than they had.
    pub repartition: Vec<RepartitionChoice>,
    /// Where a map of all offsets is written.
    pub offset_map: Option<MapFile>,
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
    /// So long the target may take not a single batch of a partition before the restore stops, to be gone on with.
    pub retry_deadline: Duration,
    /// Where the journal is kept; see [`journal::default_folder`] for where, if not here.
    pub state_folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            naming: Naming::default(),
            existing: Existing::default(),
            parts: Parts::everything(),
            selection: Wanted::default(),
            salvage: false,
            repartition: Vec::new(),
            offset_map: None,
            prune_extra: false,
            assignment: false,
            broker_map: BTreeMap::new(),
            compare: Some(Depth::Batches),
            into_source: false,
            memory: ByteSize::mib(96),
            max_rate: None,
            max_connections: 4,
            retry_deadline: Duration::from_secs(180),
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
        // known only after hours else
        self.begin_map()?;
        let documents = self.documents()?;
        let parts = &self.options.parts;
        let destinations = self.destinations(documents)?;
        let selection = self.selection(documents.topics)?;
        let repartition = self.repartition(documents.topics)?;
        let Stored { ages, unreadable } = self.stored(&selection).await?;
        let names: Vec<Arc<str>> = self
            .chosen()
            .map(|topic| destinations.topics.target(&topic.topic).into())
            .collect();
        let of_topics = [Part::Data, Part::Topics, Part::Groups];
        let with_topics = of_topics.into_iter().any(|part| parts.has(part));
        let of_topics = if with_topics { names.as_slice() } else { &[] };
        let mut target = target::look(&self.cluster, of_topics, parts.has(Part::Groups)).await?;
        let changes = self.decide_changes(documents, &names).await?;
        learn_defaults(&mut target, &changes);
        self.look_closer(&mut target, documents.groups, &destinations)
            .await?;
        let source = Source {
            commit: &self.commit,
            manifest: &self.manifest,
            topics: documents.topics,
            groups: documents.groups,
            ages: &ages,
            unreadable: &unreadable,
        };
        let choice = Choice {
            topics: &self.options.topics,
            names: &destinations,
            existing: self.options.existing,
            parts,
            selection: &selection,
            salvage: self.options.salvage,
            repartition: &repartition,
            assignment: self.options.assignment,
            broker_map: &self.options.broker_map,
            compare: self.options.compare,
            into_source: self.options.into_source,
        };
        let mut plan = plan::plan(source, &target, choice, self.clock.now())?;
        plan.cluster = changes;
        plan.warnings.extend(self.warnings(documents));
        if !parts.has(Part::Data) {
            self.drop_groups_that_are_there(&mut plan, documents.groups, &destinations.topics)
                .await;
        }
        crate::topics::preflight(&self.cluster, &mut plan).await?;
        plan.unfinished = self.unfinished()?;
        Ok(plan)
    }

    /// The newest restore of this snapshot into this cluster that was interrupted.
    fn unfinished(&self) -> Result<Option<Unfinished>, RestoreError> {
        // who has no place for a journal is told when one is begun
        let Ok(folder) = journal::folder(self.options.state_folder.as_deref()) else {
            return Ok(None);
        };
        let (snapshot, target) = (&self.manifest.snapshot, self.cluster.cluster_id());
        let kept = journal::kept_in(&folder, Some(snapshot), target)?;
        let mut kept = kept.iter();
        Ok(kept
            .find(|journal| journal.is_unfinished())
            .map(KeptJournal::unfinished))
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
    /// [`Self::resume`] goes on from there.
    pub async fn apply(mut self, plan: Plan) -> Result<Report, RestoreError> {
        refuse_if_nothing_is_left(&plan)?;
        self.documents()?;
        // The journal before the first change: whoever finds a half-made restore must know what it was to become.
        let course = self.begin(plan).await?;
        self.carry_out(course).await
    }

    async fn steps(&self, course: &Course) -> Result<(Written, Outcome, Times), RestoreError> {
        let (began, started_at) = (Instant::now(), self.clock.now());
        let documents = self.documents()?;
        // Topics with settings that keep every record, whatever its age.
        let start = self.start(course).await?;
        // All read back before groups and settings: a group never points into data that was not proven.
        let (written, comparing_ms) = self.write_data(course, documents, start).await?;
        // Groups before settings: a consumer may start as soon as its offsets are there.
        let groups = self
            .restore_groups(course, documents.groups, &written)
            .await?;
        // Settings of topics: from here on Kafka may compact and delete as it did on the source.
        self.finish_topics(course, &written).await?;
        // All else last: throttles and quotas would slow the records down, a cluster's retention could delete them
        // before they are compared, and rights that are taken could keep the restore from its end.
        let changes = self.change_cluster(course, documents).await?;
        course.finish(self.clock.now())?;
        let times = Times {
            started_at,
            began,
            comparing_ms,
        };
        Ok((written, Outcome { groups, changes }, times))
    }

    async fn write_data(
        &self,
        course: &Course,
        documents: StoredDocuments<'_>,
        start: Start,
    ) -> Result<(Written, Option<u64>), RestoreError> {
        let plan = &course.plan;
        if !plan.parts.has(Part::Data) || plan.written().next().is_none() {
            let map = self.options.offset_map.as_ref();
            return Ok((Written::nothing(start.topics, map), None));
        }
        if course.past.is_proven(plan) {
            let comparing_ms = plan.compare.map(|_| 0);
            let map = self.options.offset_map.as_ref();
            let written = Written::recalled(start.topics, &course.past, map);
            return Ok((written, comparing_ms));
        }
        // Reading back goes on beside the writing; one waits for the network and the disks of the other.
        let comparison = self.begin_comparison(plan);
        let (began, topics, there) = (Instant::now(), start.topics.clone(), start.places.records());
        // The groups' offsets are known before the data: they are resolved while it passes by.
        let (partitions, waiting) = self
            .write(course, documents.groups, start, comparison.as_ref())
            .await?;
        let writing_ms = millis(began);
        let comparing_ms = self.compare(comparison, &partitions, course).await?;
        let map = self.options.offset_map.as_ref().zip(waiting.as_ref());
        let map = map.map(|(file, waiting)| {
            // where records went that were spread, no run of offsets tells
            let spread = plan.spread();
            let mapped = |it: &&WrittenPartition| !spread.contains_key(&*it.topic);
            let mapped = partitions.iter().filter(mapped);
            tokio::task::block_in_place(|| write_map(file, waiting, mapped))
        });
        if let Some(map) = &map {
            course.journal.append(&Entry::MapWritten(map.clone()))?;
        }
        let partitions = partitions.iter().map(WrittenPartition::told).collect();
        let written = Written {
            topics,
            partitions,
            writing_ms,
            there,
            map,
        };
        Ok((written, comparing_ms))
    }

    /// Where the runs of the offset map wait; an error where there can't be one.
    fn begin_map(&self) -> Result<Option<Waiting>, RestoreError> {
        let file = self.options.offset_map.as_ref();
        Ok(file.map(Waiting::begin).transpose()?)
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
        course: &Course,
        groups: &GroupsDocument,
        start: Start,
        comparison: Option<&Comparison>,
    ) -> Result<(Vec<WrittenPartition>, Option<Waiting>), RestoreError> {
        let (plan, journal) = (&course.plan, &course.journal);
        let producer = match start.producer {
            Some(producer) => producer,
            None => self.begin_writing(&start.topics, course).await?,
        };
        let waiting = self.begin_map()?;
        self.progress.begin("writing", plan.bytes);
        let replay = Replay {
            cluster: self.cluster.clone(),
            repository: self.repository.clone(),
            manifest: &self.manifest,
            topics: start.topics,
            selection: &plan.selection,
            salvage: plan.salvage,
            waiting: waiting.clone(),
            producer,
            places: start.places,
            lease: course.lease.guard(),
            wanted: groups::wanted_offsets(groups, &plan.groups),
            memory: ByteSize(self.options.memory.0 - self.memory_for_comparison().0),
            lanes: self.options.max_connections.max(1),
            pace: Pace::new(self.options.max_rate),
            retry_deadline: self.options.retry_deadline,
            depth: plan.compare.unwrap_or(Depth::Batches),
            comparison,
            journal,
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
        };
        let mut partitions = replay.run().await?;
        partitions.sort_by(|one, other| one.topic_partition.cmp(&other.topic_partition));
        for stopped in partitions.iter().filter_map(|it| it.told().err()) {
            journal.note(&Entry::Stopped(stopped))?;
        }
        // they can be gone on with when the target is back: not before that is all written
        let stopped = partitions.iter();
        let stopped =
            stopped.filter_map(|it| Some((&it.topic_partition, it.outcome.as_ref().err()?)));
        if let Some(stuck) = stuck(stopped) {
            return Err(stuck);
        }
        journal.append(&Entry::AllWritten)?;
        Ok((partitions, waiting))
    }

    /// One producer for all partitions, in the journal before it writes.
    async fn begin_writing(
        &self,
        topics: &[ReadyTopic],
        course: &Course,
    ) -> Result<Producer, RestoreError> {
        let identity = self.cluster.init_producer_id().await?;
        let producer = Producer {
            id: identity.producer_id,
            epoch: identity.producer_epoch,
        };
        let topics = topics.iter().map(|ready| prepared(ready, &course.plan));
        course.journal.append(&Entry::Prepared(Prepared {
            producer,
            topics: topics.collect(),
        }))?;
        Ok(producer)
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
            retry_deadline: self.options.retry_deadline,
            cancel: &self.cancel,
        };
        plan.compare.map(|depth| Comparison::begin(depth, from))
    }

    /// Waits for the rest of the comparison; gives for how long.
    async fn compare(
        &self,
        comparison: Option<Comparison>,
        written: &[WrittenPartition],
        course: &Course,
    ) -> Result<Option<u64>, RestoreError> {
        let Some(comparison) = comparison else {
            return Ok(None);
        };
        let began = Instant::now();
        let records = written.iter().filter_map(|partition| {
            let rewritten = partition.outcome.as_ref().ok()?;
            Some(rewritten.counts.records)
        });
        self.progress.begin("comparing", records.sum());
        comparison.finish(written, &self.progress).await?;
        course.journal.append(&Entry::Compared)?;
        Ok(Some(millis(began)))
    }

    async fn restore_groups(
        &self,
        course: &Course,
        groups: &GroupsDocument,
        written: &Written,
    ) -> Result<Vec<RestoredGroup>, RestoreError> {
        let (plan, journal) = (&course.plan, &course.journal);
        if plan.groups.is_empty() {
            return Ok(Vec::new());
        }
        self.progress
            .begin("restoring groups", plan.groups.len() as u64);
        let mut partitions: HashMap<TopicPartition, PartitionOffsets<'_>> = HashMap::new();
        let spread = plan.spread();
        let kept_places = |it: &&PartitionWritten| !spread.contains_key(it.topic.as_str());
        for partition in written.whole().filter(kept_places) {
            let offsets = PartitionOffsets {
                topic: partition.target_name(),
                map: &partition.offsets,
                start_offset: partition.start_offset,
            };
            let name = TopicPartition::new(partition.topic.as_str(), partition.partition);
            partitions.insert(name, offsets);
        }
        let destinations = self.destinations(self.documents()?)?;
        let taken_over = self.taken_over(plan, groups);
        partitions.extend(taken_over.iter().map(|(partition, map)| {
            let offsets = PartitionOffsets {
                topic: destinations.topics.target(&partition.topic),
                map,
                start_offset: 0,
            };
            (partition.clone(), offsets)
        }));
        let before = (&course.past, course.begun_at.is_some());
        let restore = groups::restore(&self.cluster, groups, plan, &partitions, before, journal);
        let restored = self.unless_cancelled(restore).await?;
        if !course.past.groups_committed {
            journal.append(&Entry::GroupsCommitted)?;
        }
        Ok(restored)
    }

    async fn finish_topics(&self, course: &Course, written: &Written) -> Result<(), RestoreError> {
        let plan = &course.plan;
        self.progress
            .begin("setting topics", plan.written().count() as u64);
        for topic in plan.written() {
            self.progress.advance(1);
            // a topic that was stopped half-way is kept as it is, until somebody has looked at it
            // one that was stopped before this run, and is whole now, is not
            if !written.lacks_settings(&topic.topic, &course.past) {
                continue;
            }
            self.unless_cancelled(crate::topics::finish(&self.cluster, topic))
                .await?;
            course.journal.append(&Entry::SettingsRestored {
                topic: topic.topic.clone(),
                target: topic.target.clone(),
            })?;
        }
        Ok(())
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The error where nothing got through any more to partitions, of those that were stopped: they can be gone on with.
fn stuck<'a>(
    stopped: impl Iterator<Item = (&'a TopicPartition, &'a WriteError)>,
) -> Option<RestoreError> {
    let stuck = stopped.filter_map(|(partition, why)| match why {
        WriteError::NoProgress { after, .. } => Some((partition, why, after)),
        _ => None,
    });
    let stuck: Vec<_> = stuck.collect();
    // some were at their end, and could only not be asked for it any more
    let (partition, why, _) = stuck.iter().rev().max_by_key(|(_, _, after)| *after)?;
    Some(RestoreError::Stuck {
        first: (*partition).clone(),
        problem: why.to_string(),
        partitions: stuck.len(),
    })
}

fn refuse_if_nothing_is_left(plan: &Plan) -> Result<(), RestoreError> {
    // what else there is to be done is done all the same
    if plan.refused().next().is_none() || plan.changes_anything() {
        return Ok(());
    }
    let refused = plan.refused().map(|topic| match &topic.action {
        TopicAction::Refuse { reason, .. } => (topic.target_name().to_owned(), reason.clone()),
        _ => (topic.target_name().to_owned(), String::new()),
    });
    Err(RestoreError::Refused(refused.collect()))
}

fn prepared(topic: &ReadyTopic, plan: &Plan) -> PreparedTopic {
    let mut planned = plan.topics.iter();
    let planned = planned.find(|planned| *planned.topic == *topic.topic);
    // what is salvaged may lack records, and is never taken for all of them
    let planned = planned.filter(|_| !plan.salvage);
    let (manifest, selection) = (&plan.manifest_sha256, &plan.selection);
    let content = planned.map(|planned| planned.content(manifest, selection));
    PreparedTopic {
        topic: topic.topic.to_string(),
        target: topic.target.to_string(),
        topic_id: topic.topic_id,
        start_offsets: topic.start_offsets.clone(),
        content: content.unwrap_or_else(|| plan.output_hash()),
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

    /// The restore came to its end, and `--resume` said that there was nothing to be resumed.
    #[test]
    fn what_the_target_was_away_for_can_be_gone_on_with_and_what_others_took_can_not() {
        let partition = |number| TopicPartition::new("orders", number);
        let (one, two) = (partition(1), partition(2));
        let taken = WriteError::Replaced;
        let away = WriteError::NoProgress {
            after: Duration::from_secs(181),
            last: lifeboat_kafka::KafkaError::Interrupted,
        };
        assert!(stuck([(&one, &taken)].into_iter()).is_none());
        let unconfirmed = WriteError::NoProgress {
            after: Duration::ZERO,
            last: lifeboat_kafka::KafkaError::Interrupted,
        };
        let zero = partition(0);
        let stopped = [(&zero, &unconfirmed), (&one, &taken), (&two, &away)];
        let told = stuck(stopped.into_iter()).unwrap().to_string();
        assert!(
            told.contains("2 partitions") && told.contains("orders-2"),
            "{told}"
        );
        assert!(told.contains("for 181 s"), "{told}");
    }
}
