//! Writes what is sound of a damaged segment.

use lifeboat_archive::{
    batch::{BatchHeader, Batches},
    index::SegmentEntry,
    lists::ArchiveReference,
    records::RecordError,
    segment::{Salvaged, salvage_segment},
    words::OffsetRange,
};
use lifeboat_repository::RepositoryError;

use super::reader::{PartitionReader, ReadError, failure};
use crate::{
    object::OpenArchive,
    offsets::Skipped,
    rewrite::OutputBatch,
    salvage::{Salvage, is_lost, read_what_is_there},
    verify::{Damage, Place},
};

/// Batches whose checksum is right and whose records can't be decoded.
#[derive(Debug)]
pub(super) struct Undecodable {
    /// The first of them, and why.
    first: OffsetRange,
    problem: String,
    lost: Vec<OffsetRange>,
    records: u64,
}

impl PartitionReader {
    /// Writes nothing of a batch that can't be decoded.
    pub(super) fn pass_over(&mut self, header: &BatchHeader, error: &RecordError) {
        let range = OffsetRange::new(header.base_offset, header.next_offset());
        let mut undecodable = self.undecodable.take().unwrap_or_else(|| Undecodable {
            first: range,
            problem: error.to_string(),
            lost: Vec::new(),
            records: 0,
        });
        self.lose(range, &mut undecodable.lost);
        undecodable.records += u64::from(header.record_count.unwrap_or(0));
        self.undecodable = Some(undecodable);
    }

    /// What of a segment was passed over.
    pub(super) fn take_undecodable(
        &mut self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
    ) -> Option<Salvage> {
        let undecodable = self.undecodable.take()?;
        let place = Place::segment(&archive.object, entry, undecodable.first);
        let damage = Damage::new(place, undecodable.problem);
        tracing::warn!(%damage, lost = undecodable.lost.len(), "salvaged");
        Some(Salvage {
            damage,
            lost: undecodable.lost,
            lost_records: Some(undecodable.records),
        })
    }

    /// Writes the batches of a segment that are sound, and tells which offsets are lost.
    pub(super) fn take_sound(
        &mut self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        damage: Damage,
        out: &mut Vec<OutputBatch>,
    ) -> Result<Salvage, ReadError> {
        let mut lost = Vec::new();
        let mut taken = 0;
        match self.open_what_is_there(archive, entry)? {
            Some(opened) => {
                let cancel = self.cancel.clone();
                let read = |range| {
                    if cancel.is_cancelled() {
                        return Err(ReadError::Cancelled);
                    }
                    read_what_is_there(&opened, range).map_err(|error| failure(entry, error))
                };
                salvage_segment(entry, read, |part| match part {
                    Salvaged::Batches(batches) => {
                        taken += records(batches);
                        self.replay_block(archive, entry, batches, out)
                    }
                    Salvaged::Lost(range) => {
                        self.lose(range, &mut lost);
                        Ok(())
                    }
                })?;
            }
            None => self.lose(entry.range(), &mut lost),
        }
        let lost_records = entry.record_count.map(|all| all.saturating_sub(taken));
        tracing::warn!(%damage, lost = lost.len(), "salvaged");
        Ok(Salvage {
            damage,
            lost,
            lost_records,
        })
    }

    /// The archive, unless nothing of it can be had.
    fn open_what_is_there(
        &self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
    ) -> Result<Option<OpenArchive>, ReadError> {
        let opened = OpenArchive::open(&self.runtime, &self.repository, archive);
        // what is not sealed was not looked at
        let first = entry.position..entry.position.saturating_add(1);
        let is_there = opened.and_then(|opened| match opened.read_whole(first) {
            Err(RepositoryError::Damaged { .. }) => Ok(opened),
            read => read.map(|_| opened),
        });
        match is_there {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if is_lost(&error) => Ok(None),
            Err(error) => Err(ReadError::Repository(error)),
        }
    }

    /// Passes over offsets whose records can't be had; those that are not restored anyhow don't count.
    fn lose(&mut self, range: OffsetRange, lost: &mut Vec<OffsetRange>) {
        self.rewriter.leave_out(range, Skipped::Damaged, 0);
        let bounds = self.rewriter.range();
        let inside = OffsetRange::new(range.start.max(bounds.start), range.end.min(bounds.end));
        let inside = self.rewriter.selection().clip(inside);
        if !inside.is_empty() {
            lost.push(inside);
        }
    }
}

/// How many records batches hold, markers left out.
fn records(batches: &[u8]) -> u64 {
    let batches = Batches::new(batches).filter_map(Result::ok);
    let data = batches.filter(|batch| !batch.header.is_control());
    data.map(|batch| u64::from(batch.header.record_count.unwrap_or(0)))
        .sum()
}
