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
