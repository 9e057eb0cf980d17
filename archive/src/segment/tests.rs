use bytes::Bytes;

use super::*;
use crate::{
    batch::Codec,
    digest::RecordDigest,
    index::{EpochStart, Holes},
    records::{BatchBuilder, Decompressor, Produced, records},
    samples::{self, Change, LOG_APPEND_TIME, TIME, changed, topic_id, topic_partition},
    tarball::{ArchiveBuilder, ArchiveError},
    varint::put_varlong,
    words::{OffsetRange, Timestamp},
};

fn compressor() -> FrameCompressor {
    FrameCompressor::new(1)
}

fn builder(at: i64) -> SegmentBuilder {
    SegmentBuilder::new(topic_partition(), topic_id(), at)
}

fn closed(at: i64, pushes: &[&[u8]]) -> ClosedSegment {
    let mut compressor = compressor();
    let mut segment = builder(at);
    for push in pushes {
        segment.push(push, &mut compressor).unwrap();
    }
    segment.finish(&mut compressor)
}

/// The segment as it stands in an archive: its entry and its frames in one piece.
fn stored(segment: ClosedSegment) -> (SegmentEntry, Vec<u8>) {
    let mut archive = ArchiveBuilder::new(ulid::Ulid::nil(), Timestamp::from_millis(TIME));
    let frames = archive.append(segment).concat();
    let index = archive.finish(&mut compressor()).index;
    (index.segments[0].clone(), frames)
}

fn blocks(entry: &SegmentEntry, frames: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let mut reader = SegmentReader::new(entry, frames);
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push(block.to_vec());
    }
    assert!(reader.next_block().unwrap().is_none());
    Ok(blocks)
}

#[test]
fn what_is_pushed_is_read_back_in_blocks_of_whole_batches() {
    let batches: Vec<_> = (0..40)
        .map(|index| samples::batch(index * 900, 900, Codec::None))
        .collect();
    let log = batches.concat();
    assert!(log.len() > 2 * FRAME_BYTES);
    let singly: Vec<_> = batches.iter().map(Vec::as_slice).collect();
    for pushes in [
        vec![log.as_slice()],
        singly,
        vec![&log[..batches[0].len()], &log[batches[0].len()..]],
    ] {
        let (entry, frames) = stored(closed(0, &pushes));
        assert_eq!(
            (entry.raw_bytes, entry.length),
            (log.len() as u64, frames.len() as u64)
        );
        assert_eq!(entry.sha256, crate::json::Sha256Hex::of(&log));
        assert_eq!((entry.first_offset, entry.next_offset), (0, 36_000));
        assert_eq!((entry.batch_count, entry.record_count), (40, Some(36_000)));
        let blocks = blocks(&entry, &frames).unwrap();
        assert!(blocks.len() <= 4 && blocks.iter().all(|block| block.len() <= FRAME_BYTES));
        assert_eq!(blocks.concat(), log);
        check_segment(&entry, frames.as_slice(), |_| ()).unwrap();
    }
}

#[test]
fn a_batch_larger_than_a_frame_has_one_of_its_own() {
    let small = samples::batch(0, 10, Codec::None);
    let large = samples::batch(10, 30_000, Codec::None);
    let after = samples::batch(30_010, 10, Codec::None);
    assert!(large.len() > 2 * FRAME_BYTES);
    let (entry, frames) = stored(closed(0, &[&small, &[large.as_slice(), &after].concat()]));
    assert_eq!(entry.largest_batch_bytes, large.len() as u64);
    assert_eq!(blocks(&entry, &frames).unwrap(), [small, large, after]);
}

#[test]
fn the_entry_tells_what_the_headers_say() {
    let with_epoch = |batch, epoch| {
        let change = Change {
            leader_epoch: Some(epoch),
            ..Change::default()
        };
        changed(batch, change)
    };
    let log = [
        with_epoch(samples::batch(10, 3, Codec::Lz4), 4),
        with_epoch(samples::transactional(13, 2, 7), 4),
        with_epoch(samples::control(15, 7, 1), 6),
        with_epoch(samples::batch(16, 1, Codec::Zstd), 6),
    ]
    .concat();
    let entry = closed(10, &[&log]).entry;
    assert_eq!(entry.member, "orders-3/00000000000000000010.log");
    assert_eq!(
        (entry.topic.as_str(), entry.partition, entry.topic_id),
        ("orders", 3, topic_id())
    );
    assert_eq!((entry.first_offset, entry.next_offset), (10, 17));
    assert_eq!((entry.record_count, entry.batch_count), (Some(6), 4));
    assert_eq!(
        (entry.min_timestamp_ms, entry.max_timestamp_ms),
        (Some(TIME + 10), Some(TIME + 16))
    );
    let epochs = [(4, 10), (6, 15)];
    assert_eq!(
        entry.leader_epochs,
        epochs.map(|(epoch, start_offset)| EpochStart {
            epoch,
            start_offset
        })
    );
    assert_eq!(entry.holes.listed(), []);
}

#[test]
fn times_are_those_that_consumers_see() {
    let stamped = changed(
        samples::batch(0, 3, Codec::None),
        Change {
            set: LOG_APPEND_TIME,
            max_timestamp: Some(TIME + 900),
            ..Change::default()
        },
    );
    let entry = closed(0, &[&stamped]).entry;
    assert_eq!(
        (entry.min_timestamp_ms, entry.max_timestamp_ms),
        (Some(TIME + 900), Some(TIME + 900))
    );
    let without = samples::old_message(0, 0, 0, b"k", b"v");
    let entry = closed(0, &[&without]).entry;
    assert_eq!(
        (entry.min_timestamp_ms, entry.max_timestamp_ms),
        (None, None)
    );
    let emptied = changed(
        samples::batch(0, 1, Codec::None),
        Change {
            record_count: Some(0),
            ..Change::default()
        },
    );
    assert_eq!(closed(0, &[&emptied]).entry.max_timestamp_ms, None);
}

#[test]
fn r3_holes_are_recorded_from_where_the_segment_begins_and_between_batches() {
    let thinned = changed(
        samples::batch(12, 2, Codec::None),
        Change {
            last_offset_delta: Some(7),
            ..Change::default()
        },
    );
    let log = [
        thinned,
        samples::batch(20, 1, Codec::None),
        samples::batch(25, 1, Codec::None),
    ];
    let (entry, frames) = stored(closed(5, &[&log[0], &log[1], &log[2]]));
    // what compaction took inside of a batch is the batch's own affair
    assert_eq!(
        entry.holes.listed(),
        [OffsetRange::new(5, 12), OffsetRange::new(21, 25)]
    );
    assert_eq!((entry.first_offset, entry.next_offset), (12, 26));
    check_segment(&entry, frames.as_slice(), |_| ()).unwrap();
}

#[test]
fn r3_of_very_many_holes_only_the_first_are_listed_and_the_others_counted() {
    let log: Vec<_> = (0..1_500)
        .map(|at| samples::batch(at * 2 + 1, 1, Codec::None))
        .collect();
    let (mut entry, frames) = stored(closed(0, &[&log.concat()]));
    assert_eq!(
        (entry.holes.listed().len(), entry.holes.further()),
        (1_000, 500)
    );
    assert_eq!(entry.holes.listed()[999], OffsetRange::new(1_998, 1_999));
    let json = serde_json::to_value(&entry).unwrap();
    assert_eq!(json["further_holes"], 500);
    assert_eq!(json["holes"][0], serde_json::json!({"start": 0, "end": 1}));
    assert_eq!(serde_json::from_value::<SegmentEntry>(json).unwrap(), entry);
    check_segment(&entry, frames.as_slice(), |_| ()).unwrap();
    entry.holes = (0..1_499)
        .map(|at| OffsetRange::new(at * 2, at * 2 + 1))
        .collect();
    assert!(check_segment(&entry, frames.as_slice(), |_| ()).is_err());
}

#[test]
fn r1_the_first_batch_may_begin_before_the_segment() {
    let log = samples::batch(10, 5, Codec::None);
    let (entry, frames) = stored(closed(12, &[&log]));
    assert_eq!((entry.first_offset, entry.next_offset), (10, 15));
    assert_eq!(entry.holes.listed(), []);
    check_segment(&entry, frames.as_slice(), |_| ()).unwrap();
}

#[test]
fn batches_out_of_order_are_refused_and_those_before_are_kept() {
    let mut compressor = compressor();
    let good = samples::batch(10, 5, Codec::None);
    for (at, wrong) in [(14, 14), (10, 10), (0, 3)] {
        let mut segment = builder(10);
        let both = [good.as_slice(), &samples::batch(wrong, 1, Codec::None)].concat();
        let error = segment.push(&both, &mut compressor).unwrap_err();
        assert_eq!(
            (error.position, error.base_offset),
            (good.len(), Some(wrong)),
            "{at}"
        );
        let expected = BatchProblem::Order {
            last_offset: wrong,
            expected: 15,
        };
        assert_eq!(error.problem, expected);
        assert_eq!(segment.next_offset(), 15);
        let (entry, frames) = stored(segment.finish(&mut compressor));
        assert_eq!(blocks(&entry, &frames).unwrap().concat(), good);
    }
    let mut segment = builder(15);
    let error = segment.push(&good, &mut compressor).unwrap_err();
    assert!(matches!(error.problem, BatchProblem::Order { .. }));
    assert!(segment.is_empty());
}

#[test]
fn r7_a_batch_with_a_wrong_checksum_is_refused_with_its_place() {
    let good = samples::batch(0, 5, Codec::None);
    let mut bad = samples::batch(5, 5, Codec::None);
    bad[80] ^= 4;
    let mut compressor = compressor();
    let mut segment = builder(0);
    let error = segment
        .push(&[good.as_slice(), &bad].concat(), &mut compressor)
        .unwrap_err();
    assert!(matches!(error.problem, BatchProblem::Crc { .. }));
    assert_eq!((error.position, error.base_offset), (good.len(), Some(5)));
    assert_eq!(
        (segment.next_offset(), segment.raw_bytes()),
        (5, good.len() as u64)
    );
}

#[test]
fn r7_old_formats_are_kept_as_they_are_and_their_count_is_unknown() {
    let log = [
        samples::old_message(0, 5, 0, b"k", b"v"),
        samples::old_message(1, 9, 1, b"", b"four records, perhaps"),
        samples::old_message(1, 12, 0, b"k", b"v"),
    ]
    .concat();
    let (entry, frames) = stored(closed(5, &[&log]));
    assert_eq!((entry.first_offset, entry.next_offset), (5, 13));
    assert_eq!((entry.record_count, entry.batch_count), (None, 3));
    // where a compressed message begins is not known: no hole before it
    assert_eq!(entry.holes.listed(), [OffsetRange::new(10, 12)]);
    assert_eq!(
        entry.leader_epochs,
        [EpochStart {
            epoch: -1,
            start_offset: 5
        }]
    );
    check_segment(&entry, frames.as_slice(), |_| ()).unwrap();
    let first_hidden = closed(5, &[&log[log.len() / 3..]].map(|_| &log[31..][..0])).entry;
    assert_eq!(first_hidden.batch_count, 0);
}

#[test]
fn an_incomplete_batch_is_no_batch() {
    let log = [
        samples::batch(0, 5, Codec::None),
        samples::batch(5, 5, Codec::None),
    ]
    .concat();
    let mut compressor = compressor();
    let mut segment = builder(0);
    let error = segment
        .push(&log[..log.len() - 1], &mut compressor)
        .unwrap_err();
    let available = log.len() / 2 - 1;
    assert_eq!(error.problem, BatchProblem::Incomplete { available });
    assert_eq!(
        (error.position, error.base_offset),
        (log.len() / 2, Some(5))
    );
    let taken = builder(0)
        .take(&log[..log.len() - 1], u64::MAX, &mut compressor)
        .unwrap();
    assert_eq!(taken, log.len() / 2);
}

#[test]
fn r10_a_segment_ends_before_its_offsets_span_too_far() {
    let reach = i64::from(i32::MAX);
    let near = samples::batch(100 + reach - 1, 1, Codec::None);
    let far = samples::batch(100 + reach, 1, Codec::None);
    let mut compressor = compressor();
    let mut segment = builder(0);
    assert!(!segment.must_close_before(&samples::header(&far)));
    segment
        .push(&samples::batch(100, 1, Codec::None), &mut compressor)
        .unwrap();
    assert!(!segment.must_close_before(&samples::header(&near)));
    assert!(segment.must_close_before(&samples::header(&far)));
    // the span is that of the last offset
    let change = Change {
        last_offset_delta: Some(9),
        ..Change::default()
    };
    let wide = changed(samples::batch(100 + reach - 9, 1, Codec::None), change);
    assert!(segment.must_close_before(&samples::header(&wide)));

    assert_eq!(segment.take(&far, u64::MAX, &mut compressor).unwrap(), 0);
    let error = segment.push(&far, &mut compressor).unwrap_err();
    assert_eq!(error.problem, BatchProblem::SegmentFull);
    segment.push(&near, &mut compressor).unwrap();
}

#[test]
fn r10_a_segment_ends_before_a_gibibyte() {
    let mut segment = builder(0);
    segment
        .push(&samples::batch(0, 1, Codec::None), &mut compressor())
        .unwrap();
    let mut header = samples::header(&samples::batch(1, 1, Codec::None));
    let room = (1 << 30) - usize::try_from(segment.raw_bytes()).unwrap();
    header.size = room - 1;
    assert!(!segment.must_close_before(&header));
    header.size = room;
    assert!(segment.must_close_before(&header));
    assert!(!builder(0).must_close_before(&header));
}

#[test]
fn a_segment_takes_batches_up_to_its_target() {
    let log: Vec<u8> = (0..10)
        .flat_map(|at| samples::batch(100 + at * 5, 5, Codec::None))
        .collect();
    let mut compressor = compressor();
    let mut segment = builder(100);
    let one = log.len() as u64 / 10;
    let taken = segment.take(&log, one * 3 - 1, &mut compressor).unwrap();
    assert_eq!((taken as u64, segment.next_offset()), (one * 3, 115));
    assert_eq!(
        segment.take(&log[taken..], one, &mut compressor).unwrap(),
        0
    );
    // an empty one takes a batch whatever the target
    let first = builder(100).take(&log, 0, &mut compressor).unwrap();
    assert_eq!(first as u64, one);
}

#[test]
fn memory_and_stored_bytes_follow_what_is_held() {
    let mut compressor = compressor();
    let mut segment = builder(0);
    assert_eq!((segment.memory(), segment.stored_bytes()), (0, 0));
    let batch = samples::batch(0, 500, Codec::None);
    segment.push(&batch, &mut compressor).unwrap();
    assert_eq!(segment.stored_bytes(), batch.len() as u64);
    assert!(segment.memory() >= batch.len() as u64);
    let large = samples::batch(500, 20_000, Codec::None);
    segment.push(&large, &mut compressor).unwrap();
    assert!(
        segment.memory() < large.len() as u64 / 2,
        "{}",
        segment.memory()
    );
    let stored = segment.stored_bytes();
    let closed = segment.finish(&mut compressor);
    let frames: usize = closed.frames.iter().map(Bytes::len).sum();
    assert_eq!(closed.entry.length, frames as u64);
    assert!(closed.entry.length < stored + 100);
}

#[test]
fn a_segment_of_whole_blocks_has_no_padding() {
    assert_eq!(padding(0), None);
    assert_eq!(padding(1_024), None);
    assert_eq!(padding(1).map(<[u8]>::len), Some(511));
    assert_eq!(padding(1_023).map(<[u8]>::len), Some(1));
    let value = vec![b'x'; 1_024 - 61 - 9];
    let mut batch = crate::records::BatchBuilder::new(Codec::None);
    batch.push(TIME, &samples::tail(None, Some(&value), &[]));
    let batch = batch.finish(crate::records::Produced::ANONYMOUS).unwrap();
    assert_eq!(batch.len() % 512, 0);
    let segment = closed(0, &[&batch]);
    assert_eq!(segment.frames.len(), 1);
    let (entry, frames) = stored(segment);
    assert_eq!(blocks(&entry, &frames).unwrap().concat(), batch);
}

#[test]
fn an_empty_segment_reads_back_as_nothing() {
    let (entry, frames) = stored(closed(42, &[]));
    assert_eq!(
        (entry.first_offset, entry.next_offset, entry.raw_bytes),
        (42, 42, 0)
    );
    assert_eq!(blocks(&entry, &frames).unwrap(), [] as [Vec<u8>; 0]);
}

/// One thing in an entry that is not so.
type Lie = fn(&mut SegmentEntry);

#[test]
fn an_entry_that_lies_about_its_batches_is_found_out_and_the_field_named() {
    let log = [
        samples::batch(3, 5, Codec::None),
        samples::batch(9, 5, Codec::Gzip),
    ]
    .concat();
    let (entry, frames) = stored(closed(0, &[&log]));
    let lies: [(&str, Lie); 9] = [
        ("first_offset", |entry| entry.first_offset += 1),
        ("next_offset", |entry| entry.next_offset += 1),
        ("record_count", |entry| entry.record_count = Some(11)),
        ("batch_count", |entry| entry.batch_count = 1),
        ("min_timestamp_ms", |entry| entry.min_timestamp_ms = Some(0)),
        ("max_timestamp_ms", |entry| entry.max_timestamp_ms = None),
        ("leader_epochs", |entry| entry.leader_epochs.clear()),
        ("holes", |entry| entry.holes = Holes::default()),
        ("largest_batch_bytes", |entry| {
            entry.largest_batch_bytes -= 1;
        }),
    ];
    for (field, lie) in lies {
        let mut lying = entry.clone();
        lie(&mut lying);
        let error = check_segment(&lying, frames.as_slice(), |_| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!(
            "{} (topic-partition orders-3, at offset ",
            entry.member
        )));
        assert!(
            text.contains(field) || field == "first_offset" && text.contains("holes"),
            "{field}: {text}"
        );
    }
}

#[test]
fn a_reader_finds_another_segments_frames_out() {
    let (entry, _) = stored(closed(0, &[&samples::batch(0, 5, Codec::None)]));
    let (_, frames) = stored(closed(7, &[&samples::batch(7, 5, Codec::None)]));
    let text = blocks(&entry, &frames).unwrap_err().to_string();
    let expected = "orders-3/00000000000000000000.log (topic-partition orders-3, at offset 0): \
                    tar header: it is that of \"orders-3/00000000000000000007.log\"";
    assert_eq!(text, expected);
}

#[test]
fn a_read_that_fails_is_not_called_damage() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the network is gone"))
        }
    }
    let (entry, frames) = stored(closed(0, &[&samples::batch(0, 5, Codec::None)]));
    let mut reader = SegmentReader::new(&entry, Broken);
    let error = reader.next_block().unwrap_err();
    assert!(error.is_read_failure() && error.to_string().ends_with("the network is gone"));
    assert!(reader.next_block().unwrap().is_none());
    let cut = blocks(&entry, &frames[..frames.len() - 1]).unwrap_err();
    assert!(!cut.is_read_failure());
}

fn repacked(at: i64, batches: &[u8]) -> ClosedSegment {
    let (mut compressor, mut repacker) = (compressor(), Repacker::default());
    let mut segment = builder(at);
    let taken = segment.take_repacked(batches, u64::MAX, &mut compressor, &mut repacker);
    assert_eq!(taken.unwrap(), batches.len());
    segment.finish(&mut compressor)
}

/// What a consumer makes of batches.
fn digest(batches: &[u8]) -> RecordDigest {
    let mut digest = RecordDigest::new();
    let mut decompressor = Decompressor::new(1 << 20);
    for batch in Batches::new(batches) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        let plain = decompressor.records_section(&batch).unwrap();
        for record in records(&batch.header, plain) {
            digest.update(&record.unwrap());
        }
    }
    digest
}

#[test]
fn r27_a_repacked_segment_holds_the_same_records_uncompressed_and_says_what_they_were() {
    let codecs = [
        Codec::None,
        Codec::Lz4,
        Codec::Lz4,
        Codec::None,
        Codec::Snappy,
        Codec::Gzip,
        Codec::Zstd,
    ];
    let batches = codecs.iter().zip(0..);
    let batches: Vec<_> = batches
        .map(|(codec, index)| samples::batch(index * 50, 50, *codec))
        .collect();
    let log = batches.concat();
    let (entry, frames) = stored(repacked(0, &log));
    let plain = blocks(&entry, &frames).unwrap().concat();
    assert_eq!(digest(&plain), digest(&log));
    for (batch, original) in Batches::new(&plain).zip(Batches::new(&log)) {
        let (batch, original) = (batch.unwrap().header, original.unwrap().header);
        assert_eq!(batch.codec().unwrap(), Codec::None);
        assert_eq!(entry.codec_at(batch.base_offset), original.codec().unwrap());
        let as_before = BatchHeader {
            size: original.size,
            crc: original.crc,
            attributes: original.attributes,
            ..batch
        };
        assert_eq!(as_before, original);
    }
    let starts = entry.codecs.iter().map(|start| start.start_offset);
    assert_eq!(starts.collect::<Vec<_>>(), [50, 150, 200, 250, 300]);
    check_segment(&entry, &frames[..], |_| {}).unwrap();
    // what is kept as it was says nothing
    assert_eq!(closed(0, &[&log]).entry.codecs, []);
}

#[test]
fn r27_what_batches_were_compressed_with_is_told_however_often_it_changes() {
    // behind 1,000 changes all others counted as compressed like the last one, and would have been restored so
    let batches: Vec<_> = (0..1_200)
        .map(|index| {
            let codec = [Codec::Lz4, Codec::Gzip][index % 2];
            samples::batch(i64::try_from(index).unwrap(), 1, codec)
        })
        .collect();
    let log = batches.concat();
    let (mut compressor, mut repacker) = (compressor(), Repacker::default());
    let mut entries = Vec::new();
    let mut rest = &log[..];
    while !rest.is_empty() {
        let mut segment = builder(
            entries
                .last()
                .map_or(0, |last: &SegmentEntry| last.next_offset),
        );
        let taken = segment.take_repacked(rest, u64::MAX, &mut compressor, &mut repacker);
        rest = &rest[taken.unwrap()..];
        entries.push(segment.finish(&mut compressor).entry);
    }
    for batch in Batches::new(&log) {
        let header = batch.unwrap().header;
        let holds = |entry: &&SegmentEntry| entry.range().contains(header.base_offset);
        let entry = entries.iter().find(holds).unwrap();
        assert_eq!(entry.codec_at(header.base_offset), header.codec().unwrap());
    }
    let counts = entries.iter().map(|entry| entry.batch_count);
    assert_eq!(counts.collect::<Vec<_>>(), [1_000, 200]);
}

#[test]
fn r7_r27_a_batch_whose_checksum_is_wrong_is_refused_before_it_gets_another_one() {
    let mut batch = samples::batch(0, 50, Codec::Lz4);
    let last = batch.len() - 1;
    batch[last] ^= 1;
    let (mut compressor, mut repacker) = (compressor(), Repacker::default());
    let taken = builder(0).take_repacked(&batch, u64::MAX, &mut compressor, &mut repacker);
    assert!(taken.is_err());
}

#[test]
fn r27_what_would_become_too_large_stays_as_it_is() {
    let mut bomb = BatchBuilder::new(Codec::Zstd);
    let zeros = vec![0; 17 << 20];
    let mut tail = vec![1];
    put_varlong(&mut tail, zeros.len().try_into().unwrap());
    tail.extend(zeros);
    tail.push(0);
    bomb.push(TIME, &tail);
    let produced = Produced {
        base_offset: 0,
        ..Produced::ANONYMOUS
    };
    let bomb = bomb.finish(produced).unwrap();
    let (entry, frames) = stored(repacked(0, &bomb));
    assert_eq!(blocks(&entry, &frames).unwrap().concat(), bomb);
    assert_eq!(entry.codecs, []);
}
