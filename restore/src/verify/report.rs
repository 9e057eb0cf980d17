//! What verification found, and where.

use std::fmt;

use lifeboat_archive::{
    index::SegmentEntry,
    json::Document,
    results::{ChosenTopics, Level, Subset},
    segment::SegmentProblem,
    tarball::ArchiveError,
    words::{OffsetRange, SnapshotId, Timestamp, TopicPartition},
};
use lifeboat_repository::RepositoryError;
use serde::{Deserialize, Serialize};

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The cluster that it was taken of.
    pub cluster_id: String,
    /// How deep was looked.
    pub level: Level,
    /// Which archives were looked at; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Subset>,
    /// Which topics were looked at; missing where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<ChosenTopics>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Topics of the snapshot.
    #[serde(default)]
    pub topics_in_all: u64,
    /// Of them, those whose lists were checked.
    #[serde(default)]
    pub topics_checked: u64,
    /// Their partitions.
    #[serde(default)]
    pub partitions: u64,
    /// Archives that the snapshot, or the chosen topics of it, need.
    pub archives: u64,
    /// Of them, those that were looked at.
    #[serde(default)]
    pub archives_checked: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Records that were decoded.
    #[serde(default)]
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What was not asked for, so that nothing is known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_at: Vec<String>,
    /// Everything that is damaged.
    pub damage: Vec<Damage>,
    /// Everything that could not be read, so that nothing is known of it.
    pub unread: Vec<Unread>,
    /// Everything that is stored as it was written, and could not be looked into: it is encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unopened: Vec<Unread>,
    /// The object that this result is stored in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it is not stored, although it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_not_stored: Option<String>,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.verify-report";
}

impl Report {
    /// Whether all that was asked for was read and all of it is right.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unread.is_empty() && self.unopened.is_empty()
    }

    /// Says what was not asked for.
    pub(super) fn say_what_was_not_looked_at(&mut self) {
        let not = &mut self.not_looked_at;
        let others = self.topics_in_all.saturating_sub(self.topics_checked);
        if self.topics.is_some() && others > 0 {
            not.push(format!("{others} of {} topics", self.topics_in_all));
        }
        if self.subset.is_some() {
            let others = self.archives.saturating_sub(self.archives_checked);
            not.push(format!("{others} of {} archives", self.archives));
        }
        not.extend(
            match self.level {
                Level::Objects => Some("what is inside of archives and documents"),
                Level::Hashes => {
                    Some("batches, offsets and counts in archives, and what the documents say")
                }
                Level::Batches => Some("the records inside of batches"),
                Level::Records => None,
            }
            .map(str::to_owned),
        );
        if self.topics.is_some() && self.level >= Level::Batches {
            not.push("what lies between the segments of the chosen topics".to_owned());
        }
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

    /// A segment whose archive is damaged or missing; any other error is none of the snapshot's.
    pub(crate) fn of_archive(
        entry: &SegmentEntry,
        error: RepositoryError,
    ) -> Result<Self, RepositoryError> {
        let (object, problem) = match error {
            RepositoryError::Damaged { object, problem } => (object, problem),
            RepositoryError::NotFound { object } => (object, "the archive is missing".to_owned()),
            other => return Err(other),
        };
        let place = Place::segment(&object, entry, entry.range());
        Ok(Self::new(place, problem))
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
