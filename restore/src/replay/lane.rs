//! A lane: one sender that owns some partitions and has a connection of its own to each broker.
//!
//! A broker takes the next request of a connection only when it has answered the one before, and a Produce takes one
//! batch a partition. So the speed comes from several lanes and from many partitions in one request (R26). A partition
//! stays on its lane, one batch at a time: that keeps the order.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lifeboat_archive::words::{TopicId, TopicPartition};
use lifeboat_kafka::{
    ErrorCode, KafkaError, Pace,
    wire::{Cluster, ProduceAnswer, produce},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    place::Search,
    writer::{Next, PartitionWriter, Queued, WriteError},
};
use crate::{lease::LeaseGuard, rewrite::Producer};

/// All in-sync replicas.
const ACKS: i16 = -1;
/// A request holds no more than this, unless a single batch does.
const REQUEST_BYTES: usize = 8 << 20;

/// What a lane is told.
#[derive(Debug)]
pub(super) enum Message {
    /// There is a partition to be written.
    Open(usize, Box<PartitionWriter>),
    /// A batch of it.
    Batch(usize, Queued),
    /// It has so many records in all.
    Close(usize, u64),
    /// No more of it comes, as others that it is written together with were stopped.
    GiveUp(usize),
}

enum Event {
    Answered {
        broker: i32,
        slots: Vec<usize>,
        answer: Result<ProduceAnswer, KafkaError>,
    },
    Rested(usize),
    Found(usize, Result<i64, WriteError>),
}

/// One sender.
pub(super) struct Lane {
    number: usize,
    cluster: Cluster,
    producer: Producer,
    pace: Pace,
    lease: LeaseGuard,
    /// So long a place may not be found.
    deadline: Duration,
    partitions: HashMap<usize, PartitionWriter>,
    /// Partitions that may have something to send, in the order of their turn.
    turns: VecDeque<usize>,
    busy: HashSet<i32>,
    under_way: FuturesUnordered<BoxFuture<'static, Event>>,
}

impl Lane {
    /// The lane `number`, from 1: lane 0 is for admin requests.
    pub(super) fn new(
        number: usize,
        cluster: Cluster,
        producer: Producer,
        pace: Pace,
        lease: LeaseGuard,
        deadline: Duration,
    ) -> Self {
        Self {
            number,
            cluster,
            producer,
            pace,
            lease,
            deadline,
            partitions: HashMap::new(),
            turns: VecDeque::new(),
            busy: HashSet::new(),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Works until all that it was told is done and nobody can tell it more.
    pub(super) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        cancel: CancellationToken,
    ) {
        let mut open = true;
        while open || !self.under_way.is_empty() {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(event) = self.under_way.next() => self.handle(event),
                message = messages.recv(), if open => match message {
                    Some(message) => self.take(message),
                    None => open = false,
                },
            }
            while let Ok(message) = messages.try_recv() {
                self.take(message);
            }
            self.send();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Open(slot, partition) => {
                self.partitions.insert(slot, *partition);
                self.turns.push_back(slot);
            }
            Message::Batch(slot, batch) => {
                if let Some(partition) = self.partitions.get_mut(&slot) {
                    partition.enqueue(batch);
                }
                self.forget_if_ended(slot);
            }
            Message::Close(slot, total) => {
                if let Some(partition) = self.partitions.get_mut(&slot) {
                    partition.close(total);
                }
                self.forget_if_ended(slot);
            }
            Message::GiveUp(slot) => {
                if let Some(partition) = self.partitions.get_mut(&slot) {
                    partition.give_up();
                }
                self.forget_if_ended(slot);
            }
        }
    }

    fn forget_if_ended(&mut self, slot: usize) {
        if self
            .partitions
            .get(&slot)
            .is_some_and(PartitionWriter::is_ended)
        {
            self.partitions.remove(&slot);
        }
    }

    /// Sends to every broker that has nothing to do for us what there is for it.
    fn send(&mut self) {
        let mut requests: BTreeMap<i32, Request> = BTreeMap::new();
        for _ in 0..self.turns.len() {
            let Some(slot) = self.turns.pop_front() else {
                break;
            };
            let Some(partition) = self.partitions.get_mut(&slot) else {
                continue;
            };
            self.turns.push_back(slot);
            let Some(batch) = partition.sendable() else {
                continue;
            };
            match self.cluster.leader(&partition.topic_partition) {
                None => {
                    let code = ErrorCode::LEADER_NOT_AVAILABLE;
                    let error = no_leader(&partition.topic_partition, code);
                    partition.wait();
                    let next = partition.answered(Err(error), Instant::now());
                    self.act(slot, next);
                }
                Some(leader) if self.busy.contains(&leader) => {}
                Some(leader) => {
                    let request = requests.entry(leader).or_default();
                    if request.add(
                        slot,
                        partition.topic_id,
                        &partition.topic_partition,
                        &batch.bytes,
                    ) {
                        partition.wait();
                    }
                }
            }
        }
        for (broker, request) in requests {
            self.dispatch(broker, request);
        }
        // where requests are full, another partition is first the next time
        if !self.turns.is_empty() {
            self.turns.rotate_left(1);
        }
    }

    fn dispatch(&mut self, broker: i32, request: Request) {
        self.busy.insert(broker);
        let (cluster, lane) = (self.cluster.clone(), self.number);
        let (pace, lease) = (self.pace.clone(), self.lease.clone());
        let exchange = async move {
            pace.spend(request.bytes as u64).await;
            let timeout = cluster.request_timeout();
            let answer = match cluster.broker(broker, lane).await {
                // right before it goes out: the machine may have slept until now. All of the work ends then
                Ok(_) if !lease.holds() => std::future::pending().await,
                Ok(connection) => produce(&connection, ACKS, timeout, request.batches).await,
                Err(error) => Err(error),
            };
            Event::Answered {
                broker,
                slots: request.slots,
                answer,
            }
        };
        self.under_way.push(Box::pin(exchange));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered {
                broker,
                slots,
                answer,
            } => {
                self.busy.remove(&broker);
                self.read_answer(&slots, answer);
            }
            Event::Rested(slot) => {
                if let Some(partition) = self.partitions.get_mut(&slot) {
                    partition.resume();
                }
            }
            Event::Found(slot, end) => {
                if let Some(partition) = self.partitions.get_mut(&slot) {
                    let next = partition.found(end, Instant::now());
                    self.act(slot, next);
                }
            }
        }
    }

    /// The answers come in the order of the request.
    fn read_answer(&mut self, slots: &[usize], answer: Result<ProduceAnswer, KafkaError>) {
        let outcomes: Vec<Result<i64, KafkaError>> = match answer {
            Ok(answer) => answer
                .partitions
                .into_iter()
                .map(|(_, outcome)| outcome)
                .collect(),
            Err(error) => slots.iter().map(|_| Err(error.clone())).collect(),
        };
        let now = Instant::now();
        for (&slot, outcome) in slots.iter().zip(outcomes) {
            if let Some(partition) = self.partitions.get_mut(&slot) {
                let next = partition.answered(outcome, now);
                self.act(slot, next);
            }
        }
    }

    fn act(&mut self, slot: usize, next: Next) {
        match next {
            Next::Send | Next::Nothing => {}
            Next::Rest(pause) => self.rest(slot, pause),
            Next::FindPlace { outstanding } => self.find_place(slot, outstanding),
        }
        self.forget_if_ended(slot);
    }

    /// Waits, and asks again who leads the partition.
    fn rest(&mut self, slot: usize, pause: Duration) {
        let Some(partition) = self.partitions.get(&slot) else {
            return;
        };
        let (cluster, topic) = (
            self.cluster.clone(),
            Arc::clone(&partition.topic_partition.topic),
        );
        let rest = async move {
            sleep(pause).await;
            if let Err(error) = cluster.refresh(&[topic]).await {
                tracing::debug!(%error, "no metadata");
            }
            Event::Rested(slot)
        };
        self.under_way.push(Box::pin(rest));
    }

    fn find_place(&mut self, slot: usize, outstanding: bool) {
        let Some(partition) = self.partitions.get(&slot) else {
            return;
        };
        let search = Search {
            cluster: self.cluster.clone(),
            topic_partition: partition.topic_partition.clone(),
            topic_id: partition.topic_id,
            start_offset: partition.start_offset,
            producer: self.producer,
            deadline: self.deadline,
        };
        let find = async move { Event::Found(slot, search.end(outstanding).await) };
        self.under_way.push(Box::pin(find));
    }
}

#[derive(Default)]
struct Request {
    slots: Vec<usize>,
    batches: Vec<(TopicPartition, TopicId, Bytes)>,
    bytes: usize,
}

impl Request {
    /// Adds a batch, unless the request is full.
    fn add(&mut self, slot: usize, id: TopicId, partition: &TopicPartition, bytes: &Bytes) -> bool {
        if !self.slots.is_empty() && self.bytes + bytes.len() > REQUEST_BYTES {
            return false;
        }
        self.bytes += bytes.len();
        self.slots.push(slot);
        self.batches.push((partition.clone(), id, bytes.clone()));
        true
    }
}

fn no_leader(partition: &TopicPartition, code: ErrorCode) -> KafkaError {
    KafkaError::Broker {
        operation: "Produce",
        subject: partition.to_string(),
        code,
        message: None,
    }
}
