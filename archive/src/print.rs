//! What tells one record from another, in a few bytes: for comparing records that are too many to be held.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPart {
    /// Its time.
    Timestamp,
    /// Its key.
    Key,
    /// Its value.
    Value,
    /// Its headers, their order included.
    Headers,
}

impl fmt::Display for RecordPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Timestamp => "timestamp",
            Self::Key => "key",
            Self::Value => "value",
            Self::Headers => "headers",
        })
    }
}

/// A record as far as it is compared: where it is, its time, and the XXH3-128 of its key, value and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPrint {
    /// Its offset.
    pub offset: i64,
    /// Its time.
    pub timestamp: i64,
    /// The hash of its key; `None` where it has none.
    pub key: Option<u128>,
    /// The hash of its value; `None` where it has none.
    pub value: Option<u128>,
    headers: u128,
}

impl RecordPrint {
    /// The print of a record, its headers in order.
    pub fn of<'a>(
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Self {
        Self {
            offset,
            timestamp,
            key: key.map(xxh3_128),
            value: value.map(xxh3_128),
            headers: of_headers(headers),
        }
    }

    /// Whether it is the same record, wherever it is.
    pub fn is_same(&self, other: &Self) -> bool {
        let elsewhere = Self {
            offset: self.offset,
            ..*other
        };
        *self == elsewhere
    }

    /// The parts in which they differ.
    pub fn differences(&self, other: &Self) -> Vec<RecordPart> {
        [
            (RecordPart::Timestamp, self.timestamp == other.timestamp),
            (RecordPart::Key, self.key == other.key),
            (RecordPart::Value, self.value == other.value),
            (RecordPart::Headers, self.headers == other.headers),
        ]
        .into_iter()
        .filter_map(|(part, same)| (!same).then_some(part))
        .collect()
    }
}

/// Each text with its length before it, so that none runs into the next; null has a length that no text has.
fn of_headers<'a>(headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> u128 {
    let mut headers = headers.into_iter().peekable();
    if headers.peek().is_none() {
        return 0;
    }
    let mut hasher = Xxh3Default::new();
    for (name, value) in headers {
        for text in [Some(name), value] {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hasher.update(&length.to_be_bytes());
            hasher.update(text.unwrap_or_default());
        }
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

    fn print(headers: Headers<'_>) -> RecordPrint {
        RecordPrint::of(7, 5, Some(b"k"), None, headers)
    }

    #[test]
    fn the_same_record_is_the_same_at_another_offset() {
        let one = print(vec![(b"a", None)]);
        let moved = RecordPrint { offset: 9, ..one };
        assert!(one.is_same(&moved));
        assert_ne!(one, moved);
        assert!(one.differences(&moved).is_empty());
    }

    #[test]
    fn everything_that_a_consumer_sees_is_told_apart() {
        let one = print(Vec::new());
        for (other, part) in [
            (
                RecordPrint {
                    timestamp: 6,
                    ..one
                },
                RecordPart::Timestamp,
            ),
            (RecordPrint { key: None, ..one }, RecordPart::Key),
            (
                RecordPrint::of(7, 5, Some(b"k"), Some(b""), []),
                RecordPart::Value,
            ),
            (print(vec![(b"", None)]), RecordPart::Headers),
        ] {
            assert_eq!(one.differences(&other), [part]);
            assert!(!one.is_same(&other));
        }
    }

    #[test]
    fn headers_differ_in_order_in_null_and_in_where_one_ends() {
        let different: [Headers<'_>; 5] = [
            vec![(b"a", Some(b"b")), (b"c", None)],
            vec![(b"c", None), (b"a", Some(b"b"))],
            vec![(b"a", Some(b"b")), (b"c", Some(b""))],
            vec![(b"ab", Some(b"")), (b"c", None)],
            vec![(b"a", Some(b"b"))],
        ];
        for (at, one) in different.iter().enumerate() {
            for (other_at, other) in different.iter().enumerate() {
                let same = print(one.clone()).is_same(&print(other.clone()));
                assert_eq!(same, at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
