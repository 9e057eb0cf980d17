//! Two clusters, or what was seen of them, side by side. Each difference is a sentence that names the place.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    CommittedOffset, Contents, Oracle, PartitionContents, ReadOptions, ShownRecord,
    TopicDescription,
};

/// A checkpoint of the digest stands after so many records (`Oracle.java`).
const CHECKPOINT: u64 = 1_000;

/// Reads both clusters and tells how the second differs from the first: partitions, and in each that differs the first
/// record that does. Empty: they are the same.
pub fn compare(original: &Oracle, restored: &Oracle, options: &ReadOptions) -> Result<Vec<String>> {
    let left = original.read(options)?;
    let right = restored.read(options)?;
    let mut differences = left.differences(&right);
    for (one, other) in left.differing(&right) {
        if let Some(found) = first_difference(original, restored, options, one, other)? {
            differences.push(found);
        }
    }
    Ok(differences)
}

impl Contents {
    /// How `other` differs from this, as far as digests tell.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for one in &self.partitions {
            if other.partition(&one.topic, one.partition).is_none() {
                differences.push(format!("{}-{} is missing", one.topic, one.partition));
            }
        }
        for one in &other.partitions {
            if self.partition(&one.topic, one.partition).is_none() {
                differences.push(format!(
                    "{}-{} was not there before",
                    one.topic, one.partition
                ));
            }
        }
        for (one, other) in self.differing(other) {
            differences.push(format!(
                "{}-{}: {} records before, {} now; the first difference is after record {}",
                one.topic,
                one.partition,
                one.records,
                other.records,
                equal_records(one, other),
            ));
        }
        differences
    }

    fn differing<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a PartitionContents, &'a PartitionContents)> {
        self.partitions.iter().filter_map(|one| {
            other
                .partition(&one.topic, one.partition)
                .filter(|other| other.digest != one.digest || other.records != one.records)
                .map(|other| (one, other))
        })
    }
}

/// How many records at the beginning are known to be equal.
fn equal_records(one: &PartitionContents, other: &PartitionContents) -> u64 {
    let equal = one
        .checkpoints
        .iter()
        .zip(&other.checkpoints)
        .take_while(|(one, other)| one == other)
        .count();
    equal as u64 * CHECKPOINT
}

fn first_difference(
    original: &Oracle,
    restored: &Oracle,
    options: &ReadOptions,
    one: &PartitionContents,
    other: &PartitionContents,
) -> Result<Option<String>> {
    let skip = equal_records(one, other);
    let read = |oracle: &Oracle| {
        oracle.records(
            &one.topic,
            one.partition,
            options.isolation,
            skip,
            CHECKPOINT,
        )
    };
    let (before, now) = (read(original)?, read(restored)?);
    let mut rows = before
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(now.iter().map(Some).chain(std::iter::repeat(None)));
    let longest = before.len().max(now.len());
    let differs = |one: &ShownRecord, other: &ShownRecord| {
        one.digest != other.digest
            || options.timestamp_type && one.timestamp_type != other.timestamp_type
    };
    Ok(rows
        .by_ref()
        .take(longest)
        .find(|row| match row {
            (Some(one), Some(other)) => differs(one, other),
            _ => true,
        })
        .map(|(before, now)| {
            format!(
                "{}-{}:\n  before {}\n  now    {}",
                one.topic,
                one.partition,
                shown(before),
                shown(now)
            )
        }))
}

fn shown(record: Option<&ShownRecord>) -> String {
    record.map_or_else(
        || "no more records".to_owned(),
        |record| format!("{record:?}"),
    )
}

impl CommittedOffset {
    /// How the groups that were restored differ from those that were there before: each must read the same record next
    /// and keep its metadata. The offsets themselves may have been translated, leader epochs left out; a group that stood
    /// behind the log start reads from its beginning, one beyond the end from there.
    pub fn differences(before: &[Self], now: &[Self]) -> Vec<String> {
        let key = |one: &Self| (one.group.clone(), one.topic.clone(), one.partition);
        let left: BTreeMap<_, _> = before.iter().map(|one| (key(one), one)).collect();
        let right: BTreeMap<_, _> = now.iter().map(|one| (key(one), one)).collect();
        let mut differences = Vec::new();
        for ((group, topic, partition), one) in &left {
            let place = format!("group {group}, {topic}-{partition}");
            let Some(other) = right.get(&(group.clone(), topic.clone(), *partition)) else {
                differences.push(format!("{place}: offset {} is missing", one.offset));
                continue;
            };
            if (one.index, &one.next, &one.metadata) != (other.index, &other.next, &other.metadata)
            {
                differences.push(format!("{place}:\n  before {one:?}\n  now    {other:?}"));
            }
            if other.read != other.next.as_deref().unwrap_or("end") {
                differences.push(format!(
                    "{place}: a consumer does not read what it should: {other:?}"
                ));
            }
        }
        for (group, topic, partition) in right.keys().filter(|key| !left.contains_key(*key)) {
            differences.push(format!(
                "group {group}, {topic}-{partition} was not there before"
            ));
        }
        differences
    }
}

impl TopicDescription {
    /// How restored topics differ from those that were there before; their ids always do.
    pub fn differences(before: &[Self], now: &[Self]) -> Vec<String> {
        let right: BTreeMap<_, _> = now.iter().map(|one| (&one.name, one)).collect();
        let left: BTreeMap<_, _> = before.iter().map(|one| (&one.name, one)).collect();
        let mut differences = Vec::new();
        for (name, one) in &left {
            match right.get(name) {
                None => differences.push(format!("topic {name} is missing")),
                Some(other) => {
                    let facts =
                        |one: &Self| (one.partitions, one.replication_factor, one.configs.clone());
                    if facts(one) != facts(other) {
                        differences.push(format!(
                            "topic {name}:\n  before {one:?}\n  now    {other:?}"
                        ));
                    }
                }
            }
        }
        for name in right.keys().filter(|name| !left.contains_key(*name)) {
            differences.push(format!("topic {name} was not there before"));
        }
        differences
    }
}
