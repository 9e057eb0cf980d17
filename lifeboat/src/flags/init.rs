//! `lifeboat init`.

use clap::Args;

use super::RepositoryFlags;

#[derive(Debug, Args)]
pub(crate) struct InitFlags {
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
}
