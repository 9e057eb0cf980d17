//! How to reach a cluster.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SourceFlags {
    /// Brokers to begin with: host:port, separated by commas
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        env = "LIFEBOAT_BOOTSTRAP_SERVERS",
        hide_env_values = true
    )]
    pub(crate) bootstrap_servers: Option<String>,
    /// Kafka client properties (a .properties file, as Kafka's own tools take)
    #[arg(
        long,
        value_name = "FILE",
        env = "LIFEBOAT_COMMAND_CONFIG",
        hide_env_values = true
    )]
    pub(crate) command_config: Option<PathBuf>,
}
