//! `lifeboat rehearse`.

use clap::Args;
use lifeboat_restore::rehearse::Sample;

use super::{
    ClusterChoice, IdentityFlags, RepositoryFlags, StoredTopicFlags, TargetFlags, WriteLimitFlags,
};

#[derive(Debug, Args)]
pub(crate) struct RehearseFlags {
    /// Which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    pub(crate) snapshot: String,
    #[command(flatten)]
    pub(crate) target: TargetFlags,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
    #[command(flatten)]
    pub(crate) topics: StoredTopicFlags,
    /// Only a part of their bytes, in whole topics that are drawn by lot each time
    #[arg(long, value_name = "PERCENT%", default_value_t = Sample::default())]
    pub(crate) sample: Sample,
    /// Allow the cluster that the snapshot was taken of
    #[arg(long)]
    pub(crate) into_source: bool,
    /// Leave the topics there instead of removing them
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not store the result in the repository
    #[arg(long)]
    pub(crate) no_store: bool,
    #[command(flatten)]
    pub(crate) limits: WriteLimitFlags,
}
