//! Reads one partition out of the archives, or those of a topic one after the other, on a thread of its own, and hands
//! the rewritten batches to their lanes.

use std::{collections::VecDeque, io::Read, sync::Arc};

use lifeboat_archive::{
    batch::{Batch, BatchError, Batches},
    index::SegmentEntry,
    lists::{ArchiveReference, PartitionList, TopicList, TransactionTable},
    manifest::ManifestPartition,
    records::RecordError,
    seal::CHUNK_BYTES,
    segment::{SegmentProblem, SegmentReader, check_segment},
    tarball::ArchiveError,
    words::{Progress, TopicPartition},
};
use lifeboat_repository::{Repository, RepositoryError, is_sealed};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{lane::Message, salvaging::Undecodable, writer::Queued};
use crate::{
    error::RestoreError,
    object::{ArchiveReader, OpenArchive, PIECE, read_failure},
    offset_map::{Waiting, WaitingRuns},
    offsets::Skipped,
    rewrite::{OutputBatch, Rewriter, Rewritten},
    salvage::Salvage,
    selection::{RecordSelection, Share},
    verify::Damage,
};

/// Why the reading of a partition ended early.
#[derive(Debug)]
pub(super) enum ReadError {
    Damaged(Box<Damage>),
    Repository(RepositoryError),
    Records {
        topic_partition: TopicPartition,
        source: RecordError,
    },
    /// The runs of the offset map can't be kept.
    Map(std::io::Error),
    /// The writing of the partition was stopped; its lane knows why.
    Stopped,
    Cancelled,
}

impl ReadError {
    /// What it means for a restore; that the writing of a partition was stopped ends none.
    pub(super) fn of_restore(self) -> RestoreError {
        match self {
            Self::Damaged(damage) => RestoreError::Damaged(damage),
            Self::Repository(error) => error.into(),
            Self::Map(error) => RestoreError::OffsetMap(error.into()),
            Self::Records {
                topic_partition,
                source,
            } => RestoreError::Records {
                topic_partition,
                source: Box::new(source),
            },
            Self::Stopped | Self::Cancelled => RestoreError::Cancelled,
        }
    }
}

/// The way to a partition's lane.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) slot: usize,
    pub(super) lane: mpsc::Sender<Message>,
    /// Bytes that may wait in the lane.
    pub(super) room: Arc<Semaphore>,
    pub(super) room_bytes: u32,
}

impl Outlet {
    /// Waits for room, then hands over the batch.
    fn send(&self, runtime: &Handle, batch: OutputBatch) -> Result<(), ReadError> {
        let bytes = u32::try_from(batch.bytes.len())
            .unwrap_or(u32::MAX)
            .min(self.room_bytes);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let memory = runtime.block_on(room).map_err(|_| ReadError::Stopped)?;
        let batch = Queued {
            batch,
            _memory: memory,
        };
        self.tell(Message::Batch(self.slot, batch))
    }

    fn tell(&self, message: Message) -> Result<(), ReadError> {
        self.lane
            .blocking_send(message)
            .map_err(|_| ReadError::Cancelled)
    }
}

/// A partition of the snapshot that is to be read.
#[derive(Clone, Debug)]
pub(super) struct SourcePartition {
    pub(super) partition: ManifestPartition,
    /// Which records of it.
    pub(super) selection: RecordSelection,
}

/// Reads partitions of one topic.
#[derive(Debug)]
pub(super) struct PartitionReader {
    pub(super) runtime: Handle,
    pub(super) repository: Repository,
    /// By the snapshot's name.
    pub(super) topic: Arc<str>,
    /// They are read in this order.
    pub(super) sources: VecDeque<SourcePartition>,
    pub(super) list: Arc<TopicList>,
    pub(super) rewriter: Rewriter,
    /// The partitions that are written, as the rewriter numbers them.
    pub(super) outlets: Vec<Outlet>,
    /// Segments of at most so many bytes are held between their check and their replay, larger ones are read twice.
    pub(super) hold: u64,
    /// Whether damaged segments are restored as far as they are sound.
    pub(super) salvage: bool,
    /// Batches of the segment at hand that were passed over.
    pub(super) undecodable: Option<Undecodable>,
    /// Where the runs of the offset map wait.
    pub(super) waiting: Option<Waiting>,
    pub(super) runs: WaitingRuns,
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
}

impl PartitionReader {
    /// Reads everything and sends it; blocking.
    pub(super) fn run(mut self) -> Result<Vec<Rewritten>, ReadError> {
        let mut out = Vec::new();
        let mut held = Vec::new();
        let mut salvaged = Vec::new();
        while let Some(source) = self.sources.pop_front() {
            self.read(source, &mut held, &mut salvaged, &mut out)?;
        }
        self.finish(salvaged, out)
    }

    /// Reads one partition and sends what is complete of it.
    fn read(
        &mut self,
        source: SourcePartition,
        held: &mut Vec<u8>,
        salvaged: &mut Vec<Salvage>,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), ReadError> {
        let list = Arc::clone(&self.list);
        let partition = list.partition(source.partition.partition);
        let none = TransactionTable::default();
        let transactions = partition.map_or(&none, |listed| &listed.transactions);
        self.rewriter
            .turn_to(&source.partition, transactions, source.selection);
        for segment in partition.iter().flat_map(|listed| &listed.segments) {
            let entry = &segment.entry;
            let archive = list.archives.get(segment.archive);
            let (Some(archive), false) =
                (archive, entry.next_offset <= self.rewriter.range().start)
            else {
                continue;
            };
            if self.rewriter.selection().of_segment(entry) == Share::None {
                let records = entry.record_count.unwrap_or(0);
                let range = entry.range();
                self.rewriter
                    .leave_out(range, Skipped::NotSelected, records);
                continue;
            }
            // all of the segment is checked before any of it is written
            match self.check(archive, entry, held) {
                Ok(true) => self.replay_block(archive, entry, held, out)?,
                Ok(false) => self.replay(archive, entry, out)?,
                Err(ReadError::Damaged(damage)) if self.salvage => {
                    *held = Vec::new();
                    salvaged.push(self.take_sound(archive, entry, *damage, out)?);
                }
                Err(error) => return Err(error),
            }
            salvaged.extend(self.take_undecodable(archive, entry));
        }
        Ok(())
    }

    /// Sends the rest, and tells the lanes that it was all.
    fn finish(
        mut self,
        salvaged: Vec<Salvage>,
        mut out: Vec<OutputBatch>,
    ) -> Result<Vec<Rewritten>, ReadError> {
        let topic_partition = self.topic_partition();
        let rewritten = self.rewriter.finish(&mut out);
        let mut rewritten = rewritten.map_err(|source| ReadError::Records {
            topic_partition,
            source,
        })?;
        // what is known of the reading is told with the first of them
        if let Some(first) = rewritten.first_mut() {
            first.salvaged = salvaged;
            if let Some(waiting) = &self.waiting {
                for run in first.last_runs.drain(..) {
                    waiting.push(&mut self.runs, run).map_err(ReadError::Map)?;
                }
                waiting.spill(&mut self.runs).map_err(ReadError::Map)?;
            }
            first.runs = self.runs;
        }
        for batch in out {
            send(&self.outlets, &self.runtime, batch)?;
        }
        // not before all is handed over: a partition that is at its end closes the room, which all of them share
        for (outlet, rewritten) in self.outlets.iter().zip(&rewritten) {
            outlet.tell(Message::Close(outlet.slot, rewritten.counts.records))?;
        }
        Ok(rewritten)
    }

    /// What is read at the moment.
    fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.rewriter.partition())
    }

    fn frames(
        &self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
    ) -> Result<ArchiveReader, ReadError> {
        let end = entry.position.saturating_add(entry.length);
        OpenArchive::open(&self.runtime, &self.repository, archive)
            .and_then(|archive| archive.read(entry.position..end))
            .map_err(|error| failure(entry, error))
    }

    /// Checks a segment from front to back; whether its batches are in `held` now.
    fn check(
        &self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        held: &mut Vec<u8>,
    ) -> Result<bool, ReadError> {
        let frames = Cancelling(&self.cancel, self.frames(archive, entry)?);
        let hold = entry.raw_bytes <= self.hold;
        held.clear();
        if hold {
            // of its full size at once, and kept: growing it piece by piece would take twice as much
            held.reserve_exact(usize::try_from(self.hold).unwrap_or(0));
        }
        let checked = check_segment(entry, frames, |batch| {
            if hold {
                held.extend_from_slice(batch.bytes);
            }
        });
        checked.map_err(|error| self.segment_error(archive, entry, error))?;
        Ok(hold)
    }

    /// Reads a segment that was checked once more.
    fn replay(
        &mut self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), ReadError> {
        let mut segment = SegmentReader::new(entry, self.frames(archive, entry)?).without_hash();
        loop {
            match segment.next_block() {
                Ok(Some(block)) => self.replay_block(archive, entry, block, out)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.segment_error(archive, entry, error)),
            }
        }
    }

    pub(super) fn replay_block(
        &mut self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        block: &[u8],
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), ReadError> {
        for batch in Batches::new(block) {
            let batch = batch.and_then(checked);
            let batch = batch.map_err(|error| {
                let problem = SegmentProblem::Batch(error);
                self.segment_error(archive, entry, segment_problem(entry, problem))
            })?;
            let original = entry.codec_at(batch.header.base_offset);
            match self.rewriter.push_repacked(&batch, original, out) {
                Err(error) if self.salvage => self.pass_over(&batch.header, &error),
                pushed => pushed.map_err(|source| ReadError::Records {
                    topic_partition: self.topic_partition(),
                    source,
                })?,
            }
            if let Some(waiting) = &self.waiting {
                for run in self.rewriter.ended_runs() {
                    waiting.push(&mut self.runs, run).map_err(ReadError::Map)?;
                }
            }
            for batch in out.drain(..) {
                send(&self.outlets, &self.runtime, batch)?;
            }
            if self.cancel.is_cancelled() {
                return Err(ReadError::Cancelled);
            }
            self.progress.advance(batch.bytes.len() as u64);
            self.progress.add_bytes(batch.bytes.len() as u64);
        }
        Ok(())
    }

    fn segment_error(
        &self,
        archive: &ArchiveReference,
        entry: &SegmentEntry,
        error: ArchiveError,
    ) -> ReadError {
        if self.cancel.is_cancelled() {
            return ReadError::Cancelled;
        }
        match read_failure(error) {
            Ok(error) => failure(entry, error),
            Err(damage) => {
                let damage = Damage::of_segment(&archive.object, entry, &damage);
                ReadError::Damaged(Box::new(damage))
            }
        }
    }
}

/// Hands over a batch to the partition that it is of.
fn send(outlets: &[Outlet], runtime: &Handle, batch: OutputBatch) -> Result<(), ReadError> {
    match outlets.get(batch.output) {
        Some(outlet) => outlet.send(runtime, batch),
        None => Err(ReadError::Stopped),
    }
}

/// Why a segment can't be had.
pub(super) fn failure(entry: &SegmentEntry, error: RepositoryError) -> ReadError {
    match Damage::of_archive(entry, error) {
        Ok(damage) => ReadError::Damaged(Box::new(damage)),
        Err(failure) => ReadError::Repository(failure),
    }
}

/// The checksum once more, right before the batch is written (R7).
fn checked(batch: Batch<'_>) -> Result<Batch<'_>, BatchError> {
    batch.check_crc()?;
    Ok(batch)
}

fn segment_problem(entry: &SegmentEntry, problem: SegmentProblem) -> ArchiveError {
    ArchiveError::Segment {
        member: entry.member.clone(),
        topic_partition: entry.topic_partition(),
        offset: entry.first_offset,
        problem,
    }
}

/// Ends the reading of a long segment when the restore is given up.
struct Cancelling<'c, R>(&'c CancellationToken, R);

impl<R: Read> Read for Cancelling<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_cancelled() {
            return Ok(0);
        }
        self.1.read(buffer)
    }
}

/// Bytes of memory that the reading of a partition takes, its waiting batches included, where `most` are there for it.
pub(super) fn memory_for(
    partition: &ManifestPartition,
    listed: Option<&PartitionList>,
    most: u64,
) -> Memory {
    const FRAME: u64 = 1 << 20;
    let in_all = |bytes: u64| bytes.min(partition.raw_bytes.max(64 << 10));
    let largest = partition.largest_batch_bytes;
    let room = in_all((2 * largest).max(2 << 20));
    // pieces of the object, a frame, plain records, records that are put together, and what they are compressed to
    let reading =
        in_all(2 * PIECE) + in_all(FRAME.max(largest)) + 2 * in_all(FRAME) + in_all(3 * largest);
    let without = reading + room + (256 << 10);
    let segments = listed.iter().flat_map(|listed| &listed.segments);
    let segment = segments.map(|segment| segment.entry.raw_bytes);
    let may_hold = most.saturating_sub(without);
    let hold = segment.filter(|bytes| *bytes <= may_hold).max();
    let hold = hold.unwrap_or(0);
    Memory {
        total: without + hold,
        room,
        hold,
    }
}

/// How much memory a partition takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    /// For batches that wait to be sent.
    pub(super) room: u64,
    /// The largest segment that is held.
    pub(super) hold: u64,
}

impl Memory {
    /// Enough for one of both after the other.
    pub(super) fn for_either(self, other: Self) -> Self {
        let without_hold = |it: &Self| it.total - it.hold;
        let hold = self.hold.max(other.hold);
        Self {
            total: without_hold(&self).max(without_hold(&other)) + hold,
            room: self.room.max(other.room),
            hold,
        }
    }

    /// With batches of many partitions that are made at the same time, and as many bytes for batches that wait.
    pub(super) fn of_spread(self, making: u64) -> Self {
        Self {
            total: self.total + 2 * making,
            room: self.room + making,
            ..self
        }
    }

    /// With a chunk as it is stored, and opened, where archives are sealed.
    pub(super) fn of_sealed(self, archives: &[ArchiveReference]) -> Self {
        const CHUNKS: u64 = 2 * CHUNK_BYTES + (4 << 10);
        let mut archives = archives.iter();
        let chunks = archives.any(|archive| is_sealed(&archive.object));
        Self {
            total: self.total + if chunks { CHUNKS } else { 0 },
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
