//! Which records of a snapshot a restore takes: partitions, times, offsets, and what is in them.
//!
//! A record is taken by its own time, wherever it stands in its partition. One without a time (−1) counts as older than
//! all others: `until` takes it, `from` does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    str::FromStr,
    sync::Arc,
};

use lifeboat_archive::{
    batch::{BatchHeader, TimestampType},
    index::SegmentEntry,
    records::Record,
    words::{OffsetRange, TimeSpan, Timestamp, TopicGlob},
};
use serde::{Deserialize, Serialize};

mod filter;

pub use filter::{FilterError, Filters, RecordFilter};

/// The time of records that have none.
const NO_TIME: i64 = -1;

/// What is asked for, as a person says it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Records from this time on.
    pub from: Option<TimePoint>,
    /// Records before this time.
    pub until: Option<TimePoint>,
    /// These partitions of some topics; all of the others.
    pub partitions: Vec<PartitionChoice>,
    /// Where some partitions end.
    pub until_offsets: Vec<OffsetLimit>,
    /// What is in them.
    pub filters: Filters,
}

/// `2026-11-14T22:00Z`, `2026-11-14`, or `-2h`: so long before the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// A moment.
    At(Timestamp),
    /// So long before the bounds of the snapshot were captured.
    Before(TimeSpan),
}

/// `orders:0,3-5`: some partitions of the topics that match.
#[derive(Clone, Debug)]
pub struct PartitionChoice {
    topics: TopicGlob,
    partitions: Vec<RangeInclusive<i32>>,
}

/// `orders-3=12345`: the records of a partition below an offset of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetLimit {
    topic: String,
    partition: i32,
    end: i64,
}

/// Words that do not say what is to be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Not a time.
    #[error(
        "{0:?} is no time, as in 2026-11-14T22:00Z, 2026-11-14 (UTC) or -2h (before the snapshot)"
    )]
    Time(String),
    /// Not partitions of a topic.
    #[error("{0:?} names no partitions, as in orders:0,3-5")]
    Partitions(String),
    /// Not an offset of a partition.
    #[error("{0:?} is no offset of a partition, as in orders-3=12345")]
    Offset(String),
    /// Two times between which nothing lies.
    #[error("nothing lies between {from} and {until}")]
    NothingBetween {
        /// The first.
        from: Timestamp,
        /// The second.
        until: Timestamp,
    },
    /// None of the topics.
    #[error("{0} is none of the topics that are restored")]
    NoTopic(String),
    /// A partition that the topic does not have.
    #[error("topic {topic} has no partition {partition}: they are 0 to {last}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The number.
        partition: i32,
        /// The highest number.
        last: i32,
    },
}

impl FromStr for TimePoint {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let wrong = || SelectionError::Time(text.to_owned());
        if let Some(span) = text.strip_prefix('-') {
            return span.parse().map(Self::Before).map_err(|_| wrong());
        }
        whole_time(text).parse().map(Self::At).map_err(|_| wrong())
    }
}

/// RFC 3339 out of its short forms; what is neither stays as it is.
fn whole_time(text: &str) -> String {
    const DATE: usize = "2026-11-14".len();
    const MINUTE: usize = "2026-11-14T22:00".len();
    if text.len() == DATE {
        return format!("{text}T00:00:00Z");
    }
    match text.split_at_checked(MINUTE) {
        Some((time, zone)) if !zone.starts_with(':') => format!("{time}:00{zone}"),
        _ => text.to_owned(),
    }
}

impl TimePoint {
    /// The moment, for a snapshot as of `bounds_at`.
    fn resolve(self, bounds_at: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Before(span) => {
                let span = i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(bounds_at.as_millis().saturating_sub(span))
            }
        }
    }
}

impl FromStr for PartitionChoice {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let wrong = || SelectionError::Partitions(text.to_owned());
        let (topics, partitions) = text.rsplit_once(':').ok_or_else(wrong)?;
        let topics = topics.parse().map_err(|_| wrong())?;
        let number = |text: &str| {
            let number = text.trim().parse::<i32>().ok();
            number.filter(|number| *number >= 0).ok_or_else(wrong)
        };
        let range = |text: &str| match text.split_once('-') {
            None => number(text).map(|one| one..=one),
            Some((first, last)) => {
                let range = number(first)?..=number(last)?;
                if range.is_empty() {
                    return Err(wrong());
                }
                Ok(range)
            }
        };
        let partitions = partitions.split(',').map(range);
        Ok(Self {
            topics,
            partitions: partitions.collect::<Result<_, _>>()?,
        })
    }
}

impl FromStr for OffsetLimit {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let limit = || {
            let (place, end) = text.rsplit_once('=')?;
            let (topic, partition) = place.rsplit_once('-')?;
            let (partition, end): (i32, i64) = (partition.parse().ok()?, end.parse().ok()?);
            let good = !topic.is_empty() && partition >= 0 && end >= 0;
            good.then(|| Self {
                topic: topic.to_owned(),
                partition,
                end,
            })
        };
        limit().ok_or_else(|| SelectionError::Offset(text.to_owned()))
    }
}

impl Wanted {
    /// What that means for a snapshot as of `bounds_at`, of which the topics `chosen` are restored, each with its number
    /// of partitions.
    pub fn resolve(
        &self,
        bounds_at: Timestamp,
        chosen: &BTreeMap<&str, i32>,
    ) -> Result<Selection, SelectionError> {
        let mut selection = Selection {
            from: self.from.map(|time| time.resolve(bounds_at)),
            until: self.until.map(|time| time.resolve(bounds_at)),
            filters: self.filters.clone(),
            ..Selection::default()
        };
        if let (Some(from), Some(until)) = (selection.from, selection.until)
            && from >= until
        {
            return Err(SelectionError::NothingBetween { from, until });
        }
        for choice in &self.partitions {
            choice.resolve(chosen, &mut selection)?;
        }
        for limit in &self.until_offsets {
            let count = chosen.get(limit.topic.as_str());
            let count = count.ok_or_else(|| SelectionError::NoTopic(limit.topic.clone()))?;
            must_have(&limit.topic, limit.partition, *count)?;
            let limits = selection.until_offsets.entry(limit.topic.clone());
            limits.or_default().insert(limit.partition, limit.end);
        }
        Ok(selection)
    }
}

impl PartitionChoice {
    fn resolve(
        &self,
        chosen: &BTreeMap<&str, i32>,
        selection: &mut Selection,
    ) -> Result<(), SelectionError> {
        let mut matching = chosen
            .iter()
            .filter(|(topic, _)| self.topics.matches(topic));
        let first = matching.next();
        let first = first.ok_or_else(|| SelectionError::NoTopic(self.topics.to_string()))?;
        for (topic, count) in std::iter::once(first).chain(matching) {
            let partitions = selection.partitions.entry((*topic).to_owned());
            let partitions = partitions.or_default();
            for range in &self.partitions {
                must_have(topic, *range.end(), *count)?;
                partitions.extend(range.clone());
            }
        }
        Ok(())
    }
}

fn must_have(topic: &str, partition: i32, count: i32) -> Result<(), SelectionError> {
    if partition < count {
        return Ok(());
    }
    Err(SelectionError::NoPartition {
        topic: topic.to_owned(),
        partition,
        last: count.saturating_sub(1),
    })
}

/// Which records of a snapshot are restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// From this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// These partitions of some topics; all of the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitions: BTreeMap<String, BTreeSet<i32>>,
    /// Below these offsets of the source, by topic and partition.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "by_partition"
    )]
    pub until_offsets: BTreeMap<String, BTreeMap<i32, i64>>,
    /// What is in them.
    #[serde(default, flatten)]
    pub filters: Filters,
}

/// Names of JSON are texts; serde makes numbers of them by itself, but not inside of a line of the journal.
fn by_partition<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, BTreeMap<i32, i64>>, D::Error> {
    let topics = BTreeMap::<String, BTreeMap<String, i64>>::deserialize(from)?;
    let numbered = |limits: BTreeMap<String, i64>| {
        let limits = limits.into_iter();
        let limits = limits.map(|(partition, end)| Ok((partition.parse()?, end)));
        limits
            .collect::<Result<_, std::num::ParseIntError>>()
            .map_err(serde::de::Error::custom)
    };
    let topics = topics.into_iter();
    topics
        .map(|(topic, limits)| Ok((topic, numbered(limits)?)))
        .collect()
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether records of `topic` may be left out.
    pub fn restricts(&self, topic: &str) -> bool {
        self.has_times()
            || !self.filters.is_nothing()
            || self.partitions.contains_key(topic)
            || self.until_offsets.contains_key(topic)
    }

    /// Whether records are taken by their times.
    pub fn has_times(&self) -> bool {
        self.from.is_some() || self.until.is_some()
    }

    /// What of it is about `topic`.
    pub(crate) fn of_topic(&self, topic: &str) -> Self {
        let mut of_topic = self.clone();
        of_topic.partitions.retain(|name, _| name == topic);
        of_topic.until_offsets.retain(|name, _| name == topic);
        of_topic
    }

    /// Which records of a partition; none where it is not restored at all.
    pub fn of(&self, topic: &str, partition: i32) -> Option<RecordSelection> {
        let only = self.partitions.get(topic);
        if only.is_some_and(|only| !only.contains(&partition)) {
            return None;
        }
        let limits = self.until_offsets.get(topic);
        Some(RecordSelection {
            from: self.from.map(Timestamp::as_millis),
            until: self.until.map(Timestamp::as_millis),
            end: limits.and_then(|limits| limits.get(&partition)).copied(),
            filters: self.filters.shared(),
        })
    }
}

/// `from 2026-11-14 22:00:00Z · orders: partitions 0, 3-5 · orders-3 below offset 12345`
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = [("from", self.from), ("until", self.until)];
        let times = times
            .into_iter()
            .filter_map(|(word, time)| Some(format!("{word} {}", shown(time?))));
        let mut parts: Vec<String> = times.collect();
        for (topic, partitions) in &self.partitions {
            parts.push(format!("{topic}: partitions {}", ranges(partitions)));
        }
        for (topic, limits) in &self.until_offsets {
            let limits = limits.iter();
            parts.extend(
                limits.map(|(partition, end)| format!("{topic}-{partition} below offset {end}")),
            );
        }
        parts.extend(self.filters.words());
        f.write_str(&parts.join(" · "))
    }
}

/// To the second, where that is all of it.
fn shown(time: Timestamp) -> String {
    if time.as_millis() % 1_000 == 0 {
        time.readable()
    } else {
        time.to_string()
    }
}

/// `0, 3-5`
fn ranges(numbers: &BTreeSet<i32>) -> String {
    let numbers: Vec<i32> = numbers.iter().copied().collect();
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let runs = runs.filter_map(|run| match run {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// How much of a run of records is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// That takes a look at each.
    Some,
    /// None of them.
    None,
}

/// Which records of one partition are restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSelection {
    from: Option<i64>,
    until: Option<i64>,
    end: Option<i64>,
    filters: Option<Arc<Filters>>,
}

impl RecordSelection {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a record is taken.
    pub fn takes(&self, record: &Record<'_>) -> bool {
        let filters = self.filters.as_ref();
        self.takes_place(record.offset, record.timestamp)
            && filters.is_none_or(|filters| filters.take(record))
    }

    /// Whether a record at `offset` with this time may be taken.
    fn takes_place(&self, offset: i64, timestamp: i64) -> bool {
        self.takes_time(timestamp) && self.end.is_none_or(|end| offset < end)
    }

    fn takes_time(&self, timestamp: i64) -> bool {
        self.from.is_none_or(|from| timestamp >= from)
            && self.until.is_none_or(|until| timestamp < until)
    }

    /// How much of a batch is taken, as far as its header proves it: that has the largest time, and not the smallest.
    pub fn of_batch(&self, header: &BatchHeader) -> Share {
        if self.is_everything() {
            return Share::All;
        }
        let by_offset = self.by_offset(header.base_offset, header.next_offset());
        // of the old formats the header is one message's, or that of a wrapper
        if header.magic < 2 {
            return Share::Some;
        }
        let one_time = header.timestamp_type() == TimestampType::LogAppendTime
            || header.record_count == Some(1);
        let by_time = match one_time {
            true if self.takes_time(header.max_timestamp) => Share::All,
            true => Share::None,
            false => self.by_largest_time(header.max_timestamp),
        };
        by_offset.and(by_time).and(self.by_filters())
    }

    /// No header tells what is in the records.
    fn by_filters(&self) -> Share {
        match self.filters {
            None => Share::All,
            Some(_) => Share::Some,
        }
    }

    /// How much of a segment is taken, as far as the index proves it. Its smallest time is that of the *first* record of
    /// some batch, and proves nothing.
    pub fn of_segment(&self, entry: &SegmentEntry) -> Share {
        let largest = entry.max_timestamp_ms.unwrap_or(NO_TIME);
        self.by_offset(entry.first_offset, entry.next_offset)
            .and(self.by_largest_time(largest))
            .and(self.by_filters())
    }

    /// What of `range` is below the offset that it ends at.
    pub(crate) fn clip(&self, range: OffsetRange) -> OffsetRange {
        let end = self.end.map_or(range.end, |end| range.end.min(end));
        OffsetRange::new(range.start, end)
    }

    /// The largest time of the records that are taken, where theirs is `largest`.
    pub(crate) fn newest(&self, largest: i64) -> i64 {
        self.until.map_or(largest, |until| largest.min(until - 1))
    }

    fn by_offset(&self, first: i64, next: i64) -> Share {
        match self.end {
            Some(end) if first >= end => Share::None,
            Some(end) if next > end => Share::Some,
            _ => Share::All,
        }
    }

    fn by_largest_time(&self, largest: i64) -> Share {
        if self.from.is_some_and(|from| largest < from) {
            Share::None
        } else if self.from.is_none() && self.until.is_none_or(|until| largest < until) {
            Share::All
        } else {
            Share::Some
        }
    }
}

impl Share {
    /// What two conditions take together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, Self::All) => Self::All,
            _ => Self::Some,
        }
    }
}

#[cfg(test)]
mod tests;
