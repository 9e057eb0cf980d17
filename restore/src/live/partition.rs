//! One partition: its records out of the archives and out of the cluster, side by side, each on a thread of its own.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use lifeboat_archive::{
    print::RecordPrint,
    words::{OffsetRange, TopicPartition},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    KafkaError,
    records::{Isolation, ReadOptions, read_records},
};
use tokio_util::sync::CancellationToken;

use super::{
    by_key::{LatestByKey, Pass},
    kept::{Kept, KeptError},
    matching::{Ahead, ByOffset, InOrder, LiveBounds, Origin, Tally},
    report::Way,
};

/// So many records go from one thread to the other at once.
const RUN: usize = 512;
/// So many runs may wait.
const RUNS: usize = 4;
/// So many more records than the snapshot has are read of a cluster that goes on.
const BEYOND: i64 = 1_024;

/// A partition that is to be compared.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) kept: Kept,
    pub(super) way: Way,
    /// It is the very topic that the snapshot is of: its offsets are the same.
    pub(super) is_same_topic: bool,
    /// What the cluster calls it.
    pub(super) target: TopicPartition,
    pub(super) live: LiveBounds,
    /// Where its records begin, if it is another one.
    pub(super) origin: Origin,
    /// See [`LatestByKey`].
    pub(super) may_be_deleted: bool,
    pub(super) exact: bool,
    pub(super) properties: KafkaProperties,
    /// For keys.
    pub(super) memory: u64,
    pub(super) cancel: CancellationToken,
}

/// Why a partition was not compared to its end.
#[derive(Debug)]
pub(super) enum JobError {
    Kept(KeptError),
    Live(KafkaError),
    /// The thread that reads the archives is gone.
    Lost,
}

impl From<KafkaError> for JobError {
    fn from(error: KafkaError) -> Self {
        Self::Live(error)
    }
}

impl From<KeptError> for JobError {
    fn from(error: KeptError) -> Self {
        Self::Kept(error)
    }
}

impl Job {
    /// Compares it; blocking.
    pub(super) fn run(&self) -> Result<Tally, JobError> {
        match self.way {
            Way::Offset => self.by_offset(),
            Way::Order => self.in_order(),
            Way::LatestByKey => self.by_key(),
        }
    }

    fn by_offset(&self) -> Result<Tally, JobError> {
        let partition = &self.kept.partition;
        let mut matching = ByOffset::new(self.live, partition, self.exact);
        let end = if self.exact {
            self.live.last_stable
        } else {
            self.live.last_stable.min(partition.high_watermark)
        };
        let range = OffsetRange::new(self.live.start.max(partition.log_start_offset), end);
        self.beside(|expected| {
            self.read_live(range, |found| matching.see(&found, expected))?;
            matching.finish(expected)
        })?;
        Ok(matching.tally)
    }

    fn in_order(&self) -> Result<Tally, JobError> {
        let mut matching = InOrder::new(self.live, self.origin, self.exact);
        let step = i64::try_from(self.records()).unwrap_or(i64::MAX);
        let step = step.saturating_add(BEYOND);
        self.beside(|expected| {
            let first = self.reads_from();
            let mut from = first;
            while from < self.live.last_stable {
                let end = if self.exact {
                    self.live.last_stable
                } else {
                    from.saturating_add(step).min(self.live.last_stable)
                };
                let range = OffsetRange::new(from, end);
                self.read_live(range, |found| matching.see(&found, expected))?;
                from = end;
                // holes of a cluster that was compacted, or written to besides, may take longer
                if expected.peek()?.is_none() {
                    break;
                }
            }
            matching.finish(expected)?;
            if !self.exact {
                let beyond = self.live.high_watermark - from.max(first);
                matching.tally.counts.newer += u64::try_from(beyond).unwrap_or(0);
            }
            Ok(())
        })?;
        Ok(matching.tally)
    }

    /// As many passes as it takes to hold all keys.
    fn by_key(&self) -> Result<Tally, JobError> {
        let live = OffsetRange::new(self.reads_from(), self.live.last_stable);
        let mut tally = Tally::default();
        let may_be_deleted = self.may_be_deleted && !self.exact;
        for pass in Pass::all(self.records().saturating_add(live.span()), self.memory) {
            let mut latest = LatestByKey::new(pass, may_be_deleted, self.exact);
            let mut kept = 0;
            // how many there are says where those of the cluster begin that are newer
            self.kept.read(|record| {
                kept += 1;
                latest.expect(record);
                true
            })?;
            let end = self.kept.partition.high_watermark;
            latest.newer_from(if self.is_same_topic {
                end
            } else {
                self.origin.newer_from(kept)
            });
            self.read_live(live, |found| {
                latest.see(found);
                Ok(())
            })?;
            latest.finish(&mut tally);
        }
        Ok(tally)
    }

    /// From where the cluster's records are read: all of them where each counts.
    fn reads_from(&self) -> i64 {
        if self.exact || self.is_same_topic {
            self.live.start
        } else {
            self.origin.reads_from(self.live)
        }
    }

    /// What can't be told for want of a journal.
    pub(super) fn doubt(&self, tally: &Tally) -> Option<String> {
        if self.is_same_topic {
            return None;
        }
        self.origin.doubt(tally, self.way)
    }

    /// How many records the snapshot has, at most.
    fn records(&self) -> u64 {
        let partition = &self.kept.partition;
        partition
            .record_count
            .unwrap_or_else(|| partition.range().span())
    }

    /// Reads the archives while `compare` runs, which takes from there what it expects.
    fn beside(
        &self,
        compare: impl FnOnce(&mut Ahead<Expected>) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        thread::scope(|scope| {
            let (runs, inbox) = sync_channel(RUNS);
            let reader = scope.spawn(move || self.send_kept(&runs));
            let mut expected = Ahead::new(received(inbox));
            let compared = compare(&mut expected);
            // a reader that nobody listens to any more ends
            drop(expected);
            match reader.join() {
                Ok(Ok(()) | Err(KeptError::Stopped)) => compared,
                // damage first: what seems to be missing behind it is not
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(JobError::Lost),
            }
        })
    }

    fn send_kept(&self, runs: &SyncSender<Vec<RecordPrint>>) -> Result<(), KeptError> {
        let mut run = Vec::with_capacity(RUN);
        self.kept.read(|record| {
            run.push(record);
            if run.len() < RUN {
                return true;
            }
            let full = std::mem::replace(&mut run, Vec::with_capacity(RUN));
            runs.send(full).is_ok()
        })?;
        runs.send(run).map_err(|_| KeptError::Stopped)
    }

    /// Reads what consumers of committed records see of the range; blocking.
    fn read_live(
        &self,
        range: OffsetRange,
        mut see: impl FnMut(RecordPrint) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut options = ReadOptions::from(Isolation::ReadCommitted);
        options.stop = self.cancel.child_token();
        let stop = options.stop.clone();
        let mut failed = None;
        let ranges = [(self.target.clone(), range)];
        let read = read_records(&self.properties, &ranges, options, |_, record| {
            if failed.is_some() {
                return;
            }
            let print = RecordPrint::of(
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                record.headers,
            );
            if let Err(error) = see(print) {
                failed = Some(error);
                stop.cancel();
            }
        });
        match failed {
            Some(error) => Err(error),
            None => read.map(drop).map_err(JobError::from),
        }
    }
}

/// Gives the records of the archives one by one.
type Expected = Box<dyn FnMut() -> Result<Option<RecordPrint>, JobError>>;

fn received(inbox: Receiver<Vec<RecordPrint>>) -> Expected {
    let mut run = Vec::new().into_iter();
    Box::new(move || {
        loop {
            if let Some(record) = run.next() {
                return Ok(Some(record));
            }
            match inbox.recv() {
                Ok(next) => run = next.into_iter(),
                Err(_) => return Ok(None),
            }
        }
    })
}
