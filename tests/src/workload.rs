//! What is in a cluster before it is backed up: written by Kafka's own Java producer.

use std::{collections::BTreeMap, env, path::Path};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;

/// The producer of one cluster.
#[derive(Clone, Debug)]
pub struct Workload {
    client: Client,
}

/// A small data set that holds one of everything.
#[derive(Clone, Debug, Serialize)]
pub struct Fidelity {
    /// Everything but the times follows from it.
    pub seed: u64,
    /// 1 is about 10,000 records and 15 MB.
    pub scale: u32,
    /// Replicas of every partition.
    pub replication_factor: u16,
    /// Fill the compacted topics and wait for the cleaner (some seconds).
    pub compaction: bool,
}

impl Default for Fidelity {
    /// The seed is 1 unless `LIFEBOAT_SEED` says another.
    fn default() -> Self {
        Self {
            seed: env::var("LIFEBOAT_SEED")
                .ok()
                .and_then(|seed| seed.parse().ok())
                .unwrap_or(1),
            scale: 1,
            replication_factor: 1,
            compaction: true,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Deserialize)]
pub struct FidelityReport {
    /// All topics, those that stayed empty too.
    pub topics: Vec<String>,
    /// The transactional ids whose transactions were left open: [`Workload::settle`] aborts them.
    pub open_transactions: Vec<String>,
    /// How many records were sent, aborted and superseded ones too.
    pub records: u64,
}

/// Much lifelike data in one topic.
#[derive(Clone, Debug, Serialize)]
pub struct Bulk {
    /// The topic; it is created.
    pub topic: String,
    /// How many partitions it gets.
    pub partitions: u32,
    /// Replicas of every partition.
    pub replication_factor: u16,
    /// Its configuration.
    pub configs: BTreeMap<String, String>,
    /// `orders` (about 350 bytes each), `clicks` (about 190) or `documents` (about 1,100).
    pub kind: String,
    /// What the data follow from.
    pub seed: u64,
    /// How many distinct keys.
    pub keys: u32,
    /// none, gzip, snappy, lz4 or zstd.
    pub codec: String,
    /// The producer's batch.size.
    pub batch_bytes: u32,
    /// A batch for every record.
    pub one_record_per_batch: bool,
    /// End after so many records; 0: no bound.
    pub records: u64,
    /// End after so many bytes of keys and values; 0: no bound.
    pub bytes: u64,
    /// End after so many bytes sent to the broker, compressed as they are stored; 0: no bound.
    pub stored_bytes: u64,
    /// Write in transactions of so many records; 0: without.
    pub records_per_transaction: u32,
    /// Abort every nth transaction; 0: none.
    pub abort_every: u32,
    /// The first record's time, in milliseconds since 1970.
    pub start_timestamp: i64,
    /// From one record's time to the next one's.
    pub step_ms: f64,
}

impl Bulk {
    /// Orders in 6 lz4 partitions; some bound must be set. Times begin on 2026-10-01.
    pub fn orders(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions: 6,
            replication_factor: 1,
            // the times are fixed: nothing may be deleted by them
            configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
            kind: "orders".to_owned(),
            seed: 1,
            keys: 50_000,
            codec: "lz4".to_owned(),
            batch_bytes: 65_536,
            one_record_per_batch: false,
            records: 0,
            bytes: 0,
            stored_bytes: 0,
            records_per_transaction: 0,
            abort_every: 0,
            start_timestamp: 1_790_812_800_000,
            step_ms: 1.0,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Deserialize)]
pub struct BulkReport {
    /// Records, aborted ones too.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Bytes that went to the broker.
    pub stored_bytes: u64,
    /// Records of aborted transactions.
    pub aborted: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A single record; bytes as they are.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Where it goes.
    pub topic: String,
    /// Which partition; negative where the producer's partitioner decides.
    pub partition: i32,
    /// Its time; the producer's clock where absent.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    /// A text value without a key.
    pub fn text(topic: &str, partition: i32, value: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            value: Some(value.as_bytes().to_vec()),
            ..Self::default()
        }
    }

    fn json(&self) -> Value {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value.as_deref().map(base64) }))
            .collect();
        json!({
            "topic": self.topic,
            "partition": self.partition,
            "timestamp": self.timestamp,
            "key": self.key.as_deref().map(base64),
            "value": self.value.as_deref().map(base64),
            "headers": headers,
        })
    }
}

impl Workload {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The producer of a cluster that the testkit did not start.
    pub fn of(bootstrap: &str) -> Self {
        Self::new(Client::of(bootstrap))
    }

    /// Fills an empty cluster with one of everything that a restore must give back as it was.
    pub fn fidelity(&self, wanted: &Fidelity) -> Result<FidelityReport> {
        self.call("fidelity", wanted)
    }

    /// Fills one new topic with much.
    pub fn bulk(&self, wanted: &Bulk) -> Result<BulkReport> {
        self.call("bulk", wanted)
    }

    /// Creates one topic.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        self.create_replicated_topic(name, partitions, 1, configs)
    }

    /// Creates one topic with several replicas.
    pub fn create_replicated_topic(
        &self,
        name: &str,
        partitions: u32,
        replication_factor: u16,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        let configs: BTreeMap<_, _> = configs.iter().copied().collect();
        self.done(
            "create_topics",
            &json!({ "topics": [{
                "name": name,
                "partitions": partitions,
                "replication_factor": replication_factor,
                "configs": configs,
            }] }),
        )
    }

    /// Deletes topics.
    pub fn delete_topics(&self, topics: &[&str]) -> Result<()> {
        self.done("delete_topics", &json!({ "topics": topics }))
    }

    /// Deletes all records of a partition before an offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        self.done(
            "delete_records",
            &json!({ "topic": topic, "partition": partition, "before": before }),
        )
    }

    /// Sets settings of a topic, or takes them away (`None`).
    pub fn alter_configs(&self, topic: &str, configs: &[(&str, Option<&str>)]) -> Result<()> {
        let configs: BTreeMap<_, _> = configs.iter().copied().collect();
        self.done(
            "alter_configs",
            &json!({ "topic": topic, "configs": configs }),
        )
    }

    /// Sends exactly these records through one producer with these settings, and returns their offsets. With a
    /// `transactional.id` they are one transaction.
    pub fn produce(&self, settings: &[(&str, &str)], messages: &[Message]) -> Result<Vec<i64>> {
        self.send(settings, false, messages)
    }

    /// The same, with a batch for every record.
    pub fn produce_one_by_one(
        &self,
        settings: &[(&str, &str)],
        messages: &[Message],
    ) -> Result<Vec<i64>> {
        self.send(settings, true, messages)
    }

    /// Commits offsets for a group that is not running: topic, partition, offset, metadata.
    pub fn commit(&self, group: &str, offsets: &[(&str, i32, i64, &str)]) -> Result<()> {
        let offsets: Vec<_> = offsets
            .iter()
            .map(|(topic, partition, offset, metadata)| {
                json!({
                    "topic": topic,
                    "partition": partition,
                    "offset": offset,
                    "leader_epoch": null,
                    "metadata": metadata,
                })
            })
            .collect();
        self.done("commit", &json!({ "group": group, "offsets": offsets }))
    }

    /// Aborts transactions that were left open, as their producer does when it starts again.
    pub fn settle(&self, transactional_ids: &[String]) -> Result<()> {
        self.done("settle", &json!({ "transactional_ids": transactional_ids }))
    }

    /// The state of every transactional id, in Kafka's words (`Ongoing`, `CompleteCommit`, …).
    pub fn transactions(&self) -> Result<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        struct Listed {
            transactional_id: String,
            state: String,
        }
        #[derive(Deserialize)]
        struct Transactions {
            transactions: Vec<Listed>,
        }
        let answer: Transactions = self.call("transactions", &json!({}))?;
        Ok(answer
            .transactions
            .into_iter()
            .map(|one| (one.transactional_id, one.state))
            .collect())
    }

    /// Sets what a cluster is besides its topics: `configs`, `acls`, `quotas` and the `starts` of share groups, in the
    /// words of `Surroundings.java`.
    pub fn fill_surroundings(&self, wanted: &Value) -> Result<()> {
        self.done("fill_surroundings", wanted)
    }

    /// Writes a log segment as brokers before 0.11 did, in the words of `OldFormat.java`.
    pub fn old_segment(&self, path: &Path, batches: &Value) -> Result<()> {
        self.done("old_segment", &json!({ "path": path, "batches": batches }))
    }

    /// Makes a delegation token for the user of this workload; what Kafka says of it.
    pub fn delegation_token(&self, renewer: &str) -> Result<Value> {
        self.call("token", &json!({ "renewer": renewer }))
    }

    /// Lets a consumer (`classic`, `consumer` or `share`) read a topic as a member of its group until the file
    /// `while_there` is removed; its state and the member, as Kafka describes them.
    pub fn join(
        &self,
        kind: &str,
        group: &str,
        topic: &str,
        instance_id: Option<&str>,
        while_there: &Path,
    ) -> Result<Value> {
        self.call(
            "join",
            &json!({
                "kind": kind,
                "group": group,
                "topic": topic,
                "client_id": format!("{group}.client"),
                "instance_id": instance_id,
                "while_there": while_there,
            }),
        )
    }

    fn send(
        &self,
        settings: &[(&str, &str)],
        flush_each: bool,
        messages: &[Message],
    ) -> Result<Vec<i64>> {
        #[derive(Deserialize)]
        struct Sent {
            offsets: Vec<i64>,
        }
        let settings: BTreeMap<_, _> = settings.iter().copied().collect();
        let records: Vec<_> = messages.iter().map(Message::json).collect();
        let sent: Sent = self.call(
            "produce",
            &json!({ "settings": settings, "flush_each": flush_each, "records": records }),
        )?;
        Ok(sent.offsets)
    }

    fn done(&self, command: &str, request: &Value) -> Result<()> {
        self.call::<Value>(command, request).map(drop)
    }

    fn call<T: serde::de::DeserializeOwned>(
        &self,
        command: &str,
        request: &impl Serialize,
    ) -> Result<T> {
        self.client.call(command, request)
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
