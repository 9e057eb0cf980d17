//! Segments: runs of consecutive batches of one topic-partition, each a member of an archive.

use std::fmt;

use bytes::Bytes;

use crate::{
    batch::{Batch, BatchError, BatchHeader, BatchProblem, Batches, Codec},
    index::SegmentEntry,
    json::Sha256Hasher,
    records::Repacker,
    words::{TopicId, TopicPartition},
};

mod facts;
mod reader;
mod salvage;

pub use crate::frames::FrameCompressor;
use facts::Facts;
pub use reader::{SegmentProblem, SegmentReader, check_segment};
pub use salvage::{Salvaged, salvage_segment};

/// A frame holds whole batches of together no more than this, unless a single batch is larger.
pub const FRAME_BYTES: usize = 1 << 20;
/// A segment stays below this (R10).
const MOST_BYTES: u64 = 1 << 30;
/// The offsets of a segment stay closer to its base than this (R10).
const MOST_OFFSETS: i64 = i32::MAX as i64;
/// tar's unit.
pub(crate) const BLOCK: usize = 512;

/// The name of the member that begins with `first_offset`: `orders-3/00000000000000000000.log`.
pub fn member_name(topic_partition: &TopicPartition, first_offset: i64) -> String {
    format!("{topic_partition}/{first_offset:020}.log")
}

/// Takes batches as they are fetched and turns them into the frames of a segment.
pub struct SegmentBuilder {
    topic_partition: TopicPartition,
    topic_id: TopicId,
    facts: Facts,
    sha256: Sha256Hasher,
    /// Whole batches that wait for a frame to be full.
    pending: Vec<u8>,
    frames: Vec<Bytes>,
    frame_bytes: u64,
}

/// A finished segment, to be appended to an archive.
#[derive(Clone, Debug)]
pub struct ClosedSegment {
    /// What the index will say of it. `position` is 0 and `length` lacks the tar header until
    /// [`crate::tarball::ArchiveBuilder::append`].
    pub entry: SegmentEntry,
    /// The data frames and, where it is needed, the frame that pads to tar's block size.
    pub frames: Vec<Bytes>,
}

impl SegmentBuilder {
    /// A segment of `topic_partition` that begins at offset `at`: what is missing from there to its first batch is a
    /// hole (R3). The first batch may also begin before `at` (R1).
    pub fn new(topic_partition: TopicPartition, topic_id: TopicId, at: i64) -> Self {
        Self {
            topic_partition,
            topic_id,
            facts: Facts::new(at),
            sha256: Sha256Hasher::new(),
            pending: Vec::new(),
            frames: Vec::new(),
            frame_bytes: 0,
        }
    }

    /// Adds whole batches. Each one's checksum and order is checked (R7).
    ///
    /// After an error, all batches before the one that it names have been added.
    pub fn push(
        &mut self,
        batches: &[u8],
        compressor: &mut FrameCompressor,
    ) -> Result<(), BatchError> {
        let taken = self.take(batches, u64::MAX, compressor)?;
        if taken == batches.len() {
            return Ok(());
        }
        let rest = &batches[taken..];
        let header = BatchHeader::parse(rest).map_err(|error| error.at(taken))?;
        let full = header
            .as_ref()
            .is_some_and(|header| header.size <= rest.len());
        let problem = if full {
            BatchProblem::SegmentFull
        } else {
            let available = rest.len();
            BatchProblem::Incomplete { available }
        };
        Err(BatchError::new(header.map(|header| header.base_offset), problem).at(taken))
    }

    /// Like [`Self::push`], but stops before the batch that the segment must not hold any more, because it has
    /// `target_bytes` already or by R10, and before an incomplete one. Tells how many bytes it took.
    pub fn take(
        &mut self,
        batches: &[u8],
        target_bytes: u64,
        compressor: &mut FrameCompressor,
    ) -> Result<usize, BatchError> {
        let mut walk = Batches::new(batches);
        // [framed, accepted) was checked and is not yet in a frame
        let mut framed = 0;
        let mut accepted = 0;
        let outcome = loop {
            let batch = match walk.next() {
                None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(batch)) => batch,
            };
            let full = self.raw_bytes() >= target_bytes || self.must_close_before(&batch.header);
            if full && !self.is_empty() {
                break Ok(());
            }
            if let Err(error) = self.accept(&batch) {
                break Err(error.at(accepted));
            }
            let waiting = self.pending.len() + accepted - framed;
            if waiting > 0 && waiting + batch.bytes.len() > FRAME_BYTES {
                self.close_frame(&batches[framed..accepted], compressor);
                framed = accepted;
            }
            accepted += batch.bytes.len();
        };
        if self.pending.is_empty() && accepted - framed >= FRAME_BYTES / 4 * 3 {
            self.close_frame(&batches[framed..accepted], compressor);
        } else {
            self.pending.extend_from_slice(&batches[framed..accepted]);
        }
        outcome.map(|()| accepted)
    }

    /// Like [`Self::take`], but keeps batches uncompressed where `repacker` can; the index says what they were (R27).
    pub fn take_repacked(
        &mut self,
        batches: &[u8],
        target_bytes: u64,
        compressor: &mut FrameCompressor,
        repacker: &mut Repacker,
    ) -> Result<usize, BatchError> {
        let mut taken = 0;
        for batch in Batches::new(batches) {
            let batch = batch?;
            // what was stored by Kafka, before there is another checksum (R7)
            batch.check_crc().map_err(|error| error.at(taken))?;
            let codec = batch.header.codec();
            let repacked = repacker.repack(&batch);
            let bytes = repacked.unwrap_or(batch.bytes);
            let header = BatchHeader::parse(bytes)?.unwrap_or_else(|| batch.header.clone());
            let codec = codec?;
            let full = self.raw_bytes() >= target_bytes
                || self.must_close_before(&header)
                || self
                    .facts
                    .lacks_room_for(&header, codec, repacked.is_some());
            if full && !self.is_empty() {
                break;
            }
            self.facts
                .observe(&header)
                .map_err(|problem| BatchError::new(Some(header.base_offset), problem).at(taken))?;
            self.facts
                .was_compressed(&header, codec, repacked.is_some());
            self.sha256.update(bytes);
            if !self.pending.is_empty() && self.pending.len() + bytes.len() > FRAME_BYTES {
                self.close_frame(&[], compressor);
            }
            self.pending.extend_from_slice(bytes);
            if self.pending.len() >= FRAME_BYTES {
                self.close_frame(&[], compressor);
            }
            taken += batch.bytes.len();
        }
        Ok(taken)
    }

    fn accept(&mut self, batch: &Batch<'_>) -> Result<(), BatchError> {
        batch.check_crc()?;
        self.facts
            .observe(&batch.header)
            .map_err(|problem| BatchError::new(Some(batch.header.base_offset), problem))?;
        self.sha256.update(batch.bytes);
        Ok(())
    }

    fn close_frame(&mut self, run: &[u8], compressor: &mut FrameCompressor) {
        let frame = if self.pending.is_empty() {
            compressor.compress_batches(run, codec_of(run))
        } else {
            // given back at once: thousands of partitions may wait
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(run);
            compressor.compress_batches(&pending, codec_of(&pending))
        };
        self.frame_bytes += frame.len() as u64;
        self.frames.push(frame);
    }

    /// Bytes of the batches so far.
    pub fn raw_bytes(&self) -> u64 {
        self.facts.raw_bytes
    }

    /// Bytes of the frames so far, and of the batches that wait for one.
    pub fn stored_bytes(&self) -> u64 {
        self.frame_bytes + self.pending.len() as u64
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> u64 {
        self.frame_bytes + self.pending.capacity() as u64 + self.facts.memory()
    }

    /// One more than the last offset; where it begins, while it is empty.
    pub fn next_offset(&self) -> i64 {
        self.facts.next_offset
    }

    /// Whether `header` has no place in it any more: 1 GiB, or 2³¹−1 offsets from its base (R10).
    pub fn must_close_before(&self, header: &BatchHeader) -> bool {
        let Some(first_offset) = self.facts.first_offset else {
            return false;
        };
        self.raw_bytes() + header.size as u64 >= MOST_BYTES
            || header.last_offset().saturating_sub(first_offset) >= MOST_OFFSETS
    }

    /// Whether it has no batch yet.
    pub fn is_empty(&self) -> bool {
        self.facts.batch_count == 0
    }

    /// The partition that it belongs to.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// Closes it.
    pub fn finish(mut self, compressor: &mut FrameCompressor) -> ClosedSegment {
        if !self.pending.is_empty() {
            self.close_frame(&[], compressor);
        }
        let raw_bytes = self.facts.raw_bytes;
        if let Some(padding) = padding(raw_bytes) {
            let frame = compressor.compress(padding);
            self.frame_bytes += frame.len() as u64;
            self.frames.push(frame);
        }
        let sha256 = self.sha256.finish();
        let entry = self.facts.into_entry(
            &self.topic_partition,
            self.topic_id,
            self.frame_bytes,
            sha256,
        );
        ClosedSegment {
            entry,
            frames: self.frames,
        }
    }
}

impl fmt::Debug for SegmentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentBuilder")
            .field("topic_partition", &self.topic_partition)
            .field("next_offset", &self.next_offset())
            .field("raw_bytes", &self.raw_bytes())
            .finish_non_exhaustive()
    }
}

/// The codec of the first batch: those behind it most often have the same.
fn codec_of(batches: &[u8]) -> Codec {
    let header = BatchHeader::parse(batches).ok().flatten();
    header
        .and_then(|header| header.codec().ok())
        .unwrap_or(Codec::None)
}

/// The zeros behind `size` bytes of a tar member, where there must be any.
pub(crate) fn padding(size: u64) -> Option<&'static [u8]> {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (over > 0).then(|| &ZEROS[over..])
}

#[cfg(test)]
mod tests;
