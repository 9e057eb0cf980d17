//! What a cluster is besides its records, in a form that a person can read and compare.
//!
//! Each document is a JSON member of `metadata/<snapshot>.tar.zst`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    json::Document,
    words::{Timestamp, TopicId},
};

/// `cluster.json`: who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDocument {
    /// The cluster's id.
    pub cluster_id: String,
    /// When it was asked.
    pub captured_at: Timestamp,
    /// The brokers, by id.
    pub brokers: Vec<Broker>,
}

impl Document for ClusterDocument {
    const FORMAT: &'static str = "lifeboat.cluster";
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// Its node id.
    pub id: i32,
    /// The host that it advertises.
    pub host: String,
    /// The port that it advertises.
    pub port: i32,
    /// Its rack, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
}

/// `topics.json`: the topics of the snapshot and their settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsDocument {
    /// The topics, by name.
    pub topics: Vec<TopicDocument>,
}

impl Document for TopicsDocument {
    const FORMAT: &'static str = "lifeboat.topics";
}

/// A topic and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDocument {
    /// Its name.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// How many partitions.
    pub partition_count: i32,
    /// The most common number of replicas of its partitions.
    pub replication_factor: i16,
    /// The replicas of each partition, by number, the preferred leader first.
    pub assignment: Vec<Vec<i32>>,
    /// Every dynamic topic configuration; `null` is a sensitive value that the broker does not tell.
    pub configs: BTreeMap<String, Option<String>>,
}

/// `groups.json`: consumer groups and what they had committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsDocument {
    /// The groups, by name.
    pub groups: Vec<GroupDocument>,
}

impl Document for GroupsDocument {
    const FORMAT: &'static str = "lifeboat.groups";
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDocument {
    /// Its name.
    pub group: String,
    /// `classic`, `consumer` (KIP-848), …, as the broker says.
    pub group_type: String,
    /// Its protocol type; empty for groups that only commit.
    pub protocol_type: String,
    /// `Stable`, `Empty`, …, as the broker says.
    pub state: String,
    /// What it had committed, by topic and partition.
    pub offsets: Vec<CommittedOffset>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset that the group would read.
    pub offset: i64,
    /// The leader epoch of the record before it; −1 where it was not given.
    pub leader_epoch: i32,
    /// The consumer's own text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}
