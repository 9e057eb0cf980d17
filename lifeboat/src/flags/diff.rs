//! `lifeboat diff`.

use clap::Args;
use lifeboat_archive::documents::diff::Kind;

use super::{ClusterChoice, IdentityFlags, RepositoryFlags, SourceFlags};

#[derive(Debug, Args)]
pub(crate) struct DiffFlags {
    /// Since which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    pub(crate) snapshot: String,
    /// Until when: another snapshot, or live for the cluster as it is now [default: live]
    pub(crate) until: Option<String>,
    /// What is compared: topics, configs, acls, quotas, users, groups, features; separated by commas [default: all]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub(crate) only: Vec<Kind>,
    // not filled from the environment: that says what is saved
    /// Only what is about these topics: globs over the whole name, repeated or separated by commas
    #[arg(long, value_name = "GLOB")]
    pub(crate) topics: Vec<String>,
    /// Nothing about these topics: globs, repeated or separated by commas; wins over --topics
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// End with 22 if anything changed
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
}
