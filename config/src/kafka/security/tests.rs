use super::*;

fn properties(text: &str) -> KafkaProperties {
    KafkaProperties::parse_properties(text).unwrap()
}

fn security(text: &str) -> Security {
    properties(text).security().unwrap()
}

fn refused(text: &str) -> String {
    let error = properties(text).security().unwrap_err();
    let hint = error.hint.clone().unwrap_or_default();
    format!("{error} ({hint})")
}

const JAAS: &str = "org.apache.kafka.common.security";

#[test]
fn all_four_protocols_are_understood_in_either_case() {
    let plain = "sasl.mechanism=PLAIN\nsasl.username=a\nsasl.password=b\n";
    for (text, protocol) in [
        (String::new(), SecurityProtocol::Plaintext),
        ("security.protocol=ssl".to_owned(), SecurityProtocol::Ssl),
        (
            format!("security.protocol=SASL_PLAINTEXT\n{plain}"),
            SecurityProtocol::SaslPlaintext,
        ),
        (
            format!("security.protocol=sasl_ssl\n{plain}"),
            SecurityProtocol::SaslSsl,
        ),
    ] {
        let security = security(&text);
        assert_eq!(security.protocol, protocol);
        assert_eq!(security.tls.is_some(), protocol.is_encrypted());
        assert_eq!(security.sasl.is_some(), protocol.is_authenticated());
    }
}

#[test]
fn javas_and_librdkafkas_spelling_say_the_same() {
    let java = format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
         sasl.jaas.config={JAAS}.scram.ScramLoginModule required username=\"me\" password=\"hunter2\";\n\
         ssl.truststore.type=PEM\nssl.truststore.certificates=-----BEGIN CERTIFICATE-----\n\
         ssl.keystore.type=PEM\nssl.keystore.certificate.chain=-----BEGIN CERTIFICATE-----\nssl.keystore.key=k\n\
         ssl.endpoint.identification.algorithm=\n"
    );
    let librdkafka = "security.protocol=sasl_ssl\nsasl.mechanisms=SCRAM-SHA-512\nsasl.username=me\n\
                      sasl.password=hunter2\nssl.ca.pem=-----BEGIN CERTIFICATE-----\n\
                      ssl.certificate.pem=-----BEGIN CERTIFICATE-----\nssl.key.pem=k\n\
                      ssl.endpoint.identification.algorithm=none\n";
    let java = security(&java);
    assert_eq!(java, security(librdkafka));
    assert!(!java.tls.as_ref().unwrap().verify_host_name);
    let sasl = java.sasl.as_ref().unwrap();
    assert_eq!((sasl.mechanism(), sasl.user()), ("SCRAM-SHA-512", "me"));
    assert!(!format!("{java:?}").contains("hunter2"));
}

#[test]
fn token_sources_are_understood_in_every_spelling() {
    let start = "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n\
                 sasl.oauthbearer.token.endpoint.url=https://sso/token\n";
    let kip = "sasl.oauthbearer.client.credentials.client.id=me\n\
               sasl.oauthbearer.client.credentials.client.secret=hunter2\nsasl.oauthbearer.scope=kafka\n\
               sasl.oauthbearer.extensions=cluster=a,pool=b\n";
    let librdkafka = "sasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id=me\n\
                      sasl.oauthbearer.client.secret=hunter2\nsasl.oauthbearer.scope=kafka\n\
                      sasl.oauthbearer.extensions=cluster=a, pool=b\n";
    let java = format!(
        "sasl.login.callback.handler.class={JAAS}.oauthbearer.secured.OAuthBearerLoginCallbackHandler\n\
         sasl.jaas.config={JAAS}.oauthbearer.OAuthBearerLoginModule required clientId='me' clientSecret='hunter2' \
         scope='kafka' extension_cluster='a' extension_pool='b';"
    );
    let Some(Sasl::OAuthBearer(oauth)) = security(&format!("{start}{kip}")).sasl else {
        panic!("not OAUTHBEARER");
    };
    assert_eq!(oauth.client_id, "me");
    assert_eq!(oauth.scope.as_deref(), Some("kafka"));
    assert_eq!(oauth.extensions.len(), 2);
    assert_eq!(oauth.trust, Trust::System);
    assert!(!format!("{oauth:?}").contains("hunter2"));
    for other in [librdkafka, &java] {
        let Some(Sasl::OAuthBearer(same)) = security(&format!("{start}{other}")).sasl else {
            panic!("{other}");
        };
        assert_eq!(oauth, same);
    }
}

#[test]
fn contradictions_are_refused_and_say_what_to_do() {
    let plain = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n";
    let scram = format!(
        "sasl.jaas.config={JAAS}.scram.ScramLoginModule required username=\"a\" password=\"b\";\n"
    );
    let oauth = "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\n";
    for (text, starts) in [
        (
            "sasl.username=a".to_owned(),
            "sasl.username: has no effect with security.protocol PLAINTEXT (set security.protocol to SASL_SSL or",
        ),
        (
            "ssl.ca.location=a".to_owned(),
            "ssl.ca.location: has no effect with security.protocol PLAINTEXT (set security.protocol to SSL or",
        ),
        (
            "security.protocol=SSL\nsasl.mechanism=PLAIN".to_owned(),
            "sasl.mechanism: has no effect with security.protocol SSL (set security.protocol to SASL_SSL,",
        ),
        (
            "security.protocol=SASL_SSL".to_owned(),
            "sasl.mechanism: is not given, and security.protocol is SASL_SSL (set it to one of PLAIN,",
        ),
        (
            plain.to_owned(),
            "sasl.username: is not given, and PLAIN needs it (set it, or username in sasl.jaas.config)",
        ),
        (
            format!("{plain}sasl.username=a"),
            "sasl.password: is not given, and PLAIN needs it",
        ),
        (
            format!("{plain}{scram}"),
            "sasl.jaas.config: its ScramLoginModule contradicts sasl.mechanism PLAIN",
        ),
        (
            format!(
                "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\n{scram}sasl.password=c"
            ),
            "sasl.password: contradicts password in sasl.jaas.config",
        ),
        (
            format!("{plain}sasl.username=a\nsasl.password=b\nsasl.oauthbearer.scope=c"),
            "sasl.oauthbearer.scope: has no effect with sasl.mechanism PLAIN",
        ),
        (
            format!("{oauth}sasl.username=a"),
            "sasl.username: has no effect with sasl.mechanism OAUTHBEARER",
        ),
        (
            oauth.to_owned(),
            "sasl.oauthbearer.token.endpoint.url: is not given",
        ),
        (
            format!("{oauth}sasl.oauthbearer.token.endpoint.url=https://sso"),
            "sasl.oauthbearer.client.credentials.client.id: is not given",
        ),
    ] {
        let error = refused(&text);
        assert!(error.starts_with(starts), "{text}: {error}");
    }
}

#[test]
fn certificates_and_keys_are_named_once_and_completely() {
    let pem = "-----BEGIN CERTIFICATE-----";
    for (text, starts) in [
        (
            "ssl.ca.location=a\nssl.truststore.location=b".to_owned(),
            "ssl.truststore.location: contradicts ssl.ca.location, which is given as well",
        ),
        (
            format!("ssl.ca.location=a\nssl.ca.pem={pem}"),
            "ssl.truststore.certificates: contradicts ssl.ca.location",
        ),
        (
            "ssl.truststore.password=a".to_owned(),
            "ssl.truststore.password: is given without ssl.truststore.location",
        ),
        (
            "ssl.certificate.location=a".to_owned(),
            "ssl.certificate.location: is given without ssl.key.location",
        ),
        (
            "ssl.key.pem=a".to_owned(),
            "ssl.keystore.key: is given without ssl.keystore.certificate.chain",
        ),
        (
            "ssl.key.location=a".to_owned(),
            "ssl.key.location: is given without ssl.certificate.location",
        ),
        (
            "ssl.keystore.location=a\nssl.key.location=b".to_owned(),
            "ssl.key.location: contradicts ssl.keystore.location",
        ),
        (
            "ssl.key.password=a".to_owned(),
            "ssl.key.password: is given without ssl.key.location",
        ),
        (
            "ssl.keystore.password=a".to_owned(),
            "ssl.keystore.password: is given without ssl.keystore.location",
        ),
        (
            "ssl.truststore.location=/etc/kafka.jks\nssl.truststore.type=jks".to_owned(),
            "ssl.truststore.type: a JKS store can't be read (convert it: keytool -importkeystore -srckeystore \
             /etc/kafka.jks -destkeystore /etc/kafka.p12 -deststoretype PKCS12; then set ssl.truststore.location to \
             /etc/kafka.p12 and ssl.truststore.type to PKCS12)",
        ),
    ] {
        let error = refused(&format!("security.protocol=SSL\n{text}"));
        assert!(error.starts_with(starts), "{text}: {error}");
    }
    let tls = security(&format!(
        "security.protocol=SSL\nssl.certificate.pem={pem}\nssl.key.location=b\nssl.key.password=c"
    ))
    .tls
    .unwrap();
    assert!(tls.verify_host_name);
    assert!(matches!(
        tls.identity.unwrap().place,
        IdentityPlace::Apart { .. }
    ));
}

#[test]
fn a_token_is_renewed_well_before_its_end() {
    let window = RefreshWindow {
        factor: 0.8,
        jitter: 0.05,
        min_period: Duration::from_secs(60),
        buffer: Duration::from_secs(300),
    };
    let after = |seconds, chance| {
        window
            .refresh_after(Duration::from_secs(seconds), chance)
            .as_secs()
    };
    assert_eq!(after(3600, 0.0), 2880);
    assert_eq!(after(3600, 1.0), 3060);
    // the buffer counts
    assert_eq!(after(1000, 0.0), 700);
    // a life too short for period and buffer
    assert_eq!(after(300, 0.0), 240);
    assert_eq!(after(10, 1.0), 8);
}

#[test]
fn librdkafka_gets_who_we_are_and_not_what_it_cannot_read() {
    let text = format!(
        "bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nssl.ca.location=ca.pem\n\
         sasl.jaas.config={JAAS}.scram.ScramLoginModule required username=\"me\" password=\"hunter2\";\n\
         ssl.endpoint.identification.algorithm=\n"
    );
    let pairs = properties(&text).librdkafka().unwrap();
    let get = |name: &str| {
        let pair = pairs.iter().find(|(known, _)| known == name);
        pair.map(|(_, value)| value.as_str())
    };
    assert_eq!(get("security.protocol"), Some("SASL_SSL"));
    assert_eq!(get("sasl.mechanisms"), Some("SCRAM-SHA-256"));
    assert_eq!(get("sasl.username"), Some("me"));
    assert_eq!(get("sasl.password"), Some("hunter2"));
    assert_eq!(get("ssl.endpoint.identification.algorithm"), Some("none"));
    assert_eq!(get("sasl.jaas.config"), None);
    assert_eq!(get("ssl.ca.location"), None);
}
