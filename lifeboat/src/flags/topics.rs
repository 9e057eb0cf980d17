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

/// The same where topics of a snapshot are chosen: not filled from the environment, which says what is saved.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StoredTopicFlags {
    /// Only these topics: globs over the whole name, repeated or separated by commas; all where none is given
    #[arg(long, value_name = "GLOB")]
    topics: Vec<String>,
    /// Topics to leave out: globs, repeated or separated by commas; wins over --topics
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

impl StoredTopicFlags {
    /// As those that are saved are named.
    pub(crate) fn chosen(&self) -> TopicFlags {
        TopicFlags {
            topics: self.topics.clone(),
            exclude: self.exclude.clone(),
        }
    }
}
