//! Whether the earlier lists and archives are there that are to be used again, and what they say of transactions.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use lifeboat_archive::lists::{PartitionList, TopicList};
use lifeboat_repository::{ClusterRepository, Loss};

use super::{PartitionReading, Readings};
use crate::backup::{
    BackupError,
    bounds::{Bounds, PartitionBounds},
    continuity::Why,
    earlier::EarlierTopic,
};

/// Lists that are read at the same time.
const READS: usize = 16;

impl Readings {
    /// Whether all that is to be used of again is still in the store: also where nothing has changed, and nothing else is
    /// read. Whoever takes away what is old, a lifecycle rule of the bucket for one, takes what every later snapshot needs.
    pub(super) async fn look_for_lost(
        &mut self,
        store: &ClusterRepository,
        bounds: &Bounds,
    ) -> Result<(), BackupError> {
        let mut used = HashMap::new();
        for (bounds, reading) in bounds.partitions.iter().zip(&self.partitions) {
            let topic = &*bounds.topic_partition.topic;
            if let Some(earlier) = self.earlier.topic(topic).filter(|_| reading.is_continued()) {
                used.insert(topic, &earlier.topic);
            }
        }
        let lost = store.lost_of(used.into_values().collect()).await?;
        for (topic, indices) in bounds.by_topic() {
            let (why, in_full) = match lost.get(topic) {
                None => continue,
                Some(Loss::List) => (Why::Damaged, indices),
                Some(Loss::Archives(archives)) => {
                    let needs = self.in_lost(store, bounds, indices, archives).await?;
                    (Why::Lost, needs)
                }
            };
            for index in in_full {
                if self.partitions[index].is_continued() {
                    let bounds = &bounds.partitions[index];
                    self.partitions[index] = PartitionReading::full(bounds, why);
                }
            }
        }
        Ok(())
    }

    /// Which of a topic's partitions have something in these archives that is still in the log.
    async fn in_lost(
        &self,
        store: &ClusterRepository,
        bounds: &Bounds,
        indices: Vec<usize>,
        archives: &HashSet<String>,
    ) -> Result<Vec<usize>, BackupError> {
        let Some(&first) = indices.first() else {
            return Ok(indices);
        };
        let topic = &bounds.partitions[first].topic_partition.topic;
        let Some(earlier) = self.earlier.topic(topic) else {
            return Ok(indices);
        };
        let list = store.list(&earlier.topic).await?;
        let is_lost = |archive: usize| {
            let archive = list.archives.get(archive);
            archive.is_none_or(|archive| archives.contains(&archive.object))
        };
        let needs = |index: &usize| {
            let bounds = &bounds.partitions[*index];
            let listed = list.partition(bounds.topic_partition.partition);
            let mut segments = listed.iter().flat_map(|listed| &listed.segments);
            segments.any(|segment| {
                segment.entry.next_offset > bounds.log_start_offset && is_lost(segment.archive)
            })
        };
        Ok(indices.into_iter().filter(needs).collect())
    }

    /// Reads the lists that are to be carried on: what is used again must be there, and transactions go on.
    pub(super) async fn look_into_lists(
        &mut self,
        store: &ClusterRepository,
        bounds: &Bounds,
    ) -> Result<(), BackupError> {
        let mut carried = Vec::new();
        for (topic, indices) in bounds.by_topic() {
            let mut readings = indices.iter().map(|&index| &self.partitions[index]);
            if readings.any(PartitionReading::is_continued)
                && self.unchanged(topic, &indices).is_none()
                && let Some(earlier) = self.earlier.topic(topic)
            {
                carried.push((indices, earlier.clone()));
            }
        }
        let lists = carried.into_iter().map(|(indices, earlier)| async move {
            match store.list(&earlier.topic).await {
                Ok(list) => Ok((indices, Some((earlier, list)))),
                Err(error) if error.is_unusable() => {
                    tracing::warn!(%error, "the earlier list is of no use");
                    Ok((indices, None))
                }
                Err(error) => Err(error),
            }
        });
        let mut lists = stream::iter(lists).buffer_unordered(READS);
        while let Some((indices, list)) = lists.try_next().await? {
            for index in indices {
                let reading = &mut self.partitions[index];
                if !reading.is_continued() {
                    continue;
                }
                let bounds = &bounds.partitions[index];
                let listed = list
                    .as_ref()
                    .and_then(|(earlier, list)| listed(earlier, list, bounds));
                match listed {
                    Some(listed) => reading.transactions = Some(listed.transactions.clone()),
                    None => *reading = PartitionReading::full(bounds, Why::Damaged),
                }
            }
        }
        Ok(())
    }
}

/// The partition's part of an earlier list; `None` where that is not the list that the manifest speaks of.
fn listed<'l>(
    earlier: &EarlierTopic,
    list: &'l TopicList,
    bounds: &PartitionBounds,
) -> Option<&'l PartitionList> {
    let number = bounds.topic_partition.partition;
    let held = earlier.topic.partition(number)?;
    let listed = list.partition(number)?;
    let end = listed.segments.last();
    let end = end.map(|segment| segment.entry.next_offset);
    (end == held.last_batch.map(|last| last.next_offset)).then_some(listed)
}
