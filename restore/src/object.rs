//! Objects of the repository as a blocking [`Read`]: decompression and hashing run on threads of their own.

use std::{
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use bytes::{Buf, Bytes};
use lifeboat_archive::segment::SegmentProblem;
use lifeboat_archive::tarball::{ArchiveError, FrameError};
use lifeboat_repository::{Repository, RepositoryError};
use tokio::{runtime::Handle, task::JoinHandle};

/// Bytes of one read. Two are held: the one that is worked on and the one behind it.
pub(crate) const PIECE: u64 = 1 << 20;

type Piece = JoinHandle<Result<Bytes, RepositoryError>>;

/// Reads a range of an object, one piece ahead. Must be read outside of asynchronous code.
pub(crate) struct ObjectReader {
    runtime: Handle,
    repository: Repository,
    object: Arc<str>,
    range: Range<u64>,
    piece: Bytes,
    ahead: Option<Piece>,
}

impl ObjectReader {
    pub(crate) fn new(
        runtime: &Handle,
        repository: &Repository,
        object: &str,
        range: Range<u64>,
    ) -> Self {
        Self {
            runtime: runtime.clone(),
            repository: repository.clone(),
            object: object.into(),
            range,
            piece: Bytes::new(),
            ahead: None,
        }
    }

    fn begin_next(&mut self) -> Option<Piece> {
        let piece = self.range.start..self.range.end.min(self.range.start.saturating_add(PIECE));
        if piece.is_empty() {
            return None;
        }
        self.range.start = piece.end;
        let (repository, object) = (self.repository.clone(), Arc::clone(&self.object));
        let read = async move { repository.read_range(&object, piece).await };
        Some(self.runtime.spawn(read))
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let Some(piece) = self.ahead.take().or_else(|| self.begin_next()) else {
            return Ok(());
        };
        let piece = self.runtime.block_on(piece).map_err(io::Error::other)?;
        self.piece = piece.map_err(io::Error::other)?;
        self.ahead = self.begin_next();
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.next_piece()?;
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

/// The repository's own error inside of an archive's, where the bytes could not be had.
pub(crate) fn read_failure(error: ArchiveError) -> Result<RepositoryError, ArchiveError> {
    match error {
        ArchiveError::Segment {
            member,
            topic_partition,
            offset,
            problem: SegmentProblem::Frame(FrameError::Read(source)),
        } => source
            .downcast::<RepositoryError>()
            .map_err(|source| ArchiveError::Segment {
                member,
                topic_partition,
                offset,
                problem: SegmentProblem::Frame(FrameError::Read(source)),
            }),
        other => Err(other),
    }
}
