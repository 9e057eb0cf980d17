//! Turns the stored batches of a partition into those that Produce gets.
//!
//! The output is a pure function of the manifest, the limits and this program's version: what is skipped, thinned and
//! merged, batch boundaries included. That is what lets a restore find its place again by the target's end alone.

use bytes::Bytes;
use lifeboat_archive::{
    batch::{Batch, BatchHeader, Codec},
    lists::TransactionTable,
    manifest::ManifestPartition,
    records::{Decompressor, Modernizer, Passage, Produced, RecordError, passage, records},
    transactions::TransactionIndex,
    words::OffsetRange,
};
use serde::{Deserialize, Serialize};

use crate::{
    content::{Content, Depth},
    offset_map::{Run, Runs, WaitingRuns},
    offsets::{OffsetMap, OffsetTranslator, Skipped},
    salvage::Salvage,
    selection::{RecordSelection, Share},
    settings::TopicSettings,
};

mod output;

use output::Outputs;

/// Uncompressed batches below this size are merged (R26): that costs a copy.
const SMALL: usize = 64 << 10;
/// Compressed batches below this size are merged, unless their records are large: that costs their compression anew, six
/// times as much as the requests that it saves for batches of 64 KiB.
const SMALL_COMPRESSED: usize = 16 << 10;
/// Records of a compressed batch that together are larger than this are not compressed again for a merge.
const SMALL_PLAIN: usize = 64 << 10;
/// Merged batches stay below this, whatever the topic allows.
const LARGEST_MERGED: u64 = 1 << 20;
/// What compression may add to incompressible records, at most.
const CODEC_SLACK: u64 = 16 << 10;
/// A batch that holds more plain bytes than this is refused: a decompression bomb.
pub(crate) const LARGEST_PLAIN: usize = 1 << 30;
/// The buffer for plain bytes is given back after a batch of more than this.
const LARGE_PLAIN: usize = 8 << 20;
const SEQUENCES: u64 = 1 << 31;
/// Batches of all partitions that records are spread over may come to so much while they are made, and each to at least
/// the second.
const SPREAD_BYTES: u64 = 8 << 20;
const LEAST_SPREAD: u64 = 8 << 10;

/// Where a rewritten batch has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLimits {
    /// Batches that are encoded anew end before this size, records uncompressed.
    pub encoded_bytes: u64,
}

impl BatchLimits {
    /// The limits for a topic with `settings`: what it takes in the end, it takes now.
    pub fn of(settings: &TopicSettings) -> Self {
        let segment_bytes = settings.segment_bytes().unwrap_or(u64::MAX);
        let allowed = settings.max_message_bytes().min(segment_bytes);
        let merged = LARGEST_MERGED.min(allowed);
        Self {
            encoded_bytes: merged.saturating_sub(CODEC_SLACK.min(merged / 8)).max(1),
        }
    }

    /// The same where records are spread over so many partitions, each with a batch that is being made.
    pub(crate) fn spread_over(self, partitions: usize) -> Self {
        let share = SPREAD_BYTES / (partitions as u64).max(1);
        Self {
            encoded_bytes: self.encoded_bytes.min(share.max(LEAST_SPREAD)),
        }
    }

    /// Bytes of all batches that are being made at a time, where records are spread over so many partitions: a buffer
    /// grows to twice of what it holds.
    pub(crate) fn spread_bytes(self, partitions: usize) -> u64 {
        2 * self.encoded_bytes * partitions as u64
    }
}

/// Who produces: one id for all partitions of a restore, epoch 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// The id that the target gave.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// A batch to be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputBatch {
    /// To which of the partitions it goes that are written together, from 0.
    pub output: usize,
    /// Its bytes.
    pub bytes: Bytes,
    /// How many records of the partition come before it.
    pub before: u64,
    /// How many records it holds.
    pub records: u32,
    /// The source's offsets from its first record to behind its last; where several partitions go into one, they may be
    /// of two of them.
    pub source: OffsetRange,
}

impl OutputBatch {
    /// How many records of the partition are written once it is.
    pub fn after(&self) -> u64 {
        self.before + u64::from(self.records)
    }
}

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewriteCounts {
    /// Records restored.
    pub records: u64,
    /// Batches that were read, markers included.
    pub batches_read: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Batches written.
    pub batches_written: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Records of transactions that were aborted or still open: left out.
    pub uncommitted_records: u64,
    /// Records whose type becomes CreateTime: the broker had set their time (R20).
    pub log_append_time_records: u64,
    /// Records that were not to be restored. Of segments that were not read for that reason all records count, those of
    /// aborted transactions too.
    #[serde(default)]
    pub not_selected_records: u64,
}

impl std::ops::AddAssign for RewriteCounts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.batches_read += other.batches_read;
        self.bytes_read += other.bytes_read;
        self.batches_written += other.batches_written;
        self.bytes_written += other.bytes_written;
        self.uncommitted_records += other.uncommitted_records;
        self.log_append_time_records += other.log_append_time_records;
        self.not_selected_records += other.not_selected_records;
    }
}

/// What a whole partition came to.
#[derive(Debug)]
pub struct Rewritten {
    /// The counts.
    pub counts: RewriteCounts,
    /// What the partition has to hold now.
    pub content: Content,
    /// Where the committed offsets went.
    pub offsets: OffsetMap,
    /// Damaged segments that were restored as far as they are sound.
    pub salvaged: Vec<Salvage>,
    /// The last runs of offsets, where they are put together.
    pub(crate) last_runs: Vec<Run>,
    /// The runs of offsets, where they wait for the map.
    pub(crate) runs: WaitingRuns,
}

/// Rewrites the batches of one partition, in order; or of one after the other, where the topic gets another number of
/// partitions.
#[derive(Debug)]
pub struct Rewriter {
    source: Source,
    decompressor: Decompressor,
    modernizer: Modernizer,
    /// Whether a batch that can't be decoded gives nothing, instead of the records before the place.
    all_or_nothing: bool,
    outputs: Outputs,
}

/// The partition that is read.
#[derive(Debug, Default)]
struct Source {
    partition: i32,
    range: OffsetRange,
    last_stable_offset: i64,
    transactions: TransactionIndex,
    selection: RecordSelection,
}

impl Rewriter {
    /// A rewriter for one partition, whose committed offsets are translated by `offsets`. What is read is told with
    /// [`Self::turn_to`].
    pub fn new(
        offsets: OffsetTranslator,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        Self::filling(Outputs::one(offsets, producer, limits, depth))
    }

    /// A rewriter that spreads the records of a topic over so many `partitions`, by their keys.
    pub fn spreading(
        partitions: usize,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        Self::filling(Outputs::spread(partitions, producer, limits, depth))
    }

    fn filling(outputs: Outputs) -> Self {
        Self {
            source: Source::default(),
            decompressor: Decompressor::new(LARGEST_PLAIN),
            modernizer: Modernizer::new(LARGEST_PLAIN),
            all_or_nothing: false,
            outputs,
        }
    }

    /// What comes from here on is of `partition`, whose transactions came to `transactions`, and only the records of
    /// `selection` are taken.
    pub fn turn_to(
        &mut self,
        partition: &ManifestPartition,
        transactions: &TransactionTable,
        selection: RecordSelection,
    ) {
        self.source = Source {
            partition: partition.partition,
            range: partition.range(),
            last_stable_offset: partition.last_stable_offset,
            transactions: transactions.index(),
            selection,
        };
    }

    /// Takes, where that is wanted, nothing of a batch that can't be decoded: after the error of [`Self::push`] the next
    /// one may come.
    pub(crate) fn all_or_nothing(mut self, wanted: bool) -> Self {
        self.all_or_nothing = wanted;
        self
    }

    /// Puts together where every offset goes.
    pub(crate) fn mapping(mut self) -> Self {
        self.outputs.first().runs = Some(Runs::default());
        self
    }

    /// The runs of offsets that came to their end.
    pub(crate) fn ended_runs(&mut self) -> impl Iterator<Item = Run> {
        self.outputs.first().ended_runs()
    }

    /// Which partition it is at.
    pub(crate) fn partition(&self) -> i32 {
        self.source.partition
    }

    /// Which offsets of it a consumer of the source sees.
    pub(crate) fn range(&self) -> OffsetRange {
        self.source.range
    }

    /// Which records it takes.
    pub fn selection(&self) -> &RecordSelection {
        &self.source.selection
    }

    /// Passes over the offsets `range`, whose records are not given to it.
    pub fn leave_out(&mut self, range: OffsetRange, why: Skipped, records: u64) {
        self.outputs.first().leave_out(range, why, records);
    }

    /// Takes the next batch; what is ready to be produced goes to `out`.
    pub fn push(
        &mut self,
        batch: &Batch<'_>,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        self.push_repacked(batch, Codec::None, out)
    }

    /// The same with a batch that Kafka had compressed with `original`, if it is not compressed now (R27): so it will be
    /// again.
    pub fn push_repacked(
        &mut self,
        batch: &Batch<'_>,
        original: Codec,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        let header = &batch.header;
        let source = &self.source;
        let output = self.outputs.first();
        output.counts.batches_read += 1;
        output.counts.bytes_read += batch.bytes.len() as u64;
        let offsets = OffsetRange::new(header.base_offset, header.next_offset());
        if header.is_control() {
            output.offsets.skip(offsets, Skipped::Marker);
            return Ok(());
        }
        if !source.transactions.keeps(header, source.last_stable_offset) {
            output.offsets.skip(offsets, Skipped::Transaction);
            output.counts.uncommitted_records += u64::from(header.record_count.unwrap_or(0));
            return Ok(());
        }
        // old formats as Kafka's consumers see them, compressed again as they were (R28)
        let original = if header.magic < 2 {
            header.codec()?
        } else {
            original
        };
        let batch = &*self.modernizer.current(batch)?;
        let header = &batch.header;
        let offsets = OffsetRange::new(header.base_offset, header.next_offset());
        let passage = passage(batch);
        if passage == Passage::Skip {
            return Ok(());
        }
        // a batch may begin before the log start, whose records no consumer of the source sees any more (R6)
        let whole = offsets.start >= source.range.start && offsets.end <= source.range.end;
        let mut share = source.selection.of_batch(header);
        if share == Share::None && whole {
            let records = header.record_count.unwrap_or(0);
            output.leave_out(offsets, Skipped::NotSelected, u64::from(records));
            return Ok(());
        }
        let (stored, size) = (header.codec()?, batch.bytes.len());
        let repacked = stored == Codec::None && original != Codec::None;
        let codec = if repacked { original } else { stored };
        // a batch whose records go to several partitions never does
        let mut only = self
            .outputs
            .only()
            .filter(|_| passage == Passage::Patch && whole && !repacked);
        let depth = only.as_ref().map(|output| output.content.depth());
        if is_large(codec, size, 0)
            && share == Share::All
            && depth == Some(Depth::Batches)
            && let Some(output) = &mut only
        {
            return output.pass(batch, offsets, out);
        }
        let plain = self.decompressor.records_section(batch)?;
        if self.all_or_nothing {
            for record in records(header, plain) {
                record?;
            }
        }
        let mut only = only.filter(|_| is_large(codec, size, plain.len()));
        if only.is_some() && share == Share::Some && takes_all(&source.selection, header, plain)? {
            share = Share::All;
        }
        if let (Some(output), Share::All) = (&mut only, share) {
            if depth == Some(Depth::Records) {
                for record in records(header, plain) {
                    output.content.add(&record?);
                }
            }
            output.pass(batch, offsets, out)?;
        } else {
            self.outputs.encode(batch, codec, plain, source, out)?;
        }
        if plain.len() > LARGE_PLAIN {
            self.decompressor = Decompressor::new(LARGEST_PLAIN);
        }
        Ok(())
    }

    /// Everything is read: the last batches go to `out`. Gives what each partition came to, by number.
    pub fn finish(self, out: &mut Vec<OutputBatch>) -> Result<Vec<Rewritten>, RecordError> {
        self.outputs.finish(out)
    }
}

/// Whether a batch of that many bytes, with so many bytes of plain records, is left as it is.
fn is_large(codec: Codec, bytes: usize, plain: usize) -> bool {
    match codec {
        Codec::None => bytes >= SMALL,
        _ => bytes >= SMALL_COMPRESSED || plain > SMALL_PLAIN,
    }
}

/// Whether every record of a batch is taken, of which the header does not prove it.
fn takes_all(
    selection: &RecordSelection,
    header: &BatchHeader,
    plain: &[u8],
) -> Result<bool, RecordError> {
    for record in records(header, plain) {
        let record = record?;
        if !selection.takes(&record) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The base offset is 0: the broker assigns its own, and takes a compressed batch apart to make it anew where the
/// inner offsets do not count from 0.
fn produced(producer: Producer, before: u64) -> Produced {
    Produced {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: base_sequence(before),
        base_offset: 0,
    }
}

/// The sequence number of the record that has `before` others before it: they wrap from 2³¹−1 to 0.
pub fn base_sequence(before: u64) -> i32 {
    i32::try_from(before % SEQUENCES).unwrap_or(0)
}

#[cfg(test)]
mod tests;
