//! What is stored already.

use std::{collections::HashSet, sync::Arc};

use lifeboat_archive::{
    index::SegmentEntry,
    lists::{ArchiveReference, TransactionTable},
};

/// The archives that were written, each confirmed.
#[derive(Debug, Default)]
pub(super) struct WrittenArchives {
    pub(super) archives: Vec<ArchiveReference>,
    /// In the order in which they were closed: those of one partition by offset.
    pub(super) segments: Vec<WrittenSegment>,
}

impl WrittenArchives {
    /// Adds what was written `later`, which takes the place of all that was written of the `replaced` partitions.
    pub(super) fn append(&mut self, later: Self, replaced: &HashSet<usize>) {
        let before = self.archives.len();
        self.segments
            .retain(|segment| !replaced.contains(&segment.partition));
        self.archives.extend(later.archives);
        let segments = later.segments.into_iter();
        self.segments.extend(segments.map(|segment| WrittenSegment {
            archive: before + segment.archive,
            ..segment
        }));
    }
}

/// A segment that is stored.
#[derive(Debug)]
pub(super) struct WrittenSegment {
    pub(super) partition: usize,
    /// Which archive, by its index in [`WrittenArchives::archives`].
    pub(super) archive: usize,
    pub(super) entry: SegmentEntry,
    /// What is known of transactions at its end, until that is noted.
    pub(super) transactions: Option<Arc<TransactionTable>>,
}

/// Where the archive stands among these; the newest are at the end, and most often wanted.
pub(super) fn place_of(archives: &mut Vec<ArchiveReference>, archive: &ArchiveReference) -> usize {
    let known = archives
        .iter()
        .rposition(|known| known.object == archive.object);
    known.unwrap_or_else(|| {
        archives.push(archive.clone());
        archives.len() - 1
    })
}
