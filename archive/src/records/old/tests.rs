use super::*;
use crate::records::records;

const TIME: i64 = 1_500_000_000_000;

fn sized(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap());
    out.extend(length.to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn message(
    magic: i8,
    offset: i64,
    attributes: u8,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = vec![magic.cast_unsigned(), attributes];
    if magic == 1 {
        body.extend((TIME + offset).to_be_bytes());
    }
    sized(&mut body, key);
    sized(&mut body, value);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(crc_fast::crc32_iso_hdlc(&body).to_be_bytes());
    message.extend(body);
    message
}

/// Messages at these offsets, each with its own key and value.
fn run(magic: i8, offsets: &[i64]) -> Vec<u8> {
    let offsets = offsets.iter();
    offsets
        .flat_map(|&offset| message(magic, offset, 0, Some(&[7]), Some(&offset.to_be_bytes())))
        .collect()
}

/// Offsets, times, and values.
type Told = Vec<(i64, i64, Option<Vec<u8>>)>;

fn modern(bytes: &[u8]) -> Result<(BatchHeader, Told), RecordError> {
    let batch = Batch::parse(bytes).unwrap().unwrap();
    batch.check_crc().unwrap();
    let mut modernizer = Modernizer::new(1 << 20);
    let batch = modernizer.current(&batch)?;
    batch.check_crc().unwrap();
    assert_eq!(batch.header.magic, 2);
    let told = records(&batch.header, &batch.bytes[crate::batch::HEADER_SIZE..]);
    let told = told.map(|record| {
        let record = record.unwrap();
        assert_eq!(record.header_count, 0);
        (
            record.offset,
            record.timestamp,
            record.value.map(<[u8]>::to_vec),
        )
    });
    let told = told.collect();
    Ok((batch.into_owned().header, told))
}

fn offset_of(number: i64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

#[test]
fn r28_a_single_message_keeps_offset_key_value_and_time_or_that_it_has_none() {
    for (magic, time) in [(0, -1), (1, TIME + 40)] {
        let (header, told) = modern(&message(magic, 40, 0, None, Some(b"v"))).unwrap();
        assert_eq!(told, [(40, time, Some(b"v".to_vec()))]);
        assert_eq!((header.base_offset, header.max_timestamp), (40, time));
        let (_, told) = modern(&message(magic, 40, 0, Some(b"k"), None)).unwrap();
        assert_eq!(told, [(40, time, None)]);
    }
}

#[test]
fn r28_a_compressed_message_is_as_many_records_at_their_own_offsets() {
    // what compaction has left of it
    let gzip = |plain: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut out, plain).unwrap();
        out.finish().unwrap()
    };
    let of_zero = message(0, 57, 1, None, Some(&gzip(&run(0, &[50, 52, 57]))));
    let (header, told) = modern(&of_zero).unwrap();
    let values = [50, 52, 57].map(|offset| (offset, -1, Some(offset_of(offset))));
    assert_eq!(told, values);
    assert_eq!((header.base_offset, header.next_offset()), (50, 58));
    let of_one = message(1, 57, 1, None, Some(&gzip(&run(1, &[0, 2, 7]))));
    let (_, told) = modern(&of_one).unwrap();
    let values = [0, 2, 7].map(|n| (50 + n, TIME + n, Some(offset_of(n))));
    assert_eq!(told, values);
    // the broker set the time of all of them
    let appended = message(1, 57, 1 | 8, None, Some(&gzip(&run(1, &[0, 2, 7]))));
    let (header, told) = modern(&appended).unwrap();
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert!(told.iter().all(|record| record.1 == TIME + 57), "{told:?}");
}

/// KAFKA-3160.
#[test]
fn r28_the_wrong_checksum_of_an_old_lz4_frame_is_not_held_against_it() {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_mode(lz4_flex::frame::BlockMode::Independent)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    std::io::Write::write_all(&mut out, &run(0, &[3, 4])).unwrap();
    let mut frame = out.finish().unwrap();
    assert_eq!(
        modern(&message(0, 4, 3, None, Some(&frame)))
            .unwrap()
            .1
            .len(),
        2
    );
    frame[6] ^= 0x55;
    let (_, told) = modern(&message(0, 4, 3, None, Some(&frame))).unwrap();
    assert_eq!(told.len(), 2);
    assert!(modern(&message(1, 4, 3, None, Some(&frame))).is_err());
}

#[test]
fn what_is_no_run_of_messages_is_an_error_and_never_a_panic() {
    let sound = run(1, &[0, 1, 2]);
    let snappy = |plain: &[u8]| {
        let compressed = snap::raw::Encoder::new().compress_vec(plain).unwrap();
        message(1, 9, 2, None, Some(&compressed))
    };
    assert_eq!(modern(&snappy(&sound)).unwrap().1.len(), 3);
    for cut in 1..sound.len() {
        if cut % (sound.len() / 3) != 0 {
            assert!(modern(&snappy(&sound[..cut])).is_err(), "{cut}");
        }
    }
    // nothing, no value, another format inside, and offsets that go back
    let bad = [
        snappy(&[]),
        message(1, 9, 2, None, None),
        snappy(&run(0, &[0, 1])),
        snappy(&run(1, &[3, 2, 4])),
        snappy(&run(1, &[0, 1 << 40])),
    ];
    for bytes in bad {
        assert!(modern(&bytes).is_err(), "{bytes:?}");
    }
    // whatever a byte becomes
    for at in 0..sound.len() {
        for bits in [1, 0x80, 0xFF] {
            let mut bytes = sound.clone();
            bytes[at] ^= bits;
            drop(modern(&snappy(&bytes)));
        }
    }
}
