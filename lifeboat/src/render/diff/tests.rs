use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_320_000_000);

fn document(changes: &serde_json::Value) -> DiffDocument {
    let document = json!({
        "from": {
            "snapshot": "20261115T020000Z-77am",
            "cluster_id": "NrI2qCTxevO5IomtUq8w-_",
            "at": Timestamp::from_millis(NOW.as_millis() - 7 * 86_400_000),
        },
        "to": { "cluster_id": "NrI2qCTxevO5IomtUq8w-_", "at": NOW },
        "changes": changes,
        "not_compared": [
            { "kind": "quotas", "reason": "20261115T020000Z-77am does not hold them", "partial": false },
            {
                "kind": "acls",
                "reason": "acls: DescribeAcls of the cluster: CLUSTER_AUTHORIZATION_FAILED: User:agent lacks Describe on the cluster",
                "partial": true,
            },
        ],
    });
    serde_json::from_value(document).unwrap()
}

fn changes() -> serde_json::Value {
    let topic = json!({
        "topic": "payments", "topic_id": "NrI2Kg3CT1ev0ShlpNV6ww", "partition_count": 12,
        "replication_factor": 3, "assignment": [], "configs": { "cleanup.policy": "compact" },
    });
    let offset = |partition: i32| {
        json!({
            "kind": "offset", "change": "changed", "group": "billing", "topic": "orders",
            "partition": partition, "from": { "offset": 5 }, "to": { "offset": 9 + partition },
        })
    };
    json!([
        { "kind": "topic", "change": "added", "to": topic },
        { "kind": "partitions", "change": "changed", "topic": "orders", "from": 12, "to": 24 },
        {
            "kind": "config", "change": "changed", "resource": "topic", "topic": "orders",
            "name": "retention.ms", "from": "604800000", "to": "86400000",
        },
        {
            "kind": "config", "change": "removed", "resource": "broker", "broker": 1,
            "name": "ssl.keystore.password", "from": null,
        },
        {
            "kind": "acl", "change": "removed", "from": {
                "resource_type": "TOPIC", "resource_name": "pay", "pattern_type": "PREFIXED",
                "principal": "User:Zoë\u{7}", "host": "10.0.0.1", "operation": "READ", "permission": "DENY",
            },
        },
        { "kind": "user", "change": "changed", "user": "alice", "mechanism": "SCRAM-SHA-512", "from": 4096, "to": 8192 },
        offset(0), offset(1), offset(2), offset(3), offset(4),
        { "kind": "feature", "change": "added", "feature": "share.version", "to": 1 },
    ])
}

#[test]
fn every_change_has_a_line_and_what_is_not_known_stands_last() {
    insta::assert_snapshot!(document(&changes()).render(NOW, Paint::never()));
}

#[test]
fn the_json_document_is_stable() {
    let bytes = lifeboat_archive::json::to_vec_pretty(&document(&changes()));
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
}

#[test]
fn where_nothing_changed_that_is_said() {
    let mut same = document(&json!([]));
    same.not_compared.clear();
    let text = same.render(NOW, Paint::never());
    assert!(text.ends_with("\n\nnothing changed\n"), "{text}");
}
