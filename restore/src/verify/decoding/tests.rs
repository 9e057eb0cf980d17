use lifeboat_archive::{
    batch::Codec,
    records::{BatchBuilder, Produced},
};

use super::*;

/// Two records, of the times 5 and 9.
fn with_batch<T>(see: impl FnOnce(Batch<'_>) -> T) -> T {
    let mut builder = BatchBuilder::new(Codec::Zstd);
    builder.push_pair(5, None, b"a");
    builder.push_pair(9, Some(b"k"), b"b");
    let produced = Produced {
        base_offset: 100,
        ..Produced::ANONYMOUS
    };
    let bytes = builder.finish(produced).unwrap();
    see(Batch::parse(&bytes).unwrap().unwrap())
}

fn found(batch: &Batch<'_>) -> Vec<(OffsetRange, String)> {
    let mut decoding = Decoding::new();
    decoding.see(batch);
    decoding.take_found()
}

#[test]
fn a_sound_batch_is_counted_record_by_record() {
    with_batch(|batch| {
        let mut decoding = Decoding::new();
        decoding.see(&batch);
        decoding.see(&batch);
        assert_eq!(decoding.records, 4);
        assert!(decoding.take_found().is_empty());
    });
}

#[test]
fn a_batch_that_says_something_else_of_its_records_is_found() {
    with_batch(|mut batch| {
        batch.header.max_timestamp = 8;
        let told = found(&batch);
        assert_eq!(told[0].0, OffsetRange::new(100, 102));
        assert!(told[0].1.contains("timestamp 9"), "{told:?}");
    });
    with_batch(|mut batch| {
        batch.header.record_count = Some(3);
        assert_eq!(found(&batch).len(), 1);
    });
    with_batch(|mut batch| {
        batch.header.last_offset_delta = 0;
        assert_eq!(found(&batch).len(), 1);
    });
}

#[test]
fn a_batch_whose_largest_timestamp_nobody_has_any_more_is_sound() {
    // compaction may have taken that record away
    with_batch(|mut batch| {
        batch.header.max_timestamp = 10;
        assert!(found(&batch).is_empty());
    });
}
