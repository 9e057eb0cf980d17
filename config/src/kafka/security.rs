//! How a cluster's connections are secured: what the properties say together, and where they contradict each other.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{KafkaProperties, PropertyError};
use crate::Secret;

mod sasl;
mod tls;

/// How brokers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// Encrypted; authenticated by certificate, if at all.
    Ssl,
    /// Authenticated, and not encrypted.
    SaslPlaintext,
    /// Encrypted and authenticated.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether connections are encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients say who they are by SASL.
    pub fn is_authenticated(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "SSL" => Self::Ssl,
            "SASL_PLAINTEXT" => Self::SaslPlaintext,
            "SASL_SSL" => Self::SaslSsl,
            _ => Self::Plaintext,
        }
    }
}

/// What lies between TCP and Kafka's protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// The protocol that the rest follows from.
    pub protocol: SecurityProtocol,
    /// How it is encrypted, if it is.
    pub tls: Option<Tls>,
    /// Who we are and how we prove it, if we are asked.
    pub sasl: Option<Sasl>,
}

/// How connections are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Our own certificate.
    pub identity: Option<Identity>,
    /// Whether a broker's certificate must name the host that was asked for.
    pub verify_host_name: bool,
}

/// Certificate authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those of the system.
    System,
    /// Those in a file, or in a folder's files.
    File(Store),
    /// These.
    Pem(Source),
}

/// A file of certificates or keys in any form that it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The property that named it.
    pub property: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is said to be `PEM` or `PKCS12`.
    pub kind: Option<StoreKind>,
    /// The password of the whole.
    pub password: Option<Secret>,
}

/// A form that certificates and keys are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Text.
    Pem,
    /// PKCS#12.
    Pkcs12,
}

/// PEM text, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The property that named it.
    pub property: &'static str,
    /// Where it comes from.
    pub text: SourceText,
}

/// See [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceText {
    /// In this file.
    File(PathBuf),
    /// This.
    Inline(Secret),
}

/// A client's certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where they are.
    pub place: IdentityPlace,
    /// The password of the key.
    pub key_password: Option<Secret>,
}

/// See [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityPlace {
    /// Both in one file.
    Store(Store),
    /// Each for itself.
    Apart {
        /// The certificate, followed by those that signed it.
        certificate: Source,
        /// The private key.
        key: Source,
    },
}

/// How we prove who we are.
#[derive(Clone, Debug, PartialEq)]
pub enum Sasl {
    /// By the password itself.
    Plain(Credentials),
    /// By a proof that we know the password.
    Scram(ScramHash, Credentials),
    /// By a token.
    OAuthBearer(Box<OAuthBearer>),
}

/// SCRAM's hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Sasl {
    /// Kafka's name of the mechanism.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::Scram(ScramHash::Sha256, _) => "SCRAM-SHA-256",
            Self::Scram(ScramHash::Sha512, _) => "SCRAM-SHA-512",
            Self::OAuthBearer(_) => "OAUTHBEARER",
        }
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        match self {
            Self::Plain(credentials) | Self::Scram(_, credentials) => &credentials.username,
            Self::OAuthBearer(oauth) => &oauth.client_id,
        }
    }
}

/// A user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

/// Where tokens come from, with client credentials (OIDC).
#[derive(Clone, Debug, PartialEq)]
pub struct OAuthBearer {
    /// The token endpoint.
    pub token_endpoint: Url,
    /// The client's id there.
    pub client_id: String,
    /// The client's secret there.
    pub client_secret: Secret,
    /// Whether id and secret are percent-encoded before they are sent.
    pub encode_credentials: bool,
    /// What is asked for.
    pub scope: Option<String>,
    /// What brokers are told beside the token.
    pub extensions: Vec<(String, String)>,
    /// Whom the token endpoint's certificate may be signed by.
    pub trust: Trust,
    /// How long a connection to it may take to be made.
    pub connect_timeout: Duration,
    /// How long it may take to answer.
    pub read_timeout: Duration,
    /// When a token is renewed.
    pub refresh: RefreshWindow,
}

/// When a token is renewed: Kafka's own rule for `sasl.login.refresh.*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefreshWindow {
    /// After this part of its life.
    pub factor: f64,
    /// And up to this part later.
    pub jitter: f64,
    /// Not sooner than this after it was got.
    pub min_period: Duration,
    /// This long before its end.
    pub buffer: Duration,
}

impl RefreshWindow {
    /// How long after it was got a token that lives for `lifetime` is renewed; `chance` is drawn from 0 to 1.
    pub fn refresh_after(&self, lifetime: Duration, chance: f64) -> Duration {
        let part = (self.factor + self.jitter * chance.clamp(0.0, 1.0)).min(1.0);
        let usual = lifetime.mul_f64(part);
        match lifetime.checked_sub(self.buffer) {
            Some(latest) if latest > self.min_period => usual.clamp(self.min_period, latest),
            // a life too short for both is divided by the factor alone
            _ => usual,
        }
    }
}

impl KafkaProperties {
    /// How the brokers are spoken to.
    pub fn security_protocol(&self) -> SecurityProtocol {
        SecurityProtocol::parse(self.get("security.protocol").unwrap_or_default())
    }

    /// How connections are secured; an error where properties contradict each other or one is missing.
    pub fn security(&self) -> Result<Security, PropertyError> {
        let protocol = self.security_protocol();
        for (name, _) in self.shown() {
            let tls = name.starts_with("ssl.") || name.starts_with("enable.ssl.");
            let sasl = name.starts_with("sasl.") || name.starts_with("https.");
            let idle = tls && !protocol.is_encrypted() || sasl && !protocol.is_authenticated();
            if idle {
                return Err(idle_property(name, tls, protocol));
            }
        }
        Ok(Security {
            protocol,
            tls: protocol
                .is_encrypted()
                .then(|| tls::resolve(self))
                .transpose()?,
            sasl: protocol
                .is_authenticated()
                .then(|| sasl::resolve(self))
                .transpose()?,
        })
    }

    /// Certificate authorities for something else than brokers: `https.ca.location`, `https.ca.pem`.
    fn https_trust(&self) -> Result<Trust, PropertyError> {
        match (self.get("https.ca.location"), self.get("https.ca.pem")) {
            (Some(_), Some(_)) => Err(PropertyError::new(
                "https.ca.pem",
                "contradicts https.ca.location, which is given as well",
            )
            .hint("give one of them")),
            (Some(path), None) => Ok(Trust::File(Store {
                property: "https.ca.location",
                path: path.into(),
                kind: Some(StoreKind::Pem),
                password: None,
            })),
            (None, Some(text)) => Ok(Trust::Pem(Source {
                property: "https.ca.pem",
                text: SourceText::Inline(Secret::new(text)),
            })),
            (None, None) => Ok(Trust::System),
        }
    }
}

fn idle_property(name: &str, tls: bool, protocol: SecurityProtocol) -> PropertyError {
    let wanted = match (tls, protocol) {
        (true, SecurityProtocol::SaslPlaintext) | (false, SecurityProtocol::Ssl) => "SASL_SSL",
        (true, _) => "SSL or SASL_SSL",
        (false, _) => "SASL_SSL or SASL_PLAINTEXT",
    };
    PropertyError::new(
        name,
        format!("has no effect with security.protocol {}", protocol.name()),
    )
    .hint(format!(
        "set security.protocol to {wanted}, or leave {name} out"
    ))
}

#[cfg(test)]
mod tests;
