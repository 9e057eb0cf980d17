use lifeboat_archive::{
    documents::{Broker, CommittedOffset, GroupDocument, TopicDocument},
    json::Sha256Hex,
    lists::ObjectReference,
    manifest::{Gap, GapReason, ListReference, ManifestTopic, Problem, SnapshotKind, Totals},
    words::{OffsetRange, TopicId},
};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_320_000_000);

fn reference(object: &str) -> ObjectReference {
    ObjectReference {
        object: object.to_owned(),
        size: 1_234,
        sha256: Sha256Hex::of(b""),
    }
}

fn partition(number: i32, start: i64, end: i64, gaps: Vec<Gap>) -> ManifestPartition {
    let records = u64::try_from(end - start).unwrap();
    ManifestPartition {
        partition: number,
        log_start_offset: start,
        high_watermark: end,
        last_stable_offset: end,
        leader_epoch: 3,
        record_count: Some(records),
        batch_count: records / 100,
        repacked_bytes: 0,
        raw_bytes: records * 120,
        largest_batch_bytes: 16_384,
        max_timestamp_ms: (records > 0).then(|| NOW.as_millis() - 10_000),
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps,
    }
}

fn topic(name: &str, partitions: Vec<ManifestPartition>) -> ManifestTopic {
    ManifestTopic {
        topic: name.to_owned(),
        topic_id: TopicId([7; 16]),
        list: ListReference {
            object: "NrI2/lists/x.json.zst".to_owned(),
            position: 0,
            length: 10,
            sha256: Sha256Hex::of(b""),
        },
        cleanup: None,
        partitions,
    }
}

fn topic_document(name: &str, configs: &[(&str, Option<&str>)]) -> TopicDocument {
    TopicDocument {
        topic: name.to_owned(),
        topic_id: TopicId([7; 16]),
        partition_count: 2,
        replication_factor: 3,
        assignment: vec![vec![1, 2, 3]; 2],
        configs: Some(
            configs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                .collect(),
        ),
    }
}

fn offset(topic: &str, partition: i32, offset: i64, metadata: &str) -> CommittedOffset {
    CommittedOffset {
        topic: topic.to_owned(),
        partition,
        offset,
        leader_epoch: 3,
        metadata: metadata.to_owned(),
    }
}

fn topics() -> Vec<ManifestTopic> {
    let gap = Gap {
        range: OffsetRange::new(88_120_003, 88_241_000),
        reason: GapReason::DeletedBeforeRead,
    };
    vec![
        topic(
            "audit",
            vec![
                partition(0, 88_120_003, 88_300_000, vec![gap]),
                partition(1, 0, 0, Vec::new()),
            ],
        ),
        topic(
            "orders",
            vec![
                partition(0, 0, 1_000_000, Vec::new()),
                partition(1, 10, 940_013, Vec::new()),
            ],
        ),
        topic("empty", vec![partition(0, 0, 0, Vec::new())]),
    ]
}

fn groups() -> Vec<GroupDocument> {
    vec![
        GroupDocument {
            group: "billing".to_owned(),
            group_type: "consumer".to_owned(),
            protocol_type: "consumer".to_owned(),
            state: "Stable".to_owned(),
            offsets: vec![
                offset("orders", 0, 999_990, "v2"),
                offset("orders", 1, 940_014, ""),
            ],
            members: Vec::new(),
        },
        GroupDocument {
            group: "reports".to_owned(),
            group_type: "classic".to_owned(),
            protocol_type: String::new(),
            state: "Empty".to_owned(),
            offsets: vec![offset("gone", 0, 5, "")],
            members: Vec::new(),
        },
    ]
}

fn document() -> ShowDocument {
    let snapshot: lifeboat_archive::words::SnapshotId = "20261122T020000Z-k3fa".parse().unwrap();
    let started_at = Timestamp::from_millis(NOW.as_millis() - 7_200_000);
    let totals = Totals {
        topics: 3,
        partitions: 5,
        records: 2_120_000,
        batches: 21_200,
        repacked_bytes: 0,
        raw_bytes: 254_400_000,
        read_bytes: 254_400_000,
        stored_bytes: 61_000_000,
        archives: 2,
        groups: 2,
        configs: Some(9),
        acls: Some(14),
        quotas: Some(3),
        gaps: 1,
    };
    let committed_at = Timestamp::from_millis(started_at.as_millis() + 114_000);
    ShowDocument {
        commit: Commit {
            sequence: 4,
            follows: None,
            snapshot: snapshot.clone(),
            cluster_id: "NrI2".to_owned(),
            kind: SnapshotKind::Full,
            state: SnapshotState::Partial,
            started_at,
            bounds_at: started_at,
            committed_at,
            manifest: reference("NrI2/manifests/x.json.zst"),
            totals,
        },
        manifest: Manifest {
            snapshot,
            cluster_id: "NrI2".to_owned(),
            kind: SnapshotKind::Full,
            state: SnapshotState::Partial,
            started_at,
            bounds_at: started_at,
            finished_at: committed_at,
            created_by: "lifeboat 0.1.0".to_owned(),
            topics: topics(),
            documents: reference("NrI2/metadata/x.tar.zst"),
            totals,
            builds_on: None,
            problems: vec![
                Problem {
                    subject: "group checkout".to_owned(),
                    problem: "the principal may not describe it".to_owned(),
                    partial: true,
                },
                Problem {
                    subject: "group billing".to_owned(),
                    problem: "an offset is beyond the data".to_owned(),
                    partial: false,
                },
            ],
        },
        unopened: false,
        cluster: Some(ClusterDocument {
            cluster_id: "NrI2".to_owned(),
            captured_at: started_at,
            brokers: vec![Broker {
                id: 1,
                host: "kafka-1".to_owned(),
                port: 9092,
                rack: None,
            }],
            reassignments: Some(Vec::new()),
            open_transactions: Some(Vec::new()),
        }),
        topics: Some(TopicsDocument {
            topics: vec![
                topic_document(
                    "audit",
                    &[("retention.ms", Some("21600000")), ("secret", None)],
                ),
                topic_document("orders", &[("cleanup.policy", Some("compact"))]),
            ],
        }),
        groups: Some(GroupsDocument { groups: groups() }),
        configs: None,
        acls: None,
        quotas: None,
        users: None,
        features: None,
        tokens: None,
        results: Vec::new(),
        unreadable_results: Vec::new(),
        results_unknown: None,
    }
}

fn shown(parts: ShowParts) -> String {
    document().render(parts, NOW, Paint::never())
}

#[test]
fn the_overview_answers_what_is_inside_and_ends_with_what_is_missing() {
    insta::assert_snapshot!(shown(ShowParts::default()));
}

#[test]
fn topics_are_shown_partition_by_partition() {
    insta::assert_snapshot!(shown(ShowParts {
        topics: true,
        ..ShowParts::default()
    }));
}

#[test]
fn groups_are_shown_with_every_offset() {
    insta::assert_snapshot!(shown(ShowParts {
        groups: true,
        ..ShowParts::default()
    }));
}

#[test]
fn configs_are_shown_and_a_secret_is_not() {
    insta::assert_snapshot!(shown(ShowParts {
        configs: true,
        ..ShowParts::default()
    }));
}

#[test]
fn gaps_are_shown_with_their_reasons() {
    insta::assert_snapshot!(shown(ShowParts { gaps: true, ..ShowParts::default() }), @"
      gap      audit-0  offsets 88,120,003..88,240,999 (120,997 offsets): deleted by retention or DeleteRecords before it was read
      missing  group checkout: the principal may not describe it
      note     group billing: an offset is beyond the data
    ");
    let mut complete = document();
    complete.manifest.problems.clear();
    complete.manifest.topics.clear();
    let parts = ShowParts {
        gaps: true,
        ..ShowParts::default()
    };
    assert_eq!(
        complete.render(parts, NOW, Paint::never()),
        "nothing is missing\n"
    );
}

/// A document as it is stored.
fn stored<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn with_everything() -> ShowDocument {
    use serde_json::json;
    let acl =
        |kind: &str, name: &str, pattern: &str, principal: &str, host: &str, permission: &str| {
            json!({
                "resource_type": kind, "resource_name": name, "pattern_type": pattern,
                "principal": principal, "host": host, "operation": "READ", "permission": permission,
            })
        };
    ShowDocument {
        configs: stored(&json!({
            "cluster": { "log.cleaner.threads": "2" },
            "brokers": { "1": { "ssl.keystore.password": null }, "2": null },
            "groups": { "billing": { "consumer.session.timeout.ms": "50000" } },
            "client_metrics": null,
        })),
        acls: stored(&json!({ "authorizer": true, "acls": [
            acl("TOPIC", "orders", "LITERAL", "User:shop", "*", "ALLOW"),
            acl("GROUP", "pay", "PREFIXED", "User:Zoë\u{1b}", "10.0.0.1", "DENY"),
        ]})),
        quotas: stored(&json!({ "quotas": [
            { "entity": { "user": null }, "limits": { "producer_byte_rate": 1_048_576.0 } },
            { "entity": { "client-id": "a", "user": "b" }, "limits": { "request_percentage": 12.5 } },
        ]})),
        users: stored(&json!({ "users": [
            { "user": "alice", "credentials": [{ "mechanism": "SCRAM-SHA-512", "iterations": 8192 }] },
        ]})),
        features: stored(&json!({
            "finalized": { "metadata.version": 29 },
            "supported": { "metadata.version": { "min": 7, "max": 29 } },
        })),
        tokens: stored(&json!({ "enabled": true, "tokens": [{
            "token_id": "t1", "owner": "User:alice", "renewers": [], "issue_timestamp_ms": 0,
            "expiry_timestamp_ms": 1_795_320_000_000i64, "max_timestamp_ms": 1_795_920_000_000i64,
        }]})),
        ..document()
    }
}

#[test]
fn every_kind_of_document_has_its_table_and_a_snapshot_without_it_says_so() {
    let parts = ShowParts {
        configs: true,
        acls: true,
        users: true,
        quotas: true,
        features: true,
        tokens: true,
        ..ShowParts::default()
    };
    insta::assert_snapshot!(with_everything().render(parts, NOW, Paint::never()));
    let without = ShowParts {
        acls: true,
        ..ShowParts::default()
    };
    assert_eq!(
        document().render(without, NOW, Paint::never()),
        "the snapshot does not hold ACLs; --gaps may tell why\n"
    );
}
