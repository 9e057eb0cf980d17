//! Streams the partitions into archives: fetch → check, hash and compress → segments → archives.
//!
//! # Memory
//! Fetched batches hold a share of the budget until they are in a segment. When the open segments outgrow theirs, the
//! largest is closed; while closed ones wait for the upload, nothing more is taken from the reader.
//!
//! # Order
//! The work of one partition is done by one task at a time, in offset order; different partitions run side by side.

use std::{
    collections::{HashSet, VecDeque},
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread::available_parallelism,
    time::Instant,
};

use lifeboat_archive::{
    batch::BatchError,
    lists::TransactionTable,
    manifest::Gap,
    words::{Clock, OffsetRange, Progress},
};
use lifeboat_config::BatchKeeping;
use lifeboat_kafka::{
    Pace,
    reader::{MemoryBudget, RangeEnd, ReadEvent, ReadRange, ReaderOptions, read_ranges},
};
use lifeboat_repository::ClusterRepository;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Backup, BackupError,
    archives::{ArchiveWriter, Backlog, QueuedSegment},
    bounds::{Bounds, PartitionBounds},
    notes::Notes,
    options::{Options, Shares},
    partition::{Closed, PartitionWork, Step, Tools},
    plan::Cleanups,
    readings::{PartitionReading, ReadTime},
    written::WrittenArchives,
};

/// Everything that is stored, by the index of the partition in [`Bounds`].
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) partitions: Vec<StreamedPartition>,
    pub(super) archives: WrittenArchives,
}

/// What streaming learnt of one partition.
#[derive(Debug, Default)]
pub(super) struct StreamedPartition {
    /// Where it was read to; none until it was.
    pub(super) end: Option<RangeEnd>,
    pub(super) gaps: Vec<Gap>,
    pub(super) tail_hole: Option<OffsetRange>,
    pub(super) transactions: TransactionTable,
    pub(super) time: ReadTime,
}

impl Streamed {
    /// When each partition was read.
    pub(super) fn times(&self) -> Vec<ReadTime> {
        let partitions = self.partitions.iter();
        partitions.map(|partition| partition.time).collect()
    }

    /// Where each partition was read to.
    pub(super) fn ends(&self) -> Vec<RangeEnd> {
        let partitions = self.partitions.iter();
        partitions.filter_map(|partition| partition.end).collect()
    }

    /// Puts what was read `again` of these partitions in the place of what was read before.
    pub(super) fn replace(&mut self, indices: &[usize], mut again: Self) {
        for &index in indices {
            self.partitions[index] = std::mem::take(&mut again.partitions[index]);
        }
        let replaced: HashSet<usize> = indices.iter().copied().collect();
        self.archives.append(again.archives, &replaced);
    }
}

/// Reads every partition to its captured end, from where `readings` say, and stores what was read. What may be compacted
/// is read on behind it: see [`ReadRange::compacted`].
pub(super) async fn stream(
    backup: &Backup,
    store: &ClusterRepository,
    bounds: &Bounds,
    cleanups: &Cleanups,
    readings: &[PartitionReading],
    notes: Option<Notes>,
) -> Result<Streamed, BackupError> {
    let total = readings.iter().map(|reading| reading.range.span()).sum();
    backup.progress.begin("streaming", total);
    let defaults = ReaderOptions::default();
    let lanes_per_broker = backup.options.max_connections.max(1);
    let shares = backup.options.shares(lanes_per_broker as u64);
    let ranges = bounds
        .partitions
        .iter()
        .zip(readings)
        .map(|(bounds, reading)| ReadRange {
            topic_partition: bounds.topic_partition.clone(),
            topic_id: bounds.topic_id,
            range: reading.range,
            leader_epoch: bounds.leader_epoch,
            compacted: cleanups
                .get(&bounds.topic_partition.topic)
                .is_none_or(|cleanup| cleanup.compact),
        })
        .collect();
    let options = ReaderOptions {
        request_bytes: shares.request,
        partition_bytes: defaults.partition_bytes.min(shares.request),
        lanes_per_broker,
        pace: Pace::new(backup.options.max_rate),
        retry_deadline: backup.options.retry_deadline,
        ..defaults
    };
    let events = read_ranges(
        backup.cluster.clone(),
        ranges,
        options,
        MemoryBudget::new(shares.fetched),
    );
    let (queue, inbox) = mpsc::channel(64);
    let backlog = Arc::new(Backlog::default());
    let give_up = CancellationToken::new();
    let writer = ArchiveWriter {
        store: store.clone(),
        options: backup.options.clone(),
        clock: backup.clock.clone(),
        backlog: Arc::clone(&backlog),
        give_up: give_up.clone(),
        notes,
    };
    let writer = tokio::spawn(writer.run(inbox));
    let mut streaming =
        Streaming::new(backup, &bounds.partitions, readings, shares, queue, backlog);
    let streamed = streaming.run(events, backup).await;
    if streamed.is_err() {
        // before the queue is closed: what can't be committed any more is not finished either
        give_up.cancel();
    }
    drop(streaming);
    let archives = writer
        .await
        .map_err(|_| BackupError::Broken("the archive writer failed"))?;
    match streamed {
        Ok(partitions) => Ok(Streamed {
            partitions,
            archives: archives?,
        }),
        // a full disk closes the queue under the stream: the writer knows why
        Err(BackupError::Broken(reason)) => {
            Err(archives.err().unwrap_or(BackupError::Broken(reason)))
        }
        Err(error) => Err(error),
    }
}

/// One partition on its way.
struct Slot {
    steps: VecDeque<Step>,
    work: Work,
    /// It is in the queue of those that are ready.
    queued: bool,
    /// All steps are here.
    complete: bool,
    next_offset: i64,
    /// When the first request went out that brought something.
    first_asked: Option<Instant>,
    result: StreamedPartition,
}

/// Where the work on a partition is.
enum Work {
    NotBegun,
    Idle(Box<PartitionWork>),
    /// A task has it; so many bytes were in its open segment before.
    Running(u64),
    Finished,
}

impl Slot {
    fn new(reading: &PartitionReading) -> Self {
        Self {
            steps: VecDeque::new(),
            work: Work::NotBegun,
            queued: false,
            complete: false,
            next_offset: reading.range.start,
            first_asked: None,
            result: StreamedPartition::default(),
        }
    }

    /// Notes when batches came that were asked for then; what one answer brought was read in one moment.
    fn note_time(&mut self, asked: Instant) {
        match self.first_asked {
            Some(first) => self.result.time.took = first.elapsed(),
            None => self.first_asked = Some(asked),
        }
    }

    /// Compressed bytes in the open segment, as last known.
    fn open_bytes(&self) -> u64 {
        match &self.work {
            Work::Idle(work) => work.open_bytes(),
            Work::Running(bytes) => *bytes,
            Work::NotBegun | Work::Finished => 0,
        }
    }
}

/// What a task gives back.
struct Done {
    index: usize,
    work: Box<PartitionWork>,
    closed: Vec<Closed>,
    result: Result<(), BatchError>,
}

struct Streaming<'b> {
    bounds: &'b [PartitionBounds],
    readings: &'b [PartitionReading],
    slots: Vec<Slot>,
    tasks: JoinSet<Done>,
    most_tasks: usize,
    /// Slots with something to do.
    ready: VecDeque<usize>,
    /// Compressed bytes in all open segments.
    open_bytes: u64,
    /// Slots whose last step has not come.
    incomplete: usize,
    unfinished: usize,
    segment_size: u64,
    shares: Shares,
    queue: mpsc::Sender<QueuedSegment>,
    backlog: Arc<Backlog>,
    toolbox: Arc<Toolbox>,
    progress: Progress,
    clock: Clock,
}

impl<'b> Streaming<'b> {
    fn new(
        backup: &Backup,
        bounds: &'b [PartitionBounds],
        readings: &'b [PartitionReading],
        shares: Shares,
        queue: mpsc::Sender<QueuedSegment>,
        backlog: Arc<Backlog>,
    ) -> Self {
        Self {
            bounds,
            readings,
            slots: readings.iter().map(Slot::new).collect(),
            tasks: JoinSet::new(),
            most_tasks: available_parallelism().map_or(2, NonZero::get),
            ready: VecDeque::new(),
            open_bytes: 0,
            incomplete: bounds.len(),
            unfinished: bounds.len(),
            segment_size: backup.options.segment_size.0,
            shares,
            queue,
            backlog,
            toolbox: Arc::new(Toolbox::new(&backup.options)),
            progress: backup.progress.clone(),
            clock: backup.clock.clone(),
        }
    }

    async fn run(
        &mut self,
        mut events: mpsc::Receiver<ReadEvent>,
        backup: &Backup,
    ) -> Result<Vec<StreamedPartition>, BackupError> {
        while self.unfinished > 0 {
            tokio::select! {
                () = backup.cancel.cancelled() => return Err(BackupError::Interrupted),
                Some(done) = self.tasks.join_next() => {
                    let done = done.map_err(|_| BackupError::Broken("a compression task failed"))?;
                    self.settle(done).await?;
                }
                // room was made
                () = self.backlog.less() => {}
                () = self.queue.closed() => {
                    return Err(BackupError::Broken("the archive writer ended early"));
                }
                event = events.recv(), if self.has_room() => match event {
                    Some(event) => self.accept(event),
                    None => return Err(BackupError::Broken("the reader ended early")),
                },
            }
            self.start_tasks();
        }
        let slots = std::mem::take(&mut self.slots);
        Ok(slots.into_iter().map(|slot| slot.result).collect())
    }

    /// Whether more batches may come in.
    fn has_room(&self) -> bool {
        let waiting = self.backlog.bytes();
        // nothing is on its way that could make room
        let stuck = self.tasks.is_empty() && waiting == 0;
        self.incomplete > 0 && (stuck || self.open_bytes + waiting <= self.shares.segments)
    }

    fn accept(&mut self, event: ReadEvent) {
        let index = match event {
            ReadEvent::Batches {
                index,
                batches,
                next_offset,
                asked_at,
                hold,
            } => {
                self.progress.add_bytes(batches.len() as u64);
                self.come_to(index, next_offset);
                self.slots[index].note_time(asked_at);
                self.slots[index].steps.push_back(Step::Batches {
                    batches,
                    next_offset,
                    hold,
                });
                index
            }
            ReadEvent::Gap { index, gap } => {
                self.come_to(index, gap.range.end);
                let slot = &mut self.slots[index];
                slot.steps.push_back(Step::Resume(gap.range.end));
                slot.result.gaps.push(gap);
                index
            }
            ReadEvent::Done { index, end } => {
                // also where nothing came: what was there may have been compacted away
                let asked = !self.readings[index].range.is_empty();
                let slot = &mut self.slots[index];
                slot.result.time.ended_at = asked.then(|| self.clock.now());
                // the rest came as nothing, later: it may have been cleaned away between
                if let Some(first) = slot.first_asked
                    && slot.next_offset < end.offset
                {
                    slot.result.time.took = first.elapsed();
                }
                slot.result.end = Some(end);
                slot.complete = true;
                self.incomplete -= 1;
                index
            }
        };
        self.make_ready(index);
    }

    fn come_to(&mut self, index: usize, offset: i64) {
        let slot = &mut self.slots[index];
        // what lies behind the captured end was never counted in
        let end = self.readings[index].range.end;
        self.progress
            .advance(slot.next_offset.min(end).abs_diff(offset.min(end)));
        slot.next_offset = offset;
    }

    /// Queues the slot, unless a task works on it: it is looked at again when that ends.
    fn make_ready(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !slot.queued && !matches!(slot.work, Work::Running(_)) {
            slot.queued = true;
            self.ready.push_back(index);
        }
    }

    /// Gives work to idle cores; closes the largest segment where the open ones take too much.
    fn start_tasks(&mut self) {
        while self.tasks.len() < self.most_tasks {
            if self.open_bytes > self.shares.open
                && let Some(largest) = self.largest_idle()
            {
                self.start(largest, true);
            } else if let Some(index) = self.ready.pop_front() {
                self.slots[index].queued = false;
                if matches!(self.slots[index].work, Work::NotBegun | Work::Idle(_)) {
                    let close = self.slots[index].complete;
                    self.start(index, close);
                }
            } else {
                return;
            }
        }
    }

    fn largest_idle(&self) -> Option<usize> {
        (0..self.slots.len())
            .filter(
                |&index| matches!(&self.slots[index].work, Work::Idle(work) if !work.is_closed()),
            )
            .max_by_key(|&index| self.slots[index].open_bytes())
    }

    fn start(&mut self, index: usize, close: bool) {
        let slot = &mut self.slots[index];
        let open_bytes = slot.open_bytes();
        let before = std::mem::replace(&mut slot.work, Work::Running(open_bytes));
        let mut work = if let Work::Idle(work) = before {
            work
        } else {
            let (bounds, reading) = (&self.bounds[index], &self.readings[index]);
            Box::new(PartitionWork::new(bounds, reading, self.segment_size))
        };
        let steps: Vec<Step> = slot.steps.drain(..).collect();
        let toolbox = Arc::clone(&self.toolbox);
        self.tasks.spawn_blocking(move || {
            let mut closed = Vec::new();
            let mut tools = toolbox.take();
            let result = work.apply(steps, &mut tools, &mut closed);
            if close && result.is_ok() {
                work.close(&mut tools, &mut closed);
            }
            toolbox.put_back(tools);
            Done {
                index,
                work,
                closed,
                result,
            }
        });
    }

    async fn settle(&mut self, done: Done) -> Result<(), BackupError> {
        let index = done.index;
        done.result.map_err(|source| BackupError::Batch {
            topic_partition: self.bounds[index].topic_partition.clone(),
            source,
        })?;
        for closed in done.closed {
            self.backlog.put_on(closed.segment.entry.length);
            let queued = QueuedSegment {
                partition: index,
                closed,
            };
            let sent = self.queue.send(queued).await;
            sent.map_err(|_| BackupError::Broken("the archive writer ended early"))?;
        }
        self.open_bytes -= self.slots[index].open_bytes();
        let slot = &mut self.slots[index];
        if slot.complete && slot.steps.is_empty() && done.work.is_closed() {
            let reached = done.work.next_offset;
            let end = slot.result.end.map_or(reached, |end| end.offset);
            slot.result.tail_hole = (reached < end).then(|| OffsetRange::new(reached, end));
            slot.result.transactions = done.work.transactions.finish();
            slot.work = Work::Finished;
            self.unfinished -= 1;
            return Ok(());
        }
        self.open_bytes += done.work.open_bytes();
        slot.work = Work::Idle(done.work);
        if slot.complete || !slot.steps.is_empty() {
            self.make_ready(index);
        }
        Ok(())
    }
}

/// Tools, one set per running task, used again and again.
#[derive(Debug)]
struct Toolbox {
    level: i32,
    batches: BatchKeeping,
    idle: Mutex<Vec<Tools>>,
}

impl Toolbox {
    fn new(options: &Options) -> Self {
        Self {
            level: options.compression_level,
            batches: options.batches,
            idle: Mutex::new(Vec::new()),
        }
    }

    fn take(&self) -> Tools {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let tools = idle.pop();
        tools.unwrap_or_else(|| Tools::new(self.level, self.batches))
    }

    fn put_back(&self, tools: Tools) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(tools);
    }
}
