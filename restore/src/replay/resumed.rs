//! Where each partition stands when somebody goes on with a restore that was interrupted (rule 5).

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use lifeboat_archive::words::TopicPartition;
use lifeboat_kafka::wire::Cluster;

use super::{ReadyTopic, WriteError, place::Search};
use crate::rewrite::Producer;

/// Partitions that are asked for at the same time: each takes two looks, a second apart.
const AT_ONCE: usize = 256;

/// How many records of each partition are there already, or why it can't be gone on with. One that is not named is at its
/// start.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<TopicPartition, Result<u64, WriteError>>);

impl Places {
    /// How many records are there.
    pub(crate) fn records(&self) -> u64 {
        self.0
            .values()
            .filter_map(|place| place.as_ref().ok())
            .sum()
    }

    pub(super) fn take(&mut self, partition: &TopicPartition) -> Result<u64, WriteError> {
        self.0.remove(partition).unwrap_or(Ok(0))
    }

    /// Where the whole topic can't be gone on with.
    pub(crate) fn stop_all(&mut self, ready: &ReadyTopic, why: &WriteError) {
        let stopped = partitions_of(ready).map(|(partition, _)| (partition, Err(why.clone())));
        self.0.extend(stopped);
    }
}

/// How far `place` is behind `start`.
fn position(start: i64, end: i64) -> Result<u64, WriteError> {
    let position = end.checked_sub(start);
    let position = position.and_then(|position| u64::try_from(position).ok());
    position.ok_or(WriteError::Displaced {
        expected: start,
        found: end,
    })
}

fn partitions_of(ready: &ReadyTopic) -> impl Iterator<Item = (TopicPartition, i64)> {
    let starts = ready.start_offsets.iter().zip(0..);
    starts.map(|(&start, number)| (TopicPartition::new(ready.target.clone(), number), start))
}

/// Reads back the end of every partition, many at once. What may still be under way was waited for.
pub(crate) async fn find_places(
    cluster: &Cluster,
    topics: &[ReadyTopic],
    producer: Producer,
    deadline: Duration,
) -> Places {
    let searches = topics.iter().flat_map(|ready| {
        partitions_of(ready).map(|(topic_partition, start_offset)| Search {
            cluster: cluster.clone(),
            topic_partition,
            topic_id: ready.topic_id,
            start_offset,
            producer,
            deadline,
        })
    });
    let found = stream::iter(searches).map(async |search| {
        let end = search.end(false).await;
        let place = end.and_then(|end| position(search.start_offset, end));
        (search.topic_partition, place)
    });
    Places(found.buffer_unordered(AT_ONCE).collect().await)
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::words::TopicId;

    use super::*;
    use crate::rewrite::BatchLimits;

    #[test]
    fn rule_5_a_place_is_counted_from_the_start_of_the_restore() {
        assert_eq!(position(100, 100).unwrap(), 0);
        assert_eq!(position(100, 107).unwrap(), 7);
        let before = position(100, 99).unwrap_err();
        assert!(matches!(
            before,
            WriteError::Displaced {
                expected: 100,
                found: 99
            }
        ));
    }

    #[test]
    fn a_topic_that_is_another_one_is_stopped_in_each_of_its_partitions() {
        let ready = ReadyTopic {
            topic: "bestellungen".into(),
            target: "orders".into(),
            topic_id: TopicId([1; 16]),
            limits: BatchLimits { encoded_bytes: 1 },
            start_offsets: vec![0, 5],
            repartitioned: false,
        };
        let mut places = Places::default();
        places.stop_all(&ready, &WriteError::Replaced);
        for partition in [0, 1] {
            let name = TopicPartition::new("orders", partition);
            assert!(matches!(places.take(&name), Err(WriteError::Replaced)));
        }
        assert_eq!(places.take(&TopicPartition::new("orders", 2)).unwrap(), 0);
        assert_eq!(places.records(), 0);
    }
}
