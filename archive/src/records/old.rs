//! Messages of magic 0 and 1 as a batch of magic 2 (R28): the same records at the same offsets with the same times.
//!
//! A compressed message holds a run of messages. Those of magic 0 have their own offsets; those of magic 1 count from any
//! number, and the last of them is at the offset of the message around them (KIP-31, `AbstractLegacyRecordBatch`).

use std::fmt;

use bytes::Buf;

use super::{
    Decompressor, Produced, RecordError, RecordProblem,
    build::{put_bytes, put_header, seal},
};
use crate::{
    batch::{Batch, BatchHeader, Codec, LOG_APPEND_TIME, TimestampType},
    varint::{put_varlong, varlong_size},
};

/// Offset, length, checksum, magic and attributes.
const MESSAGE_HEAD: usize = 18;
const TIMESTAMP: usize = 8;
/// The buffers are given back after a batch of more than this.
const LARGE: usize = 8 << 20;

/// Makes current batches of messages of the old formats, one after another.
pub struct Modernizer {
    decompressor: Decompressor,
    limit: usize,
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
            decompressor: Decompressor::new(limit),
            limit,
            batch: Vec::new(),
        }
    }

    /// The records of `batch`, which is of magic 0 or 1, as a batch of magic 2 that is not compressed. Who set the times
    /// is told as it was; a record without a time has −1.
    pub fn modern(&mut self, batch: &Batch<'_>) -> Result<Batch<'_>, RecordError> {
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
            let mut plain = self.decompressor.plain(&stored)?;
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

/// Compressed bytes.
pub(super) struct Stored<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
    /// The offset of its batch, for errors.
    pub(super) base_offset: i64,
    /// Whether the checksum of an lz4 frame's header is not looked at.
    pub(super) any_lz4_checksum: bool,
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
    let mut body = Vec::new();
    let mut before = None;
    for (index, message) in messages.iter().enumerate() {
        let offset = delta(message).filter(|delta| before.is_none_or(|before| *delta > before));
        let offset = offset
            .filter(|delta| *delta >= 0)
            .ok_or((index, RecordProblem::Offset))?;
        before = Some(offset);
        body.clear();
        put_varlong(&mut body, message.timestamp.wrapping_sub(first.timestamp));
        put_varlong(&mut body, offset);
        for part in [message.key, message.value] {
            match part {
                None => put_varlong(&mut body, -1),
                Some(bytes) => put_bytes(&mut body, bytes),
            }
        }
        put_varlong(&mut body, 0);
        let length = i64::try_from(1 + body.len()).unwrap_or(i64::MAX);
        out.reserve(varlong_size(length) + 1 + body.len());
        put_varlong(out, length);
        out.push(0);
        out.extend_from_slice(&body);
    }
    if i32::try_from(out.len()).is_err() {
        return Err((messages.len() - 1, RecordProblem::Length));
    }
    seal(out);
    Ok(())
}

#[cfg(test)]
mod tests;
