//! Where a leader epoch ends: whether what was archived is still in the log (KIP-101, KIP-320).

use std::{collections::HashMap, sync::Arc};

use kafka_protocol::{
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::TopicPartition;

use super::{
    Cluster,
    leaders::{Asked, ByPartition, LeaderQuestion, by_topic},
};
use crate::error::{ErrorCode, KafkaError};

const OPERATION: &str = "OffsetForLeaderEpoch";

/// Where an epoch ends in the leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch up to the one that was asked for; −1 where the leader knows none.
    pub epoch: i32,
    /// One more than its last offset; −1 where the leader knows none.
    pub end_offset: i64,
}

impl Cluster {
    /// Asks the leaders where these epochs end. The answer has an entry for each partition. Takes Describe on the topics.
    pub async fn epoch_ends(&self, epochs: &HashMap<TopicPartition, i32>) -> ByPartition<EpochEnd> {
        let partitions: Vec<_> = epochs.keys().cloned().collect();
        self.ask_all_leaders(&partitions, &EpochsAsked(epochs))
            .await
    }
}

struct EpochsAsked<'e>(&'e HashMap<TopicPartition, i32>);

impl LeaderQuestion for EpochsAsked<'_> {
    type Request = OffsetForLeaderEpochRequest;
    type Told = EpochEnd;
    const OPERATION: &'static str = OPERATION;

    fn request(&self, partitions: &[Asked<'_>]) -> OffsetForLeaderEpochRequest {
        let topics = by_topic(partitions, |partition, current| {
            let epoch = self.0.get(partition).copied().unwrap_or(-1);
            OffsetForLeaderPartition::default()
                .with_partition(partition.partition)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch)
        });
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetForLeaderTopic::default()
                .with_topic(StrBytes::from_string(name.to_owned()).into())
                .with_partitions(partitions)
        });
        OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(topics.collect())
    }

    fn read(
        &self,
        answer: &OffsetForLeaderEpochResponse,
    ) -> Vec<(TopicPartition, Result<EpochEnd, KafkaError>)> {
        let topics = answer.topics.iter();
        let told = topics.flat_map(|topic| {
            let name: Arc<str> = topic.topic.as_str().into();
            topic.partitions.iter().map(move |partition| {
                let key = TopicPartition::new(Arc::clone(&name), partition.partition);
                let told = match ErrorCode::from_wire(partition.error_code) {
                    Some(code) => Err(KafkaError::broker(OPERATION, &key, code)),
                    None => Ok(EpochEnd {
                        epoch: partition.leader_epoch,
                        end_offset: partition.end_offset,
                    }),
                };
                (key, told)
            })
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ApiKey;
    use lifeboat_archive::words::TopicId;

    use super::*;
    use crate::wire::fake_broker::{FakeBroker, FakeTopic, Out, Reply, metadata};

    const APIS: [(ApiKey, i16, i16); 2] = [
        (ApiKey::Metadata, 12, 12),
        (ApiKey::OffsetForLeaderEpoch, 4, 4),
    ];
    const ORDERS: FakeTopic<'static> = ("orders", TopicId([7; 16]), &[(1, 4)]);

    #[tokio::test]
    async fn r5_a_leader_tells_where_an_epoch_ends_and_a_new_one_is_asked_again() {
        let refusals = std::sync::atomic::AtomicI16::new(2);
        let broker = FakeBroker::start(&APIS, move |asked| {
            if asked.api == ApiKey::Metadata as i16 {
                return Reply::Body(metadata(&[(1, asked.port)], &[ORDERS]));
            }
            let refused = refusals.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0;
            let mut out = Out::default();
            out.i32(0).array(1).text("orders").array(1);
            // UNKNOWN_LEADER_EPOCH
            out.i16(if refused { 75 } else { 0 }).i32(0).i32(3).i64(17);
            out.tags().tags().tags();
            Reply::Body(out)
        })
        .await;
        let cluster = broker.cluster().await.unwrap();
        let partition = TopicPartition::new("orders", 0);
        let mut ends = cluster.epoch_ends(&[(partition.clone(), 3)].into()).await;
        assert_eq!(
            ends.remove(&partition).unwrap().unwrap(),
            EpochEnd {
                epoch: 3,
                end_offset: 17
            }
        );
        assert_eq!(broker.asked(ApiKey::OffsetForLeaderEpoch).len(), 3);
    }
}
