//! How large partitions are on the brokers' disks.

use std::{collections::HashMap, sync::Arc};

use futures::future::join_all;
use kafka_protocol::messages::DescribeLogDirsRequest;
use lifeboat_archive::words::TopicPartition;

use super::{ADMIN, Cluster};
use crate::error::{ErrorCode, KafkaError};

impl Cluster {
    /// The bytes of each partition on its leader, as far as the brokers tell: for progress and plans, not for decisions.
    ///
    /// Data in tiered storage is not counted.
    pub async fn log_sizes(&self) -> HashMap<TopicPartition, u64> {
        let brokers = self.brokers();
        let answers = brokers.iter().map(|broker| self.log_sizes_on(broker.id));
        let mut sizes: HashMap<TopicPartition, u64> = HashMap::new();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            let replicas = match answer {
                Ok(replicas) => replicas,
                Err(error) => {
                    tracing::debug!(broker = broker.id, %error, "log sizes unknown");
                    continue;
                }
            };
            for (partition, size) in replicas {
                if self
                    .leader(&partition)
                    .is_none_or(|leader| leader == broker.id)
                {
                    let known = sizes.entry(partition).or_default();
                    *known = size.max(*known);
                }
            }
        }
        sizes
    }

    async fn log_sizes_on(&self, broker: i32) -> Result<Vec<(TopicPartition, u64)>, KafkaError> {
        let connection = self.broker(broker, ADMIN).await?;
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = connection.call(&request).await?;
        if let Some(code) = ErrorCode::from_wire(answer.error_code) {
            return Err(KafkaError::broker(
                "DescribeLogDirs",
                format!("broker {broker}"),
                code,
            ));
        }
        let mut sizes = Vec::new();
        for topic in answer
            .results
            .iter()
            .flat_map(|directory| &directory.topics)
        {
            let name: Arc<str> = topic.name.as_str().into();
            for partition in &topic.partitions {
                // a future replica is a copy on its way to another disk
                if partition.is_future_key {
                    continue;
                }
                let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                sizes.push((key, u64::try_from(partition.partition_size).unwrap_or(0)));
            }
        }
        Ok(sizes)
    }
}
