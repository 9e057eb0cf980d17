//! How far each range has been read, without librdkafka.
//!
//! librdkafka says "the end of partition 3" without the topic. Where several topics have a partition of that number
//! under way, that says nothing; those that are left are read again in waves in which each number occurs once.

use std::collections::BTreeSet;

use lifeboat_archive::words::{OffsetRange, TopicPartition};

use super::lookup::Lookup;

struct Part {
    topic_partition: TopicPartition,
    position: i64,
    end: i64,
    done: bool,
    in_wave: bool,
}

/// The ranges and where they are.
pub(super) struct Progress {
    parts: Vec<Part>,
    lookup: Lookup,
    waves: usize,
    open_in_wave: usize,
    ambiguous: bool,
}

/// What a record is to its range.
pub(super) struct Seen<'a> {
    pub(super) topic_partition: &'a TopicPartition,
    pub(super) wanted: bool,
    /// The part, where this was its last record.
    pub(super) finished: Option<usize>,
}

impl Progress {
    /// Empty ranges are left out.
    pub(super) fn new(ranges: &[(TopicPartition, OffsetRange)]) -> Self {
        let parts: Vec<_> = ranges
            .iter()
            .filter(|(_, range)| !range.is_empty())
            .map(|(topic_partition, range)| Part {
                topic_partition: topic_partition.clone(),
                position: range.start,
                end: range.end,
                done: false,
                in_wave: false,
            })
            .collect();
        let mut lookup = Lookup::default();
        for part in &parts {
            lookup.add(&part.topic_partition);
        }
        Self {
            parts,
            lookup,
            waves: 0,
            open_in_wave: 0,
            ambiguous: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.parts.iter().all(|part| part.done)
    }

    /// Which parts to read next: all at first, then such that each partition number occurs once.
    pub(super) fn next_wave(&mut self) -> Option<Vec<usize>> {
        let tell_apart = self.waves > 0;
        self.waves += 1;
        self.ambiguous = false;
        let mut numbers = BTreeSet::new();
        let mut wave = Vec::new();
        for (index, part) in self.parts.iter_mut().enumerate() {
            let fresh = !tell_apart || !numbers.contains(&part.topic_partition.partition);
            part.in_wave = !part.done && fresh;
            if part.in_wave {
                numbers.insert(part.topic_partition.partition);
                wave.push(index);
            }
        }
        self.open_in_wave = wave.len();
        (!wave.is_empty()).then_some(wave)
    }

    pub(super) fn wave_is_done(&self) -> bool {
        self.open_in_wave == 0
    }

    /// Whether an end was seen that may belong to several partitions.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    pub(super) fn open_in_wave(&self) -> usize {
        self.open_in_wave
    }

    pub(super) fn position(&self, index: usize) -> (&TopicPartition, i64) {
        let part = &self.parts[index];
        (&part.topic_partition, part.position)
    }

    pub(super) fn end(&self, index: usize) -> i64 {
        self.parts[index].end
    }

    /// One that is not done, for messages.
    pub(super) fn first_open(&self) -> (&TopicPartition, i64) {
        let open = self
            .parts
            .iter()
            .position(|part| part.in_wave && !part.done);
        self.position(open.unwrap_or(0))
    }

    /// A record arrived; `None` where nobody waits for it any more.
    pub(super) fn see(&mut self, topic: &str, partition: i32, offset: i64) -> Option<Seen<'_>> {
        let index = self.lookup.find(topic, partition)?;
        let part = &mut self.parts[index];
        if part.done || !part.in_wave || offset < part.position {
            return None;
        }
        let wanted = offset < part.end;
        part.position = offset + 1;
        let finished = part.position >= part.end;
        if finished {
            part.done = true;
            self.open_in_wave -= 1;
        }
        Some(Seen {
            topic_partition: &self.parts[index].topic_partition,
            wanted,
            finished: finished.then_some(index),
        })
    }

    /// The end of some partition of this number was reached; gives the part if there is only one it can be.
    pub(super) fn see_end(&mut self, partition: i32) -> Option<usize> {
        let mut candidates = self
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| {
                part.in_wave && !part.done && part.topic_partition.partition == partition
            })
            .map(|(index, _)| index);
        let index = candidates.next()?;
        if candidates.next().is_some() {
            self.ambiguous = true;
            return None;
        }
        if self.shares_its_number(index) {
            self.ambiguous = true;
            return None;
        }
        self.parts[index].done = true;
        self.open_in_wave -= 1;
        Some(index)
    }

    /// Whether the wave has another part of the same number that is done: the end may have been its.
    fn shares_its_number(&self, index: usize) -> bool {
        let number = self.parts[index].topic_partition.partition;
        self.parts.iter().enumerate().any(|(other, part)| {
            other != index && part.in_wave && part.topic_partition.partition == number
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(ranges: &[(&str, i32, i64, i64)]) -> Progress {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|&(topic, partition, start, end)| {
                (
                    TopicPartition::new(topic, partition),
                    OffsetRange::new(start, end),
                )
            })
            .collect();
        Progress::new(&ranges)
    }

    #[test]
    fn empty_ranges_are_not_read() {
        let mut progress = progress(&[("a", 0, 5, 5), ("b", 0, 0, 0)]);
        assert!(progress.is_done());
        assert_eq!(progress.next_wave(), None);
    }

    #[test]
    fn a_range_ends_at_its_last_offset_or_at_a_record_behind_it() {
        let mut progress = progress(&[("a", 0, 5, 8), ("a", 1, 5, 8)]);
        progress.next_wave();
        assert!(progress.see("a", 0, 5).unwrap().finished.is_none());
        let last = progress.see("a", 0, 7).unwrap();
        assert!(last.wanted && last.finished == Some(0));
        assert!(progress.see("a", 0, 8).is_none());
        let behind = progress.see("a", 1, 11).unwrap();
        assert!(!behind.wanted && behind.finished == Some(1));
        assert!(progress.wave_is_done());
        assert_eq!(progress.next_wave(), None);
    }

    #[test]
    fn the_end_of_a_partition_ends_its_range_where_only_one_topic_can_be_meant() {
        let mut progress = progress(&[("a", 0, 0, 8), ("a", 1, 0, 8)]);
        progress.next_wave();
        assert_eq!(progress.see_end(1), Some(1));
        assert!(!progress.is_ambiguous());
        assert_eq!(progress.see_end(1), None);
    }

    #[test]
    fn ends_that_may_be_of_several_topics_are_told_apart_in_later_waves() {
        let mut progress = progress(&[("a", 0, 0, 8), ("b", 0, 0, 8), ("c", 1, 0, 8)]);
        assert_eq!(progress.next_wave(), Some(vec![0, 1, 2]));
        progress.see("a", 0, 3);
        assert_eq!(progress.see_end(0), None);
        assert!(progress.is_ambiguous());
        assert_eq!(progress.see_end(1), Some(2));
        assert_eq!(progress.next_wave(), Some(vec![0]));
        assert_eq!(progress.position(0).1, 4);
        assert_eq!(progress.see_end(0), Some(0));
        assert_eq!(progress.next_wave(), Some(vec![1]));
        assert_eq!(progress.see_end(0), Some(1));
        assert_eq!(progress.next_wave(), None);
    }

    #[test]
    fn an_end_of_a_finished_partition_is_not_taken_for_another_ones() {
        let mut progress = progress(&[("a", 0, 0, 2), ("b", 0, 0, 8)]);
        progress.next_wave();
        progress.see("a", 0, 1);
        // of a-0, whose log ends where its range does
        assert_eq!(progress.see_end(0), None);
        assert!(progress.see("b", 0, 0).unwrap().wanted);
        assert!(progress.is_ambiguous());
    }
}
