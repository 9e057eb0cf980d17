//! Which repository, and which cluster in it.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct RepositoryFlags {
    /// Repository: file:///absolute/path, just the path, s3://, gs:// or az://BUCKET/PREFIX, or a name under repositories:
    #[arg(
        long,
        value_name = "URL",
        env = "LIFEBOAT_REPOSITORY",
        hide_env_values = true
    )]
    pub(crate) repository: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterChoice {
    /// Which cluster's snapshots, by its Kafka cluster id; needed where the repository holds several
    #[arg(
        long,
        value_name = "CLUSTER-ID",
        env = "LIFEBOAT_CLUSTER",
        hide_env_values = true
    )]
    pub(crate) cluster: Option<String>,
}
