//! One connection's worth of fetching.

use std::{
    collections::VecDeque,
    slice,
    time::{Duration, Instant},
};

use lifeboat_archive::{
    manifest::{Gap, GapReason},
    words::{OffsetRange, TopicPartition},
};
use tokio::sync::mpsc;

use super::{
    BudgetHold, Context, MemoryBudget, ReadEvent, Returned,
    position::{Circumstances, Position, Verdict},
};
use crate::wire::{FetchAnswer, FetchLimits, FetchPosition, FetchedPartition, OffsetSpec, fetch};

/// Waits this long when no partition of a request came on.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// So long brokers before 3.8 may take to get a part of a segment out of remote storage; newer ones have a setting for it.
const REMOTE_WAIT: Duration = Duration::from_secs(5);

/// Fetches the partitions that one broker leads, over a connection of its own.
pub(super) struct Lane {
    context: Context,
    broker: i32,
    number: usize,
    inbox: mpsc::Receiver<Position>,
    /// In the order in which they are asked: the first ones get the bytes.
    queue: VecDeque<Position>,
    /// Those that come first in the next request (R2).
    preferred: Vec<Position>,
}

/// Nobody wants the events any more.
struct Abandoned;

impl Lane {
    pub(super) fn new(
        context: Context,
        broker: i32,
        number: usize,
        inbox: mpsc::Receiver<Position>,
    ) -> Self {
        Self {
            context,
            broker,
            number,
            inbox,
            queue: VecDeque::new(),
            preferred: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            if self.queue.is_empty() {
                match self.inbox.recv().await {
                    Some(position) => self.enqueue(position),
                    None => return,
                }
            }
            while let Ok(position) = self.inbox.try_recv() {
                self.enqueue(position);
            }
            if self.round().await.is_err() {
                return;
            }
        }
    }

    /// What failed is asked at once: to wait in line is no failure.
    fn enqueue(&mut self, position: Position) {
        if position.failing_since.is_some() {
            self.queue.push_front(position);
        } else {
            self.queue.push_back(position);
        }
    }

    /// One request and what its answer means for each partition of it.
    async fn round(&mut self) -> Result<(), Abandoned> {
        let asked = self.next_request();
        let limits = self.limits(&asked);
        let permit = self
            .context
            .budget
            .take(self.context.options.request_bytes)
            .await;
        let asked_at = Instant::now();
        let answer = self.ask(&asked, limits).await;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(broker = self.broker, lane = self.number, %error, "fetch failed");
                for mut position in asked {
                    position.fail(GapReason::Unavailable);
                    self.reroute(position).await?;
                }
                return Ok(());
            }
        };
        // beyond a quota a broker answers without any partition: the connection waits as long as it was told
        if answer.partitions.is_empty() && !answer.throttle.is_zero() {
            for position in asked.into_iter().rev() {
                self.queue.push_front(position);
            }
            return Ok(());
        }
        let bytes = answer.partitions.iter().map(|p| p.records.len()).sum();
        let hold = MemoryBudget::keep(permit, bytes);
        let around = Around {
            alone: asked.len() == 1,
            throttled: !answer.throttle.is_zero(),
            asked_at,
        };
        let mut behind = 0;
        let mut progress = false;
        // in reverse, so that those which stay keep their order at the front
        for mut position in asked.into_iter().rev() {
            let Some(partition) = take_answer(&mut answer, &position) else {
                position.fail(GapReason::Unavailable);
                self.reroute(position).await?;
                continue;
            };
            behind += partition.records.len();
            let before = bytes - behind;
            progress |= self
                .settle(position, &partition, &around, before, &hold)
                .await?;
        }
        for position in self.preferred.drain(..) {
            self.queue.push_front(position);
        }
        drop(hold);
        self.context.options.pace.spend(bytes as u64).await;
        if !progress {
            tokio::time::sleep(IDLE_PAUSE).await;
        }
        Ok(())
    }

    /// The partitions of the next request, taken from the front of the queue.
    fn next_request(&mut self) -> Vec<Position> {
        let count = match self.queue.front() {
            Some(first) if first.wants_solitude() => 1,
            _ => self.context.options.partitions_per_request.max(1),
        };
        let count = count.min(self.queue.len());
        self.queue.drain(..count).collect()
    }

    fn limits(&self, asked: &[Position]) -> FetchLimits {
        FetchLimits {
            max_bytes: i32::try_from(self.context.options.request_bytes).unwrap_or(i32::MAX),
            min_bytes: 0,
            // what the broker has itself is there already; what is in remote storage it gives only who waits (R9)
            max_wait: if asked.iter().any(|position| position.may_be_remote) {
                REMOTE_WAIT
            } else {
                Duration::ZERO
            },
        }
    }

    async fn ask(
        &self,
        asked: &[Position],
        limits: FetchLimits,
    ) -> Result<FetchAnswer, crate::KafkaError> {
        let partition_bytes =
            i32::try_from(self.context.options.partition_bytes).unwrap_or(i32::MAX);
        let positions: Vec<FetchPosition> = asked
            .iter()
            .map(|position| FetchPosition {
                topic_partition: position.range.topic_partition.clone(),
                topic_id: position.range.topic_id,
                offset: position.offset,
                leader_epoch: -1,
                last_fetched_epoch: -1,
                max_bytes: partition_bytes,
            })
            .collect();
        let connection = self
            .context
            .cluster
            .broker(self.broker, self.number)
            .await?;
        fetch(&connection, &positions, limits).await
    }

    /// Does what the answer means. True when the partition came on.
    async fn settle(
        &mut self,
        mut position: Position,
        answer: &FetchedPartition,
        around: &Around,
        used_before: usize,
        hold: &BudgetHold,
    ) -> Result<bool, Abandoned> {
        let room = (self.context.options.request_bytes as usize).saturating_sub(used_before);
        let circumstances = Circumstances {
            alone: around.alone,
            throttled: around.throttled,
            had_room: room >= self.context.options.partition_bytes as usize,
        };
        match position.judge(answer, circumstances) {
            Verdict::Read { batches, done } => {
                if !batches.is_empty() {
                    self.send(ReadEvent::Batches {
                        index: position.index,
                        batches,
                        next_offset: position.offset,
                        asked_at: around.asked_at,
                        hold: hold.clone(),
                    })
                    .await?;
                }
                if done {
                    self.finish(&position).await?;
                } else {
                    self.queue.push_front(position);
                }
                return Ok(true);
            }
            Verdict::TailHole => self.settle_tail(position).await?,
            Verdict::Again if position.failed_for(self.context.options.retry_deadline) => {
                self.lose(&position, position.loss()).await?;
            }
            Verdict::Again => self.queue.push_front(position),
            Verdict::First => self.preferred.push(position),
            Verdict::OutOfRange => self.settle_out_of_range(position).await?,
            Verdict::Reroute => self.reroute(position).await?,
            Verdict::Lost(reason) => self.lose(&position, reason).await?,
        }
        Ok(false)
    }

    /// Nothing came although it was asked alone. Of what the leader has itself that says that nothing is left; what is in
    /// remote storage may only be slow to come, or away (R9).
    async fn settle_tail(&mut self, mut position: Position) -> Result<(), Abandoned> {
        let tp = position.range.topic_partition.clone();
        let local = self.listed(&tp, OffsetSpec::LocalStart).await;
        if local.is_some_and(|local| position.offset >= local) {
            return self.finish(&position).await;
        }
        if position.waited_for_remote(self.context.options.retry_deadline) {
            let from = position.offset;
            tracing::warn!(topic_partition = %tp, from, ?local, "remote storage gave nothing");
            return self.lose(&position, GapReason::Unavailable).await;
        }
        if local.is_none() {
            position.fail(GapReason::Unavailable);
            return self.reroute(position).await;
        }
        self.queue.push_front(position);
        Ok(())
    }

    /// What the leader says of a partition; none where it does not.
    async fn listed(&self, tp: &TopicPartition, spec: OffsetSpec) -> Option<i64> {
        let cluster = &self.context.cluster;
        let mut listed = cluster.list_offsets(slice::from_ref(tp), spec).await;
        Some(listed.remove(tp)?.ok()?.offset)
    }

    /// The offset is below the log start (a gap; go on behind it), or beyond the log end (truncated, if it stays so).
    async fn settle_out_of_range(&mut self, mut position: Position) -> Result<(), Abandoned> {
        if position.is_behind_end() {
            return self.finish(&position).await;
        }
        let tp = position.range.topic_partition.clone();
        let Some(log_start) = self.listed(&tp, OffsetSpec::Earliest).await else {
            position.fail(GapReason::Unavailable);
            return self.reroute(position).await;
        };
        if log_start <= position.offset {
            position.fail(GapReason::Truncated);
            return self.reroute(position).await;
        }
        let end = log_start.min(position.range.range.end);
        let range = OffsetRange::new(position.offset, end);
        tracing::warn!(topic_partition = %tp, offsets = %range, "log start overtook the backup");
        self.send(ReadEvent::Gap {
            index: position.index,
            gap: Gap {
                range,
                reason: GapReason::DeletedBeforeRead,
            },
        })
        .await?;
        position.advance(end);
        if end >= position.range.range.end {
            self.finish(&position).await
        } else {
            self.queue.push_front(position);
            Ok(())
        }
    }

    async fn send(&self, event: ReadEvent) -> Result<(), Abandoned> {
        self.context.events.send(event).await.map_err(|_| Abandoned)
    }

    async fn finish(&self, position: &Position) -> Result<(), Abandoned> {
        if self.context.finish(position).await {
            Ok(())
        } else {
            Err(Abandoned)
        }
    }

    async fn lose(&self, position: &Position, reason: GapReason) -> Result<(), Abandoned> {
        if self.context.lose(position, reason).await {
            Ok(())
        } else {
            Err(Abandoned)
        }
    }

    async fn reroute(&self, position: Position) -> Result<(), Abandoned> {
        let moved = Returned::Moved(position);
        self.context
            .returned
            .send(moved)
            .await
            .map_err(|_| Abandoned)
    }
}

/// What all partitions of a request share.
struct Around {
    alone: bool,
    throttled: bool,
    asked_at: Instant,
}

fn take_answer(answer: &mut FetchAnswer, position: &Position) -> Option<FetchedPartition> {
    let wanted = &position.range.topic_partition;
    let at = answer
        .partitions
        .iter()
        .position(|partition| partition.topic_partition == *wanted)?;
    Some(answer.partitions.swap_remove(at))
}
