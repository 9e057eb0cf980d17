//! Turns the stored batches of a partition into those that Produce gets.
//!
//! The output is a pure function of the manifest, the limits and this program's version: what is skipped, thinned and
//! merged, batch boundaries included. That is what lets a restore find its place again by the target's end alone.

use bytes::Bytes;
use lifeboat_archive::{
    batch::{Batch, BatchHeader, Codec, TimestampType},
    lists::TransactionTable,
    manifest::ManifestPartition,
    records::{
        BatchBuilder, Decompressor, Modernizer, Passage, Produced, Record, RecordError, passage,
        patch_for_produce, records,
    },
    transactions::TransactionIndex,
    words::OffsetRange,
};
use serde::{Deserialize, Serialize};

use crate::{
    content::{Content, Depth, Making},
    offset_map::{Run, Runs, WaitingRuns},
    offsets::{OffsetMap, OffsetTranslator, Skipped},
    salvage::Salvage,
    selection::{RecordSelection, Share},
    settings::TopicSettings,
};

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
    /// Its bytes.
    pub bytes: Bytes,
    /// How many records of the partition come before it.
    pub before: u64,
    /// How many records it holds.
    pub records: u32,
    /// The source's offsets from its first record to behind its last.
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

/// Rewrites the batches of one partition, in order.
#[derive(Debug)]
pub struct Rewriter {
    range: OffsetRange,
    last_stable_offset: i64,
    transactions: TransactionIndex,
    selection: RecordSelection,
    decompressor: Decompressor,
    modernizer: Modernizer,
    /// Whether a batch that can't be decoded gives nothing, instead of the records before the place.
    all_or_nothing: bool,
    output: Output,
}

/// What the rewriter fills.
#[derive(Debug)]
struct Output {
    offsets: OffsetTranslator,
    producer: Producer,
    limits: BatchLimits,
    content: Content,
    counts: RewriteCounts,
    pending: Option<Pending>,
    /// A builder to use again.
    spare: Option<BatchBuilder>,
    /// Where every offset goes, where that is asked for.
    runs: Option<Runs>,
}

/// Records that wait to become a batch.
#[derive(Debug)]
struct Pending {
    builder: BatchBuilder,
    before: u64,
    source: OffsetRange,
}

impl Rewriter {
    /// A rewriter for `partition`, whose transactions came to `transactions`.
    pub fn new(
        partition: &ManifestPartition,
        transactions: &TransactionTable,
        offsets: OffsetTranslator,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        Self {
            range: partition.range(),
            last_stable_offset: partition.last_stable_offset,
            transactions: transactions.index(),
            selection: RecordSelection::default(),
            decompressor: Decompressor::new(LARGEST_PLAIN),
            modernizer: Modernizer::new(LARGEST_PLAIN),
            all_or_nothing: false,
            output: Output {
                offsets,
                producer,
                limits,
                content: Content::new(depth),
                counts: RewriteCounts::default(),
                pending: None,
                spare: None,
                runs: None,
            },
        }
    }

    /// Takes only these records.
    pub fn selecting(mut self, selection: RecordSelection) -> Self {
        self.selection = selection;
        self
    }

    /// Takes, where that is wanted, nothing of a batch that can't be decoded: after the error of [`Self::push`] the next
    /// one may come.
    pub(crate) fn all_or_nothing(mut self, wanted: bool) -> Self {
        self.all_or_nothing = wanted;
        self
    }

    /// Puts together where every offset goes.
    pub(crate) fn mapping(mut self) -> Self {
        self.output.runs = Some(Runs::default());
        self
    }

    /// The runs of offsets that came to their end.
    pub(crate) fn ended_runs(&mut self) -> impl Iterator<Item = Run> {
        self.output.runs.iter_mut().flat_map(Runs::ended)
    }

    /// Which records it takes.
    pub fn selection(&self) -> &RecordSelection {
        &self.selection
    }

    /// Passes over the offsets `range`, whose records are not given to it.
    pub fn leave_out(&mut self, range: OffsetRange, why: Skipped, records: u64) {
        self.output.leave_out(range, why, records);
    }

    /// What was counted so far.
    pub fn counts(&self) -> &RewriteCounts {
        &self.output.counts
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
        let output = &mut self.output;
        output.counts.batches_read += 1;
        output.counts.bytes_read += batch.bytes.len() as u64;
        let offsets = OffsetRange::new(header.base_offset, header.next_offset());
        if header.is_control() {
            output.offsets.skip(offsets, Skipped::Marker);
            return Ok(());
        }
        if !self.transactions.keeps(header, self.last_stable_offset) {
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
        let whole = offsets.start >= self.range.start && offsets.end <= self.range.end;
        let mut share = self.selection.of_batch(header);
        if share == Share::None && whole {
            let records = header.record_count.unwrap_or(0);
            output.leave_out(offsets, Skipped::NotSelected, u64::from(records));
            return Ok(());
        }
        let (stored, size) = (header.codec()?, batch.bytes.len());
        let repacked = stored == Codec::None && original != Codec::None;
        let codec = if repacked { original } else { stored };
        let may_pass = passage == Passage::Patch && whole && !repacked;
        let passes = may_pass && share == Share::All;
        if passes && is_large(codec, size, 0) && output.content.depth() == Depth::Batches {
            return output.pass(batch, offsets, out);
        }
        let plain = self.decompressor.records_section(batch)?;
        if self.all_or_nothing {
            for record in records(header, plain) {
                record?;
            }
        }
        let large = is_large(codec, size, plain.len());
        if may_pass && large && share == Share::Some && takes_all(&self.selection, header, plain)? {
            share = Share::All;
        }
        if may_pass && large && share == Share::All {
            if output.content.depth() == Depth::Records {
                for record in records(header, plain) {
                    output.content.add(&record?);
                }
            }
            output.pass(batch, offsets, out)?;
        } else {
            let choice = (self.range, &self.selection);
            output.encode(batch, codec, plain, choice, out)?;
        }
        if plain.len() > LARGE_PLAIN {
            self.decompressor = Decompressor::new(LARGEST_PLAIN);
        }
        Ok(())
    }

    /// The partition is at its end: the last batch goes to `out`.
    pub fn finish(self, out: &mut Vec<OutputBatch>) -> Result<Rewritten, RecordError> {
        let mut output = self.output;
        output.flush(out)?;
        Ok(Rewritten {
            counts: output.counts,
            content: output.content,
            offsets: output.offsets.finish(output.counts.records),
            salvaged: Vec::new(),
            last_runs: output.runs.map(Runs::finish).unwrap_or_default(),
            runs: WaitingRuns::default(),
        })
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

impl Output {
    /// Records that are not written.
    fn leave_out(&mut self, range: OffsetRange, why: Skipped, records: u64) {
        self.offsets.skip(range, why);
        if why == Skipped::NotSelected {
            self.counts.not_selected_records += records;
        }
    }

    /// A batch that needs another header only.
    fn pass(
        &mut self,
        batch: &Batch<'_>,
        offsets: OffsetRange,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        self.flush(out)?;
        let before = self.counts.records;
        self.content.pass(batch);
        let bytes = patch_for_produce(batch, produced(self.producer, before))?;
        let records = batch.header.record_count.unwrap_or(0);
        self.offsets.keep_run(offsets, before);
        self.map(offsets, before);
        self.count_kept(batch, u64::from(records));
        self.content.written(Making::Passed);
        self.emit(bytes, before, records, offsets, out);
        Ok(())
    }

    /// A batch whose records go into others: small, thinned or re-stamped ones.
    fn encode(
        &mut self,
        batch: &Batch<'_>,
        codec: Codec,
        plain: &[u8],
        (range, selection): (OffsetRange, &RecordSelection),
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        let mut kept = 0;
        for record in records(&batch.header, plain) {
            let record = record?;
            if !range.contains(record.offset) {
                continue;
            }
            if !selection.takes(&record) {
                let offset = OffsetRange::new(record.offset, record.offset + 1);
                self.leave_out(offset, Skipped::NotSelected, 1);
                continue;
            }
            let before = self.counts.records + kept;
            self.add(codec, &record, before, out)?;
            self.offsets.keep(record.offset, before);
            let offset = OffsetRange::new(record.offset, record.offset + 1);
            self.map(offset, before);
            self.content.add(&record);
            kept += 1;
        }
        self.count_kept(batch, kept);
        Ok(())
    }

    /// Adds a record to the batch that is being made, or to the next one where that is full or compressed otherwise.
    fn add(
        &mut self,
        codec: Codec,
        record: &Record<'_>,
        before: u64,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        let fits = self.pending.as_ref().is_some_and(|pending| {
            let size = pending.builder.estimated_size() + record.tail.len() + RECORD_FRAME;
            pending.builder.codec() == codec && size as u64 <= self.limits.encoded_bytes
        });
        if !fits {
            self.flush(out)?;
        }
        let spare = &mut self.spare;
        let pending = self.pending.get_or_insert_with(|| Pending {
            builder: spare
                .take()
                .filter(|builder| builder.codec() == codec)
                .unwrap_or_else(|| BatchBuilder::new(codec)),
            before,
            source: OffsetRange::new(record.offset, record.offset),
        });
        pending.builder.push(record.timestamp, record.tail);
        pending.source.end = record.offset + 1;
        Ok(())
    }

    /// Ends the batch that is being made.
    fn flush(&mut self, out: &mut Vec<OutputBatch>) -> Result<(), RecordError> {
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let records = pending.builder.record_count();
        let bytes = pending
            .builder
            .finish(produced(self.producer, pending.before))?;
        self.content.written(Making::Encoded);
        self.emit(bytes, pending.before, records, pending.source, out);
        self.spare = Some(pending.builder);
        Ok(())
    }

    fn emit(
        &mut self,
        bytes: Bytes,
        before: u64,
        records: u32,
        source: OffsetRange,
        out: &mut Vec<OutputBatch>,
    ) {
        self.counts.batches_written += 1;
        self.counts.bytes_written += bytes.len() as u64;
        out.push(OutputBatch {
            bytes,
            before,
            records,
            source,
        });
    }

    fn map(&mut self, source: OffsetRange, before: u64) {
        if let Some(runs) = &mut self.runs {
            runs.add(source, before);
        }
    }

    fn count_kept(&mut self, batch: &Batch<'_>, records: u64) {
        self.counts.records += records;
        if batch.header.timestamp_type() == TimestampType::LogAppendTime {
            self.counts.log_append_time_records += records;
        }
    }
}

/// What a record takes besides its key, value and headers, at most.
const RECORD_FRAME: usize = 24;

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
