use super::*;
use crate::{
    batch::Codec,
    json::{Sha256Hex, Xxh3Hex},
    records::{BatchBuilder, Produced},
    samples::{self, TIME, topic_id, topic_partition},
    segment::{SegmentBuilder, SegmentReader},
    words::{TopicId, TopicPartition},
};

fn segment(topic_partition: TopicPartition, first_offset: i64) -> ClosedSegment {
    let mut compressor = FrameCompressor::new(3);
    let mut segment = SegmentBuilder::new(topic_partition, topic_id(), first_offset);
    let batch = samples::batch(first_offset, 9, Codec::None);
    segment.push(&batch, &mut compressor).unwrap();
    segment.finish(&mut compressor)
}

fn archive(segments: Vec<ClosedSegment>) -> (Vec<u8>, FinishedArchive) {
    let mut builder = ArchiveBuilder::new(Ulid::from_parts(1, 2), Timestamp::from_millis(TIME));
    let mut bytes = Vec::new();
    for segment in segments {
        bytes.extend(builder.append(segment).concat());
        assert_eq!(builder.size(), bytes.len() as u64);
    }
    let finished = builder.finish(&mut FrameCompressor::new(3));
    bytes.extend(finished.tail.concat());
    (bytes, finished)
}

#[test]
fn an_archive_is_found_by_its_footer_and_index_and_read_by_ranges() {
    let segments = [0, 9, 18].map(|offset| segment(topic_partition(), offset));
    let (bytes, finished) = archive(segments.to_vec());
    assert_eq!(finished.size, bytes.len() as u64);
    assert_eq!(finished.xxh3_128, Xxh3Hex::of(&bytes));

    let tail = &bytes[bytes.len() - 100..];
    let footer = ArchiveFooter::parse(tail, finished.size).unwrap();
    let range = |position: u64, length: u64| {
        let position = usize::try_from(position).unwrap();
        &bytes[position..position + usize::try_from(length).unwrap()]
    };
    let frame = range(footer.index_position, footer.index_length);
    let index = ArchiveIndex::parse_frame(frame, 1 << 20).unwrap();
    assert_eq!(index, finished.index);
    assert_eq!(index.archive, "00000000010000000000000002");
    for entry in &index.segments {
        let mut reader = SegmentReader::new(entry, range(entry.position, entry.length));
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!(block, samples::batch(entry.first_offset, 9, Codec::None));
        assert!(reader.next_block().unwrap().is_none());
    }
    assert!(ArchiveIndex::parse_frame(frame, 100).is_err());
}

#[test]
fn the_stream_is_a_plain_tar_with_checksums_and_index_last() {
    let long = TopicPartition::new("t".repeat(249), 7);
    let (bytes, finished) = archive(vec![segment(topic_partition(), 0), segment(long, 5)]);
    let tar = zstd::stream::read::Decoder::new(bytes.as_slice()).unwrap();
    let mut tar = tar::Archive::new(tar);
    let mut names = Vec::new();
    let mut contents = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        let seconds = u64::try_from(TIME / 1_000).unwrap();
        assert_eq!(
            (header.mode().unwrap(), header.mtime().unwrap()),
            (0o644, seconds)
        );
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        names.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        contents.push(content);
    }
    let [first, second] = finished.index.segments.as_slice() else {
        panic!("two segments")
    };
    let own = |kind: &str| format!("lifeboat/00000000010000000000000002.{kind}");
    assert_eq!(
        names,
        [
            first.member.clone(),
            second.member.clone(),
            own("sha256"),
            own("index.json")
        ]
    );
    assert_eq!(second.member.len(), 249 + 2 + 1 + 24);
    let sums = format!(
        "{}  {}\n{}  {}\n",
        first.sha256, first.member, second.sha256, second.member
    );
    assert_eq!(String::from_utf8_lossy(&contents[2]), sums);
    assert_eq!(Sha256Hex::of(&contents[1]), second.sha256);
    assert_eq!(
        json::from_slice::<ArchiveIndex>(&contents[3]).unwrap(),
        finished.index
    );
}

#[test]
fn an_archive_of_nothing_is_an_archive() {
    let (bytes, finished) = archive(Vec::new());
    let footer = ArchiveFooter::parse(&bytes, finished.size).unwrap();
    let start = usize::try_from(footer.index_position).unwrap();
    let frame = &bytes[start..start + usize::try_from(footer.index_length).unwrap()];
    assert_eq!(
        ArchiveIndex::parse_frame(frame, 1 << 20).unwrap().segments,
        []
    );
}

#[test]
fn every_flipped_bit_of_a_footer_is_noticed() {
    let (bytes, finished) = archive(vec![segment(topic_partition(), 0)]);
    let tail = &bytes[bytes.len() - ArchiveFooter::SIZE..];
    for at in 0..tail.len() {
        for bit in 0..8 {
            let mut damaged = tail.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(
                ArchiveFooter::parse(&damaged, finished.size).is_err(),
                "byte {at} bit {bit}"
            );
        }
        let error = ArchiveFooter::parse(&tail[..at], finished.size).unwrap_err();
        assert!(matches!(
            error,
            ArchiveError::Footer(FooterProblem::Missing)
        ));
    }
}

#[test]
fn hostile_footers_are_refused_by_name() {
    let parse = |index_position, index_length, size| {
        let footer = ArchiveFooter {
            index_position,
            index_length,
        };
        ArchiveFooter::parse(&footer.to_bytes(), size).map_err(|error| error.to_string())
    };
    assert!(parse(10, 50, 100).is_ok());
    for (position, length) in [(11, 50), (10, 51), (0, 0), (u64::MAX, 1), (1, u64::MAX)] {
        let expected =
            format!("archive footer: the index can't be {length} bytes at byte {position}");
        assert_eq!(parse(position, length, 100).unwrap_err(), expected);
    }
    let mut newer = ArchiveFooter {
        index_position: 1,
        index_length: 1,
    }
    .to_bytes();
    newer[16] = 2;
    let crc = crc_fast::crc32_iscsi(&newer[..36]);
    newer[36..].copy_from_slice(&crc.to_le_bytes());
    let error = ArchiveFooter::parse(&newer, 100).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("archive version 2 is newer than 1"),
        "{error}"
    );
}

#[test]
fn hostile_indexes_are_refused_by_name() {
    let (_, finished) = archive(vec![
        segment(topic_partition(), 0),
        segment(topic_partition(), 9),
    ]);
    let parse = |index: &ArchiveIndex| {
        let frame = compress_frame(&json::to_vec(index));
        ArchiveIndex::parse_frame(&frame, 1 << 20).map_err(|error| error.to_string())
    };
    assert_eq!(parse(&finished.index).as_ref(), Ok(&finished.index));
    let lies: [fn(&mut ArchiveIndex); 3] = [
        |index| index.segments[1].position += 1,
        |index| index.segments[1].length = u64::MAX,
        |index| index.segments[1].position = 0,
    ];
    for lie in lies {
        let mut lying = finished.index.clone();
        lie(&mut lying);
        let text = parse(&lying).unwrap_err();
        assert!(
            text.starts_with("archive index: orders-3/00000000000000000009.log can't be at byte")
        );
    }
    let newer = br#"{"format":"lifeboat.index","version":2}"#;
    let error = ArchiveIndex::parse_frame(&compress_frame(newer), 1_000).unwrap_err();
    assert!(
        error.to_string().contains("version 2 is newer than 1"),
        "{error}"
    );
}

#[test]
fn hostile_tar_headers_are_refused_by_name() {
    let name = "orders-3/00000000000000000000.log";
    let good = header::member_header(name, 700, 5);
    check_header(&good, name, 700).unwrap();
    let text = |bytes: &[u8]| check_header(bytes, name, 700).unwrap_err().to_string();
    assert_eq!(text(&good[..511]), "it is cut off");
    assert_eq!(text(&[0; 512]), "it is cut off");
    assert_eq!(
        text(&[good.as_slice(), b"x"].concat()),
        "there are bytes behind it"
    );
    assert_eq!(
        text(&header::member_header(name, 701, 5)),
        "it says 701 bytes, the index 700"
    );
    assert_eq!(
        text(&header::member_header("x", 700, 5)),
        "it is that of \"x\""
    );
    let with = |change: fn(&mut tar::Header)| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&good);
        change(&mut header);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    assert_eq!(
        text(&with(|h| h.set_entry_type(tar::EntryType::Symlink))),
        "unreadable type"
    );
    assert_eq!(
        text(&with(|h| h.as_mut_bytes()[124..136].fill(b'9'))),
        "unreadable size"
    );
    assert_eq!(
        text(&with(|h| h.as_mut_bytes()[0] = 0xff)),
        "unreadable name"
    );
    // a long name that is longer than anything that is there
    for size in [u64::MAX >> 1, 1 << 40, 513] {
        let mut long = tar::Header::new_gnu();
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_size(size);
        long.set_cksum();
        assert_eq!(text(long.as_bytes()), "it is cut off");
    }
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x01;
        assert!(check_header(&damaged, name, 700).is_err(), "byte {at}");
    }
}

#[test]
fn names_of_every_length_have_a_header_that_reads_back() {
    for length in [1, 99, 100, 101, 155, 256, 273, 511, 512, 1_023] {
        let name = "n".repeat(length);
        let header = header::member_header(&name, 1, 0);
        assert_eq!(header.len() % 512, 0);
        check_header(&header, &name, 1).unwrap();
        let mut tar = header;
        tar.extend([b'x'; 512]);
        tar.extend(ZERO_BLOCKS);
        let mut archive = tar::Archive::new(tar.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().as_ref(), name.as_bytes(), "{length}");
    }
}

fn documents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "cluster.json",
            b"{\"format\":\"lifeboat.cluster\"}\n".to_vec(),
        ),
        ("topics.json", vec![b' '; 1_024]),
        ("groups.json", Vec::new()),
    ]
}

#[test]
fn documents_read_back() {
    let read = read_documents(&documents_archive(&documents())).unwrap();
    let expected = documents()
        .into_iter()
        .map(|(name, content)| (name.to_owned(), content));
    assert_eq!(read, expected.collect());
    assert!(read_documents(&documents_archive(&[])).unwrap().is_empty());
}

#[test]
fn documents_that_were_changed_are_named() {
    let tar = decompress_frame(&documents_archive(&documents()), 1 << 20).unwrap();
    let text = |tar: &[u8]| match read_documents(&compress_frame(tar)) {
        Ok(_) => panic!("it was not noticed"),
        Err(error) => error.to_string(),
    };
    let mut damaged = tar.clone();
    damaged[512] ^= 1;
    assert_eq!(text(&damaged), "cluster documents: cluster.json is damaged");
    let without_first = &tar[1_024..];
    assert_eq!(
        text(without_first),
        "cluster documents: cluster.json is missing"
    );
    assert_eq!(
        text(&ZERO_BLOCKS),
        "cluster documents: documents.sha256 is missing"
    );
    assert_eq!(
        text(&tar[..tar.len() - 1_024]),
        "cluster documents: tar header: it is cut off"
    );
    for length in 0..tar.len() - 1_024 {
        text(&tar[..length]);
    }
}

#[test]
fn a_topic_of_any_length_has_a_segment_that_reads_back() {
    for length in [1, 60, 80, 100, 249] {
        let topic_partition = TopicPartition::new("x".repeat(length), 2_000_000_000);
        let mut compressor = FrameCompressor::new(1);
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(TIME, &samples::tail(None, None, &[]));
        let produced = Produced {
            base_offset: i64::MAX - 1,
            ..Produced::ANONYMOUS
        };
        let batch = builder.finish(produced).unwrap();
        let mut segment = SegmentBuilder::new(topic_partition, TopicId::ZERO, i64::MAX - 1);
        segment.push(&batch, &mut compressor).unwrap();
        let (bytes, finished) = archive(vec![segment.finish(&mut compressor)]);
        let entry = &finished.index.segments[0];
        let frames = &bytes[..usize::try_from(entry.length).unwrap()];
        let mut reader = SegmentReader::new(entry, frames);
        assert_eq!(reader.next_block().unwrap().unwrap(), batch);
        assert!(reader.next_block().unwrap().is_none());
    }
}
