//! Record batches as Kafka stores them: header fields and checksum, nothing decoded.
//!
//! A fetched answer, a log segment and a member of an archive are all the same thing: batches, one after another.

use std::fmt;

use bytes::Buf;
use serde::{Deserialize, Serialize};

use crate::varint::{take_varint, take_varlong};

/// Bytes before the part that a batch's length field counts: base offset and length.
const LEAD: usize = 12;
/// Bytes up to and including the magic byte, which stands at the same place in every version.
const TO_MAGIC: usize = 17;
/// Bytes of a magic 2 header; the records follow.
pub(crate) const HEADER_SIZE: usize = 61;
/// A magic 0 message without key and value.
const SMALLEST_MAGIC_0: usize = 26;
/// A magic 1 message without key and value.
const SMALLEST_MAGIC_1: usize = 34;
/// Where the part begins that the checksum of magic 2 covers.
pub(crate) const CRC_FROM: usize = 21;
/// The same for magic 0 and 1.
const OLD_CRC_FROM: usize = 16;

pub(crate) const CODEC_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
pub(crate) const TRANSACTIONAL: i16 = 0x10;
pub(crate) const CONTROL: i16 = 0x20;
pub(crate) const DELETE_HORIZON: i16 = 0x40;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, mostly in xerial's framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// Every codec, by its number in the attributes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its number in the attributes of a batch.
    pub const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

/// As Kafka names it in `compression.type`.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// Who set the time of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker: consumers see the batch's largest timestamp for every record.
    LogAppendTime,
}

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// The transaction of its producer id is aborted.
    Abort,
    /// The transaction of its producer id is committed.
    Commit,
    /// Something that is not about transactions (a KRaft leader change, …).
    Other(i16),
    /// Nothing any more: compaction took the marker, and all of its transaction before it.
    Empty,
}

/// The header fields of a batch (magic 2) or of a message that stands for one (magic 0 and 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record. A compressed message of magic 0 or 1 has the offset of its *last* record here.
    pub base_offset: i64,
    /// Bytes of the whole batch, the 12 leading ones included.
    pub size: usize,
    /// The leader epoch it was written in; −1 for magic 0 and 1.
    pub leader_epoch: i32,
    /// The version of the format: 0, 1 or 2.
    pub magic: i8,
    /// The stored checksum: CRC-32C for magic 2, CRC-32 for 0 and 1.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: i16,
    /// Last offset less base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamps count from; −1 for magic 0.
    pub base_timestamp: i64,
    /// The largest timestamp, or the append time; −1 for magic 0.
    pub max_timestamp: i64,
    /// The producer's id; −1 where it has none.
    pub producer_id: i64,
    /// The producer's epoch; −1 where it has none.
    pub producer_epoch: i16,
    /// The sequence number of the first record; −1 where it has none.
    pub base_sequence: i32,
    /// How many records; `None` for compressed messages of magic 0 and 1, which do not tell.
    pub record_count: Option<u32>,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which need not hold the whole batch. `None`: too few bytes.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, BatchError> {
        if bytes.len() < TO_MAGIC {
            return Ok(None);
        }
        let mut lead = bytes;
        let base_offset = lead.get_i64();
        let length = lead.get_i32();
        let magic = bytes[TO_MAGIC - 1].cast_signed();
        let fail = |problem| BatchError::new(Some(base_offset), problem);
        let smallest = match magic {
            0 => SMALLEST_MAGIC_0,
            1 => SMALLEST_MAGIC_1,
            2 => HEADER_SIZE,
            _ => return Err(fail(BatchProblem::Magic(magic))),
        };
        let size = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LEAD));
        let size = size
            .filter(|&size| size >= smallest)
            .ok_or_else(|| fail(BatchProblem::Length(length)))?;
        if bytes.len() < smallest {
            return Ok(None);
        }
        let header = if magic == 2 {
            Self::parse_current(bytes, base_offset, size)
        } else {
            Ok(Self::parse_old(bytes, base_offset, size, magic))
        };
        let header = header.map_err(fail)?;
        if base_offset < 0 || header.checked_next_offset().is_none() {
            return Err(fail(BatchProblem::Offsets {
                last_offset_delta: header.last_offset_delta,
            }));
        }
        Ok(Some(header))
    }

    fn parse_current(bytes: &[u8], base_offset: i64, size: usize) -> Result<Self, BatchProblem> {
        let mut rest = &bytes[LEAD..];
        let leader_epoch = rest.get_i32();
        let magic = rest.get_i8();
        let crc = rest.get_u32();
        let attributes = rest.get_i16();
        let last_offset_delta = rest.get_i32();
        let base_timestamp = rest.get_i64();
        let max_timestamp = rest.get_i64();
        let producer_id = rest.get_i64();
        let producer_epoch = rest.get_i16();
        let base_sequence = rest.get_i32();
        let record_count = rest.get_i32();
        if last_offset_delta < 0 {
            return Err(BatchProblem::Offsets { last_offset_delta });
        }
        let record_count =
            u32::try_from(record_count).map_err(|_| BatchProblem::RecordCount(record_count))?;
        Ok(Self {
            base_offset,
            size,
            leader_epoch,
            magic,
            crc,
            attributes,
            last_offset_delta,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            record_count: Some(record_count),
        })
    }

    fn parse_old(bytes: &[u8], base_offset: i64, size: usize, magic: i8) -> Self {
        let mut rest = &bytes[LEAD..];
        let crc = rest.get_u32();
        rest.advance(1);
        let attributes = i16::from(rest.get_i8());
        let timestamp = if magic == 1 { rest.get_i64() } else { -1 };
        let compressed = attributes & CODEC_MASK != 0;
        Self {
            base_offset,
            size,
            leader_epoch: -1,
            magic,
            crc,
            attributes,
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: (!compressed).then_some(1),
        }
    }

    fn checked_next_offset(&self) -> Option<i64> {
        self.base_offset
            .checked_add(i64::from(self.last_offset_delta))?
            .checked_add(1)
    }

    /// Offset of the last record, whether compaction has taken it or not.
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// One more than the last offset.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether the base offset is that of the *last* record: compressed messages of magic 0 and 1 (R7).
    pub fn hides_first_offset(&self) -> bool {
        self.record_count.is_none()
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        let bits = self.attributes & CODEC_MASK;
        Codec::ALL
            .into_iter()
            .find(|codec| codec.bits() == bits)
            .ok_or_else(|| BatchError::new(Some(self.base_offset), BatchProblem::Codec(bits)))
    }

    /// Who set the records' time.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic > 0 && self.attributes & LOG_APPEND_TIME != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    fn flag(&self, flag: i16) -> bool {
        self.magic >= 2 && self.attributes & flag != 0
    }

    /// Whether it belongs to a transaction; so do the markers.
    pub fn is_transactional(&self) -> bool {
        self.flag(TRANSACTIONAL)
    }

    /// Whether it holds control records (a marker), which no consumer sees.
    pub fn is_control(&self) -> bool {
        self.flag(CONTROL)
    }

    /// Whether the base timestamp is the time from which compaction may take its tombstones or marker (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.flag(DELETE_HORIZON)
    }

    /// Whether the header alone proves that no offset inside is missing (R21).
    pub fn is_gap_free(&self) -> bool {
        i64::from(self.last_offset_delta) + 1 == self.record_count.map_or(-1, i64::from)
    }
}

/// A whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its header fields.
    pub header: BatchHeader,
    /// All of its bytes, header included.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the front of `bytes`. `None`: it is not all there.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, BatchError> {
        let Some(header) = BatchHeader::parse(bytes)? else {
            return Ok(None);
        };
        Ok(bytes.get(..header.size).map(|bytes| Self { header, bytes }))
    }

    /// Checks the stored checksum (R7).
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = if self.header.magic >= 2 {
            crc_fast::crc32_iscsi(&self.bytes[CRC_FROM..])
        } else {
            crc_fast::crc32_iso_hdlc(&self.bytes[OLD_CRC_FROM..])
        };
        if computed == self.header.crc {
            return Ok(());
        }
        Err(BatchError::new(
            Some(self.header.base_offset),
            BatchProblem::Crc {
                stored: self.header.crc,
                computed,
            },
        ))
    }

    /// What a control batch says. Meaningless for others.
    pub fn control_type(&self) -> Result<ControlType, BatchError> {
        if self.header.record_count == Some(0) {
            return Ok(ControlType::Empty);
        }
        self.control_key()
            .map(|key| match key {
                0 => ControlType::Abort,
                1 => ControlType::Commit,
                other => ControlType::Other(other),
            })
            .ok_or_else(|| {
                BatchError::new(Some(self.header.base_offset), BatchProblem::ControlRecord)
            })
    }

    /// The type in the key (version, type) of the first record.
    fn control_key(&self) -> Option<i16> {
        if self.header.attributes & CODEC_MASK != 0 {
            return None;
        }
        let mut rest = self.bytes.get(HEADER_SIZE..)?;
        take_varint(&mut rest)?;
        rest = rest.get(1..)?;
        take_varlong(&mut rest)?;
        take_varint(&mut rest)?;
        let key_length = take_varint(&mut rest)?;
        let mut key = rest.get(..4).filter(|_| key_length >= 4)?;
        key.advance(2);
        Some(key.get_i16())
    }
}

/// The whole batches at the front of some bytes; an incomplete one at the end is passed over in silence (R1).
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`, which begins with one.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            failed: false,
        }
    }

    /// Where the next batch begins; at the end, where the incomplete tail does.
    pub fn consumed(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::parse(&self.bytes[self.position..]) {
            Ok(Some(batch)) => {
                self.position += batch.header.size;
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error.at(self.position)))
            }
        }
    }
}

/// A batch that is not what Kafka would store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batch at byte {position}{}: {problem}", offset_text(*base_offset))]
pub struct BatchError {
    /// Where it begins in the bytes that were given.
    pub position: usize,
    /// Its base offset, where that was read.
    pub base_offset: Option<i64>,
    /// What is wrong.
    pub problem: BatchProblem,
}

fn offset_text(base_offset: Option<i64>) -> String {
    base_offset.map_or_else(String::new, |offset| format!(", offset {offset}"))
}

impl BatchError {
    pub(crate) fn new(base_offset: Option<i64>, problem: BatchProblem) -> Self {
        Self {
            position: 0,
            base_offset,
            problem,
        }
    }

    /// The same error of a batch that begins at `position`.
    pub(crate) fn at(self, position: usize) -> Self {
        Self { position, ..self }
    }
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchProblem {
    /// A format that is not known.
    #[error("unknown magic {0}")]
    Magic(i8),
    /// The length field is negative, or too small for a header.
    #[error("impossible length {0}")]
    Length(i32),
    /// Negative offsets, or beyond what 64 bits hold.
    #[error("impossible offsets, last offset delta {last_offset_delta}")]
    Offsets {
        /// The header's field.
        last_offset_delta: i32,
    },
    /// A negative number of records.
    #[error("impossible record count {0}")]
    RecordCount(i32),
    /// A codec that is not known.
    #[error("unknown codec {0}")]
    Codec(i16),
    /// The bytes are not those that the checksum was made of.
    #[error("checksum mismatch: stored {stored:08x}, computed {computed:08x}")]
    Crc {
        /// What the batch says.
        stored: u32,
        /// What its bytes come to.
        computed: u32,
    },
    /// A control batch whose first record has no readable key.
    #[error("control record without a type")]
    ControlRecord,
    /// It does not follow the batch before it.
    #[error("offsets up to {last_offset} where {expected} or more was expected")]
    Order {
        /// Its last offset.
        last_offset: i64,
        /// The smallest offset that would have been in order.
        expected: i64,
    },
    /// The bytes end inside it.
    #[error("only {available} bytes of it are there")]
    Incomplete {
        /// How many bytes are there.
        available: usize,
    },
    /// The segment has no room for it: 1 GiB, or offsets too far from its base (R10).
    #[error("the segment must end before it")]
    SegmentFull,
}

#[cfg(test)]
mod tests;
