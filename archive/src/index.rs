//! What an archive says of its segments.

use serde::{Deserialize, Serialize};

use crate::{
    batch::Codec,
    json::{Document, Sha256Hex},
    words::{OffsetRange, Timestamp, TopicId, TopicPartition},
};

/// One segment: a member of an archive, a run of consecutive batches of one topic-partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// The tar member's name: `orders-3/00000000000000000000.log`.
    pub member: String,
    /// The topic's name.
    pub topic: String,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: i32,
    /// Base offset of the first batch.
    pub first_offset: i64,
    /// One more than the last offset of the last batch.
    pub next_offset: i64,
    /// Records by the batch headers, control records left out; `null` where old compressed batches do not tell.
    pub record_count: Option<u64>,
    /// Record batches, control batches included.
    pub batch_count: u64,
    /// Smallest base timestamp of a batch with records, `null` where there is none.
    pub min_timestamp_ms: Option<i64>,
    /// Largest timestamp of a batch with records, `null` where there is none.
    pub max_timestamp_ms: Option<i64>,
    /// Where each leader epoch begins, in order.
    pub leader_epochs: Vec<EpochStart>,
    /// What Kafka's batches were compressed with, where the member holds them uncompressed (R27), by where another codec
    /// begins; missing where the member holds them as they were. A batch that is compressed here is as it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<CodecStart>,
    /// Bytes of the member: the batches as Kafka stores them, or without their compression where they are repacked.
    pub raw_bytes: u64,
    /// The largest batch, in bytes.
    pub largest_batch_bytes: u64,
    /// Offsets between and before the batches that the broker passed over in an error-free answer (compaction).
    #[serde(flatten)]
    pub holes: Holes,
    /// Where the member's first zstd frame begins in the archive.
    pub position: u64,
    /// Bytes of the member's zstd frames: tar header, data and padding.
    pub length: u64,
    /// SHA-256 of the member's bytes.
    pub sha256: Sha256Hex,
}

impl SegmentEntry {
    /// The partition that it belongs to.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }

    /// The offsets from its first batch to behind its last.
    pub fn range(&self) -> OffsetRange {
        OffsetRange::new(self.first_offset, self.next_offset)
    }

    /// What the batch at `base_offset` was compressed with, as far as the member does not tell.
    pub fn codec_at(&self, base_offset: i64) -> Codec {
        let behind = |start: &CodecStart| start.start_offset <= base_offset;
        let at = self.codecs.partition_point(behind);
        let start = at.checked_sub(1).and_then(|at| self.codecs.get(at));
        start.map_or(Codec::None, |start| start.codec)
    }

    /// The name of the first field in which two entries differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        macro_rules! first_difference {
            ($($field:ident),+) => {
                $(if self.$field != other.$field {
                    return Some(stringify!($field));
                })+
            };
        }
        first_difference!(
            member,
            topic,
            topic_id,
            partition,
            first_offset,
            next_offset,
            record_count,
            batch_count,
            min_timestamp_ms,
            max_timestamp_ms,
            leader_epochs,
            codecs,
            raw_bytes,
            largest_batch_bytes,
            holes,
            position,
            length,
            sha256
        );
        None
    }
}

/// Where batches begin that Kafka has compressed another way than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecStart {
    /// How.
    pub codec: Codec,
    /// Base offset of the first of them.
    pub start_offset: i64,
}

/// The holes of a segment, by offset. Only so many are listed: in a compacted topic each batch may have one before it,
/// and where they are can be seen from the batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holes {
    #[serde(rename = "holes", default, skip_serializing_if = "Vec::is_empty")]
    listed: Vec<OffsetRange>,
    #[serde(rename = "further_holes", default, skip_serializing_if = "is_zero")]
    further: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Holes {
    /// How many are listed at most.
    pub const MOST_LISTED: usize = 1_000;

    /// Adds a hole behind the others.
    pub fn push(&mut self, hole: OffsetRange) {
        if self.listed.len() < Self::MOST_LISTED {
            self.listed.push(hole);
        } else {
            self.further += 1;
        }
    }

    /// The first ones.
    pub fn listed(&self) -> &[OffsetRange] {
        &self.listed
    }

    /// Goes through the first ones.
    pub fn iter(&self) -> std::slice::Iter<'_, OffsetRange> {
        self.listed.iter()
    }

    /// How many there are behind those.
    pub fn further(&self) -> u64 {
        self.further
    }
}

impl FromIterator<OffsetRange> for Holes {
    fn from_iter<I: IntoIterator<Item = OffsetRange>>(holes: I) -> Self {
        let mut all = Self::default();
        holes.into_iter().for_each(|hole| all.push(hole));
        all
    }
}

impl<'h> IntoIterator for &'h Holes {
    type Item = &'h OffsetRange;
    type IntoIter = std::slice::Iter<'h, OffsetRange>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A leader epoch and the first offset that was written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochStart {
    /// partitionLeaderEpoch of the batches; −1 for magic 0 and 1, which have none.
    pub epoch: i32,
    /// Base offset of its first batch.
    pub start_offset: i64,
}

/// The table of contents, the last member of an archive: `lifeboat/<ulid>.index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveIndex {
    /// The archive's ulid, as in its name.
    pub archive: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Its segments, in the order of the members.
    pub segments: Vec<SegmentEntry>,
}

impl Document for ArchiveIndex {
    const FORMAT: &'static str = "lifeboat.index";
}
