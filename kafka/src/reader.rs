//! Reads ranges of many partitions as raw record batches, each exactly up to its captured end.
//!
//! # What is guaranteed
//! For every range the events say either that it was read to its end or which offsets are a gap and why: nothing is left
//! out silently (kafka-rules R1–R4). Batches of one partition arrive in order, whole, with a matching checksum.
//!
//! # How
//! One task per broker and lane fetches many partitions per request, in a fixed order: the first ones get the bytes until
//! they are done, so few partitions are open at a time. A partition whose leader moved goes back to the router, which
//! looks the leader up again.
//!
//! # Memory
//! A request is sent only when its byte limit fits the budget; what it brought gives the budget back when the last
//! slice of it is dropped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use lifeboat_archive::{
    manifest::{Gap, GapReason},
    words::{OffsetRange, TopicId, TopicPartition},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

use crate::{
    pace::Pace,
    wire::{Cluster, TopicScope},
};

mod lane;
mod position;

use lane::Lane;
use position::Position;

/// What is to be read of one partition.
#[derive(Clone, Debug)]
pub struct ReadRange {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The topic's id: data of a re-created topic of the same name is never mixed in (R4).
    pub topic_id: TopicId,
    /// From the log start to the captured end.
    pub range: OffsetRange,
    /// The leader's epoch when the end was captured, −1 where it is not known: what a later leader wrote below that end
    /// replaces records that were lost (R2, R5).
    pub leader_epoch: i32,
    /// It may be compacted: it is read early, and on behind its end until one answer brings all that is there (R11).
    ///
    /// Kafka's cleaner drops a value at once when a newer one of its key is there. Where that lies behind the captured
    /// end, neither would be in what is read up to there. What is transactional behind the end is never read: of a
    /// transaction another partition may have its other half.
    pub compacted: bool,
}

/// How much is asked at a time, and how long is waited.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Bytes per request, below 2 GiB.
    pub request_bytes: u32,
    /// Bytes per partition and request, below 2 GiB; a larger batch still comes whole.
    pub partition_bytes: u32,
    /// Partitions per request.
    pub partitions_per_request: usize,
    /// Connections per broker: while one answer is worked on, the broker prepares the next.
    pub lanes_per_broker: usize,
    /// The number of the first of them, at least 1: a connection that others send requests on waits for their answers.
    pub first_lane: usize,
    /// How fast, over all connections.
    pub pace: Pace,
    /// How long a partition may be without a leader, or its leader behind, before the rest of it is a gap.
    pub retry_deadline: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            request_bytes: 8 << 20,
            partition_bytes: 1 << 20,
            partitions_per_request: 64,
            lanes_per_broker: 2,
            first_lane: 1,
            pace: Pace::default(),
            retry_deadline: Duration::from_secs(120),
        }
    }
}

/// What came of a range, named by its index in the list that was given.
#[derive(Debug)]
pub enum ReadEvent {
    /// Whole, consecutive batches.
    Batches {
        /// Which range.
        index: usize,
        /// The batches as Kafka stores them.
        batches: Bytes,
        /// The offset behind the last of them.
        next_offset: i64,
        /// When they were asked for: they were read at some time between then and now.
        asked_at: std::time::Instant,
        /// Keeps the budget until it is dropped.
        hold: BudgetHold,
    },
    /// Offsets that were there when the bounds were captured and can't be read.
    Gap {
        /// Which range.
        index: usize,
        /// Which offsets, and why.
        gap: Gap,
    },
    /// The range is read to its end, but for the gaps that were told.
    Done {
        /// Which range.
        index: usize,
        /// That end.
        end: RangeEnd,
    },
}

/// Where a range was read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeEnd {
    /// The captured end, or behind it where the partition may be compacted.
    pub offset: i64,
    /// The latest leader's epoch among the batches behind the captured end, −1 where none was read.
    pub leader_epoch: i32,
    /// Whether one answer brought all that was there. Not so where something transactional, a producer that is as quick
    /// as we are, or an error came before that: what was cleaned while the range was read may then be missing (R11).
    /// Always so where nothing can be cleaned.
    pub caught_up: bool,
}

impl RangeEnd {
    /// Of what can't be compacted, or holds nothing.
    const fn captured(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: -1,
            caught_up: true,
        }
    }
}

/// A share of the memory budget, given back when it is dropped.
#[derive(Clone, Debug)]
pub struct BudgetHold {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// A budget of bytes, shared by clones. Counted in units of 1 KiB.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    units: Arc<Semaphore>,
    total: u32,
}

impl MemoryBudget {
    /// A budget of `bytes`, at least 1 KiB.
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from((bytes >> 10).max(1)).unwrap_or(u32::MAX >> 4);
        Self {
            units: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits until `bytes` are free; more than the whole budget waits for all of it.
    pub(crate) async fn take(&self, bytes: u32) -> OwnedSemaphorePermit {
        let units = (bytes >> 10).clamp(1, self.total);
        Arc::clone(&self.units)
            .acquire_many_owned(units)
            .await
            .expect("the semaphore is never closed")
    }

    /// Gives back what of `permit` goes beyond `bytes`.
    pub(crate) fn keep(permit: OwnedSemaphorePermit, bytes: usize) -> BudgetHold {
        let mut permit = permit;
        let used = (bytes >> 10).max(1);
        if permit.num_permits() > used {
            let surplus = permit.num_permits() - used;
            drop(permit.split(surplus));
        }
        BudgetHold {
            _permit: Arc::new(permit),
        }
    }
}

/// How long a topic is missed before it counts as deleted: metadata reaches the brokers one after the other.
const GONE_PATIENCE: Duration = Duration::from_secs(5);

/// Reads all `ranges`; the events end when every range is done, or when the receiver is dropped.
///
/// Events that end before every range had its [`ReadEvent::Done`] mean a defect of the reader: the caller must check.
pub fn read_ranges(
    cluster: Cluster,
    ranges: Vec<ReadRange>,
    options: ReaderOptions,
    budget: MemoryBudget,
) -> mpsc::Receiver<ReadEvent> {
    let (events, receiver) = mpsc::channel(16);
    let (returned, inbox) = mpsc::channel(ranges.len().max(1));
    let mut waiting = Vec::new();
    let mut empty = Vec::new();
    for (index, range) in ranges.into_iter().enumerate() {
        if range.range.is_empty() {
            empty.push((index, RangeEnd::captured(range.range.end)));
        } else {
            waiting.push(Position::new(index, range));
        }
    }
    // what waits may be cleaned away meanwhile
    waiting.sort_by_key(|position| !position.range.compacted);
    let router = Router {
        context: Context {
            cluster,
            options,
            budget,
            events,
            returned,
        },
        inbox,
        unfinished: waiting.len(),
        waiting,
        lanes: HashMap::new(),
        tasks: JoinSet::new(),
        turn: 0,
    };
    tokio::spawn(async move {
        for (index, end) in empty {
            if router
                .context
                .events
                .send(ReadEvent::Done { index, end })
                .await
                .is_err()
            {
                return;
            }
        }
        router.run().await;
    });
    receiver
}

/// What a lane and the router share.
#[derive(Clone)]
struct Context {
    cluster: Cluster,
    options: ReaderOptions,
    budget: MemoryBudget,
    events: mpsc::Sender<ReadEvent>,
    returned: mpsc::Sender<Returned>,
}

impl Context {
    /// Ends a range whose rest can't be read. False when nobody listens any more.
    async fn lose(&self, position: &Position, reason: GapReason) -> bool {
        if position.is_behind_end() {
            // all that was promised is read
            return self.finish(position).await;
        }
        let range = OffsetRange::new(position.offset, position.range.range.end);
        tracing::warn!(topic_partition = %position.range.topic_partition, offsets = %range, %reason, "gap");
        let index = position.index;
        let gap = Gap { range, reason };
        self.events
            .send(ReadEvent::Gap { index, gap })
            .await
            .is_ok()
            && self.finish(position).await
    }

    /// Ends a range. False when nobody listens any more.
    async fn finish(&self, position: &Position) -> bool {
        let (index, end) = (position.index, position.end());
        self.events
            .send(ReadEvent::Done { index, end })
            .await
            .is_ok()
            && self.returned.send(Returned::Finished).await.is_ok()
    }
}

/// What a lane gives back to the router.
enum Returned {
    /// Its leader is elsewhere, or did not answer.
    Moved(Position),
    /// The range is done.
    Finished,
}

/// Brings each partition to a lane of its leader.
struct Router {
    context: Context,
    inbox: mpsc::Receiver<Returned>,
    /// Partitions without a lane.
    waiting: Vec<Position>,
    unfinished: usize,
    lanes: HashMap<(i32, usize), mpsc::Sender<Position>>,
    tasks: JoinSet<()>,
    turn: usize,
}

impl Router {
    async fn run(mut self) {
        let mut pause = Duration::ZERO;
        while self.unfinished > 0 && !self.context.events.is_closed() {
            if self.waiting.is_empty() {
                pause = Duration::ZERO;
                tokio::select! {
                    Some(returned) = self.inbox.recv() => self.take(returned),
                    // a lane that ends by itself has panicked: the events end too early, and the caller sees it
                    Some(_) = self.tasks.join_next() => return,
                    else => return,
                }
            }
            // those that fail together are looked up together
            while let Ok(returned) = self.inbox.try_recv() {
                self.take(returned);
            }
            if self.waiting.is_empty() {
                continue;
            }
            let retried = self
                .waiting
                .iter()
                .any(|position| position.failing_since.is_some());
            if retried {
                pause = (pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
                tokio::time::sleep(pause).await;
            }
            self.route().await;
        }
        // dropping the set ends lanes that wait for work
    }

    fn take(&mut self, returned: Returned) {
        match returned {
            Returned::Moved(position) => self.waiting.push(position),
            Returned::Finished => self.unfinished -= 1,
        }
    }

    /// Looks up the leaders of all that wait and hands them over.
    async fn route(&mut self) {
        let mut names: Vec<Arc<str>> = self
            .waiting
            .iter()
            .map(|position| Arc::clone(&position.range.topic_partition.topic))
            .collect();
        names.sort();
        names.dedup();
        let mut topics = HashMap::new();
        // a request that names very many topics is slow to build and to answer
        for names in names.chunks(1_000) {
            match self.context.cluster.topics(TopicScope::Named(names)).await {
                Ok(found) => topics.extend(found.into_iter().map(|t| (Arc::clone(&t.name), t))),
                Err(error) => tracing::debug!(%error, "metadata is not to be had, trying again"),
            }
        }
        for mut position in std::mem::take(&mut self.waiting) {
            let tp = &position.range.topic_partition;
            let topic = topics.get(&tp.topic);
            // the name now belongs to another topic, or to none (R4)
            let gone = topic.is_some_and(|topic| {
                topic.error.is_none() && topic.id != position.range.topic_id
                    || topic.error.is_some_and(position::means_deleted)
            });
            let leader = topic
                .and_then(|topic| {
                    topic
                        .partitions
                        .iter()
                        .find(|p| p.partition == tp.partition)
                })
                .and_then(|partition| partition.leader);
            let patience = self.context.options.retry_deadline;
            if gone && position.gone_for(patience.min(GONE_PATIENCE)) {
                self.context.lose(&position, GapReason::TopicDeleted).await;
                continue;
            }
            match leader {
                _ if position.failed_for(patience) => {
                    self.context.lose(&position, position.loss()).await;
                }
                Some(leader) if !gone => self.hand_over(leader, position).await,
                _ => {
                    position.failing_since.get_or_insert_with(Instant::now);
                    self.waiting.push(position);
                }
            }
        }
    }

    async fn hand_over(&mut self, leader: i32, position: Position) {
        let options = &self.context.options;
        let lane = options.first_lane.max(1) + self.turn % options.lanes_per_broker.max(1);
        self.turn += 1;
        let context = &self.context;
        let tasks = &mut self.tasks;
        let capacity = self.unfinished.max(1);
        let sender = self.lanes.entry((leader, lane)).or_insert_with(|| {
            let (sender, inbox) = mpsc::channel(capacity);
            tasks.spawn(Lane::new(context.clone(), leader, lane, inbox).run());
            sender
        });
        // a lane never ends before its sender is dropped
        let sent = sender.send(position).await;
        debug_assert!(sent.is_ok() || context.events.is_closed());
    }
}

#[cfg(test)]
mod tests;
