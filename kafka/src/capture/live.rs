//! A cluster as it is now, to be compared with what it was.

use lifeboat_archive::{
    documents::{Documents, diff::Kind},
    manifest::Problem,
    words::Timestamp,
};

use super::{
    access, cluster::identity, configs, groups, hidden, partial, topics, unless_unread,
    without_metadata,
};
use crate::{
    error::KafkaError,
    wire::{Cluster, TopicScope},
};

/// A cluster as it is now, as far as it could be read.
#[derive(Debug, Default)]
pub struct Live {
    /// What could be read.
    pub documents: Documents,
    /// What could not, and what it is about.
    pub problems: Vec<(Kind, Problem)>,
}

impl Live {
    fn take<T>(&mut self, kind: Kind, (read, problems): (T, Vec<Problem>)) -> T {
        // only what is missing may look like a difference
        let missing = problems.into_iter().filter(|problem| problem.partial);
        self.problems.extend(missing.map(|problem| (kind, problem)));
        read
    }
}

/// What the problem is for whom nothing is saved: a backup words it otherwise.
pub fn without_saving(problem: &Problem) -> String {
    let why = &problem.problem;
    let why = why.strip_prefix("not saved: ").unwrap_or(why);
    format!("{}: {why}", problem.subject)
}

/// Reads what belongs to `kinds`; the settings of topics belong to the topics.
pub async fn live(cluster: &Cluster, kinds: &[Kind], now: Timestamp) -> Result<Live, KafkaError> {
    let mut live = Live::default();
    live.documents.cluster = Some(identity(cluster, now));
    for kind in kinds {
        match kind {
            Kind::Topics => read_topics(cluster, &mut live).await?,
            Kind::Groups => {
                let read = groups(cluster).await?;
                live.documents.groups = Some(live.take(Kind::Groups, read));
            }
            Kind::Configs => {
                let read = configs::configs(cluster, async || names(cluster).await).await;
                live.documents.configs = Some(live.take(Kind::Configs, read));
            }
            Kind::Acls => {
                let read = access::acls(cluster).await;
                live.documents.acls = told(&mut live, cluster, *kind, read);
            }
            Kind::Quotas => {
                let read = access::quotas(cluster).await;
                live.documents.quotas = told(&mut live, cluster, *kind, read);
            }
            Kind::Features => {
                let read = cluster.features().await;
                live.documents.features = told(&mut live, cluster, *kind, read);
            }
            Kind::Users => {
                let read = super::users(cluster).await;
                live.documents.users = told(&mut live, cluster, *kind, read);
            }
        }
    }
    Ok(live)
}

async fn read_topics(cluster: &Cluster, live: &mut Live) -> Result<(), KafkaError> {
    let mut all = cluster.topics(TopicScope::All).await?;
    let visible = all.iter().map(|topic| topic.name.clone()).collect();
    let unseen = hidden(cluster, &visible, |_| true).await?;
    all.retain(|topic| !topic.internal);
    let mut problems = without_metadata(&mut all);
    let captured = topics(cluster, &all).await?;
    problems.extend(captured.problems);
    problems.extend(unseen);
    live.documents.topics = Some(live.take(Kind::Topics, (captured.document, problems)));
    Ok(())
}

fn told<T>(
    live: &mut Live,
    cluster: &Cluster,
    kind: Kind,
    read: Result<T, KafkaError>,
) -> Option<T> {
    let mut problems = Vec::new();
    let read = unless_unread(cluster, &kind.to_string(), read, &mut problems);
    live.problems
        .extend(problems.into_iter().map(|problem| (kind, problem)));
    read
}

/// The groups that there are.
async fn names(cluster: &Cluster) -> (Vec<String>, Vec<Problem>) {
    let listing = cluster.groups().await;
    let problems = listing.unanswered.iter().map(|(broker, error)| {
        partial(
            format!("broker {broker}"),
            format!(
                "configurations of the groups that it coordinates are missing: {}",
                cluster.explain(error)
            ),
        )
    });
    let problems = problems.collect();
    let names = listing.groups.into_iter().map(|group| group.group);
    (names.collect(), problems)
}
