//! What lies on the brokers' disks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use kafka_protocol::{
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_request::DescribableLogDirTopic,
        describe_log_dirs_response::DescribeLogDirsResult,
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// The topics whose replicas lie on the brokers' disks.
#[derive(Clone, Debug, Default)]
pub struct TopicsOnDisk {
    /// Their names, whether we may see them or not.
    pub topics: BTreeSet<Arc<str>>,
    /// Brokers that did not tell.
    pub unanswered: Vec<(i32, KafkaError)>,
}

/// How much room the brokers have, and what some topics take of it.
#[derive(Clone, Debug, Default)]
pub struct DiskSpace {
    /// Bytes that each broker may still use; those that do not tell (before Kafka 3.3, or in JVMs that can't) are not
    /// there. What several brokers or folders share is counted once, for the first.
    pub usable: BTreeMap<i32, u64>,
    /// Bytes of the topics that were asked for, all replicas together.
    pub topics: BTreeMap<Arc<str>, u64>,
    /// Brokers that did not tell.
    pub unanswered: Vec<(i32, KafkaError)>,
}

impl Cluster {
    /// Asks all brokers how much room they have, and how much these partitions take. It takes Describe on the cluster.
    pub async fn disk_space(&self, partitions: &[TopicPartition]) -> DiskSpace {
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            let numbers = by_topic.entry(&partition.topic).or_default();
            numbers.push(partition.partition);
        }
        let topics = by_topic.into_iter().map(|(name, numbers)| {
            DescribableLogDirTopic::default()
                .with_topic(StrBytes::from_string(name.to_owned()).into())
                .with_partitions(numbers)
        });
        let request = DescribeLogDirsRequest::default().with_topics(Some(topics.collect()));
        let brokers = self.brokers();
        let answers = brokers
            .iter()
            .map(|broker| self.log_dirs_of(broker.id, &request));
        let mut found = DiskSpace::default();
        let mut counted = BTreeSet::new();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(answer) => found.learn(broker.id, &broker.host, &answer, &mut counted),
                Err(error) => found.unanswered.push((broker.id, error)),
            }
        }
        found
    }
    /// Asks all brokers for the topics on their disks. It takes Describe on the cluster, and no right on any topic.
    pub async fn topics_on_disk(&self) -> TopicsOnDisk {
        let brokers = self.brokers();
        let answers = brokers.iter().map(|broker| self.topics_of(broker.id));
        let mut found = TopicsOnDisk::default();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(topics) => found.topics.extend(topics),
                Err(error) => found.unanswered.push((broker.id, error)),
            }
        }
        found
    }

    async fn topics_of(&self, broker: i32) -> Result<BTreeSet<Arc<str>>, KafkaError> {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = self.log_dirs_of(broker, &request).await?;
        let folders = answer.results.iter();
        let topics = folders.flat_map(|folder| &folder.topics);
        Ok(topics.map(|topic| Arc::from(topic.name.as_str())).collect())
    }

    async fn log_dirs_of(
        &self,
        broker: i32,
        request: &DescribeLogDirsRequest,
    ) -> Result<DescribeLogDirsResponse, KafkaError> {
        let verdict =
            |answer: &DescribeLogDirsResponse| match ErrorCode::from_wire(answer.error_code) {
                None => Ok(()),
                Some(code) => {
                    let subject = format!("broker {broker}");
                    Err(KafkaError::broker("DescribeLogDirs", subject, code))
                }
            };
        self.ask_broker(broker, request, verdict).await
    }
}

/// A volume as it can be told apart from others: where, how large, how full.
type Volume = (String, i64, i64);

impl DiskSpace {
    fn learn(
        &mut self,
        broker: i32,
        host: &str,
        answer: &DescribeLogDirsResponse,
        counted: &mut BTreeSet<Volume>,
    ) {
        let whole = |folder: &&DescribeLogDirsResult| folder.error_code == 0;
        for folder in answer.results.iter().filter(whole) {
            for topic in &folder.topics {
                let sizes = topic.partitions.iter();
                let bytes = sizes.map(|it| u64::try_from(it.partition_size).unwrap_or(0));
                let of_topic = self.topics.entry(topic.name.as_str().into()).or_default();
                *of_topic += bytes.sum::<u64>();
            }
            // who does not know says -1
            let Ok(usable) = u64::try_from(folder.usable_bytes) else {
                continue;
            };
            let volume = (host.to_owned(), folder.total_bytes, folder.usable_bytes);
            if counted.insert(volume) {
                *self.usable.entry(broker).or_default() += usable;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsTopic,
    };

    use super::*;

    fn folder(error: i16, total: i64, usable: i64, sizes: &[i64]) -> DescribeLogDirsResult {
        let partitions = sizes
            .iter()
            .map(|size| DescribeLogDirsPartition::default().with_partition_size(*size));
        let name = StrBytes::from_static_str("orders");
        let topic = DescribeLogDirsTopic::default()
            .with_name(name.into())
            .with_partitions(partitions.collect());
        DescribeLogDirsResult::default()
            .with_error_code(error)
            .with_total_bytes(total)
            .with_usable_bytes(usable)
            .with_topics(vec![topic])
    }

    #[test]
    fn what_brokers_and_folders_share_is_counted_once_and_a_broken_folder_not_at_all() {
        let answer = |folders: Vec<_>| DescribeLogDirsResponse::default().with_results(folders);
        let (mut space, mut counted) = (DiskSpace::default(), BTreeSet::new());
        let two_volumes = answer(vec![
            folder(0, 100, 40, &[1, 2]),
            folder(0, 100, 40, &[4]),
            folder(0, 200, 60, &[]),
            folder(56, 500, 500, &[9]),
        ]);
        space.learn(1, "a", &two_volumes, &mut counted);
        space.learn(
            2,
            "a",
            &answer(vec![folder(0, 100, 40, &[8])]),
            &mut counted,
        );
        space.learn(3, "b", &answer(vec![folder(0, 100, 40, &[])]), &mut counted);
        space.learn(4, "c", &answer(vec![folder(0, -1, -1, &[])]), &mut counted);
        assert_eq!(space.usable, BTreeMap::from([(1, 100), (3, 40)]));
        assert_eq!(space.topics, BTreeMap::from([("orders".into(), 15)]));
    }
}
