//! `lifeboat init`.

use clap::Args;

use super::RepositoryFlags;

#[derive(Debug, Args)]
pub(crate) struct InitFlags {
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,

    /// Only one program at a time will ever write: for a store that can't refuse to overwrite an object
    #[arg(long)]
    pub(crate) single_writer: bool,
}
