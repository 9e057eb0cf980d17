//! Finds the place again where a partition's writing stands (rule 5): reading back is the truth.

use std::{sync::Arc, time::Duration};

use lifeboat_archive::words::{TopicId, TopicPartition};
use lifeboat_kafka::{
    ErrorCode, KafkaError,
    wire::{Cluster, FetchLimits, FetchPosition, Leadership, OffsetSpec, TopicScope, fetch},
};
use tokio::time::{Instant, sleep};

use super::writer::WriteError;
use crate::rewrite::{Producer, base_sequence};

/// Between two looks at the end: followers that lag fetch at least twice in this time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const ADMIN_LANE: usize = 0;

/// What is needed to find a partition's place.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) cluster: Cluster,
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) start_offset: i64,
    pub(super) producer: Producer,
    /// So long the end may keep moving, or can't be asked for.
    pub(super) deadline: Duration,
}

impl Search {
    /// The partition's end, as soon as it stands still. Where an answer is `outstanding`, the broker may still be
    /// working on the request: it is given the time that it has.
    pub(super) async fn end(&self, outstanding: bool) -> Result<i64, WriteError> {
        if outstanding {
            sleep(self.cluster.request_timeout()).await;
        }
        let began = Instant::now();
        let mut seen = None;
        loop {
            let failure = match self.look().await {
                Ok(Some(end)) if seen == Some(end) => return Ok(end),
                Ok(end) => {
                    seen = end;
                    None
                }
                Err(Look::Stop(error)) => return Err(error),
                Err(Look::Again(error)) => Some(error),
            };
            let after = began.elapsed();
            if after > self.deadline {
                let last = failure.unwrap_or_else(|| KafkaError::Malformed {
                    operation: "ListOffsets",
                    detail: "the end does not stand still".to_owned(),
                });
                return Err(WriteError::NoProgress { after, last });
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// One look; none where the replicas are not yet where the leader is.
    async fn look(&self) -> Result<Option<i64>, Look> {
        self.check_topic().await?;
        let earliest = self.listed(OffsetSpec::Earliest).await?;
        if earliest > self.start_offset {
            return Err(Look::Stop(WriteError::Displaced {
                expected: self.start_offset,
                found: earliest,
            }));
        }
        let end = self.listed(OffsetSpec::HighWatermark).await?;
        let settled = self.agrees_with_sequences(end).await && self.leader_ends_at(end).await?;
        Ok(Some(end).filter(|_| settled))
    }

    /// Whether the leader's log ends at `end`, the high watermark.
    ///
    /// While a replica is down and not yet given up, the high watermark stands still below what the leader has
    /// appended. ListOffsets does not tell that, but Fetch does: behind the end of the log nothing may be asked for, and
    /// between the high watermark and the end of the log there is only nothing to be had yet.
    async fn leader_ends_at(&self, end: i64) -> Result<bool, Look> {
        let Some(Leadership {
            leader: Some(leader),
            epoch,
            ..
        }) = self.cluster.leadership(&self.topic_partition)
        else {
            return Ok(false);
        };
        let connection = self.cluster.broker(leader, ADMIN_LANE).await?;
        let behind = FetchPosition {
            topic_partition: self.topic_partition.clone(),
            topic_id: self.topic_id,
            offset: end.saturating_add(1),
            leader_epoch: epoch,
            last_fetched_epoch: -1,
            max_bytes: 1,
        };
        let limits = FetchLimits {
            max_bytes: 1,
            min_bytes: 0,
            max_wait: Duration::ZERO,
        };
        let answer = fetch(&connection, &[behind], limits).await?;
        match answer
            .partitions
            .first()
            .and_then(|partition| partition.error)
        {
            Some(ErrorCode::OFFSET_OUT_OF_RANGE) => Ok(true),
            None => Ok(false),
            Some(code) => Err(Look::from(KafkaError::Broker {
                operation: "Fetch",
                subject: self.topic_partition.to_string(),
                code,
                message: None,
            })),
        }
    }

    async fn check_topic(&self) -> Result<(), Look> {
        let name = Arc::clone(&self.topic_partition.topic);
        let topics = self.cluster.topics(TopicScope::Named(&[name])).await?;
        let found = topics
            .iter()
            .find(|topic| topic.name == self.topic_partition.topic);
        match found {
            Some(topic) if topic.error.is_none() && topic.id != self.topic_id => {
                Err(Look::Stop(WriteError::Replaced))
            }
            _ => Ok(()),
        }
    }

    async fn listed(&self, spec: OffsetSpec) -> Result<i64, Look> {
        let asked = std::slice::from_ref(&self.topic_partition);
        let mut listed = self.cluster.list_offsets(asked, spec).await;
        match listed.remove(&self.topic_partition) {
            Some(Ok(listed)) => Ok(listed.offset),
            Some(Err(error)) => Err(error.into()),
            None => Err(Look::Again(KafkaError::Malformed {
                operation: "ListOffsets",
                detail: format!("{} is missing", self.topic_partition),
            })),
        }
    }

    /// Where the leader still knows our producer id, its last sequence number tells how far its log reaches; the high
    /// watermark may be behind. For old records it forgets the id, and then says nothing.
    async fn agrees_with_sequences(&self, end: i64) -> bool {
        let asked = std::slice::from_ref(&self.topic_partition);
        let mut told = self.cluster.active_producers(asked).await;
        let Some(Ok(producers)) = told.remove(&self.topic_partition) else {
            return true;
        };
        let ours = producers
            .iter()
            .find(|producer| producer.producer_id == self.producer.id);
        let Some(ours) = ours.filter(|producer| producer.last_sequence >= 0) else {
            return true;
        };
        u64::try_from(end - self.start_offset)
            .ok()
            .and_then(|records| records.checked_sub(1))
            .is_some_and(|last| base_sequence(last) == ours.last_sequence)
    }
}

/// A look that did not succeed.
enum Look {
    Again(KafkaError),
    Stop(WriteError),
}

impl From<KafkaError> for Look {
    fn from(error: KafkaError) -> Self {
        if error.is_retriable() {
            Self::Again(error)
        } else {
            Self::Stop(WriteError::Refused(error))
        }
    }
}
