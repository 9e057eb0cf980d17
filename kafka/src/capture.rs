//! A live cluster as documents, and what of it could not be read.
//!
//! A document that can't be read is left out and named with the right that it takes: it must not look as if there were
//! nothing. What an older broker does not offer is named, too, but nothing is missing then.

use lifeboat_archive::{
    documents::{
        AclsDocument, ConfigsDocument, FeaturesDocument, GroupsDocument, QuotasDocument,
        TokensDocument,
    },
    manifest::Problem,
};

use crate::{error::KafkaError, wire::Cluster};

mod access;
mod cluster;
mod configs;
mod coordinators;
mod groups;
mod hidden;
mod live;
mod topics;
mod users;

pub use cluster::cluster;
pub use groups::{WITHOUT_COORDINATOR, groups};
pub use hidden::hidden;
pub use live::{Live, live, without_saving};
pub use topics::{CapturedTopics, topics, without_metadata};
pub use users::users;

/// What a cluster is besides its topics and groups; `None` is what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Settings of brokers, groups and client-metrics subscriptions.
    pub configs: ConfigsDocument,
    /// ACLs.
    pub acls: Option<AclsDocument>,
    /// Client quotas.
    pub quotas: Option<QuotasDocument>,
    /// Finalized features.
    pub features: Option<FeaturesDocument>,
    /// Delegation tokens.
    pub tokens: Option<TokensDocument>,
}

/// Reads everything but topics, groups and their offsets. Never fails as a whole: what can't be read is a problem.
pub async fn surroundings(
    cluster: &Cluster,
    groups: &GroupsDocument,
) -> (Surroundings, Vec<Problem>) {
    let there = groups.groups.iter().map(|group| group.group.clone());
    let there: Vec<_> = there.collect();
    let ((configs, mut problems), acls, quotas, features, tokens) = tokio::join!(
        // large futures, needed once
        Box::pin(configs::configs(cluster, async || (there, Vec::new()))),
        Box::pin(access::acls(cluster)),
        Box::pin(access::quotas(cluster)),
        Box::pin(cluster.features()),
        Box::pin(access::tokens(cluster)),
    );
    let surroundings = Surroundings {
        configs,
        acls: unless_unread(cluster, "ACLs", acls, &mut problems),
        quotas: unless_unread(cluster, "client quotas", quotas, &mut problems),
        features: unless_unread(cluster, "features", features, &mut problems),
        tokens: unless_unread(cluster, "delegation tokens", tokens, &mut problems),
    };
    (surroundings, problems)
}

/// What was read; where it was not, that is a problem of this `kind` of things.
fn unless_unread<T>(
    cluster: &Cluster,
    kind: &str,
    read: Result<T, KafkaError>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    read.map_err(|error| problems.push(unread(cluster, kind, &error)))
        .ok()
}

fn unread(cluster: &Cluster, kind: &str, error: &KafkaError) -> Problem {
    let text = format!("not saved: {}", cluster.explain(error));
    match error {
        KafkaError::UnsupportedApi { .. } => note(kind.to_owned(), text),
        _ => partial(kind.to_owned(), text),
    }
}

fn partial(subject: String, problem: String) -> Problem {
    Problem {
        subject,
        problem,
        partial: true,
    }
}

fn note(subject: String, problem: String) -> Problem {
    Problem {
        subject,
        problem,
        partial: false,
    }
}
