//! Where the reading of one partition stands, and what an answer means for it.

use std::time::Duration;

use bytes::Bytes;
use lifeboat_archive::{batch::Batches, manifest::GapReason};
use tokio::time::Instant;

use super::{RangeEnd, ReadRange};
use crate::{error::ErrorCode, wire::FetchedPartition};

/// How often a corrupt answer is asked for again before its batch counts as lost.
const CORRUPT_ANSWERS: u8 = 3;
/// A compacted partition that is written as fast as it is read is followed behind its captured end for so long.
const LONGEST_FOLLOWING: Duration = Duration::from_secs(60);

/// The reading of one range.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) index: usize,
    pub(super) range: ReadRange,
    /// The next offset that is wanted.
    pub(super) offset: i64,
    /// Since when nothing but failures came.
    pub(super) failing_since: Option<Instant>,
    /// What the last failure would mean if it stayed.
    loss: GapReason,
    empty_answers: u8,
    corrupt_answers: u8,
    gone_since: Option<Instant>,
    /// Whether an answer was empty without telling why: what comes next may be in remote storage, from which nothing comes
    /// at once.
    pub(super) may_be_remote: bool,
    /// Since when nothing came out of remote storage.
    remote_since: Option<Instant>,
    /// Since when it is read on behind its captured end.
    behind_since: Option<Instant>,
    /// The latest leader's epoch of what was read there.
    epoch_behind: i32,
    caught_up: bool,
}

/// The circumstances of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// It was the only partition of the request.
    pub(super) alone: bool,
    /// The broker throttled the request.
    pub(super) throttled: bool,
    /// The byte limit of the request was not used up before its turn came.
    pub(super) had_room: bool,
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Batches came; `done`: the range is read.
    Read { batches: Bytes, done: bool },
    /// Nothing came and nothing is left: the rest of the range is a hole (R3).
    TailHole,
    /// Nothing was learnt: the same again in its turn.
    Again,
    /// It comes first in the next request: only the first is sure to get a batch (R2).
    First,
    /// The offset is outside of the log: ask where the log starts.
    OutOfRange,
    /// Ask who leads the partition now.
    Reroute,
    /// The rest can't be read.
    Lost(GapReason),
}

/// Whether the error says that a topic is no longer there.
pub(super) fn means_deleted(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
    )
}

impl Position {
    pub(super) fn new(index: usize, range: ReadRange) -> Self {
        Self {
            index,
            offset: range.range.start,
            range,
            failing_since: None,
            loss: GapReason::Unavailable,
            empty_answers: 0,
            corrupt_answers: 0,
            gone_since: None,
            may_be_remote: false,
            remote_since: None,
            behind_since: None,
            epoch_behind: -1,
            caught_up: false,
        }
    }

    /// Whether all that was captured is read, and only what was appended since is asked for.
    pub(super) fn is_behind_end(&self) -> bool {
        self.range.compacted && self.offset >= self.range.range.end
    }

    /// Where it is read to, once that is over.
    pub(super) fn end(&self) -> RangeEnd {
        if !self.range.compacted {
            return RangeEnd::captured(self.range.range.end);
        }
        RangeEnd {
            offset: self.offset.max(self.range.range.end),
            leader_epoch: self.epoch_behind,
            caught_up: self.caught_up,
        }
    }

    /// A failure that would mean `loss` if it stayed.
    pub(super) fn fail(&mut self, loss: GapReason) {
        self.loss = loss;
        self.failing_since.get_or_insert_with(Instant::now);
    }

    /// Whether there were only failures for so long.
    pub(super) fn failed_for(&self, patience: Duration) -> bool {
        self.failing_since
            .is_some_and(|since| since.elapsed() >= patience)
    }

    /// What the failures mean, now that they stay.
    pub(super) fn loss(&self) -> GapReason {
        self.loss
    }

    /// Whether the topic has been gone for so long; one broker's metadata may lag behind.
    pub(super) fn gone_for(&mut self, patience: Duration) -> bool {
        self.gone_since.get_or_insert_with(Instant::now).elapsed() >= patience
    }

    /// Whether it is to be asked alone.
    pub(super) fn wants_solitude(&self) -> bool {
        self.empty_answers >= 2
    }

    /// Goes on at `offset`.
    pub(super) fn advance(&mut self, offset: i64) {
        self.offset = offset;
        self.failing_since = None;
        self.empty_answers = 0;
        self.corrupt_answers = 0;
        self.gone_since = None;
        self.remote_since = None;
    }

    /// Whether remote storage has given nothing for so long.
    pub(super) fn waited_for_remote(&mut self, patience: Duration) -> bool {
        let since = self.remote_since.get_or_insert_with(Instant::now);
        since.elapsed() >= patience
    }

    /// Decides what `answer` means (R1–R4).
    pub(super) fn judge(&mut self, answer: &FetchedPartition, around: Circumstances) -> Verdict {
        if let Some(code) = answer.error {
            return self.judge_error(code);
        }
        match walk(&answer.records, self.offset, &self.range) {
            Ok(walk) => {
                let done = self.is_read(&walk, answer.high_watermark);
                if walk.batches.is_empty() && !done {
                    return self.judge_empty(answer.high_watermark, around);
                }
                self.advance(walk.next);
                self.epoch_behind = self.epoch_behind.max(walk.epoch_behind);
                let batches = walk.batches;
                Verdict::Read { batches, done }
            }
            Err(Fault::Corrupt) => {
                self.corrupt_answers += 1;
                if self.corrupt_answers < CORRUPT_ANSWERS {
                    Verdict::Again
                } else {
                    Verdict::Lost(GapReason::Corrupt)
                }
            }
            Err(Fault::Rewritten) => Verdict::Lost(GapReason::Truncated),
        }
    }

    /// Whether all is read once an answer is taken in that was given at that high watermark.
    fn is_read(&mut self, walk: &Walk, high_watermark: i64) -> bool {
        match walk.ended {
            None => false,
            Some(Ended::BeforeTransaction) => true,
            Some(Ended::AtCapturedEnd) => {
                self.caught_up = walk.next >= high_watermark;
                !self.range.compacted || self.caught_up || self.has_followed_enough()
            }
        }
    }

    /// Whether a producer that is as quick as we are has been followed for long enough.
    fn has_followed_enough(&mut self) -> bool {
        if !self.is_behind_end() {
            return false;
        }
        let since = self.behind_since.get_or_insert_with(Instant::now);
        since.elapsed() >= LONGEST_FOLLOWING
    }

    fn judge_error(&mut self, code: ErrorCode) -> Verdict {
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE => Verdict::OutOfRange,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => Verdict::Lost(GapReason::Unauthorized),
            ErrorCode::CORRUPT_MESSAGE => {
                self.fail(GapReason::Corrupt);
                Verdict::Reroute
            }
            _ => {
                self.fail(GapReason::Unavailable);
                Verdict::Reroute
            }
        }
    }

    fn judge_empty(&mut self, high_watermark: i64, around: Circumstances) -> Verdict {
        if high_watermark < self.range.range.end {
            // a new leader may not know its high watermark yet; if it stays there, the log was truncated
            self.fail(GapReason::Truncated);
            return Verdict::Again;
        }
        // the leader answers: what failed has passed, however long its turn takes
        self.failing_since = None;
        self.gone_since = None;
        if around.throttled || !around.had_room {
            return Verdict::Again;
        }
        if around.alone && self.empty_answers >= 3 {
            if self.range.compacted {
                // nothing is left up to there either
                self.offset = high_watermark;
                self.caught_up = true;
            }
            return Verdict::TailHole;
        }
        self.empty_answers = self.empty_answers.saturating_add(1);
        self.may_be_remote = true;
        Verdict::First
    }
}

/// What an answer holds of a range.
#[derive(Debug, PartialEq, Eq)]
struct Walk {
    batches: Bytes,
    next: i64,
    /// The latest leader's epoch behind the captured end, −1 where nothing of that is taken.
    epoch_behind: i32,
    /// It goes no further for certain; `None` where the next answer may bring more.
    ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All up to the captured end is read, and perhaps what is behind it.
    AtCapturedEnd,
    /// Behind the captured end comes something transactional.
    BeforeTransaction,
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// A checksum or a length is wrong.
    Corrupt,
    /// The first new batch is not the one that was there when the end was captured: it ends behind it, or a later leader
    /// wrote it.
    Rewritten,
}

/// Cuts the whole batches of `range` from `offset` on that were there under its leader epoch out of `records`, checking
/// each checksum; of what may be compacted also those behind it, up to what is transactional.
///
/// A fault behind good batches is left for the next answer, which begins with it.
fn walk(records: &Bytes, offset: i64, range: &ReadRange) -> Result<Walk, Fault> {
    let (end, leader_epoch) = (range.range.end, range.leader_epoch);
    let mut next = offset;
    let mut taken = 0..0;
    let mut position = 0;
    let mut ended = None;
    let mut fault = None;
    let mut epoch_behind = -1;
    for batch in Batches::new(records) {
        let Ok(batch) = batch else {
            fault = Some(Fault::Corrupt);
            break;
        };
        let start = position;
        position += batch.bytes.len();
        let is_behind = batch.header.base_offset >= end;
        if is_behind && !range.compacted {
            ended = Some(Ended::AtCapturedEnd);
            break;
        }
        if is_behind && batch.header.is_transactional() {
            ended = Some(Ended::BeforeTransaction);
            break;
        }
        if batch.check_crc().is_err() {
            fault = Some(Fault::Corrupt);
            break;
        }
        let written_later = leader_epoch >= 0 && batch.header.leader_epoch > leader_epoch;
        if !is_behind && (written_later || batch.header.next_offset() > end) {
            fault = Some(Fault::Rewritten);
            break;
        }
        if batch.header.next_offset() <= next {
            // read before
            continue;
        }
        if taken.is_empty() {
            taken.start = start;
        }
        if is_behind {
            epoch_behind = epoch_behind.max(batch.header.leader_epoch);
        }
        taken.end = position;
        next = batch.header.next_offset();
    }
    // an incomplete first batch is as bad as a broken one (R1)
    if fault.is_none() && ended.is_none() && position == 0 && !records.is_empty() {
        fault = Some(Fault::Corrupt);
    }
    match fault {
        Some(fault) if taken.is_empty() => return Err(fault),
        None if next >= end => {
            ended.get_or_insert(Ended::AtCapturedEnd);
        }
        _ => {}
    }
    Ok(Walk {
        batches: records.slice(taken),
        next: if ended.is_some() { next.max(end) } else { next },
        epoch_behind,
        ended,
    })
}

#[cfg(test)]
#[path = "position/tests.rs"]
mod tests;
