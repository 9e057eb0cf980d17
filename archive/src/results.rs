//! What verifications, comparisons and rehearsals found: evidence, stored beside the snapshots that it is about.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    json::{Document, Xxh3Hex},
    words::{SnapshotId, Timestamp, TopicGlobs},
};

/// How deep a verification looks; each level finds all that those before it find.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every object is there, with its size.
    Objects,
    /// Every archive is downloaded, and its hash is the one that was stored.
    Hashes,
    /// Every batch's checksum, offsets without unexplained jumps, counts.
    #[default]
    Batches,
    /// Every batch is decompressed, and each record in it decoded.
    Records,
}

impl Level {
    /// All of them, the shallowest first.
    pub const ALL: [Self; 4] = [Self::Objects, Self::Hashes, Self::Batches, Self::Records];

    const fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Hashes => "hashes",
            Self::Batches => "batches",
            Self::Records => "records",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A level that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a level of verification: {0:?} (there are: objects, hashes, batches, records)")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let level = Self::ALL.into_iter().find(|level| level.name() == text);
        level.ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// One of several equal parts of all archives: `2/7`. Each archive is in exactly one of the seven, in the same one
/// whatever snapshot it is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fraction", into = "Fraction")]
pub struct Subset {
    number: NonZeroU32,
    of: NonZeroU32,
}

/// As it is stored.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Fraction {
    number: u32,
    of: u32,
}

/// A part that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a part of the archives: it is written as 2/7, with 1/7 first and 7/7 last, of at most {}",
    Subset::MOST
)]
pub struct NoSuchSubset;

impl Subset {
    /// Nobody verifies in more parts.
    pub const MOST: u32 = 10_000;

    /// The `number`-th part (from 1) of `of`.
    pub fn new(number: u32, of: u32) -> Result<Self, NoSuchSubset> {
        let inside = number <= of && of <= Self::MOST;
        match (NonZeroU32::new(number), NonZeroU32::new(of)) {
            (Some(number), Some(of)) if inside => Ok(Self { number, of }),
            _ => Err(NoSuchSubset),
        }
    }

    /// Which one, from 1.
    pub fn number(self) -> u32 {
        self.number.get()
    }

    /// Of how many.
    pub fn of(self) -> u32 {
        self.of.get()
    }

    /// Whether an object belongs to it, which is told by its name.
    pub fn has(self, object: &str) -> bool {
        // 60 bits of a hash: as even as the names are different
        let hash = Xxh3Hex::of(object.as_bytes()).to_string();
        let hash = hash.get(..15).unwrap_or_default();
        let number = u64::from_str_radix(hash, 16).unwrap_or(0) % u64::from(self.of.get());
        number + 1 == u64::from(self.number.get())
    }
}

impl TryFrom<Fraction> for Subset {
    type Error = NoSuchSubset;

    fn try_from(Fraction { number, of }: Fraction) -> Result<Self, NoSuchSubset> {
        Self::new(number, of)
    }
}

impl From<Subset> for Fraction {
    fn from(subset: Subset) -> Self {
        Self {
            number: subset.number(),
            of: subset.of(),
        }
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Subset {
    type Err = NoSuchSubset;

    fn from_str(text: &str) -> Result<Self, NoSuchSubset> {
        let (number, of) = text.split_once('/').ok_or(NoSuchSubset)?;
        let number = number.parse().map_err(|_| NoSuchSubset)?;
        let of = of.parse().map_err(|_| NoSuchSubset)?;
        Self::new(number, of)
    }
}

/// Which topics were looked at, where not all were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenTopics {
    /// Patterns of which one had to match; missing: every topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns of which none was to match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl ChosenTopics {
    /// What `globs` choose; `None` where that is everything.
    pub fn of(globs: &TopicGlobs) -> Option<Self> {
        let texts = |globs: &[_]| globs.iter().map(ToString::to_string).collect();
        let chosen = Self {
            include: texts(&globs.include),
            exclude: texts(&globs.exclude),
        };
        (!chosen.include.is_empty() || !chosen.exclude.is_empty()).then_some(chosen)
    }
}

/// `orders*, payments but not *.tmp`
impl fmt::Display for ChosenTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let include = if self.include.is_empty() {
            "all".to_owned()
        } else {
            self.include.join(", ")
        };
        f.write_str(&include)?;
        if self.exclude.is_empty() {
            return Ok(());
        }
        write!(f, " but not {}", self.exclude.join(", "))
    }
}

/// What was done to prove a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// What is stored was read.
    Verify,
    /// It was held against a live cluster.
    Compare,
    /// It was restored and compared.
    Rehearse,
}

impl fmt::Display for ProofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verify => "verify",
            Self::Compare => "compare",
            Self::Rehearse => "rehearse",
        })
    }
}

/// What came of it. The worst holds: damage before difference before what could not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofOutcome {
    /// All that was looked at is as it should be.
    Ok,
    /// Something could not be looked at.
    Incomplete,
    /// What the cluster has is not what the snapshot has.
    Differs,
    /// What is stored is not what was written.
    Damaged,
}

impl fmt::Display for ProofOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Incomplete => "incomplete",
            Self::Differs => "DIFFERS",
            Self::Damaged => "DAMAGED",
        })
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofCounts {
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// Archives.
    pub archives: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Records that were decoded.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Places that are damaged, partitions that differ, and what could not be looked at.
    pub problems: u64,
}

/// What a rehearsal measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// From its begin until everything was restored and proven.
    pub rto_ms: u64,
    /// From the bounds of the snapshot to its begin: so much would have been lost.
    pub rpo_ms: u64,
    /// Records that were restored.
    pub records: u64,
    /// Their bytes, as Kafka stored them.
    pub bytes: u64,
}

/// The result of one verification, comparison or rehearsal. A root: it ends in its own hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofResult {
    /// The snapshot that it is about.
    pub snapshot: SnapshotId,
    /// Whose data it is.
    pub cluster_id: String,
    /// What was done.
    pub kind: ProofKind,
    /// What came of it.
    pub outcome: ProofOutcome,
    /// How deep was looked; missing in a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Which archives were looked at; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Which topics were looked at; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<ChosenTopics>,
    /// How many percent of the snapshot were rehearsed; missing where all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_percent: Option<u32>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How much was looked at.
    pub counts: ProofCounts,
    /// The cluster that it was compared with, or restored into; missing in a verification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cluster_id: Option<String>,
    /// What a rehearsal measured; missing elsewhere, and where it did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// The program that found it: `lifeboat 0.1.0`.
    pub created_by: String,
}

impl Document for ProofResult {
    const FORMAT: &'static str = "lifeboat.result";
}

impl ProofResult {
    /// Whether all of the snapshot was looked at.
    pub fn is_of_everything(&self) -> bool {
        self.subset.is_none() && self.topics.is_none() && self.sample_percent.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_subsets_read_as_they_are_written() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("everything".parse::<Level>().is_err());
        let subset: Subset = "2/7".parse().unwrap();
        assert_eq!((subset.number(), subset.of()), (2, 7));
        assert_eq!(subset.to_string(), "2/7");
        for bad in ["", "0/7", "8/7", "1/0", "1", "1/2/3", "-1/3", "1/10001"] {
            assert_eq!(bad.parse::<Subset>(), Err(NoSuchSubset), "{bad}");
        }
        let json = serde_json::to_string(&subset).unwrap();
        assert_eq!(json, r#"{"number":2,"of":7}"#);
        assert_eq!(serde_json::from_str::<Subset>(&json).unwrap(), subset);
        assert!(serde_json::from_str::<Subset>(r#"{"number":8,"of":7}"#).is_err());
    }

    #[test]
    fn each_object_is_in_exactly_one_subset_and_they_are_about_equal() {
        let mut sizes = [0_u32; 7];
        for n in 0..7_000 {
            let object = format!("c/data/2026-08-23/{n}.tar.zst");
            let parts = (1..=7).filter(|&part| Subset::new(part, 7).unwrap().has(&object));
            let parts: Vec<_> = parts.collect();
            assert_eq!(parts.len(), 1, "{object}");
            sizes[parts[0] as usize - 1] += 1;
        }
        assert!(
            sizes.iter().all(|size| (850..1_150).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn a_choice_of_topics_is_told_and_no_choice_is_everything() {
        assert_eq!(ChosenTopics::of(&TopicGlobs::default()), None);
        let globs = TopicGlobs {
            include: Vec::new(),
            exclude: vec!["*.tmp".parse().unwrap()],
        };
        let chosen = ChosenTopics::of(&globs).unwrap();
        assert_eq!(chosen.to_string(), "all but not *.tmp");
    }
}
