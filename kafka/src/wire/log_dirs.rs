//! What lies on the brokers' disks.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use kafka_protocol::messages::DescribeLogDirsRequest;

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

impl Cluster {
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
        let answer = self
            .ask_broker(broker, &request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => {
                        let subject = format!("broker {broker}");
                        Err(KafkaError::broker("DescribeLogDirs", subject, code))
                    }
                }
            })
            .await?;
        let folders = answer.results.iter();
        let topics = folders.flat_map(|folder| &folder.topics);
        Ok(topics.map(|topic| Arc::from(topic.name.as_str())).collect())
    }
}
