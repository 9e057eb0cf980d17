//! Topics on the target: asked for beforehand, made, and given their settings (R22, R23, R25).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lifeboat_archive::words::{TopicId, TopicPartition};
use lifeboat_kafka::{
    ErrorCode, KafkaError,
    rights::{Operation, Right},
    wire::{Cluster, ConfigChange, NewTopic, OffsetSpec, Patience, TopicScope},
};

use crate::{
    error::RestoreError,
    parts::Part,
    plan::{Plan, PlannedTopic, TopicAction},
    replay::ReadyTopic,
    settings::{SettingChange, TopicSettings},
};

mod refusal;
mod replace;
mod resumed;

use refusal::{Asked, acceptable};
pub(crate) use replace::replace;
pub(crate) use resumed::{find_again, prepare_again, recalled};

/// Topics in one request.
const AT_ONCE: usize = 100;
/// So long a new topic may have partitions without a leader.
const LEADERS: Duration = Duration::from_secs(60);

/// Asks the target whether it would take each topic with its settings, and amends the plan: settings that it refuses
/// are left out and named, a topic that it does not take at all is refused (R25).
pub(crate) async fn preflight(cluster: &Cluster, plan: &mut Plan) -> Result<(), RestoreError> {
    let names: Vec<usize> = (0..plan.topics.len())
        .filter(|&at| plan.topics[at].is_written())
        .collect();
    if let Some(&first) = names.first() {
        let lacking = lacking(cluster, &plan.topics[first]).await?;
        for topic in &mut plan.topics {
            for name in &lacking {
                topic.settings.write_without(name);
            }
        }
    }
    // now nearly always everything is taken, and one request for many topics says so
    let mut doubtful = Vec::new();
    for chunk in names.chunks(AT_ONCE) {
        doubtful.extend(doubtful_of(cluster, plan, chunk).await?);
    }
    let mut denied = Vec::new();
    for at in doubtful {
        let topic = &mut plan.topics[at];
        if let Err(error) = settle(cluster, topic).await {
            if error.code().is_none() {
                return Err(error.into());
            }
            denied.extend(error.missing_right());
            topic.action = TopicAction::Refuse {
                records: 0,
                reason: format!("the target does not take it: {}", cluster.explain(&error)),
            };
        }
    }
    plan.recount();
    if !denied.is_empty() && plan.written().next().is_none() {
        return Err(RestoreError::Denied {
            principal: cluster.principal().to_owned(),
            lacking: denied,
        });
    }
    Ok(())
}

/// The settings of ours that the target does not have at all, asked for once with the help of one topic.
async fn lacking(cluster: &Cluster, topic: &PlannedTopic) -> Result<Vec<String>, KafkaError> {
    let asked = topic.settings.not_everywhere();
    match acceptable(asked, Asking { cluster, topic }).await {
        Ok(found) => Ok(found.refused.into_iter().map(|(name, _)| name).collect()),
        // something else about this topic, which shows again when it has its turn
        Err(error) if error.code().is_some() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Which of these topics have to be looked at one by one.
async fn doubtful_of(
    cluster: &Cluster,
    plan: &Plan,
    chunk: &[usize],
) -> Result<Vec<usize>, KafkaError> {
    let (new, existing): (Vec<usize>, Vec<usize>) = chunk
        .iter()
        .partition(|&&at| plan.topics[at].action == TopicAction::Create);
    let mut doubtful = existing;
    for settings in [wanted as SettingsOf, while_writing] {
        let asked: Vec<NewTopic> = new
            .iter()
            .map(|&at| {
                new_topic(
                    &plan.topics[at],
                    settings(&plan.topics[at].settings).clone(),
                )
            })
            .collect();
        if asked.is_empty() {
            continue;
        }
        for (&at, (_, answer)) in new.iter().zip(cluster.create_topics(&asked, true).await) {
            match answer {
                Ok(_) => {}
                Err(error) if error.code().is_none() => return Err(error),
                Err(_) => doubtful.push(at),
            }
        }
    }
    doubtful.sort_unstable();
    doubtful.dedup();
    Ok(doubtful)
}

type SettingsOf = fn(&TopicSettings) -> &BTreeMap<String, String>;

fn wanted(settings: &TopicSettings) -> &BTreeMap<String, String> {
    &settings.wanted
}

fn while_writing(settings: &TopicSettings) -> &BTreeMap<String, String> {
    &settings.while_writing
}

fn new_topic(topic: &PlannedTopic, configs: BTreeMap<String, String>) -> NewTopic {
    NewTopic {
        name: topic.target_name().to_owned(),
        partitions: i32::try_from(topic.partition_count()).unwrap_or(i32::MAX),
        replication_factor: topic.replication_factor,
        assignment: topic.assignment.clone(),
        configs,
    }
}

/// Finds out what of a topic's settings the target takes.
async fn settle(cluster: &Cluster, topic: &mut PlannedTopic) -> Result<(), KafkaError> {
    let wanted = acceptable(topic.settings.wanted.clone(), Asking { cluster, topic }).await?;
    for (name, reason) in wanted.refused {
        topic.settings.leave_out(&name, reason);
    }
    let writing = topic.settings.while_writing.clone();
    let writing = acceptable(writing, Asking { cluster, topic }).await?;
    for (name, reason) in writing.refused {
        if !topic.settings.write_without(&name) {
            return Err(KafkaError::Broker {
                operation: "CreateTopics",
                subject: format!("{} with {name}", topic.target_name()),
                code: ErrorCode::INVALID_CONFIG,
                message: Some(reason),
            });
        }
    }
    Ok(())
}

/// Asks for one topic, without changing anything.
struct Asking<'a> {
    cluster: &'a Cluster,
    topic: &'a PlannedTopic,
}

impl Asked for Asking<'_> {
    async fn would_take(&self, settings: &BTreeMap<String, String>) -> Result<(), KafkaError> {
        if self.topic.action != TopicAction::Create {
            let changes: Vec<ConfigChange> = settings
                .iter()
                .map(|(name, value)| ConfigChange::set(name, value))
                .collect();
            return self
                .cluster
                .alter_topic_configs(self.topic.target_name(), &changes, true)
                .await;
        }
        let asked = new_topic(self.topic, settings.clone());
        let answers = self.cluster.create_topics(&[asked], true).await;
        answers
            .into_iter()
            .try_for_each(|(_, answer)| answer.map(drop))
    }
}

/// Makes the topics of the plan, or prepares those that are there, and waits until they have leaders.
pub(crate) async fn prepare(
    cluster: &Cluster,
    plan: &Plan,
) -> Result<Vec<ReadyTopic>, RestoreError> {
    let mut ready = Vec::new();
    let new: Vec<&PlannedTopic> = plan
        .written()
        .filter(|topic| topic.action == TopicAction::Create)
        .collect();
    for chunk in new.chunks(AT_ONCE) {
        let asked: Vec<NewTopic> = chunk
            .iter()
            .map(|topic| new_topic(topic, topic.settings.while_writing.clone()))
            .collect();
        for (topic, (_, answer)) in chunk.iter().zip(cluster.create_topics(&asked, false).await) {
            let topic_id = answer.map_err(|error| failed(topic.target_name(), error))?;
            ready.push(ReadyTopic::new(topic, topic_id));
        }
    }
    for topic in plan.written() {
        if let Some(topic_id) = topic.action.topic_id() {
            let changes = changes(&topic.settings.first_changes(&topic.existing_settings));
            let changed = cluster
                .alter_topic_configs(topic.target_name(), &changes, false)
                .await;
            changed.map_err(|error| failed(topic.target_name(), error))?;
            ready.push(ReadyTopic::new(topic, topic_id));
        }
    }
    await_leaders(cluster, &mut ready).await?;
    confirm_rights(cluster, plan).await?;
    confirm_starts(cluster, &ready).await?;
    ready.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(ready)
}

fn failed(topic: &str, error: KafkaError) -> RestoreError {
    RestoreError::Topic {
        topic: topic.to_owned(),
        source: Box::new(error),
    }
}

/// The brokers learn of a new topic one after the other.
async fn await_leaders(cluster: &Cluster, ready: &mut [ReadyTopic]) -> Result<(), RestoreError> {
    for chunk in ready.chunks_mut(AT_ONCE) {
        let names: Vec<Arc<str>> = chunk
            .iter()
            .map(|topic| Arc::clone(&topic.target))
            .collect();
        let mut patience = Patience::new(LEADERS);
        loop {
            let known: BTreeMap<Arc<str>, _> = cluster
                .topics(TopicScope::Named(&names))
                .await?
                .into_iter()
                .map(|topic| (Arc::clone(&topic.name), topic))
                .collect();
            let mut missing = None;
            for topic in chunk.iter_mut() {
                let led = known.get(&topic.target).filter(|known| {
                    known.partitions.len() >= topic.start_offsets.len()
                        && known
                            .partitions
                            .iter()
                            .all(|partition| partition.leader.is_some())
                });
                match led {
                    None => missing = Some(Arc::clone(&topic.target)),
                    Some(known) => same_topic(topic, known.id)?,
                }
            }
            let Some(missing) = missing else { break };
            if !patience.pause().await {
                let error = KafkaError::Broker {
                    operation: "Metadata",
                    subject: missing.to_string(),
                    code: ErrorCode::LEADER_NOT_AVAILABLE,
                    message: None,
                };
                return Err(failed(&missing, error));
            }
        }
    }
    Ok(())
}

fn same_topic(topic: &mut ReadyTopic, id: TopicId) -> Result<(), RestoreError> {
    // a broker too old to tell ids in CreateTopics tells them in Metadata
    if topic.topic_id == TopicId::ZERO {
        topic.topic_id = id;
    }
    if topic.topic_id == id {
        return Ok(());
    }
    Err(RestoreError::Changed {
        topic: topic.target.to_string(),
        problem: "it was made anew".to_owned(),
    })
}

/// What the target lets us do with a topic can be asked when it is there, and is better known before than after writing.
async fn confirm_rights(cluster: &Cluster, plan: &Plan) -> Result<(), RestoreError> {
    let written: Vec<&PlannedTopic> = plan.written().collect();
    let mut lacking = Vec::new();
    for chunk in written.chunks(AT_ONCE) {
        let names: Vec<Arc<str>> = chunk
            .iter()
            .map(|topic| topic.target_name().into())
            .collect();
        let rights = cluster.topic_rights(&names).await?;
        for (topic, name) in chunk.iter().zip(&names) {
            let Some(rights) = rights.get(name) else {
                continue;
            };
            let needed = [
                (Operation::Write, plan.parts.has(Part::Data)),
                (
                    Operation::Read,
                    plan.compare.is_some() && plan.parts.has(Part::Data),
                ),
                (
                    Operation::Delete,
                    matches!(topic.action, TopicAction::Replace { .. }),
                ),
                (
                    Operation::AlterConfigs,
                    !topic.settings.final_changes().is_empty(),
                ),
            ];
            for (operation, needed) in needed {
                if needed && !rights.allow(operation) {
                    lacking.push(Right::on_topic(operation, name));
                }
            }
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(RestoreError::Denied {
        principal: cluster.principal().to_owned(),
        lacking,
    })
}

/// What is written goes behind what is there: nothing may have come in between plan and writing.
async fn confirm_starts(cluster: &Cluster, ready: &[ReadyTopic]) -> Result<(), RestoreError> {
    let starts: Vec<(TopicPartition, i64)> = ready
        .iter()
        .flat_map(|topic| {
            let partitions = topic.start_offsets.iter().zip(0..);
            partitions.map(|(start, number)| {
                (
                    TopicPartition::new(Arc::clone(&topic.target), number),
                    *start,
                )
            })
        })
        .collect();
    confirm_ends(cluster, &starts).await
}

/// Whether partitions still end where the plan found their ends.
async fn confirm_ends(
    cluster: &Cluster,
    expected: &[(TopicPartition, i64)],
) -> Result<(), RestoreError> {
    let partitions: Vec<TopicPartition> = expected
        .iter()
        .map(|(partition, _)| partition.clone())
        .collect();
    let mut ends = cluster
        .list_offsets(&partitions, OffsetSpec::HighWatermark)
        .await;
    for (partition, expected) in expected {
        match ends.remove(partition) {
            Some(Ok(end)) if end.offset == *expected => {}
            Some(Ok(end)) => {
                return Err(RestoreError::Changed {
                    topic: partition.topic.to_string(),
                    problem: format!(
                        "partition {} ends at {} instead of {expected}",
                        partition.partition, end.offset
                    ),
                });
            }
            Some(Err(error)) => return Err(failed(&partition.topic, error)),
            None => {}
        }
    }
    Ok(())
}

/// Gives a topic the settings that it ends with, but for those that are put off.
pub(crate) async fn finish(cluster: &Cluster, topic: &PlannedTopic) -> Result<(), RestoreError> {
    let changed = set(
        cluster,
        topic.target_name(),
        &topic.settings.final_changes(),
    )
    .await;
    changed.map_err(|error| failed(topic.target_name(), error))
}

/// Changes settings of a topic, all or none.
pub(crate) async fn set(
    cluster: &Cluster,
    topic: &str,
    wanted: &[SettingChange],
) -> Result<(), KafkaError> {
    if wanted.is_empty() {
        return Ok(());
    }
    cluster
        .alter_topic_configs(topic, &changes(wanted), false)
        .await
}

fn changes(changes: &[SettingChange]) -> Vec<ConfigChange> {
    changes
        .iter()
        .map(|change| match &change.value {
            Some(value) => ConfigChange::set(&change.name, value),
            None => ConfigChange::delete(&change.name),
        })
        .collect()
}
