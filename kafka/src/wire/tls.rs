//! TLS: whose certificates are believed, which one is shown, and what goes wrong in a handshake.

use std::{io, sync::Arc, time::Duration};

use lifeboat_config as config;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::error::{KafkaError, TlsProblem};

mod material;
mod problem;
#[cfg(test)]
pub(crate) mod testing;
mod verifier;

pub(crate) use material::{KeyPair, load_identity, load_trust};
pub(crate) use problem::{find_problem, looks_like_alert};

use verifier::AnyName;

/// Makes connections secure.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    shows_certificate: bool,
    /// Whose certificate that is.
    subject: Option<Arc<str>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("shows_certificate", &self.shows_certificate)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates and keys.
    pub(crate) fn new(settings: &config::Tls) -> Result<Self, KafkaError> {
        let identity = settings.identity.as_ref().map(load_identity).transpose()?;
        let shows_certificate = identity.is_some();
        let subject = identity.as_ref().and_then(KeyPair::subject);
        let roots = roots(&settings.trust, "ssl.ca.location")?;
        let config = client_config(roots, identity, settings.verify_host_name)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            shows_certificate,
            subject: subject.map(Arc::from),
        })
    }

    /// Whose certificate is shown, if any.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Shakes hands over `stream` with whoever answers as `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, TlsProblem> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsProblem::Other(format!("{host:?} is no host name")))?;
        match timeout(limit, self.connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.problem(&error)),
            Err(_) => Err(TlsProblem::Silent(limit)),
        }
    }

    /// Why a handshake failed. A missing certificate is noticed by the broker only, and may arrive late.
    pub(crate) fn problem(&self, error: &io::Error) -> TlsProblem {
        find_problem(error, self.shows_certificate)
            .unwrap_or_else(|| TlsProblem::Closed(error.to_string()))
    }

    /// The same where the connection was open already: only what TLS itself says counts.
    pub(crate) fn late_problem(&self, error: &io::Error) -> Option<TlsProblem> {
        find_problem(error, self.shows_certificate)
    }
}

/// TLS that believes `roots` and shows `identity`.
pub(crate) fn client_config(
    roots: RootCertStore,
    identity: Option<KeyPair>,
    verify_host_name: bool,
) -> Result<ClientConfig, KafkaError> {
    let builder = ClientConfig::builder();
    let builder = if verify_host_name {
        builder.with_root_certificates(roots)
    } else {
        let verifier = AnyName::new(roots, builder.crypto_provider());
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    };
    let Some(KeyPair {
        property,
        chain,
        key,
    }) = identity
    else {
        return Ok(builder.with_no_client_auth());
    };
    let unusable = |detail: String| {
        let problem = format!("this client's certificate can't be used: {detail}");
        KafkaError::property(property, problem, None)
    };
    let chain = chain
        .iter()
        .map(|certificate| certificate.to_der().map(CertificateDer::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    let key = key
        .private_key_to_pkcs8()
        .map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable(error.to_string()))
}

/// The authorities; `property` is where others than the system's could be named.
pub(crate) fn roots(
    trust: &config::Trust,
    property: &'static str,
) -> Result<RootCertStore, KafkaError> {
    let mut roots = RootCertStore::empty();
    let Some((certificates, property)) = load_trust(trust)? else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate of the system can't be read");
        }
        if roots.add_parsable_certificates(found.certs).0 == 0 {
            return Err(KafkaError::property(
                property,
                "is not given, and the system has no certificate authorities",
                Some("install the system's (ca-certificates), or name a file with others"),
            ));
        }
        return Ok(roots);
    };
    let certificates = certificates
        .iter()
        .filter_map(|certificate| certificate.to_der().ok())
        .map(CertificateDer::from);
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(KafkaError::property(
            property,
            "no certificate in it can be used as an authority",
            Some("it takes X.509 certificates of version 3"),
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
