//! Archives: segments in a tar of zstd frames, with an index that two ranged reads find.

use std::fmt::{self, Write};

use bytes::Bytes;
use ulid::Ulid;

use crate::{
    index::ArchiveIndex,
    json::{self, JsonError, Xxh3Hasher, Xxh3Hex},
    segment::{BLOCK, ClosedSegment, FrameCompressor, SegmentProblem, padding},
    words::{Timestamp, TopicPartition},
};

mod documents;
mod footer;
mod header;

pub use crate::frames::{FrameError, compress_frame, decompress_frame};
pub use documents::{DocumentsProblem, documents_archive, read_documents};
pub use footer::{ArchiveFooter, FooterProblem};
pub use header::HeaderProblem;
pub(crate) use header::check_header;

/// tar headers are small: any level does.
const HEADER_LEVEL: i32 = 1;
/// What ends a tar.
const ZERO_BLOCKS: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Puts an archive together. It holds only the index; what it gives back is to be written in that order.
pub struct ArchiveBuilder {
    index: ArchiveIndex,
    modified: u64,
    size: u64,
    xxh3_128: Xxh3Hasher,
    headers: FrameCompressor,
}

/// The end of an archive, and what it has come to.
#[derive(Clone, Debug)]
pub struct FinishedArchive {
    /// What is still to be written, in order.
    pub tail: Vec<Bytes>,
    /// Its table of contents, as it stands in the tail.
    pub index: ArchiveIndex,
    /// Bytes of the whole archive.
    pub size: u64,
    /// XXH3-128 of the whole archive.
    pub xxh3_128: Xxh3Hex,
}

impl ArchiveBuilder {
    /// An empty archive of that name. `created_at` is also the time that its members bear.
    pub fn new(ulid: Ulid, created_at: Timestamp) -> Self {
        Self {
            index: ArchiveIndex {
                archive: ulid.to_string(),
                created_at,
                segments: Vec::new(),
            },
            modified: u64::try_from(created_at.as_millis() / 1_000).unwrap_or(0),
            size: 0,
            xxh3_128: Xxh3Hasher::new(),
            headers: FrameCompressor::new(HEADER_LEVEL),
        }
    }

    /// Adds a segment. Its frames, tar header first, are to be written now.
    pub fn append(&mut self, segment: ClosedSegment) -> Vec<Bytes> {
        let ClosedSegment { mut entry, frames } = segment;
        entry.position = self.size;
        let mut member = vec![self.header(&entry.member, entry.raw_bytes)];
        member.extend(frames);
        self.account(&member);
        entry.length = self.size - entry.position;
        self.index.segments.push(entry);
        member
    }

    fn header(&mut self, member: &str, size: u64) -> Bytes {
        let header = header::member_header(member, size, self.modified);
        self.headers.compress(&header)
    }

    fn account(&mut self, frames: &[Bytes]) {
        for frame in frames {
            self.size += frame.len() as u64;
            self.xxh3_128.update(frame);
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Segments so far.
    pub fn segment_count(&self) -> usize {
        self.index.segments.len()
    }

    /// Ends it: checksums, index, the end of the tar and the footer.
    pub fn finish(mut self, compressor: &mut FrameCompressor) -> FinishedArchive {
        let sums = self.member("sha256", &self.sums(), compressor);
        self.account(&sums);
        let index = self.member("index.json", &json::to_vec_pretty(&self.index), compressor);
        let index_position = self.size + index[0].len() as u64;
        let index_length = index[1].len() as u64;
        self.account(&index);
        let end = [
            compressor.compress(&ZERO_BLOCKS),
            Bytes::from(
                ArchiveFooter {
                    index_position,
                    index_length,
                }
                .to_bytes(),
            ),
        ];
        self.account(&end);
        FinishedArchive {
            tail: sums.into_iter().chain(index).chain(end).collect(),
            index: self.index,
            size: self.size,
            xxh3_128: self.xxh3_128.finish(),
        }
    }

    /// What `sha256sum -c` reads.
    fn sums(&self) -> Vec<u8> {
        let mut sums = String::new();
        for segment in &self.index.segments {
            writeln!(sums, "{}  {}", segment.sha256, segment.member)
                .expect("writing to a string can't fail");
        }
        sums.into_bytes()
    }

    /// The frames of a member of our own: header, content, padding.
    fn member(
        &mut self,
        kind: &str,
        content: &[u8],
        compressor: &mut FrameCompressor,
    ) -> Vec<Bytes> {
        let name = format!("lifeboat/{}.{kind}", self.index.archive);
        let size = content.len() as u64;
        let mut frames = vec![self.header(&name, size), compressor.compress(content)];
        frames.extend(padding(size).map(|zeros| compressor.compress(zeros)));
        frames
    }
}

impl fmt::Debug for ArchiveBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveBuilder")
            .field("archive", &self.index.archive)
            .field("segments", &self.index.segments.len())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl ArchiveIndex {
    /// Reads the index frame that the footer points at; refuses more than `max_bytes` of JSON.
    pub fn parse_frame(frame: &[u8], max_bytes: usize) -> Result<Self, ArchiveError> {
        let plain = decompress_frame(frame, max_bytes).map_err(IndexProblem::Frame)?;
        let index: Self = json::from_slice(&plain).map_err(IndexProblem::Json)?;
        index.check_places().map_err(ArchiveError::Index)?;
        Ok(index)
    }

    /// Segments lie one behind the other, from the archive's first byte on.
    fn check_places(&self) -> Result<(), IndexProblem> {
        let mut end = 0u64;
        for segment in &self.segments {
            let next = segment.position.checked_add(segment.length);
            end = next
                .filter(|_| segment.position == end)
                .ok_or_else(|| IndexProblem::Place {
                    member: segment.member.clone(),
                    position: segment.position,
                })?;
        }
        Ok(())
    }
}

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A segment is damaged, or could not be read.
    #[error("{member} (topic-partition {topic_partition}, at offset {offset}): {problem}")]
    Segment {
        /// The member's name.
        member: String,
        /// Whose data it is.
        topic_partition: TopicPartition,
        /// How far it was good.
        offset: i64,
        /// What is wrong.
        problem: SegmentProblem,
    },
    /// The footer is damaged or missing.
    #[error("archive footer: {0}")]
    Footer(#[from] FooterProblem),
    /// The index is damaged.
    #[error("archive index: {0}")]
    Index(#[from] IndexProblem),
    /// The documents are damaged.
    #[error("cluster documents: {0}")]
    Documents(#[from] DocumentsProblem),
}

impl ArchiveError {
    /// Whether the bytes could not be had, so that nothing is known of them.
    pub fn is_read_failure(&self) -> bool {
        matches!(
            self,
            Self::Segment {
                problem: SegmentProblem::Frame(FrameError::Read(_)),
                ..
            } | Self::Index(IndexProblem::Frame(FrameError::Read(_)))
                | Self::Documents(DocumentsProblem::Frame(FrameError::Read(_)))
        )
    }
}

/// What is wrong with an archive's index.
#[derive(Debug, thiserror::Error)]
pub enum IndexProblem {
    /// Its frame can't be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It is not the JSON that it should be, or newer.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A segment is not where the one before ends.
    #[error("{member} can't be at byte {position}")]
    Place {
        /// The segment.
        member: String,
        /// Where the index puts it.
        position: u64,
    },
}

#[cfg(test)]
mod tests;
