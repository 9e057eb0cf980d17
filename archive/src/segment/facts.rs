//! What the index says of a segment, gathered from batch headers.

use crate::{
    batch::{BatchHeader, BatchProblem, Codec, TimestampType},
    index::{CodecStart, EpochStart, Holes, SegmentEntry},
    json::Sha256Hex,
    segment::member_name,
    words::{OffsetRange, TopicId, TopicPartition},
};

/// So many changes of the codec are kept; the batch that would bring one more begins another segment.
const MOST_CODECS: usize = 1_000;

#[derive(Clone, Debug)]
pub(super) struct Facts {
    at: i64,
    pub(super) first_offset: Option<i64>,
    pub(super) next_offset: i64,
    record_count: Option<u64>,
    pub(super) batch_count: u64,
    min_timestamp: Option<i64>,
    max_timestamp: Option<i64>,
    leader_epochs: Vec<EpochStart>,
    codecs: Vec<CodecStart>,
    pub(super) raw_bytes: u64,
    largest_batch: u64,
    holes: Holes,
}

impl Facts {
    pub(super) fn new(at: i64) -> Self {
        Self {
            at,
            first_offset: None,
            next_offset: at,
            record_count: Some(0),
            batch_count: 0,
            min_timestamp: None,
            max_timestamp: None,
            leader_epochs: Vec::new(),
            codecs: Vec::new(),
            raw_bytes: 0,
            largest_batch: 0,
            holes: Holes::default(),
        }
    }

    /// Takes note of the next batch, unless it is out of order.
    pub(super) fn observe(&mut self, header: &BatchHeader) -> Result<(), BatchProblem> {
        let expected = self.next_offset;
        let first = self.first_offset.is_none();
        // the log may start inside the first batch (R1)
        if header.last_offset() < expected || (!first && header.base_offset < expected) {
            return Err(BatchProblem::Order {
                last_offset: header.last_offset(),
                expected,
            });
        }
        // an old compressed message does not tell where it begins: behind the one before (R7)
        let hidden = header.hides_first_offset();
        let first_offset = if hidden { expected } else { header.base_offset };
        if first_offset > expected {
            self.holes.push(OffsetRange::new(expected, first_offset));
        }
        self.first_offset.get_or_insert(first_offset);
        self.next_offset = header.next_offset();
        self.batch_count += 1;
        self.raw_bytes += header.size as u64;
        self.largest_batch = self.largest_batch.max(header.size as u64);
        if self.leader_epochs.last().map(|last| last.epoch) != Some(header.leader_epoch) {
            self.leader_epochs.push(EpochStart {
                epoch: header.leader_epoch,
                start_offset: first_offset,
            });
        }
        self.observe_records(header);
        Ok(())
    }

    /// Takes note of what the batch was compressed with, where that can't be seen in the member.
    pub(super) fn was_compressed(&mut self, header: &BatchHeader, codec: Codec, repacked: bool) {
        if self.changes_codec(header, codec, repacked) {
            self.codecs.push(CodecStart {
                codec,
                start_offset: header.base_offset,
            });
        }
    }

    /// Whether a batch that was compressed with `codec` can't be told any more: the one before would stand for it.
    pub(super) fn lacks_room_for(
        &self,
        header: &BatchHeader,
        codec: Codec,
        repacked: bool,
    ) -> bool {
        self.codecs.len() >= MOST_CODECS && self.changes_codec(header, codec, repacked)
    }

    fn changes_codec(&self, header: &BatchHeader, codec: Codec, repacked: bool) -> bool {
        // the first ones that never were compressed need no word, and markers nowhere
        let plain = codec == Codec::None && !self.codecs.is_empty() && !header.is_control();
        let last = self.codecs.last().map(|last| last.codec);
        (repacked || plain) && last != Some(codec)
    }

    fn observe_records(&mut self, header: &BatchHeader) {
        if header.is_control() {
            return;
        }
        self.record_count = self
            .record_count
            .zip(header.record_count)
            .map(|(sum, count)| sum + u64::from(count));
        if header.record_count == Some(0) {
            return;
        }
        // then the base timestamp is not the time of a record, as consumers see it
        let other =
            header.has_delete_horizon() || header.timestamp_type() == TimestampType::LogAppendTime;
        let low = if other {
            header.max_timestamp
        } else {
            header.base_timestamp
        };
        if low >= 0 {
            self.min_timestamp = Some(self.min_timestamp.map_or(low, |min| min.min(low)));
        }
        if header.max_timestamp >= 0 {
            self.max_timestamp = self.max_timestamp.max(Some(header.max_timestamp));
        }
    }

    pub(super) fn memory(&self) -> u64 {
        let holes = size_of_val(self.holes.listed());
        let epochs = self.leader_epochs.capacity() * size_of::<EpochStart>();
        let codecs = self.codecs.capacity() * size_of::<CodecStart>();
        (holes + epochs + codecs) as u64
    }

    pub(super) fn into_entry(
        self,
        topic_partition: &TopicPartition,
        topic_id: TopicId,
        length: u64,
        sha256: Sha256Hex,
    ) -> SegmentEntry {
        let first_offset = self.first_offset.unwrap_or(self.at);
        SegmentEntry {
            member: member_name(topic_partition, first_offset),
            topic: topic_partition.topic.to_string(),
            topic_id,
            partition: topic_partition.partition,
            first_offset,
            next_offset: self.next_offset,
            record_count: self.record_count,
            batch_count: self.batch_count,
            min_timestamp_ms: self.min_timestamp,
            max_timestamp_ms: self.max_timestamp,
            leader_epochs: self.leader_epochs,
            codecs: self.codecs,
            raw_bytes: self.raw_bytes,
            largest_batch_bytes: self.largest_batch,
            holes: self.holes,
            position: 0,
            length,
            sha256,
        }
    }
}
