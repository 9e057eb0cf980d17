//! `lifeboat copy`.

use clap::Args;
use lifeboat_archive::words::ByteSize;

use super::{ClusterChoice, RepositoryFlags};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct CopyFlags {
    /// Which snapshots: ids, the first letters of them, latest, latest~2, or latest-verified [default: all that the other
    /// one lacks]
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Repository that is copied to: its URL, or its name under repositories: in the configuration
    #[arg(long, value_name = "URL|NAME")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    /// The snapshots of all clusters, whatever --cluster says
    #[arg(long, conflicts_with = "snapshots")]
    pub(crate) all_clusters: bool,
    /// The clusters may be new to a repository that holds others
    #[arg(long)]
    pub(crate) new_cluster: bool,
    /// Only tell what would be copied
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read again what is there already of these snapshots, and bring back what was lost there
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) verify_existing: bool,
    /// Bytes read per second at most [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_rate: Option<ByteSize>,
    /// Objects that are copied at the same time, each with about 30 MiB of memory [default: 2]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<u32>,
}
