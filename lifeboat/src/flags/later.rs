//! What becomes of a restore that was interrupted, or has put something off.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Default, Args)]
pub(crate) struct LaterFlags {
    /// Go on with a restore that was interrupted, exactly as it was planned; without SNAPSHOT: the newest one into this
    /// cluster
    #[arg(long, group = "later", help_heading = "Interrupted restores")]
    #[arg(conflicts_with_all = [
        "topics", "exclude", "only", "no_groups", "prune_extra", "assignment", "broker_map", "compare", "no_compare",
        "into_source", "bootstrap_checkpoint", "rename", "rename_regex", "prefix", "groups", "exclude_groups",
        "rename_group", "group_prefix", "append", "replace",
        "from", "until", "partitions", "until_offset", "filter", "drop_tombstones", "salvage",
        "repartition",
    ])]
    pub(crate) resume: bool,
    /// End restores into this cluster: put back retention that was put off, and give the topics of interrupted ones, which
    /// can't be resumed then, their final settings
    #[arg(long, group = "later", help_heading = "Interrupted restores")]
    #[arg(conflicts_with_all = [
        "snapshot", "topics", "exclude", "only", "no_groups", "prune_extra", "assignment", "broker_map", "compare",
        "no_compare", "into_source", "bootstrap_checkpoint", "passwords", "generate_passwords", "rename",
        "rename_regex", "prefix", "groups", "exclude_groups", "rename_group", "group_prefix", "append", "replace",
        "from", "until", "partitions", "until_offset", "filter", "drop_tombstones", "salvage",
        "repartition",
    ])]
    pub(crate) finish: bool,
    /// The journal that is meant, instead of those in the folder of --state
    #[arg(long, value_name = "FILE", requires = "later")]
    #[arg(help_heading = "Interrupted restores")]
    pub(crate) journal: Option<PathBuf>,
}
