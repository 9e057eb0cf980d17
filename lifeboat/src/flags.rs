//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::exit;

mod backup;
mod check;
mod cluster;
mod compare;
mod config;
mod copy;
mod diff;
mod identities;
mod init;
mod later;
mod names;
mod offsets;
mod rehearse;
mod repository;
mod restore;
mod show;
mod snapshots;
mod topics;
mod users;
mod verify;

pub(crate) use backup::{BackupFlags, LimitFlags};
pub(crate) use check::CheckFlags;
pub(crate) use cluster::SourceFlags;
pub(crate) use compare::CompareFlags;
pub(crate) use config::{ConfigFlags, ConfigVerb};
pub(crate) use copy::CopyFlags;
pub(crate) use diff::DiffFlags;
#[cfg(test)]
pub(crate) use identities::IdentityPlace;
pub(crate) use identities::{IDENTITY_VARIABLE, IdentityFlags};
pub(crate) use init::InitFlags;
pub(crate) use later::LaterFlags;
pub(crate) use names::{NameFlags, Rename};
pub(crate) use offsets::{OffsetsFlags, OffsetsVerb, TranslateFlags};
pub(crate) use rehearse::RehearseFlags;
pub(crate) use repository::{ClusterChoice, RepositoryFlags};
pub(crate) use restore::{OffsetMapFormat, RestoreFlags, TargetFlags, WriteLimitFlags};
pub(crate) use show::{ShowFlags, ShowParts};
pub(crate) use snapshots::SnapshotsFlags;
pub(crate) use topics::{StoredTopicFlags, TopicFlags};
pub(crate) use users::{CredentialFlags, UserFlags};
pub(crate) use verify::VerifyFlags;

/// Backup and disaster recovery for Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, after_help = exit::HELP, max_term_width = 120)]
#[command(disable_help_subcommand = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalFlags,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalFlags {
    /// Configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "LIFEBOAT_CONFIG",
        hide_env_values = true
    )]
    #[arg(help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON document instead of tables; errors too
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// More logs: -v info, -vv debug, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// What is logged: error, warn, info, debug, trace, or directives such as lifeboat_kafka=debug
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "LIFEBOAT_LOG_LEVEL",
        hide_env_values = true
    )]
    #[arg(help_heading = "Global options")]
    pub(crate) log_level: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a repository
    Init(InitFlags),
    /// Take a snapshot of a cluster
    Backup(Box<BackupFlags>),
    /// List the snapshots of a cluster
    Snapshots(SnapshotsFlags),
    /// Show what a snapshot holds
    Show(ShowFlags),
    /// Show what changed since a snapshot, until now or until another one
    Diff(DiffFlags),
    /// Read all of a snapshot and find any damage
    Verify(VerifyFlags),
    /// Compare a snapshot with a live cluster, record by record and both ways
    Compare(Box<CompareFlags>),
    /// Restore a snapshot under other names, compare, and remove that again: to know that it works and how long it takes
    Rehearse(Box<RehearseFlags>),
    /// Check that everything is there that the snapshots of a repository need, and what else is
    Check(CheckFlags),
    /// Copy snapshots to another repository, as far as it lacks them
    Copy(CopyFlags),
    /// Give a snapshot back to a cluster: topics with their records, groups, settings, rights
    Restore(Box<RestoreFlags>),
    /// Tell where offsets of a snapshot go
    Offsets(OffsetsFlags),
    /// Check or show the configuration
    Config(ConfigFlags),
}

#[cfg(test)]
mod tests;
