//! What a backup that did not finish has stored, and notes of what this one stores.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use lifeboat_archive::{
    index::SegmentEntry,
    lists::{ArchiveReference, ListedSegment, TransactionTable},
    manifest::LastBatch,
    unfinished::{ProgressNote, StoredPart},
    words::{SnapshotId, Timestamp, TopicId, TopicPartition},
};
use lifeboat_repository::{ClusterRepository, is_sealed};
use tokio::time::{Duration, Instant};

use super::{BackupError, archives::WrittenSegment, readings::PartitionReading};

/// Segments that an unfinished run has stored of a partition, one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    pub(super) topic_id: TopicId,
    /// The snapshot whose segments come before them.
    pub(super) builds_on: Option<SnapshotId>,
    /// Where they begin.
    pub(super) from: i64,
    /// Nothing of them was read before.
    pub(super) begun_at: Timestamp,
    pub(super) segments: Vec<(Arc<ArchiveReference>, SegmentEntry)>,
    pub(super) transactions: TransactionTable,
}

impl Inherited {
    /// The last batch.
    pub(super) fn last_batch(&self) -> Option<LastBatch> {
        self.segments.last().map(|(_, entry)| LastBatch {
            next_offset: entry.next_offset,
            leader_epoch: entry.leader_epochs.last().map_or(-1, |last| last.epoch),
        })
    }

    /// Bytes as Kafka stores them.
    pub(super) fn raw_bytes(&self) -> u64 {
        self.segments.iter().map(|(_, entry)| entry.raw_bytes).sum()
    }
}

/// What the newest unfinished run has stored.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) snapshot: Option<SnapshotId>,
    pub(super) partitions: HashMap<TopicPartition, Inherited>,
}

impl Unfinished {
    /// Looks for a run that began after the newest snapshot and did not commit.
    pub(super) async fn load(
        store: &ClusterRepository,
        newest: Option<&SnapshotId>,
        sealing: bool,
    ) -> Result<Self, BackupError> {
        let mut unfinished = Self::of(store.unfinished(newest).await?);
        if sealing {
            // what is sealed must not point at what is not
            unfinished.partitions.retain(|_, inherited| {
                let mut segments = inherited.segments.iter();
                segments.all(|(archive, _)| is_sealed(&archive.object))
            });
        }
        Ok(unfinished)
    }

    fn of(notes: Vec<ProgressNote>) -> Self {
        let mut unfinished = Self::default();
        for note in notes {
            let archives: Vec<_> = note.archives.into_iter().map(Arc::new).collect();
            for part in note.partitions {
                let tp = TopicPartition::new(part.topic.as_str(), part.partition);
                let known = unfinished
                    .partitions
                    .entry(tp)
                    .or_insert_with(|| Inherited {
                        topic_id: part.topic_id,
                        builds_on: part.builds_on,
                        from: part.from,
                        begun_at: note.bounds_at,
                        segments: Vec::new(),
                        transactions: TransactionTable::default(),
                    });
                let segments = part.segments.into_iter().filter_map(|segment| {
                    let archive = archives.get(segment.archive)?;
                    Some((Arc::clone(archive), segment.entry))
                });
                known.segments.extend(segments);
                known.transactions = part.transactions;
            }
            unfinished.snapshot = Some(note.snapshot);
        }
        unfinished
    }
}

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
    /// The first note of a run says what it has from others, too.
    inherited: Vec<(TopicPartition, Inherited)>,
    waiting: BTreeMap<usize, Waiting>,
    archives: Vec<ArchiveReference>,
}

/// Where the segments of a partition begin.
#[derive(Clone, Debug)]
struct Beginning {
    builds_on: Option<SnapshotId>,
    from: i64,
}

/// Segments of a partition that no note tells of, and which of the noted archives they are in.
#[derive(Debug, Default)]
struct Waiting {
    segments: Vec<ListedSegment>,
    transactions: TransactionTable,
}

impl Notes {
    /// Notes of the run that is going to be `snapshot`; each partition with what it builds on.
    pub(super) fn begin<'r>(
        store: &ClusterRepository,
        snapshot: SnapshotId,
        bounds_at: Timestamp,
        interval: Duration,
        partitions: impl Iterator<Item = (&'r TopicPartition, &'r PartitionReading, Option<SnapshotId>)>,
    ) -> Self {
        let mut notes = Self {
            store: store.clone(),
            snapshot,
            bounds_at,
            interval,
            beginnings: Vec::new(),
            number: 0,
            last: Instant::now(),
            inherited: Vec::new(),
            waiting: BTreeMap::new(),
            archives: Vec::new(),
        };
        for (tp, reading, builds_on) in partitions {
            let mut from = reading.from;
            if let Some(inherited) = &reading.inherited {
                from = inherited.from;
                notes.bounds_at = notes.bounds_at.min(inherited.begun_at);
                let inherited = Inherited::clone(inherited);
                notes.inherited.push((tp.clone(), inherited));
            }
            notes.beginnings.push(Beginning { builds_on, from });
        }
        notes
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
                waiting.transactions = *transactions;
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
        for (tp, part) in std::mem::take(&mut self.inherited) {
            let segments = part.segments.into_iter().map(|(archive, entry)| {
                let place = place_of(&mut archives, &archive);
                ListedSegment {
                    archive: place,
                    entry,
                }
            });
            partitions.push(StoredPart {
                topic: tp.topic.to_string(),
                topic_id: part.topic_id,
                partition: tp.partition,
                builds_on: part.builds_on,
                from: part.from,
                segments: segments.collect(),
                transactions: part.transactions,
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

/// Where the archive stands among these; the newest are at the end, and most often wanted.
pub(super) fn place_of(archives: &mut Vec<ArchiveReference>, archive: &ArchiveReference) -> usize {
    let known = archives
        .iter()
        .rposition(|known| known.object == archive.object);
    known.unwrap_or_else(|| {
        archives.push(archive.clone());
        archives.len() - 1
    })
}
