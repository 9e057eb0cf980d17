//! A segment out of its frames, block by block.

use std::{fmt, io::Read};

use super::{BLOCK, FRAME_BYTES, facts::Facts, padding};
use crate::{
    batch::{Batch, BatchError, BatchProblem, Batches},
    frames::{FrameError, FrameReader},
    index::SegmentEntry,
    json::{Sha256Hasher, Sha256Hex},
    tarball::{ArchiveError, HeaderProblem, check_header},
};

/// A long name's header and text, and the member's own header.
pub(super) const LONGEST_TAR_HEADER: usize = 4 * BLOCK;

/// Reads the batches of one segment from exactly its frames (`position`, `length` of its entry).
///
/// A block is not to be trusted before the last one: the SHA-256 is compared at the end, and checksums of batches are
/// the caller's to check ([`crate::batch::Batch::check_crc`]).
pub struct SegmentReader<'e, R> {
    entry: &'e SegmentEntry,
    frames: FrameReader<R>,
    block: Vec<u8>,
    /// None where the hash was compared before.
    sha256: Option<Sha256Hasher>,
    left: u64,
    offset: i64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Data,
    Ended,
}

impl<'e, R: Read> SegmentReader<'e, R> {
    /// A reader of the segment that `entry` describes; `frames` gives its frames and nothing else.
    pub fn new(entry: &'e SegmentEntry, frames: R) -> Self {
        Self {
            entry,
            frames: FrameReader::new(frames),
            block: Vec::new(),
            sha256: Some(Sha256Hasher::new()),
            left: entry.raw_bytes,
            offset: entry.first_offset,
            state: State::Header,
        }
    }

    /// Does not compute the SHA-256, which takes longer than all the rest: for a segment whose hash was compared a moment
    /// ago. Its frames are checked nevertheless.
    pub fn without_hash(mut self) -> Self {
        self.sha256 = None;
        self
    }

    /// The next batches: whole ones, together at most about 1 MiB unless a single one is larger. `None`: that was
    /// all, and it was all right. After an error there is nothing more.
    pub fn next_block(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        match self.advance() {
            Ok(true) => Ok(Some(&self.block)),
            Ok(false) => Ok(None),
            Err(problem) => {
                self.state = State::Ended;
                Err(ArchiveError::Segment {
                    member: self.entry.member.clone(),
                    topic_partition: self.entry.topic_partition(),
                    offset: self.offset,
                    problem,
                })
            }
        }
    }

    fn advance(&mut self) -> Result<bool, SegmentProblem> {
        if self.state == State::Header {
            self.frame(LONGEST_TAR_HEADER)?;
            check_header(&self.block, &self.entry.member, self.entry.raw_bytes)?;
            self.state = State::Data;
        }
        if self.state == State::Ended {
            return Ok(false);
        }
        if self.left == 0 {
            self.end()?;
            self.state = State::Ended;
            return Ok(false);
        }
        let largest = usize::try_from(self.entry.largest_batch_bytes).unwrap_or(usize::MAX);
        self.frame(largest.max(FRAME_BYTES))?;
        let length = self.block.len() as u64;
        if length == 0 || length > self.left {
            return Err(SegmentProblem::Length {
                expected: self.entry.raw_bytes,
            });
        }
        self.left -= length;
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&self.block);
        }
        self.walk()?;
        Ok(true)
    }

    fn frame(&mut self, limit: usize) -> Result<(), SegmentProblem> {
        if self.frames.next_frame(limit, &mut self.block)? {
            Ok(())
        } else {
            Err(FrameError::Truncated.into())
        }
    }

    /// Frames hold whole batches, so that blocks can be worked on one by one.
    fn walk(&mut self) -> Result<(), SegmentProblem> {
        let mut batches = Batches::new(&self.block);
        for batch in batches.by_ref() {
            self.offset = batch?.header.next_offset();
        }
        let taken = batches.consumed();
        let available = self.block.len() - taken;
        if available > 0 {
            let problem = BatchProblem::Incomplete { available };
            return Err(BatchError::new(None, problem).at(taken).into());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SegmentProblem> {
        if let Some(zeros) = padding(self.entry.raw_bytes) {
            self.frame(zeros.len())?;
            if self.block != zeros {
                return Err(SegmentProblem::Padding);
            }
        }
        if !self.frames.at_end().map_err(FrameError::Read)? {
            return Err(FrameError::Surplus.into());
        }
        let Some(found) = self.sha256.take().map(Sha256Hasher::finish) else {
            return Ok(());
        };
        if found != self.entry.sha256 {
            return Err(SegmentProblem::Sha256 {
                expected: self.entry.sha256.clone(),
                found,
            });
        }
        Ok(())
    }
}

impl<R> fmt::Debug for SegmentReader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentReader")
            .field("member", &self.entry.member)
            .field("left", &self.left)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Reads a whole segment and checks everything that can be checked without decoding records: what
/// [`SegmentReader`] does, the checksum and order of every batch, and what the entry says of them (offsets, holes,
/// counts, times, epochs). Gives each batch to `observe`.
pub fn check_segment<R: Read>(
    entry: &SegmentEntry,
    frames: R,
    mut observe: impl FnMut(&Batch<'_>),
) -> Result<(), ArchiveError> {
    let fail = |offset, problem| ArchiveError::Segment {
        member: entry.member.clone(),
        topic_partition: entry.topic_partition(),
        offset,
        problem,
    };
    let leading_hole = entry.holes.listed().first();
    let at = leading_hole.filter(|hole| hole.end == entry.first_offset);
    let mut facts = Facts::new(at.map_or(entry.first_offset, |hole| hole.start));
    let mut reader = SegmentReader::new(entry, frames);
    while let Some(block) = reader.next_block()? {
        let mut batches = Batches::new(block);
        loop {
            let position = batches.consumed();
            let Some(batch) = batches.next() else { break };
            let at = |error: BatchError| fail(facts.next_offset, error.at(position).into());
            let batch = batch.map_err(at)?;
            batch.check_crc().map_err(at)?;
            if let Err(problem) = facts.observe(&batch.header) {
                let error = BatchError::new(Some(batch.header.base_offset), problem);
                return Err(fail(facts.next_offset, error.at(position).into()));
            }
            observe(&batch);
        }
    }
    let next_offset = facts.next_offset;
    let found = facts.into_entry(
        &entry.topic_partition(),
        entry.topic_id,
        entry.length,
        entry.sha256.clone(),
    );
    let found = SegmentEntry {
        position: entry.position,
        // what the batches were compressed with is not to be seen any more
        codecs: entry.codecs.clone(),
        ..found
    };
    match entry.difference(&found) {
        None => Ok(()),
        Some(field) => Err(fail(next_offset, SegmentProblem::Facts { field })),
    }
}

/// What is wrong with a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentProblem {
    /// A frame can't be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Its tar header is another's.
    #[error("tar header: {0}")]
    Header(#[from] HeaderProblem),
    /// A batch is damaged.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Its frames hold more than it should, or nothing.
    #[error("its frames do not come to {expected} bytes")]
    Length {
        /// What the index says.
        expected: u64,
    },
    /// What fills the last block of tar is not zeros.
    #[error("its padding is not zeros")]
    Padding,
    /// Its bytes are not those that were stored.
    #[error("its SHA-256 is {found}, the index says {expected}")]
    Sha256 {
        /// What the index says.
        expected: Sha256Hex,
        /// What its bytes come to.
        found: Sha256Hex,
    },
    /// Its batches are not what the index says of them.
    #[error("its batches and the index differ in {field}")]
    Facts {
        /// The first field that differs.
        field: &'static str,
    },
}
