//! Whether the earlier lists are there that are to be carried on, and what they say of transactions.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use lifeboat_archive::lists::{PartitionList, TopicList};
use lifeboat_repository::ClusterRepository;

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
    /// Asks for every object that lists are to be used of again: those of topics that have not changed are not read.
    pub(super) async fn look_for_lists(
        &mut self,
        store: &ClusterRepository,
        bounds: &Bounds,
    ) -> Result<(), BackupError> {
        let readings = bounds.partitions.iter().zip(&self.partitions);
        let used = readings.filter(|(_, reading)| reading.is_continued());
        let objects = used.filter_map(|(bounds, _)| {
            let earlier = self.earlier.topic(&bounds.topic_partition.topic)?;
            Some(earlier.topic.list.object.clone())
        });
        // one for each snapshot that something is used of
        let objects: BTreeSet<String> = objects.collect();
        let asked = objects.into_iter().map(|object| async move {
            match store.repository().size(&object).await {
                Ok(size) => Ok((object, size)),
                Err(error) if error.is_unusable() => {
                    tracing::warn!(%error, "earlier lists are of no use");
                    Ok((object, 0))
                }
                Err(error) => Err(error),
            }
        });
        let sizes = stream::iter(asked).buffer_unordered(READS);
        let sizes: HashMap<String, u64> = sizes.try_collect().await?;
        for (bounds, reading) in bounds.partitions.iter().zip(&mut self.partitions) {
            let earlier = self.earlier.topic(&bounds.topic_partition.topic);
            if let Some(earlier) = earlier.filter(|_| reading.is_continued()) {
                let list = &earlier.topic.list;
                let end = list.position.saturating_add(list.length);
                if sizes.get(&list.object).is_none_or(|&size| size < end) {
                    *reading = PartitionReading::full(bounds, Why::Damaged);
                }
            }
        }
        Ok(())
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
