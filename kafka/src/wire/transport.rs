//! The way bytes reach a broker. TLS and SASL go in here.

use std::{fmt, io, sync::Arc, time::Duration};

use lifeboat_config::{KafkaProperties, SecurityProtocol};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::connection::Connection;
use crate::error::KafkaError;

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    host: Arc<str>,
    port: u16,
}

impl Address {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// `host:port`, `[v6]:port`, either with a listener's name in front (`PLAINTEXT://…`).
    pub(crate) fn parse(text: &str) -> Result<Self, KafkaError> {
        let wrong = || KafkaError::Property {
            name: "bootstrap.servers".to_owned(),
            problem: format!("{text:?} is not host:port"),
        };
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, port) = bare.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The two directions of an open connection.
pub(crate) struct Halves {
    pub(crate) read: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) write: Box<dyn AsyncWrite + Send + Unpin>,
}

/// What lies between TCP and Kafka's protocol.
#[derive(Clone, Debug)]
enum Security {
    Plaintext,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    security: Security,
    connect_timeout: Duration,
}

impl Transport {
    pub(crate) fn from_properties(properties: &KafkaProperties) -> Self {
        let security = match properties.security_protocol() {
            SecurityProtocol::Plaintext => Security::Plaintext,
        };
        Self {
            security,
            connect_timeout: properties.connect_timeout(),
        }
    }

    /// Opens a connection, encrypted where the protocol says so.
    pub(crate) async fn dial(&self, address: &Address) -> Result<Halves, KafkaError> {
        let stream = self
            .reach(address)
            .await
            .map_err(|source| KafkaError::Connect {
                address: address.to_string(),
                source: Arc::new(source),
            })?;
        match self.security {
            Security::Plaintext => {
                let (read, write) = stream.into_split();
                Ok(Halves {
                    read: Box::new(read),
                    write: Box::new(write),
                })
            }
        }
    }

    /// Says who we are: runs on every new connection, after its versions are known and before anything else.
    #[expect(clippy::unused_async, reason = "SASL exchanges requests here")]
    pub(crate) async fn handshake(&self, _connection: &Connection) -> Result<(), KafkaError> {
        match self.security {
            Security::Plaintext => Ok(()),
        }
    }

    /// A name may resolve to several addresses, of which some may be dead: each gets its turn.
    async fn reach(&self, address: &Address) -> io::Result<TcpStream> {
        let mut last = None;
        let name = (address.host.as_ref(), address.port);
        for candidate in self.within(lookup_host(name)).await? {
            match self.within(TcpStream::connect(candidate)).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => {
                    tracing::debug!(%address, %candidate, %error, "no connection");
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the name resolves to no address")
        }))
    }

    async fn within<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        timeout(self.connect_timeout, step)
            .await
            .unwrap_or_else(|_| {
                let limit = self.connect_timeout;
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {limit:?}"),
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kafka_writes_them() {
        for (text, shown) in [
            ("kafka:9092", "kafka:9092"),
            ("PLAINTEXT://kafka:9092", "kafka:9092"),
            ("[::1]:9092", "[::1]:9092"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
        for wrong in ["kafka", "kafka:port", ":9092", "kafka:99999"] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(error.to_string().contains("bootstrap.servers"), "{error}");
        }
    }
}
