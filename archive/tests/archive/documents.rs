//! Each document of a cluster reads as it was written, and is written as it was.

use std::{collections::BTreeMap, fmt::Debug};

use lifeboat_archive::{
    documents::*,
    json::{self, Document},
    words::{Timestamp, TopicId},
};
use serde_json::{Value, json};

use crate::{golden::golden, samples::TIME};

fn settings(of: &[(&str, Option<&str>)]) -> Settings {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect()
}

fn cluster() -> ClusterDocument {
    ClusterDocument {
        cluster_id: "NrI2Kg3CT1ev0ShlpNV6ww".to_owned(),
        captured_at: Timestamp::from_millis(TIME),
        brokers: vec![Broker {
            id: 1,
            host: "kafka-1".to_owned(),
            port: 9092,
            rack: Some("a".to_owned()),
        }],
        reassignments: Some(vec![Reassignment {
            topic: "orders".to_owned(),
            partition: 2,
            replicas: vec![3, 1, 2],
            adding: vec![3],
            removing: vec![1],
        }]),
        open_transactions: Some(vec![OpenTransaction {
            transactional_id: "billing-7".to_owned(),
            producer_id: 4_001,
            state: "Ongoing".to_owned(),
            start_timestamp_ms: Some(TIME),
        }]),
    }
}

fn topics() -> TopicsDocument {
    TopicsDocument {
        topics: vec![TopicDocument {
            topic: "orders".to_owned(),
            topic_id: TopicId(*b"0123456789abcdef"),
            partition_count: 2,
            replication_factor: 3,
            assignment: vec![vec![1, 2, 3], vec![2, 3, 1]],
            configs: Some(settings(&[("retention.ms", Some("-1"))])),
        }],
    }
}

fn groups() -> GroupsDocument {
    GroupsDocument {
        groups: vec![GroupDocument {
            group: "checkout".to_owned(),
            group_type: "Consumer".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Stable".to_owned(),
            offsets: vec![CommittedOffset {
                topic: "orders".to_owned(),
                partition: 1,
                offset: 42,
                leader_epoch: 5,
                metadata: "né".to_owned(),
            }],
            members: vec![GroupMember {
                member_id: "checkout-1-a2f0".to_owned(),
                instance_id: Some("checkout-1".to_owned()),
                client_id: "checkout".to_owned(),
                host: "/10.0.0.7".to_owned(),
                assignment: BTreeMap::from([("orders".to_owned(), vec![0, 1])]),
            }],
        }],
    }
}

fn configs() -> ConfigsDocument {
    let of = |name: &str, settings| BTreeMap::from([(name.to_owned(), settings)]);
    ConfigsDocument {
        cluster: Some(settings(&[("log.cleaner.threads", Some("2"))])),
        brokers: BTreeMap::from([
            (1, Some(settings(&[("ssl.keystore.password", None)]))),
            (2, Some(Settings::new())),
            (3, None),
        ]),
        groups: Some(of(
            "checkout",
            Some(settings(&[("consumer.session.timeout.ms", Some("50000"))])),
        )),
        client_metrics: None,
    }
}

fn acls() -> AclsDocument {
    let acl = |kind, name: &str, pattern, principal: &str, operation, permission| AclBinding {
        resource_type: ResourceType(kind),
        resource_name: name.to_owned(),
        pattern_type: PatternType(pattern),
        principal: principal.to_owned(),
        host: "*".to_owned(),
        operation: AclOperation(operation),
        permission: PermissionType(permission),
    };
    AclsDocument {
        authorizer: true,
        acls: vec![
            acl(2, "orders-", 4, "User:zoë", 3, 3),
            acl(4, "kafka-cluster", 3, "User:*", 2, 2),
            // of a Kafka to come
            acl(88, "x", 3, "User:a", 77, 3),
        ],
    }
}

fn quotas() -> QuotasDocument {
    let entity = |parts: &[(&str, Option<&str>)]| -> QuotaEntity { settings(parts) };
    let limits = |name: &str, limit| BTreeMap::from([(name.to_owned(), limit)]);
    QuotasDocument {
        quotas: vec![
            Quota {
                entity: entity(&[("client-id", None), ("user", Some("zoë"))]),
                limits: limits("producer_byte_rate", 1_048_576.0),
            },
            Quota {
                entity: entity(&[("ip", Some("10.0.0.7"))]),
                limits: limits("connection_creation_rate", 12.5),
            },
        ],
    }
}

fn features() -> FeaturesDocument {
    let range = FeatureRange { min: 0, max: 2 };
    FeaturesDocument {
        finalized: BTreeMap::from([("metadata.version".to_owned(), 30)]),
        supported: BTreeMap::from([("transaction.version".to_owned(), range)]),
    }
}

fn tokens() -> TokensDocument {
    TokensDocument {
        enabled: Some(true),
        tokens: vec![DelegationToken {
            token_id: "pyQbLbpsSDOM_Qgz4RHmYg".to_owned(),
            owner: "User:alice".to_owned(),
            requester: Some("User:bob".to_owned()),
            renewers: vec!["User:carol".to_owned()],
            issue_timestamp_ms: TIME,
            expiry_timestamp_ms: TIME + 86_400_000,
            max_timestamp_ms: TIME + 604_800_000,
        }],
    }
}

fn users() -> UsersDocument {
    let credential = |mechanism: &str, iterations| ScramCredential {
        mechanism: mechanism.to_owned(),
        iterations,
    };
    UsersDocument {
        users: vec![ScramUser {
            user: "alice".to_owned(),
            credentials: vec![
                credential("SCRAM-SHA-256", 4_096),
                credential("SCRAM-SHA-512", 8_192),
            ],
        }],
    }
}

/// What is sealed: the bytes in here are no secret of anybody.
fn credentials() -> CredentialsDocument {
    CredentialsDocument {
        scram: vec![ScramKeys {
            user: "alice".to_owned(),
            mechanism: "SCRAM-SHA-256".to_owned(),
            iterations: 4_096,
            salt: SecretBytes::new(b"salt"),
            stored_key: SecretBytes::new(b"stored key"),
            server_key: SecretBytes::new(b"server key"),
        }],
        broker_configs: BTreeMap::from([(
            String::new(),
            BTreeMap::from([(
                "ssl.keystore.password".to_owned(),
                SecretText::new("made up"),
            )]),
        )]),
    }
}

/// Adds a field that nobody knows to every struct among `structs`, by their paths.
fn with_later_fields(mut document: Value, structs: &[&str]) -> Value {
    for path in structs {
        let part = document
            .pointer_mut(path)
            .unwrap_or_else(|| panic!("no {path}"));
        part["of_a_later_version"] = json!({ "more": [1, null] });
    }
    document
}

fn check<D: Document + PartialEq + Debug>(name: &str, document: &D, structs: &[&str]) {
    let written = json::to_vec_pretty(document);
    let released = golden(name, || written.clone());
    assert_eq!(
        json::from_slice::<D>(&released).unwrap(),
        *document,
        "{name}"
    );
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(&written), text(&released), "{name}");

    let later = with_later_fields(serde_json::from_slice(&released).unwrap(), structs);
    let later = serde_json::to_vec(&later).unwrap();
    assert_eq!(json::from_slice::<D>(&later).unwrap(), *document, "{name}");
}

#[test]
fn each_document_of_version_1_reads_as_it_was_written_and_later_fields_are_passed_over() {
    check(
        "cluster.json",
        &cluster(),
        &["", "/brokers/0", "/reassignments/0", "/open_transactions/0"],
    );
    check("topics.json", &topics(), &["", "/topics/0"]);
    check(
        "groups.json",
        &groups(),
        &[
            "",
            "/groups/0",
            "/groups/0/offsets/0",
            "/groups/0/members/0",
        ],
    );
    check("configs.json", &configs(), &[""]);
    check("acls.json", &acls(), &["", "/acls/0"]);
    check("quotas.json", &quotas(), &["", "/quotas/0"]);
    check(
        "features.json",
        &features(),
        &["", "/supported/transaction.version"],
    );
    check("tokens.json", &tokens(), &["", "/tokens/0"]);
    check(
        "scram.json",
        &users(),
        &["", "/users/0", "/users/0/credentials/0"],
    );
    check("credentials.json", &credentials(), &["", "/scram/0"]);
}

#[test]
fn what_was_not_known_of_an_earlier_snapshot_is_not_taken_for_nothing() {
    let mut early = serde_json::to_value(configs()).unwrap();
    let early = early.as_object_mut().unwrap();
    early.retain(|part, _| part == "cluster" || part == "brokers");
    let early: ConfigsDocument = serde_json::from_value(Value::Object(early.clone())).unwrap();
    assert_eq!((early.groups, early.client_metrics), (None, None));

    let mut early = serde_json::to_value(cluster()).unwrap();
    let early = early.as_object_mut().unwrap();
    early.retain(|part, _| !matches!(part.as_str(), "reassignments" | "open_transactions"));
    let early: ClusterDocument = serde_json::from_value(Value::Object(early.clone())).unwrap();
    assert_eq!((early.reassignments, early.open_transactions), (None, None));
}
