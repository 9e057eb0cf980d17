//! What a comparison with a live cluster found.

use std::fmt;

use lifeboat_archive::{
    json::Document,
    print::{RecordPart, RecordPrint},
    results::{ChosenTopics, ProofOutcome},
    words::{SnapshotId, Timestamp, TopicPartition},
};
use serde::{Deserialize, Serialize};

use crate::{
    selection::Selection,
    verify::{Damage, Unread},
};

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it is as of.
    pub bounds_at: Timestamp,
    /// The cluster that it was taken of.
    pub source_cluster_id: String,
    /// The cluster that it was compared with.
    pub target_cluster_id: String,
    /// Which topics were compared; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<ChosenTopics>,
    /// Whether what came later, or is no longer kept, counts as a difference.
    pub exact: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Sums over all topics.
    pub totals: Counts,
    /// The topics, by name.
    pub topics: Vec<ComparedTopic>,
    /// What of the snapshot is damaged: nothing was compared behind that.
    pub damage: Vec<Damage>,
    /// Partitions that could not be read to their ends.
    pub unread: Vec<Unread>,
    /// The object that this result is stored in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it is not stored, although it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_not_stored: Option<String>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.compare-report";
}

impl Report {
    /// Damage before difference before what could not be read.
    pub fn outcome(&self) -> ProofOutcome {
        if !self.damage.is_empty() {
            ProofOutcome::Damaged
        } else if self.differing().next().is_some() {
            ProofOutcome::Differs
        } else if !self.unread.is_empty() {
            ProofOutcome::Incomplete
        } else {
            ProofOutcome::Ok
        }
    }

    /// The topics that differ.
    pub fn differing(&self) -> impl Iterator<Item = &ComparedTopic> {
        self.topics.iter().filter(|topic| topic.differs())
    }
}

/// How the records of a topic were matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It is the very same topic: by their offsets.
    Offset,
    /// It is another topic: one after the other.
    Order,
    /// It is compacted: the latest record of each key (R12).
    LatestByKey,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Offset => "by offset",
            Self::Order => "in order",
            Self::LatestByKey => "latest by key",
        })
    }
}

/// A topic that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedTopic {
    /// What the snapshot calls it.
    pub topic: String,
    /// What the cluster calls it; missing where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How its records were matched; missing where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Why there is nothing to compare with, or less than there should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Which records it was compared with, where a restore was to bring some of the snapshot's only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Selection>,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Sums over its partitions.
    pub counts: Counts,
    /// Its partitions, by number.
    pub partitions: Vec<ComparedPartition>,
}

impl ComparedTopic {
    /// What the cluster calls it.
    pub fn target_name(&self) -> &str {
        self.target.as_deref().unwrap_or(&self.topic)
    }

    /// Whether the cluster does not have what the snapshot has of it.
    pub fn differs(&self) -> bool {
        self.problem.is_some() || self.counts.differences() > 0
    }

    /// The first difference of each partition that has one.
    pub fn first_differences(&self) -> impl Iterator<Item = (TopicPartition, &Difference)> {
        self.partitions.iter().filter_map(|partition| {
            let name = TopicPartition::new(self.topic.as_str(), partition.partition);
            Some((name, partition.first.as_ref()?))
        })
    }
}

/// A partition that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedPartition {
    /// Its number.
    pub partition: i32,
    /// What was counted.
    pub counts: Counts,
    /// The first difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Difference>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records, or in a compacted topic keys, that are the same.
    pub same: u64,
    /// Those that are there with other content.
    pub changed: u64,
    /// Those that the cluster does not have.
    pub missing: u64,
    /// Those that only the cluster has.
    pub extra: u64,
    /// Offsets, or in a compacted topic keys, that the cluster has beyond the snapshot. No difference.
    pub newer: u64,
    /// Records before the log start, that retention or `DeleteRecords` took. No difference.
    pub no_longer_kept: u64,
    /// Records that no consumer sees yet: a transaction that is open keeps them back. No difference.
    pub held_back: u64,
}

impl Counts {
    /// How many differ.
    pub fn differences(&self) -> u64 {
        self.changed + self.missing + self.extra
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.same += other.same;
        self.changed += other.changed;
        self.missing += other.missing;
        self.extra += other.extra;
        self.newer += other.newer;
        self.no_longer_kept += other.no_longer_kept;
        self.held_back += other.held_back;
    }
}

/// How a record differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It is there with other content.
    Changed,
    /// The cluster does not have it.
    Missing,
    /// Only the cluster has it.
    Extra,
}

/// A place that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// In what, where it is there with other content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RecordPart>,
    /// Where it is in the snapshot; missing where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_offset: Option<i64>,
    /// Where it is in the cluster; missing where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_offset: Option<i64>,
}

impl Difference {
    pub(super) fn changed(expected: &RecordPrint, found: &RecordPrint) -> Self {
        Self {
            kind: DifferenceKind::Changed,
            parts: expected.differences(found),
            source_offset: Some(expected.offset),
            target_offset: Some(found.offset),
        }
    }

    pub(super) fn missing(expected: &RecordPrint) -> Self {
        Self {
            kind: DifferenceKind::Missing,
            parts: Vec::new(),
            source_offset: Some(expected.offset),
            target_offset: None,
        }
    }

    pub(super) fn extra(found: &RecordPrint) -> Self {
        Self {
            kind: DifferenceKind::Extra,
            parts: Vec::new(),
            source_offset: None,
            target_offset: Some(found.offset),
        }
    }
}

/// `offset 7 (the snapshot's 9): value, headers differ`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.source_offset, self.target_offset) {
            (DifferenceKind::Changed, Some(source), Some(target)) => {
                write!(f, "offset {target}")?;
                if source != target {
                    write!(f, " (the snapshot's {source})")?;
                }
                let parts: Vec<_> = self.parts.iter().map(ToString::to_string).collect();
                let verb = if parts.len() == 1 {
                    "differs"
                } else {
                    "differ"
                };
                write!(f, ": {} {verb}", parts.join(", "))
            }
            (DifferenceKind::Missing, Some(source), _) => {
                write!(f, "the snapshot's offset {source}: missing")
            }
            (_, _, target) => {
                let target = target.unwrap_or(-1);
                write!(f, "offset {target}: the snapshot does not have it")
            }
        }
    }
}
