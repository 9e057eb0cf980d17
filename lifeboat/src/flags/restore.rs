//! `lifeboat restore`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use lifeboat_archive::words::{ByteSize, TimeSpan};
use lifeboat_restore::{
    parts::Part,
    repartition::RepartitionChoice,
    restore::Depth,
    selection::{Filters, OffsetLimit, PartitionChoice, RecordFilter, TimePoint, Wanted},
};

use super::{
    ClusterChoice, IdentityFlags, LaterFlags, NameFlags, RepositoryFlags, TopicFlags, UserFlags,
};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct RestoreFlags {
    /// Which snapshot: its id, the first letters of it, latest, latest~2, or latest-verified
    #[arg(required_unless_present = "later")]
    pub(crate) snapshot: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetFlags,
    #[command(flatten)]
    pub(crate) repository: RepositoryFlags,
    #[command(flatten)]
    pub(crate) choice: ClusterChoice,
    #[command(flatten)]
    pub(crate) identities: IdentityFlags,
    // not filled from the environment: that says what is saved, not what is to be written over
    /// Topics: globs over the whole name, repeated or separated by commas; all where none is given
    #[arg(long, value_name = "GLOB")]
    pub(crate) topics: Vec<String>,
    /// Topics to leave out: globs, repeated or separated by commas; wins over --topics
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    #[command(flatten)]
    pub(crate) names: NameFlags,
    /// Only these partitions of a topic (a glob) get records, as in orders:0,3-5; repeatable. All partitions are made
    #[arg(long, value_name = "TOPIC:PARTITION,…")]
    pub(crate) partitions: Vec<PartitionChoice>,
    /// Only records from this time on: 2026-11-14T22:00Z, 2026-11-14 (UTC), or -2h (before the snapshot). Each record
    /// goes by its own time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<TimePoint>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<TimePoint>,
    /// Only the records of a partition below this offset of the source, as in orders-3=12345; repeated or separated by
    /// commas
    #[arg(long, value_name = "PARTITION=OFFSET", value_delimiter = ',')]
    pub(crate) until_offset: Vec<OffsetLimit>,
    /// Only records whose key or header is like that: key=GLOB, key!=GLOB, header:NAME=GLOB, header:NAME!=GLOB,
    /// header:NAME (there is one), !header:NAME; repeatable: all have to hold. What is null matches no glob
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<RecordFilter>,
    /// Leave out records without a value
    #[arg(long)]
    pub(crate) drop_tombstones: bool,
    /// Give topics another number of partitions, as in 12 or orders=12 (orders may be a glob); repeatable. Records go by
    /// their keys, as Kafka's Java client sends them, and those without a key evenly; offsets of groups are not restored
    /// for these topics
    #[arg(long, value_name = "[TOPIC=]NUMBER")]
    pub(crate) repartition: Vec<RepartitionChoice>,
    /// Restore what is sound although the snapshot is damaged, and name exactly what is missing (exit code 3)
    #[arg(long)]
    pub(crate) salvage: bool,
    /// Write where every offset went into this new file, .csv or .json
    #[arg(long, value_name = "FILE")]
    pub(crate) offset_map: Option<PathBuf>,
    /// How that file is written, where its name does not tell
    #[arg(long, value_name = "FORMAT", requires = "offset_map")]
    pub(crate) offset_map_format: Option<OffsetMapFormat>,
    /// What is restored: data, topics, groups, configs, quotas, acls, users; separated by commas [default: all;
    /// with --topics, --exclude or other names for topics: data, topics, groups]
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Leave consumer groups alone
    #[arg(long, conflicts_with = "only")]
    pub(crate) no_groups: bool,
    /// Also remove configurations, quotas and ACLs that the snapshot does not have; never topics, groups, users, or the
    /// rights of who restores
    #[arg(long)]
    pub(crate) prune_extra: bool,
    /// Put the replicas of new topics on the same brokers, instead of only as many replicas
    #[arg(long)]
    pub(crate) assignment: bool,
    /// What brokers are called in the target: the snapshot's id = the target's, separated by commas
    #[arg(long, value_name = "ID=ID,…", value_delimiter = ',')]
    pub(crate) broker_map: Vec<BrokerPair>,
    /// How what was written is compared with the snapshot when it is read back
    #[arg(long, value_name = "HOW", default_value = "batches")]
    pub(crate) compare: Compare,
    /// Do not read back and compare what was written
    #[arg(long, conflicts_with = "compare")]
    pub(crate) no_compare: bool,
    /// Write behind the records of topics that hold some, instead of refusing them; they keep their own settings, and
    /// groups that read them their offsets
    #[arg(long)]
    pub(crate) append: bool,
    /// Delete, for ever, the records of topics that hold some, before they are written
    #[arg(long, conflicts_with = "append")]
    pub(crate) replace: bool,
    /// Allow restoring into the cluster that the snapshot was taken of
    #[arg(long)]
    pub(crate) into_source: bool,
    /// Only show the plan; nothing is changed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) limits: WriteLimitFlags,
    #[command(flatten)]
    pub(crate) users: UserFlags,
    /// Where the restore's journal is kept [default: $XDG_STATE_HOME/lifeboat]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "LIFEBOAT_STATE",
        hide_env_values = true
    )]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) later: LaterFlags,
}

/// `1=4`: a broker of the snapshot, and what it is called in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokerPair {
    pub(crate) snapshot: i32,
    pub(crate) target: i32,
}

impl FromStr for BrokerPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not a pair of broker ids, as in 1=4");
        let (snapshot, target) = text.split_once('=').ok_or_else(wrong)?;
        let id = |text: &str| text.trim().parse().map_err(|_| wrong());
        Ok(Self {
            snapshot: id(snapshot)?,
            target: id(target)?,
        })
    }
}

impl RestoreFlags {
    /// Which records.
    pub(crate) fn selection(&self) -> Wanted {
        Wanted {
            from: self.from,
            until: self.until,
            partitions: self.partitions.clone(),
            until_offsets: self.until_offset.clone(),
            filters: Filters {
                all: self.filter.clone(),
                drop_tombstones: self.drop_tombstones,
            },
        }
    }

    /// The snapshot that is named; only who goes on or ends something names none.
    pub(crate) fn snapshot(&self) -> &str {
        self.snapshot.as_deref().unwrap_or_default()
    }

    /// Which topics.
    pub(crate) fn topics(&self) -> TopicFlags {
        TopicFlags {
            topics: self.topics.clone(),
            exclude: self.exclude.clone(),
        }
    }
}

/// The cluster that is restored into. There is no default, and none from the environment.
#[derive(Debug, Args)]
pub(crate) struct TargetFlags {
    /// The cluster of that name under targets: in the configuration file
    #[arg(long, value_name = "NAME", conflicts_with = "bootstrap_servers")]
    pub(crate) target: Option<String>,
    /// Brokers to begin with: host:port, separated by commas
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(crate) bootstrap_servers: Option<String>,
    /// Kafka client properties (a .properties file, as Kafka's own tools take)
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

/// How much is written at a time.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WriteLimitFlags {
    /// Sum of all buffers [default: 96MiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LIFEBOAT_MEMORY",
        hide_env_values = true
    )]
    pub(crate) memory: Option<ByteSize>,
    /// Bytes written per second at most, over all connections [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_rate: Option<ByteSize>,
    /// Connections to each broker that data are written by [default: 4]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_connections: Option<u32>,
    /// How long the target may take not a single batch of a partition before the restore stops, to be gone on with
    /// [default: 3m]
    #[arg(long, value_name = "TIME")]
    pub(crate) retry_deadline: Option<TimeSpan>,
}

/// How an offset map is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OffsetMapFormat {
    /// Comma-separated values
    Csv,
    /// One JSON document
    Json,
}

/// How closely what was written is compared.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Compare {
    /// Batches that passed as they are by their bytes, the records of the others one by one
    Batches,
    /// Every record, read by another client (librdkafka): several times slower
    Records,
}

impl From<Compare> for Depth {
    fn from(compare: Compare) -> Self {
        match compare {
            Compare::Batches => Self::Batches,
            Compare::Records => Self::Records,
        }
    }
}
