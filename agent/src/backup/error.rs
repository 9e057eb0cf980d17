//! Why a backup failed.

use lifeboat_archive::{batch::BatchError, words::TopicPartition};
use lifeboat_kafka::KafkaError;
use lifeboat_repository::RepositoryError;

/// Why no snapshot was committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The cluster did not answer as it must.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The repository did not take or give what it must.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The repository holds other clusters only.
    #[error("cluster {cluster_id} is new to this repository, which holds {}", known.join(", "))]
    ClusterUnknown {
        /// The cluster that was to be backed up.
        cluster_id: String,
        /// Those that are inside.
        known: Vec<String>,
    },
    /// No topic is chosen.
    #[error("no topic matches; topics of the cluster that are not internal: {available}")]
    NothingChosen {
        /// How many there are to choose from.
        available: usize,
    },
    /// A batch that had been checked no longer is what it was.
    #[error("{topic_partition}: a batch changed in memory: {source}")]
    Batch {
        /// Whose batch.
        topic_partition: TopicPartition,
        /// What is wrong with it.
        source: BatchError,
    },
    /// A part of the program ended before its work was done.
    #[error("the backup stopped before everything was read: {0}")]
    Broken(&'static str),
    /// Somebody stopped it.
    #[error("the backup was interrupted, nothing was committed")]
    Interrupted,
}
