//! What is in a cluster, as Kafka's own Java consumer and admin client see it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;

mod compare;

pub use compare::compare;

/// The reader of one cluster.
#[derive(Clone, Debug)]
pub struct Oracle {
    client: Client,
}

/// Which records count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Those of committed transactions, up to the last stable offset.
    #[default]
    ReadCommitted,
    /// All, up to the high watermark.
    ReadUncommitted,
}

/// What to read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReadOptions {
    /// These topics; all but internal ones where empty.
    pub topics: Vec<String>,
    /// Which records count.
    pub isolation: Isolation,
    /// Whether the type of the timestamp (CreateTime, LogAppendTime) is part of the digest.
    pub timestamp_type: bool,
}

/// All records of some partitions, as digests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Contents {
    /// One for each partition, empty ones too.
    pub partitions: Vec<PartitionContents>,
}

impl Contents {
    /// All records together.
    pub fn records(&self) -> u64 {
        self.partitions
            .iter()
            .map(|partition| partition.records)
            .sum()
    }

    /// One partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionContents> {
        self.partitions
            .iter()
            .find(|contents| contents.topic == topic && contents.partition == partition)
    }
}

/// The records of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PartitionContents {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Log start offset.
    pub start: i64,
    /// Last stable offset, or high watermark where uncommitted records count.
    pub end: i64,
    /// How many records.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// SHA-256 over all of them, in order (`Canonical.java`); offsets are no part of it.
    pub digest: String,
    /// The beginning of that digest after each 1,000 records.
    pub checkpoints: Vec<String>,
}

/// A record for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ShownRecord {
    /// How many visible records lie before it.
    pub index: u64,
    /// Its offset.
    pub offset: i64,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Text where it is text, else hexadecimal; long ones shortened.
    pub key: Option<String>,
    /// Likewise.
    pub value: Option<String>,
    /// `name=value`, in order.
    pub headers: Vec<String>,
    /// SHA-256 of the record's canonical form.
    pub digest: String,
}

/// Where a group stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CommittedOffset {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The committed offset.
    pub offset: i64,
    /// The leader epoch committed with it.
    pub leader_epoch: Option<i32>,
    /// The metadata string.
    pub metadata: String,
    /// How many visible records lie before the next one: in equal contents, this names it.
    pub index: u64,
    /// The digest of the next record; absent at the end.
    pub next: Option<String>,
    /// What a consumer of the group really got first: a record's digest, `end`, or `out of range`.
    pub read: String,
}

/// A topic and what was set for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its number of partitions.
    pub partitions: u32,
    /// Replicas of the first partition.
    pub replication_factor: u32,
    /// Settings made for this topic.
    pub configs: BTreeMap<String, String>,
}

/// Who leads a partition, and which replicas are in sync. Ids of brokers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Leadership {
    /// The topic, internal ones included.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// −1 where none leads.
    pub leader: i32,
    /// How many replicas there are.
    pub replicas: usize,
    /// Those in sync.
    pub in_sync: Vec<i32>,
}

impl Oracle {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The reader of a cluster that the testkit did not start.
    pub fn of(bootstrap: &str) -> Self {
        Self::new(Client::of(bootstrap))
    }

    /// Reads everything.
    pub fn read(&self, options: &ReadOptions) -> Result<Contents> {
        self.client.call("read", options)
    }

    /// Up to `limit` records of a partition, from the one that `skip` visible records lie before.
    pub fn records(
        &self,
        topic: &str,
        partition: i32,
        isolation: Isolation,
        skip: u64,
        limit: u64,
    ) -> Result<Vec<ShownRecord>> {
        #[derive(Deserialize)]
        struct Answer {
            records: Vec<ShownRecord>,
        }
        let answer: Answer = self.client.call(
            "records",
            &json!({
                "topic": topic,
                "partition": partition,
                "isolation": isolation,
                "skip": skip,
                "limit": limit,
            }),
        )?;
        Ok(answer.records)
    }

    /// Every group's place in every partition that it committed for.
    pub fn groups(&self) -> Result<Vec<CommittedOffset>> {
        #[derive(Deserialize)]
        struct Answer {
            committed: Vec<CommittedOffset>,
        }
        let answer: Answer = self.client.call("groups", &json!({}))?;
        Ok(answer.committed)
    }

    /// What the cluster is besides its topics, in the shape of Lifeboat's documents: see `Surroundings.java`.
    pub fn surroundings(&self, asked: &Value) -> Result<Value> {
        self.client.call("surroundings", asked)
    }

    /// Who leads what.
    pub fn leaders(&self) -> Result<Vec<Leadership>> {
        #[derive(Deserialize)]
        struct Answer {
            partitions: Vec<Leadership>,
        }
        let answer: Answer = self.client.call("leaders", &json!({}))?;
        Ok(answer.partitions)
    }

    /// All topics but internal ones.
    pub fn topics(&self) -> Result<Vec<TopicDescription>> {
        #[derive(Deserialize)]
        struct Answer {
            topics: Vec<TopicDescription>,
        }
        let answer: Answer = self.client.call("topics", &json!({ "topics": [] }))?;
        Ok(answer.topics)
    }
}
