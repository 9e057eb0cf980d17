//! What a backup that did not finish has stored.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use lifeboat_archive::{
    index::SegmentEntry,
    lists::{ArchiveReference, TransactionTable},
    manifest::LastBatch,
    unfinished::ProgressNote,
    words::{SnapshotId, Timestamp, TopicId, TopicPartition},
};
use lifeboat_repository::{ClusterRepository, is_sealed};

use super::BackupError;

/// Archives that are asked for at the same time.
const READS: usize = 16;

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
        let last = self.segments.last();
        last.map(|(_, entry)| LastBatch::of(entry))
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
        unfinished.leave_out_lost(store).await?;
        if sealing {
            // what is sealed must not point at what is not
            unfinished.partitions.retain(|_, inherited| {
                let mut segments = inherited.segments.iter();
                segments.all(|(archive, _)| is_sealed(&archive.object))
            });
        }
        Ok(unfinished)
    }

    /// Nothing names its archives but the notes: somebody may have cleared them away as orphans.
    async fn leave_out_lost(&mut self, store: &ClusterRepository) -> Result<(), BackupError> {
        let partitions = self.partitions.values();
        let archives: HashMap<_, _> = partitions
            .flat_map(|inherited| &inherited.segments)
            .map(|(archive, _)| (archive.object.clone(), archive.size))
            .collect();
        let asked = archives.into_iter().map(|(object, size)| async move {
            match store.repository().size(&object).await {
                Ok(stored) if stored == size => Ok(None),
                Ok(_) => Ok(Some(object)),
                Err(error) if error.is_unusable() => Ok(Some(object)),
                Err(error) => Err(error),
            }
        });
        let lost = stream::iter(asked).buffer_unordered(READS);
        let lost: Vec<Option<String>> = lost.try_collect().await?;
        let lost: HashSet<String> = lost.into_iter().flatten().collect();
        if !lost.is_empty() {
            tracing::warn!(
                archives = lost.len(),
                "archives of a backup that did not finish are gone: what was in them is read again"
            );
            self.partitions.retain(|_, inherited| {
                let mut segments = inherited.segments.iter();
                segments.all(|(archive, _)| !lost.contains(&archive.object))
            });
        }
        Ok(())
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
