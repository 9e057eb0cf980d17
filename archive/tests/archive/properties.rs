//! Properties that hold for everything that can be made up. `LIFEBOAT_SEED` chooses another run, `LIFEBOAT_ROUNDS` more
//! cases; both are printed.

use lifeboat_archive::{
    batch::{Batch, Batches, Codec},
    digest::RecordDigest,
    index::{ArchiveIndex, SegmentEntry},
    records::{BatchBuilder, Decompressor, Passage, Produced, passage, patch_for_produce, records},
    segment::{FRAME_BYTES, FrameCompressor, SegmentBuilder, SegmentReader, check_segment},
    tarball::{ArchiveBuilder, ArchiveFooter, compress_frame, decompress_frame, read_documents},
    transactions::TransactionTracker,
    words::{OffsetRange, Timestamp},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::samples::{self, Change};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Runs `property` for many values.
fn hold<S: Strategy>(
    cases: u32,
    values: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seed = number("LIFEBOAT_SEED", 20_260_823);
    let cases = cases.max(u32::try_from(number("LIFEBOAT_ROUNDS", 0)).unwrap());
    println!("LIFEBOAT_SEED={seed} LIFEBOAT_ROUNDS={cases}");
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&values, property) {
        panic!("{error}");
    }
}

type Bytes = Vec<u8>;

/// Every flag in the attributes of a batch.
const FLAGS: i16 =
    samples::LOG_APPEND_TIME | samples::TRANSACTIONAL | samples::CONTROL | samples::DELETE_HORIZON;

#[derive(Clone, Debug)]
struct Made {
    timestamp: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Made {
    fn tail(&self) -> Bytes {
        let headers: Vec<_> = self.headers().collect();
        samples::tail(self.key.as_deref(), self.value.as_deref(), &headers)
    }

    fn headers(&self) -> impl Iterator<Item = samples::Header<'_>> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_deref()))
    }
}

fn made() -> impl Strategy<Value = Made> {
    let timestamp = prop_oneof![
        8 => samples::TIME - 1_000_000..samples::TIME + 1_000_000,
        1 => Just(-1i64),
        1 => any::<i64>(),
    ];
    let bytes = |most: usize| option::weighted(0.8, vec(any::<u8>(), 0..most));
    let headers = vec((vec(any::<u8>(), 0..9), bytes(20)), 0..4);
    (timestamp, bytes(40), bytes(300), headers).prop_map(|(timestamp, key, value, headers)| Made {
        timestamp,
        key,
        value,
        headers,
    })
}

fn codec() -> impl Strategy<Value = Codec> {
    select(Codec::ALL.as_slice())
}

#[test]
fn records_come_out_of_a_batch_as_they_went_in() {
    let values = (codec(), vec(made(), 1..40), 0..i64::MAX / 2);
    hold(300, values, |(codec, all, base_offset)| {
        let mut builder = BatchBuilder::new(codec);
        let mut expected = RecordDigest::new();
        for made in &all {
            builder.push(made.timestamp, &made.tail());
            expected.update_parts(
                made.timestamp,
                made.key.as_deref(),
                made.value.as_deref(),
                made.headers(),
            );
        }
        let produced = Produced {
            base_offset,
            ..Produced::ANONYMOUS
        };
        let bytes = builder.finish(produced).unwrap();
        let batch = Batch::parse(&bytes).unwrap().unwrap();
        batch.check_crc().unwrap();
        prop_assert_eq!(batch.bytes.len(), bytes.len());
        prop_assert_eq!(
            batch.header.max_timestamp,
            all.iter().map(|made| made.timestamp).max().unwrap()
        );
        let mut decompressor = Decompressor::new(1 << 20);
        let plain = decompressor.records_section(&batch).unwrap();
        let mut digest = RecordDigest::new();
        for (index, (record, made)) in records(&batch.header, plain).zip(&all).enumerate() {
            let record = record.unwrap();
            prop_assert_eq!(record.offset, base_offset + i64::try_from(index).unwrap());
            prop_assert_eq!(record.timestamp, made.timestamp);
            prop_assert_eq!(record.key, made.key.as_deref());
            prop_assert_eq!(record.value, made.value.as_deref());
            let headers: Vec<_> = record.headers().map(Result::unwrap).collect();
            prop_assert_eq!(headers, made.headers().collect::<Vec<_>>());
            prop_assert_eq!(record.tail, made.tail());
            digest.update(&record);
        }
        prop_assert_eq!(digest.records(), all.len() as u64);
        prop_assert_eq!(digest, expected);
        Ok(())
    });
}

/// A batch to come in a log: records, the hole before it, offsets taken inside, codec, flags, epoch step.
type Step = (u32, i64, i32, Codec, u8, i32);

fn step() -> impl Strategy<Value = Step> {
    let hole = prop_oneof![3 => Just(0i64), 1 => 1..50i64];
    let inside = prop_oneof![3 => Just(0i32), 1 => 1..9i32];
    let count = prop_oneof![8 => 1..20u32, 1 => 5_000..9_000u32];
    let epoch_step = prop_oneof![9 => Just(0i32), 1 => 1..3i32];
    (count, hole, inside, codec(), 0..8u8, epoch_step)
}

/// The batches, and for each the offset where its hole begins and where it begins itself.
fn log(start: i64, steps: &[Step]) -> Vec<(i64, i64, Bytes)> {
    let mut next = start;
    let mut epoch = 0;
    let mut log = Vec::new();
    for &(count, hole, inside, codec, kind, epoch_step) in steps {
        epoch += epoch_step;
        let base = next + hole;
        let plain = match kind {
            0 => samples::control(base, 9, 1),
            1 => samples::transactional(base, count, 9),
            2 => samples::old_message(1, base, 0, b"key", b"value"),
            _ => samples::batch(base, count, codec),
        };
        let batch = if kind == 2 {
            plain
        } else {
            let header = samples::header(&plain);
            let change = Change {
                leader_epoch: Some(epoch),
                last_offset_delta: Some(header.last_offset_delta + inside),
                ..Change::default()
            };
            samples::changed(plain, change)
        };
        let end = samples::header(&batch).next_offset();
        log.push((next, base, batch));
        next = end;
    }
    log
}

/// Cuts `bytes` anywhere; what is left of a batch is given again with the next piece, as a fetch would.
fn push_in_pieces(
    segment: &mut SegmentBuilder,
    bytes: &[u8],
    cuts: &[usize],
    compressor: &mut FrameCompressor,
) {
    let mut given = 0;
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    for end in ends {
        given += segment
            .take(&bytes[given..end.max(given)], u64::MAX, compressor)
            .unwrap();
    }
    assert_eq!(given, bytes.len());
}

fn stored(segment: SegmentBuilder, compressor: &mut FrameCompressor) -> (SegmentEntry, Bytes) {
    let mut archive = ArchiveBuilder::new(ulid::Ulid::nil(), Timestamp::default());
    let frames = archive.append(segment.finish(compressor)).concat();
    (archive.finish(compressor).index.segments.remove(0), frames)
}

#[test]
fn r3_a_segment_reads_back_and_its_entry_is_what_the_batches_say() {
    let values = (
        0..1_000_000i64,
        vec(step(), 1..12),
        vec(any::<usize>(), 0..8),
        1..4i32,
    );
    hold(60, values, |(start, steps, cuts, level)| {
        let log = log(start, &steps);
        let bytes: Bytes = log.iter().flat_map(|(_, _, batch)| batch.clone()).collect();
        let mut compressor = FrameCompressor::new(level);
        let mut segment =
            SegmentBuilder::new(samples::topic_partition(), samples::topic_id(), start);
        push_in_pieces(&mut segment, &bytes, &cuts, &mut compressor);
        let (entry, frames) = stored(segment, &mut compressor);

        let headers: Vec<_> = log
            .iter()
            .map(|(_, _, batch)| samples::header(batch))
            .collect();
        let holes: Vec<_> = log.iter().filter(|(from, base, _)| from < base).collect();
        let holes: Vec<_> = holes
            .iter()
            .map(|(from, base, _)| OffsetRange::new(*from, *base))
            .collect();
        prop_assert_eq!(entry.holes.listed(), holes);
        prop_assert_eq!(entry.first_offset, headers[0].base_offset);
        prop_assert_eq!(entry.next_offset, headers.last().unwrap().next_offset());
        prop_assert_eq!(entry.batch_count, headers.len() as u64);
        let data = headers.iter().filter(|header| !header.is_control());
        let records: u64 = data
            .map(|header| u64::from(header.record_count.unwrap()))
            .sum();
        prop_assert_eq!(entry.record_count, Some(records));
        prop_assert_eq!(
            entry.largest_batch_bytes,
            headers.iter().map(|h| h.size as u64).max().unwrap()
        );
        check_segment(&entry, frames.as_slice(), |_| ()).unwrap();

        let mut reader = SegmentReader::new(&entry, frames.as_slice());
        let mut read = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            let batches = Batches::new(block).count();
            prop_assert!(block.len() <= FRAME_BYTES || batches == 1);
            read.extend_from_slice(block);
        }
        prop_assert_eq!(read, bytes);
        Ok(())
    });
}

#[test]
fn r14_the_table_keeps_exactly_what_a_read_committed_consumer_would_see() {
    // producer 0 is not transactional; the others write, commit and abort as they like
    let steps = vec((0..4i64, 0..5u8, 1..4u32), 1..60);
    hold(
        500,
        (steps, 0..30usize, any::<bool>()),
        |(steps, cut, stable_moves)| {
            let mut log = Vec::new();
            let mut open: std::collections::HashMap<i64, Vec<usize>> =
                std::collections::HashMap::new();
            let mut visible: Vec<Option<bool>> = Vec::new();
            let mut next = 100;
            for (producer, what, count) in steps {
                let (batch, fate) = match (producer, what) {
                    (0, _) => (samples::batch(next, count, Codec::None), Some(true)),
                    (_, 0..=2) => {
                        open.entry(producer).or_default().push(log.len());
                        (samples::transactional(next, count, producer), None)
                    }
                    (_, kind) => {
                        let commits = kind == 3;
                        for at in open.remove(&producer).unwrap_or_default() {
                            visible[at] = Some(commits);
                        }
                        (
                            samples::control(next, producer, i16::from(commits)),
                            Some(false),
                        )
                    }
                };
                next = samples::header(&batch).next_offset();
                visible.push(fate);
                log.push(batch);
            }
            // retention may have taken any number of batches from the front
            let cut = cut.min(log.len() - 1);
            let log_start = samples::header(&log[cut]).base_offset;
            let undecided = (cut..log.len()).filter(|&at| visible[at].is_none());
            let first_open = undecided
                .map(|at| samples::header(&log[at]).base_offset)
                .min();
            let last_stable_offset = if stable_moves {
                first_open.unwrap_or(next)
            } else {
                next
            };
            let mut tracker = TransactionTracker::new(log_start);
            for batch in &log[cut..] {
                tracker
                    .observe(&Batch::parse(batch).unwrap().unwrap())
                    .unwrap();
            }
            let table = tracker.finish();
            let index = table.index();
            for (batch, fate) in log[cut..].iter().zip(&visible[cut..]) {
                let header = samples::header(batch);
                // below the last stable offset everything is decided: what has no marker here was committed
                let expected = fate.unwrap_or(header.base_offset < last_stable_offset);
                prop_assert_eq!(table.keeps(&header, last_stable_offset), expected);
                prop_assert_eq!(index.keeps(&header, last_stable_offset), expected);
            }
            Ok(())
        },
    );
}

#[test]
fn r21_what_passes_by_its_header_keeps_its_records() {
    let values = (codec(), vec(made(), 1..10), 0..3i32, 0..128i16);
    hold(300, values, |(codec, all, inside, flags)| {
        let mut builder = BatchBuilder::new(codec);
        for made in &all {
            builder.push(made.timestamp, &made.tail());
        }
        let plain = builder.finish(Produced::ANONYMOUS).unwrap().to_vec();
        let delta = samples::header(&plain).last_offset_delta + inside;
        let change = Change {
            set: flags & FLAGS,
            last_offset_delta: Some(delta),
            ..Change::default()
        };
        let stored = samples::changed(plain, change);
        let batch = Batch::parse(&stored).unwrap().unwrap();
        let produced = Produced {
            producer_id: 5,
            producer_epoch: 0,
            base_sequence: 8,
            base_offset: 0,
        };
        let patched = patch_for_produce(&batch, produced);
        prop_assert_eq!(patched.is_ok(), passage(&batch) == Passage::Patch);
        let Ok(patched) = patched else {
            return Ok(());
        };
        let patched = Batch::parse(&patched).unwrap().unwrap();
        patched.check_crc().unwrap();
        let digest = |batch: &Batch<'_>| {
            let mut decompressor = Decompressor::new(1 << 20);
            let plain = decompressor.records_section(batch).unwrap();
            let mut digest = RecordDigest::new();
            records(&batch.header, plain).for_each(|record| digest.update(&record.unwrap()));
            digest
        };
        prop_assert_eq!(digest(&patched), digest(&batch));
        Ok(())
    });
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    hold(
        2_000,
        (vec(any::<u8>(), 0..400), any::<u64>()),
        |(bytes, size)| {
            let _ = ArchiveFooter::parse(&bytes, size);
            let _ = ArchiveIndex::parse_frame(&bytes, 1_000);
            let _ = ArchiveIndex::parse_frame(&compress_frame(&bytes), 1_000);
            let _ = decompress_frame(&bytes, 1_000);
            let _ = read_documents(&bytes);
            let _ = read_documents(&compress_frame(&bytes));
            for batch in Batches::new(&bytes).flatten() {
                let _ = (
                    batch.check_crc(),
                    batch.control_type(),
                    batch.header.codec(),
                );
            }
            let mut compressor = FrameCompressor::new(1);
            let mut segment =
                SegmentBuilder::new(samples::topic_partition(), samples::topic_id(), 0);
            let _ = segment.push(&bytes, &mut compressor);
            let (entry, frames) = stored(segment, &mut compressor);
            prop_assert!(
                SegmentReader::new(&entry, bytes.as_slice())
                    .next_block()
                    .is_err()
            );
            prop_assert!(
                SegmentReader::new(&entry, frames.as_slice())
                    .next_block()
                    .is_ok()
            );
            Ok(())
        },
    );
}

#[test]
fn any_bytes_in_the_place_of_records_are_read_without_a_panic() {
    let values = (codec(), vec(any::<u8>(), 0..300), -1..20i32, any::<bool>());
    hold(2_000, values, |(codec, section, count, xerial)| {
        let mut bytes = samples::batch(7, 1, Codec::None)[..61].to_vec();
        if xerial && codec == Codec::Snappy {
            bytes.extend(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        }
        bytes.extend_from_slice(&section);
        let length = u32::try_from(bytes.len() - 12).unwrap();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let change = Change {
            set: codec.bits(),
            record_count: Some(count),
            ..Change::default()
        };
        let bytes = samples::changed(bytes, change);
        let Ok(Some(batch)) = Batch::parse(&bytes) else {
            return Ok(());
        };
        let mut decompressor = Decompressor::new(10_000);
        if let Ok(plain) = decompressor.records_section(&batch) {
            prop_assert!(plain.len() <= 10_000);
            prop_assert!(records(&batch.header, plain).count() <= 21);
        }
        Ok(())
    });
}
