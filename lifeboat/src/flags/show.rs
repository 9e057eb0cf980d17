//! `lifeboat show`.

use clap::Args;

use super::{ClusterChoice, RepositoryFlags};

#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// Which snapshot: its id, the first letters of it, latest, or latest~2
    #[arg(default_value = "latest")]
    pub(crate) snapshot: String,
    #[command(flatten)]
    pub(crate) parts: ShowParts,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
}

/// What is shown instead of the overview.
#[derive(Clone, Copy, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct ShowParts {
    /// Every partition: offsets, records, bytes
    #[arg(long)]
    pub(crate) topics: bool,
    /// Consumer groups and their offsets
    #[arg(long)]
    pub(crate) groups: bool,
    /// What is missing, and why
    #[arg(long)]
    pub(crate) gaps: bool,
    /// The topics' configurations
    #[arg(long)]
    pub(crate) configs: bool,
}

impl ShowParts {
    /// Whether no part is chosen: the overview.
    pub(crate) fn none(self) -> bool {
        !(self.topics || self.groups || self.gaps || self.configs)
    }
}
