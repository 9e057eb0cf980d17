//! Kafka's own protocol: connections, metadata, raw record batches in and out, and the admin APIs.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use kafka_protocol::messages::MetadataResponse;
use lifeboat_config::KafkaProperties;

use crate::error::{AuthenticationProblem, KafkaError};

mod acls;
pub(crate) mod answer;
mod configs;
mod connection;
mod delete_records;
mod epochs;
#[cfg(test)]
pub(crate) mod fake_broker;
mod features;
mod fetch;
mod groups;
mod leaders;
mod log_dirs;
mod metadata;
mod metadata_log;
mod offsets;
mod produce;
mod producers;
mod quotas;
mod reassignments;
mod retry;
mod rights;
pub(crate) mod sasl;
mod shape;
pub(crate) mod tls;
mod tokens;
mod topics;
mod transactions;
mod transport;
mod users;
mod versions;

pub use acls::AclOutcomes;
pub use configs::{
    ConfigChange, ConfigEntry, ConfigOperation, ConfigResource, ConfigResources, ConfigSource,
    Configs, TopicConfigs,
};
pub use connection::Connection;
pub use epochs::EpochEnd;
pub use fetch::{
    CurrentLeader, DivergingEpoch, FetchAnswer, FetchLimits, FetchPosition, FetchedPartition,
    NodeEndpoint, SnapshotEnd, fetch,
};
pub use groups::{CommitOutcomes, GroupListing, GroupOffsets, GroupState, ListedGroup};
pub use log_dirs::{DiskSpace, TopicsOnDisk};
pub use metadata::{Leadership, PartitionMetadata, TopicMetadata, TopicScope};
pub use metadata_log::Controllers;
pub(crate) use metadata_log::passes;
pub use offsets::{ListedOffset, OffsetSpec};
pub use produce::{ProduceAnswer, produce};
pub use producers::{ActiveProducer, ProducerIdentity};
pub use quotas::QuotaChange;
pub use retry::Patience;
pub use rights::Rights;
pub use tokens::Tokens;
pub use topics::NewTopic;
pub use transactions::{ListedTransaction, ListedTransactions};
pub use users::{ListedCredential, NewCredential, ScramMechanism};

use connection::ClientSettings;
use metadata::View;
use transport::{Address, Transport};
use versions::Call;

/// Whether the properties can be used to talk to a cluster: reads the certificates and keys that they name, and talks to
/// nobody.
pub fn check_properties(properties: &KafkaProperties) -> Result<(), KafkaError> {
    Transport::from_properties(properties).map(drop)
}

/// The connections of one broker that admin requests share.
const ADMIN: usize = 0;

/// A cluster that answers. Cheap to clone; all clones share connections and what is known of the cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: ClientSettings,
    bootstrap: Vec<Address>,
    cluster_id: String,
    principal: Arc<str>,
    view: RwLock<View>,
    connections: Mutex<HashMap<(i32, usize), Arc<Slot>>>,
    /// The coordinators of groups, as last heard of.
    coordinators: Mutex<HashMap<String, i32>>,
}

/// A connection, while there is one that works; locked while it is made, so that it is made once.
type Slot = tokio::sync::Mutex<Option<Arc<Connection>>>;

impl Cluster {
    /// Connects through the first bootstrap server that answers.
    pub async fn connect(properties: &KafkaProperties) -> Result<Self, KafkaError> {
        let servers = properties.bootstrap_servers();
        if servers.is_empty() {
            return Err(KafkaError::property("bootstrap.servers", "not given", None));
        }
        let bootstrap = servers
            .iter()
            .map(|server| Address::parse(server))
            .collect::<Result<Vec<_>, _>>()?;
        let settings = ClientSettings::from_properties(properties)?;
        let (cluster_id, view) = introduce(&bootstrap, &settings).await?;
        let principal = rights::principal(&settings.transport);
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                bootstrap,
                cluster_id,
                principal,
                view: RwLock::new(view),
                connections: Mutex::default(),
                coordinators: Mutex::default(),
            }),
        })
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.inner.cluster_id
    }

    /// How long a broker may take to answer.
    pub fn request_timeout(&self) -> Duration {
        self.inner.settings.request_timeout
    }

    /// A connection to a broker; made where there is none on this lane, or where it broke.
    ///
    /// Lane 0 is for admin requests; Fetch and Produce have lanes of their own, because a broker reads the next request
    /// of a connection only when it has answered the one before. Where it fails, [`Self::refresh`]: the broker may have
    /// another address now.
    pub async fn broker(&self, id: i32, lane: usize) -> Result<Arc<Connection>, KafkaError> {
        let slot = {
            let connections = self.inner.connections.lock();
            let mut connections = connections.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(connections.entry((id, lane)).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_broken()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let address = {
            let view = self.inner.view.read();
            view.unwrap_or_else(PoisonError::into_inner).address(id)
        };
        let address = address.ok_or_else(|| KafkaError::Connect {
            address: format!("broker {id}"),
            source: Arc::new(io::Error::new(
                io::ErrorKind::NotFound,
                "the cluster does not list it",
            )),
        })?;
        let connection = Connection::open(&address, &self.inner.settings).await?;
        *slot = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// The time in which an operation may be tried again.
    fn patience(&self) -> Patience {
        Patience::new(self.inner.settings.patience)
    }

    /// Asks any broker, until one gives an answer that `verdict` takes or the time is over. Only for questions: what
    /// they ask for may happen twice.
    async fn ask_any<C: Call>(
        &self,
        request: &C,
        verdict: impl Fn(&C::Answer) -> Result<(), KafkaError>,
    ) -> Result<C::Answer, KafkaError> {
        let mut patience = self.patience();
        loop {
            let error = match self.ask_each(request, KafkaError::is_retriable).await {
                Ok(answer) => match verdict(&answer) {
                    Ok(()) => return Ok(answer),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !error.is_retriable() || !patience.pause().await {
                return Err(error);
            }
        }
    }

    /// Asks this broker, until it gives an answer that `verdict` takes or the time is over. Only for questions, as
    /// [`Self::ask_any`].
    async fn ask_broker<C: Call>(
        &self,
        broker: i32,
        request: &C,
        verdict: impl Fn(&C::Answer) -> Result<(), KafkaError>,
    ) -> Result<C::Answer, KafkaError> {
        let mut patience = self.patience();
        loop {
            let answer = match self.broker(broker, ADMIN).await {
                Ok(connection) => connection.call(request).await,
                Err(error) => Err(error),
            };
            let error = match answer {
                Ok(answer) => match verdict(&answer) {
                    Ok(()) => return Ok(answer),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !error.is_retriable() || !patience.pause().await {
                return Err(error);
            }
            // it may have come back under another address
            if error.code().is_none()
                && let Err(error) = self.refresh(&[]).await
            {
                tracing::debug!(%error, "no metadata");
            }
        }
    }

    /// The version in which a broker that answers is asked.
    async fn version_of<C: Call>(&self) -> Result<i16, KafkaError> {
        let mut patience = self.patience();
        loop {
            let mut last = KafkaError::Bootstrap(Vec::new());
            for broker in self.brokers() {
                match self.broker(broker.id, ADMIN).await {
                    Ok(connection) => return connection.version_of(C::API),
                    Err(error) => last = error,
                }
            }
            if !last.is_retriable() || !patience.pause().await {
                return Err(last);
            }
        }
    }

    /// Asks the brokers one after the other, then the bootstrap servers, while the error allows to go on.
    async fn ask_each<C: Call>(
        &self,
        request: &C,
        may_go_on: impl Fn(&KafkaError) -> bool,
    ) -> Result<C::Answer, KafkaError> {
        let mut last = None;
        for broker in self.brokers() {
            let answer = match self.broker(broker.id, ADMIN).await {
                Ok(connection) => connection.call(request).await,
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if may_go_on(&error) => last = Some(error),
                answer => return answer,
            }
        }
        for address in &self.inner.bootstrap {
            let answer = match Connection::open(address, &self.inner.settings).await {
                Ok(connection) => connection.call(request).await,
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if may_go_on(&error) => last = last.or(Some(error)),
                answer => return answer,
            }
        }
        Err(last.unwrap_or_else(|| KafkaError::Bootstrap(Vec::new())))
    }
}

/// Asks the bootstrap servers, one after the other, who and where the cluster is.
async fn introduce(
    bootstrap: &[Address],
    settings: &ClientSettings,
) -> Result<(String, View), KafkaError> {
    let mut failures = Vec::new();
    for address in bootstrap {
        match ask_for_brokers(address, settings).await {
            Ok(answer) => {
                let cluster_id = answer.cluster_id.as_ref().map(ToString::to_string);
                let cluster_id = cluster_id.ok_or_else(|| KafkaError::Malformed {
                    operation: "Metadata",
                    detail: "the cluster has no id".to_owned(),
                })?;
                let mut view = View::default();
                view.see(&answer);
                return Ok((cluster_id, view));
            }
            // the others would say the same
            Err(error @ (KafkaError::Authentication { .. } | KafkaError::Token { .. }))
                if !error.is_retriable() =>
            {
                return Err(error);
            }
            Err(error) => failures.push((address.to_string(), error)),
        }
    }
    Err(together(failures))
}

/// A server that is alone, and there, speaks for itself.
fn together(failures: Vec<(String, KafkaError)>) -> KafkaError {
    use KafkaError as E;
    match <[_; 1]>::try_from(failures) {
        Ok([(_, error @ (E::Tls { .. } | E::Authentication { .. } | E::Token { .. }))]) => error,
        Ok(single) => E::Bootstrap(single.into()),
        Err(failures) => E::Bootstrap(failures),
    }
}

async fn ask_for_brokers(
    address: &Address,
    settings: &ClientSettings,
) -> Result<MetadataResponse, KafkaError> {
    let connection = Connection::open(address, settings).await?;
    let answer = connection.call(&metadata::no_topics()).await;
    let answer = answer.map_err(|error| match error {
        // versions are told to everybody
        KafkaError::Disconnected { address, .. } if settings.transport.sasl().is_none() => {
            KafkaError::Authentication {
                address,
                problem: AuthenticationProblem::Wanted,
            }
        }
        other => other,
    })?;
    metadata::verdict(&answer)?;
    Ok(answer)
}
