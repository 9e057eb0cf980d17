use super::*;
use crate::{
    batch::{Batch, CRC_FROM, HEADER_SIZE},
    samples::{
        self, CONTROL, Change, DELETE_HORIZON, LOG_APPEND_TIME, TIME, TRANSACTIONAL, changed, tail,
    },
};

const LIMIT: usize = 1 << 20;

fn parsed(bytes: &[u8]) -> Batch<'_> {
    Batch::parse(bytes).unwrap().unwrap()
}

type Read = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn read(bytes: &[u8]) -> Result<Vec<Read>, RecordError> {
    let batch = parsed(bytes);
    batch.check_crc()?;
    let mut decompressor = Decompressor::new(LIMIT);
    let plain = decompressor.records_section(&batch)?;
    records(&batch.header, plain)
        .map(|record| {
            let record = record?;
            let owned = |bytes: &[u8]| bytes.to_vec();
            let headers = record.headers().map(Result::unwrap);
            let headers = headers.map(|(name, value)| (owned(name), value.map(owned)));
            Ok((
                record.offset,
                record.timestamp,
                record.key.map(owned),
                record.value.map(owned),
                headers.collect(),
            ))
        })
        .collect()
}

fn times(bytes: &[u8]) -> Vec<i64> {
    read(bytes)
        .unwrap()
        .into_iter()
        .map(|record| record.1)
        .collect()
}

fn produced(base_offset: i64) -> Produced {
    Produced {
        producer_id: 77,
        producer_epoch: 3,
        base_sequence: 1_000,
        base_offset,
    }
}

#[test]
fn every_codec_gives_back_what_was_put_in() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(codec);
        assert!(builder.is_empty());
        builder.push(TIME, &tail(None, Some(b""), &[]));
        builder.push(
            TIME - 5,
            &tail(
                Some(b""),
                None,
                &[("naïve".as_bytes(), None), (b"", Some(b""))],
            ),
        );
        let large: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
        builder.push(
            -1,
            &tail(
                Some(&[0, 255]),
                Some(&large),
                &[(b"a", Some(b"1")), (b"a", Some(b"2"))],
            ),
        );
        assert_eq!(builder.record_count(), 3);
        let bytes = builder.finish(produced(500)).unwrap();
        assert!(builder.is_empty());

        let header = samples::header(&bytes);
        assert_eq!(header.codec(), Ok(codec));
        assert_eq!((header.producer_id, header.producer_epoch), (77, 3));
        assert_eq!((header.base_sequence, header.leader_epoch), (1_000, -1));
        assert_eq!((header.base_timestamp, header.max_timestamp), (TIME, TIME));
        assert!(header.is_gap_free());
        let records = read(&bytes).unwrap();
        let name = |name: &str| name.as_bytes().to_vec();
        assert_eq!(records[0], (500, TIME, None, Some(vec![]), vec![]));
        let headers = vec![(name("naïve"), None), (vec![], Some(vec![]))];
        assert_eq!(records[1], (501, TIME - 5, Some(vec![]), None, headers));
        let headers = vec![(name("a"), Some(name("1"))), (name("a"), Some(name("2")))];
        assert_eq!(
            records[2],
            (502, -1, Some(vec![0, 255]), Some(large), headers),
            "{codec}"
        );
    }
}

#[test]
fn a_builder_is_as_new_after_each_batch() {
    let mut builder = BatchBuilder::new(Codec::Zstd);
    builder.push(TIME, &tail(None, None, &[]));
    let first = builder.finish(produced(0)).unwrap();
    builder.push(TIME, &tail(None, None, &[]));
    assert_eq!(builder.finish(produced(0)).unwrap(), first);
    let error = builder.finish(produced(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no batch can be made at offset 0: there are no records"
    );
}

#[test]
fn the_tail_of_a_record_makes_the_same_record_again() {
    let bytes = samples::batch(9, 4, Codec::Snappy);
    let batch = parsed(&bytes);
    let mut decompressor = Decompressor::new(LIMIT);
    let plain = decompressor.records_section(&batch).unwrap();
    let mut builder = BatchBuilder::new(Codec::Snappy);
    for record in records(&batch.header, plain) {
        let record = record.unwrap();
        builder.push(record.timestamp, record.tail);
    }
    let again = builder
        .finish(Produced {
            base_offset: 9,
            ..Produced::ANONYMOUS
        })
        .unwrap();
    assert_eq!(again, bytes);
}

/// The samples' records section, packed some other way.
fn repacked(codec: Codec, section: &[u8]) -> Vec<u8> {
    let mut bytes = samples::batch(0, 2, Codec::None)[..HEADER_SIZE].to_vec();
    bytes.extend_from_slice(section);
    let length = u32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    changed(
        bytes,
        Change {
            set: codec.bits(),
            ..Change::default()
        },
    )
}

#[test]
fn snappy_without_framing_is_read_as_well() {
    let plain = samples::batch(0, 2, Codec::None);
    let raw = snap::raw::Encoder::new()
        .compress_vec(&plain[HEADER_SIZE..])
        .unwrap();
    let bytes = repacked(Codec::Snappy, &raw);
    assert_eq!(read(&bytes).unwrap(), read(&plain).unwrap());
}

#[test]
fn gzip_of_several_members_and_zstd_of_several_frames_are_read_to_the_end() {
    let plain = samples::batch(0, 2, Codec::None);
    let (front, back) = plain[HEADER_SIZE..].split_at(30);
    let zstd = [front, back]
        .map(|part| zstd::bulk::compress(part, 1).unwrap())
        .concat();
    let gzip = [front, back].map(|part| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, part).unwrap();
        encoder.finish().unwrap()
    });
    for bytes in [
        repacked(Codec::Zstd, &zstd),
        repacked(Codec::Gzip, &gzip.concat()),
    ] {
        assert_eq!(read(&bytes).unwrap(), read(&plain).unwrap());
    }
}

/// An lz4 frame of several blocks, of which the last does not shrink.
fn lz4_frame(section: &[u8], independent: bool) -> Vec<u8> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let mode = if independent {
        BlockMode::Independent
    } else {
        BlockMode::Linked
    };
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(mode);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    std::io::Write::write_all(&mut encoder, section).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lz4_of_several_blocks_is_read_whatever_its_frame_and_never_past_its_damage() {
    let noise = (0..90_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
    let value: Vec<u8> = std::iter::repeat_n(7, 100_000).chain(noise).collect();
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(TIME, &tail(Some(b"k"), Some(&value), &[]));
    let plain = builder.finish(produced(0)).unwrap();
    let section = &plain[HEADER_SIZE..];
    let mut decompressor = Decompressor::new(1 << 20);
    for independent in [true, false] {
        let bytes = repacked(Codec::Lz4, &lz4_frame(section, independent));
        let read = decompressor.records_section(&parsed(&bytes)).unwrap();
        assert_eq!(read, section, "independent: {independent}");
    }
    let frame = lz4_frame(section, true);
    // behind the header
    for length in (7..frame.len()).step_by(97) {
        let cut = repacked(Codec::Lz4, &frame[..length]);
        assert!(
            decompressor.records_section(&parsed(&cut)).is_err(),
            "{length} bytes"
        );
    }
    // the length of the first block: larger than a block may be, and than there are bytes
    for head in [0xffff_ffff_u32, 0x7fff_ffff, 0x8001_0001] {
        let mut lying = frame.clone();
        lying[7..11].copy_from_slice(&head.to_le_bytes());
        let lying = repacked(Codec::Lz4, &lying);
        assert!(decompressor.records_section(&parsed(&lying)).is_err());
    }
}

#[test]
fn no_codec_gives_more_than_the_limit() {
    for codec in Codec::ALL.into_iter().filter(|&codec| codec != Codec::None) {
        let mut builder = BatchBuilder::new(codec);
        builder.push(TIME, &tail(None, Some(&vec![0; 3 << 20]), &[]));
        let bytes = builder.finish(produced(8)).unwrap();
        assert!(bytes.len() < 200_000, "{codec}");
        let mut decompressor = Decompressor::new(2 << 20);
        let error = decompressor.records_section(&parsed(&bytes)).unwrap_err();
        let expected = format!("batch at offset 8: its {codec} data holds more than 2097152 bytes");
        assert_eq!(error.to_string(), expected);
        // and the decompressor is none the worse for it
        let small = samples::batch(0, 2, codec);
        decompressor.records_section(&parsed(&small)).unwrap();
    }
}

#[test]
fn a_snappy_length_that_its_bytes_cannot_hold_is_not_allocated() {
    // 4 GiB less one, in five bytes
    let bytes = repacked(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let mut decompressor = Decompressor::new(usize::MAX);
    let error = decompressor.records_section(&parsed(&bytes)).unwrap_err();
    assert!(
        matches!(
            error,
            RecordError::Decompress {
                codec: Codec::Snappy,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn r28_old_messages_are_refused_by_name() {
    let bytes = samples::old_message(1, 12, 1, b"", b"zipped");
    let mut decompressor = Decompressor::new(LIMIT);
    let error = decompressor.records_section(&parsed(&bytes)).unwrap_err();
    assert!(matches!(
        error,
        RecordError::OldFormat {
            base_offset: 12,
            magic: 1
        }
    ));
    let mut walk = records(&parsed(&bytes).header, &[]);
    assert!(matches!(
        walk.next(),
        Some(Err(RecordError::OldFormat { .. }))
    ));
    assert!(walk.next().is_none());
}

fn section_problem(count: i32, section: &[u8]) -> RecordProblem {
    let change = Change {
        record_count: Some(count),
        ..Change::default()
    };
    match read(&changed(repacked(Codec::None, section), change)).unwrap_err() {
        RecordError::Record {
            base_offset: 0,
            problem,
            ..
        } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn hostile_counts_and_lengths_in_records_are_refused_by_name() {
    let body = |body: &[u8]| {
        let mut section = Vec::new();
        samples::put_varint(&mut section, i64::try_from(body.len()).unwrap());
        section.extend_from_slice(body);
        section
    };
    // attributes, time, offset, null key, null value, no headers
    let good = body(&[0, 0, 0, 1, 1, 0]);
    assert_eq!(section_problem(i32::MAX, &good), RecordProblem::Length);
    assert_eq!(section_problem(0, &good), RecordProblem::Surplus);
    assert_eq!(
        section_problem(1, &[good.as_slice(), b"x"].concat()),
        RecordProblem::Surplus
    );
    assert_eq!(section_problem(1, &[0x01]), RecordProblem::Length);
    assert_eq!(
        section_problem(1, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        RecordProblem::Length
    );
    assert_eq!(section_problem(1, &[0xff; 12]), RecordProblem::Length);
    assert_eq!(section_problem(1, &body(&[])), RecordProblem::Length);
    assert_eq!(section_problem(1, &body(&[0])), RecordProblem::Timestamp);
    assert_eq!(section_problem(1, &body(&[0, 0])), RecordProblem::Offset);
    assert_eq!(
        section_problem(1, &body(&[0, 0, 1, 1, 1, 0])),
        RecordProblem::Offset
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 4, 1, 1, 0])),
        RecordProblem::Offset
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 8, 1, 0])),
        RecordProblem::Key
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 1, 8, 0])),
        RecordProblem::Value
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 1, 1, 1])),
        RecordProblem::Header
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 1, 1, 2])),
        RecordProblem::Header
    );
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 1, 1, 2, 1, 1])),
        RecordProblem::Header
    );
    let many = [0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(section_problem(1, &body(&many)), RecordProblem::Header);
    assert_eq!(
        section_problem(1, &body(&[0, 0, 0, 1, 1, 0, 0])),
        RecordProblem::Rest
    );
}

#[test]
fn r20_records_of_a_log_append_time_batch_have_the_time_of_the_append() {
    let stamped = changed(
        samples::batch(0, 3, Codec::Lz4),
        Change {
            set: LOG_APPEND_TIME,
            max_timestamp: Some(TIME + 999_999),
            ..Change::default()
        },
    );
    assert_eq!(times(&stamped), [TIME + 999_999; 3]);
    // made anew, the hidden times of the producer are gone
    assert_eq!(passage(&parsed(&stamped)), Passage::Encode);
    let mut builder = BatchBuilder::new(Codec::Lz4);
    for (_, timestamp, key, value, _) in read(&stamped).unwrap() {
        builder.push(timestamp, &tail(key.as_deref(), value.as_deref(), &[]));
    }
    let encoded = builder.finish(produced(0)).unwrap();
    let header = samples::header(&encoded);
    assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
    assert_eq!(
        (header.base_timestamp, header.max_timestamp),
        (TIME + 999_999, TIME + 999_999)
    );
    assert_eq!(times(&encoded), [TIME + 999_999; 3]);
}

#[test]
fn r20_one_plain_record_with_the_time_of_the_append_needs_its_header_patched_only() {
    let ten_years = 315_576_000_000;
    let change = Change {
        set: LOG_APPEND_TIME,
        max_timestamp: Some(TIME + ten_years),
        ..Change::default()
    };
    let stamped = changed(samples::batch(4, 1, Codec::None), change);
    assert_eq!(passage(&parsed(&stamped)), Passage::Patch);
    let patched = patch_for_produce(&parsed(&stamped), produced(0)).unwrap();
    assert_eq!(
        samples::header(&patched).timestamp_type(),
        TimestampType::CreateTime
    );
    assert_eq!(times(&patched), [TIME + ten_years]);

    // a record whose time is not the base timestamp would move: it is made anew; so is what can't be seen
    let mut shifted = samples::batch(4, 1, Codec::None);
    let delta = shifted[HEADER_SIZE..]
        .iter()
        .position(|&byte| byte == 0)
        .unwrap()
        + 1;
    shifted[HEADER_SIZE + delta] = 2;
    assert_eq!(passage(&parsed(&changed(shifted, change))), Passage::Encode);
    let hidden = changed(samples::batch(4, 1, Codec::Zstd), change);
    assert_eq!(passage(&parsed(&hidden)), Passage::Encode);
}

#[test]
fn r21_the_header_only_pass_changes_the_producer_and_nothing_of_the_records() {
    let stored = changed(
        samples::batch(40, 5, Codec::Gzip),
        Change {
            leader_epoch: Some(6),
            set: TRANSACTIONAL | DELETE_HORIZON,
            producer_id: Some(5),
            producer_epoch: Some(1),
            ..Change::default()
        },
    );
    let patched = patch_for_produce(&parsed(&stored), produced(3)).unwrap();
    let header = samples::header(&patched);
    parsed(&patched).check_crc().unwrap();
    assert_eq!((header.base_offset, header.leader_epoch), (3, -1));
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (77, 3, 1_000)
    );
    assert_eq!(header.attributes, Codec::Gzip.bits());
    assert_eq!(patched[8..12], stored[8..12]);
    assert_eq!(patched[CRC_FROM + 2..43], stored[CRC_FROM + 2..43]);
    assert_eq!(patched[57..], stored[57..]);
    let shift = |record: Read| (record.0 - 37, record.1, record.2, record.3, record.4);
    let expected: Vec<_> = read(&stored).unwrap().into_iter().map(shift).collect();
    assert_eq!(read(&patched).unwrap(), expected);
}

#[test]
fn r21_only_a_batch_whose_header_proves_it_gap_free_passes_by_its_header() {
    let with = |change| changed(samples::batch(0, 3, Codec::None), change);
    let cases = [
        (with(Change::default()), Passage::Patch),
        (
            with(Change {
                set: TRANSACTIONAL,
                ..Change::default()
            }),
            Passage::Patch,
        ),
        (
            with(Change {
                last_offset_delta: Some(3),
                ..Change::default()
            }),
            Passage::Encode,
        ),
        (
            with(Change {
                record_count: Some(2),
                ..Change::default()
            }),
            Passage::Encode,
        ),
        (
            with(Change {
                record_count: Some(0),
                ..Change::default()
            }),
            Passage::Skip,
        ),
        (
            with(Change {
                set: CONTROL,
                ..Change::default()
            }),
            Passage::Skip,
        ),
        (samples::control(3, 4, 1), Passage::Skip),
        (samples::old_message(1, 0, 0, b"k", b"v"), Passage::Encode),
    ];
    for (bytes, expected) in cases {
        let batch = parsed(&bytes);
        assert_eq!(passage(&batch), expected);
        let patched = patch_for_produce(&batch, produced(0));
        assert_eq!(patched.is_ok(), expected == Passage::Patch);
        if let Err(error) = patched {
            let text = error.to_string();
            assert!(
                text.ends_with("its header can't be patched, its records must be encoded anew")
            );
        }
    }
}

#[test]
fn r21_a_delete_horizon_leaves_the_times_of_the_records_as_they_are() {
    // Kafka makes the horizon the base timestamp, and counts the records' times from there
    let mut plain = samples::batch(0, 1, Codec::None);
    let mut section = Vec::new();
    let record = &plain[HEADER_SIZE..];
    let delta = record.iter().position(|&byte| byte == 0).unwrap() + 1;
    let mut body = vec![0];
    samples::put_varint(&mut body, -86_400_000);
    body.extend_from_slice(&record[delta + 1..]);
    samples::put_varint(&mut section, i64::try_from(body.len()).unwrap());
    section.extend(body);
    plain = repacked(Codec::None, &section);
    let stored = changed(
        plain,
        Change {
            set: DELETE_HORIZON,
            last_offset_delta: Some(0),
            record_count: Some(1),
            base_timestamp: Some(TIME + 86_400_000),
            max_timestamp: Some(TIME),
            ..Change::default()
        },
    );
    assert_eq!(times(&stored), [TIME]);
    let patched = patch_for_produce(&parsed(&stored), produced(0)).unwrap();
    assert_eq!(times(&patched), [TIME]);
    assert!(!samples::header(&patched).has_delete_horizon());
}
