//! Proof of restore: topics of a snapshot are restored under names of their own, compared record by record, and removed.
//!
//! What was measured on the way, how long it took and how much would have been lost, is stored as evidence.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use lifeboat_archive::{
    documents::Documents,
    manifest::{Commit, Manifest, ManifestTopic},
    results::{ChosenTopics, Measured, ProofOutcome},
    words::{ByteSize, Clock, Progress, SnapshotId, TopicGlobs},
};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    KafkaError,
    wire::{Cluster, TopicScope},
};
use lifeboat_repository::ClusterRepository;
use tokio_util::sync::CancellationToken;

mod report;
mod sample;

pub use report::{NotRemoved, RehearsedTopic, Report};
pub use sample::{NoSuchSample, Sample};

use crate::{
    content::Depth,
    error::RestoreError,
    names::{Naming, RenameError, Renames},
    parts::{Part, Parts},
    plan::{Plan, TopicAction},
    report::Report as Restored,
    restore::{self, Restore},
};

/// What the names of all topics begin with that a rehearsal makes.
pub const PREFIX: &str = "lifeboat-rehearsal-";

/// What to rehearse, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which topics.
    pub topics: TopicGlobs,
    /// How much of them.
    pub sample: Sample,
    /// Whether the snapshot's own cluster may be written to.
    pub into_source: bool,
    /// Whether the topics stay.
    pub keep: bool,
    /// Whether what was found is stored beside the snapshot.
    pub store: bool,
    /// Memory for all records that are on their way.
    pub memory: ByteSize,
    /// Bytes per second that are written at most.
    pub max_rate: Option<ByteSize>,
    /// So long the target may take not a single batch of a partition.
    pub retry_deadline: Duration,
    /// Connections to each broker that data are written by.
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        let restore = restore::Options::default();
        Self {
            topics: TopicGlobs::default(),
            sample: Sample::default(),
            into_source: false,
            keep: false,
            store: true,
            memory: restore.memory,
            max_rate: None,
            retry_deadline: restore.retry_deadline,
            max_connections: restore.max_connections,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The restore failed for a reason that says nothing of the snapshot.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Nothing would be restored.
    #[error("no topic of {snapshot} is among those that were chosen: {topics}")]
    NoTopics {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What was chosen.
        topics: ChosenTopics,
    },
    /// The prefix is none. It is made here.
    #[error(transparent)]
    Prefix(#[from] RenameError),
    /// A topic has a name already that was drawn by lot.
    #[error("topic {0} is there already")]
    Taken(String),
}

impl From<KafkaError> for RehearseError {
    fn from(error: KafkaError) -> Self {
        Self::Restore(error.into())
    }
}

/// Rehearses the restore of one snapshot.
#[derive(Clone, Debug)]
pub struct Rehearse {
    /// The cluster that is restored into.
    pub cluster: Cluster,
    /// How to reach it.
    pub properties: KafkaProperties,
    /// Where the snapshot is.
    pub repository: ClusterRepository,
    /// The snapshot.
    pub commit: Commit,
    /// Its manifest.
    pub manifest: Manifest,
    /// What the cluster was besides its records.
    pub documents: Documents,
    /// What to do.
    pub options: Options,
    /// The time.
    pub clock: Clock,
    /// How far it has come.
    pub progress: Progress,
    /// Ends it early; what was made is removed all the same.
    pub cancel: CancellationToken,
}

impl Rehearse {
    /// Restores, compares, removes, and reports what came of it.
    ///
    /// # Crash consistency
    /// Whatever happens, the topics that were made are removed before this ends. A process that is killed leaves them, all
    /// with [`PREFIX`] before their names; the next rehearsal tells of them.
    pub async fn run(self) -> Result<Report, RehearseError> {
        let began = Instant::now();
        let mut report = self.empty_report();
        let chosen = self.choose(&mut report)?;
        report.left_behind = self.left_behind().await?;
        let restore = self.restore(&report.prefix, &chosen)?;
        let state = restore.options.state_folder.clone();
        // what is damaged may come to light while it is planned
        let restored = match restore.plan().await {
            Ok(plan) => {
                refuse_what_is_there(&plan)?;
                Box::pin(restore.apply(plan)).await
            }
            Err(error) => Err(error),
        };
        let restored = restored.map_err(RestoreError::cause);
        // proven, or not: what follows is no part of a restore
        let rto_ms = millis(began);
        self.clear(&chosen, state, &mut report).await;
        self.judge(restored, rto_ms, &mut report)?;
        report.elapsed_ms = millis(began);
        self.store(&mut report).await;
        Ok(report)
    }

    /// Whole topics, by lot where only a part is wanted.
    fn choose(&self, report: &mut Report) -> Result<Vec<String>, RehearseError> {
        let topics = self.manifest.topics.iter();
        let topics: Vec<&ManifestTopic> = topics
            .filter(|topic| self.options.topics.choose(&topic.topic))
            .collect();
        if let (true, Some(topics)) = (topics.is_empty(), ChosenTopics::of(&self.options.topics)) {
            return Err(RehearseError::NoTopics {
                snapshot: self.commit.snapshot.clone(),
                topics,
            });
        }
        let sample = self.options.sample;
        report.topics_in_all = topics.len() as u64;
        report.sample_percent = sample.percent();
        Ok(sample::choose(&topics, sample, &report.prefix))
    }

    fn restore(&self, prefix: &str, chosen: &[String]) -> Result<Restore, RehearseError> {
        let globs = chosen.iter().filter_map(|topic| topic.parse().ok());
        let naming = Naming {
            topics: Renames::new([], Vec::new(), prefix)?,
            ..Naming::default()
        };
        Ok(Restore {
            cluster: self.cluster.clone(),
            properties: self.properties.clone(),
            repository: self.repository.clone(),
            commit: self.commit.clone(),
            manifest: self.manifest.clone(),
            documents: self.documents.clone(),
            options: restore::Options {
                topics: TopicGlobs {
                    include: globs.collect(),
                    exclude: Vec::new(),
                },
                naming,
                // groups, settings and ACLs of the target are nobody's to be tried out on
                parts: Parts::of([Part::Data]),
                compare: Some(Depth::Records),
                into_source: self.options.into_source,
                memory: self.options.memory,
                max_rate: self.options.max_rate,
                retry_deadline: self.options.retry_deadline,
                max_connections: self.options.max_connections,
                // nobody ever resumes it
                state_folder: Some(std::env::temp_dir().join(prefix.trim_end_matches('.'))),
                ..restore::Options::default()
            },
            clock: self.clock.clone(),
            progress: self.progress.clone(),
            cancel: self.cancel.clone(),
        })
    }

    /// Topics of rehearsals that were killed.
    async fn left_behind(&self) -> Result<Vec<String>, RehearseError> {
        let topics = self.cluster.topics(TopicScope::All).await?;
        let names = topics.into_iter().map(|topic| topic.name.to_string());
        Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
    }

    /// Removes what was made, as far as it is there.
    async fn clear(&self, chosen: &[String], state: Option<PathBuf>, report: &mut Report) {
        if let Some(state) = state {
            // who can't remove it leaves some KiB of text
            tokio::fs::remove_dir_all(state).await.ok();
        }
        let names = chosen
            .iter()
            .map(|topic| format!("{}{topic}", report.prefix));
        let ours: BTreeSet<String> = names.collect();
        if self.options.keep {
            report.kept = ours.into_iter().collect();
            return;
        }
        self.progress.begin("removing topics", 0);
        let there = match self.cluster.topics(TopicScope::All).await {
            Ok(topics) => topics
                .into_iter()
                .map(|topic| topic.name.to_string())
                .collect(),
            // those that are not there are told apart by the answer
            Err(_) => ours.clone(),
        };
        let made: Vec<String> = ours.intersection(&there).cloned().collect();
        for (topic, removed) in self.cluster.delete_topics(&made).await {
            match removed {
                Ok(()) => {}
                Err(error) => report.not_removed.push(NotRemoved {
                    topic,
                    problem: self.cluster.explain(&error),
                }),
            }
        }
    }

    /// What the outcome of the restore says of the snapshot; an error where it says nothing.
    fn judge(
        &self,
        restored: Result<Restored, RestoreError>,
        rto_ms: u64,
        report: &mut Report,
    ) -> Result<(), RehearseError> {
        match restored {
            Ok(restored) => {
                report.take(&restored);
                let rpo = report.started_at.millis_since(self.commit.bounds_at);
                report.measured = (report.outcome == ProofOutcome::Ok).then(|| Measured {
                    rto_ms,
                    rpo_ms: u64::try_from(rpo).unwrap_or(0),
                    records: restored.totals.records,
                    bytes: restored.totals.bytes_read,
                });
            }
            Err(error) => {
                report.outcome = match &error {
                    RestoreError::Differs { .. } => ProofOutcome::Differs,
                    RestoreError::Damaged(_) | RestoreError::Records { .. } => {
                        ProofOutcome::Damaged
                    }
                    _ => return Err(told(error, report)),
                };
                report.problems.push(error.to_string());
            }
        }
        Ok(())
    }
}

/// An error takes the place of the report: what is left of the rehearsal is said on the way.
fn told(error: RestoreError, report: &Report) -> RehearseError {
    for left in &report.not_removed {
        let NotRemoved { topic, problem } = left;
        tracing::warn!(topic, problem, "a topic of the rehearsal is left");
    }
    error.into()
}

/// Nobody else's topic may ever be removed.
fn refuse_what_is_there(plan: &Plan) -> Result<(), RehearseError> {
    for topic in &plan.topics {
        let name = topic.target_name().to_owned();
        match &topic.action {
            TopicAction::Create => {}
            TopicAction::Refuse { reason, .. } => {
                return Err(RestoreError::Refused(vec![(name, reason.clone())]).into());
            }
            // somebody has made it
            _ => return Err(RehearseError::Taken(name)),
        }
    }
    Ok(())
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
