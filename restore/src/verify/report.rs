//! What verification found, and where.

use std::fmt;

use lifeboat_archive::{
    index::SegmentEntry,
    json::Document,
    segment::SegmentProblem,
    tarball::ArchiveError,
    words::{OffsetRange, SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_repository::RepositoryError;
use serde::{Deserialize, Serialize};

use super::Level;

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The cluster that it was taken of.
    pub cluster_id: String,
    /// How deep was looked.
    pub level: Level,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Archives that the snapshot needs.
    pub archives: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Everything that is damaged.
    pub damage: Vec<Damage>,
    /// Everything that could not be read, so that nothing is known of it.
    pub unread: Vec<Unread>,
    /// Everything that is stored as it was written, and could not be looked into: it is encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unopened: Vec<Unread>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.verify-report";
}

impl Report {
    /// Whether all of the snapshot was read and all of it is right.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unread.is_empty() && self.unopened.is_empty()
    }
}

/// Something that is not as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The object, by its path below the repository's URL.
    pub object: String,
    /// The member of the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The topic whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The offsets that can't be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offsets: Option<OffsetRange>,
    /// What is wrong.
    pub what: String,
    /// Other snapshots that need the same object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_used_by: Vec<SnapshotId>,
}

/// Where something is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(super) object: String,
    pub(super) member: Option<String>,
    pub(super) topic_partition: Option<(String, i32)>,
    pub(super) offsets: Option<OffsetRange>,
}

impl Place {
    pub(crate) fn object(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn segment(object: &str, entry: &SegmentEntry, offsets: OffsetRange) -> Self {
        Self {
            object: object.to_owned(),
            member: Some(entry.member.clone()),
            topic_partition: Some((entry.topic.clone(), entry.partition)),
            offsets: Some(offsets),
        }
    }
}

impl Damage {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        let (topic, partition) = place.topic_partition.unzip();
        Self {
            object: place.object,
            member: place.member,
            topic,
            partition,
            offsets: place.offsets,
            what: what.into(),
            also_used_by: Vec::new(),
        }
    }

    /// A segment that can't be read: from where it was still good to its end.
    pub(crate) fn of_segment(object: &str, entry: &SegmentEntry, error: &ArchiveError) -> Self {
        let ArchiveError::Segment {
            offset, problem, ..
        } = error
        else {
            return Self::new(
                Place::segment(object, entry, entry.range()),
                error.to_string(),
            );
        };
        let good_to = match problem {
            SegmentProblem::Batch(batch) => {
                batch.base_offset.map_or(*offset, |base| base.max(*offset))
            }
            _ => *offset,
        };
        // what only shows at the end concerns all of it
        let from = if good_to < entry.next_offset {
            good_to
        } else {
            entry.first_offset
        };
        let offsets = OffsetRange::new(from, entry.next_offset);
        Self::new(Place::segment(object, entry, offsets), problem.to_string())
    }

    pub(crate) fn of_object(object: &str, error: &RepositoryError) -> Self {
        match error {
            RepositoryError::Damaged { object, problem } => {
                Self::new(Place::object(object), problem.clone())
            }
            RepositoryError::NotFound { object } => {
                Self::new(Place::object(object), "it is missing")
            }
            other => Self::new(Place::object(object), other.to_string()),
        }
    }

    /// The partition whose data it is.
    pub fn topic_partition(&self) -> Option<TopicPartition> {
        Some(TopicPartition::new(self.topic.as_deref()?, self.partition?))
    }
}

/// `object, segment member, orders-3 offsets 5..9: what`
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        if let Some(member) = &self.member {
            write!(f, ", segment {member}")?;
        }
        if let Some(topic_partition) = self.topic_partition() {
            write!(f, ", {topic_partition}")?;
        }
        if let Some(offsets) = self.offsets {
            write!(f, " offsets {offsets}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Something that could not be read, or not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The object.
    pub object: String,
    /// Why.
    pub problem: String,
}

impl Report {
    /// What was read, or nothing and a note of why.
    pub(super) fn sound<T>(&mut self, object: &str, read: Result<T, RepositoryError>) -> Option<T> {
        match read {
            Ok(read) => return Some(read),
            Err(error) if error.is_unusable() => {
                self.damage.push(Damage::of_object(object, &error));
            }
            Err(error) => self.unread.push(unread(object, &error)),
        }
        None
    }
}

pub(super) fn unread(object: &str, error: &RepositoryError) -> Unread {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    Unread {
        object: object.to_owned(),
        problem: format!("{error}{}", source.unwrap_or_default()),
    }
}
