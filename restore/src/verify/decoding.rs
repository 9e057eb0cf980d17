//! The inside of batches: decompressed, and every record decoded.

use lifeboat_archive::{
    batch::{Batch, TimestampType},
    records::{Decompressor, Modernizer, RecordError, records},
    words::OffsetRange,
};

use crate::rewrite::LARGEST_PLAIN;

/// The buffer for plain bytes is given back after a batch of more than this.
const LARGE_PLAIN: usize = 8 << 20;
/// In one segment more places say nothing that these do not.
const MOST_TOLD: usize = 100;

/// Decodes the batches of one archive, one after another.
#[derive(Debug)]
pub(super) struct Decoding {
    decompressor: Decompressor,
    /// Records that were decoded.
    pub(super) records: u64,
    modernizer: Modernizer,
    /// What can't be read since it was asked last, and why.
    found: Vec<(OffsetRange, String)>,
}

impl Decoding {
    pub(super) fn new() -> Self {
        Self {
            decompressor: Decompressor::new(LARGEST_PLAIN),
            records: 0,
            modernizer: Modernizer::new(LARGEST_PLAIN),
            found: Vec::new(),
        }
    }

    /// Decodes a batch whose checksum is right.
    pub(super) fn see(&mut self, batch: &Batch<'_>) {
        if let Err(problem) = self.decode(batch)
            && self.found.len() < MOST_TOLD
        {
            let header = &batch.header;
            let offsets = OffsetRange::new(header.base_offset, header.next_offset());
            self.found.push((offsets, problem.to_string()));
        }
    }

    /// What can't be read of the batches that were seen since the last call.
    pub(super) fn take_found(&mut self) -> Vec<(OffsetRange, String)> {
        std::mem::take(&mut self.found)
    }

    fn decode(&mut self, batch: &Batch<'_>) -> Result<(), Problem> {
        let batch = &*self.modernizer.current(batch)?;
        let header = &batch.header;
        let plain = self.decompressor.records_section(batch)?;
        let (mut before, mut newest) = (None, i64::MIN);
        for record in records(header, plain) {
            let record = record?;
            if before.is_some_and(|before| record.offset <= before) {
                let offset = record.offset;
                return Err(Problem::Order { offset });
            }
            before = Some(record.offset);
            newest = newest.max(record.timestamp);
            self.records += 1;
        }
        let of_records = header.timestamp_type() == TimestampType::CreateTime;
        if of_records && newest > header.max_timestamp {
            return Err(Problem::Newest {
                newest,
                said: header.max_timestamp,
            });
        }
        if plain.len() > LARGE_PLAIN {
            self.decompressor = Decompressor::new(LARGEST_PLAIN);
        }
        Ok(())
    }
}

/// What is wrong inside of a batch.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the record at offset {offset} does not come behind the one before it")]
    Order { offset: i64 },
    /// Who looks for records by time would pass it over.
    #[error("a record has the timestamp {newest}, and the batch says that {said} is its largest")]
    Newest { newest: i64, said: i64 },
}

#[cfg(test)]
mod tests;
