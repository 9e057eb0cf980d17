//! Lifeboat gets into secured clusters by every way that Kafka offers, says why where it is kept out, and never shows a
//! secret.

use std::{fs, process::Command, time::Duration};

use lifeboat_tests::{
    Bulk, Certificate, ClusterBuilder, KafkaCluster, Message, ReadOptions, Run, Security,
};

use crate::lifeboat::{Scene, verify};

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
const USER: &str = "backup";
/// With everything that has to be escaped somewhere: in JAAS, in `.properties`, in YAML.
const PASSWORD: &str = "s3cr3t \\ \"quoted\" = :#!' Pass";
/// Nothing else contains it.
const NEVER: &str = "s3cr3t";

fn secured(security: Security, mechanisms: &[&str]) -> ClusterBuilder {
    KafkaCluster::builder()
        .security(security)
        .sasl_mechanisms(mechanisms)
        .users(&[(USER, PASSWORD)])
}

impl Scene {
    fn start(&mut self, wanted: &ClusterBuilder) {
        let a = self.context.start_a(wanted).unwrap();
        a.workload().create_topic("kept", 2, &[]).unwrap();
        let messages: Vec<_> = (0..50)
            .map(|n| Message::text("kept", n % 2, &format!("value {n}")))
            .collect();
        a.workload().produce(&[], &messages).unwrap();
    }

    fn a(&mut self) -> &mut KafkaCluster {
        self.context.a().unwrap()
    }

    fn bootstrap(&mut self) -> String {
        self.a().bootstrap()
    }

    fn run_backup(&self, bootstrap: &str, more: &[&str]) -> Run {
        let mut arguments = vec![
            "backup",
            "--repository",
            &self.url,
            "--bootstrap-servers",
            bootstrap,
        ];
        arguments.extend(more);
        self.program.run(&arguments).unwrap()
    }

    /// Restores the newest snapshot; `name` tells this restore's journal from others.
    fn run_restore(&self, bootstrap: &str, name: &str, more: &[&str]) -> Run {
        let state = self.context.scratch().join(name).display().to_string();
        let mut arguments = vec![
            "restore",
            "latest",
            "--repository",
            &self.url,
            "--bootstrap-servers",
            bootstrap,
        ];
        arguments.extend(["--state", &state, "--yes"]);
        // by both clients: librdkafka too has to find its way in
        arguments.extend(["--compare", "records"]);
        arguments.extend(more);
        self.program.run(&arguments).unwrap()
    }

    /// A backup with these properties, which is refused; what it says, at every level of logging.
    fn refused(&mut self, bootstrap: &str, properties: &str) -> String {
        let file = self.file("refused.properties", properties);
        let run = self.run_backup(
            bootstrap,
            &["--command-config", &file, "--log-level", "trace"],
        );
        shows_no_secret(&run);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        let at = run.stderr.find("error: ").unwrap();
        run.stderr[at..].to_owned()
    }
}

fn shows_no_secret(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(NEVER), "{text}");
        assert!(!text.contains("Bearer "), "{text}");
        // a JWT
        assert!(!text.contains("eyJ"), "{text}");
    }
}

#[test]
fn every_sasl_mechanism_backs_up_and_restores() {
    let mut scene = Scene::new();
    scene.start(&secured(Security::SaslSsl, &MECHANISMS));
    let everything = ReadOptions::default();
    let original = scene.a().oracle().read(&everything).unwrap();
    let bootstrap = scene.bootstrap();
    for mechanism in MECHANISMS {
        let properties = scene.a().client_properties_with(USER, mechanism).unwrap();
        let file = scene.file("client.properties", &properties);
        let more = ["--command-config", &file, "--log-level", "trace"];
        let run = scene.run_backup(&bootstrap, &more).expect_code(0).unwrap();
        assert!(run.stderr.contains(mechanism), "{}", run.stderr);
        shows_no_secret(&run);
        // back into the same cluster, where the topic is gone
        scene.a().workload().delete_topics(&["kept"]).unwrap();
        let run = scene
            .run_restore(
                &bootstrap,
                mechanism,
                &[&more[..], &["--into-source"]].concat(),
            )
            .expect_code(0)
            .unwrap();
        shows_no_secret(&run);
        let restored = scene.a().oracle().read(&everything).unwrap();
        assert_eq!(restored, original, "{mechanism}");
    }
    verify(&scene.program, &scene.url);
}

#[test]
fn a_client_certificate_lets_us_in_in_either_spelling() {
    let mut scene = Scene::new();
    scene.start(&secured(Security::Ssl { client_auth: true }, &[]));
    let bootstrap = scene.bootstrap();
    let ca = scene.a().ca_pem().display().to_string();
    let (certificate, key) = scene.a().client_certificate().unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let java = scene.a().client_properties("").unwrap();
    let pem = |path: &str| {
        fs::read_to_string(path)
            .unwrap()
            .trim()
            .replace('\n', "\\n")
    };
    let librdkafka = format!(
        "security.protocol=ssl\nssl.ca.location={ca}\nssl.certificate.location={certificate}\nssl.key.location={key}\n"
    );
    let inline = format!(
        "security.protocol=SSL\nssl.ca.pem={}\nssl.keystore.type=PEM\nssl.keystore.certificate.chain={}\n\
         ssl.keystore.key={}\n",
        pem(&ca),
        pem(&certificate),
        pem(&key)
    );
    for (name, properties) in [
        ("java", &java),
        ("librdkafka", &librdkafka),
        ("inline", &inline),
    ] {
        let file = scene.file("client.properties", properties);
        let more = ["--command-config", &file];
        scene.run_backup(&bootstrap, &more).expect_code(0).unwrap();
        scene.a().workload().delete_topics(&["kept"]).unwrap();
        scene
            .run_restore(&bootstrap, name, &[&more[..], &["--into-source"]].concat())
            .expect_code(0)
            .unwrap();
    }

    let none = format!("security.protocol=SSL\nssl.ca.location={ca}\n");
    let text = scene.refused(&bootstrap, &none);
    assert_says(
        &text,
        "it wants a client certificate, and none is configured",
        "ssl.keystore.location",
    );
    let other = scene.file("other.pem", &other_identity());
    let text = scene.refused(
        &bootstrap,
        &format!("{none}ssl.keystore.location={other}\n"),
    );
    assert_says(&text, "it refuses this client's certificate", "trust store");
}

/// A key and a certificate that no authority has signed.
fn other_identity() -> String {
    let made = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap();
    made.signing_key.serialize_pem() + &made.cert.pem()
}

/// What Java's own tool does with the words of a command line.
fn keytool(words: &str) {
    let run = Command::new("keytool")
        .args(words.split_whitespace())
        .args(["-noprompt"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{words}: {run:?}");
}

#[test]
fn a_trust_store_of_javas_is_read_and_a_jks_one_once_it_is_converted_as_the_error_says() {
    let mut scene = Scene::new();
    scene.start(&secured(Security::Ssl { client_auth: false }, &[]));
    let bootstrap = scene.bootstrap();
    let ca = scene.a().ca_pem().display().to_string();
    let store = |name: &str| scene.context.scratch().join(name).display().to_string();
    let (pkcs12, jks, converted) = (store("one.p12"), store("two.jks"), store("two.p12"));
    for (kind, path) in [("PKCS12", &pkcs12), ("JKS", &jks)] {
        keytool(&format!(
            "-importcert -alias ca -file {ca} -keystore {path} -storetype {kind} -storepass s3cr3t-too"
        ));
    }
    let of = |path: &str| {
        format!(
            "security.protocol=SSL\nssl.truststore.location={path}\nssl.truststore.password=s3cr3t-too\n"
        )
    };
    let works = |scene: &Scene, path: &str| {
        let file = scene.file("client.properties", &of(path));
        let more = ["--command-config", &file];
        scene.run_backup(&bootstrap, &more).expect_code(0).unwrap();
    };
    works(&scene, &pkcs12);
    let text = scene.refused(&bootstrap, &of(&pkcs12).replace("too", "not"));
    assert_says(&text, "can't be opened with ssl.truststore.password", "");
    let text = scene.refused(&bootstrap, &of(&jks));
    assert_says(&text, "a JKS store can't be read", "convert it: keytool ");
    let (_, command) = text.split_once("convert it: keytool ").unwrap();
    let (command, _) = command.split_once(';').unwrap();
    keytool(&format!(
        "{command} -srcstorepass s3cr3t-too -deststorepass s3cr3t-too"
    ));
    works(&scene, &converted);
}

fn assert_says(text: &str, problem: &str, hint: &str) {
    let (problem_part, hint_part) = text.split_once("hint: ").unwrap_or((text, ""));
    assert!(problem_part.contains(problem), "wanted {problem:?}: {text}");
    assert!(hint_part.contains(hint), "wanted the hint {hint:?}: {text}");
}

#[test]
fn each_thing_that_is_wrong_with_a_login_has_a_message_of_its_own() {
    let mut scene = Scene::new();
    scene.start(&secured(
        Security::SaslSsl,
        &["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"],
    ));
    let bootstrap = scene.bootstrap();
    let of =
        |scene: &mut Scene, mechanism| scene.a().client_properties_with(USER, mechanism).unwrap();
    for (mechanism, words) in [
        (
            "PLAIN",
            "Authentication failed: Invalid username or password",
        ),
        (
            "SCRAM-SHA-256",
            "invalid credentials with SASL mechanism SCRAM-SHA-256",
        ),
    ] {
        let wrong = of(&mut scene, mechanism).replace("Pass", "Wrong");
        let text = scene.refused(&bootstrap, &wrong);
        assert_says(
            &text,
            &format!("does not let us in: it refuses {mechanism} for backup: "),
            "check user and password",
        );
        assert_says(&text, words, "");
    }
    let unknown = of(&mut scene, "SCRAM-SHA-256").replace("SCRAM-SHA-256", "SCRAM-SHA-512");
    let text = scene.refused(&bootstrap, &unknown);
    assert_says(
        &text,
        "it does not offer SCRAM-SHA-512, only ",
        "set sasl.mechanism to one that it offers",
    );
    for offered in ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"] {
        assert_says(&text, offered, "");
    }

    let oauth = of(&mut scene, "OAUTHBEARER");
    let text = scene.refused(&bootstrap, &oauth.replace("Pass", "Wrong"));
    assert_says(&text, "answers 401: invalid_client", "client.secret");
    let endpoint = scene.a().token_endpoint().unwrap().to_owned();
    let nowhere = oauth.replace(&endpoint, "http://127.0.0.1:1/token");
    let text = scene.refused(&bootstrap, &nowhere);
    assert_says(
        &text,
        "the token endpoint http://127.0.0.1:1/token can't be reached",
        "token.endpoint.url",
    );

    let ca = scene.a().ca_pem().display().to_string();
    let plaintext = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=backup\n\
                     sasl.password=s3cr3t\n";
    for properties in ["", plaintext] {
        let text = scene.refused(&bootstrap, properties);
        assert_says(
            &text,
            "it speaks TLS on this port, and this client does not",
            "set security.protocol to SSL or SASL_SSL",
        );
    }
    let text = scene.refused(
        &bootstrap,
        &format!("security.protocol=SSL\nssl.ca.location={ca}\n"),
    );
    assert_says(
        &text,
        "as a listener does that wants SASL",
        "set security.protocol to SASL_SSL",
    );
    let untrusting = of(&mut scene, "PLAIN").replace("ssl.truststore", "#");
    let text = scene.refused(&bootstrap, &untrusting);
    assert_says(
        &text,
        "not signed by an authority that is trusted here",
        "ssl.ca.location",
    );
    let half = of(&mut scene, "PLAIN").replace("sasl.mechanism", "#");
    let text = scene.refused(&bootstrap, &half);
    assert_says(
        &text,
        "sasl.mechanism: is not given",
        "set it to one of PLAIN",
    );
}

#[test]
fn each_thing_that_is_wrong_with_a_certificate_has_a_message_of_its_own() {
    let mut scene = Scene::new();
    for (certificate, problem, hint) in [
        (
            Certificate::Expired,
            "its certificate expired on 2021-01-01",
            "new certificate",
        ),
        (
            Certificate::OtherHost,
            "its certificate is not for 127.0.0.1, only for kafka.elsewhere.example",
            "ssl.endpoint.identification.algorithm=none",
        ),
        (
            Certificate::OtherCa,
            "not signed by an authority that is trusted here",
            "ssl.ca.location",
        ),
    ] {
        let wanted = secured(Security::Ssl { client_auth: false }, &[]).certificate(certificate);
        scene.start(&wanted);
        let bootstrap = scene.bootstrap();
        let properties = scene.a().client_properties("").unwrap();
        let text = scene.refused(&bootstrap, &properties);
        assert_says(&text, problem, hint);
        let unnamed = format!("{properties}ssl.endpoint.identification.algorithm=\n");
        if certificate == Certificate::OtherHost {
            // what the hint says, for both clients
            let file = scene.file("client.properties", &unnamed);
            let more = ["--command-config", &file];
            scene.run_backup(&bootstrap, &more).expect_code(0).unwrap();
            scene.a().workload().delete_topics(&["kept"]).unwrap();
            scene
                .run_restore(
                    &bootstrap,
                    "unnamed",
                    &[&more[..], &["--into-source"]].concat(),
                )
                .expect_code(0)
                .unwrap();
        } else {
            // the chain is verified all the same
            assert_says(&scene.refused(&bootstrap, &unnamed), problem, hint);
        }
        scene.context.destroy_a();
    }
}

#[test]
fn a_listener_without_security_is_recognised() {
    let mut scene = Scene::new();
    scene.start(&secured(Security::Plaintext, &[]));
    let bootstrap = scene.bootstrap();
    let sasl = "sasl.mechanism=PLAIN\nsasl.username=backup\nsasl.password=s3cr3t\n";
    for protocol in ["SSL", "SASL_SSL"] {
        let sasl = if protocol == "SSL" { "" } else { sasl };
        let text = scene.refused(&bootstrap, &format!("security.protocol={protocol}\n{sasl}"));
        assert_says(
            &text,
            "it closed the connection during the TLS handshake",
            "set security.protocol to PLAINTEXT",
        );
    }
    let text = scene.refused(
        &bootstrap,
        &format!("security.protocol=SASL_PLAINTEXT\n{sasl}"),
    );
    assert_says(
        &text,
        "its listener does not take SASL",
        "set security.protocol to PLAINTEXT",
    );
}

#[test]
fn sessions_are_renewed_while_data_flows() {
    let mut scene = Scene::new();
    let wanted = secured(Security::SaslPlaintext, &["SCRAM-SHA-256", "OAUTHBEARER"])
        // short, and with time enough for a busy machine: brokers take one re-authentication a second
        .setting("connections.max.reauth.ms", "3000")
        .token_lifetime(Duration::from_secs(8));
    scene.start(&wanted);
    let mut bulk = Bulk::orders("orders");
    bulk.stored_bytes = 40 << 20;
    // and slow to compress
    bulk.codec = "none".to_owned();
    scene.a().workload().bulk(&bulk).unwrap();
    let bootstrap = scene.bootstrap();
    for mechanism in ["SCRAM-SHA-256", "OAUTHBEARER"] {
        let properties = scene.a().client_properties_with(USER, mechanism).unwrap();
        let file = scene.file("client.properties", &properties);
        let more = [
            "--command-config",
            &file,
            "--log-level",
            "lifeboat_kafka=debug",
        ];
        let slow = [&more[..], &["--compression-level", "17"]].concat();
        let run = scene.run_backup(&bootstrap, &slow).expect_code(0).unwrap();
        // some five connections, for several sessions each
        assert!(proofs(&run) >= 12, "{} in {:?}", proofs(&run), run.elapsed);
        if mechanism == "OAUTHBEARER" {
            let tokens = run.stderr.matches(" got a token ").count();
            assert!(tokens >= 2, "{tokens} in {:?}", run.elapsed);
        }
        let topics = ["kept", "orders"];
        scene.a().workload().delete_topics(&topics).unwrap();
        let into_source = [&more[..], &["--into-source"]].concat();
        let run = scene.run_restore(&bootstrap, mechanism, &into_source);
        let run = run.expect_code(0).unwrap();
        assert!(proofs(&run) > 0);
    }
}

/// How often it was proven who we are; no connection broke for that, and no secret was shown.
fn proofs(run: &Run) -> usize {
    shows_no_secret(run);
    let broken: Vec<_> = run
        .stderr
        .lines()
        .filter(|line| line.contains("connection broke") && !line.contains("cause=closed"))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    run.stderr.matches(" authenticated ").count()
}

#[test]
fn config_check_says_what_is_understood_and_shows_no_secret() {
    let scene = Scene::new();
    let password = scene.file("password", PASSWORD);
    let file = scene.file(
        "lifeboat.yaml",
        &format!(
            "kafka:\n  bootstrap.servers: a:1\n  security.protocol: SASL_SSL\n  sasl.mechanisms: SCRAM-SHA-512\n  \
             sasl.username: backup\n  sasl.password: {{ file: {password} }}\n  ssl.ca.location: ca.pem\n\
             targets:\n  dr:\n    bootstrap.servers: b:1\n    security.protocol: SASL_PLAINTEXT\n    \
             sasl.mechanism: PLAIN\n    sasl.jaas.config: org.apache.kafka.common.security.plain.PlainLoginModule \
             required username=\"backup\" password=\"s3cr3t\";\n"
        ),
    );
    let check = |verb| {
        let run = scene
            .program
            .run(&["config", verb, "--config", &file])
            .unwrap();
        shows_no_secret(&run);
        run
    };
    let run = check("check").expect_code(2).unwrap();
    assert!(
        run.stderr.contains("kafka: ssl.ca.location: can't read "),
        "{}",
        run.stderr
    );
    scene.file("ca.pem", &other_identity());
    let run = check("check").expect_code(0).unwrap();
    for line in [
        "sasl.mechanism: SCRAM-SHA-512",
        "sasl.password: ***",
        "sasl.jaas.config: ***",
        "ssl.ca.location: /",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    check("show").expect_code(0).unwrap();
}
