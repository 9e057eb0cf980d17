//! Which of the partitions that are read a record belongs to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use lifeboat_archive::words::TopicPartition;

/// Partitions by the names that their records bear, numbered from 0 in the order in which they were added.
#[derive(Default)]
pub(super) struct Lookup {
    partitions: Vec<TopicPartition>,
    by_name: HashMap<Arc<str>, BTreeMap<i32, usize>>,
    /// That of the record before: records come in runs.
    current: usize,
}

impl Lookup {
    pub(super) fn add(&mut self, partition: &TopicPartition) {
        self.by_name
            .entry(Arc::clone(&partition.topic))
            .or_default()
            .insert(partition.partition, self.partitions.len());
        self.partitions.push(partition.clone());
    }

    /// Its number; `None` where it was not added.
    pub(super) fn find(&mut self, topic: &str, partition: i32) -> Option<usize> {
        let same = |known: &TopicPartition| known.partition == partition && *known.topic == *topic;
        if !self.partitions.get(self.current).is_some_and(same) {
            self.current = *self.by_name.get(topic)?.get(&partition)?;
        }
        Some(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_names_whatever_came_before() {
        let mut lookup = Lookup::default();
        for (topic, partition) in [("a", 0), ("a", 3), ("b", 0)] {
            lookup.add(&TopicPartition::new(topic, partition));
        }
        assert_eq!(lookup.find("a", 3), Some(1));
        assert_eq!(lookup.find("a", 3), Some(1));
        assert_eq!(lookup.find("b", 0), Some(2));
        assert_eq!(lookup.find("a", 0), Some(0));
        assert_eq!(lookup.find("b", 3), None);
        assert_eq!(lookup.find("c", 0), None);
        assert_eq!(lookup.find("a", 0), Some(0));
    }
}
