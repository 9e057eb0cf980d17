//! One archive, read once from front to back: the hash of the whole, and its segments on the way.

use std::io::{self, Read};

use lifeboat_archive::{
    index::{ArchiveIndex, SegmentEntry},
    json::Xxh3Hasher,
    lists::ArchiveReference,
    segment::check_segment,
    tarball::{ArchiveError, ArchiveFooter},
    words::Progress,
};
use lifeboat_repository::{Repository, RepositoryError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Damage, Place};
use crate::object::{ObjectReader, read_failure};

/// No index is larger.
const LARGEST_INDEX: usize = 1 << 30;

/// An archive, and the segments in it that the snapshot needs.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) reference: ArchiveReference,
    pub(super) segments: Vec<SegmentEntry>,
}

/// What the reading of one archive came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) damage: Vec<Damage>,
    /// Why it could not be read, so that nothing is known of it.
    pub(super) unread: Option<RepositoryError>,
    pub(super) segments: u64,
    pub(super) batches: u64,
    pub(super) bytes: u64,
}

/// What checks one archive needs.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) runtime: Handle,
    pub(super) repository: Repository,
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
}

impl Check {
    /// Checks an archive; blocking.
    pub(super) fn run(&self, archive: &mut Archive) -> Outcome {
        archive
            .segments
            .sort_unstable_by_key(|entry| entry.position);
        let mut outcome = Outcome::default();
        if let Err(error) = self.read(archive, &mut outcome) {
            match error {
                RepositoryError::Damaged { .. } | RepositoryError::NotFound { .. } => {
                    outcome
                        .damage
                        .push(Damage::of_object(&archive.reference.object, &error));
                }
                error => outcome.unread = Some(error),
            }
        }
        outcome
    }

    fn read(&self, archive: &Archive, outcome: &mut Outcome) -> Result<(), RepositoryError> {
        let ArchiveReference {
            object,
            size,
            xxh3_128,
        } = &archive.reference;
        let stored = self.runtime.block_on(self.repository.size(object))?;
        if stored != *size {
            let what = format!("it has {stored} bytes, {size} were stored");
            outcome
                .damage
                .push(Damage::new(Place::object(object), what));
        }
        let range = 0..stored.min(*size);
        let mut stream = HashingReader {
            inner: ObjectReader::new(&self.runtime, &self.repository, object, range),
            xxh3_128: Xxh3Hasher::new(),
            position: 0,
            progress: &self.progress,
            cancel: &self.cancel,
        };
        for entry in &archive.segments {
            stream.skip_to(entry.position).map_err(sorted)?;
            let mut batches = 0;
            let checked =
                check_segment(entry, stream.by_ref().take(entry.length), |_| batches += 1);
            outcome.segments += 1;
            outcome.batches += batches;
            if let Err(error) = checked {
                let error = match read_failure(error) {
                    Ok(failure) => return Err(failure),
                    Err(damage) => damage,
                };
                outcome
                    .damage
                    .push(Damage::of_segment(object, entry, &error));
            }
            let end = entry.position.saturating_add(entry.length);
            stream.skip_to(end).map_err(sorted)?;
        }
        stream.skip_to(*size).map_err(sorted)?;
        outcome.bytes += stream.position;
        let found = stream.xxh3_128.finish();
        if found == *xxh3_128 {
            self.compare_index(archive, outcome)?;
        } else if outcome.damage.is_empty() {
            // its segments are sound, so it is the end of the archive or what lies between
            let what = "its XXH3-128 is not the one that was stored, though the segments of this snapshot are sound";
            outcome
                .damage
                .push(Damage::new(Place::object(object), what));
        }
        Ok(())
    }

    /// What stock tools would go by must say the same as the lists.
    fn compare_index(
        &self,
        archive: &Archive,
        outcome: &mut Outcome,
    ) -> Result<(), RepositoryError> {
        let reference = &archive.reference;
        let index = match self.index(reference)? {
            Ok(index) => index,
            Err(error) => {
                let place = Place::object(&reference.object);
                outcome.damage.push(Damage::new(place, error.to_string()));
                return Ok(());
            }
        };
        for entry in &archive.segments {
            if !index.segments.contains(entry) {
                let place = Place::segment(&reference.object, entry, entry.range());
                let what = "the archive's own index says something else of it";
                outcome.damage.push(Damage::new(place, what));
            }
        }
        Ok(())
    }

    fn index(
        &self,
        reference: &ArchiveReference,
    ) -> Result<Result<ArchiveIndex, ArchiveError>, RepositoryError> {
        let ArchiveReference { object, size, .. } = reference;
        let read = |range| {
            self.runtime
                .block_on(self.repository.read_range(object, range))
        };
        let tail = read(size.saturating_sub(ArchiveFooter::SIZE as u64)..*size)?;
        let footer = match ArchiveFooter::parse(&tail, *size) {
            Ok(footer) => footer,
            Err(error) => return Ok(Err(error)),
        };
        let end = footer.index_position.saturating_add(footer.index_length);
        let frame = read(footer.index_position..end)?;
        Ok(ArchiveIndex::parse_frame(&frame, LARGEST_INDEX))
    }
}

fn sorted(error: io::Error) -> RepositoryError {
    match error.downcast::<RepositoryError>() {
        Ok(error) => error,
        Err(other) => RepositoryError::Damaged {
            object: "an archive".to_owned(),
            problem: other.to_string(),
        },
    }
}

/// Hashes what passes through.
struct HashingReader<'c> {
    inner: ObjectReader,
    xxh3_128: Xxh3Hasher,
    position: u64,
    progress: &'c Progress,
    cancel: &'c CancellationToken,
}

impl HashingReader<'_> {
    /// Reads on up to `position`, or to the end where that comes first.
    fn skip_to(&mut self, position: u64) -> io::Result<()> {
        let left = position.saturating_sub(self.position);
        io::copy(&mut self.by_ref().take(left), &mut io::sink())?;
        Ok(())
    }
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Ok(0);
        }
        let length = self.inner.read(buffer)?;
        self.xxh3_128.update(&buffer[..length]);
        self.position += length as u64;
        self.progress.advance(length as u64);
        self.progress.add_bytes(length as u64);
        Ok(length)
    }
}
