//! Why a restore ended, cut by what can be done about it.

use lifeboat_archive::{records::RecordError, words::TopicPartition};
use lifeboat_kafka::{KafkaError, rights::Right};
use lifeboat_repository::RepositoryError;

use crate::{journal::JournalError, plan::PlanError, verify::Damage};

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
    /// The journal can't be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
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

impl From<tokio::task::JoinError> for RestoreError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}
