//! Questions about partitions that only their leaders can answer.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use lifeboat_archive::words::TopicPartition;

use super::{ADMIN, Cluster, Patience, versions::Call};
use crate::error::{ErrorCode, KafkaError};

/// A topic is unknown for a moment after it was created; after this time it is gone.
const UNKNOWN_TOPIC: Duration = Duration::from_secs(10);

/// A partition and the epoch of the leader that is asked: one that was deposed and does not know it yet refuses.
pub(super) type Asked<'p> = (&'p TopicPartition, i32);

/// What is asked of each leader, for all of its partitions at once.
pub(super) trait LeaderQuestion: Sync {
    type Request: Call;
    type Told;
    /// As errors call it.
    const OPERATION: &'static str;

    fn request(&self, partitions: &[Asked<'_>]) -> Self::Request;

    /// What the leader said of each partition.
    fn read(
        &self,
        answer: &<Self::Request as Call>::Answer,
    ) -> Vec<(TopicPartition, Result<Self::Told, KafkaError>)>;
}

/// What was told of each partition.
pub(super) type ByPartition<T> = HashMap<TopicPartition, Result<T, KafkaError>>;

impl Cluster {
    /// Asks the leaders of all these partitions at once, and again where one can't tell yet, until a deadline.
    ///
    /// The answer has an entry for each partition.
    pub(super) async fn ask_all_leaders<Q: LeaderQuestion>(
        &self,
        partitions: &[TopicPartition],
        question: &Q,
    ) -> ByPartition<Q::Told> {
        let mut patience = self.patience();
        let unknown = Patience::new(UNKNOWN_TOPIC);
        let mut settled = ByPartition::with_capacity(partitions.len());
        let mut open: Vec<_> = partitions
            .iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let never_heard_of: Vec<_> = open
            .iter()
            .copied()
            .filter(|partition| self.leadership(partition).is_none())
            .collect();
        if !never_heard_of.is_empty() {
            self.look_for_leaders(never_heard_of).await;
        }
        loop {
            let mut round = self.ask_leaders(&open, question).await;
            let last_round = patience.is_over();
            open.retain(|&partition| {
                let outcome = round
                    .remove(partition)
                    .unwrap_or_else(|| Err(missing::<Q>(partition)));
                let again = outcome.as_ref().is_err_and(|error| {
                    let gone = error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                        && unknown.is_over();
                    error.is_retriable() && !gone
                });
                if again && !last_round {
                    return true;
                }
                settled.insert(partition.clone(), outcome);
                false
            });
            if open.is_empty() {
                return settled;
            }
            patience.pause().await;
            self.look_for_leaders(open.clone()).await;
        }
    }

    async fn look_for_leaders(&self, partitions: Vec<&TopicPartition>) {
        let topics: HashSet<_> = partitions
            .into_iter()
            .map(|partition| Arc::clone(&partition.topic))
            .collect();
        let topics: Vec<_> = topics.into_iter().collect();
        if let Err(error) = self.refresh(&topics).await {
            tracing::debug!(%error, "no metadata");
        }
    }

    /// One request to each leader, all at the same time.
    async fn ask_leaders<Q: LeaderQuestion>(
        &self,
        partitions: &[&TopicPartition],
        question: &Q,
    ) -> ByPartition<Q::Told> {
        let mut told = ByPartition::with_capacity(partitions.len());
        let mut by_leader: BTreeMap<i32, Vec<Asked<'_>>> = BTreeMap::new();
        for &partition in partitions {
            let known = self.leadership(partition);
            if let Some((leader, epoch)) =
                known.and_then(|known| Some((known.leader?, known.epoch)))
            {
                by_leader
                    .entry(leader)
                    .or_default()
                    .push((partition, epoch));
                continue;
            }
            let code = match known {
                Some(_) => ErrorCode::LEADER_NOT_AVAILABLE,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            let error = KafkaError::broker(Q::OPERATION, partition, code);
            told.insert(partition.clone(), Err(error));
        }
        let rounds = by_leader
            .into_iter()
            .map(|(leader, partitions)| self.ask_leader(leader, partitions, question));
        for answers in join_all(rounds).await {
            told.extend(answers);
        }
        told
    }

    async fn ask_leader<Q: LeaderQuestion>(
        &self,
        leader: i32,
        partitions: Vec<Asked<'_>>,
        question: &Q,
    ) -> ByPartition<Q::Told> {
        let request = question.request(&partitions);
        let answer = match self.broker(leader, ADMIN).await {
            Ok(connection) => connection.call(&request).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => question.read(&answer).into_iter().collect(),
            Err(error) => partitions
                .into_iter()
                .map(|(partition, _)| (partition.clone(), Err(error.clone())))
                .collect(),
        }
    }
}

fn missing<Q: LeaderQuestion>(partition: &TopicPartition) -> KafkaError {
    KafkaError::Malformed {
        operation: Q::OPERATION,
        detail: format!("{partition} is missing in the answer"),
    }
}

/// Partitions by topic, as requests want them.
pub(super) fn by_topic<'p, T>(
    partitions: &[Asked<'p>],
    entry: impl Fn(&'p TopicPartition, i32) -> T,
) -> BTreeMap<&'p str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for &(partition, epoch) in partitions {
        let entries = topics.entry(&partition.topic).or_default();
        entries.push(entry(partition, epoch));
    }
    topics
}
