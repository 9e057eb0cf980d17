//! From where to where each partition is read: captured once, for all partitions together.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{
    manifest::Problem,
    words::{OffsetRange, TopicId, TopicPartition},
};
use lifeboat_kafka::{
    KafkaError,
    reader::RangeEnd,
    wire::{Cluster, OffsetSpec},
};

use super::{BackupError, plan::PlannedTopics};

/// The bounds of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartitionBounds {
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) log_start_offset: i64,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) leader_epoch: i32,
}

impl PartitionBounds {
    pub(super) fn range(&self) -> OffsetRange {
        OffsetRange::new(self.log_start_offset, self.high_watermark)
    }
}

/// The bounds of all partitions that tell them.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) partitions: Vec<PartitionBounds>,
    pub(super) problems: Vec<Problem>,
}

impl Bounds {
    /// What was read on behind a captured end is inside from now on.
    pub(super) fn move_to(&mut self, ends: &[RangeEnd]) {
        for (bounds, end) in self.partitions.iter_mut().zip(ends) {
            if end.offset > bounds.high_watermark {
                bounds.high_watermark = end.offset;
                // or who reads it again would take what a later leader wrote there for the place of what was lost
                bounds.leader_epoch = bounds.leader_epoch.max(end.leader_epoch);
            }
        }
    }

    /// Where the partitions of each topic are, the topics by name.
    pub(super) fn by_topic(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut by_topic: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, bounds) in self.partitions.iter().enumerate() {
            let topic = &*bounds.topic_partition.topic;
            by_topic.entry(topic).or_default().push(index);
        }
        by_topic
    }
}

/// Captures the bounds.
///
/// # Order
/// The last stable offset before the high watermark: every transaction that begins below that LSO then has its marker
/// below that high watermark, so the transaction table sees it (R14). The log start last: what retention deleted
/// meanwhile was not promised.
pub(super) async fn capture(
    cluster: &Cluster,
    topics: &PlannedTopics,
) -> Result<Bounds, BackupError> {
    let partitions: Vec<(TopicPartition, TopicId)> = topics
        .metadata
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                let name = std::sync::Arc::clone(&topic.name);
                (TopicPartition::new(name, partition.partition), topic.id)
            })
        })
        .collect();
    Ok(ask(cluster, partitions).await)
}

/// Captures the bounds of these partitions once more: they only move on.
pub(super) async fn capture_again(
    cluster: &Cluster,
    bounds: &mut Bounds,
    partitions: &BTreeSet<TopicPartition>,
) {
    let known = bounds.partitions.iter_mut();
    let again = known.filter(|bounds| partitions.contains(&bounds.topic_partition));
    let mut again: BTreeMap<_, _> = again
        .map(|bounds| (bounds.topic_partition.clone(), bounds))
        .collect();
    let asked = again
        .iter()
        .map(|(tp, bounds)| (tp.clone(), bounds.topic_id));
    // what can't be told now was told before
    for told in ask(cluster, asked.collect()).await.partitions {
        if let Some(bounds) = again.get_mut(&told.topic_partition)
            && told.high_watermark >= bounds.high_watermark
        {
            **bounds = told;
        }
    }
}

async fn ask(cluster: &Cluster, partitions: Vec<(TopicPartition, TopicId)>) -> Bounds {
    let asked: Vec<TopicPartition> = partitions.iter().map(|(tp, _)| tp.clone()).collect();
    let mut stable = cluster.list_offsets(&asked, OffsetSpec::LastStable).await;
    let mut high = cluster
        .list_offsets(&asked, OffsetSpec::HighWatermark)
        .await;
    let mut earliest = cluster.list_offsets(&asked, OffsetSpec::Earliest).await;

    let mut bounds = Bounds {
        partitions: Vec::with_capacity(partitions.len()),
        problems: Vec::new(),
    };
    for (tp, topic_id) in partitions {
        let answers = (earliest.remove(&tp), high.remove(&tp), stable.remove(&tp));
        let (Some(earliest), Some(high), Some(stable)) = answers else {
            bounds
                .problems
                .push(unknown(&tp, "no broker told its bounds"));
            continue;
        };
        match combine(earliest, high, stable) {
            Ok((log_start_offset, high_watermark, last_stable_offset, leader_epoch)) => {
                bounds.partitions.push(PartitionBounds {
                    topic_partition: tp,
                    topic_id,
                    log_start_offset,
                    high_watermark,
                    last_stable_offset,
                    leader_epoch,
                });
            }
            Err(error) => bounds.problems.push(unknown(&tp, &cluster.explain(&error))),
        }
    }
    bounds
}

type Answer = Result<lifeboat_kafka::wire::ListedOffset, KafkaError>;

fn combine(
    earliest: Answer,
    high: Answer,
    stable: Answer,
) -> Result<(i64, i64, i64, i32), KafkaError> {
    let (earliest, high, stable) = (earliest?, high?, stable?);
    let high_watermark = high.offset;
    // retention may have passed the captured end meanwhile: then nothing of the range is left
    let log_start = earliest.offset.min(high_watermark);
    let last_stable = stable.offset.min(high_watermark);
    Ok((log_start, high_watermark, last_stable, high.leader_epoch))
}

fn unknown(tp: &TopicPartition, reason: &str) -> Problem {
    Problem {
        subject: format!("partition {tp}"),
        problem: format!("its bounds can't be captured, so nothing of it is saved: {reason}"),
        partial: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read behind the captured end, written by a later leader, told a gap when it was read again (R11).
    #[test]
    fn an_end_that_moves_takes_the_epoch_along_of_what_was_read_there() {
        let bounds = |high_watermark, leader_epoch| PartitionBounds {
            topic_partition: TopicPartition::new("prices", 0),
            topic_id: TopicId([7; 16]),
            log_start_offset: 0,
            high_watermark,
            last_stable_offset: 10,
            leader_epoch,
        };
        let moved = |offset, leader_epoch| {
            let mut all = Bounds {
                partitions: vec![bounds(10, 3)],
                problems: Vec::new(),
            };
            let end = RangeEnd {
                offset,
                leader_epoch,
                caught_up: true,
            };
            all.move_to(&[end]);
            all.partitions.remove(0)
        };
        assert_eq!(moved(12, 5), bounds(12, 5));
        assert_eq!(moved(12, 3), bounds(12, 3));
        assert_eq!(moved(10, -1), bounds(10, 3));
    }
}
