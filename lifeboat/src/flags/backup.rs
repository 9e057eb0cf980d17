//! `lifeboat backup`.

use clap::Args;
use lifeboat_agent::backup::Kind;
use lifeboat_archive::words::{ByteSize, TimeSpan};
use lifeboat_config::BatchKeeping;

use super::{CredentialFlags, RepositoryFlags, SourceFlags, TopicFlags};

#[derive(Debug, Args)]
pub(crate) struct BackupFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) topics: TopicFlags,
    /// full: read everything and share nothing with earlier snapshots; incremental: read what has changed
    #[arg(long, value_name = "KIND", default_value = "incremental")]
    pub(crate) kind: Kind,
    /// The cluster may be new to a repository that holds others
    #[arg(long)]
    pub(crate) new_cluster: bool,
    #[command(flatten)]
    pub(crate) credentials: CredentialFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
}

/// What is rarely set.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct LimitFlags {
    /// Sum of all buffers [default: 96MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LIFEBOAT_MEMORY",
        hide_env_values = true
    )]
    pub(crate) memory: Option<ByteSize>,
    /// A segment ends at this many bytes as Kafka stores them [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) segment_size: Option<ByteSize>,
    /// An archive ends at about this many compressed bytes [default: 128MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) archive_size: Option<ByteSize>,
    /// zstd's level, 1 to 19 [default: 1]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) compression_level: Option<i32>,
    /// verbatim: keep batches as Kafka stores them; repack: without the compression of their own, for smaller archives
    /// of topics compressed with lz4, snappy or gzip [default: verbatim]
    #[arg(long, value_name = "HOW")]
    pub(crate) batches: Option<BatchKeeping>,
    /// Bytes read per second at most, over all connections [default: no limit]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LIFEBOAT_MAX_RATE",
        hide_env_values = true
    )]
    pub(crate) max_rate: Option<ByteSize>,
    /// Connections to each broker that data are read by [default: 2]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<u32>,
    /// So often what is stored is noted, for the next run to go on from if this one does not finish [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub(crate) progress_interval: Option<TimeSpan>,
    /// How long a partition may be out of reach before the rest of it is a gap [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub(crate) retry_deadline: Option<TimeSpan>,
}
