//! `lifeboat offsets`.

use clap::{Args, Subcommand};

use super::{ClusterChoice, IdentityFlags, RepositoryFlags};

#[derive(Debug, Args)]
pub(crate) struct OffsetsFlags {
    #[command(subcommand)]
    pub(crate) verb: OffsetsVerb,
}

/// What to do with offsets.
#[derive(Debug, Subcommand)]
pub(crate) enum OffsetsVerb {
    /// Tell where offsets of the source go in a restore into empty topics; nothing is written
    Translate(TranslateFlags),
}

#[derive(Debug, Args)]
pub(crate) struct TranslateFlags {
    /// Which snapshot: its id, the first letters of it, latest, or latest~2
    pub(crate) snapshot: String,
    /// The topic whose offsets these are
    #[arg(
        long,
        value_name = "NAME",
        requires = "offset",
        required_unless_present = "group"
    )]
    pub(crate) topic: Option<String>,
    /// The partition whose offsets these are
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) partition: i32,
    /// Offsets of the source, repeated or separated by commas
    #[arg(
        long,
        value_name = "OFFSET,…",
        value_delimiter = ',',
        requires = "topic"
    )]
    pub(crate) offset: Vec<i64>,
    /// Everything that this group has committed; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
}
