//! Which records are taken by what is in them: keys, headers, and whether they have a value.

use std::{fmt, str::FromStr, sync::Arc};

use lifeboat_archive::{records::Record, words::TopicGlob};
use serde::{Deserialize, Serialize};

/// `key=order-*`, `key!=test-*`, `header:region=eu*`, `header:region!=us*`, `header:trace` (it has one), `!header:trace`.
///
/// A glob is matched against all bytes of the key, or of the value of any header of that name. What is null matches no
/// glob, and therefore every `!=`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordFilter {
    text: String,
    part: Part,
    /// Any, where there is none.
    glob: Option<TopicGlob>,
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key,
    Header(String),
}

/// Words that say no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} filters no records: key=GLOB, key!=GLOB, header:NAME=GLOB, header:NAME!=GLOB, header:NAME or !header:NAME are meant"
)]
pub struct FilterError(String);

impl PartialEq for RecordFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RecordFilter {}

impl fmt::Display for RecordFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<RecordFilter> for String {
    fn from(filter: RecordFilter) -> Self {
        filter.text
    }
}

impl TryFrom<String> for RecordFilter {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        text.parse()
    }
}

impl FromStr for RecordFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let wrong = || FilterError(text.to_owned());
        let (part, glob, negated) = match text.split_once('=') {
            Some((part, glob)) => match part.strip_suffix('!') {
                Some(part) => (part, Some(glob), true),
                None => (part, Some(glob), false),
            },
            None => match text.strip_prefix('!') {
                Some(part) => (part, None, true),
                None => (text, None, false),
            },
        };
        let part = match part.strip_prefix("header:") {
            Some(name) if !name.is_empty() => Part::Header(name.to_owned()),
            None if part == "key" && glob.is_some() => Part::Key,
            _ => return Err(wrong()),
        };
        Ok(Self {
            text: text.to_owned(),
            part,
            glob: glob.map(str::parse).transpose().map_err(|_| wrong())?,
            negated,
        })
    }
}

impl RecordFilter {
    fn takes(&self, record: &Record<'_>) -> bool {
        let matches = |bytes: Option<&[u8]>| match (&self.glob, bytes) {
            (None, _) => true,
            (Some(glob), Some(bytes)) => glob.matches_bytes(bytes),
            (Some(_), None) => false,
        };
        let is_there = match &self.part {
            Part::Key => matches(record.key),
            // they were checked when the record was read
            Part::Header(name) => record
                .headers()
                .map_while(Result::ok)
                .any(|(named, value)| named == name.as_bytes() && matches(value)),
        };
        is_there != self.negated
    }

    /// Whether it says the same of all records of a key.
    fn is_of_keys(&self) -> bool {
        self.part == Part::Key
    }
}

/// All that a record has to be, besides where and when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// A record is taken that all of them take.
    #[serde(default, rename = "filters", skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<RecordFilter>,
    /// Whether records without a value are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_tombstones: bool,
}

impl Filters {
    /// Whether they take everything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// For those who ask of each record; none where nothing is left out.
    pub(super) fn shared(&self) -> Option<Arc<Self>> {
        (!self.is_nothing()).then(|| Arc::new(self.clone()))
    }

    pub(super) fn take(&self, record: &Record<'_>) -> bool {
        let value = record.value.is_some() || !self.drop_tombstones;
        value && self.all.iter().all(|filter| filter.takes(record))
    }

    /// Whether of the records of one key some may be taken and newer ones not.
    pub fn divides_keys(&self) -> bool {
        self.drop_tombstones || !self.all.iter().all(RecordFilter::is_of_keys)
    }

    /// For people.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.all.iter().map(ToString::to_string).collect();
        if self.drop_tombstones {
            words.push("without tombstones".to_owned());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{
        batch::{Batch, Codec},
        records::{BatchBuilder, Decompressor, Produced, records},
    };

    use super::*;

    /// Asks of one record with these headers.
    fn takes(
        filter: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> bool {
        let mut tail = Vec::new();
        let put = |tail: &mut Vec<u8>, bytes: Option<&[u8]>| {
            // zigzag of a small length
            let length = bytes.map_or(1, |bytes| u8::try_from(2 * bytes.len()).unwrap());
            tail.push(length);
            tail.extend_from_slice(bytes.unwrap_or_default());
        };
        put(&mut tail, key);
        put(&mut tail, value);
        tail.push(u8::try_from(2 * headers.len()).unwrap());
        for (name, value) in headers {
            put(&mut tail, Some(name.as_bytes()));
            put(&mut tail, *value);
        }
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(1, &tail);
        let bytes = builder.finish(Produced::ANONYMOUS).unwrap();
        let batch = Batch::parse(&bytes).unwrap().unwrap();
        let mut decompressor = Decompressor::new(1 << 20);
        let plain = decompressor.records_section(&batch).unwrap();
        let record = records(&batch.header, plain).next();
        let record = record.unwrap().unwrap();
        let filters = match filter {
            "drop" => Filters {
                drop_tombstones: true,
                ..Filters::default()
            },
            _ => Filters {
                all: filter.split(' ').map(|it| it.parse().unwrap()).collect(),
                ..Filters::default()
            },
        };
        filters.take(&record)
    }

    #[test]
    fn keys_are_matched_as_a_whole_whatever_their_bytes_are() {
        let of = |filter: &str, key: Option<&[u8]>| takes(filter, key, None, &[]);
        assert!(of("key=order-*", Some(b"order-17")));
        assert!(!of("key=order-*", Some(b"an-order-17")));
        assert!(of("key=order-*", Some(b"order-\xFF\n/\0")));
        assert!(of("key={a,b}?", Some(b"b7")));
        assert!(of("key=", Some(b"")) && !of("key=", Some(b"x")));
        // what is null matches nothing, and so every negation
        assert!(!of("key=*", None) && of("key!=*", None));
        assert!(!of("key!=order-*", Some(b"order-17")) && of("key!=order-*", Some(b"x")));
        assert!(of("key=a* key=*b", Some(b"a-b")) && !of("key=a* key=*b", Some(b"a-c")));
        // a name may hold what separates
        assert!(of("key=a=b", Some(b"a=b")));
    }

    #[test]
    fn of_headers_of_one_name_any_may_match() {
        let headers: &[(&str, Option<&[u8]>)] = &[
            ("region", Some(b"us")),
            ("region", Some(b"eu-1")),
            ("trace", None),
        ];
        let of = |filter: &str| takes(filter, None, None, headers);
        assert!(of("header:region=eu*") && of("header:region=us"));
        assert!(!of("header:region=ap*") && of("header:region!=ap*"));
        assert!(!of("header:region!=eu*"));
        assert!(of("header:trace") && !of("header:trace=*") && !of("!header:trace"));
        assert!(!of("header:other") && of("!header:other") && of("header:other!=x"));
    }

    #[test]
    fn tombstones_are_records_without_a_value_and_an_empty_one_is_a_value() {
        assert!(!takes("drop", Some(b"k"), None, &[]));
        assert!(takes("drop", Some(b"k"), Some(b""), &[]));
    }

    #[test]
    fn words_that_say_no_filter_are_refused_with_those_that_do() {
        for text in [
            "",
            "key",
            "!key",
            "value=x",
            "header:=x",
            "header:",
            "key=[",
            "!key=x",
        ] {
            let error = text.parse::<RecordFilter>().unwrap_err().to_string();
            assert!(error.contains("header:NAME=GLOB"), "{error}");
        }
        let filters = Filters {
            all: vec!["header:a!=b*".parse().unwrap()],
            drop_tombstones: true,
        };
        let kept = serde_json::to_string(&filters).unwrap();
        assert_eq!(
            kept,
            r#"{"filters":["header:a!=b*"],"drop_tombstones":true}"#
        );
        assert_eq!(serde_json::from_str::<Filters>(&kept).unwrap(), filters);
        assert_eq!(serde_json::to_string(&Filters::default()).unwrap(), "{}");
    }

    #[test]
    fn only_filters_of_keys_leave_the_newest_value_of_each_key_the_newest() {
        let of = |text: &str| Filters {
            all: vec![text.parse().unwrap()],
            ..Filters::default()
        };
        assert!(!of("key=a*").divides_keys() && of("header:a").divides_keys());
        let dropping = Filters {
            drop_tombstones: true,
            ..of("key=a*")
        };
        assert!(dropping.divides_keys());
    }
}
