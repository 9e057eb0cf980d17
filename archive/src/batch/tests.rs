use super::*;
use crate::samples::{self, CONTROL, Change, DELETE_HORIZON, LOG_APPEND_TIME, TIME, TRANSACTIONAL};

fn parsed(bytes: &[u8]) -> Batch<'_> {
    Batch::parse(bytes).unwrap().unwrap()
}

fn problem(bytes: &[u8]) -> BatchProblem {
    BatchHeader::parse(bytes).unwrap_err().problem
}

#[test]
fn a_header_tells_all_its_fields() {
    let bytes = samples::changed(
        samples::batch(40, 3, Codec::Lz4),
        Change {
            leader_epoch: Some(5),
            set: TRANSACTIONAL,
            last_offset_delta: Some(7),
            producer_id: Some(1 << 40),
            producer_epoch: Some(2),
            ..Change::default()
        },
    );
    let header = samples::header(&bytes);
    assert_eq!(header.base_offset, 40);
    assert_eq!(header.size, bytes.len());
    assert_eq!((header.leader_epoch, header.magic), (5, 2));
    assert_eq!((header.last_offset(), header.next_offset()), (47, 48));
    assert_eq!(header.codec(), Ok(Codec::Lz4));
    assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
    assert_eq!(header.base_timestamp, TIME + 40);
    assert_eq!(header.max_timestamp, TIME + 42);
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (1 << 40, 2, -1)
    );
    assert_eq!(header.record_count, Some(3));
    assert!(header.is_transactional() && !header.is_control() && !header.has_delete_horizon());
    assert!(!header.is_gap_free() && !header.hides_first_offset());
}

#[test]
fn every_flag_is_read_from_its_own_bit() {
    let flags = |set| {
        let change = Change {
            set,
            ..Change::default()
        };
        let header = samples::header(&samples::changed(samples::batch(0, 1, Codec::None), change));
        (
            header.timestamp_type() == TimestampType::LogAppendTime,
            header.is_transactional(),
            header.is_control(),
            header.has_delete_horizon(),
        )
    };
    assert_eq!(flags(0), (false, false, false, false));
    assert_eq!(flags(LOG_APPEND_TIME), (true, false, false, false));
    assert_eq!(flags(TRANSACTIONAL), (false, true, false, false));
    assert_eq!(flags(CONTROL), (false, false, true, false));
    assert_eq!(flags(DELETE_HORIZON), (false, false, false, true));
}

#[test]
fn too_few_bytes_are_no_error() {
    let bytes = samples::batch(0, 2, Codec::None);
    for length in 0..HEADER_SIZE {
        assert_eq!(BatchHeader::parse(&bytes[..length]), Ok(None), "{length}");
    }
    assert!(BatchHeader::parse(&bytes[..HEADER_SIZE]).unwrap().is_some());
    assert_eq!(Batch::parse(&bytes[..bytes.len() - 1]), Ok(None));
}

#[test]
fn hostile_header_fields_are_refused_by_name() {
    let good = samples::batch(7, 2, Codec::None);
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = good.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    for length in [i32::MIN, -1, 0, 48] {
        assert_eq!(
            problem(&with(8, &length.to_be_bytes())),
            BatchProblem::Length(length)
        );
    }
    assert_eq!(problem(&with(16, &[3])), BatchProblem::Magic(3));
    assert_eq!(problem(&with(16, &[0xff])), BatchProblem::Magic(-1));
    assert_eq!(
        problem(&with(57, &[0xff; 4])),
        BatchProblem::RecordCount(-1)
    );
    let offsets = |bytes: &[u8]| matches!(problem(bytes), BatchProblem::Offsets { .. });
    assert!(offsets(&with(23, &[0xff; 4])));
    assert!(offsets(&with(0, &[0xff; 8])));
    assert!(offsets(&with(0, &i64::MAX.to_be_bytes())));
    let error = BatchHeader::parse(&with(16, &[9])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "batch at byte 0, offset 7: unknown magic 9"
    );
    // two GiB that are not there are no reason to allocate anything
    assert_eq!(Batch::parse(&with(8, &i32::MAX.to_be_bytes())), Ok(None));
}

#[test]
fn an_unknown_codec_is_named() {
    let change = Change {
        set: 6,
        ..Change::default()
    };
    let bytes = samples::changed(samples::batch(3, 1, Codec::None), change);
    assert_eq!(
        samples::header(&bytes).codec().unwrap_err().problem,
        BatchProblem::Codec(6)
    );
}

#[test]
fn r1_an_incomplete_tail_is_dropped_in_silence() {
    let first = samples::batch(0, 2, Codec::None);
    let second = samples::batch(2, 1, Codec::Zstd);
    let bytes = [first.as_slice(), &second].concat();
    for length in 0..=bytes.len() {
        let mut batches = Batches::new(&bytes[..length]);
        let offsets: Vec<_> = batches
            .by_ref()
            .map(|b| b.unwrap().header.base_offset)
            .collect();
        let (expected, consumed): (&[i64], _) = if length == bytes.len() {
            (&[0, 2], length)
        } else if length >= first.len() {
            (&[0], first.len())
        } else {
            (&[], 0)
        };
        assert_eq!(
            (offsets.as_slice(), batches.consumed()),
            (expected, consumed),
            "{length}"
        );
    }
}

#[test]
fn the_walk_names_the_place_of_a_bad_batch_and_stops() {
    let mut bytes = samples::batch(0, 2, Codec::None);
    let at = bytes.len();
    bytes.extend(samples::batch(2, 1, Codec::None));
    bytes[at + 16] = 77;
    let mut batches = Batches::new(&bytes);
    assert!(batches.next().unwrap().is_ok());
    let error = batches.next().unwrap().unwrap_err();
    assert_eq!((error.position, error.base_offset), (at, Some(2)));
    assert!(batches.next().is_none());
    assert_eq!(batches.consumed(), at);
}

#[test]
fn r7_the_stored_checksum_covers_each_format_as_kafka_does() {
    let current = samples::batch(0, 2, Codec::Gzip);
    let old = samples::old_message(0, 5, 0, b"k", b"v");
    let older = samples::old_message(1, 6, 2, b"", b"compressed");
    for (bytes, covered) in [(&current, 21), (&old, 16), (&older, 16)] {
        assert_eq!(parsed(bytes).check_crc(), Ok(()));
        for at in covered..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let noticed = match Batch::parse(&damaged) {
                Ok(Some(batch)) => batch.check_crc().is_err(),
                Ok(None) | Err(_) => true,
            };
            assert!(noticed, "byte {at}");
        }
    }
    let mut damaged = current;
    damaged[70] ^= 1;
    let error = parsed(&damaged).check_crc().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("batch at byte 0, offset 0: checksum mismatch: stored ")
    );
}

#[test]
fn r7_compressed_old_messages_do_not_tell_what_they_hold() {
    let bytes = samples::old_message(1, 99, 1, b"", b"gzip bytes");
    let header = samples::header(&bytes);
    assert_eq!((header.base_offset, header.record_count), (99, None));
    assert_eq!((header.next_offset(), header.leader_epoch), (100, -1));
    assert_eq!(
        (header.max_timestamp, header.codec()),
        (TIME, Ok(Codec::Gzip))
    );
    assert!(header.hides_first_offset() && !header.is_gap_free());

    let plain = samples::old_message(0, 98, 0, b"k", b"v");
    let header = samples::header(&plain);
    assert_eq!((header.record_count, header.max_timestamp), (Some(1), -1));
    assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
    let stamped = samples::old_message(1, 98, 8, b"k", b"v");
    assert_eq!(
        samples::header(&stamped).timestamp_type(),
        TimestampType::LogAppendTime
    );
}

#[test]
fn r14_a_control_batch_tells_its_type() {
    for (kind, expected) in [
        (0, ControlType::Abort),
        (1, ControlType::Commit),
        (2, ControlType::Other(2)),
    ] {
        assert_eq!(
            parsed(&samples::control(9, 4, kind)).control_type(),
            Ok(expected)
        );
    }
    // compaction keeps the last batch of a producer, emptied
    let mut empty = samples::control(9, 4, 0);
    empty.truncate(HEADER_SIZE);
    empty[8..12].copy_from_slice(&49u32.to_be_bytes());
    let change = Change {
        record_count: Some(0),
        ..Change::default()
    };
    let empty = samples::changed(empty, change);
    assert_eq!(parsed(&empty).control_type(), Ok(ControlType::Empty));
}

#[test]
fn a_control_record_without_a_type_is_refused() {
    let good = samples::control(9, 4, 0);
    for length in 0..13 {
        let mut cut = good[..HEADER_SIZE + length].to_vec();
        let size = u32::try_from(cut.len() - 12).unwrap();
        cut[8..12].copy_from_slice(&size.to_be_bytes());
        match parsed(&cut).control_type() {
            Ok(kind) => assert_eq!((kind, length >= 9), (ControlType::Abort, true)),
            Err(error) => assert_eq!(error.problem, BatchProblem::ControlRecord),
        }
    }
}
