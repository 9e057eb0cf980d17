//! Settings of topics.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// Kafka's number for "this resource is a topic".
const TOPIC: i8 = 2;
/// A topic has some 40 settings of which the broker tells all.
const TOPICS_PER_REQUEST: usize = 250;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set for this topic: DYNAMIC_TOPIC_CONFIG.
    DynamicTopic,
    /// Set for one broker while it runs.
    DynamicBroker,
    /// Set for all brokers while they run.
    DynamicDefaultBroker,
    /// From a broker's server.properties.
    StaticBroker,
    /// Kafka's own default.
    Default,
    /// A source that this program does not know.
    Other(i8),
}

impl ConfigSource {
    pub(super) fn from_wire(source: i8) -> Self {
        match source {
            1 => Self::DynamicTopic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the broker keeps the value to itself.
    pub sensitive: bool,
    /// Whether it can't be changed.
    pub read_only: bool,
}

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The setting.
    pub name: String,
    /// What becomes of it.
    pub operation: ConfigOperation,
}

/// What becomes of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// It gets this value.
    Set(String),
    /// It goes back to its default.
    Delete,
}

impl ConfigChange {
    /// `name` gets `value`.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            operation: ConfigOperation::Set(value.into()),
        }
    }

    /// `name` goes back to its default.
    pub fn delete(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            operation: ConfigOperation::Delete,
        }
    }
}

/// The settings of each topic, or why they can't be told.
pub type TopicConfigs = BTreeMap<Arc<str>, Result<Vec<ConfigEntry>, KafkaError>>;

impl Cluster {
    /// All settings of these topics, defaults included.
    pub async fn topic_configs(&self, topics: &[Arc<str>]) -> TopicConfigs {
        let mut configs = TopicConfigs::new();
        for topics in topics.chunks(TOPICS_PER_REQUEST) {
            let resources = topics.iter().map(|topic| {
                DescribeConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(StrBytes::from_string(topic.to_string()))
                    .with_configuration_keys(None)
            });
            let request = DescribeConfigsRequest::default().with_resources(resources.collect());
            match self.ask_any(&request, |_| Ok(())).await {
                Ok(answer) => configs.extend(read_configs(topics, &answer)),
                Err(error) => {
                    let failed = topics
                        .iter()
                        .cloned()
                        .map(|topic| (topic, Err(error.clone())));
                    configs.extend(failed);
                }
            }
        }
        configs
    }

    /// Changes settings of a topic, all or none; with `validate_only` only asks whether it could.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(topic.to_owned()))
            .with_configs(changes.iter().map(alterable).collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![resource])
            .with_validate_only(validate_only);
        // the same change twice is the same as once, so it may be asked for again
        let verdict = |answer: &_| alter_verdict(topic, answer);
        self.ask_any(&request, verdict).await.map(drop)
    }
}

fn read_configs(topics: &[Arc<str>], answer: &DescribeConfigsResponse) -> TopicConfigs {
    let mut configs: TopicConfigs = topics
        .iter()
        .map(|topic| {
            let missing = KafkaError::Malformed {
                operation: "DescribeConfigs",
                detail: format!("{topic} is missing in the answer"),
            };
            (Arc::clone(topic), Err(missing))
        })
        .collect();
    for result in &answer.results {
        if let Some(known) = configs.get_mut(result.resource_name.as_str()) {
            *known = read_result(result);
        }
    }
    configs
}

fn read_result(result: &DescribeConfigsResult) -> Result<Vec<ConfigEntry>, KafkaError> {
    match ErrorCode::from_wire(result.error_code) {
        None => Ok(result.configs.iter().map(read_entry).collect()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeConfigs",
            &result.resource_name,
            code,
            result.error_message.as_ref(),
        )),
    }
}

fn read_entry(entry: &DescribeConfigsResourceResult) -> ConfigEntry {
    let value = entry.value.as_ref().map(ToString::to_string);
    ConfigEntry {
        name: entry.name.to_string(),
        value: value.filter(|_| !entry.is_sensitive),
        source: ConfigSource::from_wire(entry.config_source),
        sensitive: entry.is_sensitive,
        read_only: entry.read_only,
    }
}

fn alterable(change: &ConfigChange) -> AlterableConfig {
    let (operation, value) = match &change.operation {
        ConfigOperation::Set(value) => (SET, Some(StrBytes::from_string(value.clone()))),
        ConfigOperation::Delete => (DELETE, None),
    };
    AlterableConfig::default()
        .with_name(StrBytes::from_string(change.name.clone()))
        .with_config_operation(operation)
        .with_value(value)
}

fn alter_verdict(
    topic: &str,
    answer: &kafka_protocol::messages::IncrementalAlterConfigsResponse,
) -> Result<(), KafkaError> {
    for response in &answer.responses {
        if let Some(code) = ErrorCode::from_wire(response.error_code) {
            return Err(KafkaError::broker_says(
                "IncrementalAlterConfigs",
                topic,
                code,
                response.error_message.as_ref(),
            ));
        }
    }
    Ok(())
}
