//! What the brokers leave out of their answers because we may not see it: they never say so.

use std::{collections::BTreeSet, sync::Arc};

use lifeboat_archive::manifest::Problem;

use super::partial;
use crate::{
    error::{ErrorCode, KafkaError},
    rights::{Operation, Right},
    wire::{Cluster, TopicScope},
};

/// Kafka's own, which are never saved.
const INTERNAL: [&str; 4] = [
    "__cluster_metadata",
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
];

/// Names what is not among the `visible` topics and should be, as far as it can be told.
pub async fn hidden(
    cluster: &Cluster,
    visible: &BTreeSet<Arc<str>>,
    chosen: impl Fn(&str) -> bool,
) -> Result<Vec<Problem>, KafkaError> {
    match cluster.cluster_rights().await {
        Ok(rights) if !rights.allow(Operation::Describe) => return Ok(vec![blind(cluster)]),
        Ok(_) => {}
        Err(error @ KafkaError::UnsupportedApi { .. }) => return Ok(vec![untold(&error)]),
        Err(error) => return Err(error),
    }
    let on_disk = cluster.topics_on_disk().await;
    let mut problems: Vec<_> = on_disk
        .unanswered
        .iter()
        .map(|(broker, error)| match error {
            KafkaError::UnsupportedApi { .. } => untold(error),
            _ => partial(
                format!("broker {broker}"),
                format!(
                    "whether there are topics on its disks that can't be seen is not known: {}",
                    cluster.explain(error)
                ),
            ),
        })
        .collect();
    let unseen: Vec<Arc<str>> = on_disk
        .topics
        .into_iter()
        .filter(|name| !visible.contains(name) && !INTERNAL.contains(&&**name) && chosen(name))
        .collect();
    if unseen.is_empty() {
        return Ok(problems);
    }
    // one that was made since is no secret, one that was removed is no loss
    for topic in cluster.topics(TopicScope::Named(&unseen)).await? {
        if topic.error == Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED) {
            // what it takes to save it; Describe comes with it
            let right = Right::on_topic(Operation::Read, &topic.name);
            problems.push(partial(
                format!("topic {}", topic.name),
                format!(
                    "nothing of it is saved: {} lacks {right}",
                    cluster.principal()
                ),
            ));
        }
    }
    Ok(problems)
}

fn blind(cluster: &Cluster) -> Problem {
    let right = Right::on_cluster(Operation::Describe);
    partial(
        "cluster".to_owned(),
        format!(
            "topics and groups that can't be seen are not saved and can't be named: {} lacks {right}",
            cluster.principal()
        ),
    )
}

/// A broker of another make: all that can be done is to say so.
fn untold(error: &KafkaError) -> Problem {
    Problem {
        subject: "cluster".to_owned(),
        problem: format!("whether there are topics that can't be seen is not known: {error}"),
        partial: false,
    }
}
