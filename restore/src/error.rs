//! Why a restore ended, cut by what can be done about it.

use std::path::PathBuf;

use lifeboat_archive::{
    records::RecordError,
    words::{SnapshotId, TopicPartition},
};
use lifeboat_kafka::{KafkaError, rights::Right};
use lifeboat_repository::RepositoryError;

use crate::{
    journal::JournalError,
    lease::{LeaseError, LeaseLost},
    offset_map::MapError,
    plan::PlanError,
    verify::Damage,
};

/// A restore that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is nothing that could be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Every chosen topic is refused.
    #[error("nothing can be restored: {}", listed(.0))]
    Refused(Vec<(String, String)>),
    /// The repository can't be read.
    #[error(transparent)]
    Repository(RepositoryError),
    /// What is stored is not what was written. Nothing of the damaged segment was restored.
    #[error("the snapshot is damaged: {0}")]
    Damaged(Box<Damage>),
    /// Records that can't be read although their checksum is right.
    #[error("{topic_partition} can't be restored: {source}")]
    Records {
        /// Whose records.
        topic_partition: TopicPartition,
        /// Why.
        source: Box<RecordError>,
    },
    /// The target cluster can't be talked to.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A topic could not be made ready.
    #[error("topic {topic} can't be made ready: {source}")]
    Topic {
        /// Its name.
        topic: String,
        /// Why.
        source: Box<KafkaError>,
    },
    /// The target does not let us do what it takes. Nothing was written.
    #[error("nothing was written: {principal} lacks {}", rights(.lacking))]
    Denied {
        /// Who we are for the target.
        principal: String,
        /// Every right that is missing.
        lacking: Vec<Right>,
    },
    /// The target is not any more as it was when the plan was made.
    #[error("topic {topic} has changed since the plan was made: {problem}")]
    Changed {
        /// Its name.
        topic: String,
        /// What is different.
        problem: String,
    },
    /// What was read back is not what was written. Groups and settings were left as they are.
    #[error(
        "{differing} of {compared} partitions differ from the snapshot, the first is {first}: {problem}"
    )]
    Differs {
        /// The first of them.
        first: TopicPartition,
        /// What differs there.
        problem: String,
        /// How many differ.
        differing: usize,
        /// How many were compared.
        compared: usize,
    },
    /// The target could not be reached for too long. What is written so far stays, and is gone on from.
    #[error("{partitions} partitions are not written to their end, one is {first}: {problem}")]
    Stuck {
        /// The one that waited longest.
        first: TopicPartition,
        /// What kept it from its end.
        problem: String,
        /// How many there are.
        partitions: usize,
    },
    /// The offset map can't be written.
    #[error(transparent)]
    OffsetMap(#[from] MapError),
    /// The journal can't be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Somebody else works on it.
    #[error(transparent)]
    Lease(LeaseError),
    /// Nobody may go on that is not sure to be alone.
    #[error("the restore stops: {0}")]
    LeaseLost(LeaseLost),
    /// The journal is not one that can be gone on with here.
    #[error("{} can't be gone on with: {problem}", journal.display())]
    NotResumable {
        /// The journal.
        journal: PathBuf,
        /// Why.
        problem: String,
    },
    /// It ended in the middle, and can be gone on with.
    #[error("{source}")]
    Unfinished {
        /// The journal.
        journal: PathBuf,
        /// The snapshot.
        snapshot: SnapshotId,
        /// Why.
        source: Box<RestoreError>,
    },
    /// A part of this program failed.
    #[error("a part of the restore failed: {0}")]
    Internal(String),
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

fn rights(lacking: &[Right]) -> String {
    let rights: Vec<_> = lacking.iter().map(ToString::to_string).collect();
    rights.join(", ")
}

fn listed(topics: &[(String, String)]) -> String {
    let topics: Vec<_> = topics
        .iter()
        .map(|(topic, why)| format!("{topic} ({why})"))
        .collect();
    topics.join(", ")
}

/// Damage is damage, wherever the restore comes across it.
impl From<RepositoryError> for RestoreError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Damaged { ref object, .. }
            | RepositoryError::NotFound { ref object } => {
                Self::Damaged(Box::new(Damage::of_object(object, &error)))
            }
            other => Self::Repository(other),
        }
    }
}

impl From<LeaseError> for RestoreError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Cancelled => Self::Cancelled,
            error => Self::Lease(error),
        }
    }
}

impl From<tokio::task::JoinError> for RestoreError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl RestoreError {
    /// Why it ended, for who does not go on with it.
    pub(crate) fn cause(self) -> Self {
        match self {
            Self::Unfinished { source, .. } => source.cause(),
            cause => cause,
        }
    }
}
