//! The configuration after files, environment and flags have been put together.

use std::collections::BTreeMap;

use lifeboat_archive::words::{ByteSize, TopicGlobs};

use crate::{KafkaProperties, RepositoryUrl};

/// Everything that a configuration file can say, with its defaults filled in.
#[derive(Clone, Debug, Default)]
pub struct ResolvedConfig {
    /// The protected cluster.
    pub kafka: Option<KafkaProperties>,
    /// Other clusters, by the name that `--target` takes.
    pub targets: BTreeMap<String, KafkaProperties>,
    /// Where the snapshots are.
    pub repository: Option<RepositoryUrl>,
    /// How a backup is made.
    pub backup: BackupSettings,
}

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// Which topics; internal ones never.
    pub topics: TopicGlobs,
    /// The sum of all buffers.
    pub memory: ByteSize,
    /// A segment closes at this many raw bytes.
    pub segment_size: ByteSize,
    /// An archive closes at about this many compressed bytes.
    pub archive_size: ByteSize,
    /// zstd's level.
    pub compression_level: i32,
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            memory: ByteSize::mib(96),
            segment_size: ByteSize::mib(64),
            archive_size: ByteSize::mib(128),
            compression_level: 3,
        }
    }
}
