//! One archive, read once from front to back: the hash of the whole, and its segments on the way.

use std::io::Read;

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
    Damage, Place,
    content::{Content, Stored},
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
        let reader = ObjectReader::new(&self.runtime, &self.repository, object, range);
        let stored = Stored::new(reader, &self.progress, &self.cancel);
        let opened = OpenArchive::open(&self.runtime, &self.repository, &archive.reference);
        let opened = match opened {
            Ok(opened) => opened,
            Err(why) => return read_unopened(archive, stored, why, outcome),
        };
        let mut content = Content::new(stored, &opened)?;
        check_segments(archive, &mut content, outcome)?;
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
}

fn check_segments(
    archive: &Archive,
    content: &mut Content<'_>,
    outcome: &mut Outcome,
) -> Result<(), RepositoryError> {
    let object = &archive.reference.object;
    for entry in &archive.segments {
        content
            .skip_to(entry.position)
            .map_err(|error| read_error(object, error))?;
        let mut batches = 0;
        let frames = content.by_ref().take(entry.length);
        let checked = check_segment(entry, frames, |_| batches += 1);
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
        content
            .skip_to(end)
            .map_err(|error| read_error(object, error))?;
    }
    Ok(())
}

/// Without a key, what is stored can still be held against its hash.
fn read_unopened(
    archive: &Archive,
    mut stored: Stored<'_>,
    why: RepositoryError,
    outcome: &mut Outcome,
) -> Result<(), RepositoryError> {
    let ArchiveReference {
        object, xxh3_128, ..
    } = &archive.reference;
    if !why.is_for_want_of_identity() {
        return Err(why);
    }
    let read = stored.hash_to_end();
    let (found, bytes) = read.map_err(|error| read_error(object, error))?;
    outcome.bytes += bytes;
    if found == *xxh3_128 {
        outcome.unopened = Some(why);
    } else if outcome.damage.is_empty() {
        let what = "its XXH3-128 is not the one that was stored";
        outcome
            .damage
            .push(Damage::new(Place::object(object), what));
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
