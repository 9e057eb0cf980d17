//! The vocabulary that all crates share.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use rand::RngExt;
use serde::{Deserialize, Serialize};

mod clock;
mod glob;
mod progress;
mod sizes;

pub use clock::Clock;
pub use glob::{GlobError, TopicGlob, TopicGlobs};
pub use progress::{Progress, ProgressView};
pub use sizes::{ByteSize, HumanCount, HumanDuration, TimeSpan};

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// As Kafka names its log directories: `orders-3`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A topic's id (KIP-516), printed as Kafka prints it: URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that stands for "none" in Kafka's protocol.
    pub const ZERO: Self = Self([0; 16]);
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not what it should name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {text:?}")]
pub struct ParseError {
    /// What was expected, for people.
    pub what: &'static str,
    /// What was there.
    pub text: String,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, text: &str) -> Self {
        Self {
            what,
            text: text.to_owned(),
        }
    }
}

impl FromStr for TopicId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| ParseError::new("topic id", text))
    }
}

/// Offsets from `start` (inclusive) to `end` (exclusive).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct OffsetRange {
    /// First offset inside.
    pub start: i64,
    /// First offset behind.
    pub end: i64,
}

impl OffsetRange {
    /// The range `[start, end)`.
    pub const fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// How many offsets it spans; 0 where the end is not beyond the start.
    pub const fn span(self) -> u64 {
        if self.end > self.start {
            self.end.abs_diff(self.start)
        } else {
            0
        }
    }

    /// Whether it holds no offset.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether `offset` lies inside.
    pub const fn contains(self, offset: i64) -> bool {
        self.start <= offset && offset < self.end
    }
}

/// `[start, end)` as the offsets that a person counts: `120..240`, the last one included.
impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end.saturating_sub(1))
    }
}

/// A moment in milliseconds since the Unix epoch; in JSON RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to here; negative where it is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    fn date_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }

    /// The day in UTC: `2026-08-23`.
    pub fn day(self) -> String {
        self.format("%Y-%m-%d")
    }

    /// As snapshot ids hold it: `20260823T020000Z`.
    pub fn compact(self) -> String {
        self.format("%Y%m%dT%H%M%SZ")
    }

    /// For people: `2026-08-23 02:00:00Z`.
    pub fn readable(self) -> String {
        self.format("%Y-%m-%d %H:%M:%SZ")
    }

    fn format(self, pattern: &str) -> String {
        match self.date_time() {
            Some(time) => time.format(pattern).to_string(),
            None => format!("{} ms", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date_time() {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self(time.timestamp_millis()))
            .map_err(|_| ParseError::new("RFC 3339 time", text))
    }
}

/// A snapshot's name: `20260823T020000Z-k3f9`, its start in UTC and four random base32 characters.
///
/// It sorts by time, and any unique prefix of it names the snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(Arc<str>);

impl SnapshotId {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// A new name for a snapshot that starts at `now`.
    pub fn generate(now: Timestamp) -> Self {
        let mut random = rand::rng();
        let suffix: String = (0..4)
            .map(|_| char::from(Self::ALPHABET[random.random_range(0..32)]))
            .collect();
        Self(format!("{}-{suffix}", now.compact()).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SnapshotId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let good = text.len() == 21
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                16 => byte == b'-',
                17.. => Self::ALPHABET.contains(&byte),
                _ => byte.is_ascii_digit(),
            });
        if good {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new("snapshot id", text))
        }
    }
}

/// Serialises a type by its `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
serde_as_text!(TopicId, Timestamp, SnapshotId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_as_kafka_prints_it() {
        let id = TopicId([
            0x36, 0xb2, 0x36, 0x2a, 0x0d, 0xc2, 0x4f, 0x57, 0xaf, 0xd1, 0x28, 0x65, 0xa4, 0xd5,
            0x7a, 0xc3,
        ]);
        assert_eq!(id.to_string(), "NrI2Kg3CT1ev0ShlpNV6ww");
        assert_eq!("NrI2Kg3CT1ev0ShlpNV6ww".parse(), Ok(id));
    }

    #[test]
    fn a_snapshot_id_sorts_by_time_and_parses_back() {
        let early = SnapshotId::generate(Timestamp::from_millis(1_000));
        let late = SnapshotId::generate(Timestamp::from_millis(1_787_450_400_000));
        assert!(early < late);
        assert_eq!(late.as_str().parse(), Ok(late.clone()));
        assert!("20260823T020000Z-K3F9".parse::<SnapshotId>().is_err());
        assert!("../../etc/passwd".parse::<SnapshotId>().is_err());
    }

    #[test]
    fn a_timestamp_keeps_its_milliseconds_in_json() {
        let time = Timestamp::from_millis(1_787_450_400_123);
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(json, "\"2026-08-23T02:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }
}
