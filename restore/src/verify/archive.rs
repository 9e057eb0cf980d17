//! One archive, read once from front to back: the hash of the whole, and its segments on the way.

use std::io::{self, Read};

use lifeboat_archive::{
    index::{ArchiveIndex, SegmentEntry},
    lists::ArchiveReference,
    segment::check_segment,
    tarball::{ArchiveError, ArchiveFooter},
    words::Progress,
};
use lifeboat_repository::{Repository, RepositoryError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{
    Damage, Level, Place,
    content::{Content, Stored},
    decoding::Decoding,
};
use crate::object::{ObjectReader, OpenArchive, read_error, read_failure};

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
    /// Why it could not be opened, although what is stored of it is sound.
    pub(super) unopened: Option<RepositoryError>,
    pub(super) segments: u64,
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Archive {
    /// How many bytes are read of it.
    pub(super) fn bytes(&self, ranged: bool) -> u64 {
        if ranged {
            self.segments.iter().map(|entry| entry.length).sum()
        } else {
            self.reference.size
        }
    }

    /// What is wrong where it has so many bytes.
    pub(super) fn wrong_size(&self, stored: u64) -> Option<String> {
        let size = self.reference.size;
        (stored != size).then(|| format!("it has {stored} bytes, {size} were stored"))
    }
}

/// What checks one archive needs.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) runtime: Handle,
    pub(super) repository: Repository,
    pub(super) level: Level,
    /// Only the segments are read, and not what lies between them.
    pub(super) ranged: bool,
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
        if let Some(what) = archive.wrong_size(stored) {
            outcome
                .damage
                .push(Damage::new(Place::object(object), what));
        }
        let range = 0..stored.min(*size);
        let reader = ObjectReader::new(&self.runtime, &self.repository, object, range);
        let stored = Stored::new(reader, &self.progress, &self.cancel);
        if self.level == Level::Hashes {
            return check_hash(&archive.reference, stored, outcome).map(drop);
        }
        let opened = OpenArchive::open(&self.runtime, &self.repository, &archive.reference);
        let opened = match opened {
            Ok(opened) => opened,
            Err(why) => return read_unopened(&archive.reference, stored, why, outcome),
        };
        let mut segments = Segments::new(archive, self.level, outcome);
        if self.ranged {
            return self.check_ranges(&opened, segments);
        }
        let mut content = Content::new(stored, &opened)?;
        segments.check_in(&mut content)?;
        segments.finish();
        content
            .skip_to(opened.size())
            .map_err(|error| read_error(object, error))?;
        let (found, bytes) = content
            .finish()
            .map_err(|error| read_error(object, error))?;
        outcome.bytes += bytes;
        if found == *xxh3_128 {
            compare_index(archive, &opened, outcome)?;
        } else if outcome.damage.is_empty() {
            // its segments are sound, so it is the end of the archive or what lies between
            let what = "its XXH3-128 is not the one that was stored, though the segments of this snapshot are sound";
            outcome
                .damage
                .push(Damage::new(Place::object(object), what));
        }
        Ok(())
    }

    /// The segments alone, each from a read of its own.
    fn check_ranges(
        &self,
        opened: &OpenArchive,
        mut segments: Segments<'_>,
    ) -> Result<(), RepositoryError> {
        for entry in &segments.archive.segments {
            let end = entry.position.saturating_add(entry.length);
            let frames = Watched {
                inner: opened.read(entry.position..end)?,
                progress: &self.progress,
                cancel: &self.cancel,
            };
            segments.check(entry, frames)?;
            segments.outcome.bytes += entry.length;
            if self.cancel.is_cancelled() {
                break;
            }
        }
        segments.finish();
        Ok(())
    }
}

/// Bytes that are counted as they pass, and end when nobody wants them any more.
struct Watched<'c, R> {
    inner: R,
    progress: &'c Progress,
    cancel: &'c CancellationToken,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Ok(0);
        }
        let length = self.inner.read(buffer)?;
        self.progress.advance(length as u64);
        self.progress.add_bytes(length as u64);
        Ok(length)
    }
}

/// The segments of an archive, one after another.
struct Segments<'a> {
    archive: &'a Archive,
    /// Where records are to be decoded.
    decoding: Option<Decoding>,
    outcome: &'a mut Outcome,
}

impl<'a> Segments<'a> {
    fn new(archive: &'a Archive, level: Level, outcome: &'a mut Outcome) -> Self {
        Self {
            archive,
            decoding: (level >= Level::Records).then(Decoding::new),
            outcome,
        }
    }

    /// All of them, out of what is read from front to back.
    fn check_in(&mut self, content: &mut Content<'_>) -> Result<(), RepositoryError> {
        let object = &self.archive.reference.object;
        for entry in &self.archive.segments {
            content
                .skip_to(entry.position)
                .map_err(|error| read_error(object, error))?;
            self.check(entry, content.by_ref().take(entry.length))?;
            let end = entry.position.saturating_add(entry.length);
            content
                .skip_to(end)
                .map_err(|error| read_error(object, error))?;
        }
        Ok(())
    }

    /// One of them, out of its frames.
    fn check(&mut self, entry: &SegmentEntry, frames: impl Read) -> Result<(), RepositoryError> {
        let object = &self.archive.reference.object;
        let (mut batches, decoding) = (0, &mut self.decoding);
        let checked = check_segment(entry, frames, |batch| {
            batches += 1;
            if let Some(decoding) = decoding {
                decoding.see(batch);
            }
        });
        self.outcome.segments += 1;
        self.outcome.batches += batches;
        if let Err(error) = checked {
            let damage = match read_failure(error) {
                Ok(failure) => return Err(failure),
                Err(damage) => damage,
            };
            let damage = Damage::of_segment(object, entry, &damage);
            self.outcome.damage.push(damage);
        }
        let found = self.decoding.iter_mut().flat_map(Decoding::take_found);
        for (offsets, what) in found {
            let place = Place::segment(object, entry, offsets);
            self.outcome.damage.push(Damage::new(place, what));
        }
        Ok(())
    }

    fn finish(self) {
        if let Some(decoding) = self.decoding {
            self.outcome.records += decoding.records;
        }
    }
}

/// Holds what is stored against its hash; whether it is that.
fn check_hash(
    reference: &ArchiveReference,
    mut stored: Stored<'_>,
    outcome: &mut Outcome,
) -> Result<bool, RepositoryError> {
    let object = &reference.object;
    let read = stored.hash_to_end();
    let (found, bytes) = read.map_err(|error| read_error(object, error))?;
    outcome.bytes += bytes;
    let is_right = found == reference.xxh3_128;
    if !is_right && outcome.damage.is_empty() {
        let what = "its XXH3-128 is not the one that was stored";
        outcome
            .damage
            .push(Damage::new(Place::object(object), what));
    }
    Ok(is_right)
}

/// Without a key, what is stored can still be held against its hash.
fn read_unopened(
    reference: &ArchiveReference,
    stored: Stored<'_>,
    why: RepositoryError,
    outcome: &mut Outcome,
) -> Result<(), RepositoryError> {
    if !why.is_for_want_of_identity() {
        return Err(why);
    }
    if check_hash(reference, stored, outcome)? {
        outcome.unopened = Some(why);
    }
    Ok(())
}

/// What stock tools would go by must say the same as the lists.
fn compare_index(
    archive: &Archive,
    opened: &OpenArchive,
    outcome: &mut Outcome,
) -> Result<(), RepositoryError> {
    let reference = &archive.reference;
    let index = match index(opened)? {
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

fn index(opened: &OpenArchive) -> Result<Result<ArchiveIndex, ArchiveError>, RepositoryError> {
    let size = opened.size();
    let tail = opened.read_whole(size.saturating_sub(ArchiveFooter::SIZE as u64)..size)?;
    let footer = match ArchiveFooter::parse(&tail, size) {
        Ok(footer) => footer,
        Err(error) => return Ok(Err(error)),
    };
    let end = footer.index_position.saturating_add(footer.index_length);
    let frame = opened.read_whole(footer.index_position..end)?;
    Ok(ArchiveIndex::parse_frame(&frame, LARGEST_INDEX))
}
