//! What topics and groups are called in the target, and which groups.

use std::str::FromStr;

use clap::Args;
use lifeboat_restore::names::{PatternRename, RenameError};

/// Other names than in the snapshot.
#[derive(Debug, Args)]
pub(crate) struct NameFlags {
    /// What topics are called in the target: the snapshot's name = the new one, repeated or separated by commas.
    /// Group offsets follow; ACLs, quotas and settings of groups do not
    #[arg(long, value_name = "NAME=NAME,…", value_delimiter = ',')]
    pub(crate) rename: Vec<Rename>,
    /// What topics are called whose whole name matches a regular expression, as in '^prod\.(.*)$=dr.$1'; repeated, the
    /// first that matches holds, --rename before all
    #[arg(long, value_name = "REGEX=NAME")]
    pub(crate) rename_regex: Vec<PatternRename>,
    /// What comes before the names of all chosen topics, renamed or not
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prefix: String,
    /// Groups: globs over the whole name, repeated or separated by commas; all where none is given
    #[arg(long, value_name = "GLOB", conflicts_with = "no_groups")]
    pub(crate) groups: Vec<String>,
    /// Groups to leave out: globs, repeated or separated by commas; wins over --groups
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude_groups: Vec<String>,
    /// What groups are called in the target: the snapshot's name = the new one, repeated or separated by commas
    #[arg(long, value_name = "NAME=NAME,…", value_delimiter = ',')]
    pub(crate) rename_group: Vec<Rename>,
    /// What comes before the names of all chosen groups, renamed or not: a restore beside groups that are active
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) group_prefix: String,
}

impl NameFlags {
    /// Whether topics are called otherwise in the target: then they are meant, and not the cluster around them.
    pub(crate) fn renames_topics(&self) -> bool {
        !(self.rename.is_empty() && self.rename_regex.is_empty() && self.prefix.is_empty())
    }
}

/// `orders=orders-restored`: a name of the snapshot, and what it is called in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) from: String,
    pub(crate) to: String,
}

impl FromStr for Rename {
    type Err = RenameError;

    fn from_str(text: &str) -> Result<Self, RenameError> {
        let pair = text.split_once('=');
        let (from, to) = pair
            .filter(|(from, to)| !from.is_empty() && !to.is_empty())
            .ok_or_else(|| RenameError::NoPair(text.to_owned()))?;
        Ok(Self {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }
}
