//! Evidence beside the snapshots: what verifications, comparisons and rehearsals found, in small create-only roots.
//!
//! Results vouch for snapshots and are none of their parts: nothing that is needed for a restore leads here. One that
//! can't be read is told and counts for nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, stream};
use lifeboat_archive::{
    json,
    manifest::{Commit, SnapshotState},
    results::{ProofResult, Subset},
    words::SnapshotId,
};
use serde::{Deserialize, Serialize};

use crate::{
    Catalog, ClusterRepository, RepositoryError, catalog::READS, layout::new_ulid,
    repository::SMALL_BYTES,
};

mod standing;

pub use standing::{Standing, standing};

/// The reference that is resolved with results.
const LATEST_VERIFIED: &str = "latest-verified";
/// Of each snapshot the newest are read: enough for all parts that a verification may have, and for comparisons between
/// them. Their names do not tell what they say.
const MOST_READ: usize = 2 * Subset::MOST as usize;
/// So often a name may be taken, which is drawn by lot.
const NAMES: usize = 8;

/// What is known of the snapshots of a cluster.
#[derive(Debug, Default)]
pub struct Results {
    /// By snapshot, the newest first.
    pub by_snapshot: BTreeMap<SnapshotId, Vec<ProofResult>>,
    /// Those that can't be read: they count for nothing.
    pub unreadable: Vec<UnreadableResult>,
}

/// A result that counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableResult {
    /// The object.
    pub object: String,
    /// Why.
    pub problem: String,
}

impl Results {
    /// The results of a snapshot, the newest first.
    pub fn of(&self, snapshot: &SnapshotId) -> &[ProofResult] {
        self.by_snapshot.get(snapshot).map_or(&[], Vec::as_slice)
    }

    /// What they come to.
    pub fn standing(&self, snapshot: &SnapshotId) -> Option<Standing> {
        standing(self.of(snapshot))
    }

    /// The newest complete snapshot that was proven as a whole, and of which nothing worse is known since.
    pub fn latest_verified<'c>(&self, catalog: &'c Catalog) -> Option<&'c Commit> {
        catalog.snapshots().rev().find(|commit| {
            let standing = self.standing(&commit.snapshot);
            commit.state == SnapshotState::Complete
                && standing.is_some_and(|standing| standing.verified)
        })
    }
}

impl ClusterRepository {
    /// Stores a result; gives its object.
    pub async fn put_result(&self, result: &ProofResult) -> Result<String, RepositoryError> {
        self.repository().confirm().await?;
        let bytes = Bytes::from(json::to_root(result));
        let mut taken = None;
        for _ in 0..NAMES {
            let lot = new_ulid(result.finished_at)
                .to_string()
                .to_ascii_lowercase();
            let object = self
                .layout()
                .result(&result.snapshot, result.finished_at, &lot[20..]);
            let store = self.repository().store();
            match store.create_confirmed(&object, bytes.clone()).await {
                Ok(()) => return Ok(object),
                Err(error @ RepositoryError::Exists { .. }) => taken = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(taken.unwrap_or_else(|| RepositoryError::Exists {
            object: self.layout().results(),
        }))
    }

    /// The results of one snapshot, or of all: one listing, and the newest of each are read.
    pub async fn results(&self, of: Option<&SnapshotId>) -> Result<Results, RepositoryError> {
        let folder = match of {
            None => self.layout().results(),
            Some(snapshot) => self.layout().results_of(snapshot),
        };
        let mut objects: BTreeMap<SnapshotId, Vec<String>> = BTreeMap::new();
        // in order of their names, which is that of their times
        for object in self.repository().store().list(&folder).await? {
            if let Some(snapshot) = self.layout().result_of(&object) {
                objects.entry(snapshot).or_default().push(object);
            } else {
                tracing::warn!(object, "not a result: passed over");
            }
        }
        let newest = objects.into_iter().flat_map(|(snapshot, mut objects)| {
            objects.drain(..objects.len().saturating_sub(MOST_READ));
            let named = move |object| (snapshot.clone(), object);
            objects.into_iter().map(named)
        });
        let mut read = stream::iter(newest)
            .map(async |(snapshot, object)| {
                let result = self.result(&snapshot, &object).await;
                (snapshot, object, result)
            })
            .buffered(READS);
        let mut results = Results::default();
        while let Some((snapshot, object, result)) = read.next().await {
            match result {
                Ok(result) => results
                    .by_snapshot
                    .entry(snapshot)
                    .or_default()
                    .push(result),
                Err(error) => results.unreadable.push(UnreadableResult {
                    object,
                    problem: told(&error),
                }),
            }
        }
        for results in results.by_snapshot.values_mut() {
            results.sort_by_key(|result| std::cmp::Reverse(result.finished_at));
        }
        Ok(results)
    }

    async fn result(
        &self,
        snapshot: &SnapshotId,
        object: &str,
    ) -> Result<ProofResult, RepositoryError> {
        let bytes = self
            .repository()
            .store()
            .read_whole(object, SMALL_BYTES)
            .await?;
        let result: ProofResult =
            json::from_root(&bytes).map_err(|error| RepositoryError::from_json(object, &error))?;
        if result.snapshot == *snapshot && result.cluster_id == self.id() {
            return Ok(result);
        }
        let problem = format!(
            "it says that it is about {} of cluster {}",
            result.snapshot, result.cluster_id
        );
        Err(RepositoryError::damaged(object, problem))
    }

    /// The snapshot that `reference` names: as [`Catalog::resolve`] does, and `latest-verified`.
    pub async fn resolve(
        &self,
        catalog: &Catalog,
        reference: &str,
    ) -> Result<Commit, RepositoryError> {
        if reference != LATEST_VERIFIED {
            return catalog.resolve(reference).cloned();
        }
        let results = self.results(None).await?;
        let found = results.latest_verified(catalog);
        found.cloned().ok_or_else(|| RepositoryError::NoneVerified {
            cluster: self.id().to_owned(),
        })
    }
}

fn told(error: &RepositoryError) -> String {
    match error {
        RepositoryError::Damaged { problem, .. } => problem.clone(),
        other => other.with_cause(),
    }
}

#[cfg(test)]
mod tests;
