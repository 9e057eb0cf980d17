//! What is known of one partition while it is written, and what each answer means. No I/O.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use lifeboat_archive::words::{TopicId, TopicPartition};
use lifeboat_kafka::{ErrorCode, KafkaError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};

use crate::rewrite::OutputBatch;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why the writing of a partition was stopped. What is in it can't be trusted: its topic has to be restored anew.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Records are where ours should be, or ours are not where they should be.
    #[error(
        "the target's offset is {found} where {expected} was expected: somebody else has written to it, or records were lost"
    )]
    Displaced {
        /// Where the next record had to be.
        expected: i64,
        /// Where it would be, or is.
        found: i64,
    },
    /// The target ends where no batch of ours does.
    #[error(
        "the target ends at offset {found}, inside of a batch that goes from {from} to {to}: somebody else has written to it, or records were lost"
    )]
    NoBoundary {
        /// Where the target ends.
        found: i64,
        /// Where the batch has to begin.
        from: i64,
        /// Where it has to end.
        to: i64,
    },
    /// The topic was deleted, or made anew.
    #[error("the topic was deleted or made anew while it was written")]
    Replaced,
    /// The broker does not take the batch.
    #[error("the broker refuses a batch: {0}")]
    Refused(KafkaError),
    /// Others of its topic were stopped, and what is read is for all of them.
    #[error("another partition of the topic was stopped, and all of them are written together")]
    Together,
    /// Nothing got through for too long.
    #[error("nothing was accepted for {} s: {last}", after.as_secs())]
    NoProgress {
        /// How long.
        after: Duration,
        /// The last failure.
        last: KafkaError,
    },
}

/// A batch that waits, and the memory that is set aside for it.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) batch: OutputBatch,
    pub(super) _memory: OwnedSemaphorePermit,
}

/// One partition that is being written.
#[derive(Debug)]
pub(super) struct PartitionWriter {
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) start_offset: i64,
    /// Records that are certainly written.
    written: u64,
    queue: VecDeque<Queued>,
    state: State,
    /// All records, once the reader is at its end.
    total: Option<u64>,
    done: Option<oneshot::Sender<Result<(), WriteError>>>,
    room: Arc<Semaphore>,
    /// So long it may be refused without a single batch getting through.
    deadline: Duration,
    /// Since when it is refused, and the next pause.
    patience: Option<(Instant, Duration)>,
    /// Why nobody knows whether the first batch was written.
    doubt: Option<KafkaError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// Its first batch is under way, or it rests, or it finds its place again.
    Waiting,
    Ended,
}

/// What is to be done about a partition.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Go on.
    Send,
    /// The batch was certainly not written: send it again after a pause.
    Rest(Duration),
    /// Nobody knows whether it was written: look at the target's end, first waiting for what may still be under way.
    FindPlace {
        /// Whether an answer is outstanding.
        outstanding: bool,
    },
    /// Nothing any more.
    Nothing,
}

/// What an answer says about the batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Undone,
    Unknown,
    Final,
}

/// Only these answers are given before the leader appends. In particular a leader that is deposed while it waits for
/// its followers says NOT_LEADER_OR_FOLLOWER for a batch that it has appended.
fn meaning(error: &KafkaError) -> Meaning {
    match error {
        KafkaError::Connect { .. } | KafkaError::Bootstrap(_) => Meaning::Undone,
        // the connection was never made: nothing was sent
        KafkaError::Tls { .. } | KafkaError::Authentication { .. } | KafkaError::Token { .. }
            if error.is_retriable() =>
        {
            Meaning::Undone
        }
        KafkaError::Timeout { .. }
        | KafkaError::Disconnected { .. }
        | KafkaError::Malformed { .. } => Meaning::Unknown,
        KafkaError::Broker { code, .. } => match *code {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED => Meaning::Undone,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                Meaning::Unknown
            }
            code if code.is_retriable() || code.number() == UNKNOWN_SERVER_ERROR => {
                Meaning::Unknown
            }
            _ => Meaning::Final,
        },
        _ => Meaning::Final,
    }
}

const UNKNOWN_SERVER_ERROR: i16 = -1;

impl PartitionWriter {
    /// A partition of which so many records are `written` already, and that may be refused until the `deadline`.
    pub(super) fn new(
        topic_partition: TopicPartition,
        topic_id: TopicId,
        start_offset: i64,
        written: u64,
        deadline: Duration,
        room: Arc<Semaphore>,
        done: oneshot::Sender<Result<(), WriteError>>,
    ) -> Self {
        Self {
            topic_partition,
            topic_id,
            start_offset,
            written,
            queue: VecDeque::new(),
            state: State::Ready,
            total: None,
            done: Some(done),
            room,
            deadline,
            patience: None,
            doubt: None,
        }
    }

    /// Takes a batch to be written when its turn comes. What was written before is passed over; where that ends inside
    /// of the batch, it is not ours.
    pub(super) fn enqueue(&mut self, batch: Queued) {
        let (before, after) = (batch.batch.before, batch.batch.after());
        if self.state == State::Ended || after <= self.written {
            return;
        }
        if before < self.written {
            self.stop(WriteError::NoBoundary {
                found: self.offset_after(self.written),
                from: self.offset_after(before),
                to: self.offset_after(after),
            });
            return;
        }
        self.queue.push_back(batch);
    }

    /// The reader is at its end: there were `total` records.
    pub(super) fn close(&mut self, total: u64) {
        self.total = Some(total);
        if self.state != State::Ended && self.written > total {
            self.stop(WriteError::Displaced {
                expected: self.offset_after(total),
                found: self.offset_after(self.written),
            });
        }
        self.end_when_written();
    }

    /// The reader has stopped early.
    pub(super) fn give_up(&mut self) {
        if self.state != State::Ended {
            self.stop(WriteError::Together);
        }
    }

    /// The batch to send now.
    pub(super) fn sendable(&self) -> Option<&OutputBatch> {
        let ready = self.state == State::Ready;
        self.queue
            .front()
            .filter(|_| ready)
            .map(|queued| &queued.batch)
    }

    /// The first batch, which is under way or whose fate is not known.
    pub(super) fn first(&self) -> Option<&OutputBatch> {
        self.queue.front().map(|queued| &queued.batch)
    }

    /// Its first batch is sent, or it has to wait for something else.
    pub(super) fn wait(&mut self) {
        if self.state == State::Ready {
            self.state = State::Waiting;
        }
    }

    /// It may send again.
    pub(super) fn resume(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Ready;
        }
    }

    /// Whether nothing is to be done with it any more.
    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn offset_after(&self, records: u64) -> i64 {
        self.start_offset.saturating_add_unsigned(records)
    }

    /// The answer to the first batch is there (rule 4: it must say where we know that it has to be).
    pub(super) fn answered(&mut self, answer: Result<i64, KafkaError>, now: Instant) -> Next {
        let expected = self.offset_after(self.written);
        match answer {
            Ok(found) if found == expected => {
                self.advance();
                Next::Send
            }
            Ok(found) => self.stop(WriteError::Displaced { expected, found }),
            Err(error) => match meaning(&error) {
                Meaning::Final => self.stop(WriteError::Refused(error)),
                Meaning::Undone => self.rest(error, now),
                Meaning::Unknown => {
                    let outstanding = error.code().is_none();
                    tracing::debug!(topic_partition = %self.topic_partition, %error, "fate of a batch unknown");
                    self.doubt = Some(error);
                    Next::FindPlace { outstanding }
                }
            },
        }
    }

    fn rest(&mut self, error: KafkaError, now: Instant) -> Next {
        let (since, pause) = *self.patience.get_or_insert((now, FIRST_PAUSE));
        let after = now.saturating_duration_since(since);
        if after >= self.deadline {
            return self.stop(WriteError::NoProgress { after, last: error });
        }
        tracing::debug!(topic_partition = %self.topic_partition, %error, "a batch has to wait");
        self.patience = Some((since, (pause * 2).min(LONGEST_PAUSE)));
        Next::Rest(pause)
    }

    /// The target's end was read back (rule 5): it must be a boundary of the plan.
    pub(super) fn found(&mut self, end: Result<i64, WriteError>, now: Instant) -> Next {
        let end = match end {
            Ok(end) => end,
            Err(error) => return self.stop(error),
        };
        let before = self.offset_after(self.written);
        let after = self.first().map(|batch| self.offset_after(batch.after()));
        if end == before {
            // it was not written; what refuses it each time without a word must not be asked for ever
            if let Some(error) = self.doubt.take() {
                return self.rest(error, now);
            }
            self.resume();
            Next::Send
        } else if Some(end) == after {
            self.advance();
            Next::Send
        } else {
            self.stop(WriteError::Displaced {
                expected: before,
                found: end,
            })
        }
    }

    /// The first batch is written.
    fn advance(&mut self) {
        if let Some(first) = self.queue.pop_front() {
            self.written = first.batch.after();
        }
        self.patience = None;
        self.resume();
        self.end_when_written();
    }

    fn end_when_written(&mut self) {
        if self.state != State::Ended && self.total == Some(self.written) {
            self.end(Ok(()));
        }
    }

    /// Ends it: its reader, should it wait for room, is told so.
    fn stop(&mut self, error: WriteError) -> Next {
        tracing::debug!(topic_partition = %self.topic_partition, %error, "stopped");
        self.end(Err(error));
        Next::Nothing
    }

    fn end(&mut self, outcome: Result<(), WriteError>) {
        self.state = State::Ended;
        self.queue.clear();
        self.room.close();
        if let Some(done) = self.done.take() {
            // nobody waits for it when the restore was given up
            drop(done.send(outcome));
        }
    }
}

#[cfg(test)]
mod tests;
