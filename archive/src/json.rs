//! The frame of every JSON document that is stored or printed.
//!
//! A document starts with its format and version, and a *root* (an object that nothing else names by hash) ends in
//! `sha256`, the SHA-256 of everything before that field.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::words::ParseError;

/// A document's kind and the version that this program writes.
pub trait Document: Serialize + DeserializeOwned {
    /// `lifeboat.<kind>`, the first field.
    const FORMAT: &'static str;
    /// The newest version that can be read, and the one that is written.
    const VERSION: u32 = 1;
}

/// Why a document can't be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or not of this shape.
    #[error("not a {format} document: {source}")]
    Syntax {
        /// What was expected.
        format: &'static str,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// It is some other document.
    #[error("a {found:?} document where {expected} was expected")]
    OtherFormat {
        /// What was expected.
        expected: &'static str,
        /// What it says it is.
        found: String,
    },
    /// A newer program wrote it.
    #[error("{format} version {found} is newer than {known}, the newest this program reads")]
    TooNew {
        /// Its kind.
        format: &'static str,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Its bytes were changed.
    #[error("{format}: the sha256 at its end does not match its content")]
    Damaged {
        /// Its kind.
        format: &'static str,
    },
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize)]
struct WithHead<'d, T> {
    format: &'static str,
    version: u32,
    #[serde(flatten)]
    document: &'d T,
}

/// The document as one line of JSON, headed by its format and version.
pub fn to_vec<T: Document>(document: &T) -> Vec<u8> {
    serde_json::to_vec(&with_head(document)).expect("maps have text keys and numbers are finite")
}

/// The same, indented for people.
pub fn to_vec_pretty<T: Document>(document: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&with_head(document))
        .expect("maps have text keys and numbers are finite");
    bytes.push(b'\n');
    bytes
}

fn with_head<T: Document>(document: &T) -> WithHead<'_, T> {
    WithHead {
        format: T::FORMAT,
        version: T::VERSION,
        document,
    }
}

/// Reads what [`to_vec`] and [`to_vec_pretty`] write; unknown fields are passed over.
pub fn from_slice<T: Document>(bytes: &[u8]) -> Result<T, JsonError> {
    let syntax = |source| JsonError::Syntax {
        format: T::FORMAT,
        source,
    };
    let head: Head = serde_json::from_slice(bytes).map_err(syntax)?;
    if head.format != T::FORMAT {
        return Err(JsonError::OtherFormat {
            expected: T::FORMAT,
            found: head.format,
        });
    }
    if head.version > T::VERSION {
        return Err(JsonError::TooNew {
            format: T::FORMAT,
            found: head.version,
            known: T::VERSION,
        });
    }
    serde_json::from_slice(bytes).map_err(syntax)
}

const SEAL: &[u8] = b",\n  \"sha256\": \"";

/// The document as a root: indented, its last field the SHA-256 of all bytes before that field's comma.
pub fn to_root<T: Document>(document: &T) -> Vec<u8> {
    let mut bytes = to_vec_pretty(document);
    let body = bytes
        .iter()
        .rposition(|&byte| byte == b'}')
        .map_or(0, |brace| brace - usize::from(bytes[brace - 1] == b'\n'));
    bytes.truncate(body);
    let digest = Sha256Hex::of(&bytes);
    bytes.extend_from_slice(SEAL);
    bytes.extend_from_slice(digest.0.as_bytes());
    bytes.extend_from_slice(b"\"\n}\n");
    bytes
}

/// Reads what [`to_root`] writes, checking the hash first.
pub fn from_root<T: Document>(bytes: &[u8]) -> Result<T, JsonError> {
    let tail_length = SEAL.len() + 64 + 4;
    let intact = bytes.len().checked_sub(tail_length).is_some_and(|body| {
        let (body, tail) = bytes.split_at(body);
        let mut expected = SEAL.to_vec();
        expected.extend_from_slice(Sha256Hex::of(body).0.as_bytes());
        expected.extend_from_slice(b"\"\n}\n");
        tail == expected
    });
    if intact {
        return from_slice(bytes);
    }
    // a document of a newer version may end otherwise: its version is the better message
    match from_slice::<T>(bytes) {
        Err(error @ (JsonError::TooNew { .. } | JsonError::OtherFormat { .. })) => Err(error),
        _ => Err(JsonError::Damaged { format: T::FORMAT }),
    }
}

/// Computes a SHA-256 piece by piece.
#[derive(Clone)]
pub struct Sha256Hasher(ring::digest::Context);

impl Sha256Hasher {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything that was added.
    pub fn finish(self) -> Sha256Hex {
        Sha256Hex(hex(self.0.finish().as_ref()))
    }
}

impl Default for Sha256Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sha256Hasher").finish_non_exhaustive()
    }
}

/// A SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Sha256Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && digits {
            Ok(Self(text))
        } else {
            Err(ParseError {
                what: "SHA-256 in lower-case hexadecimal",
                text,
            })
        }
    }
}

impl From<Sha256Hex> for String {
    fn from(hash: Sha256Hex) -> Self {
        hash.0
    }
}

/// Computes an XXH3-128 piece by piece.
///
/// It finds damage at the speed of memory; what must withstand intent as well is named by a [`Sha256Hex`].
#[derive(Clone, Default)]
pub struct Xxh3Hasher(xxhash_rust::xxh3::Xxh3Default);

impl Xxh3Hasher {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything that was added.
    pub fn finish(&self) -> Xxh3Hex {
        Xxh3Hex(format!("{:032x}", self.0.digest128()))
    }
}

impl std::fmt::Debug for Xxh3Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xxh3Hasher").finish_non_exhaustive()
    }
}

/// An XXH3-128 in lower-case hexadecimal, as `xxhsum -H2` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Xxh3Hex(String);

impl Xxh3Hex {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Xxh3Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl std::fmt::Display for Xxh3Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Xxh3Hex {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 32 && digits {
            Ok(Self(text))
        } else {
            Err(ParseError {
                what: "XXH3-128 in lower-case hexadecimal",
                text,
            })
        }
    }
}

impl From<Xxh3Hex> for String {
    fn from(hash: Xxh3Hex) -> Self {
        hash.0
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
    }
    impl Document for Sample {
        const FORMAT: &'static str = "lifeboat.sample";
    }

    fn sample() -> Sample {
        Sample {
            name: "a \"sha256\": b".into(),
        }
    }

    #[test]
    fn a_root_reads_back_and_starts_with_its_format() {
        let bytes = to_root(&sample());
        assert!(bytes.starts_with(b"{\n  \"format\": \"lifeboat.sample\",\n  \"version\": 1,"));
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["sha256"].is_string());
        assert_eq!(from_root::<Sample>(&bytes).unwrap(), sample());
    }

    #[test]
    fn every_flipped_bit_of_a_root_is_noticed() {
        let bytes = to_root(&sample());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(
                    from_root::<Sample>(&damaged).is_err(),
                    "byte {at} bit {bit}"
                );
            }
        }
        for length in 0..bytes.len() {
            assert!(from_root::<Sample>(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_newer_version_is_named_and_unknown_fields_are_passed_over() {
        let newer = br#"{"format":"lifeboat.sample","version":2,"name":"x"}"#;
        assert!(matches!(
            from_slice::<Sample>(newer),
            Err(JsonError::TooNew { found: 2, .. })
        ));
        assert!(matches!(
            from_root::<Sample>(newer),
            Err(JsonError::TooNew { found: 2, .. })
        ));
        let later = br#"{"format":"lifeboat.sample","version":1,"name":"x","later":[1]}"#;
        assert_eq!(from_slice::<Sample>(later).unwrap().name, "x");
        let other = br#"{"format":"lifeboat.other","version":1}"#;
        assert!(matches!(
            from_slice::<Sample>(other),
            Err(JsonError::OtherFormat { .. })
        ));
    }
}
