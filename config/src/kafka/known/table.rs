//! Every property that is honoured, by name.

use super::{Kind, Known};

/// A property that librdkafka takes as it is, or under another name.
const fn shared(
    name: &'static str,
    aliases: &'static [&'static str],
    librdkafka: &'static str,
    kind: Kind,
    about: &'static str,
) -> Known {
    Known {
        name,
        aliases,
        librdkafka: Some(librdkafka),
        kind,
        about,
    }
}

/// A property that reaches librdkafka, if at all, as part of something else.
const fn ours(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    about: &'static str,
) -> Known {
    Known {
        name,
        aliases,
        librdkafka: None,
        kind,
        about,
    }
}

const VERSIONS: &str = "TLS 1.2 and TLS 1.3 are spoken, whichever the broker prefers";
const CLIENT_CREDENTIALS: &str = "tokens are got with client credentials (OIDC)";

/// In the order of the reference.
pub(in crate::kafka) const KNOWN: &[Known] = &[
    shared(
        "bootstrap.servers",
        &["metadata.broker.list"],
        "bootstrap.servers",
        Kind::Servers,
        "brokers to begin with: `host:port`, separated by commas",
    ),
    shared(
        "client.id",
        &[],
        "client.id",
        Kind::Text,
        "the name that brokers log for this client; `lifeboat` where it is not given",
    ),
    // librdkafka's own request.timeout.ms is the producer's, and means something else
    shared(
        "request.timeout.ms",
        &["socket.timeout.ms"],
        "socket.timeout.ms",
        Kind::Millis,
        "how long a broker may take to answer; 30000 where it is not given",
    ),
    shared(
        "socket.connection.setup.timeout.ms",
        &[],
        "socket.connection.setup.timeout.ms",
        Kind::Millis,
        "how long a connection may take to be made, TLS included; 10000 where it is not given",
    ),
    shared(
        "security.protocol",
        &[],
        "security.protocol",
        Kind::Protocol,
        "`PLAINTEXT` (where it is not given), `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
    ),
    ours(
        "ssl.ca.location",
        &[],
        Kind::Path,
        "certificate authorities that brokers are believed: a PEM file, or a folder of them; the system's where no property names others",
    ),
    ours(
        "ssl.truststore.certificates",
        &["ssl.ca.pem"],
        Kind::Certificates,
        "the same, as PEM text",
    ),
    ours(
        "ssl.truststore.location",
        &[],
        Kind::Path,
        "the same, as a PEM or PKCS#12 file",
    ),
    ours(
        "ssl.truststore.type",
        &[],
        Kind::StoreType,
        "`PEM` or `PKCS12`; seen from the file where it is not given",
    ),
    ours(
        "ssl.truststore.password",
        &[],
        Kind::Secret,
        "the trust store's password",
    ),
    ours(
        "ssl.certificate.location",
        &[],
        Kind::Path,
        "this client's certificate, with those between it and its authority: a PEM file",
    ),
    ours(
        "ssl.keystore.certificate.chain",
        &["ssl.certificate.pem"],
        Kind::Certificates,
        "the same, as PEM text",
    ),
    ours(
        "ssl.key.location",
        &[],
        Kind::Path,
        "this client's private key: a PEM file, which may be encrypted",
    ),
    ours(
        "ssl.keystore.key",
        &["ssl.key.pem"],
        Kind::Secret,
        "the same, as PEM text",
    ),
    ours(
        "ssl.key.password",
        &[],
        Kind::Secret,
        "the password of an encrypted private key",
    ),
    ours(
        "ssl.keystore.location",
        &[],
        Kind::Path,
        "certificate and private key together, as a PEM or PKCS#12 file",
    ),
    ours(
        "ssl.keystore.type",
        &[],
        Kind::StoreType,
        "`PEM` or `PKCS12`; seen from the file where it is not given",
    ),
    ours(
        "ssl.keystore.password",
        &[],
        Kind::Secret,
        "the key store's password",
    ),
    ours(
        "ssl.endpoint.identification.algorithm",
        &[],
        Kind::HostNameCheck,
        "`https`: a broker's certificate must name the host (so where it is not given); `none`, or empty: it need not, and is still verified",
    ),
    ours(
        "enable.ssl.certificate.verification",
        &[],
        Kind::Only(&["true"], "brokers' certificates are always verified"),
        "`true`: brokers' certificates are always verified",
    ),
    ours(
        "ssl.protocol",
        &[],
        Kind::Only(&["TLS", "TLSv1.2", "TLSv1.3"], VERSIONS),
        "taken, without effect: TLS 1.2 and 1.3 are spoken",
    ),
    ours(
        "ssl.enabled.protocols",
        &[],
        Kind::Only(
            &[
                "TLSv1.2,TLSv1.3",
                "TLSv1.3,TLSv1.2",
                "TLSv1.2, TLSv1.3",
                "TLSv1.3, TLSv1.2",
            ],
            VERSIONS,
        ),
        "`TLSv1.2,TLSv1.3`: both are spoken",
    ),
    ours(
        "sasl.mechanism",
        &["sasl.mechanisms"],
        Kind::Mechanism,
        "`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`",
    ),
    ours("sasl.username", &[], Kind::Text, "for PLAIN and SCRAM"),
    ours("sasl.password", &[], Kind::Secret, "for PLAIN and SCRAM"),
    ours(
        "sasl.jaas.config",
        &[],
        Kind::Secret,
        "the same as Kafka's own clients take it: `PlainLoginModule`, `ScramLoginModule` or `OAuthBearerLoginModule` with options",
    ),
    ours(
        "sasl.oauthbearer.token.endpoint.url",
        &[],
        Kind::Url,
        "where OAUTHBEARER gets its tokens, with client credentials (OIDC)",
    ),
    ours(
        "sasl.oauthbearer.client.credentials.client.id",
        &["sasl.oauthbearer.client.id"],
        Kind::Text,
        "the client's id there",
    ),
    ours(
        "sasl.oauthbearer.client.credentials.client.secret",
        &["sasl.oauthbearer.client.secret"],
        Kind::Secret,
        "the client's secret there",
    ),
    ours(
        "sasl.oauthbearer.scope",
        &[],
        Kind::Text,
        "the scope that is asked for",
    ),
    ours(
        "sasl.oauthbearer.extensions",
        &[],
        Kind::Text,
        "what brokers are told beside the token: `name=value`, separated by commas; a restore's `--compare records` can't send it",
    ),
    ours(
        "sasl.oauthbearer.header.urlencode",
        &[],
        Kind::Flag,
        "`true`: id and secret are percent-encoded before they are sent; `false` where it is not given",
    ),
    ours(
        "sasl.oauthbearer.method",
        &[],
        Kind::Only(&["oidc"], CLIENT_CREDENTIALS),
        "`oidc`",
    ),
    ours(
        "sasl.oauthbearer.grant.type",
        &[],
        Kind::Only(&["client_credentials"], CLIENT_CREDENTIALS),
        "`client_credentials`",
    ),
    ours(
        "https.ca.location",
        &[],
        Kind::Path,
        "certificate authorities that the token endpoint is believed: a PEM file, or a folder of them; the system's where no property names others",
    ),
    ours(
        "https.ca.pem",
        &[],
        Kind::Certificates,
        "the same, as PEM text",
    ),
    ours(
        "sasl.login.connect.timeout.ms",
        &[],
        Kind::Millis,
        "how long a connection to the token endpoint may take to be made; 10000 where it is not given",
    ),
    ours(
        "sasl.login.read.timeout.ms",
        &[],
        Kind::Millis,
        "how long the token endpoint may take to answer; 10000 where it is not given",
    ),
    ours(
        "sasl.login.refresh.window.factor",
        &[],
        Kind::Fraction(1.0),
        "a token is renewed after this part of its life; 0.8 where it is not given",
    ),
    ours(
        "sasl.login.refresh.window.jitter",
        &[],
        Kind::Fraction(0.25),
        "and up to this part later, at random; 0.05 where it is not given",
    ),
    ours(
        "sasl.login.refresh.min.period.seconds",
        &[],
        Kind::Seconds,
        "but not sooner than this; 60 where it is not given",
    ),
    ours(
        "sasl.login.refresh.buffer.seconds",
        &[],
        Kind::Seconds,
        "and this long before its end, where its life allows both; 300 where it is not given",
    ),
    ours(
        "sasl.login.callback.handler.class",
        &[],
        Kind::Only(
            &[
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
                "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
            ],
            "Java classes are not loaded",
        ),
        "Kafka's own for OAUTHBEARER is taken, without effect",
    ),
    ours(
        "sasl.oauthbearer.jwt.retriever.class",
        &[],
        Kind::Only(
            &[
                "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
                "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
            ],
            "Java classes are not loaded",
        ),
        "Kafka's own for client credentials is taken, without effect",
    ),
];
