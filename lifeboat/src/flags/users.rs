//! SCRAM users, and what proves who they are.

use std::path::PathBuf;

use clap::Args;
use lifeboat_config::ControllerAddresses;

/// To whom what is stored is encrypted, and where a backup reads what proves who the users are.
#[derive(Debug, Default, Args)]
pub(crate) struct CredentialFlags {
    /// Encrypt what is stored to this age recipient (age1…); repeated for more
    #[arg(long, value_name = "AGE1…")]
    pub(crate) recipient: Vec<String>,
    /// Encrypt credentials only: records and documents stay readable
    #[arg(long)]
    pub(crate) plain_data: bool,
    /// Read credentials from the controllers: host:port of their own listener, separated by commas, or discover
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "metadata_dir")]
    pub(crate) controllers: Option<ControllerAddresses>,
    /// Kafka client properties of the controllers' listener, over the brokers'
    #[arg(long, value_name = "FILE")]
    pub(crate) controller_config: Option<PathBuf>,
    /// Read credentials from a node's disk instead: its metadata.log.dir, mounted read-only
    #[arg(long, value_name = "FOLDER")]
    pub(crate) metadata_dir: Option<PathBuf>,
}

/// How a restore gives users back.
#[derive(Debug, Default, Args)]
pub(crate) struct UserFlags {
    /// The users' passwords: a file of user=password lines, or a folder of mounted Kubernetes Secrets
    #[arg(long, value_name = "PATH", help_heading = "Users")]
    pub(crate) passwords: Option<PathBuf>,
    /// Give the other users new passwords, and write them to this new file
    #[arg(long, value_name = "FILE", help_heading = "Users")]
    pub(crate) generate_passwords: Option<PathBuf>,
    /// Write bootstrap.checkpoint into this metadata folder of a new cluster instead: users, ACLs, quotas and settings
    /// are there, exactly, at its first start
    #[arg(long, value_name = "FOLDER", help_heading = "Users")]
    #[arg(conflicts_with_all = [
        "target", "bootstrap_servers", "command_config", "passwords", "generate_passwords", "topics", "exclude",
        "no_groups", "prune_extra", "rename", "rename_regex", "prefix", "groups", "exclude_groups", "rename_group",
        "group_prefix", "assignment", "broker_map", "no_compare", "into_source", "append", "replace",
    ])]
    pub(crate) bootstrap_checkpoint: Option<PathBuf>,
    /// The new cluster's metadata.version: a level (21) or a name (3.9-IV0) [default: the snapshot's]
    #[arg(long, value_name = "VERSION", help_heading = "Users")]
    #[arg(requires = "bootstrap_checkpoint")]
    pub(crate) metadata_version: Option<String>,
    /// Write meta.properties too, with this id of the new cluster
    #[arg(long, value_name = "ID", help_heading = "Users")]
    #[arg(requires_all = ["bootstrap_checkpoint", "node_id"])]
    pub(crate) cluster_id: Option<String>,
    /// Write meta.properties too, with this id of the node
    #[arg(long, value_name = "ID", help_heading = "Users")]
    #[arg(requires_all = ["bootstrap_checkpoint", "cluster_id"])]
    pub(crate) node_id: Option<u32>,
}
