//! What a restored partition has to hold, in a form that can be compared with what is read back.

use lifeboat_archive::{
    batch::Batch,
    digest::{BatchDigest, RecordDigest},
    records::Record,
};
use serde::{Deserialize, Serialize};

/// How closely what was written is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Batches that pass as they are by their bytes, the others record by record.
    Batches,
    /// Every record, read back with a client that shares no code with the writer.
    Records,
}

/// How a batch that was written came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// It is the archive's, with another header.
    Passed,
    /// Its records were put together anew.
    Encoded,
}

/// The content of a partition, in the order in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    depth: Depth,
    batches: BatchDigest,
    records: RecordDigest,
    makings: Makings,
}

impl Content {
    /// Nothing yet.
    pub fn new(depth: Depth) -> Self {
        Self {
            depth,
            batches: BatchDigest::new(),
            records: RecordDigest::new(),
            makings: Makings::default(),
        }
    }

    /// How closely it is known.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Adds a batch of the archive that passes as it is; at [`Depth::Records`] its records are to be added as well.
    pub(crate) fn pass(&mut self, batch: &Batch<'_>) {
        if self.depth == Depth::Batches {
            self.batches.update(batch);
        }
    }

    /// Adds a record that is decoded.
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.records.update(record);
    }

    /// A batch was written.
    pub(crate) fn written(&mut self, making: Making) {
        if self.depth == Depth::Batches {
            self.makings.push(making);
        }
    }

    /// How the batches came to be, in order.
    pub(crate) fn makings(&self) -> impl Iterator<Item = Making> {
        self.makings.iter()
    }

    /// How many records it has.
    pub fn record_count(&self) -> u64 {
        self.batches.records() + self.records.records()
    }

    /// The digest over its records, where every one was decoded.
    pub fn record_digest(&self) -> Option<&RecordDigest> {
        (self.depth == Depth::Records).then_some(&self.records)
    }

    /// What was found in place of this: the digests of what was read back.
    pub(crate) fn holds(&self, batches: &BatchDigest, records: &RecordDigest) -> bool {
        self.batches == *batches && self.records == *records
    }
}

/// Kinds of batches in order, run by run: a partition mostly has one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Makings(Vec<(Making, u32)>);

impl Makings {
    fn push(&mut self, making: Making) {
        match self.0.last_mut() {
            Some((last, count)) if *last == making && *count < u32::MAX => *count += 1,
            _ => self.0.push((making, 1)),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Making> {
        let runs = self.0.iter();
        runs.flat_map(|&(making, count)| std::iter::repeat_n(making, count as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_out_as_they_went_in_and_take_room_by_the_run() {
        use Making::{Encoded, Passed};
        let mut makings = Makings::default();
        let order = [Passed, Passed, Encoded, Passed, Encoded, Encoded];
        for making in order {
            makings.push(making);
        }
        assert_eq!(makings.iter().collect::<Vec<_>>(), order);
        assert_eq!(makings.0.len(), 4);
    }
}
