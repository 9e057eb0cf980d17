//! Takes one snapshot of a cluster and commits it.
//!
//! # Crash consistency
//! Until the commit is written the snapshot does not exist. Archives, documents, lists and a manifest that a crash leaves
//! behind are named by nothing and harm nothing.
//!
//! # Completeness
//! The bounds of all partitions are captured at once and every partition is read exactly up to them; compacted ones are
//! read on until nothing can have been cleaned away between (R11). What can't be read is a recorded gap or problem, and
//! the snapshot is partial.

use std::time::Instant;

use lifeboat_archive::{
    manifest::Commit,
    words::{Clock, Progress, SnapshotId},
};
use lifeboat_kafka::wire::Cluster;
use lifeboat_repository::{ClusterRepository, Repository};
use tokio_util::sync::CancellationToken;

mod archives;
mod assemble;
mod bounds;
mod continuity;
mod cut;
mod earlier;
mod error;
mod lists;
mod notes;
mod options;
mod partition;
mod plan;
mod readings;
mod report;
mod secrets;
mod stream;
mod unfinished;
mod written;

use earlier::Earlier;
use notes::Notes;
use readings::{Basis, Readings};
use unfinished::Unfinished;

pub use error::BackupError;
pub use options::{Kind, Options, UnknownKind};
pub use report::{PartitionGap, Report};
pub use secrets::{CredentialOptions, CredentialSource, UsersReport};

/// One backup: what it reads, where it writes, and who watches.
#[derive(Debug)]
pub struct Backup {
    /// The cluster that is read.
    pub cluster: Cluster,
    /// The repository that the snapshot goes to.
    pub repository: Repository,
    /// What is chosen, and the limits.
    pub options: Options,
    /// Where the time comes from.
    pub clock: Clock,
    /// Told how far the run is.
    pub progress: Progress,
    /// Stops the run; what was stored so far stays behind as unreferenced objects.
    pub cancel: CancellationToken,
}

impl Backup {
    /// Takes the snapshot. Ok means that it is committed, completely or partially: see [`Report::is_partial`].
    pub async fn run(&self) -> Result<Report, BackupError> {
        let begun = Instant::now();
        let started_at = self.clock.now();
        let snapshot = SnapshotId::generate(started_at);
        // Before anything is read: a typing error in an address must not mix two clusters in one repository.
        let store = self.open_store().await?;

        self.progress.begin("planning", 0);
        // Group offsets before bounds: a committed offset is then normally not beyond the data (R19).
        let groups = self.unless_cancelled(plan::groups(&self.cluster)).await?;
        let topics = self
            .unless_cancelled(plan::topics(&self.cluster, &self.options))
            .await?;
        // Earlier snapshots before bounds: what another backup commits meanwhile may lie behind ours.
        let names = topics.metadata.iter().map(|topic| &*topic.name);
        let earlier = self.unless_cancelled(Earlier::load(&store, names)).await?;
        // Before they are asked for: no bound is older than that (R11), and the RPO is not flattered.
        let bounds_at = self.clock.now();
        // Bounds once, before any data: producers can't move the end of the snapshot.
        let mut bounds = self
            .unless_cancelled(cut::capture(&self.cluster, &topics))
            .await?;
        let activity = self
            .unless_cancelled(plan::activity(&self.cluster, bounds_at))
            .await?;

        // Whether the log continues what is archived is asked behind the bounds: it then holds for all up to there.
        let readings = self
            .unless_cancelled(self.readings(&store, earlier, &topics, &bounds))
            .await?;

        // Archives first, each confirmed before anything names it.
        let interval = self.options.progress_interval;
        let notes = readings.progress(&store, snapshot.clone(), &bounds, bounds_at, interval);
        let (readings, streamed) = self.stream(&store, &mut bounds, readings, notes).await?;

        self.progress.begin("committing", 0);
        // Small and quick, so last: what is read together lies close together in time.
        let surroundings = self
            .unless_cancelled(plan::surroundings(&self.cluster, &groups.document))
            .await?;
        let assembly = assemble::Assembly {
            snapshot,
            cluster: &self.cluster,
            store: &store,
            clock: &self.clock,
            started_at,
            bounds_at,
            topics,
            groups,
            activity,
            surroundings,
            bounds,
            readings,
            streamed,
            credentials: &self.options.credentials,
        };
        // Documents and lists before the manifest that names them, the manifest before the commit that names it.
        let manifest = self.unless_cancelled(assembly.store()).await?;
        // From here on the snapshot exists; before this line nothing does.
        let commit = store.commit(self.commit_of(&manifest)).await?;
        let recipients = self.repository.recipients();
        Ok(Report::new(commit, &manifest, recipients, begun.elapsed()))
    }

    /// This cluster's folder. A cluster that is new to a repository in use must be expected.
    async fn open_store(&self) -> Result<ClusterRepository, BackupError> {
        let cluster_id = self.cluster.cluster_id();
        let known = self.repository.clusters().await?;
        if !known.is_empty()
            && !known.iter().any(|id| id == cluster_id)
            && !self.options.new_cluster
        {
            return Err(BackupError::ClusterUnknown {
                cluster_id: cluster_id.to_owned(),
                known,
            });
        }
        Ok(self.repository.cluster(cluster_id)?)
    }

    async fn readings(
        &self,
        store: &ClusterRepository,
        earlier: Earlier,
        topics: &plan::PlannedTopics,
        bounds: &bounds::Bounds,
    ) -> Result<Readings, BackupError> {
        let sealing = !self.repository.recipients().is_empty();
        let unfinished = Unfinished::load(store, earlier.newest.as_ref(), sealing).await?;
        let basis = Basis {
            kind: self.options.kind,
            sealing,
            earlier,
            unfinished,
            cleanups: topics.cleanups.clone(),
            now: self.clock.now(),
        };
        Readings::plan(&self.cluster, store, basis, bounds).await
    }

    /// Reads everything, and once more what compaction may have changed while it was read (R11).
    async fn stream(
        &self,
        store: &ClusterRepository,
        bounds: &mut bounds::Bounds,
        mut readings: Readings,
        notes: Notes,
    ) -> Result<(Readings, stream::Streamed), BackupError> {
        let cleanups = readings.cleanups.clone();
        let first = stream::stream(
            self,
            store,
            bounds,
            &cleanups,
            &readings.partitions,
            Some(notes),
        );
        let mut streamed = first.await?;
        bounds.move_to(&streamed.ends());
        let again = readings.unsafe_after(bounds, &streamed.times());
        if !again.is_empty() {
            tracing::warn!(
                partitions = again.len(),
                "reading took longer than tombstones live, reading in full again"
            );
            let anew = readings.only_in_full(&again, bounds);
            let read = stream::stream(self, store, bounds, &cleanups, &anew, None).await?;
            bounds.move_to(&read.ends());
            streamed.replace(&again, read);
        }
        Ok((readings, streamed))
    }

    fn commit_of(&self, stored: &assemble::StoredManifest) -> Commit {
        let manifest = &stored.manifest;
        Commit {
            // the catalog gives the number
            sequence: 0,
            follows: None,
            snapshot: manifest.snapshot.clone(),
            cluster_id: manifest.cluster_id.clone(),
            kind: manifest.kind,
            state: manifest.state,
            started_at: manifest.started_at,
            bounds_at: manifest.bounds_at,
            committed_at: self.clock.now(),
            manifest: stored.reference.clone(),
            totals: manifest.totals,
        }
    }

    async fn unless_cancelled<T, E: Into<BackupError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BackupError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(BackupError::Interrupted),
            result = work => result.map_err(Into::into),
        }
    }
}
