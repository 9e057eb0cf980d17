//! Messages of magic 0 and 1 as a batch of magic 2 (R28): the same records at the same offsets with the same times.
//!
//! A compressed message holds a run of messages. Those of magic 0 have their own offsets; those of magic 1 count from any
//! number, and the last of them is at the offset of the message around them (KIP-31, `AbstractLegacyRecordBatch`).

use std::{borrow::Cow, fmt};

use bytes::Buf;

use super::{
    Decompressor, Produced, RecordError, RecordProblem,
    build::{put_header, put_pair, put_record, seal},
    decompress::Stored,
};
use crate::batch::{Batch, BatchHeader, Codec, LOG_APPEND_TIME, TimestampType};

/// Offset, length, checksum, magic and attributes.
const MESSAGE_HEAD: usize = 18;
const TIMESTAMP: usize = 8;
/// The buffers are given back after a batch of more than this.
const LARGE: usize = 8 << 20;

/// Makes current batches of messages of the old formats, one after another. Who meets none has no memory of it.
pub struct Modernizer {
    limit: usize,
    /// Where compressed ones were met.
    decompressor: Option<Decompressor>,
    batch: Vec<u8>,
}

impl fmt::Debug for Modernizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modernizer")
            .field("batch", &self.batch.capacity())
            .finish_non_exhaustive()
    }
}

/// One message, with the offset that it says.
#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    offset: i64,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl Modernizer {
    /// One that refuses messages that hold more than `limit` plain bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            decompressor: None,
            batch: Vec::new(),
        }
    }

    /// The batch itself where it is of magic 2; else its records as one of magic 2 that is not compressed. Who set the
    /// times is told as it was; a record without a time has −1.
    pub fn current<'b>(
        &'b mut self,
        batch: &'b Batch<'b>,
    ) -> Result<Cow<'b, Batch<'b>>, RecordError> {
        if batch.header.magic >= 2 {
            return Ok(Cow::Borrowed(batch));
        }
        self.modern(batch).map(Cow::Owned)
    }

    fn modern(&mut self, batch: &Batch<'_>) -> Result<Batch<'_>, RecordError> {
        if self.batch.capacity() > LARGE {
            *self = Self::new(self.limit);
        }
        let header = &batch.header;
        let base_offset = header.base_offset;
        let fail = |index: usize, problem| RecordError::Record {
            base_offset,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            problem,
        };
        let mut around = batch.bytes;
        let outer = take_message(&mut around, header.magic).map_err(|problem| fail(0, problem))?;
        let codec = header.codec()?;
        let mut messages = Vec::new();
        if codec == Codec::None {
            messages.push(outer);
        } else {
            let stored = outer.value.ok_or_else(|| fail(0, RecordProblem::Value))?;
            let stored = Stored {
                codec,
                bytes: stored,
                base_offset,
                // its header's checksum was computed over too much (KAFKA-3160)
                any_lz4_checksum: header.magic == 0,
            };
            let limit = self.limit;
            let decompressor = &mut self.decompressor;
            let decompressor = decompressor.get_or_insert_with(|| Decompressor::new(limit));
            let mut plain = decompressor.plain(&stored)?;
            while !plain.is_empty() {
                let index = messages.len();
                let message = take_message(&mut plain, header.magic);
                messages.push(message.map_err(|problem| fail(index, problem))?);
            }
            let last = messages
                .last()
                .ok_or_else(|| fail(0, RecordProblem::Length))?;
            let shift = if header.magic == 0 {
                0
            } else {
                base_offset.saturating_sub(last.offset)
            };
            let appended = header.timestamp_type() == TimestampType::LogAppendTime;
            for message in &mut messages {
                message.offset = message.offset.saturating_add(shift);
                if appended {
                    message.timestamp = header.max_timestamp;
                }
            }
        }
        put_batch(&mut self.batch, header, &messages)
            .map_err(|(index, problem)| fail(index, problem))?;
        let header =
            BatchHeader::parse(&self.batch)?.ok_or_else(|| fail(0, RecordProblem::Length))?;
        Ok(Batch {
            header,
            bytes: &self.batch,
        })
    }
}

fn take_message<'a>(bytes: &mut &'a [u8], magic: i8) -> Result<Message<'a>, RecordProblem> {
    let mut head = bytes.get(..MESSAGE_HEAD).ok_or(RecordProblem::Length)?;
    let offset = head.get_i64();
    let length = usize::try_from(head.get_i32()).map_err(|_| RecordProblem::Length)?;
    let end = length.checked_add(12).ok_or(RecordProblem::Length)?;
    let message = bytes.get(..end).ok_or(RecordProblem::Length)?;
    let mut body = message.get(MESSAGE_HEAD..).ok_or(RecordProblem::Length)?;
    head.advance(4);
    if head.get_i8() != magic {
        return Err(RecordProblem::Magic);
    }
    let timestamp = if magic == 0 {
        -1
    } else if body.len() < TIMESTAMP {
        return Err(RecordProblem::Timestamp);
    } else {
        body.get_i64()
    };
    let key = take_sized(&mut body).ok_or(RecordProblem::Key)?;
    let value = take_sized(&mut body).ok_or(RecordProblem::Value)?;
    if !body.is_empty() {
        return Err(RecordProblem::Rest);
    }
    bytes.advance(end);
    Ok(Message {
        offset,
        timestamp,
        key,
        value,
    })
}

/// Bytes with their length before them in four bytes; a negative length means null.
#[expect(
    clippy::option_option,
    reason = "outer: readable at all, inner: null or not"
)]
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(rest.try_get_i32().ok()?) else {
        return Some(None);
    };
    let bytes = rest.get(..length)?;
    rest.advance(length);
    Some(Some(bytes))
}

/// Writes a batch that stands for `messages`, of which there is one at least; or which of them can't be in one, and why.
fn put_batch(
    out: &mut Vec<u8>,
    old: &BatchHeader,
    messages: &[Message<'_>],
) -> Result<(), (usize, RecordProblem)> {
    let none = (0, RecordProblem::Length);
    let (first, last) = (messages.first().ok_or(none)?, messages.last().ok_or(none)?);
    let delta = |message: &Message<'_>| message.offset.checked_sub(first.offset);
    let last_delta = delta(last).and_then(|delta| i32::try_from(delta).ok());
    let max_timestamp = messages.iter().map(|message| message.timestamp).max();
    let header = BatchHeader {
        base_offset: first.offset,
        magic: 2,
        attributes: match old.timestamp_type() {
            TimestampType::LogAppendTime => LOG_APPEND_TIME,
            TimestampType::CreateTime => 0,
        },
        last_offset_delta: last_delta.ok_or((messages.len() - 1, RecordProblem::Offset))?,
        base_timestamp: first.timestamp,
        max_timestamp: max_timestamp.unwrap_or(first.timestamp),
        record_count: u32::try_from(messages.len()).ok(),
        ..old.clone()
    };
    let produced = Produced {
        base_offset: first.offset,
        ..Produced::ANONYMOUS
    };
    out.clear();
    put_header(out, &header, produced);
    let mut tail = Vec::new();
    let mut before = -1;
    for (index, message) in messages.iter().enumerate() {
        let offset = delta(message).filter(|delta| *delta > before);
        before = offset.ok_or((index, RecordProblem::Offset))?;
        tail.clear();
        put_pair(&mut tail, message.key, message.value);
        let time = message.timestamp.wrapping_sub(first.timestamp);
        put_record(out, time, before, &tail);
    }
    if i32::try_from(out.len()).is_err() {
        return Err((messages.len() - 1, RecordProblem::Length));
    }
    seal(out);
    Ok(())
}

#[cfg(test)]
mod tests;
