//! What the snapshot is to hold besides records: topics, their settings, groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lifeboat_archive::{
    documents::{ClusterDocument, GroupsDocument, TopicsDocument},
    manifest::{Cleanup, Problem},
    words::Timestamp,
};
use lifeboat_kafka::{
    capture::{self, Surroundings},
    wire::{Cluster, TopicMetadata, TopicScope},
};

use super::{BackupError, Options};

/// How topics are cleaned up, as far as it could be read.
pub(super) type Cleanups = BTreeMap<Arc<str>, Cleanup>;

/// The chosen topics and their settings.
#[derive(Debug)]
pub(super) struct PlannedTopics {
    /// As the brokers know them, by name.
    pub(super) metadata: Vec<TopicMetadata>,
    /// As they are stored.
    pub(super) document: TopicsDocument,
    /// How they are cleaned up.
    pub(super) cleanups: Cleanups,
    /// Topics that are neither internal nor chosen.
    pub(super) left_out: u64,
    /// What could not be captured.
    pub(super) problems: Vec<Problem>,
}

/// Something of the cluster, as far as it could be read.
#[derive(Debug)]
pub(super) struct Captured<D> {
    /// As it is stored.
    pub(super) document: D,
    /// What could not be captured.
    pub(super) problems: Vec<Problem>,
}

impl<D> From<(D, Vec<Problem>)> for Captured<D> {
    fn from((document, problems): (D, Vec<Problem>)) -> Self {
        Self { document, problems }
    }
}

/// The groups and what they committed.
pub(super) async fn groups(cluster: &Cluster) -> Result<Captured<GroupsDocument>, BackupError> {
    Ok(capture::groups(cluster).await?.into())
}

/// Who is asked, and what is under way there.
pub(super) async fn activity(
    cluster: &Cluster,
    at: Timestamp,
) -> Result<Captured<ClusterDocument>, BackupError> {
    Ok(capture::cluster(cluster, at).await.into())
}

/// What the cluster is besides its topics and groups.
pub(super) async fn surroundings(
    cluster: &Cluster,
    groups: &GroupsDocument,
) -> Result<Captured<Surroundings>, BackupError> {
    Ok(capture::surroundings(cluster, groups).await.into())
}

pub(super) async fn topics(
    cluster: &Cluster,
    options: &Options,
) -> Result<PlannedTopics, BackupError> {
    let all = cluster.topics(TopicScope::All).await?;
    let visible = all.iter().map(|topic| Arc::clone(&topic.name)).collect();
    let chosen = |name: &str| options.topics.choose(name);
    let hidden = capture::hidden(cluster, &visible, chosen).await?;
    let (chosen, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|topic| !topic.internal)
        .partition(|topic| options.topics.choose(&topic.name));
    if chosen.is_empty() && hidden.is_empty() && !others.is_empty() {
        return Err(BackupError::NothingChosen {
            available: others.len(),
        });
    }
    let mut problems = unmatched(options, &chosen);
    let mut metadata = chosen;
    problems.extend(capture::without_metadata(&mut metadata));
    metadata.sort_by(|a, b| a.name.cmp(&b.name));
    let captured = capture::topics(cluster, &metadata).await?;
    problems.extend(captured.problems);
    problems.extend(hidden);
    Ok(PlannedTopics {
        metadata,
        document: captured.document,
        cleanups: captured.cleanups,
        left_out: others.len() as u64,
        problems,
    })
}

/// A pattern without a topic is often a typing error; the snapshot says so.
fn unmatched(options: &Options, chosen: &[TopicMetadata]) -> Vec<Problem> {
    let silent: BTreeSet<String> = options
        .topics
        .include
        .iter()
        .filter(|glob| !chosen.iter().any(|topic| glob.matches(&topic.name)))
        .map(ToString::to_string)
        .collect();
    silent
        .into_iter()
        .map(|pattern| Problem {
            subject: format!("pattern {pattern}"),
            problem: "matches no topic of the cluster".to_owned(),
            partial: false,
        })
        .collect()
}
