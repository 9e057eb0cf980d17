use super::*;

fn refused(name: &str, value: &str) -> String {
    let mut properties = KafkaProperties::default();
    properties.set(name, value).unwrap_err().to_string()
}

#[test]
fn both_spellings_of_a_name_mean_the_same_property() {
    let mut java = KafkaProperties::from_bootstrap_servers("a:1, b:2").unwrap();
    java.set("request.timeout.ms", "5000").unwrap();
    let mut librdkafka = KafkaProperties::default();
    librdkafka.set("metadata.broker.list", "a:1, b:2").unwrap();
    librdkafka.set("socket.timeout.ms", "5000").unwrap();
    assert_eq!(java, librdkafka);
    assert_eq!(java.bootstrap_servers(), ["a:1", "b:2"]);
    assert_eq!(java.request_timeout(), Duration::from_secs(5));
}

#[test]
fn librdkafka_gets_its_own_names() {
    let mut properties = KafkaProperties::from_bootstrap_servers("a:1").unwrap();
    properties.set("request.timeout.ms", "5000").unwrap();
    let pairs = properties.librdkafka().unwrap();
    let has = |name: &str, value: &str| pairs.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("bootstrap.servers", "a:1"));
    assert!(has("socket.timeout.ms", "5000"));
    assert!(has("client.id", "lifeboat"));
    assert!(pairs.iter().all(|(name, _)| name != "request.timeout.ms"));
}

#[test]
fn a_property_that_cannot_be_honoured_is_refused_by_name() {
    assert!(refused("sasl.mechanism", "GSSAPI").contains("Kerberos"));
    assert!(refused("sasl.kerberos.service.name", "kafka").contains("Kerberos"));
    assert!(refused("sasl.mechanism", "scram").contains("known are PLAIN, SCRAM-SHA-256"));
    assert!(refused("enable.ssl.certificate.verification", "false").contains("always verified"));
    assert!(refused("ssl.enabled.protocols", "TLSv1.3").contains("TLS 1.2 and TLS 1.3"));
    assert!(refused("ssl.enabled.protocols", "TLSv1.2").contains("TLS 1.2 and TLS 1.3"));
    assert!(refused("ssl.cipher.suites", "x").contains("cipher suites"));
    assert!(refused("sasl.oauthbearer.method", "default").contains("client credentials"));
    assert!(refused("sasl.login.callback.handler.class", "my.Own").contains("Java classes"));
    assert!(refused("security.protocol", "TLS").contains("known are PLAINTEXT, SSL"));
    assert!(refused("group.id", "x").contains("no effect"));
    let mut properties = KafkaProperties::default();
    let error = properties.set("bootstrap.server", "a:1").unwrap_err();
    assert_eq!(error.hint.unwrap(), "did you mean bootstrap.servers?");
}

#[test]
fn a_key_whose_lines_were_not_joined_is_not_shown() {
    let line = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/60ziutRrNlgoRncktTAQX5l2wWQPiOxAnSk";
    for text in [
        format!("ssl.keystore.key=-----BEGIN PRIVATE KEY-----\n{line}\n"),
        format!("{line}\n"),
    ] {
        let error = KafkaProperties::parse_properties(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("MC4CAQ"), "{shown}");
        assert!(error.hint.unwrap().contains("backslash"));
    }
}

#[test]
fn librdkafka_is_not_given_what_it_would_refuse() {
    let given = |name: &str, value: &str| {
        let mut properties = KafkaProperties::from_bootstrap_servers("a:1").unwrap();
        properties.set(name, value).unwrap();
        properties.librdkafka().unwrap()
    };
    let has = |pairs: &[(String, String)], name: &str, value: &str| {
        pairs.contains(&(name.to_owned(), value.to_owned()))
    };
    assert!(has(
        &given("request.timeout.ms", "600000"),
        "socket.timeout.ms",
        "300000"
    ));
    assert!(has(
        &given("request.timeout.ms", "20000"),
        "socket.timeout.ms",
        "20000"
    ));
    let setup = "socket.connection.setup.timeout.ms";
    assert!(has(&given(setup, "10"), setup, "1000"));
}

#[test]
fn values_are_checked_when_they_are_set() {
    for bad in [
        "",
        ",",
        "kafka",
        "kafka:0",
        "kafka:99999",
        ":9092",
        "a:b:9092",
        "http://a:1",
    ] {
        refused("bootstrap.servers", bad);
    }
    for bad in ["", "0", "-1", "5s"] {
        refused("request.timeout.ms", bad);
    }
    KafkaProperties::from_bootstrap_servers("[::1]:9092").unwrap();
}

#[test]
fn a_properties_file_is_read_and_its_lines_are_named() {
    let text = "# admin\nbootstrap.servers = a:1,\\\n  b:2\nsecurity.protocol=PLAINTEXT\n";
    let properties = KafkaProperties::parse_properties(text).unwrap();
    assert_eq!(properties.bootstrap_servers(), ["a:1", "b:2"]);
    let error = KafkaProperties::parse_properties("\n\nsasl.mechanism=CRAM").unwrap_err();
    assert!(error.to_string().ends_with("(line 3)"), "{error}");
}

#[test]
fn stronger_properties_win_and_the_others_stay() {
    let file = KafkaProperties::parse_properties("bootstrap.servers=a:1\nclient.id=x").unwrap();
    let flags = KafkaProperties::from_bootstrap_servers("b:2").unwrap();
    let both = file.overridden_by(flags);
    assert_eq!(both.bootstrap_servers(), ["b:2"]);
    assert_eq!(both.client_id(), "x");
}

#[test]
fn a_hidden_value_is_used_and_never_shown() {
    let mut properties = KafkaProperties::from_bootstrap_servers("a:1").unwrap();
    properties
        .set_secret("client.id", &Secret::new("hunter2"))
        .unwrap();
    assert_eq!(properties.client_id(), "hunter2");
    assert!(!format!("{properties:?}").contains("hunter2"));
    let error = properties
        .set_secret("request.timeout.ms", &Secret::new("hunter2"))
        .unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn secrets_are_never_shown_and_never_in_an_error() {
    let text = "sasl.password=hunter2\nssl.key.password=hunter2\nssl.keystore.password=hunter2\n\
                ssl.truststore.password=hunter2\nssl.key.pem=-----BEGIN hunter2\n\
                sasl.oauthbearer.client.secret=hunter2\nsasl.jaas.config=hunter2 required;\n";
    let properties = KafkaProperties::parse_properties(text).unwrap();
    assert_eq!(properties.shown().count(), 7);
    for (name, shown) in properties.shown() {
        assert_eq!(shown, "***", "{name}");
    }
    assert!(!format!("{properties:?}").contains("hunter2"));
    let address = refused(
        "sasl.oauthbearer.token.endpoint.url",
        "https://me:hunter2@sso",
    );
    assert!(!address.contains("hunter2"), "{address}");
}

#[test]
fn a_password_keeps_its_blanks() {
    let mut properties = KafkaProperties::default();
    properties.set("sasl.password", " a b ").unwrap();
    assert_eq!(properties.get("sasl.password"), Some(" a b "));
}

#[test]
fn both_spellings_with_different_values_contradict_each_other() {
    let text = "socket.timeout.ms=1\nrequest.timeout.ms=2";
    let error = KafkaProperties::parse_properties(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "request.timeout.ms: means socket.timeout.ms, which is given as well, with another value (line 2)"
    );
    let same = "ssl.key.pem=x\nssl.keystore.key=x\nclient.id=a\nclient.id=b";
    let properties = KafkaProperties::parse_properties(same).unwrap();
    assert_eq!(properties.client_id(), "b");
}
