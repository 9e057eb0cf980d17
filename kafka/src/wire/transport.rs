//! The way bytes reach a broker.

use std::{fmt, io, sync::Arc, time::Duration};

use lifeboat_config::KafkaProperties;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{sasl::Sasl, tls::Tls};
use crate::error::{KafkaError, TlsProblem};

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
        let wrong = || {
            let problem = format!("{text:?} is not host:port");
            KafkaError::property("bootstrap.servers", problem, None)
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

/// An open way to a broker.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    tls: Option<Tls>,
    sasl: Option<Arc<Sasl>>,
    connect_timeout: Duration,
}

impl Transport {
    /// Reads the certificates and keys that the properties name.
    pub(crate) fn from_properties(properties: &KafkaProperties) -> Result<Self, KafkaError> {
        let security = properties.security()?;
        let sasl = security.sasl.map(Sasl::new).transpose()?;
        Ok(Self {
            tls: security.tls.as_ref().map(Tls::new).transpose()?,
            sasl: sasl.map(Arc::new),
            connect_timeout: properties.connect_timeout(),
        })
    }

    /// Opens a connection, encrypted where the protocol says so.
    pub(crate) async fn dial(&self, address: &Address) -> Result<Stream, KafkaError> {
        let stream = self
            .reach(address)
            .await
            .map_err(|source| KafkaError::Connect {
                address: address.to_string(),
                source: Arc::new(source),
            })?;
        let Some(tls) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let secured = tls
            .connect(&address.host, stream, self.connect_timeout)
            .await;
        match secured {
            Ok(stream) => Ok(Stream::Secure(Box::new(stream))),
            Err(problem) => Err(KafkaError::Tls {
                address: address.to_string(),
                problem,
            }),
        }
    }

    /// Who we are, where brokers are told: on every new connection, before anything else is asked.
    pub(crate) fn sasl(&self) -> Option<&Arc<Sasl>> {
        self.sasl.as_ref()
    }

    /// The same way, to say there that we are somebody else.
    pub(crate) fn with_sasl(self, sasl: Sasl) -> Self {
        Self {
            sasl: Some(Arc::new(sasl)),
            ..self
        }
    }

    /// The subject of the certificate that is shown, if it has one that can be written.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.tls.as_ref()?.subject()
    }

    /// What TLS says of a connection that broke at its beginning, if anything.
    pub(crate) fn late_problem(&self, error: &io::Error) -> Option<TlsProblem> {
        self.tls.as_ref()?.late_problem(error)
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
