//! Certificates for tests, and a server that shows them.

use std::{fs, path::PathBuf, sync::Arc};

use lifeboat_config as config;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is special about a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Expired,
    NotYetValid,
    OtherName,
}

/// A certificate and its key, as PEM and for rustls.
pub(crate) struct Leaf {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For 127.0.0.1 and localhost.
    pub(crate) fn leaf(&self, fault: Fault) -> Leaf {
        let names = match fault {
            Fault::OtherName => vec!["elsewhere.example".to_owned()],
            _ => vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        };
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        match fault {
            Fault::Expired => params.not_after = date_time_ymd(2021, 1, 1),
            Fault::NotYetValid => params.not_before = date_time_ymd(2999, 1, 1),
            Fault::None | Fault::OtherName => {}
        }
        let key = KeyPair::generate().unwrap();
        Leaf {
            certificate: params.signed_by(&key, &self.0).unwrap(),
            key,
        }
    }

    pub(crate) fn trust(&self) -> config::Trust {
        config::Trust::Pem(inline("ssl.truststore.certificates", &self.pem()))
    }
}

pub(crate) fn inline(property: &'static str, text: &str) -> config::Source {
    config::Source {
        property,
        text: config::SourceText::Inline(config::Secret::new(text)),
    }
}

/// The PEM of a leaf, ready for `security.protocol=SSL`.
pub(crate) fn identity(leaf: &Leaf) -> config::Identity {
    config::Identity {
        place: config::IdentityPlace::Apart {
            certificate: inline("ssl.keystore.certificate.chain", &leaf.certificate.pem()),
            key: inline("ssl.keystore.key", &leaf.key.serialize_pem()),
        },
        key_password: None,
    }
}

/// A TLS server that says `answer` to whatever it is sent, until it is dropped.
pub(crate) struct TlsServer {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TlsServer {
    /// Clients must show a certificate of `clients`, where there is one.
    pub(crate) async fn start(
        leaf: &Leaf,
        clients: Option<&Authority>,
        version: &'static rustls::SupportedProtocolVersion,
        answer: &'static [u8],
    ) -> Self {
        let builder = ServerConfig::builder_with_protocol_versions(&[version]);
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain: Vec<CertificateDer<'static>> = vec![leaf.certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let server = builder.with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut asked = [0; 4096];
                    while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(answer).await.is_err() || stream.flush().await.is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, task }
    }
}

/// Files that vanish with it.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}
