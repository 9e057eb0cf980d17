//! Damage in every place of a small archive: an error that names the place, or data that is unharmed. Never a panic.

use std::collections::BTreeMap;

use lifeboat_archive::{
    batch::{Batch, Batches, Codec},
    index::ArchiveIndex,
    json,
    records::{Decompressor, records},
    segment::{SegmentReader, check_segment},
    tarball::{ArchiveFooter, compress_frame, decompress_frame, documents_archive, read_documents},
};

use crate::{
    samples::{self, reseal},
    written::{Written, range, read},
};

/// What to do to a byte: its bits one by one, and all of them.
const FLIPS: [u8; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 255];

#[test]
fn every_flipped_byte_of_an_archive_is_an_error_with_its_place_or_harmless() {
    let written = Written::sample();
    let tail = &written.bytes[written.bytes.len() - ArchiveFooter::SIZE..];
    let footer = ArchiveFooter::parse(tail, written.finished.size).unwrap();
    let index = footer.index_position..footer.index_position + footer.index_length;
    let mut harmless = 0;
    for at in 0..written.bytes.len() {
        for flip in FLIPS {
            let mut damaged = written.bytes.clone();
            damaged[at] ^= flip;
            let error = match read(&damaged) {
                Ok(members) => {
                    assert_eq!(members, written.members, "byte {at}");
                    harmless += 1;
                    continue;
                }
                Err(error) => error.to_string(),
            };
            let place = at as u64;
            let segments = &written.finished.index.segments;
            let hit = segments
                .iter()
                .find(|entry| (entry.position..entry.position + entry.length).contains(&place));
            let named = match hit {
                Some(entry) => {
                    let topic_partition = entry.topic_partition();
                    error.starts_with(&format!(
                        "{} (topic-partition {topic_partition}, at offset ",
                        entry.member
                    ))
                }
                None if index.contains(&place) => error.starts_with("archive index: "),
                None => error.starts_with("archive footer: "),
            };
            assert!(named, "byte {at}: {error}");
        }
    }
    // checksums, headers of our own members and the end of the tar are not needed to read the data, and in each frame
    // there is a spare bit; whoever wants the whole object sound compares its hash
    let ours = written.bytes.len() * FLIPS.len() / 2;
    assert!(
        harmless < ours,
        "{harmless} of {}",
        written.bytes.len() * FLIPS.len()
    );
}

#[test]
fn an_archive_cut_at_any_length_is_an_error() {
    let written = Written::sample();
    for length in 0..written.bytes.len() {
        let error = read(&written.bytes[..length]).unwrap_err().to_string();
        assert!(error.starts_with("archive footer: "), "{length}: {error}");
    }
}

#[test]
fn a_segment_cut_at_any_length_or_followed_by_more_is_an_error_with_its_name() {
    let written = Written::sample();
    for entry in &written.finished.index.segments {
        let frames = written.frames(entry);
        let outcome = |frames: &[u8]| {
            let mut reader = SegmentReader::new(entry, frames);
            loop {
                match reader.next_block() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        assert_eq!(outcome(frames), Ok(()));
        for length in 0..frames.len() {
            let error = outcome(&frames[..length]).unwrap_err();
            assert!(error.starts_with(&entry.member), "{length}: {error}");
        }
        let more = [frames, &compress_frame(b"more")].concat();
        assert!(
            outcome(&more)
                .unwrap_err()
                .ends_with("bytes behind the last zstd frame")
        );
        assert!(outcome(&[frames, b"x"].concat()).is_err());
    }
}

#[test]
fn every_lie_of_an_index_about_places_and_lengths_is_an_error() {
    let written = Written::sample();
    let good = &written.finished.index.segments[0];
    let lengths = [0, 1, good.length - 1, good.length + 1, u64::MAX];
    let sizes = [0, good.raw_bytes - 1, good.raw_bytes + 1, 1 << 40, u64::MAX];
    let mut lies = Vec::new();
    for length in lengths {
        let mut lie = good.clone();
        lie.length = length;
        lies.push(lie);
    }
    for size in sizes {
        let mut lie = good.clone();
        lie.raw_bytes = size;
        lie.largest_batch_bytes = size;
        lies.push(lie);
    }
    for lie in lies {
        let Some(frames) = range(&written.bytes, lie.position, lie.length) else {
            continue;
        };
        let mut reader = SegmentReader::new(&lie, frames);
        let error = loop {
            match reader.next_block() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{lie:?} was not found out"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.starts_with(&good.member), "{error}");
    }
}

/// The plain content of each frame in a row of them.
fn plain_frames(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    while !frames.is_empty() {
        let length = zstd::zstd_safe::find_frame_compressed_size(frames).unwrap();
        plain.push(decompress_frame(&frames[..length], 1 << 20).unwrap());
        frames = &frames[length..];
    }
    plain
}

#[test]
fn hostile_bytes_in_sound_frames_are_an_error_or_harmless() {
    let written = Written::sample();
    for entry in &written.finished.index.segments {
        let plain = plain_frames(written.frames(entry));
        for (which, frame) in plain.iter().enumerate() {
            for at in 0..frame.len() {
                let mut damaged = plain.clone();
                damaged[which][at] ^= FLIPS[at % FLIPS.len()];
                let frames: Vec<u8> = damaged
                    .iter()
                    .flat_map(|frame| compress_frame(frame))
                    .collect();
                let mut reader = SegmentReader::new(entry, frames.as_slice());
                let mut content = Vec::new();
                let outcome = loop {
                    match reader.next_block() {
                        Ok(Some(block)) => content.extend_from_slice(block),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error.to_string()),
                    }
                };
                match outcome {
                    // a number of a tar header may begin with a space as well as with a zero
                    Ok(()) => assert_eq!((which, &content), (0, &written.members[&entry.member])),
                    Err(error) => assert!(error.starts_with(&entry.member), "{error}"),
                }
            }
        }
    }
}

#[test]
fn a_hostile_index_never_leads_to_other_data() {
    let written = Written::sample();
    let json = json::to_vec(&written.finished.index);
    let body = usize::try_from(
        written
            .finished
            .index
            .segments
            .iter()
            .map(|entry| entry.length)
            .sum::<u64>(),
    )
    .unwrap();
    let mut harmless = 0;
    for at in 0..json.len() {
        let mut damaged = json.clone();
        damaged[at] ^= [1, 2, 4, 16][at % 4];
        let Ok(index) = ArchiveIndex::parse_frame(&compress_frame(&damaged), 1 << 20) else {
            continue;
        };
        let mut members = BTreeMap::new();
        for entry in &index.segments {
            let frames =
                range(&written.bytes[..body], entry.position, entry.length).unwrap_or_default();
            if check_segment(entry, frames, |_| ()).is_ok() {
                members.insert(entry.member.clone(), written.members[&entry.member].clone());
            }
        }
        harmless += usize::from(members == written.members);
    }
    // topic ids, the archive's name and time, unknown keys: nothing that the bytes of a segment could tell
    assert!(harmless < json.len() / 4, "{harmless} of {}", json.len());
}

#[test]
fn json_of_an_index_that_is_not_one_is_an_error() {
    let deep = "[".repeat(100_000);
    let texts = [
        "",
        "{}",
        "null",
        "[1]",
        deep.as_str(),
        r#"{"format":"lifeboat.index","version":1}"#,
        r#"{"format":"lifeboat.index","version":-1}"#,
        r#"{"format":"lifeboat.index","version":1,"archive":"x","created_at":"now","segments":[]}"#,
        r#"{"format":"lifeboat.index","version":1,"archive":"x","created_at":"2026-08-23T02:00:00Z","segments":{}}"#,
        "{\"format\":\"lifeboat.list\",\"version\":1}",
    ];
    for text in texts {
        let error = ArchiveIndex::parse_frame(&compress_frame(text.as_bytes()), 1 << 20);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("archive index: "),
            "{text:.60}"
        );
    }
}

#[test]
fn every_flipped_byte_of_the_documents_is_an_error_or_harmless() {
    let documents = [
        (
            "cluster.json",
            b"{\"format\":\"lifeboat.cluster\"}\n".to_vec(),
        ),
        ("topics.json", b"{\"topics\":[]}\n".to_vec()),
    ];
    let archive = documents_archive(&documents);
    let expected = read_documents(&archive).unwrap();
    for at in 0..archive.len() {
        for flip in FLIPS {
            let mut damaged = archive.clone();
            damaged[at] ^= flip;
            match read_documents(&damaged) {
                Ok(read) => assert_eq!(read, expected, "byte {at}"),
                Err(error) => assert!(error.to_string().starts_with("cluster documents: ")),
            }
        }
        assert!(read_documents(&archive[..at]).is_err(), "{at}");
    }
}

/// Reads as much of `bytes` as there is, and never panics.
fn walk(bytes: &[u8], decompressor: &mut Decompressor) -> usize {
    let mut count = 0;
    for batch in Batches::new(bytes) {
        let Ok(batch) = batch else { break };
        let _ = (
            batch.check_crc(),
            batch.control_type(),
            batch.header.codec(),
        );
        if let Ok(plain) = decompressor.records_section(&batch) {
            for record in records(&batch.header, plain) {
                let Ok(record) = record else { break };
                count += 1 + record.headers().count();
            }
        }
    }
    count
}

#[test]
fn every_flipped_byte_of_a_batch_is_read_without_a_panic_even_where_its_checksum_is_right() {
    let mut decompressor = Decompressor::new(1 << 20);
    for codec in Codec::ALL {
        let good = samples::batch(1_000, 5, codec);
        let expected = walk(&good, &mut decompressor);
        assert_eq!(expected, 10);
        for at in 0..good.len() {
            for flip in FLIPS {
                let mut damaged = good.clone();
                damaged[at] ^= flip;
                walk(&damaged, &mut decompressor);
                reseal(&mut damaged);
                walk(&damaged, &mut decompressor);
            }
        }
        assert_eq!(walk(&good, &mut decompressor), expected);
    }
    for old in [
        samples::old_message(0, 1, 0, b"k", b"v"),
        samples::old_message(1, 1, 1, b"k", b"v"),
    ] {
        for at in 0..old.len() {
            for flip in FLIPS {
                let mut damaged = old.clone();
                damaged[at] ^= flip;
                walk(&damaged, &mut decompressor);
            }
        }
    }
}

#[test]
fn compressed_records_cut_at_any_length_are_read_without_a_panic() {
    let mut decompressor = Decompressor::new(1 << 20);
    for codec in Codec::ALL {
        let good = samples::batch(1_000, 5, codec);
        for length in 61..good.len() {
            let mut cut = good[..length].to_vec();
            let size = u32::try_from(length - 12).unwrap();
            cut[8..12].copy_from_slice(&size.to_be_bytes());
            reseal(&mut cut);
            let batch = Batch::parse(&cut).unwrap().unwrap();
            let all = decompressor
                .records_section(&batch)
                .is_ok_and(|plain| records(&batch.header, plain).all(|record| record.is_ok()));
            // gzip, lz4 and zstd end in checksums or marks that a reader of records need not see
            assert!(!all || length > good.len() - 12, "{codec} {length}");
        }
    }
}
