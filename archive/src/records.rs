//! Inside a batch: records, decompression, and batches made anew.

use bytes::Buf;

use crate::{
    batch::{BatchError, BatchHeader, Codec, TimestampType},
    varint::{take_varint, take_varlong},
};

mod build;
mod decompress;
mod old;
mod repack;

pub use build::{BatchBuilder, Passage, Produced, passage, patch_for_produce};
pub use decompress::Decompressor;
pub use old::Modernizer;
pub use repack::Repacker;

/// A record, still in the bytes of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its time as consumers see it: in a LogAppendTime batch the batch's largest timestamp (R20); −1: none.
    pub timestamp: i64,
    /// The key, where it has one.
    pub key: Option<&'a [u8]>,
    /// The value, where it has one; none is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The bytes from the key's length on (key, value, headers), as they stand in the batch.
    pub tail: &'a [u8],
    /// How many headers.
    pub header_count: u32,
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// The headers in order, duplicates included.
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            rest: self.headers,
            left: self.header_count,
        }
    }
}

/// The headers of a record: name and, where there is one, value.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a [u8], Option<&'a [u8]>), RecordProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let header = take_header(&mut self.rest);
        if header.is_none() {
            self.left = 0;
        }
        Some(header.ok_or(RecordProblem::Header))
    }
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let name = take_bytes(rest)??;
    let value = take_bytes(rest)?;
    Some((name, value))
}

/// Bytes with their length before them; a negative length means null.
#[expect(
    clippy::option_option,
    reason = "outer: readable at all, inner: null or not"
)]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(take_varint(rest)?) else {
        return Some(None);
    };
    let bytes = rest.get(..length)?;
    rest.advance(length);
    Some(Some(bytes))
}

/// The records in the plain (decompressed) records section of the batch that `header` heads.
///
/// Count, lengths and offsets are checked; an error is the last item.
pub fn records<'a>(header: &BatchHeader, plain: &'a [u8]) -> Records<'a> {
    let append_time = match header.timestamp_type() {
        TimestampType::LogAppendTime => Some(header.max_timestamp),
        TimestampType::CreateTime => None,
    };
    Records {
        magic: header.magic,
        base_offset: header.base_offset,
        last_offset_delta: header.last_offset_delta,
        base_timestamp: header.base_timestamp,
        append_time,
        count: header.record_count.unwrap_or(0),
        taken: 0,
        rest: plain,
        ended: false,
    }
}

/// Iterates over the records of one batch.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    magic: i8,
    base_offset: i64,
    last_offset_delta: i32,
    base_timestamp: i64,
    append_time: Option<i64>,
    count: u32,
    taken: u32,
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Records<'a> {
    fn take(&mut self) -> Result<Record<'a>, RecordProblem> {
        let length = take_varint(&mut self.rest).ok_or(RecordProblem::Length)?;
        let length = usize::try_from(length).map_err(|_| RecordProblem::Length)?;
        let mut body = self.rest.get(..length).ok_or(RecordProblem::Length)?;
        self.rest.advance(length);
        body = body.get(1..).ok_or(RecordProblem::Length)?;
        let timestamp_delta = take_varlong(&mut body).ok_or(RecordProblem::Timestamp)?;
        let offset_delta = take_varint(&mut body)
            .filter(|delta| (0..=self.last_offset_delta).contains(delta))
            .ok_or(RecordProblem::Offset)?;
        let tail = body;
        let key = take_bytes(&mut body).ok_or(RecordProblem::Key)?;
        let value = take_bytes(&mut body).ok_or(RecordProblem::Value)?;
        let header_count = take_varint(&mut body)
            .and_then(|count| u32::try_from(count).ok())
            .ok_or(RecordProblem::Header)?;
        let record = Record {
            offset: self.base_offset + i64::from(offset_delta),
            // as Java does: a delta may run over
            timestamp: self
                .append_time
                .unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            tail,
            header_count,
            headers: body,
        };
        let mut headers = record.headers();
        headers.by_ref().try_for_each(|header| header.map(drop))?;
        if headers.rest.is_empty() {
            Ok(record)
        } else {
            Err(RecordProblem::Rest)
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let base_offset = self.base_offset;
        if self.magic < 2 {
            self.ended = true;
            let magic = self.magic;
            return Some(Err(RecordError::OldFormat { base_offset, magic }));
        }
        let index = self.taken;
        let taken = if index < self.count {
            self.take()
        } else if self.rest.is_empty() {
            self.ended = true;
            return None;
        } else {
            Err(RecordProblem::Surplus)
        };
        self.taken += 1;
        self.ended = taken.is_err();
        Some(taken.map_err(|problem| RecordError::Record {
            base_offset,
            index,
            problem,
        }))
    }
}

/// Why the inside of a batch can't be read or made.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Magic 0 and 1: to be made a batch of magic 2 first, see [`Modernizer`].
    #[error("batch at offset {base_offset} is in the old format {magic}")]
    OldFormat {
        /// The batch.
        base_offset: i64,
        /// 0 or 1.
        magic: i8,
    },
    /// The header names no known codec.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The compressed bytes can't be read.
    #[error("batch at offset {base_offset}: its {codec} data is damaged: {source}")]
    Decompress {
        /// The batch.
        base_offset: i64,
        /// Its codec.
        codec: Codec,
        /// What the codec says.
        source: std::io::Error,
    },
    /// More plain bytes than the caller allows.
    #[error("batch at offset {base_offset}: its {codec} data holds more than {limit} bytes")]
    TooLarge {
        /// The batch.
        base_offset: i64,
        /// Its codec.
        codec: Codec,
        /// The limit.
        limit: usize,
    },
    /// A record is not what Kafka would write.
    #[error("record {index} of the batch at offset {base_offset}: {problem}")]
    Record {
        /// The batch.
        base_offset: i64,
        /// Which record, from 0.
        index: u32,
        /// What is wrong.
        problem: RecordProblem,
    },
    /// Records can't be put into a batch.
    #[error("no batch can be made at offset {base_offset}: {problem}")]
    Build {
        /// The batch.
        base_offset: i64,
        /// Why not.
        problem: BuildProblem,
    },
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// It is of another format than the message around it.
    #[error("another format than that of its batch")]
    Magic,
    /// Its length is missing, negative or beyond the batch.
    #[error("impossible length")]
    Length,
    /// Its timestamp can't be read.
    #[error("unreadable timestamp")]
    Timestamp,
    /// Its offset can't be read, or lies outside of the batch.
    #[error("offset outside of its batch")]
    Offset,
    /// Its key reaches beyond it.
    #[error("impossible key length")]
    Key,
    /// Its value reaches beyond it.
    #[error("impossible value length")]
    Value,
    /// Its headers are not as many as it says, or reach beyond it.
    #[error("unreadable headers")]
    Header,
    /// There are bytes behind its last header.
    #[error("bytes behind its headers")]
    Rest,
    /// There are bytes behind the last record that the batch's header counts.
    #[error("more bytes than the batch has records")]
    Surplus,
}

/// Why a batch can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildProblem {
    /// There are no records.
    #[error("there are no records")]
    Empty,
    /// It would be larger than a batch can be.
    #[error("{0} bytes are more than a batch can hold")]
    TooLarge(usize),
    /// The codec failed.
    #[error("the codec failed: {0}")]
    Codec(#[source] std::io::Error),
    /// The batch must be encoded anew: the header alone does not do (R20, R21).
    #[error("its header can't be patched, its records must be encoded anew")]
    NotPatchable,
}

#[cfg(test)]
mod tests;
