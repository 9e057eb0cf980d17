//! Which topics.

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TopicFlags {
    /// Topics: globs over the whole name, repeated or separated by commas; all where none is given
    #[arg(
        long,
        value_name = "GLOB",
        env = "LIFEBOAT_TOPICS",
        hide_env_values = true
    )]
    pub(crate) topics: Vec<String>,
    /// Topics to leave out: globs, repeated or separated by commas; wins over --topics
    #[arg(
        long,
        value_name = "GLOB",
        env = "LIFEBOAT_EXCLUDE",
        hide_env_values = true
    )]
    pub(crate) exclude: Vec<String>,
}
