//! The file as it is written: every value still with its place.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_saphyr::Spanned;

/// Where a value stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let place = Place {
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
        };
        Ok(Self {
            value: spanned.value,
            place,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) kafka: Option<Pairs>,
    pub(crate) targets: Option<BTreeMap<String, Pairs>>,
    pub(crate) repository: Option<RepositorySection>,
    pub(crate) repositories: Option<BTreeMap<String, Placed<RepositorySection>>>,
    pub(crate) encryption: Option<EncryptionSection>,
    pub(crate) backup: Option<BackupSection>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EncryptionSection {
    pub(crate) recipients: Option<Vec<Placed<String>>>,
    pub(crate) data: Option<Placed<bool>>,
    pub(crate) identities: Option<Vec<Placed<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RepositorySection {
    pub(crate) url: Option<Placed<String>>,
    pub(crate) options: Option<Pairs>,
    pub(crate) storage_class: Option<Placed<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BackupSection {
    pub(crate) topics: Option<TopicsSection>,
    pub(crate) memory: Option<Placed<String>>,
    pub(crate) segment_size: Option<Placed<String>>,
    pub(crate) archive_size: Option<Placed<String>>,
    pub(crate) compression_level: Option<Placed<i32>>,
    pub(crate) batches: Option<Placed<String>>,
    pub(crate) max_rate: Option<Placed<String>>,
    pub(crate) max_connections: Option<Placed<u32>>,
    pub(crate) retry_deadline: Option<Placed<String>>,
    pub(crate) progress_interval: Option<Placed<String>>,
    pub(crate) exact_credentials: Option<ExactCredentialsSection>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ExactCredentialsSection {
    pub(crate) controllers: Option<Placed<String>>,
    pub(crate) kafka: Option<Pairs>,
    pub(crate) metadata_dir: Option<Placed<String>>,
}

impl BackupSection {
    /// Where the value of `key` stands.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        let place = match key {
            "memory" => self.memory.as_ref().map(|text| text.place),
            "segment-size" => self.segment_size.as_ref().map(|text| text.place),
            "archive-size" => self.archive_size.as_ref().map(|text| text.place),
            "max-rate" => self.max_rate.as_ref().map(|text| text.place),
            "max-connections" => self.max_connections.as_ref().map(|number| number.place),
            _ => self.compression_level.as_ref().map(|level| level.place),
        };
        place.unwrap_or_default()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TopicsSection {
    pub(crate) include: Option<Vec<Placed<String>>>,
    pub(crate) exclude: Option<Vec<Placed<String>>>,
}

/// Kafka properties or a store's options, in the order of the file.
#[derive(Debug)]
pub(crate) struct Pairs(pub(crate) Vec<(Placed<String>, Placed<Text>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and values, one a line")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A property's value: a text, or `{ file: PATH }`.
#[derive(PartialEq)]
pub(crate) enum Text {
    Plain(String),
    File(String),
}

// any of them may be a secret
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or { file: PATH }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Plain(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text::Plain(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text::Plain(number.to_string()))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Text, E> {
                Ok(Text::Plain(truth.to_string()))
            }

            // 1.10 and 1.1 are the same number, and not the same text
            fn visit_f64<E: Error>(self, _: f64) -> Result<Text, E> {
                Err(E::custom("a number with a fraction: put it in quotes"))
            }

            fn visit_unit<E: Error>(self) -> Result<Text, E> {
                Err(E::custom("no value: write \"\" for an empty one"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let mut path = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "file" {
                        return Err(A::Error::unknown_field(&key, &["file"]));
                    }
                    path = Some(map.next_value()?);
                }
                path.map(Text::File)
                    .ok_or_else(|| A::Error::missing_field("file"))
            }
        }
        deserializer.deserialize_any(Value)
    }
}
