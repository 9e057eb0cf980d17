use std::{convert::Infallible, sync::OnceLock};

use proptest::prelude::*;

use super::*;
use crate::{
    batch::Codec,
    samples::{self, TIME, topic_id, topic_partition},
    segment::{FrameCompressor, SegmentBuilder, check_segment},
    tarball::ArchiveBuilder,
    words::{Timestamp, TopicPartition},
};

/// Some room before the segment, as in an archive.
const BEFORE: usize = 777;

struct Stored {
    entry: SegmentEntry,
    bytes: Vec<u8>,
    /// Every batch, with its offsets.
    batches: Vec<(OffsetRange, Vec<u8>)>,
}

/// A segment of several frames with a hole before each tenth batch, of batches that can't be compressed much.
fn stored(of: &TopicPartition, count: i64) -> Stored {
    let mut compressor = FrameCompressor::new(1);
    let mut segment = SegmentBuilder::new(of.clone(), topic_id(), 0);
    let (mut batches, mut next) = (Vec::new(), 0);
    for number in 0..count {
        next += if number % 10 == 9 { 3 } else { 0 };
        let bytes = samples::batch(next, 900, Codec::None);
        segment.push(&bytes, &mut compressor).unwrap();
        batches.push((OffsetRange::new(next, next + 900), bytes));
        next += 900;
    }
    let mut archive = ArchiveBuilder::new(ulid::Ulid::nil(), Timestamp::from_millis(TIME));
    let frames = archive.append(segment.finish(&mut compressor)).concat();
    let index = archive.finish(&mut compressor).index;
    let mut entry = index.segments[0].clone();
    entry.position = BEFORE as u64;
    let mut bytes = vec![0xAA; BEFORE];
    bytes.extend(frames);
    // and others behind it
    bytes.extend([0xBB; 5_000]);
    Stored {
        entry,
        bytes,
        batches,
    }
}

/// One that is made once.
fn shared() -> &'static Stored {
    static SHARED: OnceLock<Stored> = OnceLock::new();
    SHARED.get_or_init(|| stored(&topic_partition(), 70))
}

/// What is taken, and what is lost; they must come in order.
fn salvage(entry: &SegmentEntry, bytes: &[u8]) -> (Vec<u8>, Vec<OffsetRange>) {
    let (mut taken, mut lost, mut at) = (Vec::new(), Vec::new(), i64::MIN);
    let read = |range: Range<u64>| {
        let place = |at: u64| usize::try_from(at).unwrap().min(bytes.len());
        let mut piece = bytes[place(range.start)..place(range.end)].to_vec();
        piece.resize(usize::try_from(range.end - range.start).unwrap(), 0);
        Ok::<_, Infallible>(piece)
    };
    let taking = |part: Salvaged<'_>| {
        match part {
            Salvaged::Batches(batches) => {
                for batch in Batches::new(batches) {
                    let header = batch.unwrap().header;
                    assert!(header.base_offset >= at);
                    at = header.next_offset();
                }
                taken.extend_from_slice(batches);
            }
            Salvaged::Lost(range) => {
                assert!(range.start >= at && !range.is_empty());
                at = range.end;
                lost.push(range);
            }
        }
        Ok(())
    };
    salvage_segment(entry, read, taking).unwrap();
    (taken, lost)
}

/// Every batch is either taken as it was, or lost with exactly its offsets.
fn assert_exact(stored: &Stored, taken: &[u8], lost: &[OffsetRange]) -> usize {
    let is_lost = |range: &OffsetRange| lost.iter().any(|lost| lost.contains(range.start));
    let expected: Vec<&[u8]> = stored
        .batches
        .iter()
        .filter(|(range, _)| !is_lost(range))
        .map(|(_, bytes)| bytes.as_slice())
        .collect();
    assert_eq!(taken, expected.concat());
    let offsets: u64 = lost.iter().map(|lost| lost.span()).sum();
    let missing = stored.batches.len() - expected.len();
    assert_eq!(offsets, missing as u64 * 900);
    missing
}

#[test]
fn one_damaged_frame_costs_its_batches_and_nothing_else() {
    let stored = stored(&topic_partition(), 120);
    let frames = stored.entry.raw_bytes.div_ceil(FRAME_BYTES as u64);
    assert!(frames >= 4, "{frames} frames");
    let mut most = 0;
    for step in 1..40 {
        let mut bytes = stored.bytes.clone();
        let length = usize::try_from(stored.entry.length).unwrap();
        bytes[BEFORE + 600 + (length - 700) * step / 40] ^= 0x10;
        let (taken, lost) = salvage(&stored.entry, &bytes);
        most = most.max(assert_exact(&stored, &taken, &lost));
    }
    assert!(most > 0 && most <= 40, "{most} of 120 batches");
}

#[test]
fn what_is_cut_off_is_lost_and_what_is_before_it_is_there() {
    let stored = stored(&topic_partition(), 120);
    let length = usize::try_from(stored.entry.length).unwrap();
    let bytes = &stored.bytes[..BEFORE + length * 2 / 3];
    let (taken, lost) = salvage(&stored.entry, bytes);
    let missing = assert_exact(&stored, &taken, &lost);
    assert!((30..90).contains(&missing), "{missing}");
    let end = lost.last().unwrap().end;
    assert_eq!(end, stored.entry.next_offset);
}

#[test]
fn where_only_the_header_or_the_padding_is_damaged_nothing_is_lost() {
    let stored = stored(&topic_partition(), 40);
    let end = BEFORE + usize::try_from(stored.entry.length).unwrap();
    for at in [BEFORE + 20, end - 3] {
        let mut bytes = stored.bytes.clone();
        bytes[at] ^= 0xFF;
        let frames = &bytes[BEFORE..end];
        assert!(check_segment(&stored.entry, frames, |_| ()).is_err());
        let (taken, lost) = salvage(&stored.entry, &bytes);
        assert_eq!(assert_exact(&stored, &taken, &lost), 0);
    }
}

#[test]
fn nothing_is_taken_of_what_may_be_another_segment() {
    let stored = stored(&topic_partition(), 40);
    let whole = OffsetRange::new(0, stored.entry.next_offset);
    let all = |lost: &[OffsetRange]| lost.iter().map(|lost| lost.span()).sum::<u64>();
    // another topic's, with batches as sound as ours
    let mut other = super::tests::stored(&TopicPartition::new("others", 0), 41);
    let (taken, lost) = salvage(&stored.entry, &other.bytes);
    assert!(taken.is_empty() && all(&lost) == 40 * 900, "{lost:?}");
    assert!(
        lost.iter()
            .all(|lost| lost.start >= 0 && lost.end <= whole.end)
    );
    // damaged besides
    other.bytes[BEFORE + 5_000] ^= 1;
    assert!(salvage(&stored.entry, &other.bytes).0.is_empty());
    // of the same name and size, and every frame is sound
    let mut exchanged = stored.entry.clone();
    exchanged.sha256 = crate::json::Sha256Hex::of(b"what was stored");
    let (taken, lost) = salvage(&exchanged, &stored.bytes);
    assert!(taken.is_empty() && all(&lost) == 40 * 900, "{lost:?}");
    // neither name nor hash
    let mut bytes = stored.bytes.clone();
    bytes[BEFORE + 20] ^= 0xFF;
    let end = bytes.len() - 20_000;
    bytes[end] ^= 0xFF;
    assert!(salvage(&stored.entry, &bytes).0.is_empty());
}

#[test]
fn where_nothing_can_be_read_all_is_lost() {
    let stored = stored(&topic_partition(), 20);
    let (taken, lost) = salvage(&stored.entry, &[]);
    assert!(taken.is_empty());
    assert_eq!(assert_exact(&stored, &taken, &lost), 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_damaged_each_batch_is_taken_as_it_was_or_named_as_lost(
        damage in prop::collection::vec((0_usize..1_000_000, 1_u8..=255, 1_usize..3_000), 1..4),
    ) {
        let stored = shared();
        let mut bytes = stored.bytes.clone();
        let length = usize::try_from(stored.entry.length).unwrap();
        for (place, mask, long) in damage {
            let at = BEFORE + place % length;
            let end = (at + long).min(BEFORE + length);
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= mask);
        }
        let (taken, lost) = salvage(&stored.entry, &bytes);
        assert_exact(stored, &taken, &lost);
    }
}
