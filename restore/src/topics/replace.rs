//! What topics hold is deleted where something else takes its place.

use std::{collections::HashMap, time::Duration};

use lifeboat_archive::words::TopicPartition;
use lifeboat_kafka::{
    ErrorCode, KafkaError,
    wire::{Cluster, Patience},
};

use super::{confirm_ends, failed};
use crate::{
    error::RestoreError,
    journal::{Entry, Journal},
    plan::{Plan, TopicAction},
};

/// The brokers learn one after the other that a compacted topic is none while it is written.
const POLICY: Duration = Duration::from_secs(30);

/// Deletes the records of the topics that are replaced, up to the ends that the plan saw.
///
/// # Crash consistency
/// The journal says so before the first record goes. Whoever goes on deletes up to the same offsets again, which does no
/// more: nothing is written before all of it is deleted.
pub(crate) async fn replace(
    cluster: &Cluster,
    plan: &Plan,
    journal: &Journal,
) -> Result<(), RestoreError> {
    for topic in plan.replaced() {
        let TopicAction::Replace { before, .. } = &topic.action else {
            continue;
        };
        let name = topic.target_name();
        let ends: Vec<(TopicPartition, i64)> = (0..)
            .zip(before)
            .map(|(number, end)| (TopicPartition::new(name, number), *end))
            .collect();
        // what came after the plan was agreed to is nothing that it deletes
        confirm_ends(cluster, &ends).await?;
        journal.append(&Entry::Replacing {
            topic: topic.topic.clone(),
            target: topic.target.clone(),
            before: before.clone(),
        })?;
        let deleted = delete(cluster, ends.into_iter().collect()).await;
        deleted.map_err(|error| failed(name, error))?;
    }
    Ok(())
}

async fn delete(
    cluster: &Cluster,
    mut before: HashMap<TopicPartition, i64>,
) -> Result<(), KafkaError> {
    let mut patience = Patience::new(POLICY);
    loop {
        let mut refused = None;
        for (partition, outcome) in cluster.delete_records(&before).await {
            match outcome {
                Ok(_) => {
                    before.remove(&partition);
                }
                Err(error) if error.code() == Some(ErrorCode::POLICY_VIOLATION) => {
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            None => return Ok(()),
            Some(error) if !patience.pause().await => return Err(error),
            Some(_) => {}
        }
    }
}
