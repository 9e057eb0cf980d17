//! What Kafka deletes at once when retention begins to hold.

use std::{collections::BTreeMap, ops::Add};

use lifeboat_archive::words::{OffsetRange, Timestamp};
use serde::{Deserialize, Serialize};

use crate::settings::{TopicDefaults, has_policy};

/// Records that go, at most: Kafka deletes whole segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// How many.
    pub records: u64,
    /// About how many bytes.
    pub bytes: u64,
}

impl Deletion {
    /// Whether none go.
    pub fn is_nothing(&self) -> bool {
        self.records == 0
    }
}

impl Add for Deletion {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What of a partition is old, and how large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionAge {
    /// What it holds.
    pub(super) range: OffsetRange,
    /// Its first record that is young enough, where that is asked for.
    pub(super) kept_from: Option<i64>,
    /// How many records were restored.
    pub(super) restored: u64,
    /// And their bytes: what a record takes.
    pub(super) restored_bytes: u64,
}

/// The retention that a topic gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    ms: Option<i64>,
    bytes: Option<u64>,
}

impl Retention {
    /// Of a topic with these settings.
    pub(super) fn of(settings: &BTreeMap<String, String>, defaults: &TopicDefaults) -> Self {
        if !has_policy(defaults.policies_of(settings), "delete") {
            return Self {
                ms: None,
                bytes: None,
            };
        }
        let number = |name: &str, default| {
            let own = settings
                .get(name)
                .and_then(|value| value.trim().parse().ok());
            own.unwrap_or(default)
        };
        let ms = number("retention.ms", defaults.retention_ms);
        let bytes = number("retention.bytes", defaults.retention_bytes);
        Self {
            ms: Some(ms).filter(|&ms| ms >= 0),
            bytes: u64::try_from(bytes).ok(),
        }
    }

    /// What is older goes.
    pub(super) fn horizon(self, now: Timestamp) -> Option<Timestamp> {
        let horizon = now.as_millis().saturating_sub(self.ms?);
        Some(Timestamp::from_millis(horizon.max(0)))
    }

    /// What goes of a partition.
    pub(super) fn deletes(self, of: &PartitionAge) -> Deletion {
        let there = of.range.span();
        let by_age = of.kept_from.map_or(0, |kept| {
            let old = kept.saturating_sub(of.range.start);
            u64::try_from(old).unwrap_or(0).min(there)
        });
        let bytes_of = |records: u64| part(of.restored_bytes, records, of.restored);
        let by_size = self.bytes.map_or(0, |most| {
            let too_many = bytes_of(there).saturating_sub(most);
            part(of.restored, too_many, of.restored_bytes).min(there)
        });
        let records = by_age.max(by_size);
        Deletion {
            records,
            bytes: bytes_of(records),
        }
    }
}

/// `whole × part / of`
fn part(whole: u64, part: u64, of: u64) -> u64 {
    if of == 0 {
        return 0;
    }
    let part = u128::from(whole) * u128::from(part) / u128::from(of);
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    fn retention(settings: &[(&str, &str)]) -> Retention {
        let settings = settings.iter();
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Retention::of(&settings.collect(), &TopicDefaults::default())
    }

    fn age(kept_from: Option<i64>) -> PartitionAge {
        PartitionAge {
            range: OffsetRange::new(10, 110),
            kept_from,
            restored: 50,
            restored_bytes: 5_000,
        }
    }

    #[test]
    fn r23_what_is_older_than_the_retention_goes() {
        let hour = retention(&[("retention.ms", "3600000")]);
        let now = Timestamp::from_millis(100 * DAY);
        let horizon = Timestamp::from_millis(100 * DAY - 3_600_000);
        assert_eq!(hour.horizon(now), Some(horizon));
        let (records, bytes) = (30, 3_000);
        assert_eq!(hour.deletes(&age(Some(40))), Deletion { records, bytes });
        assert!(hour.deletes(&age(Some(10))).is_nothing());
        // the brokers' default is a week
        let week = retention(&[]).horizon(now);
        assert_eq!(week, Some(Timestamp::from_millis(93 * DAY)));
    }

    #[test]
    fn r23_what_is_beyond_the_size_goes() {
        let small = retention(&[("retention.ms", "-1"), ("retention.bytes", "4000")]);
        assert_eq!(small.horizon(Timestamp::from_millis(1)), None);
        // 100 records of 100 bytes are there
        let (records, bytes) = (60, 6_000);
        assert_eq!(small.deletes(&age(None)), Deletion { records, bytes });
    }

    #[test]
    fn where_nothing_is_deleted_by_age_or_size_nothing_goes() {
        for settings in [
            &[("retention.ms", "-1")][..],
            &[("cleanup.policy", "compact"), ("retention.ms", "1")],
        ] {
            let retention = retention(settings);
            assert_eq!(retention.horizon(Timestamp::from_millis(9)), None);
            assert!(retention.deletes(&age(None)).is_nothing());
        }
    }
}
