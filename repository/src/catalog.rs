//! Which snapshots there are.

use futures::{StreamExt, TryStreamExt};
use lifeboat_archive::{json, manifest::Commit, words::SnapshotId};

use crate::{RepositoryError, layout::ClusterLayout, repository::SMALL_BYTES, store::Store};

/// How many commits are read at once.
pub(crate) const READS: usize = 16;

/// All commits of a cluster, by number. None is ever left out.
#[derive(Debug)]
pub struct Catalog {
    /// The cluster.
    pub cluster: String,
    /// Its commits, the oldest first.
    pub entries: Vec<CatalogEntry>,
}

/// A commit, or what is left of one.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are commits")]
pub enum CatalogEntry {
    /// A snapshot.
    Committed(Commit),
    /// A commit that can't be read any more.
    Damaged {
        /// Its number.
        sequence: u64,
        /// Its object.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A commit that a newer program wrote.
    TooNew {
        /// Its number.
        sequence: u64,
        /// Its object.
        object: String,
        /// Its version.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
}

impl CatalogEntry {
    /// Its number.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Committed(commit) => commit.sequence,
            Self::Damaged { sequence, .. } | Self::TooNew { sequence, .. } => *sequence,
        }
    }

    /// The snapshot, or the error that stands in its way.
    pub fn commit(&self) -> Result<&Commit, RepositoryError> {
        match self {
            Self::Committed(commit) => Ok(commit),
            Self::Damaged { object, reason, .. } => Err(RepositoryError::damaged(object, reason)),
            Self::TooNew {
                object,
                found,
                known,
                ..
            } => Err(RepositoryError::TooNew {
                object: object.clone(),
                found: *found,
                known: *known,
            }),
        }
    }
}

impl Catalog {
    /// The snapshots that can be read, the oldest first.
    pub fn snapshots(&self) -> impl DoubleEndedIterator<Item = &Commit> {
        self.entries.iter().filter_map(|entry| entry.commit().ok())
    }

    /// The newest snapshot, if there is any. Damage of the newest commit is an error: it is not passed over in
    /// silence for an older one.
    pub fn latest(&self) -> Result<Option<&Commit>, RepositoryError> {
        self.entries.last().map(CatalogEntry::commit).transpose()
    }

    /// The snapshot that `reference` names: an id, a unique prefix of one, `latest`, or `latest~2` for the second
    /// before the newest.
    pub fn resolve(&self, reference: &str) -> Result<&Commit, RepositoryError> {
        if self.entries.is_empty() {
            return Err(RepositoryError::NoSnapshots {
                cluster: self.cluster.clone(),
            });
        }
        match back_from_latest(reference) {
            Some(back) => {
                let entry = self.entries.iter().rev().nth(back);
                entry.ok_or_else(|| self.no_such(reference))?.commit()
            }
            None => self.by_prefix(reference),
        }
    }

    fn by_prefix(&self, prefix: &str) -> Result<&Commit, RepositoryError> {
        let named =
            |commit: &&Commit| !prefix.is_empty() && commit.snapshot.as_str().starts_with(prefix);
        // the newest first: should an id ever be committed twice, the later commit holds
        let mut found: Vec<&Commit> = self.snapshots().rev().filter(named).collect();
        found.dedup_by(|a, b| a.snapshot == b.snapshot);
        match found.as_slice() {
            [only] => Ok(only),
            [] => Err(self.no_such(prefix)),
            several => Err(RepositoryError::Ambiguous {
                reference: prefix.to_owned(),
                candidates: several
                    .iter()
                    .map(|commit| SnapshotId::clone(&commit.snapshot))
                    .collect(),
            }),
        }
    }

    fn no_such(&self, reference: &str) -> RepositoryError {
        RepositoryError::NoSuchSnapshot {
            cluster: self.cluster.clone(),
            reference: reference.to_owned(),
        }
    }
}

/// `latest` is 0, `latest~2` is 2.
fn back_from_latest(reference: &str) -> Option<usize> {
    let rest = reference.strip_prefix("latest")?;
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix('~')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // a number too large to count is beyond any catalog
    plain.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// Reads every commit of the cluster.
pub(crate) async fn load(
    store: &Store,
    layout: &ClusterLayout,
) -> Result<Catalog, RepositoryError> {
    let sequences = sequences(store, layout).await?;
    read(store, layout, sequences).await
}

/// Reads the newest commits of the cluster, `most` of them.
pub(crate) async fn load_newest(
    store: &Store,
    layout: &ClusterLayout,
    most: usize,
) -> Result<Catalog, RepositoryError> {
    let mut sequences = sequences(store, layout).await?;
    sequences.drain(..sequences.len().saturating_sub(most));
    read(store, layout, sequences).await
}

async fn read(
    store: &Store,
    layout: &ClusterLayout,
    sequences: Vec<u64>,
) -> Result<Catalog, RepositoryError> {
    let entries = futures::stream::iter(sequences)
        .map(|sequence| entry(store, layout, sequence))
        .buffered(READS)
        .try_collect()
        .await?;
    Ok(Catalog {
        cluster: layout.cluster().to_owned(),
        entries,
    })
}

/// The numbers of all commits that are listed, in order.
pub(crate) async fn sequences(
    store: &Store,
    layout: &ClusterLayout,
) -> Result<Vec<u64>, RepositoryError> {
    let mut sequences = Vec::new();
    for object in store.list(&layout.commits()).await? {
        if let Some(sequence) = layout.sequence(&object) {
            sequences.push(sequence);
        } else {
            tracing::warn!(object, "not a commit: passed over");
        }
    }
    sequences.sort_unstable();
    Ok(sequences)
}

async fn entry(
    store: &Store,
    layout: &ClusterLayout,
    sequence: u64,
) -> Result<CatalogEntry, RepositoryError> {
    match read_commit(store, layout, sequence).await {
        Ok(commit) => Ok(CatalogEntry::Committed(commit)),
        // a snapshot that was there is never dropped in silence
        Err(RepositoryError::NotFound { object }) => Ok(CatalogEntry::Damaged {
            sequence,
            object,
            reason: "the store lists it, and does not have it".to_owned(),
        }),
        Err(RepositoryError::Damaged { object, problem }) => Ok(CatalogEntry::Damaged {
            sequence,
            object,
            reason: problem,
        }),
        Err(RepositoryError::TooNew {
            object,
            found,
            known,
        }) => Ok(CatalogEntry::TooNew {
            sequence,
            object,
            found,
            known,
        }),
        Err(error) => Err(error),
    }
}

/// The commit with that number, its hash and its place checked.
pub(crate) async fn read_commit(
    store: &Store,
    layout: &ClusterLayout,
    sequence: u64,
) -> Result<Commit, RepositoryError> {
    let object = layout.commit(sequence);
    let bytes = store.read_whole(&object, SMALL_BYTES).await?;
    let commit: Commit =
        json::from_root(&bytes).map_err(|error| RepositoryError::from_json(&object, &error))?;
    if commit.sequence == sequence && commit.cluster_id == layout.cluster() {
        return Ok(commit);
    }
    let problem = format!(
        "it says that it is number {} of cluster {}",
        commit.sequence, commit.cluster_id
    );
    Err(RepositoryError::damaged(&object, problem))
}

#[cfg(test)]
mod tests;
