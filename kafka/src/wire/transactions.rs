//! What the coordinators of transactions know of them (KIP-664).

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

/// The last transaction of a transactional id, decided or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// What its coordinator says of it. It keeps the time when it began until the next one begins.
    pub transaction: OpenTransaction,
    /// The partitions that it wrote to and that have no marker of it yet, those of groups' offsets included.
    pub partitions: Vec<TopicPartition>,
}

/// What all coordinators told.
#[derive(Clone, Debug, Default)]
pub struct ListedTransactions {
    /// By transactional id.
    pub transactions: Vec<ListedTransaction>,
    /// Brokers that did not tell: the transactions that they coordinate are missing.
    pub unanswered: Vec<(i32, KafkaError)>,
}

impl Cluster {
    /// Asks all brokers for the transactions that they coordinate and that are not decided everywhere. Those of
    /// transactional ids that we may not see are left out without a word: see [`Self::sees_all_transactions`].
    pub async fn open_transactions(&self) -> ListedTransactions {
        self.list_transactions(&UNDECIDED).await
    }

    /// As [`Self::open_transactions`], but the last one of each transactional id, whatever became of it.
    pub async fn last_transactions(&self) -> ListedTransactions {
        self.list_transactions(&[]).await
    }

    async fn list_transactions(&self, states: &[&'static str]) -> ListedTransactions {
        let brokers = self.brokers();
        let answers = brokers
            .iter()
            .map(|broker| self.transactions_of(broker.id, states));
        let mut listed = ListedTransactions::default();
        for (broker, answer) in brokers.iter().zip(join_all(answers).await) {
            match answer {
                Ok(transactions) => listed.transactions.extend(transactions),
                Err(error) => listed.unanswered.push((broker.id, error)),
            }
        }
        let id = |listed: &ListedTransaction| listed.transaction.transactional_id.clone();
        listed.transactions.sort_by_cached_key(id);
        listed
    }

    async fn transactions_of(
        &self,
        broker: i32,
        states: &[&'static str],
    ) -> Result<Vec<ListedTransaction>, KafkaError> {
        let wanted = states.iter().map(|state| StrBytes::from_static_str(state));
        let request = ListTransactionsRequest::default().with_state_filters(wanted.collect());
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
        let told = listed.iter().map(|listed| {
            let transactional_id = listed.transactional_id.to_string();
            // told together, and later: the one that was listed may have ended since, and another begun
            let described = described.remove(&transactional_id);
            described.unwrap_or_else(|| ListedTransaction {
                transaction: OpenTransaction {
                    transactional_id,
                    producer_id: listed.producer_id.0,
                    state: listed.transaction_state.to_string(),
                    start_timestamp_ms: None,
                },
                partitions: Vec::new(),
            })
        });
        let is_wanted = |told: &ListedTransaction| {
            states.is_empty() || states.contains(&told.transaction.state.as_str())
        };
        Ok(told.filter(is_wanted).collect())
    }

    /// When transactions began and where they wrote, by transactional id, as far as this broker still coordinates them.
    async fn describe_transactions(
        &self,
        broker: i32,
        ids: Vec<TransactionalId>,
    ) -> Result<BTreeMap<String, ListedTransaction>, KafkaError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
        let answer = self.ask_broker(broker, &request, |_| Ok(())).await?;
        let told = answer.transaction_states.iter();
        let told = told.filter(|told| told.error_code == 0);
        Ok(told
            .map(|told| {
                let partitions = told.topics.iter().flat_map(|topic| {
                    let name: Arc<str> = topic.topic.as_str().into();
                    let numbers = topic.partitions.iter();
                    numbers.map(move |&number| TopicPartition::new(Arc::clone(&name), number))
                });
                let begun = told.transaction_start_time_ms;
                let described = ListedTransaction {
                    transaction: OpenTransaction {
                        transactional_id: told.transactional_id.to_string(),
                        producer_id: told.producer_id.0,
                        state: told.transaction_state.to_string(),
                        start_timestamp_ms: (begun >= 0).then_some(begun),
                    },
                    partitions: partitions.collect(),
                };
                (told.transactional_id.to_string(), described)
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

#[cfg(test)]
mod tests;
