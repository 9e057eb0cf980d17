//! One TCP connection to one broker: pipelined requests, answers in the order of the requests.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader},
    protocol::{Encodable, HeaderVersion, StrBytes},
};
use tokio::{
    sync::{RwLock, mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::Answer,
    shape::{self, Encoding, answers},
    transport::{Address, Stream, Transport},
    versions::{Api, Call, Versions},
};
use crate::error::{ErrorCode, KafkaError, TlsProblem};

mod link;
mod session;

use link::{Breakage, Outgoing, drive};

/// No answer but Fetch's gets near this: a longer one is refused before memory is taken for it.
const ANSWER_LIMIT: usize = 64 << 20;
/// The first ApiVersions answer comes from we don't know whom.
const FIRST_ANSWER_LIMIT: usize = 1 << 20;
/// Requests that wait for the socket; those on the wire are bounded by their callers.
const QUEUE: usize = 16;

/// What is asked before anything is known of the broker: every one has version 3.
const API_VERSIONS: Api = Api::new(ApiKey::ApiVersions, "ApiVersions", 0, 3);
/// The versions that tell features.
const API_FEATURES: Api = Api::new(ApiKey::ApiVersions, "ApiVersions", 3, 4);

/// What every connection of a client has in common.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) transport: Transport,
    pub(crate) client_id: StrBytes,
    pub(crate) request_timeout: Duration,
    /// How long an operation is tried again.
    pub(crate) patience: Duration,
}

/// A connection to a broker.
///
/// Requests may be sent concurrently; the broker answers them one after the other. Any failure but a broker's own "no"
/// breaks the connection for good: all that wait get an error, and [`super::Cluster::broker`] makes a new one.
pub struct Connection {
    address: String,
    versions: Versions,
    settings: ClientSettings,
    correlation: AtomicI32,
    throttled_until: Mutex<Option<Instant>>,
    queue: mpsc::Sender<Outgoing>,
    /// Taken by each request while it joins the queue, and by re-authentication as long as that takes.
    gate: RwLock<()>,
    broken: Arc<OnceLock<Breakage>>,
    stop: CancellationToken,
}

/// A body that is ready for the wire, and what its answer may be.
pub(crate) struct Exchange {
    pub(crate) api: Api,
    pub(crate) version: i16,
    /// Of the request's header; the answer's is one lower in all APIs but ApiVersions.
    pub(crate) header_version: i16,
    /// The request's body, in parts that are not copied together.
    pub(crate) body: Vec<Bytes>,
    pub(crate) answer_limit: usize,
    /// How large the answer usually may be: memory is kept for it.
    pub(crate) expected: usize,
    /// How long the broker itself may take, on top of the request timeout.
    pub(crate) grace: Duration,
}

/// Whether a request waits while who we are is proven anew, or is part of that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Usual,
    Inside,
}

impl Connection {
    /// Connects, learns the versions and says who we are.
    pub(crate) async fn open(
        address: &Address,
        settings: &ClientSettings,
    ) -> Result<Arc<Self>, KafkaError> {
        // large futures, needed once
        let stream = Box::pin(settings.transport.dial(address)).await?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let broken = Arc::new(OnceLock::new());
        let stop = CancellationToken::new();
        let (cause, ended) = (Arc::clone(&broken), stop.clone());
        match stream {
            Stream::Plain(stream) => {
                let (read, write) = stream.into_split();
                tokio::spawn(drive(read, write, requests, cause, ended));
            }
            Stream::Secure(stream) => {
                let (read, write) = tokio::io::split(*stream);
                tokio::spawn(drive(read, write, requests, cause, ended));
            }
        }
        let mut connection = Self {
            address: address.to_string(),
            versions: Versions::default(),
            settings: settings.clone(),
            correlation: AtomicI32::new(0),
            throttled_until: Mutex::new(None),
            queue,
            gate: RwLock::new(()),
            broken,
            stop,
        };
        let versions = connection.ask_versions().await;
        connection.versions = versions.map_err(|error| connection.explain(error))?;
        let connection = Arc::new(connection);
        if let Some(sasl) = settings.transport.sasl() {
            let session = Box::pin(session::begin(&connection, sasl)).await;
            session.map_err(|error| connection.explain(error))?;
        }
        Ok(connection)
    }

    /// A connection that breaks at its beginning often does so because the two sides speak different protocols.
    fn explain(&self, error: KafkaError) -> KafkaError {
        let KafkaError::Disconnected { .. } = &error else {
            return error;
        };
        let problem = match self.broken.get() {
            Some(Breakage::SpeaksTls) => Some(TlsProblem::SpeaksTls),
            Some(Breakage::Socket(error)) => self.settings.transport.late_problem(error),
            _ => None,
        };
        match problem {
            Some(problem) => KafkaError::Tls {
                address: self.address.clone(),
                problem,
            },
            None => error,
        }
    }

    /// Where it leads to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it can't be used any more.
    pub fn is_broken(&self) -> bool {
        self.stop.is_cancelled() || self.broken.get().is_some()
    }

    /// How long this connection was told to keep quiet from now on.
    pub fn throttled_for(&self) -> Duration {
        self.throttled_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Duration::ZERO, |until| {
                until.saturating_duration_since(Instant::now())
            })
    }

    pub(crate) fn version_of(&self, api: Api) -> Result<i16, KafkaError> {
        self.versions.choose(api, &self.address)
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call<C: Call>(&self, request: &C) -> Result<C::Answer, KafkaError> {
        self.call_with_grace(request, Duration::ZERO).await
    }

    /// Like [`Self::call`], for a request that the broker may work on for `grace`.
    pub(crate) async fn call_with_grace<C: Call>(
        &self,
        request: &C,
        grace: Duration,
    ) -> Result<C::Answer, KafkaError> {
        self.round_trip(request, grace, Turn::Usual).await
    }

    /// Like [`Self::call`], for who holds the gate.
    pub(crate) async fn call_inside<C: Call>(&self, request: &C) -> Result<C::Answer, KafkaError> {
        self.round_trip(request, Duration::ZERO, Turn::Inside).await
    }

    async fn round_trip<C: Call>(
        &self,
        request: &C,
        grace: Duration,
        turn: Turn,
    ) -> Result<C::Answer, KafkaError> {
        let version = self.version_of(C::API)?;
        let mut body = BytesMut::new();
        request
            .encode(&mut body, version)
            .map_err(|error| malformed(C::API, &error))?;
        let exchange = Exchange {
            api: C::API,
            version,
            header_version: C::header_version(version),
            body: vec![body.freeze()],
            // a peer that has not proven anything yet has little to say
            answer_limit: match turn {
                Turn::Usual => ANSWER_LIMIT,
                Turn::Inside => FIRST_ANSWER_LIMIT,
            },
            expected: 0,
            grace,
        };
        let answer = self.send(exchange, turn).await?;
        let answer: C::Answer = shape::decode(C::API, C::SHAPE, answer, version)?;
        self.note_throttle(C::throttle(&answer));
        Ok(answer)
    }

    /// Sends a body as it is; gives the answer's body.
    pub(crate) async fn exchange(&self, exchange: Exchange) -> Result<Bytes, KafkaError> {
        self.send(exchange, Turn::Usual).await
    }

    async fn send(&self, exchange: Exchange, turn: Turn) -> Result<Bytes, KafkaError> {
        let api = exchange.api;
        if let (Turn::Usual, Some(until)) = (turn, self.throttle()) {
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.stop.cancelled() => return Err(self.disconnected(api)),
            }
        }
        let flexible = exchange.header_version >= 2 && api.key != API_VERSIONS.key;
        let limit = self.settings.request_timeout + exchange.grace;
        let (answer, receiver) = oneshot::channel();
        let conversation = async {
            let gate = match turn {
                Turn::Usual => Some(self.gate.read().await),
                Turn::Inside => None,
            };
            let outgoing = self.frame(exchange, answer)?;
            self.queue
                .send(outgoing)
                .await
                .map_err(|_| self.disconnected(api))?;
            drop(gate);
            receiver.await.map_err(|_| self.disconnected(api))?
        };
        let Ok(outcome) = timeout(limit, conversation).await else {
            // later answers would stand in line behind this one
            self.stop.cancel();
            return Err(KafkaError::Timeout {
                operation: api.name,
                address: self.address.clone(),
                after: limit,
            });
        };
        let body = outcome?;
        if flexible {
            skip_answer_header(body, api)
        } else {
            Ok(body)
        }
    }

    /// Remembers that the broker wants to be left alone.
    pub(crate) fn note_throttle(&self, throttle: Duration) {
        if throttle.is_zero() {
            return;
        }
        tracing::debug!(broker = self.address, ?throttle, "throttled");
        *self
            .throttled_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + throttle);
    }

    fn throttle(&self) -> Option<Instant> {
        *self
            .throttled_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn frame(
        &self,
        exchange: Exchange,
        answer: oneshot::Sender<Result<Bytes, KafkaError>>,
    ) -> Result<Outgoing, KafkaError> {
        let api = exchange.api;
        let correlation = self.correlation.fetch_add(1, Ordering::Relaxed);
        let header = RequestHeader::default()
            .with_request_api_key(api.key)
            .with_request_api_version(exchange.version)
            .with_correlation_id(correlation)
            .with_client_id(Some(self.settings.client_id.clone()));
        let mut head = BytesMut::with_capacity(64);
        head.put_i32(0);
        header
            .encode(&mut head, exchange.header_version)
            .map_err(|error| malformed(api, &error))?;
        let length = head.len() - 4 + exchange.body.iter().map(Bytes::len).sum::<usize>();
        let length = i32::try_from(length)
            .map_err(|_| malformed(api, &format!("a request of {length} bytes")))?;
        head[..4].copy_from_slice(&length.to_be_bytes());
        let mut parts = VecDeque::with_capacity(1 + exchange.body.len());
        parts.push_back(head.freeze());
        parts.extend(exchange.body);
        Ok(Outgoing {
            operation: api.name,
            correlation,
            parts,
            answer_limit: exchange.answer_limit,
            expected: exchange.expected,
            answer,
        })
    }

    fn disconnected(&self, api: Api) -> KafkaError {
        let cause = self.broken.get().map_or_else(
            || Arc::from("another request on it timed out"),
            |breakage| Arc::from(breakage.to_string()),
        );
        KafkaError::Disconnected {
            operation: api.name,
            address: self.address.clone(),
            cause,
        }
    }

    async fn ask_versions(&self) -> Result<Versions, KafkaError> {
        let newest = self.api_versions(API_VERSIONS.spoken.max).await?;
        let answer = if newest.error_code == ErrorCode::UNSUPPORTED_VERSION.number() {
            self.api_versions(0).await?
        } else {
            newest
        };
        match ErrorCode::from_wire(answer.error_code) {
            Some(code) => Err(KafkaError::broker(API_VERSIONS.name, &self.address, code)),
            None => Ok(Versions::from_answer(&answer)),
        }
    }

    /// Asks for the versions once more, for the features that are told with them. Those whose lowest level is 0 are
    /// told from version 4 on.
    pub(super) async fn ask_features(&self) -> Result<ApiVersionsResponse, KafkaError> {
        let answer = self.api_versions(self.version_of(API_FEATURES)?).await?;
        match ErrorCode::from_wire(answer.error_code) {
            Some(code) => Err(KafkaError::broker(API_FEATURES.name, &self.address, code)),
            None => Ok(answer),
        }
    }

    async fn api_versions(&self, version: i16) -> Result<ApiVersionsResponse, KafkaError> {
        let wrong = |error: &dyn fmt::Display| malformed(API_VERSIONS, error);
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("lifeboat"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut body = BytesMut::new();
        request
            .encode(&mut body, version)
            .map_err(|error| wrong(&error))?;
        let answer = self
            .exchange(Exchange {
                api: API_VERSIONS,
                version,
                header_version: ApiVersionsRequest::header_version(version),
                body: vec![body.freeze()],
                answer_limit: FIRST_ANSWER_LIMIT,
                expected: 0,
                grace: Duration::ZERO,
            })
            .await?;
        // a broker that does not know the version answers in version 0
        let refused =
            answer.get(..2) == Some(&ErrorCode::UNSUPPORTED_VERSION.number().to_be_bytes());
        let version = if refused { 0 } else { version };
        let flexible = version >= 3;
        Encoding { version, flexible }.decode(API_VERSIONS, answers::API_VERSIONS, answer)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("broken", &self.broken.get())
            .finish_non_exhaustive()
    }
}

/// Tagged fields follow the correlation id in flexible versions.
fn skip_answer_header(body: Bytes, api: Api) -> Result<Bytes, KafkaError> {
    let mut answer = Answer::new(api.name, body);
    answer.skip_tagged_fields()?;
    Ok(answer.rest())
}

fn malformed(api: Api, error: &dyn fmt::Display) -> KafkaError {
    KafkaError::Malformed {
        operation: api.name,
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
