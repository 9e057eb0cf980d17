//! What earlier snapshots hold of the topics that are to be saved.

use std::collections::{HashMap, HashSet};

use lifeboat_archive::{
    manifest::{ManifestTopic, Problem},
    words::{SnapshotId, Timestamp},
};
use lifeboat_repository::{ClusterRepository, is_sealed};

use super::BackupError;

/// So many snapshots are looked at for topics that the newest does not have: backups may take turns with the topics.
const MOST_SNAPSHOTS: usize = 4;

/// A topic as the newest snapshot has it that has it at all.
#[derive(Clone, Debug)]
pub(super) struct EarlierTopic {
    pub(super) topic: ManifestTopic,
    /// Which snapshot.
    pub(super) snapshot: SnapshotId,
    /// When its bounds were captured.
    pub(super) bounds_at: Timestamp,
    /// Whether all of that snapshot is sealed: one that is builds on none that is not.
    pub(super) sealed: bool,
}

/// What can be built on.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    topics: HashMap<String, EarlierTopic>,
    /// The newest snapshot that can be read.
    pub(super) newest: Option<SnapshotId>,
    /// Snapshots that should be there and can't be read.
    pub(super) problems: Vec<Problem>,
}

impl Earlier {
    /// Looks for these topics in the newest snapshots.
    ///
    /// A damaged snapshot is told and passed over. Where the store does not answer there is no telling what there is.
    pub(super) async fn load<'t>(
        store: &ClusterRepository,
        topics: impl Iterator<Item = &'t str>,
    ) -> Result<Self, BackupError> {
        let mut wanted: HashSet<&str> = topics.collect();
        let mut earlier = Self::default();
        let newest = store.newest(MOST_SNAPSHOTS).await?;
        let snapshots = newest.snapshots().map(|commit| commit.snapshot.clone());
        earlier.newest = snapshots.max();
        for entry in newest.entries.iter().rev() {
            if wanted.is_empty() {
                break;
            }
            let read = match entry.commit() {
                Ok(commit) => store.manifest(commit).await,
                Err(error) => Err(error),
            };
            let manifest = match read {
                Ok(manifest) => manifest,
                Err(error) if error.is_unusable() => {
                    earlier.problems.push(Problem {
                        subject: format!("commit {}", entry.sequence()),
                        problem: format!("can't be built on: {error}"),
                        partial: false,
                    });
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let sealed = is_sealed(&manifest.documents.object);
            for topic in manifest.topics {
                if wanted.remove(topic.topic.as_str()) {
                    let name = topic.topic.clone();
                    let found = EarlierTopic {
                        topic,
                        snapshot: manifest.snapshot.clone(),
                        bounds_at: manifest.bounds_at,
                        sealed,
                    };
                    earlier.topics.insert(name, found);
                }
            }
        }
        Ok(earlier)
    }

    pub(super) fn topic(&self, name: &str) -> Option<&EarlierTopic> {
        self.topics.get(name)
    }
}
