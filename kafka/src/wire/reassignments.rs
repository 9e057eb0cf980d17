//! Partitions whose replicas are being moved.

use kafka_protocol::messages::{
    BrokerId, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use lifeboat_archive::documents::Reassignment;

use super::{Cluster, topics::wire_millis};
use crate::error::{ErrorCode, KafkaError};

impl Cluster {
    /// The partitions whose replicas are being moved, by name. It takes Describe on the cluster.
    pub async fn reassignments(&self) -> Result<Vec<Reassignment>, KafkaError> {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(wire_millis(self.request_timeout()))
            .with_topics(None);
        let answer = self
            .ask_any(&request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => Err(KafkaError::broker_says(
                        "ListPartitionReassignments",
                        "the cluster",
                        code,
                        answer.error_message.as_ref(),
                    )),
                }
            })
            .await?;
        Ok(read_reassignments(&answer))
    }
}

fn read_reassignments(answer: &ListPartitionReassignmentsResponse) -> Vec<Reassignment> {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    let mut moving = Vec::new();
    for topic in &answer.topics {
        moving.extend(topic.partitions.iter().map(|partition| Reassignment {
            topic: topic.name.to_string(),
            partition: partition.partition_index,
            replicas: ids(&partition.replicas),
            adding: ids(&partition.adding_replicas),
            removing: ids(&partition.removing_replicas),
        }));
    }
    moving.sort_unstable_by(|one, other| {
        (&one.topic, one.partition).cmp(&(&other.topic, other.partition))
    });
    moving
}
