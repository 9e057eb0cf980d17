//! `lifeboat check`.

use clap::Args;

use super::{ClusterChoice, RepositoryFlags};

#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
}
