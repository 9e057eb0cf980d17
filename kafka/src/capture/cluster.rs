//! Who was asked, and what was going on there.

use lifeboat_archive::{
    documents::{ClusterDocument, OpenTransaction},
    manifest::Problem,
    words::Timestamp,
};

use super::{
    coordinators::{Coordinators, OF_TRANSACTIONS},
    note, partial, unless_unread, unread,
};
use crate::{
    error::KafkaError,
    rights::{Operation, Resource, Right},
    wire::Cluster,
};

const TRANSACTIONS: &str = "open transactions";

/// Who was asked, as last heard of.
pub(super) fn identity(cluster: &Cluster, captured_at: Timestamp) -> ClusterDocument {
    ClusterDocument {
        cluster_id: cluster.cluster_id().to_owned(),
        captured_at,
        brokers: cluster.brokers(),
        reassignments: None,
        open_transactions: None,
    }
}

/// Who was asked, and what is under way there.
pub async fn cluster(cluster: &Cluster, captured_at: Timestamp) -> (ClusterDocument, Vec<Problem>) {
    let (reassignments, open) = tokio::join!(cluster.reassignments(), open_transactions(cluster));
    let (open_transactions, mut problems) = open;
    let document = ClusterDocument {
        reassignments: unless_unread(
            cluster,
            "partition reassignments",
            reassignments,
            &mut problems,
        ),
        open_transactions,
        ..identity(cluster, captured_at)
    };
    (document, problems)
}

async fn open_transactions(cluster: &Cluster) -> (Option<Vec<OpenTransaction>>, Vec<Problem>) {
    let coordinators = Coordinators::settled(cluster, OF_TRANSACTIONS).await;
    let (open, sees_all) =
        tokio::join!(cluster.open_transactions(), cluster.sees_all_transactions());
    let mut problems = Vec::new();
    match sees_all {
        Ok(true) => {}
        Ok(false) => {
            let right = Right {
                operation: Operation::Describe,
                resource: Resource::TransactionalId("*".to_owned()),
            };
            problems.push(partial(
                TRANSACTIONS.to_owned(),
                format!(
                    "those that can't be seen are not noted: {} lacks {right}",
                    cluster.principal()
                ),
            ));
        }
        Err(error @ KafkaError::UnsupportedApi { .. }) => {
            problems.push(note(
                TRANSACTIONS.to_owned(),
                format!("whether there are some that can't be seen is not known: {error}"),
            ));
        }
        Err(error) => problems.push(unread(cluster, TRANSACTIONS, &error)),
    }
    match coordinators {
        Ok(coordinators) => problems.extend(coordinators.missing().map(|lost| {
            let problem = format!("some may be missing, as nobody coordinates them: {lost}");
            partial(TRANSACTIONS.to_owned(), problem)
        })),
        Err(error) => problems.push(unread(cluster, TRANSACTIONS, &error)),
    }
    if open.unanswered.len() == cluster.brokers().len() {
        let error = open.unanswered.first().map(|(_, error)| error);
        problems.extend(error.map(|error| unread(cluster, TRANSACTIONS, error)));
        return (None, problems);
    }
    problems.extend(open.unanswered.iter().map(|(broker, error)| {
        let kind = format!("{TRANSACTIONS} that broker {broker} coordinates");
        unread(cluster, &kind, error)
    }));
    let open = open.transactions.into_iter().map(|open| open.transaction);
    (Some(open.collect()), problems)
}
