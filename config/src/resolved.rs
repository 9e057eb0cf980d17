//! The configuration after files, environment and flags have been put together.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use lifeboat_archive::{
    seal::Recipient,
    words::{ByteSize, TimeSpan, TopicGlobs},
};

use crate::{KafkaProperties, RepositoryLocation, RepositoryUrl, StoreOptions};

/// Everything that a configuration file can say, with its defaults filled in.
#[derive(Clone, Debug, Default)]
pub struct ResolvedConfig {
    /// The protected cluster.
    pub kafka: Option<KafkaProperties>,
    /// Other clusters, by the name that `--target` takes.
    pub targets: BTreeMap<String, KafkaProperties>,
    /// Where the snapshots are.
    pub repository: Option<RepositoryUrl>,
    /// What the store that they are in is told besides.
    pub store: StoreOptions,
    /// Other repositories, by the name that `--to` and `--repository` take.
    pub repositories: BTreeMap<String, RepositoryLocation>,
    /// Who may open what is sealed.
    pub recipients: Vec<Recipient>,
    /// Whether records and documents are sealed, too; where nothing is said, they are if there are recipients.
    pub seal_data: Option<bool>,
    /// Files with what opens what is sealed; read when something is to be opened.
    pub identities: Vec<PathBuf>,
    /// How a backup is made.
    pub backup: BackupSettings,
}

/// A slower backup would never end.
const SLOWEST: ByteSize = ByteSize(64 << 10);
/// More only wait for each other.
const MOST_CONNECTIONS: u32 = 32;

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// Which topics; internal ones never.
    pub topics: TopicGlobs,
    /// The sum of all buffers.
    pub memory: ByteSize,
    /// A segment closes at this many raw bytes.
    pub segment_size: ByteSize,
    /// An archive closes at about this many compressed bytes.
    pub archive_size: ByteSize,
    /// zstd's level.
    pub compression_level: i32,
    /// How record batches are kept.
    pub batches: BatchKeeping,
    /// Bytes per second that are read at most, as Kafka stores them.
    pub max_rate: Option<ByteSize>,
    /// Connections to each broker that data are read by.
    pub max_connections: u32,
    /// How long a partition may be out of reach before the rest of it is a gap.
    pub retry_deadline: TimeSpan,
    /// So often it is noted what is stored.
    pub progress_interval: TimeSpan,
    /// Where what proves who the users are is read, if it is.
    pub exact_credentials: ExactCredentials,
}

/// How record batches are kept in archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchKeeping {
    /// As Kafka stores them, byte by byte.
    #[default]
    Verbatim,
    /// Without the compression of their own, so that the archive's sees plain records: smaller archives of topics that
    /// are compressed with lz4, snappy or gzip. Restores compress them again.
    Repack,
}

impl fmt::Display for BatchKeeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verbatim => "verbatim",
            Self::Repack => "repack",
        })
    }
}

/// Text that is no way to keep batches.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("neither verbatim nor repack")]
pub struct UnknownKeeping;

impl FromStr for BatchKeeping {
    type Err = UnknownKeeping;

    fn from_str(text: &str) -> Result<Self, UnknownKeeping> {
        match text {
            "verbatim" => Ok(Self::Verbatim),
            "repack" => Ok(Self::Repack),
            _ => Err(UnknownKeeping),
        }
    }
}

/// Where the keys of SCRAM users and sensitive settings are read: in one of two ways, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExactCredentials {
    /// From the controllers.
    pub controllers: Option<ControllerAddresses>,
    /// How the controllers' listener is reached, over the properties of the protected cluster.
    pub kafka: KafkaProperties,
    /// From a node's metadata folder.
    pub metadata_dir: Option<PathBuf>,
}

/// Where the controllers listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControllerAddresses {
    /// Where the brokers say.
    Discover,
    /// Here: `host:port` each.
    Given(Vec<String>),
}

impl fmt::Display for ControllerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => f.write_str("discover"),
            Self::Given(addresses) => f.write_str(&addresses.join(",")),
        }
    }
}

/// Text that names no controller.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("neither discover nor host:port of a controller")]
pub struct NoController;

impl FromStr for ControllerAddresses {
    type Err = NoController;

    fn from_str(text: &str) -> Result<Self, NoController> {
        if text.trim() == "discover" {
            return Ok(Self::Discover);
        }
        let addresses = text.split(',').map(str::trim);
        let addresses = addresses.filter(|address| !address.is_empty());
        let addresses: Vec<_> = addresses.map(str::to_owned).collect();
        if addresses.is_empty() {
            return Err(NoController);
        }
        Ok(Self::Given(addresses))
    }
}

impl BackupSettings {
    /// The settings that can't work, by key, and why.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let sizes = [
            (
                "memory",
                self.memory,
                ByteSize::mib(16),
                ByteSize::mib(1 << 20),
            ),
            // R10: a segment stays below 1 GiB
            (
                "segment-size",
                self.segment_size,
                ByteSize(64 << 10),
                ByteSize::mib(1 << 10),
            ),
            (
                "archive-size",
                self.archive_size,
                ByteSize::mib(1),
                ByteSize::mib(64 << 10),
            ),
        ];
        let mut problems: Vec<_> = sizes
            .into_iter()
            .filter(|&(_, size, least, most)| size < least || size > most)
            .map(|(key, size, least, most)| {
                (key, format!("{size} is not between {least} and {most}"))
            })
            .collect();
        if !(1..=19).contains(&self.compression_level) {
            let problem = format!("{} is not between 1 and 19", self.compression_level);
            problems.push(("compression-level", problem));
        }
        if let Some(rate) = self.max_rate.filter(|rate| *rate < SLOWEST) {
            let problem = format!("{rate} a second is less than {SLOWEST}");
            problems.push(("max-rate", problem));
        }
        if !(1..=MOST_CONNECTIONS).contains(&self.max_connections) {
            let problem = format!(
                "{} is not between 1 and {MOST_CONNECTIONS}",
                self.max_connections
            );
            problems.push(("max-connections", problem));
        }
        problems
    }
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            memory: ByteSize::mib(96),
            segment_size: ByteSize::mib(64),
            archive_size: ByteSize::mib(128),
            compression_level: 1,
            batches: BatchKeeping::default(),
            max_rate: None,
            max_connections: 2,
            retry_deadline: TimeSpan::seconds(120),
            progress_interval: TimeSpan::seconds(30),
            exact_credentials: ExactCredentials::default(),
        }
    }
}
