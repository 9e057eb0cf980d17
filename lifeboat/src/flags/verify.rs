//! `lifeboat verify`.

use clap::Args;
use lifeboat_restore::verify::{Level, Subset};

use super::{ClusterChoice, IdentityFlags, RepositoryFlags, StoredTopicFlags};

#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// Which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    #[arg(default_value = "latest")]
    pub(crate) snapshot: String,
    /// How deep to look: objects (all are there, with their sizes), hashes (every archive's hash), batches (every batch's
    /// checksum, offsets without unexplained jumps, counts), records (every record decoded)
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Batches)]
    pub(crate) level: Level,
    /// Only one of several equal parts of the archives: 1/7, 2/7, …; an archive is always in the same part
    #[arg(long, value_name = "N/M")]
    pub(crate) subset: Option<Subset>,
    #[command(flatten)]
    pub(crate) topics: StoredTopicFlags,
    /// Do not store the result in the repository
    #[arg(long)]
    pub(crate) no_store: bool,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
}
