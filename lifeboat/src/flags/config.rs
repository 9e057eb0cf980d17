//! `lifeboat config`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct ConfigFlags {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Read the configuration file and tell everything that is wrong in it
    Check,
    /// Print what a command would work with, secrets masked
    Show,
}
