//! What the rewriter fills: one partition of the target, or all partitions of a topic that gets another number of them.

use bytes::Bytes;
use lifeboat_archive::{
    batch::{Batch, Codec, TimestampType},
    records::{BatchBuilder, Record, RecordError, patch_for_produce, records},
    words::OffsetRange,
};

use super::{BatchLimits, OutputBatch, Producer, RewriteCounts, Rewritten, Source, produced};
use crate::{
    content::{Content, Depth, Making},
    offset_map::{Run, Runs, WaitingRuns},
    offsets::{OffsetTranslator, Skipped},
    repartition::partition_for,
};

/// What a record takes besides its key, value and headers, at most.
const RECORD_FRAME: usize = 24;

/// All partitions that records go to, at least one. What is counted of the reading is counted with the first of them.
#[derive(Debug)]
pub(super) struct Outputs(Vec<Output>);

impl Outputs {
    /// One, that gets all records.
    pub(super) fn one(
        offsets: OffsetTranslator,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        Self(vec![Output::new(0, offsets, producer, limits, depth)])
    }

    /// So many, between which the keys decide. Where offsets go is not known then.
    pub(super) fn spread(
        partitions: usize,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        let output = |number| Output {
            mixes_codecs: true,
            ..Output::new(number, OffsetTranslator::default(), producer, limits, depth)
        };
        Self((0..partitions.max(1)).map(output).collect())
    }

    /// The only one, where a batch may pass as it is.
    pub(super) fn only(&mut self) -> Option<&mut Output> {
        match self.0.as_mut_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The one that counts what is read.
    pub(super) fn first(&mut self) -> &mut Output {
        &mut self.0[0]
    }

    /// A batch of `source` whose records go into others: small, thinned, re-stamped or spread ones.
    pub(super) fn encode(
        &mut self,
        batch: &Batch<'_>,
        codec: Codec,
        plain: &[u8],
        source: &Source,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        let append_time = batch.header.timestamp_type() == TimestampType::LogAppendTime;
        let partitions = self.0.len();
        for record in records(&batch.header, plain) {
            let record = record?;
            if !source.range.contains(record.offset) {
                continue;
            }
            if !source.selection.takes(&record) {
                let offset = OffsetRange::new(record.offset, record.offset + 1);
                self.first().leave_out(offset, Skipped::NotSelected, 1);
                continue;
            }
            let at = partition_for(record.key, (source.partition, record.offset), partitions);
            self.0[at].take(codec, &record, append_time, out)?;
        }
        Ok(())
    }

    /// Everything is read: the last batches go to `out`.
    pub(super) fn finish(self, out: &mut Vec<OutputBatch>) -> Result<Vec<Rewritten>, RecordError> {
        let outputs = self.0.into_iter();
        outputs
            .map(|mut output| {
                output.flush(out)?;
                Ok(Rewritten {
                    counts: output.counts,
                    content: output.content,
                    offsets: output.offsets.finish(output.counts.records),
                    salvaged: Vec::new(),
                    last_runs: output.runs.map(Runs::finish).unwrap_or_default(),
                    runs: WaitingRuns::default(),
                })
            })
            .collect()
    }
}

/// One partition of the target.
#[derive(Debug)]
pub(super) struct Output {
    number: usize,
    pub(super) offsets: OffsetTranslator,
    producer: Producer,
    limits: BatchLimits,
    pub(super) content: Content,
    pub(super) counts: RewriteCounts,
    pending: Option<Pending>,
    /// A builder to use again.
    spare: Option<BatchBuilder>,
    /// Where every offset goes, where that is asked for.
    pub(super) runs: Option<Runs>,
    /// Whether one batch may hold records of several codecs: what is next to each other here was not there.
    mixes_codecs: bool,
}

/// Records that wait to become a batch.
#[derive(Debug)]
struct Pending {
    builder: BatchBuilder,
    before: u64,
    source: OffsetRange,
}

impl Output {
    fn new(
        number: usize,
        offsets: OffsetTranslator,
        producer: Producer,
        limits: BatchLimits,
        depth: Depth,
    ) -> Self {
        Self {
            number,
            offsets,
            producer,
            limits,
            content: Content::new(depth),
            counts: RewriteCounts::default(),
            pending: None,
            spare: None,
            runs: None,
            mixes_codecs: false,
        }
    }

    /// The runs of offsets that came to their end.
    pub(super) fn ended_runs(&mut self) -> impl Iterator<Item = Run> {
        self.runs.iter_mut().flat_map(Runs::ended)
    }

    /// Records that are not written.
    pub(super) fn leave_out(&mut self, range: OffsetRange, why: Skipped, records: u64) {
        self.offsets.skip(range, why);
        if why == Skipped::NotSelected {
            self.counts.not_selected_records += records;
        }
    }

    /// A batch that needs another header only.
    pub(super) fn pass(
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
        let append_time = batch.header.timestamp_type() == TimestampType::LogAppendTime;
        self.count_kept(u64::from(records), append_time);
        self.content.written(Making::Passed);
        self.emit(bytes, before, records, offsets, out);
        Ok(())
    }

    /// A record that goes into another batch.
    fn take(
        &mut self,
        codec: Codec,
        record: &Record<'_>,
        append_time: bool,
        out: &mut Vec<OutputBatch>,
    ) -> Result<(), RecordError> {
        let before = self.counts.records;
        self.add(codec, record, before, out)?;
        self.offsets.keep(record.offset, before);
        self.map(OffsetRange::new(record.offset, record.offset + 1), before);
        self.content.add(record);
        self.count_kept(1, append_time);
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
            let same = self.mixes_codecs || pending.builder.codec() == codec;
            same && size as u64 <= self.limits.encoded_bytes
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
        // nothing would fit any more: a large record must not wait here, once for each of many partitions
        if pending.builder.estimated_size() as u64 >= self.limits.encoded_bytes {
            self.flush(out)?;
        }
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
        let most = self.limits.encoded_bytes.saturating_mul(2);
        let builder = Some(pending.builder);
        self.spare = builder.filter(|builder| builder.capacity() as u64 <= most);
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
            output: self.number,
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

    fn count_kept(&mut self, records: u64, append_time: bool) {
        self.counts.records += records;
        if append_time {
            self.counts.log_append_time_records += records;
        }
    }
}
