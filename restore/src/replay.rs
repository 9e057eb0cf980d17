//! Writes the partitions of a snapshot through Produce: readers fill lanes, lanes send, under one memory budget.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use lifeboat_archive::{
    digest::RecordDigest,
    lists::TopicList,
    manifest::{Manifest, ManifestTopic},
    words::{ByteSize, Progress, TopicId, TopicPartition},
};
use lifeboat_kafka::{
    Pace,
    wire::{Cluster, OffsetSpec},
};
use lifeboat_repository::ClusterRepository;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

mod job;
mod lane;
mod place;
mod reader;
mod reading;
mod resumed;
mod salvaging;
mod writer;

pub(crate) use reading::Reading;
pub(crate) use resumed::{Places, find_places};
pub use writer::WriteError;

use crate::{
    compare::Comparison,
    content::Depth,
    error::RestoreError,
    journal::{Entry, Journal, PartitionStopped, PartitionWritten},
    lease::LeaseGuard,
    names::if_another,
    offset_map::{Waiting, WaitingRuns},
    offsets::OffsetTranslator,
    plan::PlannedTopic,
    rewrite::{BatchLimits, Producer, Rewriter, Rewritten},
    selection::Selection,
};
use job::{Job, TargetPartition, Work};
use lane::{Lane, Message};
use reader::{Memory, Outlet, PartitionReader, SourcePartition};

/// So many partitions must at least find room beside each other.
const SHARES: u64 = 4;
/// Partitions that are read at the same time, at most; each has a thread.
const MOST_READERS: usize = 16;
/// Messages that may wait in a lane; their bytes are bounded by the partitions' room.
const LANE_QUEUE: usize = 256;
/// The memory budget is counted in these.
const MEMORY_UNIT: u64 = 64 << 10;

/// A topic that is ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct ReadyTopic {
    /// Its name in the snapshot.
    pub(crate) topic: Arc<str>,
    /// Its name in the target.
    pub(crate) target: Arc<str>,
    pub(crate) topic_id: TopicId,
    pub(crate) limits: BatchLimits,
    /// By partition number.
    pub(crate) start_offsets: Vec<i64>,
    /// Whether these are not the snapshot's partitions.
    pub(crate) repartitioned: bool,
}

impl ReadyTopic {
    pub(crate) fn new(planned: &PlannedTopic, topic_id: TopicId) -> Self {
        Self {
            topic: planned.topic.as_str().into(),
            target: planned.target_name().into(),
            topic_id,
            limits: planned.limits,
            start_offsets: planned.start_offsets(),
            repartitioned: planned.repartition.is_some(),
        }
    }

    fn start_offset(&self, partition: i32) -> i64 {
        let at = usize::try_from(partition).ok();
        at.and_then(|at| self.start_offsets.get(at))
            .copied()
            .unwrap_or(0)
    }
}

/// What was written of a partition.
#[derive(Debug)]
pub(crate) struct WrittenPartition {
    /// How many partitions were begun before.
    pub(crate) slot: usize,
    /// The snapshot's name of the topic.
    pub(crate) topic: Arc<str>,
    /// As the target calls it.
    pub(crate) topic_partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    pub(crate) start_offset: i64,
    /// What it came to, or why it was stopped.
    pub(crate) outcome: Result<Rewritten, WriteError>,
}

impl WrittenPartition {
    /// One that is not begun: what is there is not what was written.
    fn never_begun(topic_partition: TopicPartition, ready: &ReadyTopic, why: WriteError) -> Self {
        Self {
            slot: usize::MAX,
            topic: Arc::clone(&ready.topic),
            topic_id: ready.topic_id,
            start_offset: ready.start_offset(topic_partition.partition),
            topic_partition,
            outcome: Err(why),
        }
    }

    /// What the journal keeps of it.
    pub(crate) fn told(&self) -> Result<PartitionWritten, PartitionStopped> {
        let topic = self.topic.to_string();
        let (partition, start_offset) = (self.topic_partition.partition, self.start_offset);
        match &self.outcome {
            Ok(rewritten) => Ok(PartitionWritten {
                target: if_another(&self.topic_partition.topic, &self.topic),
                topic,
                partition,
                start_offset,
                counts: rewritten.counts,
                digest: rewritten.content.record_digest().map(RecordDigest::hex),
                offsets: rewritten.offsets.clone(),
                salvaged: rewritten.salvaged.clone(),
            }),
            Err(why) => Err(PartitionStopped {
                topic,
                partition,
                start_offset,
                why: why.to_string(),
            }),
        }
    }

    /// One more than its last offset now.
    pub(crate) fn end(&self, rewritten: &Rewritten) -> i64 {
        self.start_offset
            .saturating_add_unsigned(rewritten.counts.records)
    }
}

/// Writes all partitions of some topics.
pub(crate) struct Replay<'a> {
    pub(crate) cluster: Cluster,
    pub(crate) repository: ClusterRepository,
    pub(crate) manifest: &'a Manifest,
    pub(crate) topics: Vec<ReadyTopic>,
    /// Which records are written.
    pub(crate) selection: &'a Selection,
    /// Whether damaged segments are written as far as they are sound.
    pub(crate) salvage: bool,
    /// Where the runs of the offset map wait.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) producer: Producer,
    /// How far each partition was written before, where somebody goes on.
    pub(crate) places: Places,
    /// Held while anything is sent.
    pub(crate) lease: LeaseGuard,
    /// Offsets to be translated on the way, by the snapshot's names.
    pub(crate) wanted: HashMap<TopicPartition, Vec<i64>>,
    pub(crate) memory: ByteSize,
    /// Connections to each broker: while one waits for its answer, the others are read.
    pub(crate) lanes: usize,
    pub(crate) pace: Pace,
    /// So long a partition may be refused without a single batch getting through.
    pub(crate) retry_deadline: Duration,
    /// How closely it will be compared.
    pub(crate) depth: Depth,
    /// Reads back beside the writing.
    pub(crate) comparison: Option<&'a Comparison>,
    pub(crate) journal: &'a Journal,
    pub(crate) progress: Progress,
    pub(crate) cancel: CancellationToken,
}

type Tasks = JoinSet<Result<Vec<WrittenPartition>, RestoreError>>;

impl Replay<'_> {
    /// Writes everything. A partition that has to be stopped does not stop the others; damage stops all.
    pub(crate) async fn run(mut self) -> Result<Vec<WrittenPartition>, RestoreError> {
        let stop = self.cancel.child_token();
        let _stop_all_on_the_way_out = stop.clone().drop_guard();
        let (lanes, lane_tasks) = self.start_lanes(&stop);
        let budget = Budget::new(self.memory);
        let mut tasks = Tasks::new();
        let (mut written, mut never_begun) = (Vec::new(), Vec::new());
        let mut slots = 0;
        let topics = std::mem::take(&mut self.topics);
        for ready in &topics {
            let mut of_manifest = self.manifest.topics.iter();
            let Some(topic) = of_manifest.find(|topic| *topic.topic == *ready.topic) else {
                continue;
            };
            let list = Arc::new(self.repository.list(topic).await?);
            for work in self.works(ready, topic, &mut never_begun) {
                let needs = work.memory(&list, budget.for_one());
                let memory = loop {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return Err(RestoreError::Cancelled),
                        Some(ended) = tasks.join_next() => written.extend(self.ended(ended).await?),
                        memory = budget.take(needs) => break memory.ok_or(RestoreError::Cancelled)?,
                    }
                };
                for target in &work.targets {
                    if let Some(comparison) = self.comparison {
                        comparison.follow(target.topic_partition.clone(), target.start_offset);
                    }
                }
                let first_slot = slots;
                slots += work.targets.len();
                let job = self.job(ready, work, &list, needs, &lanes, first_slot, &stop);
                tasks.spawn(job.run(memory));
            }
        }
        while let Some(ended) = tasks.join_next().await {
            written.extend(self.ended(ended).await?);
        }
        drop(lanes);
        for lane in lane_tasks {
            lane.await?;
        }
        self.confirm_ends(&mut written).await;
        for stopped in written.iter().filter(|written| written.outcome.is_err()) {
            if let Some(comparison) = self.comparison {
                comparison.ended(stopped).await;
            }
        }
        written.extend(never_begun);
        Ok(written)
    }

    /// What there is to be done for a topic: partition by partition, or for all of them together where they get another
    /// number. What can't be gone on with goes to `never_begun`.
    fn works(
        &mut self,
        ready: &ReadyTopic,
        topic: &ManifestTopic,
        never_begun: &mut Vec<WrittenPartition>,
    ) -> Vec<Work> {
        let selected = topic.partitions.iter().filter_map(|partition| {
            let selection = self.selection.of(&topic.topic, partition.partition)?;
            let partition = partition.clone();
            Some(SourcePartition {
                partition,
                selection,
            })
        });
        let works: Vec<(VecDeque<SourcePartition>, Vec<i32>)> = if ready.repartitioned {
            let numbers = (0..).zip(&ready.start_offsets);
            let numbers = numbers.map(|(number, _)| number).collect();
            vec![(selected.collect(), numbers)]
        } else {
            let alone = |source: SourcePartition| {
                let number = source.partition.partition;
                (VecDeque::from([source]), vec![number])
            };
            selected.map(alone).collect()
        };
        let works = works.into_iter();
        let works = works.filter_map(|(sources, numbers)| {
            let mut targets = Vec::with_capacity(numbers.len());
            let mut lost = Vec::new();
            for number in numbers {
                let name = TopicPartition::new(Arc::clone(&ready.target), number);
                match self.places.take(&name) {
                    Ok(place) => targets.push(TargetPartition {
                        start_offset: ready.start_offset(number),
                        topic_partition: name,
                        place,
                    }),
                    Err(why) => lost.push((name, why)),
                }
            }
            if lost.is_empty() {
                return Some(Work {
                    sources,
                    targets,
                    limits: ready.limits,
                });
            }
            let others = targets.into_iter();
            let others = others.map(|target| (target.topic_partition, WriteError::Together));
            let all = lost.into_iter().chain(others);
            never_begun
                .extend(all.map(|(name, why)| WrittenPartition::never_begun(name, ready, why)));
            None
        });
        works.collect()
    }

    fn start_lanes(
        &self,
        stop: &CancellationToken,
    ) -> (Vec<mpsc::Sender<Message>>, Vec<tokio::task::JoinHandle<()>>) {
        (1..=self.lanes)
            .map(|number| {
                let (sender, receiver) = mpsc::channel(LANE_QUEUE);
                let lane = Lane::new(
                    number,
                    self.cluster.clone(),
                    self.producer,
                    self.pace.clone(),
                    self.lease.clone(),
                    self.retry_deadline,
                );
                (sender, tokio::spawn(lane.run(receiver, stop.clone())))
            })
            .unzip()
    }

    async fn ended(
        &self,
        ended: Result<Result<Vec<WrittenPartition>, RestoreError>, tokio::task::JoinError>,
    ) -> Result<Vec<WrittenPartition>, RestoreError> {
        let all = ended??;
        for written in &all {
            if let Some(comparison) = self.comparison {
                comparison.ended(written).await;
            }
            self.journal.note(&match written.told() {
                Ok(told) => Entry::Written(told),
                Err(told) => Entry::Stopped(told),
            })?;
        }
        Ok(all)
    }

    #[expect(clippy::too_many_arguments, reason = "it only gathers them")]
    fn job(
        &self,
        ready: &ReadyTopic,
        work: Work,
        list: &Arc<TopicList>,
        needs: Memory,
        lanes: &[mpsc::Sender<Message>],
        first_slot: usize,
        stop: &CancellationToken,
    ) -> Job {
        let rewriter = self.rewriter(ready, &work).all_or_nothing(self.salvage);
        let rewriter = match &self.waiting {
            Some(_) if !ready.repartitioned => rewriter.mapping(),
            _ => rewriter,
        };
        let room_bytes = u32::try_from(needs.room).unwrap_or(u32::MAX >> 3);
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        let outlets = (first_slot..).take(work.targets.len());
        let outlets = outlets.map(|slot| Outlet {
            slot,
            lane: lanes[slot % lanes.len()].clone(),
            room: Arc::clone(&room),
            room_bytes,
        });
        tracing::debug!(topic = %ready.target, first_slot, partitions = work.targets.len(), "begins");
        Job {
            topic_id: ready.topic_id,
            retry_deadline: self.retry_deadline,
            reader: PartitionReader {
                runtime: Handle::current(),
                repository: self.repository.repository().clone(),
                topic: Arc::clone(&ready.topic),
                sources: work.sources,
                list: Arc::clone(list),
                rewriter,
                outlets: outlets.collect(),
                hold: needs.hold,
                salvage: self.salvage,
                undecodable: None,
                waiting: self.waiting.clone(),
                runs: WaitingRuns::default(),
                progress: self.progress.clone(),
                cancel: stop.clone(),
            },
            targets: work.targets,
        }
    }

    fn rewriter(&self, ready: &ReadyTopic, work: &Work) -> Rewriter {
        match work.sources.front() {
            Some(source) if !ready.repartitioned => {
                let partition = &source.partition;
                let name = TopicPartition::new(Arc::clone(&ready.topic), partition.partition);
                let wanted = self.wanted.get(&name).cloned().unwrap_or_default();
                let offsets = OffsetTranslator::new(partition, wanted);
                Rewriter::new(offsets, self.producer, ready.limits, self.depth)
            }
            _ => {
                let partitions = work.targets.len();
                Rewriter::spreading(partitions, self.producer, ready.limits, self.depth)
            }
        }
    }

    /// What the answers said must still be so at the end: the last word has the partition's end (rule 6).
    async fn confirm_ends(&self, written: &mut [WrittenPartition]) {
        let partitions: Vec<TopicPartition> = written
            .iter()
            .map(|written| written.topic_partition.clone())
            .collect();
        let mut ends = self
            .cluster
            .list_offsets(&partitions, OffsetSpec::HighWatermark)
            .await;
        for written in written {
            let Ok(rewritten) = &written.outcome else {
                continue;
            };
            let expected = written.end(rewritten);
            match ends.remove(&written.topic_partition) {
                Some(Ok(end)) if end.offset == expected => {}
                Some(Ok(end)) => {
                    let found = end.offset;
                    written.outcome = Err(WriteError::Displaced { expected, found });
                }
                Some(Err(last)) => {
                    let after = Duration::ZERO;
                    written.outcome = Err(WriteError::NoProgress { after, last });
                }
                None => {}
            }
        }
    }
}

/// The memory of all partitions that are read at the same time.
struct Budget {
    memory: Arc<Semaphore>,
    readers: u32,
    units: u32,
}

impl Budget {
    fn new(memory: ByteSize) -> Self {
        let units = u32::try_from(memory.0 / MEMORY_UNIT)
            .unwrap_or(u32::MAX >> 3)
            .max(1);
        let most = u32::try_from(MOST_READERS).unwrap_or(1);
        Self {
            memory: Arc::new(Semaphore::new(units as usize)),
            readers: most.min(units),
            units,
        }
    }

    /// Bytes that one partition may use to be quicker: some others must always have room beside it.
    fn for_one(&self) -> u64 {
        u64::from(self.units) * MEMORY_UNIT / SHARES
    }

    /// Waits until there is that much memory; who needs more than there is gets all.
    async fn take(&self, needs: Memory) -> Option<OwnedSemaphorePermit> {
        let needed = needs.total.div_ceil(MEMORY_UNIT);
        // small partitions still take a thread each
        let least = self.units / self.readers;
        let needed = u32::try_from(needed)
            .unwrap_or(u32::MAX)
            .max(least)
            .min(self.units);
        Arc::clone(&self.memory)
            .acquire_many_owned(needed)
            .await
            .ok()
    }
}
