use lifeboat_archive::{
    batch::Codec,
    records::{BatchBuilder, Produced},
    words::{TopicId, TopicPartition},
};

use super::*;
use crate::content::Depth;

const PRODUCED: Produced = Produced {
    producer_id: 4_000,
    producer_epoch: 0,
    base_sequence: 0,
    base_offset: 0,
};

/// A batch of one record a text, as a broker has stored it at `base_offset`.
fn batch(base_offset: i64, codec: Codec, texts: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for text in texts {
        let length = u8::try_from(text.len()).unwrap();
        // no key, the text as value, no headers
        let mut tail = vec![1, length * 2];
        tail.extend_from_slice(text.as_bytes());
        tail.push(0);
        builder.push(5, &tail);
    }
    let mut bytes = builder.finish(PRODUCED).unwrap().to_vec();
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes
}

/// What was written: a batch that passed and one that was put together, at offsets 10 to 15.
fn written() -> (Vec<u8>, Vec<u8>) {
    let passed = batch(10, Codec::Lz4, &["a", "b"]);
    let encoded = batch(12, Codec::None, &["c", "d", "e"]);
    (passed, encoded)
}

fn expected() -> Expected {
    let (passed, encoded) = written();
    let mut content = Content::new(Depth::Batches);
    content.pass(&Batch::parse(&passed).unwrap().unwrap());
    content.written(Making::Passed);
    let encoded = Batch::parse(&encoded).unwrap().unwrap();
    let mut decompressor = Decompressor::new(LARGEST_PLAIN);
    let plain = decompressor.records_section(&encoded).unwrap();
    for record in records(&encoded.header, plain) {
        content.add(&record.unwrap());
    }
    content.written(Making::Encoded);
    assert_eq!(content.record_count(), 5);
    Expected {
        slot: 3,
        range: ReadRange {
            topic_partition: TopicPartition::new("orders", 0),
            topic_id: TopicId::default(),
            range: OffsetRange::new(10, 15),
            leader_epoch: -1,
            compacted: false,
        },
        content,
    }
}

fn difference(read_back: &[Vec<u8>]) -> Option<String> {
    let expected = expected();
    let mut check = Check::new(&expected);
    let mut decompressor = Decompressor::new(LARGEST_PLAIN);
    for batches in read_back {
        check.see(batches, &mut decompressor);
    }
    check.done = true;
    let (slot, problem) = check.difference();
    assert_eq!(slot, 3);
    problem
}

#[test]
fn what_was_written_does_not_differ_however_it_is_cut() {
    let (passed, encoded) = written();
    assert_eq!(difference(&[passed.clone(), encoded.clone()]), None);
    assert_eq!(difference(&[[passed, encoded].concat()]), None);
}

#[test]
fn what_the_broker_may_change_makes_no_difference() {
    let (mut passed, encoded) = written();
    // leader epoch; producer and sequence numbers
    passed[12..16].copy_from_slice(&[0, 0, 0, 7]);
    passed[43..57].fill(9);
    assert_eq!(difference(&[passed, encoded]), None);
}

#[test]
fn everything_else_is_told_apart() {
    let (passed, encoded) = written();
    let tell = |batches: &[Vec<u8>]| difference(batches).unwrap();
    let other = batch(10, Codec::Lz4, &["a", "x"]);
    assert!(tell(&[other, encoded.clone()]).contains("digest of its 5 records"));
    let other = batch(12, Codec::None, &["c", "x", "e"]);
    assert!(tell(&[passed.clone(), other]).contains("digest of its 5 records"));
    let moved = batch(13, Codec::None, &["c", "d", "e"]);
    assert!(tell(&[passed.clone(), moved]).contains("offset 13 follows where 12 was expected"));
    let short = tell(std::slice::from_ref(&passed));
    assert!(short.contains("ends at offset 12, not at 15"), "{short}");
    // twice what was written once
    let again = tell(&[passed.clone(), passed]);
    assert!(
        again.contains("offset 10 follows where 12 was expected"),
        "{again}"
    );
}

#[test]
fn batches_that_were_put_together_otherwise_are_told_apart() {
    let texts = ["a", "b", "c", "d", "e"];
    let merged = difference(&[batch(10, Codec::None, &texts)]).unwrap();
    assert!(merged.contains("fewer batches"), "{merged}");
    let single = (10..15)
        .zip(texts)
        .map(|(offset, text)| batch(offset, Codec::None, &[text]));
    let split = difference(&single.collect::<Vec<_>>()).unwrap();
    assert!(
        split.contains("nothing was written at offset 12"),
        "{split}"
    );
}

#[test]
fn a_partition_that_was_not_read_to_its_end_differs() {
    let expected = expected();
    let (_, problem) = Check::new(&expected).difference();
    assert_eq!(problem.unwrap(), "it was not read back to its end");
    let mut check = Check::new(&expected);
    check.fail("offsets 12..15 are missing: truncated".to_owned());
    check.done = true;
    let (_, problem) = check.difference();
    assert!(problem.unwrap().contains("12..15"));
}
