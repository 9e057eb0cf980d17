//! Copies snapshots into another repository: the second site.
//!
//! # Crash consistency
//! Objects keep their names, which are unique for ever, and are copied as they are stored, each before what names it, the
//! commit last. So a copy that is stopped anywhere has brought whole snapshots over, and objects that nothing names yet;
//! the next one goes on with these. Nothing that is there is ever overwritten.
//!
//! # Proof
//! Every object is held against the hash by which it is named while it passes, before it can be seen in the target. What
//! does not match is named, and no snapshot that needs it is committed. Nothing is opened: sealed bytes stay sealed.

use std::{fmt, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use lifeboat_archive::words::{Clock, Progress};
use tokio_util::sync::CancellationToken;

use crate::{Repository, RepositoryError};

mod choice;
mod cluster;
mod inventory;
mod numbers;
mod object;
mod plan;
mod proof;
mod report;
mod steps;
mod transfer;

use cluster::ClusterCopy;
pub use report::{ClusterReport, CopyState, Finding, FindingKind, Report, Side, SnapshotReport};
use transfer::Transfer;

/// One copy: from where, to where, and who watches.
#[derive(Debug)]
pub struct Copy {
    /// The repository that is copied from; reading is enough.
    pub from: Repository,
    /// The repository that is copied to; nothing is ever deleted there.
    pub to: Repository,
    /// What is copied, and the limits.
    pub options: Options,
    /// Where the time comes from.
    pub clock: Clock,
    /// Told how far it is.
    pub progress: Progress,
    /// Stops it in good order; what was copied so far is not copied again.
    pub cancel: CancellationToken,
}

/// What is copied, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The clusters, by their ids.
    pub clusters: Vec<String>,
    /// The snapshots, by references; all that the target lacks where there are none.
    pub references: Vec<String>,
    /// The clusters may be new to a target that holds others.
    pub new_cluster: bool,
    /// Only tells what would be done.
    pub dry_run: bool,
    /// Reads again what the target has of these snapshots, and brings back what it lost.
    pub verify_existing: bool,
    /// Objects that are on their way at the same time, each with some parts of 8 MiB in memory.
    pub parallel: usize,
    /// Holds it back.
    pub throttle: Throttle,
}

/// Waits so that not too many bytes are moved; nothing waits by default.
#[derive(Clone, Default)]
pub struct Throttle(Option<Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>>);

impl Throttle {
    /// One that asks `wait` before so many bytes are handed on.
    pub fn new(wait: impl Fn(u64) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(wait)))
    }

    async fn spend(&self, bytes: u64) {
        if let Some(wait) = &self.0 {
            wait(bytes).await;
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

/// Why there is no report. Snapshots that were copied before are there, and stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The repository that is copied from.
    #[error("the repository that is copied from: {0}")]
    Source(#[source] RepositoryError),
    /// The repository that is copied to.
    #[error("the repository that is copied to: {0}")]
    Target(#[source] RepositoryError),
    /// Both are the same.
    #[error("{url} can't be copied to itself")]
    Same {
        /// Its address.
        url: String,
    },
    /// The target holds clusters that the source does not have, and this one is new to it.
    #[error("cluster {cluster_id} is new to the repository at {url}, which holds {}", known.join(", "))]
    ClusterUnknown {
        /// The cluster.
        cluster_id: String,
        /// The target.
        url: String,
        /// What it holds.
        known: Vec<String>,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Copy {
    /// Copies what the target lacks. Ok means that all was looked at: what could not be copied is in the report.
    pub async fn run(&self) -> Result<Report, CopyError> {
        let begun = Instant::now();
        let mut report = Report {
            from: self.from.url().to_owned(),
            to: self.to.url().to_owned(),
            dry_run: self.options.dry_run,
            started_at: self.clock.now(),
            elapsed_ms: 0,
            objects: 0,
            bytes: 0,
            verified_objects: 0,
            verified_bytes: 0,
            clusters: Vec::new(),
        };
        // before anything is read: a typing error in an address must not mix what does not belong together
        self.refuse_mixing().await?;
        // one that fails stops all, and so does whoever asks
        let stop = self.cancel.child_token();
        for id in &self.options.clusters {
            let cluster = ClusterCopy {
                copy: self,
                from: self.from.cluster(id).map_err(CopyError::Source)?,
                to: self.to.cluster(id).map_err(CopyError::Target)?,
                transfer: Transfer {
                    from: &self.from,
                    to: &self.to,
                    throttle: &self.options.throttle,
                    progress: &self.progress,
                    stop: &stop,
                },
            };
            cluster.run(&mut report).await?;
        }
        report.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    /// The rule of a backup: a cluster that is new to a repository in use must be expected. A repository that holds
    /// nothing but clusters of the source is a copy of it, and may get the next one.
    async fn refuse_mixing(&self) -> Result<(), CopyError> {
        if self.from.url() == self.to.url() {
            let url = self.to.url().to_owned();
            return Err(CopyError::Same { url });
        }
        if self.options.new_cluster {
            return Ok(());
        }
        let known = self.to.clusters().await.map_err(CopyError::Target)?;
        let theirs = self.from.clusters().await.map_err(CopyError::Source)?;
        let strange = known.iter().any(|id| !theirs.contains(id));
        let mut new = self.options.clusters.iter();
        match new.find(|id| strange && !known.contains(id)) {
            None => Ok(()),
            Some(id) => Err(CopyError::ClusterUnknown {
                cluster_id: id.clone(),
                url: self.to.url().to_owned(),
                known,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
