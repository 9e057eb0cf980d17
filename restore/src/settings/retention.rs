//! Whether retention would delete restored records at once (R23).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use lifeboat_archive::index::SegmentEntry;

use super::{SettingChange, SettingsContext, has_policy, number};
use crate::selection::{Selection, Share};

/// Retention that stays suspended, because it would delete restored records within minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPutOff {
    /// What puts it back: the wanted value, or `null` for the broker's default.
    pub settings: Vec<SettingChange>,
    /// The retention that would hold, for people: `retention.ms 86400000`.
    pub retention: Vec<String>,
    /// Records that it would delete, at least.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How old a run of consecutive records of one partition is: a segment of the archive, oldest offsets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentAge {
    /// The partition.
    pub partition: i32,
    /// Its largest timestamp; none where it holds no record.
    pub max_timestamp_ms: Option<i64>,
    /// Its records, as far as they are known.
    pub records: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its largest batch.
    pub largest_batch_bytes: u64,
}

impl SegmentAge {
    /// That of a segment; none where no record of it is selected.
    pub(crate) fn of(entry: &SegmentEntry, selection: &Selection) -> Option<Self> {
        let selected = selection.of(&entry.topic, entry.partition)?;
        let age = Self {
            partition: entry.partition,
            max_timestamp_ms: entry.max_timestamp_ms.map(|newest| selected.newest(newest)),
            records: entry.record_count.unwrap_or(0),
            bytes: entry.raw_bytes,
            largest_batch_bytes: entry.largest_batch_bytes,
        };
        (selected.of_segment(entry) != Share::None).then_some(age)
    }
}

impl RetentionPutOff {
    /// Decides for a topic that shall end with the settings `wanted`.
    pub(super) fn decide(
        wanted: &BTreeMap<String, String>,
        context: &SettingsContext<'_>,
    ) -> Option<Self> {
        let defaults = context.defaults;
        if !has_policy(defaults.policies_of(wanted), "delete") {
            return None;
        }
        let retention_ms = number(wanted, "retention.ms").unwrap_or(defaults.retention_ms);
        let retention_bytes = number(wanted, "retention.bytes").unwrap_or(defaults.retention_bytes);
        let segment_bytes = number(wanted, "segment.bytes").unwrap_or(defaults.segment_bytes);
        let by_age = expired(context.ages, context.done_at.as_millis(), retention_ms);
        let by_size = beyond(
            context.ages,
            context.in_one_partition,
            retention_bytes,
            segment_bytes,
        );
        if by_age.bytes == 0 && by_size.bytes == 0 {
            return None;
        }
        let mut put_off = Self {
            settings: Vec::new(),
            retention: Vec::new(),
            records: by_age.records.max(by_size.records),
            bytes: by_age.bytes.max(by_size.bytes),
        };
        if by_age.bytes > 0 {
            put_off.add(wanted, "retention.ms", retention_ms);
        }
        if by_size.bytes > 0 {
            put_off.add(wanted, "retention.bytes", retention_bytes);
        }
        Some(put_off)
    }

    fn add(&mut self, wanted: &BTreeMap<String, String>, name: &str, in_force: i64) {
        self.settings.push(SettingChange {
            name: name.to_owned(),
            value: wanted.get(name).cloned(),
        });
        self.retention.push(format!("{name} {in_force}"));
    }
}

#[derive(Default, Clone, Copy)]
struct Deleted {
    records: u64,
    bytes: u64,
}

impl Deleted {
    fn add(&mut self, segment: &SegmentAge) {
        self.records += segment.records;
        self.bytes += segment.bytes;
    }
}

/// What is older than `retention_ms`. Kafka deletes from the front, a whole segment at a time, by its newest record.
fn expired(ages: &[SegmentAge], done_at: i64, retention_ms: i64) -> Deleted {
    let mut deleted = Deleted::default();
    if retention_ms < 0 {
        return deleted;
    }
    let horizon = done_at.saturating_sub(retention_ms);
    let mut kept_partition = None;
    for segment in ages {
        if kept_partition == Some(segment.partition) {
            continue;
        }
        match segment.max_timestamp_ms {
            // without a time Kafka goes by the file's, which is new
            Some(newest) if newest < 0 => kept_partition = Some(segment.partition),
            Some(newest) if newest >= horizon => kept_partition = Some(segment.partition),
            Some(_) => deleted.add(segment),
            None => {}
        }
    }
    deleted
}

/// What lies beyond `retention_bytes`: whole segments from the front, as long as more than that stays.
fn beyond(
    ages: &[SegmentAge],
    in_one_partition: bool,
    retention_bytes: i64,
    segment_bytes: u64,
) -> Deleted {
    let mut deleted = Deleted::default();
    let Ok(retention_bytes) = u64::try_from(retention_bytes) else {
        return deleted;
    };
    let together = |a: &SegmentAge, b: &SegmentAge| in_one_partition || a.partition == b.partition;
    for partition in ages.chunk_by(together) {
        let size: u64 = partition.iter().map(|segment| segment.bytes).sum();
        let records: u64 = partition.iter().map(|segment| segment.records).sum();
        let largest = partition.iter().map(|s| s.largest_batch_bytes).max();
        // a segment is closed before the batch that would make it too large
        let full_segment = segment_bytes.saturating_sub(largest.unwrap_or(0)).max(1);
        let whole_segments = size.saturating_sub(retention_bytes) / full_segment;
        // the last segment is written to and stays
        let bytes = (whole_segments * full_segment)
            .min(size.saturating_sub(1) / full_segment * full_segment);
        deleted.bytes += bytes;
        deleted.records += proportion(records, bytes, size);
    }
    deleted
}

/// As much of `records` as `part` is of `whole`.
pub(crate) fn proportion(records: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let part = u128::from(records) * u128::from(part) / u128::from(whole);
    u64::try_from(part).unwrap_or(records)
}
