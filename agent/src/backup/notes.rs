//! Notes of what is stored, so that the next run can go on from there.

use std::{collections::BTreeMap, sync::Arc};

use lifeboat_archive::{
    lists::{ArchiveReference, ListedSegment, TransactionTable},
    unfinished::{ProgressNote, StoredPart},
    words::{SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_repository::ClusterRepository;
use tokio::time::{Duration, Instant};

use super::{
    BackupError,
    unfinished::Inherited,
    written::{WrittenSegment, place_of},
};

/// Writes down what is stored, so that the next run can go on from there.
#[derive(Debug)]
pub(super) struct Notes {
    store: ClusterRepository,
    snapshot: SnapshotId,
    bounds_at: Timestamp,
    /// So long a run may go on without a note.
    interval: Duration,
    /// By the index of the partition in the bounds.
    beginnings: Vec<Beginning>,
    number: u32,
    last: Instant,
    waiting: BTreeMap<usize, Waiting>,
    archives: Vec<ArchiveReference>,
}

/// Where the segments of a partition begin.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub(super) topic_partition: TopicPartition,
    pub(super) builds_on: Option<SnapshotId>,
    pub(super) from: i64,
    /// What it has from a run that did not finish, until the first note has said so.
    pub(super) inherited: Option<Arc<Inherited>>,
}

/// Segments of a partition that no note tells of, and which of the noted archives they are in.
#[derive(Debug, Default)]
struct Waiting {
    segments: Vec<ListedSegment>,
    transactions: TransactionTable,
}

impl Notes {
    /// Notes of the run that is going to be `snapshot`.
    pub(super) fn begin(
        store: &ClusterRepository,
        snapshot: SnapshotId,
        bounds_at: Timestamp,
        interval: Duration,
        beginnings: Vec<Beginning>,
    ) -> Self {
        let inherited = beginnings.iter().flat_map(|begin| &begin.inherited);
        let begun = inherited.map(|part| part.begun_at);
        Self {
            store: store.clone(),
            snapshot,
            bounds_at: begun.fold(bounds_at, Timestamp::min),
            interval,
            beginnings,
            number: 0,
            last: Instant::now(),
            waiting: BTreeMap::new(),
            archives: Vec::new(),
        }
    }

    /// Notes an archive that is confirmed, and its segments.
    pub(super) async fn stored(
        &mut self,
        archive: &ArchiveReference,
        segments: &mut [WrittenSegment],
    ) -> Result<(), BackupError> {
        let place = self.archives.len();
        self.archives.push(archive.clone());
        for segment in segments {
            // behind a gap nothing is noted: it is tried again, and what follows it is read again
            if let Some(transactions) = segment.transactions.take() {
                let waiting = self.waiting.entry(segment.partition).or_default();
                waiting.transactions = Arc::unwrap_or_clone(transactions);
                waiting.segments.push(ListedSegment {
                    archive: place,
                    entry: segment.entry.clone(),
                });
            }
        }
        if self.last.elapsed() >= self.interval {
            let note = self.note();
            self.store.put_progress(&note, self.number).await?;
            self.number += 1;
            self.last = Instant::now();
        }
        Ok(())
    }

    fn note(&mut self) -> ProgressNote {
        let mut archives = std::mem::take(&mut self.archives);
        let mut partitions = Vec::new();
        for begin in &mut self.beginnings {
            let Some(part) = begin.inherited.take() else {
                continue;
            };
            let tp = &begin.topic_partition;
            let segments = part.segments.iter().map(|(archive, entry)| ListedSegment {
                archive: place_of(&mut archives, archive),
                entry: entry.clone(),
            });
            partitions.push(StoredPart {
                topic: tp.topic.to_string(),
                topic_id: part.topic_id,
                partition: tp.partition,
                builds_on: part.builds_on.clone(),
                from: part.from,
                segments: segments.collect(),
                transactions: part.transactions.clone(),
            });
        }
        for (index, waiting) in std::mem::take(&mut self.waiting) {
            let first = waiting.segments.first().map(|segment| &segment.entry);
            if let (Some(begin), Some(first)) = (self.beginnings.get(index), first) {
                partitions.push(StoredPart {
                    topic: first.topic.clone(),
                    topic_id: first.topic_id,
                    partition: first.partition,
                    builds_on: begin.builds_on.clone(),
                    from: begin.from,
                    transactions: waiting.transactions,
                    segments: waiting.segments,
                });
            }
        }
        ProgressNote {
            snapshot: self.snapshot.clone(),
            cluster_id: self.store.id().to_owned(),
            bounds_at: self.bounds_at,
            archives,
            partitions,
        }
    }
}
