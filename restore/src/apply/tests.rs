use serde_json::json;

use super::*;

fn changes(values: &serde_json::Value) -> Vec<Change> {
    serde_json::from_value(values.clone()).unwrap()
}

#[test]
fn one_request_makes_what_belongs_together_and_the_order_stays() {
    let acl = |change: &str, side: &str, permission: &str| {
        json!({ "kind": "acl", "change": change, side: {
            "resource_type": "TOPIC", "resource_name": "t", "pattern_type": "LITERAL",
            "principal": "User:a", "host": "*", "operation": "READ", "permission": permission,
        }})
    };
    let config = |broker: i32, name: &str| {
        json!({
            "kind": "config", "change": "added", "resource": "broker", "broker": broker,
            "name": name, "to": "1",
        })
    };
    let quota = json!({
        "kind": "quota", "change": "removed", "entity": { "user": "a" }, "name": "x", "from": 1.0,
    });
    let all = changes(&json!([
        config(1, "a"),
        config(1, "b"),
        config(2, "a"),
        quota,
        acl("added", "to", "ALLOW"),
        acl("added", "to", "ALLOW"),
        acl("added", "to", "DENY"),
        acl("removed", "from", "DENY"),
    ]));
    let lengths: Vec<usize> = steps(&all).map(<[Change]>::len).collect();
    assert_eq!(lengths, [2, 1, 1, 2, 1, 1]);
    assert_eq!(steps(&all).flatten().count(), all.len());
}

#[test]
fn a_broker_that_is_out_of_reach_does_not_keep_the_others_from_their_changes() {
    let lost = || {
        vec![Err(KafkaError::Disconnected {
            operation: "IncrementalAlterConfigs",
            address: "a:9092".to_owned(),
            cause: "end of stream".into(),
        })]
    };
    let of = |resource: &serde_json::Value| {
        let mut change = json!({ "kind": "config", "change": "added", "name": "a", "to": "1" });
        for (key, value) in resource.as_object().unwrap() {
            change[key] = value.clone();
        }
        changes(&json!([change]))
    };
    let broker = of(&json!({ "resource": "broker", "broker": 1 }));
    assert_eq!(unreachable(&lost(), &broker), None);
    let cluster = of(&json!({ "resource": "cluster" }));
    let why = unreachable(&lost(), &cluster).unwrap();
    assert!(why.starts_with("not tried any more: "), "{why}");
    let refused = KafkaError::Property {
        name: "a".to_owned(),
        problem: "b".to_owned(),
        hint: None,
    };
    assert_eq!(unreachable(&[Err(refused), Ok(())], &cluster), None);
}
