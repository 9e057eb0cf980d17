//! Coordinators that are not there: what they know, no broker tells, and none says so.

use std::{sync::Arc, time::Duration};

use crate::{
    error::KafkaError,
    wire::{Cluster, Patience, TopicMetadata, TopicScope},
};

/// Where the coordinators of groups keep what they know.
pub(super) const OF_GROUPS: &str = "__consumer_offsets";
/// Where those of transactions do.
pub(super) const OF_TRANSACTIONS: &str = "__transaction_state";
/// So long a partition may be without a leader while the leadership moves on.
const MOVES_WITHIN: Duration = Duration::from_secs(20);

/// Who coordinates: the leaders of the partitions of an internal topic, each with its epoch. None where there is no such
/// topic, or it can't be seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Coordinators {
    topic: String,
    leaders: Vec<(Option<i32>, i32)>,
}

impl Coordinators {
    /// As they are now.
    pub(super) async fn now(cluster: &Cluster, topic: &str) -> Result<Self, KafkaError> {
        let topic: Arc<str> = topic.into();
        let told = cluster.topics(TopicScope::Named(&[topic])).await?;
        Ok(told.first().map(Self::of).unwrap_or_default())
    }

    /// As they are when each partition has one again, or after a while.
    pub(super) async fn settled(cluster: &Cluster, topic: &str) -> Result<Self, KafkaError> {
        let mut patience = Patience::new(MOVES_WITHIN);
        loop {
            let now = Self::now(cluster, topic).await?;
            if now.missing().is_none() || !patience.pause().await {
                return Ok(now);
            }
        }
    }

    fn of(topic: &TopicMetadata) -> Self {
        let partitions = topic.partitions.iter();
        Self {
            topic: topic.name.to_string(),
            leaders: partitions
                .map(|partition| (partition.leader, partition.leader_epoch))
                .collect(),
        }
    }

    /// Partitions that nobody leads, as after the loss of the only broker that holds them:
    /// `3 of 50 partitions of __consumer_offsets have no leader (1, 17, 40)`.
    pub(super) fn missing(&self) -> Option<String> {
        let leaders = self.leaders.iter().enumerate();
        let lost = leaders.filter(|(_, (leader, _))| leader.is_none());
        let lost: Vec<_> = lost.map(|(number, _)| number.to_string()).collect();
        let (count, of, topic) = (lost.len(), self.leaders.len(), &self.topic);
        (count > 0).then(|| {
            format!(
                "{count} of {of} partitions of {topic} have no leader ({})",
                lost.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::words::TopicId;

    use super::*;
    use crate::wire::PartitionMetadata;

    #[test]
    fn partitions_that_nobody_leads_are_named() {
        let partition = |partition, leader| PartitionMetadata {
            partition,
            leader,
            leader_epoch: 1,
            replicas: vec![1],
            error: None,
        };
        let topic = |second| TopicMetadata {
            name: OF_GROUPS.into(),
            id: TopicId::ZERO,
            internal: true,
            partitions: vec![partition(0, Some(1)), partition(1, second)],
            error: None,
        };
        let lost = Coordinators::of(&topic(None));
        assert_eq!(
            lost.missing().unwrap(),
            "1 of 2 partitions of __consumer_offsets have no leader (1)"
        );
        assert_eq!(Coordinators::of(&topic(Some(2))).missing(), None);
        assert_eq!(Coordinators::default().missing(), None);
    }
}
