//! Topics made and removed.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::{
    messages::{
        BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicId;

use super::{Cluster, ConfigEntry, ConfigSource, versions::Call};
use crate::error::{ErrorCode, KafkaError};

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; −1 = the broker's default.
    pub partitions: i32,
    /// How many replicas of each; −1 = the broker's default.
    pub replication_factor: i16,
    /// The brokers of each partition, by number, in place of both counts; `None`: the controller decides.
    pub assignment: Option<Vec<Vec<i32>>>,
    /// Its settings.
    pub configs: BTreeMap<String, String>,
}

/// Something for each topic, in the order of the request.
type PerTopic<T> = Vec<(String, Result<T, KafkaError>)>;

impl Cluster {
    /// Makes topics; with `validate_only` only asks whether it could.
    ///
    /// The brokers learn of a new topic one after the other: for a moment it may be unknown. The id is
    /// [`TopicId::ZERO`] where nothing was made.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> PerTopic<TopicId> {
        let timeout = self.request_timeout();
        let request = |open: &[&NewTopic]| {
            CreateTopicsRequest::default()
                .with_topics(open.iter().map(|topic| creatable(topic)).collect())
                .with_timeout_ms(wire_millis(timeout))
                .with_validate_only(validate_only)
        };
        self.for_each_topic(
            topics,
            |topic| &topic.name,
            request,
            |answer| answer.topics.iter().map(created).collect(),
        )
        .await
    }

    /// What a topic would have that sets nothing itself; `name` is one that is not there. Nothing is made.
    pub async fn default_topic_settings(&self, name: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        let topic = NewTopic {
            name: name.to_owned(),
            // as the brokers make one: a policy of theirs may refuse what others choose
            partitions: -1,
            replication_factor: -1,
            assignment: None,
            configs: BTreeMap::new(),
        };
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable(&topic)])
            .with_timeout_ms(wire_millis(self.request_timeout()))
            .with_validate_only(true);
        let verdict = |answer: &CreateTopicsResponse| would_have(answer, name).map(drop);
        let answer = self.ask_any(&request, verdict).await?;
        would_have(&answer, name)
    }

    /// Removes topics. Their data is gone when the broker finds the time.
    pub async fn delete_topics(&self, topics: &[String]) -> PerTopic<()> {
        let timeout = self.request_timeout();
        let request = |open: &[&String]| {
            let topics = open.iter().map(|name| {
                let name = StrBytes::from_string((*name).clone());
                DeleteTopicState::default().with_name(Some(name.into()))
            });
            DeleteTopicsRequest::default()
                .with_topics(topics.collect())
                .with_timeout_ms(wire_millis(timeout))
        };
        self.for_each_topic(
            topics,
            |name| name,
            request,
            |answer| answer.responses.iter().map(deleted).collect(),
        )
        .await
    }

    /// Asks for a change of topics, and again for those that certainly were not changed and may be later.
    async fn for_each_topic<C: Call, T, O>(
        &self,
        topics: &[T],
        name: impl Fn(&T) -> &String,
        request: impl Fn(&[&T]) -> C,
        read: impl Fn(&C::Answer) -> PerTopic<O>,
    ) -> PerTopic<O> {
        let may_ask_again =
            |error: &KafkaError| error.is_retriable() && error.is_certainly_undone();
        let mut patience = self.patience();
        let mut settled: BTreeMap<String, Result<O, KafkaError>> = BTreeMap::new();
        let mut open: Vec<&T> = topics.iter().collect();
        loop {
            let mut answers: BTreeMap<_, _> =
                match self.ask_each(&request(&open), may_ask_again).await {
                    Ok(answer) => read(&answer).into_iter().collect(),
                    Err(error) => open
                        .iter()
                        .map(|topic| (name(topic).clone(), Err(error.clone())))
                        .collect(),
                };
            let last_round = patience.is_over();
            open.retain(|topic| {
                let name = name(topic);
                let outcome = answers
                    .remove(name)
                    .unwrap_or_else(|| Err(missing(C::API.name, name)));
                if outcome.as_ref().is_err_and(may_ask_again) && !last_round {
                    return true;
                }
                settled.insert(name.clone(), outcome);
                false
            });
            if open.is_empty() {
                break;
            }
            patience.pause().await;
        }
        topics
            .iter()
            .map(|topic| {
                let name = name(topic);
                let outcome = settled.remove(name);
                (
                    name.clone(),
                    outcome.unwrap_or_else(|| Err(missing(C::API.name, name))),
                )
            })
            .collect()
    }
}

pub(super) fn wire_millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    let creatable = CreatableTopic::default()
        .with_name(StrBytes::from_string(topic.name.clone()).into())
        .with_configs(configs.collect());
    let Some(assignment) = &topic.assignment else {
        return creatable
            .with_num_partitions(topic.partitions)
            .with_replication_factor(topic.replication_factor);
    };
    let assignments = (0..).zip(assignment).map(|(partition, brokers)| {
        let brokers = brokers.iter().map(|broker| BrokerId(*broker));
        CreatableReplicaAssignment::default()
            .with_partition_index(partition)
            .with_broker_ids(brokers.collect())
    });
    // the controller wants no counts beside an assignment
    creatable
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments.collect())
}

fn created(topic: &CreatableTopicResult) -> (String, Result<TopicId, KafkaError>) {
    let name = topic.name.to_string();
    let outcome = match ErrorCode::from_wire(topic.error_code) {
        None => Ok(TopicId(topic.topic_id.into_bytes())),
        Some(code) => Err(KafkaError::broker_says(
            "CreateTopics",
            &name,
            code,
            topic.error_message.as_ref(),
        )),
    };
    (name, outcome)
}

/// The settings that a topic would have been made with.
fn would_have(answer: &CreateTopicsResponse, name: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
    let topic = answer.topics.first();
    let topic = topic.ok_or_else(|| missing("CreateTopics", name))?;
    created(topic).1?;
    if let Some(code) = ErrorCode::from_wire(topic.topic_config_error_code) {
        return Err(KafkaError::broker("DescribeConfigs", name, code));
    }
    let configs = topic.configs.iter().flatten();
    let entry = |config: &CreatableTopicConfigs| ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_ref().map(ToString::to_string),
        source: ConfigSource::from_wire(config.config_source),
        sensitive: config.is_sensitive,
        read_only: config.read_only,
    };
    Ok(configs.map(entry).collect())
}

fn deleted(topic: &DeletableTopicResult) -> (String, Result<(), KafkaError>) {
    let name = topic.name.as_ref().map(|name| name.to_string());
    let name = name.unwrap_or_default();
    let outcome = match ErrorCode::from_wire(topic.error_code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            "DeleteTopics",
            &name,
            code,
            topic.error_message.as_ref(),
        )),
    };
    (name, outcome)
}

fn missing(operation: &'static str, name: &str) -> KafkaError {
    KafkaError::Malformed {
        operation,
        detail: format!("{name} is missing in the answer"),
    }
}

#[cfg(test)]
mod tests;
