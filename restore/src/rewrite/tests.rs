#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers of tests"
)]

use std::io::Write;

use lifeboat_archive::{
    batch::Batches,
    digest::RecordDigest,
    lists::{AbortedSpan, OpenSpan},
};
use proptest::prelude::*;

use super::*;

mod old;
mod selecting;
mod spreading;

const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

#[derive(Clone, Debug, PartialEq)]
struct Plain {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn record(offset: i64, timestamp: i64, size: usize) -> Plain {
    Plain {
        offset,
        timestamp,
        key: (offset % 3 != 0).then(|| offset.to_be_bytes().to_vec()),
        value: (offset % 5 != 0).then(|| vec![b'v'; size]),
        headers: (0..offset % 3)
            .map(|n| (b"name".to_vec(), (n > 0).then(|| vec![1, 2])))
            .collect(),
    }
}

/// A batch as a broker might have stored it: whatever offsets, flags and producer are asked for.
#[derive(Clone, Debug)]
struct Stored {
    base_offset: i64,
    last_offset_delta: i32,
    codec: Codec,
    flags: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    records: Vec<Plain>,
}

impl Stored {
    fn of(records: Vec<Plain>) -> Self {
        let first = &records[0];
        let last = records[records.len() - 1].offset;
        Self {
            base_offset: first.offset,
            last_offset_delta: i32::try_from(last - first.offset).unwrap(),
            codec: Codec::None,
            flags: 0,
            base_timestamp: first.timestamp,
            max_timestamp: records.iter().map(|record| record.timestamp).max().unwrap(),
            producer_id: 77,
            records,
        }
    }

    fn run(base_offset: i64, count: i64, size: usize) -> Self {
        let records = base_offset..base_offset + count;
        Self::of(
            records
                .map(|offset| record(offset, 1_000 + offset, size))
                .collect(),
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        for record in &self.records {
            let mut body = vec![0];
            varint(&mut body, record.timestamp - self.base_timestamp);
            varint(&mut body, record.offset - self.base_offset);
            text(&mut body, record.key.as_deref());
            text(&mut body, record.value.as_deref());
            varint(&mut body, record.headers.len() as i64);
            for (name, value) in &record.headers {
                text(&mut body, Some(name));
                text(&mut body, value.as_deref());
            }
            varint(&mut plain, body.len() as i64);
            plain.extend_from_slice(&body);
        }
        if self.codec == Codec::Gzip {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&plain).unwrap();
            plain = encoder.finish().unwrap();
        } else {
            assert_eq!(self.codec, Codec::None);
        }
        let mut bytes = self.base_offset.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(49 + plain.len() as i32).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 4, 2, 0, 0, 0, 0]);
        bytes.extend_from_slice(&(self.codec.bits() | self.flags).to_be_bytes());
        bytes.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes.extend_from_slice(&self.base_timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.max_timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.producer_id.to_be_bytes());
        bytes.extend_from_slice(&[0, 3, 0, 0, 0, 9]);
        bytes.extend_from_slice(&(self.records.len() as i32).to_be_bytes());
        bytes.extend_from_slice(&plain);
        let crc = crc_fast::crc32_iscsi(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    }
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

fn text(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn partition(log_start_offset: i64, high_watermark: i64) -> ManifestPartition {
    ManifestPartition {
        partition: 0,
        log_start_offset,
        high_watermark,
        last_stable_offset: high_watermark,
        leader_epoch: 4,
        record_count: None,
        batch_count: 0,
        repacked_bytes: 0,
        raw_bytes: 0,
        largest_batch_bytes: 0,
        max_timestamp_ms: None,
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    }
}

const LIMITS: BatchLimits = BatchLimits {
    encoded_bytes: 100_000,
};

const PRODUCER: Producer = Producer {
    id: 4_000,
    epoch: 0,
};

/// At both depths, which have to give the same batches; the content is that of the records.
fn rewrite(
    source: &ManifestPartition,
    table: &TransactionTable,
    stored: &[Stored],
) -> (Vec<OutputBatch>, Rewritten) {
    rewrite_selecting(RecordSelection::default(), source, table, stored)
}

fn rewrite_selecting(
    selection: RecordSelection,
    source: &ManifestPartition,
    table: &TransactionTable,
    stored: &[Stored],
) -> (Vec<OutputBatch>, Rewritten) {
    let (by_batch, shallow) = rewrite_at(Depth::Batches, selection.clone(), source, table, stored);
    let (by_record, deep) = rewrite_at(Depth::Records, selection, source, table, stored);
    assert_eq!(by_batch, by_record);
    assert_eq!(shallow.counts, deep.counts);
    assert_eq!(shallow.content.record_count(), deep.content.record_count());
    (by_record, deep)
}

fn rewrite_at(
    depth: Depth,
    selection: RecordSelection,
    source: &ManifestPartition,
    table: &TransactionTable,
    stored: &[Stored],
) -> (Vec<OutputBatch>, Rewritten) {
    let committed = 0..source.high_watermark + 1;
    let offsets = OffsetTranslator::new(source, committed);
    let mut rewriter = Rewriter::new(offsets, PRODUCER, LIMITS, depth);
    rewriter.turn_to(source, table, selection);
    let mut out = Vec::new();
    for stored in stored {
        let bytes = stored.bytes();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            rewriter.push(&batch, &mut out).unwrap();
        }
    }
    let rewritten = rewriter.finish(&mut out).unwrap().pop().unwrap();
    (out, rewritten)
}

/// What a consumer of the output sees, with the checks that a broker makes of each batch.
fn consumed(out: &[OutputBatch]) -> Vec<Plain> {
    let mut seen = Vec::new();
    let mut decompressor = Decompressor::new(1 << 30);
    for output in out {
        let batch = Batch::parse(&output.bytes).unwrap().unwrap();
        batch.check_crc().unwrap();
        let header = &batch.header;
        assert_eq!(header.size, output.bytes.len());
        assert_eq!((header.base_offset, header.leader_epoch), (0, -1));
        assert!(header.is_gap_free());
        assert_eq!(header.attributes & !0x07, 0, "no flag is left");
        assert_eq!((header.producer_id, header.producer_epoch), (4_000, 0));
        assert_eq!(output.before, seen.len() as u64);
        assert_eq!(header.base_sequence, base_sequence(output.before));
        assert_eq!(header.record_count, Some(output.records));
        let plain = decompressor.records_section(&batch).unwrap();
        for (delta, record) in records(header, plain).enumerate() {
            let record = record.unwrap();
            assert_eq!(record.offset, delta as i64);
            seen.push(Plain {
                offset: seen.len() as i64,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers()
                    .map(|header| header.unwrap())
                    .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
                    .collect(),
            });
        }
        assert_eq!(output.after(), seen.len() as u64);
    }
    seen
}

fn assert_restored(out: &[OutputBatch], rewritten: &Rewritten, expected: &[Plain]) {
    let seen = consumed(out);
    let mut digest = RecordDigest::new();
    for (at, (seen, expected)) in seen.iter().zip(expected).enumerate() {
        let offset = at as i64;
        assert_eq!(
            *seen,
            Plain {
                offset,
                ..expected.clone()
            }
        );
        let headers = seen
            .headers
            .iter()
            .map(|(n, v)| (n.as_slice(), v.as_deref()));
        digest.update_parts(
            seen.timestamp,
            seen.key.as_deref(),
            seen.value.as_deref(),
            headers,
        );
    }
    assert_eq!(seen.len(), expected.len());
    assert_eq!(rewritten.counts.records, expected.len() as u64);
    assert_eq!(rewritten.content.record_digest(), Some(&digest));
    for expected in expected {
        let before = expected.offset;
        let (target, _) = rewritten.offsets.translate(before, 0).unwrap();
        assert_eq!(
            seen[usize::try_from(target).unwrap()].timestamp,
            expected.timestamp
        );
    }
}

#[test]
fn r14_aborted_and_open_transactions_are_left_out_and_the_rest_is_kept() {
    let transactional = |base, producer_id| Stored {
        flags: TRANSACTIONAL,
        producer_id,
        ..Stored::run(base, 3, 10)
    };
    let marker = |offset, producer_id| Stored {
        flags: TRANSACTIONAL | CONTROL,
        producer_id,
        ..Stored::run(offset, 1, 0)
    };
    let stored = [
        transactional(0, 1),
        transactional(3, 2),
        marker(6, 1),
        marker(7, 2),
        transactional(8, 3),
        transactional(11, 4),
    ];
    let mut source = partition(0, 14);
    source.last_stable_offset = 8;
    let table = TransactionTable {
        aborted: vec![AbortedSpan {
            producer_id: 2,
            first_offset: 3,
            marker_offset: 7,
        }],
        open: vec![OpenSpan {
            producer_id: 3,
            first_offset: 8,
        }],
    };
    let (out, rewritten) = rewrite(&source, &table, &stored);
    let expected = [&stored[0].records[..], &stored[5].records[..]].concat();
    assert_restored(&out, &rewritten, &expected);
    assert_eq!(rewritten.counts.uncommitted_records, 6);
}

#[test]
fn r20_log_append_time_stamps_every_record_with_the_batchs_time() {
    let ten_years = 10 * 365 * 24 * 3_600_000;
    for count in [1, 4] {
        for size in [10, 70_000] {
            let stored = Stored {
                flags: LOG_APPEND_TIME,
                max_timestamp: 1_001 + ten_years,
                ..Stored::run(1, count, size)
            };
            let (out, rewritten) = rewrite(
                &partition(0, 9),
                &TransactionTable::default(),
                std::slice::from_ref(&stored),
            );
            let expected: Vec<Plain> = stored
                .records
                .iter()
                .map(|record| Plain {
                    timestamp: 1_001 + ten_years,
                    ..record.clone()
                })
                .collect();
            assert_restored(&out, &rewritten, &expected);
            assert_eq!(
                rewritten.counts.log_append_time_records,
                count.unsigned_abs()
            );
        }
    }
}

#[test]
fn r21_a_whole_large_batch_keeps_its_records_section_byte_for_byte() {
    for codec in [Codec::None, Codec::Gzip] {
        let mut stored = Stored::run(7, 200, 1_000);
        stored.codec = codec;
        if codec == Codec::Gzip {
            for (at, record) in stored.records.iter_mut().enumerate() {
                let noise = (0..2_000u64).map(|n| ((n * n + at as u64 * 7_919) % 251) as u8);
                record.value = Some(noise.collect());
            }
        }
        let bytes = stored.bytes();
        let (out, rewritten) = rewrite(
            &partition(0, 300),
            &TransactionTable::default(),
            std::slice::from_ref(&stored),
        );
        assert_restored(&out, &rewritten, &stored.records);
        assert_eq!(out.len(), 1, "{codec}");
        assert_eq!(out[0].bytes[61..], bytes[61..], "{codec}");
    }
}

#[test]
fn r21_a_thinned_batch_is_encoded_anew_with_its_own_codec() {
    for codec in [Codec::None, Codec::Gzip] {
        let mut stored = Stored::run(10, 90, 1_000);
        stored.codec = codec;
        stored.records.retain(|record| record.offset % 4 != 2);
        stored.base_offset = 8;
        stored.last_offset_delta = 100;
        let (out, rewritten) = rewrite(
            &partition(0, 200),
            &TransactionTable::default(),
            std::slice::from_ref(&stored),
        );
        assert_restored(&out, &rewritten, &stored.records);
        let batch = Batch::parse(&out[0].bytes).unwrap().unwrap();
        assert_eq!(batch.header.codec().unwrap(), codec);
    }
}

#[test]
fn r27_a_repacked_batch_is_compressed_again_with_what_it_was_compressed_with() {
    let partition = partition(0, 100);
    let run = Stored::run(0, 100, 900);
    let offsets = OffsetTranslator::new(&partition, 0..101);
    let mut rewriter = Rewriter::new(offsets, PRODUCER, LIMITS, Depth::Records);
    rewriter.turn_to(
        &partition,
        &TransactionTable::default(),
        RecordSelection::default(),
    );
    let bytes = run.bytes();
    let batch = Batch::parse(&bytes).unwrap().unwrap();
    let mut out = Vec::new();
    rewriter
        .push_repacked(&batch, Codec::Lz4, &mut out)
        .unwrap();
    let rewritten = rewriter.finish(&mut out).unwrap().pop().unwrap();
    assert_restored(&out, &rewritten, &run.records);
    for batch in &out {
        let header = Batch::parse(&batch.bytes).unwrap().unwrap().header;
        assert_eq!(header.codec().unwrap(), Codec::Lz4);
    }
}

#[test]
fn r21_batches_without_records_and_control_batches_are_skipped() {
    let mut empty = Stored::run(0, 3, 10);
    empty.records.clear();
    let control = Stored {
        flags: CONTROL,
        ..Stored::run(3, 1, 10)
    };
    let data = Stored::run(4, 2, 10);
    let (out, rewritten) = rewrite(
        &partition(0, 6),
        &TransactionTable::default(),
        &[empty, control, data.clone()],
    );
    assert_restored(&out, &rewritten, &data.records);
    assert_eq!(rewritten.counts.batches_read, 3);
}

#[test]
fn r21_a_delete_horizon_is_cleared_and_the_records_keep_their_times() {
    for size in [10, 70_000] {
        let stored = Stored {
            flags: DELETE_HORIZON,
            base_timestamp: 999_999_999,
            ..Stored::run(0, 3, size)
        };
        let (out, rewritten) = rewrite(
            &partition(0, 3),
            &TransactionTable::default(),
            std::slice::from_ref(&stored),
        );
        assert_restored(&out, &rewritten, &stored.records);
    }
}

#[test]
fn r6_records_below_the_log_start_do_not_come_back() {
    for size in [10, 20_000] {
        let stored = Stored::run(0, 10, size);
        let (out, rewritten) = rewrite(
            &partition(4, 10),
            &TransactionTable::default(),
            std::slice::from_ref(&stored),
        );
        assert_restored(&out, &rewritten, &stored.records[4..]);
    }
}

#[test]
fn r26_runs_of_small_batches_become_one_up_to_the_limit() {
    let stored: Vec<Stored> = (0..1_000).map(|at| Stored::run(at, 1, 300)).collect();
    let (out, rewritten) = rewrite(&partition(0, 1_000), &TransactionTable::default(), &stored);
    let expected: Vec<Plain> = stored
        .into_iter()
        .flat_map(|stored| stored.records)
        .collect();
    assert_restored(&out, &rewritten, &expected);
    assert!(out.len() <= 4, "{} batches", out.len());
    assert!(
        out.iter()
            .all(|output| output.bytes.len() as u64 <= LIMITS.encoded_bytes)
    );
    assert_eq!(rewritten.counts.batches_written, out.len() as u64);
}

#[test]
fn r26_batches_of_another_codec_are_not_merged() {
    let gzip = Stored {
        codec: Codec::Gzip,
        ..Stored::run(2, 2, 10)
    };
    let stored = [Stored::run(0, 2, 10), gzip, Stored::run(4, 2, 10)];
    let (out, _) = rewrite(&partition(0, 6), &TransactionTable::default(), &stored);
    let codecs: Vec<Codec> = out
        .iter()
        .map(|output| {
            Batch::parse(&output.bytes)
                .unwrap()
                .unwrap()
                .header
                .codec()
                .unwrap()
        })
        .collect();
    assert_eq!(codecs, [Codec::None, Codec::Gzip, Codec::None]);
}

#[test]
fn r26_a_large_batch_ends_a_run_and_keeps_the_order() {
    let stored = [
        Stored::run(0, 2, 10),
        Stored::run(2, 3, 70_000),
        Stored::run(5, 2, 10),
    ];
    let (out, rewritten) = rewrite(&partition(0, 7), &TransactionTable::default(), &stored);
    assert_eq!(out.len(), 3);
    let expected: Vec<Plain> = stored
        .into_iter()
        .flat_map(|stored| stored.records)
        .collect();
    assert_restored(&out, &rewritten, &expected);
}

#[test]
fn r26_the_limit_follows_the_topics_own_and_never_passes_a_mebibyte() {
    let limit = |settings: &[(&str, &str)]| {
        let wanted = settings
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let settings = TopicSettings {
            wanted: wanted.collect(),
            ..TopicSettings::default()
        };
        BatchLimits::of(&settings).encoded_bytes
    };
    assert_eq!(limit(&[]), (1 << 20) - (16 << 10));
    assert_eq!(
        limit(&[("max.message.bytes", "10000000")]),
        (1 << 20) - (16 << 10)
    );
    assert_eq!(limit(&[("max.message.bytes", "8000")]), 7_000);
    assert_eq!(limit(&[("segment.bytes", "16384")]), 14_336);
    assert_eq!(limit(&[("max.message.bytes", "0")]), 1);
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    assert_eq!(base_sequence(0), 0);
    assert_eq!(base_sequence((1 << 31) - 1), i32::MAX);
    assert_eq!(base_sequence(1 << 31), 0);
    assert_eq!(base_sequence((1 << 33) + 5), 5);
}

fn batches() -> impl Strategy<Value = Vec<Stored>> {
    let one = (
        1_i64..6,
        0_i64..4,
        prop::sample::select(vec![5_usize, 400, 30_000, 70_000]),
        any::<bool>(),
        prop::sample::select(vec![0, 0, LOG_APPEND_TIME, DELETE_HORIZON]),
        any::<u8>(),
    );
    prop::collection::vec(one, 0..14).prop_map(|shapes| {
        let mut next = 0;
        let mut stored = Vec::new();
        for (count, hole, size, gzip, flags, dropped) in shapes {
            let base = next + hole;
            let mut batch = Stored::run(base, count, size);
            batch.flags = flags;
            batch.codec = if gzip { Codec::Gzip } else { Codec::None };
            batch
                .records
                .retain(|record| dropped >> ((record.offset - base) % 8) & 1 == 0);
            next = base + count;
            stored.push(batch);
        }
        stored
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn r17_r20_r21_r26_whatever_is_stored_comes_out_once_in_order_with_its_times(
        stored in batches(),
        log_start in 0_i64..10,
    ) {
        let end = stored.last().map_or(0, |batch| batch.base_offset + i64::from(batch.last_offset_delta) + 1);
        let source = partition(log_start.min(end), end);
        let (out, rewritten) = rewrite(&source, &TransactionTable::default(), &stored);
        let expected: Vec<Plain> = stored
            .iter()
            .flat_map(|batch| batch.records.iter().map(|record| Plain {
                timestamp: if batch.flags == LOG_APPEND_TIME { batch.max_timestamp } else { record.timestamp },
                ..record.clone()
            }))
            .filter(|record| record.offset >= log_start)
            .collect();
        assert_restored(&out, &rewritten, &expected);
        let largest = stored.iter().map(|batch| batch.bytes().len()).max().unwrap_or(0);
        for output in &out {
            prop_assert!(output.bytes.len() <= largest.max(100_000));
        }
        // the same input gives the same bytes
        prop_assert_eq!(rewrite(&source, &TransactionTable::default(), &stored).0, out);
    }
}
