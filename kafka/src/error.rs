//! What can go wrong with a cluster, cut by what a caller can do about it.

use std::{fmt, io, sync::Arc, time::Duration};

use kafka_protocol::{ResponseError, protocol::StrBytes};
use lifeboat_config::PropertyError;

mod security;

pub use security::{AuthenticationProblem, TlsProblem, TokenProblem};

/// A failed conversation with Kafka.
///
/// Cloneable, because one broken connection fails many partitions.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KafkaError {
    /// No connection to this address.
    #[error("can't connect to {address}")]
    Connect {
        /// `host:port` as configured, or as the broker advertises it.
        address: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// No encrypted connection to this address.
    #[error("no secure connection to {address}: {problem}")]
    Tls {
        /// `host:port`.
        address: String,
        /// Why.
        problem: TlsProblem,
    },
    /// A broker does not let us in.
    #[error("{address} does not let us in: {problem}")]
    Authentication {
        /// The broker.
        address: String,
        /// Why.
        problem: AuthenticationProblem,
    },
    /// There is no token to show to a broker.
    #[error("the token endpoint {url} {problem}")]
    Token {
        /// The token endpoint.
        url: String,
        /// Why.
        problem: TokenProblem,
    },
    /// None of the bootstrap servers answered.
    #[error("no bootstrap server can be used: {}", each_with_cause(.0))]
    Bootstrap(Vec<(String, KafkaError)>),
    /// A broker took too long. Whether it did what it was asked is unknown.
    #[error("{address} did not answer {operation} within {after:?}")]
    Timeout {
        /// What was asked.
        operation: &'static str,
        /// Who was asked.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke. Whether the broker did what it was asked is unknown.
    #[error("the connection to {address} broke during {operation}: {cause}")]
    Disconnected {
        /// What was asked.
        operation: &'static str,
        /// Who was asked.
        address: String,
        /// Why it broke.
        cause: Arc<str>,
    },
    /// A broker said no.
    #[error("{operation} of {subject}: {code}{}", in_brackets(.message.as_deref()))]
    Broker {
        /// What was asked.
        operation: &'static str,
        /// What it was asked for: a topic-partition, a group, a broker.
        subject: String,
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, where it gave any.
        message: Option<String>,
    },
    /// The broker does not offer what is needed.
    #[error("{broker} does not offer {api}{}", in_brackets(.detail.as_deref()))]
    UnsupportedApi {
        /// The API by Kafka's name.
        api: String,
        /// The broker's address.
        broker: String,
        /// Which versions it has instead, where it has any.
        detail: Option<String>,
    },
    /// The bytes are not what the protocol says.
    #[error("malformed {operation}: {detail}")]
    Malformed {
        /// Which request or answer.
        operation: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The record-level consumer gave up.
    #[error("can't read records: {problem}")]
    Consumer {
        /// Why, in librdkafka's words.
        problem: String,
    },
    /// The caller wants no more.
    #[error("interrupted")]
    Interrupted,
    /// A property that can't be used.
    #[error("{name}: {problem}")]
    Property {
        /// The property.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl KafkaError {
    /// A property that can't be used, and what to do about it.
    pub(crate) fn property(name: &str, problem: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Property {
            name: name.to_owned(),
            problem: problem.into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// A broker's answer to `operation` on `subject`, without words of its own.
    pub(crate) fn broker(
        operation: &'static str,
        subject: impl fmt::Display,
        code: ErrorCode,
    ) -> Self {
        Self::Broker {
            operation,
            subject: subject.to_string(),
            code,
            message: None,
        }
    }

    /// Like [`Self::broker`], with the broker's message.
    pub(crate) fn broker_says(
        operation: &'static str,
        subject: impl fmt::Display,
        code: ErrorCode,
        message: Option<&StrBytes>,
    ) -> Self {
        Self::Broker {
            operation,
            subject: subject.to_string(),
            code,
            message: message
                .map(ToString::to_string)
                .filter(|text| !text.is_empty()),
        }
    }

    /// Whether asking again, after a pause and a look at the metadata, may help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Disconnected { .. } => true,
            Self::Bootstrap(failures) => {
                failures.is_empty() || failures.iter().any(|(_, error)| error.is_retriable())
            }
            Self::Tls { problem, .. } => problem.is_retriable(),
            Self::Token { problem, .. } => problem.is_retriable(),
            Self::Broker { code, .. } => code.is_retriable(),
            Self::Authentication { problem, .. } => problem.is_retriable(),
            Self::UnsupportedApi { .. }
            | Self::Malformed { .. }
            | Self::Consumer { .. }
            | Self::Interrupted
            | Self::Property { .. } => false,
        }
    }

    /// Whether the broker certainly did nothing: it was never asked, or it said no.
    ///
    /// Not for Produce, whose leader may say no after it has appended: when it is deposed while it waits for its followers.
    pub fn is_certainly_undone(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Disconnected { .. } | Self::Malformed { .. } => false,
            Self::Broker { code, .. } => !matches!(
                *code,
                ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            ),
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Authentication { .. }
            | Self::Token { .. }
            | Self::Bootstrap(_)
            | Self::UnsupportedApi { .. }
            | Self::Consumer { .. }
            | Self::Interrupted
            | Self::Property { .. } => true,
        }
    }

    /// The broker's code, where a broker answered.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl From<PropertyError> for KafkaError {
    fn from(error: PropertyError) -> Self {
        Self::Property {
            name: error.name,
            problem: error.problem,
            hint: error.hint,
        }
    }
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

fn each_with_cause(failures: &[(String, KafkaError)]) -> String {
    let lines: Vec<String> = failures
        .iter()
        .map(|(server, error)| match error {
            KafkaError::Connect { source, .. } => format!("{server}: {source}"),
            KafkaError::Tls { problem, .. } => format!("{server}: {problem}"),
            KafkaError::Authentication { problem, .. } => format!("{server}: {problem}"),
            other => format!("{server}: {other}"),
        })
        .collect();
    lines.join("; ")
}

/// An error code of Kafka's protocol; prints as Kafka names it: `OFFSET_OUT_OF_RANGE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(i16);

impl ErrorCode {
    /// The offset is below the log start or beyond the log end.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// A stored batch's checksum does not match.
    pub const CORRUPT_MESSAGE: Self = Self(2);
    /// The broker does not know this partition.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// The partition has no leader now.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// Another broker leads the partition.
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// The broker gave up waiting; it may have done what it was asked.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// The batch is larger than `max.message.bytes`.
    pub const MESSAGE_TOO_LARGE: Self = Self(10);
    /// The metadata string of a committed offset is longer than the broker takes.
    pub const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    /// The coordinator reads its log.
    pub const COORDINATOR_LOAD_IN_PROGRESS: Self = Self(14);
    /// There is no coordinator now.
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// Another broker is the coordinator.
    pub const NOT_COORDINATOR: Self = Self(16);
    /// Fewer replicas than `min.insync.replicas`; nothing was written.
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    /// Written by the leader, but not by enough replicas.
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: Self = Self(20);
    /// The principal may not use the topic.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// The principal may not use the group.
    pub const GROUP_AUTHORIZATION_FAILED: Self = Self(30);
    /// The principal may not do this to the cluster.
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    /// The broker does not know the SASL mechanism.
    pub const UNSUPPORTED_SASL_MECHANISM: Self = Self(33);
    /// SASL is not what the broker expects now.
    pub const ILLEGAL_SASL_STATE: Self = Self(34);
    /// The broker does not speak this version.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// There is a topic of this name.
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    /// The replication factor can't be had.
    pub const INVALID_REPLICATION_FACTOR: Self = Self(38);
    /// The broker refuses the configuration.
    pub const INVALID_CONFIG: Self = Self(40);
    /// Another node is the controller.
    pub const NOT_CONTROLLER: Self = Self(41);
    /// The broker refuses the request as a whole.
    pub const INVALID_REQUEST: Self = Self(42);
    /// The sequence number is not the next one.
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: Self = Self(45);
    /// The batch was written before.
    pub const DUPLICATE_SEQUENCE_NUMBER: Self = Self(46);
    /// The principal may not use the transactional id.
    pub const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Self = Self(53);
    /// The settings of the topic do not allow it.
    pub const POLICY_VIOLATION: Self = Self(44);
    /// The cluster has no authorizer.
    pub const SECURITY_DISABLED: Self = Self(54);
    /// The broker's disk fails.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    /// The group has members.
    pub const NON_EMPTY_GROUP: Self = Self(68);
    /// The brokers have no `delegation.token.secret.key`.
    pub const DELEGATION_TOKEN_AUTH_DISABLED: Self = Self(61);
    /// Delegation tokens are not spoken of on this listener, or to who logged in with one.
    pub const DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: Self = Self(64);
    /// The broker is shutting down, or has not begun.
    pub const BROKER_NOT_AVAILABLE: Self = Self(8);
    /// There is no such snapshot of the metadata log any more.
    pub const SNAPSHOT_NOT_FOUND: Self = Self(98);
    /// A snapshot has no such byte.
    pub const POSITION_OUT_OF_RANGE: Self = Self(99);
    /// There is no such group.
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);
    /// The epoch that was sent is older than the leader's.
    pub const FENCED_LEADER_EPOCH: Self = Self(74);
    /// The epoch that was sent is newer than the broker's.
    pub const UNKNOWN_LEADER_EPOCH: Self = Self(75);
    /// A new leader does not know its high watermark yet.
    pub const OFFSET_NOT_AVAILABLE: Self = Self(78);
    /// A transactional commit of this offset is not decided yet.
    pub const UNSTABLE_OFFSET_COMMIT: Self = Self(88);
    /// The broker does not believe who we are.
    pub const SASL_AUTHENTICATION_FAILED: Self = Self(58);
    /// There is nothing of this name.
    pub const RESOURCE_NOT_FOUND: Self = Self(91);
    /// A quota says: later.
    pub const THROTTLING_QUOTA_EXCEEDED: Self = Self(89);
    /// The broker does not know this topic id.
    pub const UNKNOWN_TOPIC_ID: Self = Self(100);
    /// The partition's log is of another topic id.
    pub const INCONSISTENT_TOPIC_ID: Self = Self(103);

    /// The code in an answer; `None` is success.
    pub const fn from_wire(code: i16) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }

    /// The number on the wire.
    pub const fn number(self) -> i16 {
        self.0
    }

    /// Whether Kafka's own clients would ask again.
    pub fn is_retriable(self) -> bool {
        self.known().is_some_and(|known| known.is_retriable())
    }

    /// Whether the metadata that led to this broker may be out of date.
    pub fn wants_new_metadata(self) -> bool {
        matches!(
            self,
            Self::UNKNOWN_TOPIC_OR_PARTITION
                | Self::LEADER_NOT_AVAILABLE
                | Self::NOT_LEADER_OR_FOLLOWER
                | Self::FENCED_LEADER_EPOCH
                | Self::UNKNOWN_LEADER_EPOCH
                | Self::KAFKA_STORAGE_ERROR
                | Self::UNKNOWN_TOPIC_ID
                | Self::INCONSISTENT_TOPIC_ID
        )
    }

    /// Whether another broker has to be asked for the coordinator.
    pub(crate) fn wants_new_coordinator(self) -> bool {
        matches!(
            self,
            Self::NOT_COORDINATOR | Self::COORDINATOR_NOT_AVAILABLE
        )
    }

    /// Whether the coordinator is on its way from one broker to another.
    pub(crate) fn is_of_moving_coordinator(self) -> bool {
        self.wants_new_coordinator() || self == Self::COORDINATOR_LOAD_IN_PROGRESS
    }

    fn known(self) -> Option<ResponseError> {
        ResponseError::try_from_code(self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.known() {
            None => return f.pad("NONE"),
            Some(ResponseError::Unknown(code)) => format!("error {code}"),
            Some(known) => screaming(&known.to_string()),
        };
        f.pad(&name)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `OffsetOutOfRange` → `OFFSET_OUT_OF_RANGE`
fn screaming(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len() + 8);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_print_as_kafka_names_them() {
        let names = [
            (1, "OFFSET_OUT_OF_RANGE"),
            (6, "NOT_LEADER_OR_FOLLOWER"),
            (78, "OFFSET_NOT_AVAILABLE"),
            (-1, "UNKNOWN_SERVER_ERROR"),
            (12_345, "error 12345"),
        ];
        for (code, name) in names {
            assert_eq!(ErrorCode(code).to_string(), name);
        }
        assert_eq!(ErrorCode::from_wire(0), None);
    }

    #[test]
    fn the_constants_are_named_as_kafka_names_them() {
        for (code, name) in [
            (ErrorCode::UNKNOWN_TOPIC_ID, "UNKNOWN_TOPIC_ID"),
            (ErrorCode::BROKER_NOT_AVAILABLE, "BROKER_NOT_AVAILABLE"),
            (ErrorCode::SNAPSHOT_NOT_FOUND, "SNAPSHOT_NOT_FOUND"),
            (ErrorCode::POSITION_OUT_OF_RANGE, "POSITION_OUT_OF_RANGE"),
            (ErrorCode::UNSTABLE_OFFSET_COMMIT, "UNSTABLE_OFFSET_COMMIT"),
            (ErrorCode::NON_EMPTY_GROUP, "NON_EMPTY_GROUP"),
            (ErrorCode::INVALID_CONFIG, "INVALID_CONFIG"),
            (ErrorCode::MESSAGE_TOO_LARGE, "MESSAGE_TOO_LARGE"),
            (
                ErrorCode::THROTTLING_QUOTA_EXCEEDED,
                "THROTTLING_QUOTA_EXCEEDED",
            ),
            (
                ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
                "DUPLICATE_SEQUENCE_NUMBER",
            ),
            (ErrorCode::NOT_COORDINATOR, "NOT_COORDINATOR"),
            (ErrorCode::FENCED_LEADER_EPOCH, "FENCED_LEADER_EPOCH"),
        ] {
            assert_eq!(code.to_string(), name);
        }
    }

    #[test]
    fn a_failed_bootstrap_names_each_server_with_its_cause() {
        let refused = KafkaError::Connect {
            address: "a:9092".to_owned(),
            source: Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
        };
        let silent = KafkaError::Timeout {
            operation: "ApiVersions",
            address: "b:9092".to_owned(),
            after: Duration::from_secs(3),
        };
        let all = KafkaError::Bootstrap(vec![
            ("a:9092".to_owned(), refused),
            ("b:9092".to_owned(), silent),
        ]);
        assert_eq!(
            all.to_string(),
            "no bootstrap server can be used: a:9092: connection refused; \
             b:9092: b:9092 did not answer ApiVersions within 3s"
        );
        assert!(all.is_retriable());
    }

    #[test]
    fn only_an_answer_or_a_connection_never_made_says_that_nothing_was_done() {
        let broken = KafkaError::Disconnected {
            operation: "Produce",
            address: "a:9092".to_owned(),
            cause: "end of stream".into(),
        };
        assert!(!broken.is_certainly_undone());
        assert!(
            KafkaError::broker("Produce", "orders-0", ErrorCode::NOT_ENOUGH_REPLICAS)
                .is_certainly_undone()
        );
        assert!(
            !KafkaError::broker(
                "Produce",
                "orders-0",
                ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            )
            .is_certainly_undone()
        );
    }
}
