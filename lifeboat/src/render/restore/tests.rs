use lifeboat_archive::words::Timestamp;
use lifeboat_restore::repartition::Repartition;
use serde_json::{Value, json};

use super::*;

const TOPIC_ID: &str = "NrI2Kg3CT1ev0ShlpNV6ww";

fn counts(records: u64, uncommitted: u64, log_append_time: u64) -> Value {
    json!({
        "records": records,
        "batches_read": records / 100,
        "bytes_read": records * 120,
        "batches_written": records / 200,
        "bytes_written": records * 118,
        "uncommitted_records": uncommitted,
        "log_append_time_records": log_append_time,
    })
}

fn put_off() -> Value {
    json!({
        "settings": [{ "name": "retention.ms", "value": "604800000" }],
        "retention": ["retention.ms 604800000"],
        "records": 1_150_000_000u64,
        "bytes": 203_000_000_000u64,
    })
}

fn left_out() -> Value {
    json!({
        "name": "confluent.tier.enable",
        "value": "true",
        "reason": "unknown to the target",
        "partial": true,
    })
}

fn planned(topic: &str, action: &Value, partitions: usize, settings: &Value) -> Value {
    let partition = |number: usize| {
        json!({
            "partition": number,
            "start_offset": 0,
            "records": 50_000_000,
            "bytes": 8_800_000_000u64,
            "largest_batch_bytes": 16_384,
            "gap_offsets": 0,
        })
    };
    json!({
        "topic": topic,
        "source_topic_id": TOPIC_ID,
        "action": action,
        "partitions": (0..partitions).map(partition).collect::<Vec<_>>(),
        "replication_factor": 3,
        "settings": settings,
        "limits": { "encoded_bytes": 1_000_000 },
        "records": 50_000_000 * partitions,
        "bytes": 8_800_000_000u64 * partitions as u64,
    })
}

fn plan() -> Plan {
    let now = Timestamp::from_millis(1_795_320_000_000);
    let plain = json!({ "wanted": {}, "while_writing": {} });
    let busy = json!({
        "wanted": { "retention.ms": "604800000" },
        "while_writing": {},
        "left_out": [left_out()],
        "put_off": put_off(),
    });
    let refused =
        json!({ "do": "refuse", "records": 4_201, "reason": "it exists and holds 4,201 records" });
    let plan = json!({
        "snapshot": "20261115T020000Z-77am",
        "bounds_at": Timestamp::from_millis(now.as_millis() - 7 * 86_400_000),
        "manifest_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "source_cluster_id": "NrI2qCTxevO5IomtUq8w-_",
        "target_cluster_id": "8YcX0ZpSQ3mWkq3B1VYf5g",
        "target_brokers": 3,
        "mode": "produce",
        "planned_at": now,
        "topics": [
            planned("orders", &json!({ "do": "create" }), 24, &busy),
            planned("orders-dlq", &json!({ "do": "use_empty", "topic_id": TOPIC_ID }), 3, &plain),
            planned("orders-archive", &refused, 6, &plain),
        ],
        "groups": [
            { "group": "shipping", "offsets": 24, "not_restored": 0 },
            { "group": "billing", "offsets": 0, "not_restored": 0, "skipped": "it is active on the target" },
        ],
        "warnings": ["min.insync.replicas is larger than the target's replication factor"],
        "compare": "batches",
        "records": 1_350_000_000u64,
        "bytes": 237_600_000_000u64,
        "disk_bytes": 712_800_000_000u64,
        "estimated_ms": 1_860_000,
    });
    serde_json::from_value(plan).unwrap()
}

#[test]
fn a_plan_shows_what_is_done_with_every_topic_and_ends_with_what_is_refused() {
    insta::assert_snapshot!(render_plan(&plan(), true, Paint::never()));
}

/// A plan with every way into topics that are there, and under other names.
fn plan_into() -> Plan {
    let plain = json!({ "wanted": {}, "while_writing": {} });
    let under = |topic: &str, target: &str, action: &Value| {
        let mut planned = planned(topic, action, 3, &plain);
        planned["target"] = json!(target);
        planned
    };
    let id = |what: &str, more: &Value| {
        let mut action = json!({ "do": what, "topic_id": TOPIC_ID });
        for (key, value) in more.as_object().unwrap() {
            action[key] = value.clone();
        }
        action
    };
    let replace = json!({ "records": 1_204_311, "bytes": 96_700_000_000u64, "before": [1, 2, 3] });
    let mut into = plan();
    into.warnings.clear();
    into.topics = serde_json::from_value(json!([
        under("orders", "orders-restored", &json!({ "do": "create" })),
        under("audit", "", &id("append", &json!({ "records": 4_201 }))),
        under("payments", "dr.payments", &id("replace", &replace)),
        under(
            "clicks",
            "",
            &id(
                "already_there",
                &json!({ "at": "2026-11-21T03:12:44.000Z" })
            )
        ),
    ]))
    .unwrap();
    into.topics[0].repartition = Some(Repartition {
        start_offsets: vec![0; 12],
    });
    into.topics[1].warnings = vec![
        "it is compacted: a value of the snapshot wins over one that is there, even if that is newer".to_owned(),
        "it keeps its own settings, which are not the snapshot's: retention.ms".to_owned(),
    ];
    into.room = serde_json::from_value(json!({
        "usable_bytes": 640_000_000_000u64,
        "short": { "broker": 2, "usable_bytes": 190_000_000_000u64, "needed_bytes": 237_600_000_000u64 },
    }))
    .unwrap();
    into.groups = serde_json::from_value(json!([
        { "group": "shipping", "target": "dr.shipping", "offsets": 24, "not_restored": 0, "kept": ["audit"] },
        { "group": "billing", "target": "dr.billing", "offsets": 4, "not_restored": 0,
          "skipped": "it is active on the target (stable)" },
    ]))
    .unwrap();
    into
}

#[test]
fn a_plan_shows_new_names_what_comes_behind_records_what_is_deleted_and_what_is_there_already() {
    let plan = plan_into();
    insta::assert_snapshot!(render_plan(&plan, true, Paint::never()));
    assert_eq!(plan.replaced().count(), 1);
}

#[test]
fn a_second_restore_says_why_it_changed_nothing() {
    let mut done = report(false);
    done.topics.truncate(1);
    done.topics[0].target = "dr.orders".to_owned();
    done.topics[0].put_off = None;
    done.topics[0].outcome =
        serde_json::from_value(json!({ "was": "already_there", "at": "2026-11-21T03:12:44.000Z" }))
            .unwrap();
    done.totals = serde_json::from_value(counts(0, 0, 0)).unwrap();
    done.groups = serde_json::from_value(json!([
        { "group": "shipping", "committed": 0, "skipped": "its topics are there already: its offsets stay" },
    ]))
    .unwrap();
    done.comparing_ms = None;
    assert!(done.is_nothing());
    insta::assert_snapshot!(render_report(&done, Paint::never()));
}

fn config(name: &str, change: &str, more: &Value) -> Value {
    let mut change = json!({
        "kind": "config", "change": change, "resource": "cluster", "name": name,
    });
    for (key, value) in more.as_object().unwrap() {
        change[key] = value.clone();
    }
    change
}

fn acl(principal: &str) -> Value {
    json!({ "kind": "acl", "change": "added", "to": {
        "resource_type": "TOPIC", "resource_name": "orders", "pattern_type": "LITERAL",
        "principal": principal, "host": "*", "operation": "READ", "permission": "ALLOW",
    }})
}

/// A plan that touches no topic.
fn plan_of_the_rest() -> Plan {
    let mut plan = plan();
    plan.topics.clear();
    plan.groups.clear();
    plan.warnings.clear();
    plan.parts = serde_json::from_value(json!(["configs", "acls", "users"])).unwrap();
    let without = |change: Value, reason: &str| json!({ "change": change, "reason": reason, "partial": true });
    let no_authorizer =
        (0..7).map(|n| without(acl(&format!("User:{n}")), "the target has no authorizer"));
    let mut left_out: Vec<Value> = no_authorizer.collect();
    left_out.push(without(
        config("sasl.secret", "added", &json!({ "to": null })),
        "sensitive: the source did not tell its value",
    ));
    plan.cluster = serde_json::from_value(json!({
        "made": [
            config("log.cleaner.threads", "changed", &json!({ "from": "1", "to": "2" })),
            config("background.threads", "added", &json!({ "to": "12" })),
        ],
        "pruned": [config("log.cleaner.backoff.ms", "removed", &json!({ "from": "14999" }))],
        "kept": [config("num.io.threads", "removed", &json!({ "from": "9" }))],
        "left_out": left_out,
    }))
    .unwrap();
    plan.users = serde_json::from_value(json!([
        { "user": "alice", "mechanism": "SCRAM-SHA-512", "outcome": "restored" },
        { "user": "bob", "mechanism": "SCRAM-SHA-256", "outcome": "not_restored", "note": "its password is not known" },
    ]))
    .unwrap();
    plan
}

#[test]
fn a_plan_shows_each_change_of_the_rest_and_counts_what_is_left_out_for_one_reason() {
    insta::assert_snapshot!(render_plan(&plan_of_the_rest(), true, Paint::never()));
}

#[test]
fn many_changes_are_shown_by_a_dry_run_and_counted_where_somebody_is_asked() {
    let mut plan = plan_of_the_rest();
    let change = plan.cluster.made[0].clone();
    plan.cluster.made = vec![change; 500];
    let shown = |all| render_plan(&plan, all, Paint::never()).lines().count();
    assert!(shown(true) > 500);
    assert!(shown(false) < 40);
}

#[test]
fn a_report_tells_what_was_changed_what_was_refused_and_where_nothing_was_to_be_done() {
    let mut done = report(false);
    done.topics.clear();
    done.groups.clear();
    done.parts = serde_json::from_value(json!(["configs", "acls"])).unwrap();
    assert!(done.is_nothing());
    let nothing = render_report(&done, Paint::never());
    let made = config(
        "log.cleaner.threads",
        "changed",
        &json!({ "from": "1", "to": "2" }),
    );
    let refused =
        "CreateAcls: CLUSTER_AUTHORIZATION_FAILED: User:restorer lacks Alter on the cluster";
    done.changes = serde_json::from_value(json!([
        { "change": made },
        { "change": acl("User:shop"), "refused": refused },
    ]))
    .unwrap();
    done.partial = true;
    let partial = render_report(&done, Paint::never());
    insta::assert_snapshot!(format!("{nothing}\n-----\n{partial}"));
}

fn report(partial: bool) -> Report {
    let partition = |number: u32, stopped: Option<&str>| {
        let mut partition = json!({
            "partition": number,
            "start_offset": 0,
            "end_offset": 50_000_000,
            "counts": counts(50_000_000, 0, 0),
            "digest": "00000000000000000000000000000000",
        });
        if let Some(why) = stopped {
            partition["stopped"] = json!(why);
        }
        partition
    };
    let mut topics = vec![json!({
        "topic": "orders",
        "outcome": { "was": "created" },
        "topic_id": TOPIC_ID,
        "counts": counts(100_000_000, 2_000, 10),
        "partitions": [partition(0, None), partition(1, None)],
        "put_off": put_off(),
    })];
    if partial {
        topics.push(json!({
            "topic": "orders-archive",
            "outcome": { "was": "refused", "reason": "it exists and holds 4,201 records" },
            "counts": counts(0, 0, 0),
        }));
        topics.push(json!({
            "topic": "events",
            "outcome": { "was": "stopped" },
            "counts": counts(7, 0, 0),
            "partitions": [partition(0, Some("somebody else wrote to it: offset 8 where 7 was expected"))],
            "left_out": [left_out()],
        }));
    }
    let note = json!({
        "topic": "orders",
        "partition": 0,
        "source_offset": 3,
        "target_offset": 0,
        "note": "it was behind the log start",
    });
    let report = json!({
        "snapshot": "20261115T020000Z-77am",
        "bounds_at": "2026-11-15T02:00:00.000Z",
        "source_cluster_id": "NrI2qCTxevO5IomtUq8w-_",
        "target_cluster_id": "8YcX0ZpSQ3mWkq3B1VYf5g",
        "started_at": "2026-11-22T04:00:00.000Z",
        "elapsed_ms": 190_000,
        "writing_ms": 120_000,
        "comparing_ms": 60_000,
        "totals": counts(100_000_000, 2_000, 10),
        "topics": topics,
        "groups": [
            { "group": "shipping", "committed": 2, "notes": [note], "not_restored": ["gone-0"] },
            { "group": "billing", "committed": 0, "skipped": "it is active on the target", "partial": partial },
        ],
        "partial": partial,
        "journal": "/root/.local/state/lifeboat/restore-x.jsonl",
    });
    serde_json::from_value(report).unwrap()
}

#[test]
fn a_restore_is_summed_up_with_what_is_good_to_know() {
    insta::assert_snapshot!(render_report(&report(false), Paint::never()));
}

#[test]
fn a_partial_restore_ends_with_what_is_missing() {
    insta::assert_snapshot!(render_report(&report(true), Paint::never()));
}

#[test]
fn thousands_of_notes_do_not_push_the_summary_off_the_screen() {
    let mut report = report(false);
    report.warnings = (0..1_000).map(|n| format!("warning {n}")).collect();
    let text = render_report(&report, Paint::never());
    assert!(text.lines().count() < 40);
    assert!(text.contains("more, all of them in --json"));
}
