//! How fast batches become segments, in MB per second of one processor (Linux): `cargo run --release -p lifeboat-archive --example segment_rate`.
#![expect(clippy::print_stdout, reason = "its purpose")]

use std::{fs, hint::black_box};

use lifeboat_archive::{
    batch::{Batch, Batches, Codec},
    json::Sha256Hex,
    records::{BatchBuilder, Produced},
    segment::{FRAME_BYTES, FrameCompressor, SegmentBuilder, SegmentReader},
    tarball::ArchiveBuilder,
    words::{Timestamp, TopicId, TopicPartition},
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use ulid::Ulid;

const TOTAL: usize = 256 << 20;
const FETCH: usize = 1 << 20;

fn main() {
    let inputs = [
        ("json, not compressed", batches(Codec::None, json)),
        ("json, lz4", batches(Codec::Lz4, json)),
        ("random bytes", batches(Codec::None, noise)),
    ];
    for (name, input) in &inputs {
        parts(name, input);
        for level in [1, 3] {
            rate(name, input, level);
        }
    }
}

/// What a push is made of.
fn parts(name: &str, fetch: &[u8]) {
    let rounds = TOTAL / fetch.len() / 2;
    let rate = |work: &mut dyn FnMut()| {
        let begun = processor_seconds();
        (0..rounds).for_each(|_| work());
        (rounds * fetch.len()) as f64 / 1e6 / (processor_seconds() - begun)
    };
    let checksums = rate(&mut || {
        let good = |batch: Result<Batch<'_>, _>| batch.is_ok_and(|batch| batch.check_crc().is_ok());
        assert!(Batches::new(fetch).all(good));
    });
    let hash = rate(&mut || {
        black_box(Sha256Hex::of(fetch));
    });
    let frames = [1, 3].map(|level| {
        let mut compressor = FrameCompressor::new(level);
        rate(&mut || {
            for block in fetch.chunks(FRAME_BYTES) {
                black_box(compressor.compress(block));
            }
        })
    });
    println!(
        "{name:22} walk and CRC {checksums:.0} MB/s, SHA-256 {hash:.0} MB/s, zstd 1 {:.0} MB/s, zstd 3 {:.0} MB/s",
        frames[0], frames[1]
    );
}

fn rate(name: &str, fetch: &[u8], level: i32) {
    let mut compressor = FrameCompressor::new(level);
    let topic_partition = TopicPartition::new("bench", 0);
    let rounds = TOTAL / fetch.len();
    let begun = processor_seconds();
    let mut closed = Vec::new();
    for _ in 0..rounds {
        let mut segment = SegmentBuilder::new(topic_partition.clone(), TopicId::ZERO, 0);
        segment.push(fetch, &mut compressor).expect("sound batches");
        closed.push(segment.finish(&mut compressor));
    }
    let pushed = processor_seconds() - begun;
    let mut archive = ArchiveBuilder::new(Ulid::nil(), Timestamp::default());
    let frames: Vec<_> = closed
        .into_iter()
        .map(|segment| archive.append(segment))
        .collect();
    let finished = archive.finish(&mut compressor);
    let begun = processor_seconds();
    for (entry, frames) in finished.index.segments.iter().zip(&frames) {
        let mut reader = SegmentReader::new(entry, frames.concat().leak() as &[u8]);
        while reader.next_block().expect("sound frames").is_some() {}
    }
    let read = processor_seconds() - begun;
    let megabytes = (rounds * fetch.len()) as f64 / 1e6;
    println!(
        "{name:22} level {level}: push {:5.0} MB/s, read {:5.0} MB/s, ratio {:.2}",
        megabytes / pushed,
        megabytes / read,
        megabytes * 1e6 / finished.size as f64,
    );
}

/// The time that this thread had a processor, so that a busy machine does not matter.
fn processor_seconds() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux kernel");
    let nanoseconds = times
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanoseconds.expect("a number") / 1e9
}

/// About one fetch of batches of about 16 kB.
fn batches(codec: Codec, value: fn(&mut SmallRng, u64) -> Vec<u8>) -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut builder = BatchBuilder::new(codec);
    let mut bytes = Vec::new();
    let mut offset = 0;
    while bytes.len() < FETCH * 8 {
        let start = offset;
        while builder.estimated_size() < 16_000 {
            let tail = tail(&value(&mut random, offset));
            builder.push(1_700_000_000_000 + offset.cast_signed(), &tail);
            offset += 1;
        }
        let produced = Produced {
            base_offset: start.cast_signed(),
            ..Produced::ANONYMOUS
        };
        bytes.extend(builder.finish(produced).expect("small batches"));
    }
    bytes
}

/// No key, a value of 64 to 8191 bytes, no headers.
fn tail(value: &[u8]) -> Vec<u8> {
    let zigzag = u16::try_from(value.len() * 2).expect("a short value");
    let [low, high] = [zigzag & 0x7f | 0x80, zigzag >> 7].map(|part| part.to_le_bytes()[0]);
    let mut tail = vec![1, low, high];
    tail.extend_from_slice(value);
    tail.push(0);
    tail
}

fn json(random: &mut SmallRng, number: u64) -> Vec<u8> {
    format!(
        r#"{{"order_id":{number},"customer":"c-{}","amount":{},"currency":"EUR","status":"{}","session":"{:016x}"}}"#,
        random.random_range(0..50_000),
        random.random_range(1..100_000),
        ["created", "paid", "shipped", "cancelled"][random.random_range(0..4)],
        random.random::<u64>(),
    )
    .into_bytes()
}

fn noise(random: &mut SmallRng, _: u64) -> Vec<u8> {
    let mut bytes = vec![0; 500];
    random.fill_bytes(&mut bytes);
    bytes
}
