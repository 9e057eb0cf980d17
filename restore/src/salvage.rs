//! What a damaged segment still gives, and what of it is lost.

use std::ops::Range;

use lifeboat_archive::words::OffsetRange;
use lifeboat_repository::RepositoryError;
use serde::{Deserialize, Serialize};

use crate::{object::OpenArchive, verify::Damage};

/// What can't be had at once is asked for in parts of this size: of what is sealed, a damaged chunk is lost by itself.
const PART: u64 = 64 << 10;

/// A damaged segment of which everything was restored that is sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Salvage {
    /// What is damaged: object, topic and partition, and what is wrong.
    pub damage: Damage,
    /// The offsets of the source whose records are not restored; none where all of them were sound.
    pub lost: Vec<OffsetRange>,
    /// How many records these held, where the index tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_records: Option<u64>,
}

/// The bytes of an archive in `range`, and zeros for those that can't be had because they are damaged.
pub(crate) fn read_what_is_there(
    archive: &OpenArchive,
    range: Range<u64>,
) -> Result<Vec<u8>, RepositoryError> {
    match archive.read_whole(range.clone()) {
        Err(error) if is_damaged(&error) => {}
        read => return read,
    }
    let mut bytes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        // as chunks are cut
        let end = range.end.min((at / PART + 1) * PART);
        match archive.read_whole(at..end) {
            Ok(part) => bytes.extend(part),
            Err(error) if is_damaged(&error) => {}
            Err(error) => return Err(error),
        }
        at = end;
        bytes.resize(usize::try_from(at - range.start).unwrap_or(0), 0);
    }
    Ok(bytes)
}

/// Whether an object can't be had any more, for all that the store says.
pub(crate) fn is_lost(error: &RepositoryError) -> bool {
    is_damaged(error) || matches!(error, RepositoryError::NotFound { .. })
}

/// Of an object that is missing nothing can be had.
fn is_damaged(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Damaged { .. })
}
