//! Dynamic settings: of topics, brokers, groups and client-metrics subscriptions.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use kafka_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};
use lifeboat_archive::documents::Settings;

use super::{Cluster, Patience};
use crate::error::{ErrorCode, KafkaError};

// Kafka's numbers for what a resource is.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
/// The first version of ListConfigResources that knows more than client-metrics subscriptions.
const EVERY_KIND: i16 = 1;
/// A topic has some 40 settings of which the broker tells all.
const RESOURCES_PER_REQUEST: usize = 250;
/// So long a broker may be behind the others.
const LAGS_WITHIN: Duration = Duration::from_secs(5);
const SET: i8 = 0;
const DELETE: i8 = 1;

/// What settings belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic.
    Topic(Arc<str>),
    /// One broker, by its node id.
    Broker(i32),
    /// All brokers: the cluster's defaults.
    AllBrokers,
    /// A group (KIP-848, KIP-932).
    Group(String),
    /// A subscription to metrics of clients (KIP-714).
    ClientMetrics(String),
}

impl ConfigResource {
    /// The settings among `entries` that were made for this resource while the cluster ran, and not inherited.
    pub fn own_settings(&self, entries: Vec<ConfigEntry>) -> Settings {
        let own = match self {
            Self::Topic(_) => ConfigSource::DynamicTopic,
            Self::Broker(_) => ConfigSource::DynamicBroker,
            Self::AllBrokers => ConfigSource::DynamicDefaultBroker,
            Self::Group(_) => ConfigSource::DynamicGroup,
            Self::ClientMetrics(_) => ConfigSource::DynamicClientMetrics,
        };
        let entries = entries.into_iter().filter(|entry| entry.source == own);
        entries.map(|entry| (entry.name, entry.value)).collect()
    }

    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => TOPIC,
            Self::Broker(_) | Self::AllBrokers => BROKER,
            Self::Group(_) => GROUP,
            Self::ClientMetrics(_) => CLIENT_METRICS,
        }
    }

    fn wire_name(&self) -> StrBytes {
        StrBytes::from_string(match self {
            Self::Topic(name) => name.to_string(),
            Self::Broker(id) => id.to_string(),
            Self::AllBrokers => String::new(),
            Self::Group(name) | Self::ClientMetrics(name) => name.clone(),
        })
    }

    /// The only broker that tells and changes them.
    fn place(&self) -> Option<i32> {
        match self {
            Self::Broker(id) => Some(*id),
            _ => None,
        }
    }
}

/// As errors name it.
impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => f.write_str(name),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::ClientMetrics(name) => write!(f, "client metrics {name}"),
        }
    }
}

/// What has settings and can't be found in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigResources {
    /// Subscriptions to metrics of clients, by name.
    pub client_metrics: Vec<String>,
    /// Groups with settings, by name; `None` where the broker is too old to list them (below 4.1).
    pub groups: Option<Vec<String>>,
}

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
    /// Set for a subscription to metrics of clients.
    DynamicClientMetrics,
    /// Set for a group.
    DynamicGroup,
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
            7 => Self::DynamicClientMetrics,
            8 => Self::DynamicGroup,
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

/// The settings of each resource, or why they can't be told.
pub type Configs = BTreeMap<ConfigResource, Result<Vec<ConfigEntry>, KafkaError>>;
/// The settings of each topic, or why they can't be told.
pub type TopicConfigs = BTreeMap<Arc<str>, Result<Vec<ConfigEntry>, KafkaError>>;

impl Cluster {
    /// All settings of these resources, inherited ones included.
    pub async fn configs(&self, resources: &[ConfigResource]) -> Configs {
        let mut configs = self.configs_now(resources).await;
        let mut patience = Patience::new(LAGS_WITHIN);
        loop {
            // a broker may not have heard of it yet
            let passing = |config: &Result<_, KafkaError>| {
                let code = config.as_ref().err().and_then(KafkaError::code);
                code.is_some_and(ErrorCode::is_retriable)
            };
            let again = configs.iter().filter(|(_, config)| passing(config));
            let again: Vec<_> = again.map(|(resource, _)| resource.clone()).collect();
            if again.is_empty() || !patience.pause().await {
                return configs;
            }
            configs.extend(self.configs_now(&again).await);
        }
    }

    async fn configs_now(&self, resources: &[ConfigResource]) -> Configs {
        // one unknown kind of resource fails the whole request, and a broker speaks for itself only
        let mut requests: BTreeMap<_, Vec<&ConfigResource>> = BTreeMap::new();
        for resource in resources {
            let together = requests.entry((resource.kind(), resource.place()));
            together.or_default().push(resource);
        }
        let mut configs = Configs::new();
        for ((_, place), resources) in requests {
            for resources in resources.chunks(RESOURCES_PER_REQUEST) {
                match self.describe_configs(resources, place).await {
                    Ok(answer) => configs.extend(read_configs(resources, &answer)),
                    Err(error) => configs.extend(
                        resources
                            .iter()
                            .map(|&resource| (resource.clone(), Err(error.clone()))),
                    ),
                }
            }
        }
        configs
    }

    async fn describe_configs(
        &self,
        resources: &[&ConfigResource],
        place: Option<i32>,
    ) -> Result<DescribeConfigsResponse, KafkaError> {
        let resources = resources.iter().map(|resource| {
            DescribeConfigsResource::default()
                .with_resource_type(resource.kind())
                .with_resource_name(resource.wire_name())
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        match place {
            Some(broker) => self.ask_broker(broker, &request, |_| Ok(())).await,
            None => self.ask_any(&request, |_| Ok(())).await,
        }
    }

    /// All settings of these topics, defaults included.
    pub async fn topic_configs(&self, topics: &[Arc<str>]) -> TopicConfigs {
        let resources: Vec<_> = topics.iter().cloned().map(ConfigResource::Topic).collect();
        let configs = self.configs(&resources).await.into_iter();
        configs
            .filter_map(|(resource, config)| match resource {
                ConfigResource::Topic(topic) => Some((topic, config)),
                _ => None,
            })
            .collect()
    }

    /// The groups and subscriptions that have settings.
    pub async fn config_resources(&self) -> Result<ConfigResources, KafkaError> {
        const OPERATION: &str = "ListConfigResources";
        let tells_groups = self.version_of::<ListConfigResourcesRequest>().await? >= EVERY_KIND;
        let kinds = if tells_groups {
            vec![CLIENT_METRICS, GROUP]
        } else {
            Vec::new()
        };
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds);
        let answer = self
            .ask_any(&request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => Err(KafkaError::broker(OPERATION, "the cluster", code)),
                }
            })
            .await?;
        // where the kind is not told, all are subscriptions, and it reads as such
        let named = |kind: i8| {
            let found = answer.config_resources.iter();
            let found = found.filter(|resource| resource.resource_type == kind);
            let mut names: Vec<_> = found.map(|found| found.resource_name.to_string()).collect();
            names.sort_unstable();
            names
        };
        Ok(ConfigResources {
            client_metrics: named(CLIENT_METRICS),
            groups: tells_groups.then(|| named(GROUP)),
        })
    }

    /// Changes settings of a resource, all or none; with `validate_only` only asks whether it could.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(resource.wire_name())
            .with_configs(changes.iter().map(alterable).collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![altered])
            .with_validate_only(validate_only);
        // the same change twice is the same as once, so it may be asked for again
        let verdict = |answer: &_| alter_verdict(resource, answer);
        match resource.place() {
            Some(broker) => self.ask_broker(broker, &request, verdict).await.map(drop),
            None => self.ask_any(&request, verdict).await.map(drop),
        }
    }

    /// Changes settings of a topic: see [`Self::alter_configs`].
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<(), KafkaError> {
        let topic = ConfigResource::Topic(topic.into());
        self.alter_configs(&topic, changes, validate_only).await
    }
}

fn read_configs(resources: &[&ConfigResource], answer: &DescribeConfigsResponse) -> Configs {
    let told: BTreeMap<_, _> = answer
        .results
        .iter()
        .map(|result| {
            (
                (result.resource_type, result.resource_name.as_str()),
                result,
            )
        })
        .collect();
    resources
        .iter()
        .map(|&resource| {
            let name = resource.wire_name();
            let config = match told.get(&(resource.kind(), name.as_str())) {
                Some(result) => read_result(resource, result),
                None => Err(KafkaError::Malformed {
                    operation: "DescribeConfigs",
                    detail: format!("{resource} is missing in the answer"),
                }),
            };
            (resource.clone(), config)
        })
        .collect()
}

fn read_result(
    resource: &ConfigResource,
    result: &DescribeConfigsResult,
) -> Result<Vec<ConfigEntry>, KafkaError> {
    match ErrorCode::from_wire(result.error_code) {
        None => Ok(result.configs.iter().map(read_entry).collect()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeConfigs",
            resource,
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
    resource: &ConfigResource,
    answer: &IncrementalAlterConfigsResponse,
) -> Result<(), KafkaError> {
    if answer.responses.is_empty() {
        return Err(KafkaError::Malformed {
            operation: "IncrementalAlterConfigs",
            detail: format!("{resource} is missing in the answer"),
        });
    }
    for response in &answer.responses {
        if let Some(code) = ErrorCode::from_wire(response.error_code) {
            return Err(KafkaError::broker_says(
                "IncrementalAlterConfigs",
                resource,
                code,
                response.error_message.as_ref(),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
