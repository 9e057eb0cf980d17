//! Batch by batch: each partition is fetched raw when it is written, and held against what was taken from the archive.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lifeboat_archive::{
    batch::{Batch, BatchError, Batches},
    digest::{BatchDigest, RecordDigest},
    records::{Decompressor, records},
    words::{OffsetRange, Progress},
};
use lifeboat_kafka::{
    reader::{MemoryBudget, ReadEvent, ReadRange, ReaderOptions, read_ranges},
    wire::Cluster,
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{ReadBack, counter, shown, verdict};
use crate::{
    content::{Content, Making},
    error::RestoreError,
    replay::WrittenPartition,
    rewrite::{LARGEST_PLAIN, Rewritten},
};

/// Partitions that may wait for their comparison before the writing waits too.
const WAITING: usize = 256;

/// What differs of each partition that was checked, by slot.
type Differences = HashMap<usize, Option<String>>;

/// Fetches what is written, round by round: all partitions that were finished during one round are the next.
#[derive(Debug)]
pub(crate) struct BatchComparison {
    written: mpsc::Sender<Expected>,
    checker: JoinHandle<Result<Differences, RestoreError>>,
    records: Arc<AtomicU64>,
    /// Ends the reading of a restore that was given up.
    _stop: DropGuard,
}

/// What a partition has to hold.
#[derive(Debug)]
struct Expected {
    slot: usize,
    range: ReadRange,
    content: Content,
}

impl BatchComparison {
    pub(super) fn begin(from: ReadBack<'_>) -> Self {
        let (written, inbox) = mpsc::channel(WAITING);
        let records = counter();
        let cancel = from.cancel.child_token();
        let stop = cancel.clone().drop_guard();
        let request_bytes = u32::try_from(from.memory.0 / 2).unwrap_or(u32::MAX);
        let checker = Checker {
            cluster: from.cluster.clone(),
            options: ReaderOptions {
                request_bytes: request_bytes.clamp(64 << 10, 8 << 20),
                lanes_per_broker: 1,
                first_lane: from.writers + 1,
                retry_deadline: from.patience(),
                ..ReaderOptions::default()
            },
            budget: MemoryBudget::new(from.memory.0),
            records: Arc::clone(&records),
            cancel,
        };
        Self {
            written,
            checker: tokio::spawn(checker.run(inbox)),
            records,
            _stop: stop,
        }
    }

    /// The partition is written: what is in it now has to be `rewritten`.
    pub(super) async fn check(&self, partition: &WrittenPartition, rewritten: &Rewritten) {
        let expected = Expected {
            slot: partition.slot,
            range: ReadRange {
                topic_partition: partition.topic_partition.clone(),
                topic_id: partition.topic_id,
                range: OffsetRange::new(partition.start_offset, partition.end(rewritten)),
                leader_epoch: -1,
                compacted: false,
            },
            content: rewritten.content.clone(),
        };
        // a checker that has failed says why at the end
        drop(self.written.send(expected).await);
    }

    pub(super) async fn finish(
        self,
        written: impl Iterator<Item = &WrittenPartition>,
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        drop(self.written);
        let mut found = shown(&self.records, progress, self.checker).await??;
        let (mut differing, mut compared) = (Vec::new(), 0);
        for partition in written {
            compared += 1;
            let unread = || Some("it was not read back".to_owned());
            let problem = found.remove(&partition.slot).unwrap_or_else(unread);
            differing.extend(problem.map(|problem| (&partition.topic_partition, problem)));
        }
        verdict(&differing, compared)
    }
}

struct Checker {
    cluster: Cluster,
    options: ReaderOptions,
    budget: MemoryBudget,
    records: Arc<AtomicU64>,
    cancel: CancellationToken,
}

impl Checker {
    async fn run(self, mut inbox: mpsc::Receiver<Expected>) -> Result<Differences, RestoreError> {
        let mut differences = Differences::new();
        while let Some(first) = inbox.recv().await {
            let mut round = vec![first];
            while let Ok(another) = inbox.try_recv() {
                round.push(another);
            }
            differences.extend(self.round(round).await?);
        }
        Ok(differences)
    }

    async fn round(&self, round: Vec<Expected>) -> Result<Differences, RestoreError> {
        let ranges = round.iter().map(|expected| expected.range.clone());
        let mut events = read_ranges(
            self.cluster.clone(),
            ranges.collect(),
            self.options.clone(),
            self.budget.clone(),
        );
        let (runtime, cancel) = (Handle::current(), self.cancel.clone());
        let records = Arc::clone(&self.records);
        // decoding is work for a thread of its own
        let checked = spawn_blocking(move || {
            let mut checks: Vec<Check<'_>> = round.iter().map(Check::new).collect();
            let mut decompressor = Decompressor::new(LARGEST_PLAIN);
            while let Some(event) = runtime.block_on(cancel.run_until_cancelled(events.recv())) {
                match event {
                    None => {
                        return Ok(checks.into_iter().map(Check::difference).collect());
                    }
                    Some(ReadEvent::Batches { index, batches, .. }) => {
                        let came = checks[index].see(&batches, &mut decompressor);
                        records.fetch_add(came, Ordering::Relaxed);
                    }
                    Some(ReadEvent::Gap { index, gap }) => {
                        let problem = format!("offsets {} are missing: {}", gap.range, gap.reason);
                        checks[index].fail(problem);
                    }
                    Some(ReadEvent::Done { index, .. }) => checks[index].done = true,
                }
            }
            Err(RestoreError::Cancelled)
        });
        checked.await?
    }
}

/// The comparison of one partition.
struct Check<'e> {
    expected: &'e Expected,
    makings: Box<dyn Iterator<Item = Making> + 'e>,
    next_offset: i64,
    batches: BatchDigest,
    records: RecordDigest,
    /// The first thing that differs.
    problem: Option<String>,
    done: bool,
}

impl<'e> Check<'e> {
    fn new(expected: &'e Expected) -> Self {
        Self {
            expected,
            makings: Box::new(expected.content.makings()),
            next_offset: expected.range.range.start,
            batches: BatchDigest::new(),
            records: RecordDigest::new(),
            problem: None,
            done: false,
        }
    }

    fn fail(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// Gives how many records came.
    fn see(&mut self, batches: &[u8], decompressor: &mut Decompressor) -> u64 {
        let before = self.batches.records() + self.records.records();
        for batch in Batches::new(batches) {
            if self.problem.is_some() {
                break;
            }
            if let Err(problem) = self.take(batch, decompressor) {
                self.fail(problem);
            }
        }
        self.batches.records() + self.records.records() - before
    }

    fn take(
        &mut self,
        batch: Result<Batch<'_>, BatchError>,
        decompressor: &mut Decompressor,
    ) -> Result<(), String> {
        let batch = batch.map_err(|error| error.to_string())?;
        let header = &batch.header;
        let (expected, found) = (self.next_offset, header.base_offset);
        if found != expected {
            return Err(format!(
                "offset {found} follows where {expected} was expected"
            ));
        }
        self.next_offset = header.next_offset();
        match self.makings.next() {
            None => Err(format!("nothing was written at offset {found}")),
            Some(Making::Passed) => {
                self.batches.update(&batch);
                Ok(())
            }
            Some(Making::Encoded) => {
                let broken = |error: &dyn std::fmt::Display| format!("offset {found}: {error}");
                let plain = decompressor.records_section(&batch);
                let plain = plain.map_err(|error| broken(&error))?;
                for record in records(header, plain) {
                    self.records
                        .update(&record.map_err(|error| broken(&error))?);
                }
                Ok(())
            }
        }
    }

    fn difference(mut self) -> (usize, Option<String>) {
        let (expected, content) = (self.expected, &self.expected.content);
        let end = expected.range.range.end;
        if !self.done {
            self.fail("it was not read back to its end".to_owned());
        } else if self.next_offset != end {
            let ended = self.next_offset;
            self.fail(format!("it ends at offset {ended}, not at {end}"));
        } else if self.makings.next().is_some() {
            self.fail("it holds fewer batches than were written".to_owned());
        } else if !content.holds(&self.batches, &self.records) {
            let count = content.record_count();
            self.fail(format!("the digest of its {count} records differs"));
        }
        (expected.slot, self.problem)
    }
}

#[cfg(test)]
mod tests;
