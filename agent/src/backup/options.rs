//! What a backup takes, and its limits.

use std::{str::FromStr, time::Duration};

use lifeboat_archive::words::{ByteSize, TopicGlobs};
use lifeboat_config::BatchKeeping;

use super::CredentialOptions;

/// What is used again of earlier snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: everything is read, and shared with no other snapshot.
    Full,
    /// Whatever has not changed since; without an earlier snapshot nothing.
    #[default]
    Incremental,
}

/// A kind that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of backup: {0:?} (there are: full, incremental)")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "full" => Ok(Self::Full),
            "incremental" => Ok(Self::Incremental),
            other => Err(UnknownKind(other.to_owned())),
        }
    }
}

/// The settings of one backup.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which topics; internal ones never.
    pub topics: TopicGlobs,
    /// Whether earlier snapshots are built on.
    pub kind: Kind,
    /// The sum of all buffers: fetched batches, open segments, parts of uploads. At least 16 MiB.
    pub memory: ByteSize,
    /// A segment is closed at this many bytes as Kafka stores them; 1 MiB to 1 GiB.
    pub segment_size: ByteSize,
    /// An archive is closed at this many stored bytes.
    pub archive_size: ByteSize,
    /// zstd's level, −7 to 19.
    pub compression_level: i32,
    /// How batches are kept.
    pub batches: BatchKeeping,
    /// Bytes per second that are read at most, as Kafka stores them.
    pub max_rate: Option<ByteSize>,
    /// Connections to each broker that data are read by, at least 1.
    pub max_connections: usize,
    /// Whether the cluster may be new to a repository that holds others.
    pub new_cluster: bool,
    /// How long a partition may be without a leader before the rest of it is a gap.
    pub retry_deadline: Duration,
    /// How much may have to be read again after an interruption.
    pub progress_interval: Duration,
    /// Where what proves who the users are is read, and to whom it is sealed.
    pub credentials: CredentialOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: TopicGlobs::default(),
            kind: Kind::default(),
            memory: ByteSize::mib(96),
            segment_size: ByteSize::mib(64),
            archive_size: ByteSize::mib(128),
            compression_level: 1,
            batches: BatchKeeping::default(),
            max_rate: None,
            max_connections: 2,
            new_cluster: false,
            retry_deadline: Duration::from_secs(120),
            progress_interval: Duration::from_secs(30),
            credentials: CredentialOptions::default(),
        }
    }
}

/// How [`Options::memory`] is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Fetched batches that are not in a segment yet.
    pub(super) fetched: u64,
    /// Segments that are not uploaded yet, open and closed ones; the rest goes to the parts of uploads.
    pub(super) segments: u64,
    /// Open segments: beyond it the largest is closed.
    pub(super) open: u64,
    /// Bytes of one Fetch request.
    pub(super) request: u32,
}

impl Options {
    pub(super) fn shares(&self, lanes: u64) -> Shares {
        let memory = self.memory.0.max(16 << 20);
        // the rest stays for the parts of uploads, and for what compressors, connections and the allocator keep
        let fetched = memory / 7;
        // a connection keeps the memory of one answer for the next, beside the budget
        let request = (fetched / (2 * lanes + 2)).clamp(1 << 20, 8 << 20);
        Shares {
            fetched,
            segments: memory * 2 / 7,
            open: memory / 7,
            request: u32::try_from(request).unwrap_or(8 << 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_stay_below_the_memory_that_was_given() {
        for mib in [16, 96, 1024] {
            let options = Options {
                memory: ByteSize::mib(mib),
                ..Options::default()
            };
            let shares = options.shares(2);
            assert!(shares.fetched + shares.segments < mib << 20);
            assert!(u64::from(shares.request) * 2 <= shares.fetched);
        }
    }
}
