//! The segment lists of a snapshot: what was read now, behind what earlier snapshots hold (R6).

use std::collections::HashMap;

use lifeboat_archive::{
    lists::{ArchiveReference, ListedSegment, PartitionList, TopicList},
    manifest::{LastBatch, ManifestPartition, ManifestTopic},
    words::{SnapshotId, TopicId},
};
use lifeboat_repository::ClusterRepository;

use super::{
    BackupError,
    bounds::{Bounds, PartitionBounds},
    earlier::EarlierTopic,
    readings::{PartitionReading, Readings},
    stream::{Streamed, StreamedPartition},
    written::{WrittenSegment, place_of},
};

/// What the lists are made of.
#[derive(Debug)]
pub(super) struct Listing<'l> {
    pub(super) store: &'l ClusterRepository,
    pub(super) snapshot: &'l SnapshotId,
    pub(super) bounds: &'l Bounds,
    pub(super) readings: &'l Readings,
}

/// The topics of a manifest; their lists are stored.
#[derive(Debug, Default)]
pub(super) struct StoredTopics {
    /// By name.
    pub(super) topics: Vec<ManifestTopic>,
    /// The newest snapshot of which something is used again.
    pub(super) builds_on: Option<SnapshotId>,
    /// How many topics are as they were, so that their earlier lists say it all.
    pub(super) unchanged: u64,
    /// Bytes, as Kafka stores them, that were read for this snapshot.
    pub(super) read_bytes: u64,
}

impl Listing<'_> {
    /// Writes a list for each topic of which something has changed.
    pub(super) async fn store(&self, streamed: &mut Streamed) -> Result<StoredTopics, BackupError> {
        let mut written: HashMap<usize, Vec<WrittenSegment>> = HashMap::new();
        let mut stored = StoredTopics::default();
        for segment in std::mem::take(&mut streamed.archives.segments) {
            stored.read_bytes += segment.entry.raw_bytes;
            written.entry(segment.partition).or_default().push(segment);
        }
        let archives = &streamed.archives.archives;
        let mut lists = self.store.lists(self.snapshot);
        for (topic, indices) in self.bounds.by_topic() {
            if let Some(earlier) = self.readings.unchanged(topic, &indices) {
                stored.build_on(&earlier.snapshot);
                stored.unchanged += 1;
                stored.topics.push(self.same_topic(earlier, &indices));
                continue;
            }
            let carried = self.carried(topic, &indices).await?;
            if let Some((earlier, _)) = &carried {
                stored.build_on(&earlier.snapshot);
            }
            let earlier_list = carried.as_ref().map(|(_, list)| list);
            let mut merged = Merged::new(earlier_list, archives);
            let mut partitions = Vec::with_capacity(indices.len());
            let topic_id = self.bounds.partitions[indices[0]].topic_id;
            for &index in &indices {
                let bounds = &self.bounds.partitions[index];
                let read = std::mem::take(&mut streamed.partitions[index]);
                let new = written.remove(&index).unwrap_or_default();
                let reading = &self.readings.partitions[index];
                let safe = self.readings.is_safe_after(index, bounds, read.time);
                let grew = !new.is_empty();
                let list = merged.partition(bounds, &read, new, reading);
                let segments = list.segments.len();
                let appended = self.readings.appended(index, bounds, grew, segments);
                partitions.push(manifest_partition(bounds, read, &list, appended, !safe));
                merged.partitions.push(list);
            }
            let cleanup = self.readings.cleanup(&self.bounds.partitions[indices[0]]);
            stored.topics.push(ManifestTopic {
                topic: topic.to_owned(),
                topic_id,
                list: lists.append(&merged.into_list(topic, topic_id)).await?,
                cleanup,
                partitions,
            });
        }
        lists.finish().await?;
        Ok(stored)
    }

    /// The earlier list of a topic, if something of it is used again.
    async fn carried(
        &self,
        topic: &str,
        indices: &[usize],
    ) -> Result<Option<(&EarlierTopic, TopicList)>, BackupError> {
        let mut readings = indices
            .iter()
            .map(|&index| &self.readings.partitions[index]);
        if !readings.any(PartitionReading::is_continued) {
            return Ok(None);
        }
        let Some(earlier) = self.readings.earlier.topic(topic) else {
            return Ok(None);
        };
        // read a second time: the lists of all topics together may be larger than the memory that was given
        let list = self.store.list(&earlier.topic).await?;
        Ok(Some((earlier, list)))
    }

    /// Of a topic that has not changed only what its leaders say now is new.
    fn same_topic(&self, earlier: &EarlierTopic, indices: &[usize]) -> ManifestTopic {
        let bounds = indices.iter().map(|&index| &self.bounds.partitions[index]);
        let partitions = earlier.topic.partitions.iter().zip(bounds);
        let cleanup = self.readings.cleanup(&self.bounds.partitions[indices[0]]);
        ManifestTopic {
            cleanup,
            partitions: partitions
                .map(|(held, bounds)| ManifestPartition {
                    last_stable_offset: bounds.last_stable_offset,
                    leader_epoch: bounds.leader_epoch,
                    ..held.clone()
                })
                .collect(),
            ..earlier.topic.clone()
        }
    }
}

impl StoredTopics {
    fn build_on(&mut self, snapshot: &SnapshotId) {
        let newest = self.builds_on.take().into_iter().chain([snapshot.clone()]);
        self.builds_on = newest.max();
    }
}

/// A topic's list, put together from an earlier one and what was written now.
struct Merged<'m> {
    earlier: Option<&'m TopicList>,
    /// Where the archives of the earlier list are in this one.
    places: Vec<Option<usize>>,
    /// All archives that were written now.
    written: &'m [ArchiveReference],
    archives: Vec<ArchiveReference>,
    partitions: Vec<PartitionList>,
}

impl<'m> Merged<'m> {
    fn new(earlier: Option<&'m TopicList>, written: &'m [ArchiveReference]) -> Self {
        Self {
            earlier,
            places: vec![None; earlier.map_or(0, |list| list.archives.len())],
            written,
            archives: Vec::new(),
            partitions: Vec::new(),
        }
    }

    fn into_list(self, topic: &str, topic_id: TopicId) -> TopicList {
        TopicList {
            topic: topic.to_owned(),
            topic_id,
            archives: self.archives,
            partitions: self.partitions,
        }
    }

    fn partition(
        &mut self,
        bounds: &PartitionBounds,
        read: &StreamedPartition,
        written: Vec<WrittenSegment>,
        reading: &PartitionReading,
    ) -> PartitionList {
        let number = bounds.topic_partition.partition;
        let mut segments = Vec::new();
        let inherited = reading.inherited.as_deref();
        let earlier = self.earlier.filter(|_| reading.is_continued());
        let earlier = earlier.and_then(|list| list.partition(number));
        for segment in earlier.iter().flat_map(|listed| &listed.segments) {
            // what Kafka has deleted must not come back (R6)
            if segment.entry.next_offset > bounds.log_start_offset {
                segments.push(ListedSegment {
                    archive: self.place_of_earlier(segment.archive),
                    entry: segment.entry.clone(),
                });
            }
        }
        for (archive, entry) in inherited.iter().flat_map(|inherited| &inherited.segments) {
            if entry.next_offset > bounds.log_start_offset {
                segments.push(ListedSegment {
                    archive: place_of(&mut self.archives, archive),
                    entry: entry.clone(),
                });
            }
        }
        for segment in written {
            segments.push(ListedSegment {
                archive: place_of(&mut self.archives, &self.written[segment.archive]),
                entry: segment.entry,
            });
        }
        PartitionList {
            partition: number,
            segments,
            holes: read.tail_hole.into_iter().collect(),
            transactions: read.transactions.clone(),
        }
    }

    fn place_of_earlier(&mut self, archive: usize) -> usize {
        if let Some(place) = self.places[archive] {
            return place;
        }
        let earlier = self.earlier.expect("its segments come from it");
        // each of them once, and none of those that are written now: no need to look
        self.archives.push(earlier.archives[archive].clone());
        let place = self.archives.len() - 1;
        self.places[archive] = Some(place);
        place
    }
}

fn manifest_partition(
    bounds: &PartitionBounds,
    read: StreamedPartition,
    list: &PartitionList,
    appended: u32,
    tombstones_unsafe: bool,
) -> ManifestPartition {
    let entries = || list.segments.iter().map(|segment| &segment.entry);
    ManifestPartition {
        partition: bounds.topic_partition.partition,
        log_start_offset: bounds.log_start_offset,
        high_watermark: bounds.high_watermark,
        last_stable_offset: bounds.last_stable_offset,
        leader_epoch: bounds.leader_epoch,
        record_count: entries().map(|entry| entry.record_count).sum(),
        batch_count: entries().map(|entry| entry.batch_count).sum(),
        raw_bytes: entries().map(|entry| entry.raw_bytes).sum(),
        repacked_bytes: entries()
            .filter(|entry| !entry.codecs.is_empty())
            .map(|entry| entry.raw_bytes)
            .sum(),
        largest_batch_bytes: entries()
            .map(|entry| entry.largest_batch_bytes)
            .max()
            .unwrap_or(0),
        max_timestamp_ms: entries().filter_map(|entry| entry.max_timestamp_ms).max(),
        last_batch: entries().next_back().map(LastBatch::of),
        appended,
        tombstones_unsafe,
        gaps: read.gaps,
    }
}

/// Partitions of a manifest that may hold deleted keys, by topic.
pub(super) fn unsafe_partitions(topics: &[ManifestTopic]) -> impl Iterator<Item = (&str, usize)> {
    let counted = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let count = partitions
            .filter(|partition| partition.tombstones_unsafe)
            .count();
        (topic.topic.as_str(), count)
    });
    counted.filter(|&(_, count)| count > 0)
}
