//! Transactions that are not decided.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use kafka_protocol::{
    messages::{DescribeTransactionsRequest, ListTransactionsRequest, TransactionalId},
    protocol::StrBytes,
};
use lifeboat_archive::{documents::OpenTransaction, words::TopicPartition};
use rand::RngExt;

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// The states, as the coordinators name them, in which a transaction is not decided everywhere.
const UNDECIDED: [&str; 3] = ["Ongoing", "PrepareCommit", "PrepareAbort"];

/// A transaction that is not decided everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionInFlight {
    /// What its coordinator says of it.
    pub transaction: OpenTransaction,
    /// The partitions that it wrote to and that have no marker of it yet, those of groups' offsets included.
    pub partitions: Vec<TopicPartition>,
}

/// The transactions that are not decided.
#[derive(Clone, Debug, Default)]
pub struct OpenTransactions {
    /// By transactional id.
    pub transactions: Vec<TransactionInFlight>,
    /// Brokers that did not tell: the transactions that they coordinate are missing.
    pub unanswered: Vec<(i32, KafkaError)>,
}

impl Cluster {
    /// Asks all brokers for the open transactions that they coordinate. Those of transactional ids that we may not see
    /// are left out without a word: see [`Self::sees_all_transactions`].
    pub async fn open_transactions(&self) -> OpenTransactions {
        let brokers = self.brokers();
        let answers = brokers.iter().map(|broker| self.transactions_of(broker.id));
        let mut open = OpenTransactions::default();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(transactions) => open.transactions.extend(transactions),
                Err(error) => open.unanswered.push((broker.id, error)),
            }
        }
        let id = |open: &TransactionInFlight| open.transaction.transactional_id.clone();
        open.transactions.sort_by_cached_key(id);
        open
    }

    async fn transactions_of(&self, broker: i32) -> Result<Vec<TransactionInFlight>, KafkaError> {
        let states = UNDECIDED.map(StrBytes::from_static_str);
        let request = ListTransactionsRequest::default().with_state_filters(states.to_vec());
        let answer = self
            .ask_broker(broker, &request, |answer| {
                match ErrorCode::from_wire(answer.error_code) {
                    None => Ok(()),
                    Some(code) => {
                        let subject = format!("broker {broker}");
                        Err(KafkaError::broker("ListTransactions", subject, code))
                    }
                }
            })
            .await?;
        let listed = &answer.transaction_states;
        let ids = listed.iter().map(|open| open.transactional_id.clone());
        let mut described = self.describe_transactions(broker, ids.collect()).await?;
        let open = listed.iter().map(|open| {
            let transactional_id = open.transactional_id.to_string();
            let described = described.remove(&transactional_id).unwrap_or_default();
            TransactionInFlight {
                transaction: OpenTransaction {
                    start_timestamp_ms: described.begun,
                    transactional_id,
                    producer_id: open.producer_id.0,
                    state: open.transaction_state.to_string(),
                },
                partitions: described.partitions,
            }
        });
        Ok(open.collect())
    }

    /// When transactions began and where they wrote, as far as this broker still coordinates them.
    async fn describe_transactions(
        &self,
        broker: i32,
        ids: Vec<TransactionalId>,
    ) -> Result<BTreeMap<String, Described>, KafkaError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
        let answer = self.ask_broker(broker, &request, |_| Ok(())).await?;
        let told = answer.transaction_states.iter();
        let told = told.filter(|open| open.error_code == 0);
        Ok(told
            .map(|open| {
                let partitions = open.topics.iter().flat_map(|topic| {
                    let name: Arc<str> = topic.topic.as_str().into();
                    let numbers = topic.partitions.iter();
                    numbers.map(move |&number| TopicPartition::new(Arc::clone(&name), number))
                });
                let described = Described {
                    begun: (open.transaction_start_time_ms >= 0)
                        .then_some(open.transaction_start_time_ms),
                    partitions: partitions.collect(),
                };
                (open.transactional_id.to_string(), described)
            })
            .collect())
    }

    /// Whether transactions are told to us whatever their id is. Asks for one that nobody has: to who may not see it,
    /// the broker does not say that it is not there.
    pub async fn sees_all_transactions(&self) -> Result<bool, KafkaError> {
        let made_up = format!("lifeboat-{:032x}", rand::rng().random::<u128>());
        let id = StrBytes::from_string(made_up);
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![id.into()]);
        let answer = self.ask_any(&request, |_| Ok(())).await?;
        let denied = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        Ok(!answer
            .transaction_states
            .iter()
            .any(|told| ErrorCode::from_wire(told.error_code) == Some(denied)))
    }
}

/// What a coordinator says of a transaction when it is asked for it.
#[derive(Default)]
struct Described {
    begun: Option<i64>,
    partitions: Vec<TopicPartition>,
}

#[cfg(test)]
mod tests;
