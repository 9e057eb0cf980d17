//! `lifeboat compare`.

use std::path::PathBuf;

use clap::Args;
use lifeboat_archive::words::ByteSize;
use lifeboat_restore::names::{Naming, PatternRename, RenameError, Renames};

use super::{
    ClusterChoice, IdentityFlags, RepositoryFlags, SourceFlags, StoredTopicFlags, TargetFlags,
    names::Rename,
};

#[derive(Debug, Args)]
pub(crate) struct CompareFlags {
    /// Which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    pub(crate) snapshot: String,
    /// Compare with the cluster of that name under targets: in the configuration file [default: the protected one]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
    #[command(flatten)]
    pub(crate) topics: StoredTopicFlags,
    /// What topics are called in the cluster: the snapshot's name = the new one, repeated or separated by commas
    #[arg(long, value_name = "NAME=NAME,…", value_delimiter = ',')]
    rename: Vec<Rename>,
    /// What topics are called whose whole name matches a regular expression, as in '^prod\.(.*)$=dr.$1'; repeated
    #[arg(long, value_name = "REGEX=NAME")]
    rename_regex: Vec<PatternRename>,
    /// What comes before the names of all chosen topics, renamed or not
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    /// Count as different, too, what came after the snapshot and what retention has deleted since
    #[arg(long)]
    pub(crate) exact: bool,
    /// For the keys of compacted topics: more are looked at in several passes [default: 96MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LIFEBOAT_MEMORY",
        hide_env_values = true
    )]
    pub(crate) memory: Option<ByteSize>,
    /// Where the journals of restores are, which tell where restored records begin [default: $XDG_STATE_HOME/lifeboat]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "LIFEBOAT_STATE",
        hide_env_values = true
    )]
    pub(crate) state: Option<PathBuf>,
    /// Do not store the result in the repository
    #[arg(long)]
    pub(crate) no_store: bool,
}

impl CompareFlags {
    /// What they are called in the cluster.
    pub(crate) fn naming(&self) -> Result<Naming, RenameError> {
        let pairs = self
            .rename
            .iter()
            .cloned()
            .map(|Rename { from, to }| (from, to));
        Ok(Naming {
            topics: Renames::new(pairs, self.rename_regex.clone(), &self.prefix)?,
            ..Naming::default()
        })
    }

    /// The cluster of the file that is compared with, where one was named: an address in the environment is not its.
    pub(crate) fn target(&self) -> Option<TargetFlags> {
        self.target.as_ref().map(|name| TargetFlags {
            target: Some(name.clone()),
            bootstrap_servers: None,
            command_config: None,
        })
    }
}
