//! Reads back what was written and compares it with the snapshot.
//!
//! By default batches that passed as they are are compared by their bytes, and the records of the others one by one: that
//! costs little more than a Fetch. [`Depth::Records`] decodes everything, with librdkafka.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lifeboat_archive::words::{ByteSize, Progress, TopicPartition};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::wire::Cluster;
use tokio_util::sync::CancellationToken;

mod batches;
mod records;

use crate::{content::Depth, error::RestoreError, replay::WrittenPartition};
use batches::BatchComparison;
use records::RecordComparison;

/// So much longer than the writing it waits for a leader: what that survives must not fail here.
const LONGER: Duration = Duration::from_secs(60);
/// How often the progress is brought up to date.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// How what was written is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBack<'a> {
    pub(crate) cluster: &'a Cluster,
    /// For the other client.
    pub(crate) properties: &'a KafkaProperties,
    /// Connections to each broker that the writing has: the reading has one of its own.
    pub(crate) writers: usize,
    /// For what is read and not yet compared.
    pub(crate) memory: ByteSize,
    /// How long the writing waits for what it can't reach.
    pub(crate) retry_deadline: Duration,
    pub(crate) cancel: &'a CancellationToken,
}

impl ReadBack<'_> {
    /// How long the reading does.
    fn patience(&self) -> Duration {
        self.retry_deadline.saturating_add(LONGER)
    }
}

/// Goes on beside the writing: one waits for the network and the disks of the other.
#[derive(Debug)]
pub(crate) enum Comparison {
    Batches(BatchComparison),
    Records(RecordComparison),
}

impl Comparison {
    /// Begins, with nothing to read yet.
    pub(crate) fn begin(depth: Depth, from: ReadBack<'_>) -> Self {
        match depth {
            Depth::Batches => Self::Batches(BatchComparison::begin(from)),
            Depth::Records => Self::Records(RecordComparison::begin(from)),
        }
    }

    /// The partition is about to be written; its slot is how many were before it.
    pub(crate) fn follow(&self, topic_partition: TopicPartition, start: i64) {
        match self {
            // read when it is written: it comes from the page cache
            Self::Batches(_) => {}
            Self::Records(records) => records.follow(topic_partition, start),
        }
    }

    /// The writing of the partition is over.
    pub(crate) async fn ended(&self, partition: &WrittenPartition) {
        match (self, &partition.outcome) {
            (Self::Batches(batches), Ok(rewritten)) => batches.check(partition, rewritten).await,
            (Self::Batches(_), Err(_)) => {}
            (Self::Records(records), Ok(rewritten)) => {
                records.end(partition.slot, partition.end(rewritten));
            }
            (Self::Records(records), Err(_)) => records.leave(partition.slot),
        }
    }

    /// Waits until everything is read back. An error names the first partition that differs.
    pub(crate) async fn finish(
        self,
        written: &[WrittenPartition],
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        let whole = written.iter().filter(|partition| partition.outcome.is_ok());
        match self {
            Self::Batches(batches) => batches.finish(whole, progress).await,
            Self::Records(records) => records.finish(whole, progress).await,
        }
    }
}

/// Shows how many records were read back while `work` goes on.
async fn shown<T>(records: &AtomicU64, progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut shown = 0;
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let records = records.load(Ordering::Relaxed);
                progress.advance(records - shown);
                shown = records;
            }
        }
    }
}

fn counter() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(0))
}

/// What differs, by partition, as one error.
fn verdict(differing: &[(&TopicPartition, String)], compared: usize) -> Result<(), RestoreError> {
    match differing.first() {
        None => Ok(()),
        Some((first, problem)) => Err(RestoreError::Differs {
            first: (*first).clone(),
            problem: problem.clone(),
            differing: differing.len(),
            compared,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_partition_is_named_and_all_are_counted() {
        verdict(&[], 3).unwrap();
        let partitions = [1, 2].map(|number| TopicPartition::new("orders", number));
        let differing: Vec<_> = partitions
            .iter()
            .map(|partition| (partition, format!("{partition} is wrong")))
            .collect();
        let Err(RestoreError::Differs {
            first,
            problem,
            differing,
            compared,
        }) = verdict(&differing, 3)
        else {
            panic!("they differ");
        };
        assert_eq!(first, TopicPartition::new("orders", 1));
        assert_eq!(problem, "orders-1 is wrong");
        assert_eq!((differing, compared), (2, 3));
    }
}
