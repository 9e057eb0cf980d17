//! librdkafka's consumer with the same settings as the wire client.

use std::{
    error::Error,
    sync::{Mutex, PoisonError},
    thread,
};

use lifeboat_archive::words::Clock;
use lifeboat_config::{KafkaProperties, Sasl, Secret, Tls};
use openssl::{error::ErrorStack, x509::X509};
use rdkafka::{
    ClientConfig, ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError as ClientError,
};

use super::Isolation;
use crate::{
    error::KafkaError,
    wire::{
        sasl::{Token, TokenSource},
        tls::{load_identity, load_trust},
    },
};

/// Bounded: some 16 MiB queued, and one small answer on the way, because well compressed records take forty times its size.
const LIMITS: [(&str, &str); 7] = [
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "20000"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.max.bytes", "262144"),
    // librdkafka raises the limit above to this one
    ("message.max.bytes", "262144"),
    // a full queue is looked at again soon: it empties within milliseconds
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.wait.max.ms", "50"),
];

/// A consumer that joins no group and commits nothing.
pub(super) fn consumer(
    properties: &KafkaProperties,
    isolation: Isolation,
) -> Result<BaseConsumer<Context>, KafkaError> {
    let mut config = config(properties)?;
    for (name, value) in LIMITS {
        config.set(name, value);
    }
    config
        // librdkafka wants one to assign partitions; it is never joined
        .set("group.id", "lifeboat")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("check.crcs", "true")
        .set(
            "isolation.level",
            match isolation {
                Isolation::ReadUncommitted => "read_uncommitted",
                Isolation::ReadCommitted => "read_committed",
            },
        );
    let context = Context::new(properties)?;
    config
        .create_with_context(context)
        .map_err(|error| super::client_error(&error))
}

/// The properties as librdkafka takes them: certificates and keys as PEM, whatever form they are kept in.
pub(super) fn config(properties: &KafkaProperties) -> Result<ClientConfig, KafkaError> {
    let security = properties.security()?;
    let mut config = ClientConfig::new();
    for (name, value) in properties.librdkafka()? {
        config.set(name, value);
    }
    if let Some(tls) = &security.tls {
        for (name, pem) in pem(tls)? {
            config.set(name, pem.expose());
        }
    }
    if let Some(Sasl::OAuthBearer(oauth)) = &security.sasl
        && !oauth.extensions.is_empty()
    {
        return Err(KafkaError::property(
            "sasl.oauthbearer.extensions",
            "librdkafka, which reads records back, can't send them",
            Some("restore without --compare records"),
        ));
    }
    Ok(config)
}

fn pem(tls: &Tls) -> Result<Vec<(&'static str, Secret)>, KafkaError> {
    let mut texts = Vec::new();
    if let Some((certificates, property)) = load_trust(&tls.trust)? {
        let text = written(&certificates).map_err(|error| unwritable(property, &error))?;
        texts.push(("ssl.ca.pem", text));
    }
    if let Some(identity) = &tls.identity {
        let pair = load_identity(identity)?;
        let wrong = |error: &ErrorStack| unwritable(pair.property, error);
        let chain = written(&pair.chain).map_err(|error| wrong(&error))?;
        let key = pair
            .key
            .private_key_to_pem_pkcs8()
            .map_err(|error| wrong(&error))?;
        texts.push(("ssl.certificate.pem", chain));
        texts.push(("ssl.key.pem", Secret::new(String::from_utf8_lossy(&key))));
    }
    Ok(texts)
}

fn written(certificates: &[X509]) -> Result<Secret, ErrorStack> {
    let mut text = Vec::new();
    for certificate in certificates {
        text.extend(certificate.to_pem()?);
    }
    Ok(Secret::new(String::from_utf8_lossy(&text)))
}

fn unwritable(property: &'static str, error: &ErrorStack) -> KafkaError {
    KafkaError::property(property, format!("can't be written as PEM: {error}"), None)
}

/// librdkafka's log lines go where ours go, quietly: what matters comes as an error. Its tokens are ours.
pub(super) struct Context {
    tokens: Option<TokenSource>,
    /// Why there is no token.
    failure: Mutex<Option<KafkaError>>,
}

impl Context {
    fn new(properties: &KafkaProperties) -> Result<Self, KafkaError> {
        let tokens = match properties.security()?.sasl {
            Some(Sasl::OAuthBearer(oauth)) => Some(TokenSource::new(*oauth, Clock::system())?),
            _ => None,
        };
        Ok(Self {
            tokens,
            failure: Mutex::default(),
        })
    }

    /// Why the token endpoint gave no token, where that was so.
    pub(super) fn failure(&self) -> Option<KafkaError> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<KafkaError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn token(&self) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(tokens) = &self.tokens else {
            return Err("no token endpoint is configured".into());
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // a thread of its own: the caller may be one that must not wait
        let got = thread::scope(|scope| scope.spawn(|| runtime.block_on(tokens.token())).join());
        match got {
            Ok(Ok(token)) => {
                self.note(None);
                let Token {
                    text,
                    principal,
                    ends,
                } = &*token;
                Ok(OAuthToken {
                    token: text.expose().to_owned(),
                    principal_name: principal.clone(),
                    lifetime_ms: ends.as_millis(),
                })
            }
            Ok(Err(error)) => {
                self.note(Some(error.clone()));
                Err(error.into())
            }
            Err(_) => Err("getting a token panicked".into()),
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, line, "librdkafka");
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.token()
    }
}

impl ConsumerContext for Context {}
