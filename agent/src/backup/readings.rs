//! From where each partition is read, and what of earlier snapshots is used again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use lifeboat_archive::{
    lists::TransactionTable,
    manifest::{Cleanup, Problem},
    words::{ByteSize, OffsetRange, SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_kafka::wire::{Cluster, EpochEnd};
use lifeboat_repository::ClusterRepository;

use super::{
    BackupError,
    bounds::{Bounds, PartitionBounds},
    continuity::{
        Archived, New, Reading, Why, can_inherit, count_appended, decide, tombstones_are_seen,
        was_quick_enough,
    },
    earlier::{Earlier, EarlierTopic},
    notes::{Beginning, Notes},
    options::Kind,
    plan::Cleanups,
    unfinished::{Inherited, Unfinished},
};

mod carried;

/// What is read of one partition.
#[derive(Clone, Debug)]
pub(super) struct PartitionReading {
    pub(super) reading: Reading,
    /// What the brokers are asked for; may be empty.
    pub(super) range: OffsetRange,
    /// Where what is new goes on behind what is used again: what is missing from there on is a hole.
    pub(super) from: i64,
    /// What became of transactions before; `None` where nothing is used again.
    pub(super) transactions: Option<TransactionTable>,
    /// What a run that did not finish has stored of what is to be read.
    pub(super) inherited: Option<Arc<Inherited>>,
}

impl PartitionReading {
    fn full(bounds: &PartitionBounds, why: Why) -> Self {
        Self {
            reading: Reading::Full(why),
            range: bounds.range(),
            from: bounds.log_start_offset,
            transactions: None,
            inherited: None,
        }
    }

    fn of(bounds: &PartitionBounds, reading: Reading) -> Self {
        match reading {
            Reading::Full(why) => Self::full(bounds, why),
            Reading::Continued { start, new } => {
                let end = bounds.high_watermark;
                let read_from = if new == New::Batches { start } else { end };
                Self {
                    reading,
                    range: OffsetRange::new(read_from, end),
                    from: start,
                    transactions: Some(TransactionTable::default()),
                    inherited: None,
                }
            }
        }
    }

    /// Nothing is asked for, and nothing comes of it.
    pub(super) fn none(bounds: &PartitionBounds) -> Self {
        let end = bounds.high_watermark;
        Self {
            reading: Reading::Full(Why::Wanted),
            range: OffsetRange::new(end, end),
            from: end,
            transactions: None,
            inherited: None,
        }
    }

    /// Goes on behind what another run has stored.
    fn inherit(&mut self, inherited: Inherited, behind: i64) {
        self.range.start = behind;
        self.from = behind;
        self.transactions = Some(inherited.transactions.clone());
        self.inherited = Some(Arc::new(inherited));
    }

    pub(super) fn is_continued(&self) -> bool {
        matches!(self.reading, Reading::Continued { .. })
    }

    fn is_unchanged(&self) -> bool {
        matches!(
            self.reading,
            Reading::Continued {
                new: New::Nothing,
                ..
            }
        )
    }
}

/// What the readings are decided by, besides the bounds.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) kind: Kind,
    /// Archives are encrypted.
    pub(super) sealing: bool,
    pub(super) earlier: Earlier,
    pub(super) unfinished: Unfinished,
    pub(super) cleanups: Cleanups,
    pub(super) now: Timestamp,
}

/// What is read, by the index of the partition in [`Bounds`].
#[derive(Debug)]
pub(super) struct Readings {
    pub(super) earlier: Earlier,
    pub(super) cleanups: Cleanups,
    pub(super) partitions: Vec<PartitionReading>,
    /// What a person should know of what was found.
    notes: Vec<Problem>,
}

/// When a partition was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadTime {
    /// From the first request that brought something to the last answer; nothing where one answer brought it all.
    pub(super) took: Duration,
    /// When its end was reached; `None` where nothing had to be read.
    pub(super) ended_at: Option<Timestamp>,
}

impl Readings {
    /// Decides for each partition; asks the leaders whether their logs still hold what is archived (R5).
    pub(super) async fn plan(
        cluster: &Cluster,
        store: &ClusterRepository,
        basis: Basis,
        bounds: &Bounds,
    ) -> Result<Self, BackupError> {
        let Basis {
            kind,
            sealing,
            earlier,
            unfinished,
            cleanups,
            now,
        } = basis;
        let mut readings = Self {
            earlier,
            cleanups,
            partitions: Vec::with_capacity(bounds.partitions.len()),
            notes: Vec::new(),
        };
        if kind == Kind::Full {
            let full = |bounds: &_| PartitionReading::full(bounds, Why::Wanted);
            readings.partitions = bounds.partitions.iter().map(full).collect();
            readings.inherit(cluster, unfinished, bounds, now).await;
            return Ok(readings);
        }
        let epochs = readings.epochs(cluster, bounds).await;
        for bounds in &bounds.partitions {
            let archived = readings.archived(bounds);
            let epoch = epochs.get(&bounds.topic_partition).copied();
            let cleanup = readings.cleanup(bounds);
            let reading = if sealing && readings.is_plain(bounds) {
                Reading::Full(Why::Unsealed)
            } else {
                decide(archived, bounds, epoch, cleanup, now)
            };
            let reading = PartitionReading::of(bounds, reading);
            readings.partitions.push(reading);
        }
        readings.look_for_lost(store, bounds).await?;
        readings.look_into_lists(store, bounds).await?;
        // last: transactions go on behind what is stored already
        readings.inherit(cluster, unfinished, bounds, now).await;
        Ok(readings)
    }

    /// Uses what a run that did not finish has stored, wherever the log goes on from there.
    async fn inherit(
        &mut self,
        cluster: &Cluster,
        mut unfinished: Unfinished,
        bounds: &Bounds,
        now: Timestamp,
    ) {
        let asked = unfinished.partitions.iter().filter_map(|(tp, inherited)| {
            let last = inherited.last_batch()?;
            (last.leader_epoch >= 0).then(|| (tp.clone(), last.leader_epoch))
        });
        let epochs = ends_of(cluster, asked.collect()).await;
        let mut raw_bytes = 0;
        for (index, bounds) in bounds.partitions.iter().enumerate() {
            let tp = &bounds.topic_partition;
            let Some(inherited) = unfinished.partitions.remove(tp) else {
                continue;
            };
            let builds_on = self.earlier.topic(&tp.topic);
            let usable = can_inherit(
                &inherited,
                self.partitions[index].reading,
                builds_on.map(|earlier| &earlier.snapshot),
                bounds,
                epochs.get(tp).copied(),
                self.cleanup(bounds),
                now,
            );
            if let (true, Some(last)) = (usable, inherited.last_batch()) {
                raw_bytes += inherited.raw_bytes();
                self.partitions[index].inherit(inherited, last.next_offset);
            }
        }
        if let Some(snapshot) = unfinished.snapshot.filter(|_| raw_bytes > 0) {
            self.notes.push(Problem {
                subject: format!("backup {snapshot}"),
                problem: format!(
                    "it did not finish: {} that it had stored are used again",
                    ByteSize(raw_bytes)
                ),
                partial: false,
            });
        }
    }

    /// Where the epochs of the last archived batches end now.
    async fn epochs(
        &self,
        cluster: &Cluster,
        bounds: &Bounds,
    ) -> HashMap<TopicPartition, EpochEnd> {
        let asked = bounds.partitions.iter().filter_map(|bounds| {
            let archived = self.archived(bounds)?;
            let same = archived.topic_id == bounds.topic_id;
            let last = archived.last_batch_behind(bounds.log_start_offset)?;
            let tp = bounds.topic_partition.clone();
            (same && last.leader_epoch >= 0).then_some((tp, last.leader_epoch))
        });
        ends_of(cluster, asked.collect()).await
    }

    /// Whether what is archived of it can be read without a key.
    fn is_plain(&self, bounds: &PartitionBounds) -> bool {
        let earlier = self.earlier.topic(&bounds.topic_partition.topic);
        earlier.is_some_and(|earlier| !earlier.sealed)
    }

    fn archived(&self, bounds: &PartitionBounds) -> Option<Archived<'_>> {
        let tp = &bounds.topic_partition;
        let earlier = self.earlier.topic(&tp.topic)?;
        Some(Archived {
            topic_id: earlier.topic.topic_id,
            partition: earlier.topic.partition(tp.partition)?,
            bounds_at: earlier.bounds_at,
            cleanup: earlier.topic.cleanup,
        })
    }

    pub(super) fn cleanup(&self, bounds: &PartitionBounds) -> Option<Cleanup> {
        self.cleanups.get(&bounds.topic_partition.topic).copied()
    }

    /// The topic as an earlier snapshot has it, if its list there says all that is to be said of these, all of its partitions.
    pub(super) fn unchanged(&self, topic: &str, indices: &[usize]) -> Option<&EarlierTopic> {
        let mut readings = indices.iter().map(|&index| &self.partitions[index]);
        let earlier = self.earlier.topic(topic)?;
        let same = earlier.topic.partitions.len() == indices.len()
            && readings.all(PartitionReading::is_unchanged);
        same.then_some(earlier)
    }

    /// Which partitions must be read anew, because deletions may have come and gone unseen (R11).
    pub(super) fn unsafe_after(&self, bounds: &Bounds, times: &[ReadTime]) -> Vec<usize> {
        let indices = 0..self.partitions.len();
        indices
            .filter(|&index| !self.is_safe_after(index, &bounds.partitions[index], times[index]))
            .collect()
    }

    /// Whether no deletion can have been missed by a reading that took that time.
    pub(super) fn is_safe_after(
        &self,
        index: usize,
        bounds: &PartitionBounds,
        time: ReadTime,
    ) -> bool {
        let Some(ended_at) = time.ended_at else {
            return true;
        };
        let cleanup = self.cleanup(bounds);
        let reading = &self.partitions[index];
        if let (Some(inherited), Some(cleanup)) = (&reading.inherited, cleanup)
            && !tombstones_are_seen(inherited.begun_at, cleanup, cleanup, ended_at)
        {
            return false;
        }
        if !reading.is_continued() {
            return was_quick_enough(cleanup, time.took);
        }
        let archived = self.archived(bounds);
        let then = archived.and_then(|archived| Some((archived.bounds_at, archived.cleanup?)));
        let (Some((bounds_at, then)), Some(current)) = (then, cleanup) else {
            return false;
        };
        tombstones_are_seen(bounds_at, then, current, ended_at)
    }

    /// How often segments were appended to a partition since it was read in full; it has so many now, of which some are
    /// new if it `grew`.
    pub(super) fn appended(
        &self,
        index: usize,
        bounds: &PartitionBounds,
        grew: bool,
        segments: usize,
    ) -> u32 {
        match self.archived(bounds) {
            Some(archived) if self.partitions[index].is_continued() => {
                count_appended(archived.partition.appended, grew, segments)
            }
            _ => 0,
        }
    }

    /// Gives up what was decided of these partitions for reading them in full; tells what is to be read now.
    pub(super) fn only_in_full(
        &mut self,
        indices: &[usize],
        bounds: &Bounds,
    ) -> Vec<PartitionReading> {
        let none = |bounds: &_| PartitionReading::none(bounds);
        let mut only: Vec<_> = bounds.partitions.iter().map(none).collect();
        for &index in indices {
            let full = PartitionReading::full(&bounds.partitions[index], Why::Slow);
            only[index] = full.clone();
            self.partitions[index] = full;
        }
        only
    }

    /// Writes down what is going to be stored of the snapshot.
    pub(super) fn progress(
        &self,
        store: &ClusterRepository,
        snapshot: SnapshotId,
        bounds: &Bounds,
        bounds_at: Timestamp,
        interval: Duration,
    ) -> Notes {
        let partitions = bounds.partitions.iter().zip(&self.partitions);
        let beginnings = partitions.map(|(bounds, reading)| {
            let tp = &bounds.topic_partition;
            let earlier = self
                .earlier
                .topic(&tp.topic)
                .filter(|_| reading.is_continued());
            let inherited = reading.inherited.as_ref();
            Beginning {
                topic_partition: tp.clone(),
                builds_on: earlier.map(|earlier| earlier.snapshot.clone()),
                from: inherited.map_or(reading.from, |inherited| inherited.from),
                inherited: inherited.cloned(),
            }
        });
        Notes::begin(store, snapshot, bounds_at, interval, beginnings.collect())
    }

    /// What a person should know of how it was read.
    pub(super) fn problems(&self, bounds: &Bounds) -> Vec<Problem> {
        let mut in_full: BTreeMap<(&str, Why), u64> = BTreeMap::new();
        let found = self.earlier.problems.iter().chain(&self.notes);
        let mut problems: Vec<_> = found.cloned().collect();
        for (bounds, reading) in bounds.partitions.iter().zip(&self.partitions) {
            let tp = &bounds.topic_partition;
            if let Reading::Full(why) = reading.reading
                && why.is_told()
            {
                *in_full.entry((&tp.topic, why)).or_default() += 1;
            }
            let lost = self.archived(bounds);
            let lost = lost.map(|archived| archived.lost_before_saved(bounds));
            if let Some(lost) = lost.filter(|lost| !lost.is_empty()) {
                problems.push(Problem {
                    subject: format!("partition {tp}"),
                    problem: format!(
                        "offsets {lost} were deleted in Kafka before any snapshot held them"
                    ),
                    partial: true,
                });
            }
        }
        let in_full = in_full.into_iter();
        problems.extend(in_full.map(|((topic, why), partitions)| {
            let partitions = match partitions {
                1 => "1 partition".to_owned(),
                several => format!("{several} partitions"),
            };
            Problem {
                subject: format!("topic {topic}"),
                problem: format!("{why}: {partitions} read in full"),
                partial: false,
            }
        }));
        problems
    }
}

/// Where these epochs end; those that no leader tells are missing.
async fn ends_of(
    cluster: &Cluster,
    asked: HashMap<TopicPartition, i32>,
) -> HashMap<TopicPartition, EpochEnd> {
    if asked.is_empty() {
        return HashMap::new();
    }
    let told = cluster.epoch_ends(&asked).await.into_iter();
    told.filter_map(|(tp, told)| match told {
        Ok(end) => Some((tp, end)),
        Err(error) => {
            tracing::debug!(topic_partition = %tp, %error, "where its epoch ends is not known");
            None
        }
    })
    .collect()
}
