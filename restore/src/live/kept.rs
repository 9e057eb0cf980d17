//! The records of a partition that a restore would write, out of the archives, in order.

use std::sync::Arc;

use lifeboat_archive::{
    batch::{Batch, Batches},
    index::SegmentEntry,
    lists::{ArchiveReference, TopicList},
    manifest::ManifestPartition,
    print::RecordPrint,
    records::{Decompressor, Modernizer, RecordError, records},
    segment::{SegmentProblem, SegmentReader},
    tarball::ArchiveError,
    transactions::TransactionIndex,
    words::{OffsetRange, Progress},
};
use lifeboat_repository::{Repository, RepositoryError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    object::{OpenArchive, read_failure},
    rewrite::LARGEST_PLAIN,
    selection::{RecordSelection, Share},
    verify::{Damage, Place},
};

/// Why the records of a partition can't be had.
#[derive(Debug)]
pub(super) enum KeptError {
    Damaged(Box<Damage>),
    Repository(RepositoryError),
    /// Nobody wants more of them.
    Stopped,
}

/// Reads one partition, as often as it is asked to.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) runtime: Handle,
    pub(super) repository: Repository,
    pub(super) list: Arc<TopicList>,
    pub(super) partition: ManifestPartition,
    /// Which of its records were to be restored.
    pub(super) selection: RecordSelection,
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
}

impl Kept {
    /// Gives every record that a restore keeps, as long as they are taken; blocking.
    pub(super) fn read(&self, mut take: impl FnMut(RecordPrint) -> bool) -> Result<(), KeptError> {
        let Some(listed) = self.list.partition(self.partition.partition) else {
            return Ok(());
        };
        let transactions = listed.transactions.index();
        let mut decoders = Decoders {
            decompressor: Decompressor::new(LARGEST_PLAIN),
            modernizer: Modernizer::new(LARGEST_PLAIN),
        };
        for segment in &listed.segments {
            let entry = &segment.entry;
            let archive = self.list.archives.get(segment.archive);
            let (Some(archive), false) = (
                archive,
                entry.next_offset <= self.partition.log_start_offset,
            ) else {
                continue;
            };
            if self.selection.of_segment(entry) == Share::None {
                continue;
            }
            let mut of_batch =
                |batch: &Batch<'_>| self.of_batch(batch, &transactions, &mut decoders, &mut take);
            self.segment(archive, entry, &mut of_batch)?;
        }
        Ok(())
    }

    fn segment(
        &self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        of_batch: &mut impl FnMut(&Batch<'_>) -> Result<(), BatchEnd>,
    ) -> Result<(), KeptError> {
        let object = &archive.object;
        let end = entry.position.saturating_add(entry.length);
        let frames = OpenArchive::open(&self.runtime, &self.repository, archive)
            .and_then(|archive| archive.read(entry.position..end))
            .map_err(|error| of_repository(entry, error))?;
        let mut segment = SegmentReader::new(entry, frames);
        loop {
            let block = match segment.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => return Ok(()),
                Err(error) => return Err(of_archive(object, entry, error)),
            };
            for batch in Batches::new(block) {
                let checked = batch.and_then(|batch| batch.check_crc().map(|()| batch));
                let batch = checked.map_err(|error| {
                    let error = ArchiveError::Segment {
                        member: entry.member.clone(),
                        topic_partition: entry.topic_partition(),
                        offset: entry.first_offset,
                        problem: SegmentProblem::Batch(error),
                    };
                    of_archive(object, entry, error)
                })?;
                of_batch(&batch).map_err(|end| match end {
                    BatchEnd::Stopped => KeptError::Stopped,
                    BatchEnd::Records(error) => {
                        let header = &batch.header;
                        let offsets = OffsetRange::new(header.base_offset, header.next_offset());
                        let place = Place::segment(object, entry, offsets);
                        KeptError::Damaged(Box::new(Damage::new(place, error.to_string())))
                    }
                })?;
                let bytes = batch.bytes.len() as u64;
                self.progress.advance(bytes);
                self.progress.add_bytes(bytes);
                if self.cancel.is_cancelled() {
                    return Err(KeptError::Stopped);
                }
            }
        }
    }

    /// What of a batch is kept: the same rules as when it is restored (R14, R6).
    fn of_batch(
        &self,
        batch: &Batch<'_>,
        transactions: &TransactionIndex,
        decoders: &mut Decoders,
        take: &mut impl FnMut(RecordPrint) -> bool,
    ) -> Result<(), BatchEnd> {
        let header = &batch.header;
        if !transactions.keeps(header, self.partition.last_stable_offset) {
            return Ok(());
        }
        let batch = &*decoders.modernizer.current(batch)?;
        let header = &batch.header;
        let plain = decoders.decompressor.records_section(batch)?;
        let range = self.partition.range();
        for record in records(header, plain) {
            let record = record?;
            if !range.contains(record.offset) || !self.selection.takes(&record) {
                continue;
            }
            let print = RecordPrint::of(
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                // they were checked when the record was read
                record.headers().map_while(Result::ok),
            );
            if !take(print) {
                return Err(BatchEnd::Stopped);
            }
        }
        Ok(())
    }
}

/// What the inside of batches is read with.
#[derive(Debug)]
struct Decoders {
    decompressor: Decompressor,
    modernizer: Modernizer,
}

/// Why a batch was not read to its end.
enum BatchEnd {
    Stopped,
    Records(RecordError),
}

impl From<RecordError> for BatchEnd {
    fn from(error: RecordError) -> Self {
        Self::Records(error)
    }
}

fn of_repository(entry: &SegmentEntry, error: RepositoryError) -> KeptError {
    match Damage::of_archive(entry, error) {
        Ok(damage) => KeptError::Damaged(Box::new(damage)),
        Err(other) => KeptError::Repository(other),
    }
}

fn of_archive(object: &str, entry: &SegmentEntry, error: ArchiveError) -> KeptError {
    match read_failure(error) {
        Ok(error) => of_repository(entry, error),
        Err(damage) => KeptError::Damaged(Box::new(Damage::of_segment(object, entry, &damage))),
    }
}
