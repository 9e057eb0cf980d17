use std::time::Duration;

use super::*;

fn variable(name: &str) -> Option<String> {
    match name {
        "BROKERS" => Some("a:1,b:2".to_owned()),
        "SPOOL" => Some("/backups".to_owned()),
        _ => None,
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/etc/lifeboat/client-id") => Ok("hunter2\n".to_owned()),
        Some("/etc/lifeboat/empty") => Ok("\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

const SURROUNDINGS: Surroundings<'static> = Surroundings {
    variable: &variable,
    read_file: &read_file,
};

fn read(text: &str) -> Result<ResolvedConfig, Vec<Problem>> {
    parse(text, Path::new("/etc/lifeboat"), SURROUNDINGS)
}

fn problems(text: &str) -> Vec<String> {
    let problems = read(text).unwrap_err();
    problems
        .into_iter()
        .map(|problem| match &problem.hint {
            Some(hint) => format!("{problem} ({hint})"),
            None => problem.to_string(),
        })
        .collect()
}

const EVERYTHING: &str = r#"
kafka:
  bootstrap.servers: ${BROKERS}
  request.timeout.ms: 5000
  client.id: { file: client-id }
targets:
  dr:
    bootstrap.servers: "dr:9092"
repository:
  url: file://${SPOOL}/kafka
backup:
  topics: { include: ["*"], exclude: ["*.tmp", "x$${y}"] }
  memory: 64MiB
  segment-size: 16 MiB
  archive-size: 1GB
  compression-level: 7
"#;

#[test]
fn every_key_is_read_and_variables_and_files_are_filled_in() {
    let config = read(EVERYTHING).unwrap();
    let kafka = config.kafka.unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["a:1", "b:2"]);
    assert_eq!(kafka.request_timeout(), Duration::from_secs(5));
    assert_eq!(kafka.client_id(), "hunter2");
    assert!(!format!("{kafka:?}").contains("hunter2"));
    assert_eq!(config.targets["dr"].bootstrap_servers(), ["dr:9092"]);
    assert_eq!(
        config.repository.unwrap().to_string(),
        "file:///backups/kafka"
    );
    let backup = config.backup;
    assert!(backup.topics.choose("orders") && !backup.topics.choose("orders.tmp"));
    assert_eq!(backup.topics.exclude[1].to_string(), "x${y}");
    assert_eq!(backup.memory, ByteSize::mib(64));
    assert_eq!(backup.segment_size, ByteSize::mib(16));
    assert_eq!(backup.archive_size, ByteSize(1_000_000_000));
    assert_eq!(backup.compression_level, 7);
}

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "# nothing\n", "{}", "backup: {}\n"] {
        let config = read(text).unwrap();
        assert!(config.kafka.is_none() && config.repository.is_none());
        assert_eq!(config.backup.compression_level, 1);
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    assert_eq!(
        problems("kafka: {}\nbackup:\n  compresion-level: 3\n"),
        ["line 3, column 3: compresion-level: unknown key (did you mean compression-level?)"]
    );
    assert_eq!(
        problems("schedules: []\n"),
        [
            "line 1, column 1: schedules: unknown key (known here: kafka, targets, repository, repositories, encryption, backup)"
        ]
    );
    assert_eq!(
        problems("backup: { segment_size: 1MiB }\n"),
        ["line 1, column 11: segment_size: unknown key (did you mean segment-size?)"]
    );
    assert_eq!(
        problems("kafka:\n  bootstrap.server: a:1\n"),
        [
            "line 2, column 3: kafka.bootstrap.server: not a property that Lifeboat honours \
          (did you mean bootstrap.servers?)"
        ]
    );
    assert_eq!(
        problems("kafka:\n  client.id: { fil: x }\n"),
        ["line 2, column 16: fil: unknown key (did you mean file?)"]
    );
}

#[test]
fn all_wrong_values_are_told_at_once_each_with_its_place() {
    let text = "kafka:\n  bootstrap.servers: ${NOPE}\n  security.protocol: TLS\nrepository:\n  \
                url: ftp://x/y\nbackup:\n  memory: 1 parsec\n  compression-level: 99\n  topics:\n    \
                include: [ \"a\", \"[\" ]\n  max-rate: 9\n  max-connections: 0\n";
    let found = problems(text);
    let starts = [
        "line 2, column 22: kafka.bootstrap.servers: the environment variable NOPE is not set",
        "line 3, column 3: kafka.security.protocol: \"TLS\" is not a security protocol",
        "line 5, column 8: repository.url: \"ftp\" is not a kind of repository",
        "line 7, column 11: backup.memory: not a size",
        "line 8, column 22: backup.compression-level: 99 is not between 1 and 19",
        "line 10, column 21: backup.topics.include: not a topic pattern",
        "line 11, column 13: backup.max-rate: 9 B a second is less than",
        "line 12, column 20: backup.max-connections: 0 is not between 1 and 32",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (problem, start) in found.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn a_secret_file_that_is_missing_or_empty_is_an_error() {
    let text = |path: &str| format!("kafka:\n  client.id: {{ file: {path} }}\n");
    assert!(problems(&text("nope"))[0].contains("can't read /etc/lifeboat/nope"));
    assert!(problems(&text("empty"))[0].ends_with("/etc/lifeboat/empty is empty"));
}

#[test]
fn yaml_mistakes_name_their_place() {
    assert!(
        problems("kafka: [\n")[0].starts_with("line "),
        "{:?}",
        problems("kafka: [\n")
    );
    assert_eq!(
        problems("repository:\n  url: /a\n  url: /b\n"),
        ["line 3, column 3: url: given twice"]
    );
    assert_eq!(
        problems("kafka:\n  client.id: a\n  client.id: b\n"),
        ["line 3, column 3: client.id: given twice"]
    );
    let found = problems("kafka:\n  client.id: 1.10\n");
    assert!(
        found[0].contains("line 2") && found[0].contains("quotes"),
        "{found:?}"
    );
    let found = problems("kafka:\n  client.id:\n");
    assert!(
        found[0].contains("line 2") && found[0].contains("no value"),
        "{found:?}"
    );
    let found = problems("backup:\n  compression-level: high\n");
    assert!(found[0].starts_with("line 2, column 22: "), "{found:?}");
    let found = problems("backup: 3\n");
    assert!(found[0].starts_with("line 1, column 9: "), "{found:?}");
}

#[test]
fn the_same_property_under_two_names_is_refused() {
    assert_eq!(
        problems("kafka:\n  bootstrap.servers: a:1\n  metadata.broker.list: b:2\n"),
        [
            "line 3, column 3: kafka.metadata.broker.list: means bootstrap.servers, which is given as well, with \
             another value (give one of them)"
        ]
    );
}

#[test]
fn paths_start_at_the_files_folder_and_secrets_come_from_files() {
    let text = "kafka:\n  bootstrap.servers: a:1\n  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  \
                sasl.username: backup\n  sasl.password: { file: client-id }\n  ssl.ca.location: ca.pem\n  \
                ssl.keystore.location: /var/key.p12\n";
    let kafka = read(text).unwrap().kafka.unwrap();
    let security = kafka.security().unwrap();
    let tls = security.tls.unwrap();
    let crate::Trust::File(store) = tls.trust else {
        panic!("{:?}", tls.trust);
    };
    assert_eq!(store.path, Path::new("/etc/lifeboat/ca.pem"));
    let Some(crate::Identity {
        place: crate::IdentityPlace::Store(store),
        ..
    }) = tls.identity
    else {
        panic!("no key store");
    };
    assert_eq!(store.path, Path::new("/var/key.p12"));
    let Some(crate::Sasl::Plain(credentials)) = security.sasl else {
        panic!("not PLAIN");
    };
    assert_eq!(credentials.password.expose(), "hunter2");
}

#[test]
fn credentials_are_read_from_one_place_and_sealed_to_recipients() {
    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let read = |text: &str| parse(text, Path::new("/etc/lifeboat"), Surroundings::system());
    let config = read(&format!(
        "encryption:\n  recipients: [{RECIPIENT}]\n\
         backup:\n  exact-credentials:\n    controllers: a:9093, b:9093\n    \
         kafka:\n      sasl.mechanism: SCRAM-SHA-512\n"
    ))
    .unwrap();
    assert_eq!(config.recipients[0].to_string(), RECIPIENT);
    assert_eq!(config.seal_data, None);
    let exact = &config.backup.exact_credentials;
    assert_eq!(
        exact.controllers.as_ref().unwrap().to_string(),
        "a:9093,b:9093"
    );
    assert_eq!(exact.kafka.shown().count(), 1);
    let config = read("backup:\n  exact-credentials:\n    metadata-dir: data\n").unwrap();
    let folder = config.backup.exact_credentials.metadata_dir.unwrap();
    assert_eq!(folder, Path::new("/etc/lifeboat/data"));

    let config = read("encryption: { data: false, identities: [{ file: key }] }\n").unwrap();
    assert_eq!(config.seal_data, Some(false));
    assert_eq!(config.identities, [Path::new("/etc/lifeboat/key")]);

    let problems = read("encryption:\n  identities: [AGE-SECRET-KEY-1S3CR3T]\n").unwrap_err();
    let told = problems[0].to_string();
    assert!(
        told.contains("{ file: PATH }") && !told.contains("S3CR3T"),
        "{told}"
    );

    let problems = read(
        "encryption:\n  recipients: [AGE-SECRET-KEY-1S3CR3T]\n\
         backup:\n  exact-credentials: { controllers: discover, metadata-dir: /data }\n",
    )
    .unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("encryption.recipients: this is an identity"));
    assert!(!told[0].contains("S3CR3T"), "{told:?}");
    assert!(told[1].contains("contradicts controllers"), "{told:?}");
}

#[test]
fn what_a_store_is_told_is_read_and_secrets_come_from_files() {
    let config = read(
        "repository:\n  url: s3://backups/kafka\n  storage-class: STANDARD_IA\n  options:\n    \
         aws_endpoint: http://minio:9000\n    aws_allow_http: true\n    aws_access_key_id: lifeboat\n    \
         aws_secret_access_key: { file: client-id }\n    aws_web_identity_token_file: token\n",
    )
    .unwrap();
    assert_eq!(config.store.get("aws_allow_http"), Some("true"));
    assert_eq!(config.store.get("aws_secret_access_key"), Some("hunter2"));
    let token = config.store.get("aws_web_identity_token_file");
    assert_eq!(token, Some("/etc/lifeboat/token"));
    assert_eq!(config.store.storage_class(), Some("STANDARD_IA"));
    let shown: Vec<_> = config.store.shown().map(|(_, value)| value).collect();
    assert!(!shown.join(" ").contains("hunter2"), "{shown:?}");

    assert_eq!(
        problems(
            "repository:\n  url: s3://b\n  storage-class: GLACIER\n  options:\n    aws_regoin: x\n    \
             google_base_url: http://x\n    aws_allow_http: maybe\n"
        ),
        [
            "line 3, column 18: repository.storage-class: objects of the class GLACIER can't be read when they are \
             needed (take one that is read at once: STANDARD_IA, GLACIER_IR, NEARLINE, Cool)",
            "line 5, column 5: repository.options.aws_regoin: not an option of a store that Lifeboat knows (did you \
             mean aws_region?)",
            "line 6, column 5: repository.options.google_base_url: not an option of the store that repository.url names",
            "line 7, column 5: repository.options.aws_allow_http: not true or false",
        ]
    );
}

#[test]
fn other_repositories_have_names_and_options_of_their_own() {
    let config = read(
        "repository: { url: 's3://here/x', options: { aws_region: eu-central-1 } }\n\
         repositories:\n\
         \x20 second-site:\n\
         \x20   url: az://there/y\n\
         \x20   storage-class: Cool\n\
         \x20   options: { azure_storage_account_name: second, azure_storage_account_key: { file: client-id } }\n\
         \x20 shelf: { url: 'file://${SPOOL}/shelf' }\n",
    )
    .unwrap();
    assert_eq!(config.store.get("aws_region"), Some("eu-central-1"));
    let second = &config.repositories["second-site"];
    assert_eq!(second.url.to_string(), "az://there/y");
    assert_eq!(second.options.storage_class(), Some("Cool"));
    assert_eq!(second.options.get("aws_region"), None);
    let shown: Vec<_> = second.options.shown().map(|(_, value)| value).collect();
    assert_eq!(shown, ["***", "second"]);
    let shelf = &config.repositories["shelf"];
    assert_eq!(shelf.url.to_string(), "file:///backups/shelf");
}

#[test]
fn a_repository_without_an_address_or_with_a_name_like_one_is_refused() {
    insta::assert_snapshot!(
        problems(
            "repositories:\n  'a/b': { url: /x }\n  second: { storage-class: Cool }\n  third: { url: 'ftp://x' }\n  \
             fourth: { url: 's3://x', options: { azure_allow_http: true } }\n"
        )
        .join("\n"),
        @r#"
    line 2, column 10: repositories.a/b: a name has letters, digits, '-', '_' and '.' only
    line 3, column 11: repositories.second: no url (say where it is: url: s3://BUCKET/PREFIX)
    line 4, column 17: repositories.third.url: "ftp" is not a kind of repository; known are file://, s3://, gs:// and az://
    line 5, column 39: repositories.fourth.options.azure_allow_http: not an option of the store that repositories.fourth.url names
    "#
    );
}
