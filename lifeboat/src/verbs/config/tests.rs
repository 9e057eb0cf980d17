use std::path::Path;

use lifeboat_config::Surroundings;

use super::*;

const YAML: &str = r#"
kafka:
  bootstrap.servers: kafka-1:9092,kafka-2:9092
  client.id: { file: secret }
targets:
  dr: { bootstrap.servers: "dr:9092" }
repository:
  url: /back ups
repositories:
  second: { url: "s3://x/y", storage-class: STANDARD_IA, options: { aws_access_key_id: { file: secret } } }
backup:
  topics: { include: ["orders*", "x$${y}"], exclude: ["*.tmp"] }
  segment-size: 20000000
  max-rate: 50MiB
"#;

fn parse(text: &str) -> ResolvedConfig {
    let surroundings = Surroundings {
        variable: &|_| None,
        read_file: &|_| Ok("hunter2".to_owned()),
    };
    lifeboat_config::parse(text, Path::new(""), surroundings).unwrap()
}

fn document() -> ConfigDocument {
    ConfigDocument::new(Some("/etc/lifeboat.yaml".to_owned()), &parse(YAML))
}

#[test]
fn check_says_what_the_file_names() {
    insta::assert_snapshot!(document().summary(), @"
    /etc/lifeboat.yaml is fine
      kafka       kafka-1:9092,kafka-2:9092
                  client.id: ***
      target      dr: dr:9092
      repository  file:///back%20ups
      repository  second: s3://x/y
    ");
}

#[test]
fn what_show_prints_is_a_configuration_that_says_the_same() {
    let text = document().yaml();
    assert!(!text.contains("hunter2"));
    insta::assert_snapshot!(text, @r#"
    kafka:
      bootstrap.servers: "kafka-1:9092,kafka-2:9092"
      client.id: "***"
    targets:
      "dr":
        bootstrap.servers: "dr:9092"
    repository:
      url: "file:///back%20ups"
    repositories:
      "second":
        url: "s3://x/y"
        storage-class: "STANDARD_IA"
        options:
          aws_access_key_id: "***"
    backup:
      topics:
        include: ["orders*", "x$${y}"]
        exclude: ["*.tmp"]
      memory: 96MiB
      segment-size: 20000000
      archive-size: 128MiB
      compression-level: 1
      batches: verbatim
      max-connections: 2
      retry-deadline: 2m
      progress-interval: 30s
      max-rate: 50MiB
    "#);
    let again = ConfigDocument::new(None, &parse(&text));
    assert_eq!(again.yaml(), text);
}

#[test]
fn check_refuses_what_could_not_work() {
    for (text, problem, hint) in [
        (
            "kafka:\n  sasl.mechanism: PLAIN\n",
            "kafka: sasl.mechanism: has no effect with security.protocol PLAINTEXT",
            "set security.protocol to SASL_SSL",
        ),
        (
            "targets:\n  dr:\n    security.protocol: SSL\n    ssl.ca.location: /nowhere/ca.pem\n",
            "targets.dr: ssl.ca.location: can't read /nowhere/ca.pem",
            "",
        ),
    ] {
        let failure = check_clusters(&parse(text)).unwrap_err();
        assert_eq!(failure.exit.code(), 2);
        let shown = failure.render(crate::render::Paint::never());
        assert!(shown.contains(problem) && shown.contains(hint), "{shown}");
    }
    check_clusters(&parse(YAML)).unwrap();
}
