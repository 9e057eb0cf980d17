//! Lengths that hostile bytes claim are never allocated. A process of its own, so that its memory can be watched.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;

use lifeboat_archive::{
    batch::{Batch, Batches, Codec},
    index::{Holes, SegmentEntry},
    json::Sha256Hex,
    records::{BatchBuilder, Decompressor, Produced, records},
    segment::SegmentReader,
    tarball::{compress_frame, decompress_frame, read_documents},
    words::TopicId,
};

/// What zstd itself may set aside for a window, and some more.
const ALLOWED_KB: u64 = 300 << 10;

/// The most address space that this process ever had, in kB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmPeak:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn batch(codec: Codec, section: &[u8], count: u32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(0, &[1, 1, 0]);
    let mut bytes = builder.finish(Produced::ANONYMOUS).unwrap()[..61].to_vec();
    bytes.extend_from_slice(section);
    let length = u32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = u8::try_from(codec.bits()).unwrap();
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    bytes
}

fn entry(raw_bytes: u64) -> SegmentEntry {
    SegmentEntry {
        member: "t-0/00000000000000000000.log".to_owned(),
        topic: "t".to_owned(),
        topic_id: TopicId::ZERO,
        partition: 0,
        first_offset: 0,
        next_offset: i64::MAX,
        record_count: Some(u64::MAX),
        batch_count: u64::MAX,
        min_timestamp_ms: None,
        max_timestamp_ms: None,
        leader_epochs: Vec::new(),
        codecs: Vec::new(),
        raw_bytes,
        largest_batch_bytes: raw_bytes,
        holes: Holes::default(),
        position: 0,
        length: u64::MAX,
        sha256: Sha256Hex::of(b""),
    }
}

/// A zstd frame's header that claims so many bytes, as a window of its own, and the beginning of a block.
fn zstd_claim(size: u64) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend(size.to_le_bytes());
    frame.extend([4, 0, 0, 7]);
    frame
}

/// A GNU long-name header that claims a name of so many bytes.
fn long_name_claim(size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn hostile_lengths_are_never_allocated() {
    let before = peak();
    let huge = [1 << 32, 1 << 40, 1 << 60, u64::MAX >> 1, u64::MAX];

    // a batch, its records
    let mut claims = batch(Codec::None, &[], 1);
    claims[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(Batches::new(&claims).count(), 0);
    let lengths = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    for before_length in [
        &[][..],
        &[20, 0, 0, 0],
        &[20, 0, 0, 0, 1],
        &[20, 0, 0, 0, 1, 1],
    ] {
        let section = [before_length, &lengths, &[0; 20]].concat();
        let bytes = batch(Codec::None, &section, i32::MAX.cast_unsigned());
        let batch = Batch::parse(&bytes).unwrap().unwrap();
        assert!(records(&batch.header, &batch.bytes[61..]).any(|record| record.is_err()));
    }

    // compressed records
    let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let xerial = [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x08", &snappy[..]].concat();
    let lz4 = [
        0x04, 0x22, 0x4d, 0x18, 0x6c, 0x70, 0, 0, 0, 0, 0, 1, 0, 0, 0x5d, 0xff, 0xff, 0x3f, 0,
    ];
    let sections = [
        (Codec::Snappy, snappy.to_vec()),
        (Codec::Snappy, xerial),
        (Codec::Lz4, lz4.to_vec()),
        (Codec::Zstd, zstd_claim(1 << 40)),
        (
            Codec::Gzip,
            vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1],
        ),
    ];
    for (codec, section) in sections {
        let bytes = batch(codec, &section, 1);
        let batch = Batch::parse(&bytes).unwrap().unwrap();
        assert!(
            Decompressor::new(usize::MAX)
                .records_section(&batch)
                .is_err(),
            "{codec}"
        );
    }

    // frames, tar headers, segments, documents
    for size in huge {
        assert!(decompress_frame(&zstd_claim(size), usize::MAX).is_err());
        assert!(read_documents(&compress_frame(&long_name_claim(size))).is_err());
        let entry = entry(size);
        for frames in [zstd_claim(size), compress_frame(&long_name_claim(size))] {
            assert!(
                SegmentReader::new(&entry, frames.as_slice())
                    .next_block()
                    .is_err()
            );
        }
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..entry.member.len()].copy_from_slice(entry.member.as_bytes());
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_cksum();
        let frames = [compress_frame(header.as_bytes()), zstd_claim(size)].concat();
        assert!(
            SegmentReader::new(&entry, frames.as_slice())
                .next_block()
                .is_err()
        );
    }
    let grown = peak() - before;
    assert!(grown < ALLOWED_KB, "{grown} kB");
}
