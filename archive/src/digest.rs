//! One number for all records of a partition, in order: the same for an archive and for what a consumer reads back.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::{
    batch::{Batch, CODEC_MASK, HEADER_SIZE, TimestampType},
    json::hex,
    records::Record,
};

const NULL: u32 = u32::MAX;

/// A digest over records, chained: `h' = XXH3-128(h ‖ record)`, `h` 16 bytes, zero at first, all numbers big-endian.
///
/// A record is: timestamp (8 bytes), key, value, then name and value of each header, then the number of headers
/// (4 bytes). Each of these texts has its length (4 bytes) before it; null is the length `0xffffffff` alone.
#[derive(Clone, Default)]
pub struct RecordDigest {
    hash: [u8; 16],
    records: u64,
    canonical: Vec<u8>,
}

impl RecordDigest {
    /// The digest of no records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record of a batch.
    pub fn update(&mut self, record: &Record<'_>) {
        // a Record's headers were checked when it was read
        let headers = record.headers().map_while(Result::ok);
        self.update_parts(record.timestamp, record.key, record.value, headers);
    }

    /// Adds a record that came some other way.
    pub fn update_parts<'a>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        self.canonical.clear();
        self.canonical.extend_from_slice(&self.hash);
        self.canonical.extend_from_slice(&timestamp.to_be_bytes());
        self.put(key);
        self.put(value);
        let mut count = 0u32;
        for (name, value) in headers {
            self.put(Some(name));
            self.put(value);
            count += 1;
        }
        self.canonical.extend_from_slice(&count.to_be_bytes());
        self.hash = xxh3_128(&self.canonical).to_be_bytes();
        self.records += 1;
    }

    fn put(&mut self, bytes: Option<&[u8]>) {
        let length = bytes.map_or(NULL, |bytes| u32::try_from(bytes.len()).unwrap_or(NULL));
        self.canonical.extend_from_slice(&length.to_be_bytes());
        self.canonical.extend_from_slice(bytes.unwrap_or_default());
    }

    /// How many records it covers.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The digest in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

impl PartialEq for RecordDigest {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records && self.hash == other.hash
    }
}

impl Eq for RecordDigest {}

impl fmt::Debug for RecordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordDigest({} records, {})", self.records, self.hex())
    }
}

/// A digest over whole batches as they are stored, chained like [`RecordDigest`]: nothing is decompressed for it.
///
/// It covers what a consumer makes records of: codec, base timestamp, last offset delta, record count and the records
/// themselves, compressed as they are. Offsets, producer, leader epoch and checksum are not part of it, nor is the largest
/// timestamp, which only serves searches.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BatchDigest {
    hash: [u8; 16],
    batches: u64,
    records: u64,
}

impl BatchDigest {
    /// The digest of no batches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a batch of magic 2.
    pub fn update(&mut self, batch: &Batch<'_>) {
        let header = &batch.header;
        // what the broker had stamped is the time of every record
        let time = match header.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp,
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        let records = header.record_count.unwrap_or(0);
        let mut state = Xxh3::new();
        state.update(&self.hash);
        state.update(&(header.attributes & CODEC_MASK).to_be_bytes());
        state.update(&time.to_be_bytes());
        state.update(&header.last_offset_delta.to_be_bytes());
        state.update(&records.to_be_bytes());
        state.update(batch.bytes.get(HEADER_SIZE..).unwrap_or_default());
        self.hash = state.digest128().to_be_bytes();
        self.batches += 1;
        self.records += u64::from(records);
    }

    /// How many batches it covers.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// How many records these say that they hold.
    pub fn records(&self) -> u64 {
        self.records
    }
}

impl fmt::Debug for BatchDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (batches, hash) = (self.batches, hex(&self.hash));
        write!(f, "BatchDigest({batches} batches, {hash})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::Codec,
        records::{Decompressor, records},
        samples,
    };

    type Part = (
        i64,
        Option<&'static [u8]>,
        Option<&'static [u8]>,
        Vec<samples::Header<'static>>,
    );

    fn digest(parts: &[Part]) -> String {
        let mut digest = RecordDigest::new();
        for (timestamp, key, value, headers) in parts {
            digest.update_parts(*timestamp, *key, *value, headers.iter().copied());
        }
        assert_eq!(digest.records(), parts.len() as u64);
        digest.hex()
    }

    fn base() -> Part {
        (
            5,
            Some(b"k"),
            Some(b"v"),
            vec![(b"h", Some(b"x")), (b"h", None)],
        )
    }

    #[test]
    fn a_batch_and_its_parts_have_the_same_digest() {
        for codec in Codec::ALL {
            let bytes = samples::batch(100, 20, codec);
            let batch = Batch::parse(&bytes).unwrap().unwrap();
            let mut decompressor = Decompressor::new(1 << 20);
            let plain = decompressor.records_section(&batch).unwrap();
            let (mut whole, mut parts) = (RecordDigest::new(), RecordDigest::new());
            for record in records(&batch.header, plain) {
                let record = record.unwrap();
                whole.update(&record);
                let headers: Vec<_> = record.headers().map(Result::unwrap).collect();
                parts.update_parts(record.timestamp, record.key, record.value, headers);
            }
            assert_eq!(whole, parts);
            assert_eq!(whole.records(), 20);
            // offsets and codec are not part of it; times are
            assert_eq!(whole.hex(), "69755834684fffebace7757dab8a66b2", "{codec}");
        }
    }

    #[test]
    fn every_byte_that_a_consumer_makes_records_of_counts_and_no_other() {
        let bytes = samples::batch(100, 3, Codec::Lz4);
        let digest = |bytes: &[u8]| {
            let mut digest = BatchDigest::new();
            digest.update(&Batch::parse(bytes).unwrap()?);
            assert_eq!(digest.batches(), 1);
            Some(digest)
        };
        let whole = digest(&bytes).unwrap();
        assert_eq!(whole.records(), 3);
        // offset, leader epoch, checksum; flags; largest timestamp; producer, its epoch and sequence
        let free = |at: usize| matches!(at, 0..=7 | 12..=15 | 17..=20 | 35..=56);
        for at in (0..8).chain(12..16).chain(17..21).chain(23..bytes.len()) {
            let mut other = bytes.clone();
            other[at] ^= 1;
            // some flips are refused before
            let Ok(Some(_)) = Batch::parse(&other) else {
                continue;
            };
            assert_eq!(digest(&other) == Some(whole.clone()), free(at), "byte {at}");
        }
    }

    #[test]
    fn the_order_of_batches_counts() {
        let [one, other] = [5, 6].map(|count| samples::batch(0, count, Codec::None));
        let digest = |order: [&[u8]; 2]| {
            let mut digest = BatchDigest::new();
            for bytes in order {
                digest.update(&Batch::parse(bytes).unwrap().unwrap());
            }
            digest
        };
        assert_ne!(digest([&one, &other]), digest([&other, &one]));
    }

    #[test]
    fn the_digest_is_what_the_specification_says() {
        assert_eq!(digest(&[]), "0".repeat(32));
        let mut text = vec![0; 16];
        text.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'v']);
        text.extend([0, 0, 0, 1, b'h', 0, 0, 0, 1, b'x', 0, 0, 0, 1, b'h']);
        text.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2]);
        assert_eq!(digest(&[base()]), format!("{:032x}", xxh3_128(&text)));
    }

    #[test]
    fn every_part_and_the_order_of_records_and_headers_count() {
        let changes: [fn(&mut Part); 9] = [
            |part| part.0 += 1,
            |part| part.1 = None,
            |part| part.1 = Some(b""),
            |part| part.2 = None,
            |part| (part.1, part.2) = (Some(&b"kv"[..]), Some(&b""[..])),
            |part| part.3.reverse(),
            |part| part.3[1].1 = Some(b""),
            |part| part.3.truncate(1),
            |part| part.3.clear(),
        ];
        let mut seen = vec![digest(&[base()]), digest(&[base(), base()])];
        for change in changes {
            let mut other = base();
            change(&mut other);
            seen.push(digest(&[other.clone()]));
            seen.push(digest(&[base(), other.clone()]));
            seen.push(digest(&[other, base()]));
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
