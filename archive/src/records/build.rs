//! Batches for Produce: patched in the header (R20, R21), or made anew from records.

use std::io::{self, Write};

use bytes::{BufMut, Bytes};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{BuildProblem, RecordError, decompress::XERIAL_MAGIC};
use crate::{
    batch::{
        Batch, BatchHeader, CONTROL, CRC_FROM, Codec, DELETE_HORIZON, HEADER_SIZE, LOG_APPEND_TIME,
        TRANSACTIONAL, TimestampType,
    },
    varint::{put_varlong, take_varint, take_varlong, varlong_size},
};

/// snappy-java's block size.
const SNAPPY_BLOCK: usize = 32 << 10;
const ZSTD_LEVEL: i32 = 3;
const NO_LEADER_EPOCH: i32 = -1;

/// Under which producer, and where, a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The producer's id; −1 for none.
    pub producer_id: i64,
    /// Its epoch; −1 for none.
    pub producer_epoch: i16,
    /// The sequence number of the first record; −1 for none.
    pub base_sequence: i32,
    /// The base offset in the header (the broker sets its own).
    pub base_offset: i64,
}

impl Produced {
    /// No producer id: neither idempotent nor transactional.
    pub const ANONYMOUS: Self = Self {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        base_offset: 0,
    };
}

/// How a stored batch gets through Produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It holds nothing for a consumer: a control batch, or no records.
    Skip,
    /// [`patch_for_produce`] does.
    Patch,
    /// Its records must be encoded anew with [`BatchBuilder`].
    Encode,
}

/// How `batch` gets through Produce (R20, R21). Transactions are not looked at.
pub fn passage(batch: &Batch<'_>) -> Passage {
    let header = &batch.header;
    if header.is_control() || header.record_count == Some(0) {
        Passage::Skip
    } else if header.magic < 2 || !header.is_gap_free() {
        Passage::Encode
    } else if header.timestamp_type() == TimestampType::CreateTime || stamps_its_only_record(batch)
    {
        Passage::Patch
    } else {
        Passage::Encode
    }
}

/// Whether the base timestamp is exactly the time of the only record, as can be seen without decompression.
fn stamps_its_only_record(batch: &Batch<'_>) -> bool {
    let first_delta = || {
        let mut record = batch.bytes.get(HEADER_SIZE..)?;
        take_varint(&mut record)?;
        take_varlong(&mut record.get(1..)?)
    };
    let plain = batch.header.codec().is_ok_and(|codec| codec == Codec::None);
    batch.header.record_count == Some(1) && plain && first_delta() == Some(0)
}

/// A copy of `batch` as its new producer would send it: another producer, base offset and checksum, no leader epoch,
/// not transactional, no delete horizon, CreateTime. Refused where that would not be enough (R20, R21).
pub fn patch_for_produce(batch: &Batch<'_>, produced: Produced) -> Result<Bytes, RecordError> {
    if passage(batch) != Passage::Patch {
        return Err(RecordError::Build {
            base_offset: batch.header.base_offset,
            problem: BuildProblem::NotPatchable,
        });
    }
    let mut header = batch.header.clone();
    if header.timestamp_type() == TimestampType::LogAppendTime {
        header.base_timestamp = header.max_timestamp;
    }
    header.attributes &= !(TRANSACTIONAL | DELETE_HORIZON | LOG_APPEND_TIME);
    let mut bytes = Vec::with_capacity(batch.bytes.len());
    put_header(&mut bytes, &header, produced);
    bytes.extend_from_slice(&batch.bytes[HEADER_SIZE..]);
    seal(&mut bytes);
    Ok(bytes.into())
}

/// Writes the header of a magic 2 batch; length and checksum are left to [`seal`].
pub(super) fn put_header(out: &mut Vec<u8>, header: &BatchHeader, produced: Produced) {
    out.put_i64(produced.base_offset);
    out.put_i32(0);
    out.put_i32(NO_LEADER_EPOCH);
    out.put_i8(2);
    out.put_u32(0);
    out.put_i16(header.attributes);
    out.put_i32(header.last_offset_delta);
    out.put_i64(header.base_timestamp);
    out.put_i64(header.max_timestamp);
    out.put_i64(produced.producer_id);
    out.put_i16(produced.producer_epoch);
    out.put_i32(produced.base_sequence);
    out.put_u32(header.record_count.unwrap_or(0));
}

/// Fills in length and checksum. The caller has seen that the length fits.
pub(super) fn seal(bytes: &mut [u8]) {
    let length = u32::try_from(bytes.len() - 12).unwrap_or(u32::MAX);
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&bytes[CRC_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varlong(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    out.extend_from_slice(bytes);
}

/// Writes a record with the key, value and headers of `tail` (see [`super::Record::tail`]).
pub(super) fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i64, tail: &[u8]) {
    let length = 1 + varlong_size(timestamp_delta) + varlong_size(offset_delta) + tail.len();
    put_varlong(out, i64::try_from(length).unwrap_or(i64::MAX));
    out.push(0);
    put_varlong(out, timestamp_delta);
    put_varlong(out, offset_delta);
    out.extend_from_slice(tail);
}

/// Writes the tail of a record without headers.
pub(super) fn put_pair(tail: &mut Vec<u8>, key: Option<&[u8]>, value: Option<&[u8]>) {
    for part in [key, value] {
        match part {
            None => put_varlong(tail, -1),
            Some(bytes) => put_bytes(tail, bytes),
        }
    }
    put_varlong(tail, 0);
}

/// Makes batches (magic 2, CreateTime) out of records, one after another.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    plain: Vec<u8>,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// One that compresses with `codec`.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            plain: Vec::new(),
            count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
        }
    }

    /// Adds a record with the time `timestamp` and the key, value and headers of `tail` (see [`super::Record::tail`]).
    pub fn push(&mut self, timestamp: i64, tail: &[u8]) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        put_record(
            &mut self.plain,
            timestamp_delta,
            i64::from(self.count),
            tail,
        );
        self.count += 1;
    }

    /// Adds a record with this key and value and no headers.
    pub fn push_pair(&mut self, timestamp: i64, key: Option<&[u8]>, value: &[u8]) {
        let mut tail = Vec::with_capacity(value.len() + 16);
        put_pair(&mut tail, key, Some(value));
        self.push(timestamp, &tail);
    }

    /// The batch of all records so far as a leader of this epoch has it in its log, the metadata log being one; with
    /// `control`, as one that no client sees. Afterwards the builder is empty.
    pub fn finish_for_log(
        &mut self,
        base_offset: i64,
        leader_epoch: i32,
        control: bool,
    ) -> Result<Bytes, RecordError> {
        let produced = Produced {
            base_offset,
            ..Produced::ANONYMOUS
        };
        let mut bytes = self.finish(produced)?.to_vec();
        bytes[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
        if control {
            let attributes = self.codec.bits() | CONTROL;
            bytes[CRC_FROM..CRC_FROM + 2].copy_from_slice(&attributes.to_be_bytes());
            seal(&mut bytes);
        }
        Ok(bytes.into())
    }

    /// Bytes of the batch if it were not compressed.
    pub fn estimated_size(&self) -> usize {
        HEADER_SIZE + self.plain.len()
    }

    /// Bytes that it holds on to.
    pub fn capacity(&self) -> usize {
        self.plain.capacity()
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Records so far.
    pub fn record_count(&self) -> u32 {
        self.count
    }

    /// How the batches are compressed.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The batch of all records so far. Afterwards the builder is empty.
    pub fn finish(&mut self, produced: Produced) -> Result<Bytes, RecordError> {
        let built = self.build(produced);
        self.plain.clear();
        self.count = 0;
        built
            .map(Bytes::from)
            .map_err(|problem| RecordError::Build {
                base_offset: produced.base_offset,
                problem,
            })
    }

    fn build(&self, produced: Produced) -> Result<Vec<u8>, BuildProblem> {
        let last_offset_delta = self.count.checked_sub(1).ok_or(BuildProblem::Empty)?;
        let too_large = |size| BuildProblem::TooLarge(size);
        let header = BatchHeader {
            base_offset: produced.base_offset,
            size: 0,
            leader_epoch: NO_LEADER_EPOCH,
            magic: 2,
            crc: 0,
            attributes: self.codec.bits(),
            last_offset_delta: i32::try_from(last_offset_delta)
                .map_err(|_| too_large(self.plain.len()))?,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: produced.producer_id,
            producer_epoch: produced.producer_epoch,
            base_sequence: produced.base_sequence,
            record_count: Some(self.count),
        };
        let mut bytes = Vec::new();
        put_header(&mut bytes, &header, produced);
        compress(self.codec, &self.plain, &mut bytes).map_err(BuildProblem::Codec)?;
        i32::try_from(bytes.len()).map_err(|_| too_large(bytes.len()))?;
        seal(&mut bytes);
        Ok(bytes)
    }
}

/// Appends `plain`, compressed as Kafka's Java client reads it.
fn compress(codec: Codec, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match codec {
        Codec::None => out.extend_from_slice(plain),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(plain)?;
            encoder.finish()?;
        }
        Codec::Snappy => {
            out.extend_from_slice(XERIAL_MAGIC);
            out.put_u32(1);
            out.put_u32(1);
            let mut encoder = snap::raw::Encoder::new();
            for block in plain.chunks(SNAPPY_BLOCK) {
                let compressed = encoder.compress_vec(block)?;
                out.put_u32(u32::try_from(compressed.len()).map_err(io::Error::other)?);
                out.extend_from_slice(&compressed);
            }
        }
        Codec::Lz4 => {
            // Java reads independent blocks only
            let frame = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(frame, out);
            encoder.write_all(plain)?;
            encoder.finish()?;
        }
        Codec::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
            encoder.set_pledged_src_size(Some(plain.len() as u64))?;
            encoder.write_all(plain)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
