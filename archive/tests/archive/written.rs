//! Archives to test with, and the whole way back: footer, index, segments.

use std::collections::BTreeMap;

use lifeboat_archive::{
    batch::{Batches, Codec},
    index::{ArchiveIndex, SegmentEntry},
    segment::{FrameCompressor, SegmentBuilder, SegmentReader, check_segment},
    tarball::{ArchiveBuilder, ArchiveError, ArchiveFooter, FinishedArchive},
    words::{Timestamp, TopicPartition},
};
use ulid::Ulid;

use crate::samples::{self, Change, LOG_APPEND_TIME, TIME};

/// An archive and what went into it.
pub(crate) struct Written {
    /// The archive.
    pub(crate) bytes: Vec<u8>,
    /// What it has come to.
    pub(crate) finished: FinishedArchive,
    /// The segments, by member.
    pub(crate) members: BTreeMap<String, Vec<u8>>,
}

impl Written {
    /// An archive of segments: partition, first expected offset, batches.
    pub(crate) fn new(segments: Vec<(TopicPartition, i64, Vec<u8>)>) -> Self {
        let mut compressor = FrameCompressor::new(3);
        let mut archive = ArchiveBuilder::new(
            Ulid::from_parts(1_700_000_000_000, 42),
            Timestamp::from_millis(TIME),
        );
        let mut bytes = Vec::new();
        let mut members = BTreeMap::new();
        for (topic_partition, at, batches) in segments {
            let mut segment = SegmentBuilder::new(topic_partition, samples::topic_id(), at);
            segment.push(&batches, &mut compressor).unwrap();
            let closed = segment.finish(&mut compressor);
            members.insert(closed.entry.member.clone(), batches);
            bytes.extend(archive.append(closed).concat());
        }
        let finished = archive.finish(&mut compressor);
        bytes.extend(finished.tail.concat());
        Self {
            bytes,
            finished,
            members,
        }
    }

    /// A small one with something of everything: codecs, holes, transactions, a long name, old formats, other times.
    pub(crate) fn sample() -> Self {
        let orders = [
            samples::batch(3, 2, Codec::None),
            samples::batch(5, 2, Codec::Gzip),
            samples::batch(9, 2, Codec::Snappy),
            samples::batch(11, 2, Codec::Lz4),
            samples::batch(13, 2, Codec::Zstd),
        ];
        let stamped = Change {
            leader_epoch: Some(2),
            set: LOG_APPEND_TIME,
            max_timestamp: Some(TIME + 315_576_000_000),
            ..Change::default()
        };
        let transactions = [
            samples::transactional(0, 1, 7),
            samples::control(1, 7, 0),
            samples::changed(samples::batch(2, 1, Codec::None), stamped),
            samples::transactional(3, 2, 8),
            samples::control(5, 8, 1),
        ];
        let old = [
            samples::old_message(0, 100, 0, b"k", b"magic 0"),
            samples::old_message(1, 101, 8, b"k", b"magic 1"),
        ];
        Self::new(vec![
            (samples::topic_partition(), 0, orders.concat()),
            (
                TopicPartition::new("l".repeat(249), 0),
                0,
                transactions.concat(),
            ),
            (TopicPartition::new("old", 12), 98, old.concat()),
        ])
    }

    /// The frames of a segment.
    pub(crate) fn frames(&self, entry: &SegmentEntry) -> &[u8] {
        range(&self.bytes, entry.position, entry.length).unwrap()
    }
}

/// Those bytes, if they are there.
pub(crate) fn range(bytes: &[u8], position: u64, length: u64) -> Option<&[u8]> {
    let position = usize::try_from(position).ok()?;
    let length = usize::try_from(length).ok()?;
    bytes.get(position..position.checked_add(length)?)
}

/// Everything in an archive, by member, as a restore would come to it.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
    let tail = &bytes[bytes.len().saturating_sub(64 << 10)..];
    let footer = ArchiveFooter::parse(tail, bytes.len() as u64)?;
    let frame = range(bytes, footer.index_position, footer.index_length).unwrap();
    let index = ArchiveIndex::parse_frame(frame, 1 << 20)?;
    let mut members = BTreeMap::new();
    for entry in &index.segments {
        let frames = range(bytes, entry.position, entry.length).unwrap_or_default();
        check_segment(entry, frames, |_| ())?;
        let mut reader = SegmentReader::new(entry, frames);
        let mut content = Vec::new();
        while let Some(block) = reader.next_block()? {
            assert!(Batches::new(block).all(|batch| batch.is_ok()));
            content.extend_from_slice(block);
        }
        members.insert(entry.member.clone(), content);
    }
    Ok(members)
}
