//! Who was asked, and what was going on there.

use serde::{Deserialize, Serialize};

use crate::{json::Document, words::Timestamp};

/// `cluster.json`: who was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDocument {
    /// The cluster's id.
    pub cluster_id: String,
    /// When it was asked.
    pub captured_at: Timestamp,
    /// The brokers, by id.
    pub brokers: Vec<Broker>,
    /// Partitions whose replicas were being moved, by name: for information; `None` where that is not known.
    #[serde(default)]
    pub reassignments: Option<Vec<Reassignment>>,
    /// Transactions that were not decided, by their id: for information; `None` where that is not known.
    #[serde(default)]
    pub open_transactions: Option<Vec<OpenTransaction>>,
}

impl Document for ClusterDocument {
    const FORMAT: &'static str = "lifeboat.cluster";
}

/// A partition whose replicas were being moved (KIP-455).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reassignment {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// All replicas, those that come and those that go.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that go.
    pub removing: Vec<i32>,
}

/// A transaction that was not decided (KIP-664).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTransaction {
    /// Its transactional id.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: i64,
    /// `Ongoing`, `PrepareCommit`, …, as the broker says.
    pub state: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_timestamp_ms: Option<i64>,
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
