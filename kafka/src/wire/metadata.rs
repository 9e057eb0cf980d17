//! Brokers, topics, and who leads which partition.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError},
};

use kafka_protocol::{
    messages::{
        DescribeClusterRequest, MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::StrBytes,
};
use lifeboat_archive::{
    documents::Broker,
    words::{TopicId, TopicPartition},
};

use super::{Cluster, rights, transport::Address};
use crate::error::{ErrorCode, KafkaError};

/// The first version of DescribeCluster that tells of brokers that are down.
const FENCED: i16 = 2;

/// Which topics to ask for.
#[derive(Clone, Copy, Debug)]
pub enum TopicScope<'a> {
    /// All that the principal may see.
    All,
    /// These.
    Named(&'a [Arc<str>]),
}

/// A topic as the brokers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: TopicId,
    /// Whether Kafka marks it internal.
    pub internal: bool,
    /// Why nothing is known of it.
    pub error: Option<ErrorCode>,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition as the brokers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it, while there is one.
    pub leader: Option<i32>,
    /// How often the leadership has changed; −1 where the broker does not tell.
    pub leader_epoch: i32,
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// What is wrong with it.
    pub error: Option<ErrorCode>,
}

/// Who leads a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, while there is one.
    pub leader: Option<i32>,
    /// Its epoch; −1 where the broker does not tell.
    pub epoch: i32,
    topic_id: TopicId,
}

/// What the cluster looked like when it was last asked.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) brokers: BTreeMap<i32, Broker>,
    leaders: HashMap<TopicPartition, Leadership>,
}

impl View {
    pub(super) fn address(&self, broker: i32) -> Option<Address> {
        let broker = self.brokers.get(&broker)?;
        let port = u16::try_from(broker.port).ok()?;
        Some(Address::new(&broker.host, port))
    }

    pub(super) fn see(&mut self, answer: &MetadataResponse) {
        self.brokers = brokers(answer);
    }

    fn learn(&mut self, topics: &[TopicMetadata]) {
        for topic in topics {
            if topic.error == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
                self.leaders.retain(|known, _| known.topic != topic.name);
            }
            for partition in &topic.partitions {
                let key = TopicPartition::new(Arc::clone(&topic.name), partition.partition);
                let heard = Leadership {
                    leader: partition.leader,
                    epoch: partition.leader_epoch,
                    topic_id: topic.id,
                };
                let known = self.leaders.entry(key).or_insert(heard);
                // a broker that lags behind must not bring an old leader back
                if known.topic_id != heard.topic_id || known.epoch <= heard.epoch {
                    *known = heard;
                }
            }
        }
    }
}

fn brokers(answer: &MetadataResponse) -> BTreeMap<i32, Broker> {
    answer
        .brokers
        .iter()
        .map(|broker| {
            let id = broker.node_id.0;
            let broker = Broker {
                id,
                host: broker.host.to_string(),
                port: broker.port,
                rack: broker.rack.as_ref().map(ToString::to_string),
            };
            (id, broker)
        })
        .collect()
}

/// Asks for the brokers only.
pub(super) fn no_topics() -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(Vec::new()))
        .with_allow_auto_topic_creation(false)
}

pub(super) fn verdict(answer: &MetadataResponse) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(answer.error_code) {
        Some(code) => Err(KafkaError::broker("Metadata", "the cluster", code)),
        None => Ok(()),
    }
}

/// Brokers that are named as replicas and are not there.
fn absent(topics: &[TopicMetadata], there: &[Broker]) -> Vec<i32> {
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let mut named: BTreeSet<i32> = partitions
        .flat_map(|partition| partition.replicas.iter().copied())
        .collect();
    for broker in there {
        named.remove(&broker.id);
    }
    named.into_iter().collect()
}

impl Cluster {
    /// The brokers, by id, as last heard of.
    pub fn brokers(&self) -> Vec<Broker> {
        let view = self.inner.view.read();
        let view = view.unwrap_or_else(PoisonError::into_inner);
        view.brokers.values().cloned().collect()
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let view = self.inner.view.read();
        let view = view.unwrap_or_else(PoisonError::into_inner);
        let ids = view.brokers.keys();
        ids.filter_map(|broker| view.address(*broker)).collect()
    }

    /// The brokers that belong to the cluster and are down, by id; where the brokers are too old to tell (below 4.0) those
    /// that hold something of a topic that we may see.
    pub async fn brokers_down(&self) -> Result<Vec<i32>, KafkaError> {
        match self.version_of::<DescribeClusterRequest>().await {
            Ok(version) if version >= FENCED => {}
            Ok(_) | Err(KafkaError::UnsupportedApi { .. }) => {
                let topics = self.topics(TopicScope::All).await?;
                return Ok(absent(&topics, &self.brokers()));
            }
            Err(error) => return Err(error),
        }
        let request = DescribeClusterRequest::default().with_include_fenced_brokers(true);
        let answer = self.ask_any(&request, rights::verdict).await?;
        let down = answer.brokers.iter().filter(|broker| broker.is_fenced);
        let mut down: Vec<_> = down.map(|broker| broker.broker_id.0).collect();
        down.sort_unstable();
        Ok(down)
    }

    /// What the brokers say about topics. Also brings [`Self::leader`] up to date.
    pub async fn topics(&self, scope: TopicScope<'_>) -> Result<Vec<TopicMetadata>, KafkaError> {
        let topics = match scope {
            TopicScope::All => None,
            TopicScope::Named(names) => Some(names.iter().map(|name| asked(name)).collect()),
        };
        let request = no_topics().with_topics(topics);
        let answer = self.ask_any(&request, verdict).await?;
        let mut topics = answer
            .topics
            .iter()
            .map(read_topic)
            .collect::<Result<Vec<_>, _>>()?;
        topics.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let view = self.inner.view.write();
        let mut view = view.unwrap_or_else(PoisonError::into_inner);
        view.see(&answer);
        view.learn(&topics);
        Ok(topics)
    }

    /// Asks again who leads the partitions of these topics.
    pub async fn refresh(&self, topics: &[Arc<str>]) -> Result<(), KafkaError> {
        self.topics(TopicScope::Named(topics)).await.map(drop)
    }

    /// The leader as last heard of.
    pub fn leader(&self, partition: &TopicPartition) -> Option<i32> {
        self.leadership(partition)?.leader
    }

    /// The leader and its epoch as last heard of; `None` for a partition that was never asked for.
    pub fn leadership(&self, partition: &TopicPartition) -> Option<Leadership> {
        let view = self.inner.view.read();
        let view = view.unwrap_or_else(PoisonError::into_inner);
        view.leaders.get(partition).copied()
    }
}

/// Where the brokers keep which segments lie in which remote storage: true of one cluster only. Kafka does not say that it
/// is internal (`TopicBasedRemoteLogMetadataManagerConfig`).
const REMOTE_LOG_METADATA: &str = "__remote_log_metadata";

fn asked(name: &str) -> MetadataRequestTopic {
    let name = StrBytes::from_string(name.to_owned());
    MetadataRequestTopic::default().with_name(Some(name.into()))
}

fn read_topic(topic: &MetadataResponseTopic) -> Result<TopicMetadata, KafkaError> {
    let name = topic.name.as_ref().ok_or_else(|| KafkaError::Malformed {
        operation: "Metadata",
        detail: format!("a topic without a name, id {}", topic.topic_id),
    })?;
    let mut partitions: Vec<_> = topic.partitions.iter().map(read_partition).collect();
    partitions.sort_unstable_by_key(|partition| partition.partition);
    Ok(TopicMetadata {
        name: Arc::from(name.as_str()),
        id: TopicId(topic.topic_id.into_bytes()),
        internal: topic.is_internal || name.as_str() == REMOTE_LOG_METADATA,
        error: ErrorCode::from_wire(topic.error_code),
        partitions,
    })
}

fn read_partition(partition: &MetadataResponsePartition) -> PartitionMetadata {
    PartitionMetadata {
        partition: partition.partition_index,
        leader: Some(partition.leader_id.0).filter(|&leader| leader >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
        error: ErrorCode::from_wire(partition.error_code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: u8, leader: i32, leader_epoch: i32) -> TopicMetadata {
        TopicMetadata {
            name: "orders".into(),
            id: TopicId([id; 16]),
            internal: false,
            error: None,
            partitions: vec![PartitionMetadata {
                partition: 0,
                leader: Some(leader),
                leader_epoch,
                replicas: vec![1, 2],
                error: None,
            }],
        }
    }

    #[test]
    fn a_broker_that_only_replicas_name_is_down() {
        let there = |id| Broker {
            id,
            host: "kafka".to_owned(),
            port: 9092,
            rack: None,
        };
        assert_eq!(absent(&[topic(1, 1, 4)], &[there(1), there(9)]), [2]);
        assert!(absent(&[], &[there(1)]).is_empty());
    }

    fn leader(view: &View) -> Option<i32> {
        view.leaders[&TopicPartition::new("orders", 0)].leader
    }

    #[test]
    fn a_lagging_broker_does_not_bring_an_old_leader_back() {
        let mut view = View::default();
        view.learn(&[topic(1, 1, 4)]);
        view.learn(&[topic(1, 2, 5)]);
        view.learn(&[topic(1, 1, 4)]);
        assert_eq!(leader(&view), Some(2));
    }

    #[test]
    fn a_recreated_topic_begins_with_a_low_epoch() {
        let mut view = View::default();
        view.learn(&[topic(1, 1, 4)]);
        view.learn(&[topic(2, 2, 0)]);
        assert_eq!(leader(&view), Some(2));
    }
}
