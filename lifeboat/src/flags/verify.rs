//! `lifeboat verify`.

use clap::Args;
use lifeboat_restore::verify::Level;

use super::{ClusterChoice, IdentityFlags, RepositoryFlags};

#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// Which snapshot: its id, the first letters of it, latest, or latest~2
    #[arg(default_value = "latest")]
    pub(crate) snapshot: String,
    /// How deep to look: batches (every batch's checksum, offsets without unexplained jumps, counts)
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Batches)]
    pub(crate) level: Level,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
}
