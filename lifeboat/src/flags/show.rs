//! `lifeboat show`.

use std::path::PathBuf;

use clap::Args;

use super::{ClusterChoice, IdentityFlags, RepositoryFlags};

#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// Which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    #[arg(default_value = "latest")]
    pub(crate) snapshot: String,
    #[command(flatten)]
    pub(crate) parts: ShowParts,
    /// Write the cluster's documents into this folder, byte by byte as they are stored
    #[arg(long, value_name = "FOLDER")]
    pub(crate) export: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
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
    /// Dynamic configurations of topics, brokers, groups and client metrics
    #[arg(long)]
    pub(crate) configs: bool,
    /// ACLs
    #[arg(long)]
    pub(crate) acls: bool,
    /// SCRAM users
    #[arg(long)]
    pub(crate) users: bool,
    /// Client quotas
    #[arg(long)]
    pub(crate) quotas: bool,
    /// Finalized features
    #[arg(long)]
    pub(crate) features: bool,
    /// Delegation tokens
    #[arg(long)]
    pub(crate) tokens: bool,
}

impl ShowParts {
    /// Whether it takes more than names, offsets and counts.
    pub(crate) fn wants_documents(self) -> bool {
        let access = self.acls || self.users || self.quotas || self.tokens;
        self.groups || access || self.configs || self.features
    }

    /// Whether no part is chosen: the overview.
    pub(crate) fn none(self) -> bool {
        !(self.topics || self.gaps || self.wants_documents())
    }
}
