//! One number for all records of a partition, in order: the same for an archive and for what a consumer reads back.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::{json::hex, records::Record};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::{Batch, Codec},
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
