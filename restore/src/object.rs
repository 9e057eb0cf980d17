//! Objects of the repository as a blocking [`Read`]: decompression and hashing run on threads of their own.

use std::{
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use bytes::{Buf, Bytes};
use lifeboat_archive::{
    lists::ArchiveReference,
    seal::{HeaderError, OpenedHeader, PlainReader},
    segment::SegmentProblem,
    tarball::{ArchiveError, FrameError},
};
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

/// An archive, opened where it is sealed: all places in it are plain ones.
#[derive(Clone)]
pub(crate) struct OpenArchive {
    runtime: Handle,
    repository: Repository,
    object: String,
    stored: u64,
    size: u64,
    header: Option<Arc<OpenedHeader>>,
}

impl OpenArchive {
    /// Opens it; blocking. What is not sealed is not looked at.
    pub(crate) fn open(
        runtime: &Handle,
        repository: &Repository,
        archive: &ArchiveReference,
    ) -> Result<Self, RepositoryError> {
        let ArchiveReference { object, size, .. } = archive;
        let header = runtime.block_on(repository.open_header(object, *size))?;
        let plain = match &header {
            None => Some(*size),
            Some(header) => header.plain_size(*size),
        };
        let size_of = plain.ok_or_else(|| {
            let problem = format!("nothing that is encrypted has {size} bytes");
            damaged(object, problem)
        })?;
        Ok(Self {
            runtime: runtime.clone(),
            repository: repository.clone(),
            object: object.clone(),
            stored: *size,
            size: size_of,
            header,
        })
    }

    /// How many plain bytes it has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Its path below the repository's URL.
    pub(crate) fn object(&self) -> &str {
        &self.object
    }

    /// Its header, where it is sealed.
    pub(crate) fn header(&self) -> Option<&Arc<OpenedHeader>> {
        self.header.as_ref()
    }

    /// Reads a range, one piece ahead; no more is fetched than the chunks that hold it.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<ArchiveReader, RepositoryError> {
        let stored =
            |range| ObjectReader::new(&self.runtime, &self.repository, &self.object, range);
        let Some(header) = &self.header else {
            return Ok(ArchiveReader::Plain(stored(range)));
        };
        let chunks = stored(header.stored_range(&range, self.stored));
        let reader = header.reader(range, chunks);
        let reader = reader.map_err(|error| unopened(&self.object, error))?;
        Ok(ArchiveReader::Sealed(Box::new(reader)))
    }

    /// A range, whole.
    pub(crate) fn read_whole(&self, range: Range<u64>) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = Vec::new();
        let read = self.read(range)?.read_to_end(&mut bytes);
        read.map_err(|error| read_error(&self.object, error))?;
        Ok(bytes)
    }
}

/// Plain bytes of an archive.
#[expect(clippy::large_enum_variant, reason = "a few of them at a time")]
pub(crate) enum ArchiveReader {
    Plain(ObjectReader),
    Sealed(Box<PlainReader<ObjectReader>>),
}

impl Read for ArchiveReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Sealed(reader) => reader.read(buffer),
        }
    }
}

fn damaged(object: &str, problem: String) -> RepositoryError {
    RepositoryError::Damaged {
        object: object.to_owned(),
        problem,
    }
}

/// A header that was opened before and can't be opened any more.
pub(crate) fn unopened(object: &str, error: HeaderError) -> RepositoryError {
    damaged(object, error.to_string())
}

/// Why bytes of an object can't be had: the repository's own error, or what is wrong with them.
pub(crate) fn read_error(object: &str, error: io::Error) -> RepositoryError {
    match error.downcast::<RepositoryError>() {
        Ok(error) => error,
        Err(other) => damaged(object, other.to_string()),
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
