//! The cluster's metadata log over the network: the active controller gives it to whoever may act as a broker.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        DescribeQuorumRequest, FetchSnapshotRequest, TopicName, describe_quorum_request,
        describe_quorum_response::DescribeQuorumResponse,
        fetch_snapshot_request::{PartitionSnapshot, SnapshotId, TopicSnapshot},
    },
    protocol::StrBytes,
};
use lifeboat_archive::words::{TopicId, TopicPartition};
use lifeboat_config::KafkaProperties;

use super::{
    Cluster, FetchAnswer, FetchLimits, FetchPosition, FetchedPartition, Patience, SnapshotEnd,
    connection::{ClientSettings, Connection},
    fetch::fetch,
    transport::Address,
};
use crate::error::{ErrorCode, KafkaError};

/// The metadata log's name and, the same in every cluster, its id.
const TOPIC: &str = "__cluster_metadata";
const TOPIC_ID: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Bytes of one answer.
const PIECE: i32 = 4 << 20;
/// A cluster's metadata is a few hundred MiB at the most.
const LARGEST_SNAPSHOT: i64 = 1 << 30;
/// Leaders that are followed from one to the next before the quorum is taken to be without one.
const MOST_STEPS: usize = 16;

impl Cluster {
    /// Where the controllers listen, the active one first. Brokers tell since Kafka 3.9; takes Describe on the cluster.
    pub async fn controllers(&self) -> Result<Vec<String>, KafkaError> {
        let partition = describe_quorum_request::PartitionData::default().with_partition_index(0);
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let answer = self.ask_any(&request, quorum_verdict).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let leader = partitions.map(|partition| partition.leader_id.0).next();
        let mut nodes: Vec<_> = answer.nodes.iter().collect();
        nodes.sort_by_key(|node| Some(node.node_id.0) != leader);
        let listeners = nodes.iter().filter_map(|node| node.listeners.first());
        let addresses: Vec<_> = listeners
            .map(|listener| Address::new(&listener.host, listener.port).to_string())
            .collect();
        if addresses.is_empty() {
            return Err(KafkaError::UnsupportedApi {
                api: "DescribeQuorum with the controllers' addresses".to_owned(),
                broker: "the cluster".to_owned(),
                detail: Some("Kafka 3.9 and newer do".to_owned()),
            });
        }
        Ok(addresses)
    }
}

fn topic_name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

fn quorum_verdict(answer: &DescribeQuorumResponse) -> Result<(), KafkaError> {
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let codes = partitions.map(|partition| (partition.error_code, &partition.error_message));
    let mut codes = std::iter::once((answer.error_code, &answer.error_message)).chain(codes);
    let failed = codes.find_map(|(code, message)| Some((ErrorCode::from_wire(code)?, message)));
    match failed {
        None => Ok(()),
        Some((code, message)) => Err(KafkaError::broker_says(
            "DescribeQuorum",
            "the controllers",
            code,
            message.as_ref(),
        )),
    }
}

/// Whether it passes: the controllers change places, or the snapshot that one has named was just replaced by the next. Kafka's
/// own client (`KafkaRaftClient`) goes on after these, too, which other APIs do not call retriable.
pub(crate) fn passes(error: &KafkaError) -> bool {
    let passing = [
        ErrorCode::BROKER_NOT_AVAILABLE,
        ErrorCode::SNAPSHOT_NOT_FOUND,
        ErrorCode::POSITION_OUT_OF_RANGE,
    ];
    error.is_retriable() || error.code().is_some_and(|code| passing.contains(&code))
}

/// The controllers of a cluster, by their own listener.
#[derive(Clone, Debug)]
pub struct Controllers {
    settings: ClientSettings,
    addresses: Vec<Address>,
}

impl Controllers {
    /// The controllers at these addresses (`host:port`), reached with these properties; talks to nobody yet.
    pub fn new(properties: &KafkaProperties, addresses: &[String]) -> Result<Self, KafkaError> {
        let addresses: Result<Vec<_>, _> =
            addresses.iter().map(|text| Address::parse(text)).collect();
        Ok(Self {
            settings: ClientSettings::from_properties(properties)?,
            addresses: addresses?,
        })
    }

    /// The time in which reading may be tried again.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.settings.patience)
    }

    /// The active controller: one of those that are known, or where they point to.
    pub(crate) async fn active(&self) -> Result<ActiveController, KafkaError> {
        let mut candidates: VecDeque<_> = self.addresses.iter().cloned().collect();
        let mut asked = BTreeSet::new();
        let mut last = None;
        for _ in 0..MOST_STEPS {
            let Some(address) = candidates.pop_front() else {
                break;
            };
            if !asked.insert(address.to_string()) {
                continue;
            }
            match self.ask_for_leader(&address).await {
                Ok(Asked::Leads(active)) => return Ok(active),
                Ok(Asked::Points(leader)) => leader
                    .into_iter()
                    .for_each(|leader| candidates.push_front(leader)),
                Err(error) if passes(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(no_leader))
    }

    /// Asks one of them whether it leads.
    async fn ask_for_leader(&self, address: &Address) -> Result<Asked, KafkaError> {
        let connection = Connection::open(address, &self.settings).await?;
        let mut active = ActiveController {
            connection,
            epoch: 0,
        };
        // the first answer tells the epoch, the second who leads in it
        for _ in 0..2 {
            let answer = active.ask(0, 0).await?;
            let partition = only_partition(&answer)?;
            match partition.error {
                None => return Ok(Asked::Leads(active)),
                Some(ErrorCode::FENCED_LEADER_EPOCH | ErrorCode::UNKNOWN_LEADER_EPOCH) => {
                    let leader = partition.current_leader.ok_or_else(no_leader)?;
                    active.epoch = leader.epoch;
                }
                Some(ErrorCode::NOT_LEADER_OR_FOLLOWER) => {
                    let leader = partition.current_leader.ok_or_else(no_leader)?;
                    let mut known = answer.endpoints.iter();
                    let endpoint = known.find(|endpoint| endpoint.id == leader.id);
                    let address =
                        endpoint.map(|endpoint| Address::new(&endpoint.host, endpoint.port));
                    return Ok(Asked::Points(address));
                }
                Some(code) => return Err(refused(code)),
            }
        }
        Err(no_leader())
    }
}

enum Asked {
    Leads(ActiveController),
    /// Where it says that the leader is, if it does.
    Points(Option<Address>),
}

/// The controller that leads the metadata log, and its epoch.
#[derive(Debug)]
pub(crate) struct ActiveController {
    connection: Arc<Connection>,
    epoch: i32,
}

impl ActiveController {
    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.connection.address()
    }

    /// The log from `offset` on; the record before it is of `last_epoch` (0 at the beginning).
    pub(crate) async fn log(
        &self,
        offset: i64,
        last_epoch: i32,
    ) -> Result<FetchedPartition, KafkaError> {
        let answer = self.ask(offset, last_epoch).await?;
        let partition = only_partition(&answer)?.clone();
        match partition.error {
            None => Ok(partition),
            Some(code) => Err(refused(code)),
        }
    }

    async fn ask(&self, offset: i64, last_epoch: i32) -> Result<FetchAnswer, KafkaError> {
        let position = FetchPosition {
            topic_partition: TopicPartition::new(TOPIC, 0),
            topic_id: TOPIC_ID,
            offset,
            leader_epoch: self.epoch,
            last_fetched_epoch: last_epoch,
            max_bytes: PIECE,
        };
        let limits = FetchLimits {
            max_bytes: PIECE,
            min_bytes: 1,
            // a log without new records is at its end
            max_wait: Duration::from_millis(500),
        };
        let answer = fetch(&self.connection, &[position], limits).await;
        answer.map_err(|error| match error.code() {
            // of the request as a whole: it is the log that it is about
            Some(code) => refused(code),
            None => error,
        })
    }

    /// All bytes of a snapshot.
    pub(crate) async fn snapshot(&self, end: SnapshotEnd) -> Result<Vec<u8>, KafkaError> {
        let mut bytes = Vec::new();
        loop {
            let position = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            let (piece, size) = self.snapshot_piece(end, position).await?;
            if size > LARGEST_SNAPSHOT {
                return Err(malformed(format!("a snapshot of {size} bytes")));
            }
            let complete = |length: usize| i64::try_from(length).is_ok_and(|length| length >= size);
            if piece.is_empty() && !complete(bytes.len()) {
                return Err(malformed(format!(
                    "the snapshot ends at byte {position} of {size}"
                )));
            }
            bytes.extend_from_slice(&piece);
            if complete(bytes.len()) {
                return Ok(bytes);
            }
        }
    }

    async fn snapshot_piece(
        &self,
        end: SnapshotEnd,
        position: i64,
    ) -> Result<(Bytes, i64), KafkaError> {
        let id = SnapshotId::default()
            .with_end_offset(end.end_offset)
            .with_epoch(end.epoch);
        let partition = PartitionSnapshot::default()
            .with_partition(0)
            .with_current_leader_epoch(self.epoch)
            .with_snapshot_id(id)
            .with_position(position);
        let topic = TopicSnapshot::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        let request = FetchSnapshotRequest::default()
            .with_replica_id((-1).into())
            .with_max_bytes(PIECE)
            .with_topics(vec![topic]);
        let answer = self.connection.call(&request).await?;
        let mut partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let of_request = ErrorCode::from_wire(answer.error_code);
        let partition = partitions.next();
        let code = of_request.or_else(|| ErrorCode::from_wire(partition.as_ref()?.error_code));
        if let Some(code) = code {
            return Err(KafkaError::broker("FetchSnapshot", TOPIC, code));
        }
        let partition = partition.ok_or_else(|| malformed("no snapshot in it".to_owned()))?;
        if partition.position != position {
            return Err(malformed(format!(
                "byte {} where {position} was asked for",
                partition.position
            )));
        }
        Ok((partition.unaligned_records, partition.size))
    }
}

fn only_partition(answer: &FetchAnswer) -> Result<&FetchedPartition, KafkaError> {
    answer
        .partitions
        .first()
        .ok_or_else(|| KafkaError::Malformed {
            operation: "Fetch",
            detail: format!("{TOPIC} is missing in the answer"),
        })
}

fn malformed(detail: String) -> KafkaError {
    KafkaError::Malformed {
        operation: "FetchSnapshot",
        detail,
    }
}

fn refused(code: ErrorCode) -> KafkaError {
    KafkaError::broker("Fetch", TOPIC, code)
}

fn no_leader() -> KafkaError {
    KafkaError::Broker {
        operation: "Fetch",
        subject: TOPIC.to_owned(),
        code: ErrorCode::LEADER_NOT_AVAILABLE,
        message: Some("none of the controllers that are known leads, or says who does".to_owned()),
    }
}

#[cfg(test)]
mod tests;
