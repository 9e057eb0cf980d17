//! What is restored equals what was backed up, read by Kafka's own Java client.

use std::collections::BTreeMap;

use lifeboat_tests::{
    CommittedOffset, Fidelity, KafkaCluster, Oracle, ReadOptions, TestContext, TopicDescription,
    compare,
};
use serde_json::Value;

use crate::lifeboat::{backup, init, restore, snapshot_of, verify};

/// Its records become CreateTime, the times stay (R20): Produce can't do both.
const LOG_APPEND_TIME: &str = "append-time";
/// Compacted topics must not be compacted between the backup and the comparison, nor on the target before it.
const COMPACTED: [&str; 2] = ["compacted", "compacted.transactional"];

pub(crate) fn not_compacted_any_more(a: &KafkaCluster) {
    for topic in COMPACTED {
        a.workload()
            .alter_configs(
                topic,
                &[("min.compaction.lag.ms", Some("9000000000000000"))],
            )
            .unwrap();
    }
}

/// Everything that a user of the clusters could see of a difference.
pub(crate) fn differences(original: &Oracle, restored: &Oracle) -> Vec<String> {
    let everything = ReadOptions::default();
    let mut found = compare(original, restored, &everything).unwrap();
    let with_types = ReadOptions {
        topics: original
            .topics()
            .unwrap()
            .into_iter()
            .map(|topic| topic.name)
            .filter(|name| name != LOG_APPEND_TIME)
            .collect(),
        timestamp_type: true,
        ..everything
    };
    found.extend(compare(original, restored, &with_types).unwrap());
    found.extend(CommittedOffset::differences(
        &original.groups().unwrap(),
        &restored.groups().unwrap(),
    ));
    found.extend(TopicDescription::differences(
        &original.topics().unwrap(),
        &restored.topics().unwrap(),
    ));
    found
}

#[test]
fn r13_r14_r16_to_r23_restored_equals_original_in_everything() {
    let mut context = TestContext::new().unwrap();
    context.both().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("state").display().to_string();
    let (a, b) = context.both().unwrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);

    init(&program, &url);
    // some transactions are open: they do not hold the backup up (R13), nor come back (R14)
    let report = backup(&program, &url, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    assert!(report["gaps"].as_array().unwrap().is_empty());
    r19_offsets_beyond_the_data_are_told(&report);
    verify(&program, &url);

    let restored = restore(&program, &url, &b.bootstrap(), &state, &[]);
    // what the snapshot left open is settled now, so that the original shows what lies behind it
    a.workload().settle(&written.open_transactions).unwrap();
    assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());

    let outcome = restored["topics"].as_array().unwrap();
    assert_eq!(outcome.len(), written.topics.len(), "{restored:#}");
    let stamped = restored["totals"]["log_append_time_records"].as_u64();
    assert!(
        stamped > Some(0),
        "the report tells of {LOG_APPEND_TIME}: {restored:#}"
    );
    r16_no_leader_epoch_is_committed(&b.oracle());
    a_second_restore_refuses(&program, &url, &b.bootstrap(), &state);
}

/// Groups are read before the bounds: an offset beyond them is not the rule, and told.
fn r19_offsets_beyond_the_data_are_told(report: &Value) {
    let told = report["problems"].as_array().unwrap();
    let beyond = told.iter().find(|one| one["subject"] == "group beyond-end");
    assert_eq!(beyond.unwrap()["partial"], false, "{report:#}");
}

fn r16_no_leader_epoch_is_committed(restored: &Oracle) {
    for offset in restored.groups().unwrap() {
        assert_eq!(offset.leader_epoch, None, "{offset:?}");
    }
}

/// Where nothing is known of the first one, it does not write into topics that hold records, and says which.
fn a_second_restore_refuses(
    program: &lifeboat_tests::Program,
    url: &str,
    bootstrap: &str,
    state: &str,
) {
    let snapshot = snapshot_of(program, url, "latest");
    let elsewhere = format!("{state}-elsewhere");
    let run = program
        .run(&[
            "restore",
            &snapshot,
            "--repository",
            url,
            "--bootstrap-servers",
            bootstrap,
            "--state",
            &elsewhere,
            "--yes",
            "--json",
        ])
        .unwrap();
    assert_ne!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("transactions") && said.contains("record"),
        "{said}"
    );
}

#[test]
fn r6_what_was_deleted_before_the_backup_does_not_come_back() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("state").display().to_string();
    let (a, b) = context.both().unwrap();
    a.workload().create_topic("cut", 1, &[]).unwrap();
    let messages: Vec<_> = (0..50)
        .map(|n| lifeboat_tests::Message::text("cut", 0, &format!("value {n}")))
        .collect();
    a.workload().produce(&[], &messages).unwrap();
    // the log begins inside of a batch: what lies before it must not come back
    a.workload().delete_records("cut", 0, 33).unwrap();

    init(&program, &url);
    let report = backup(&program, &url, &a.bootstrap(), &["--topics", "cut"]);
    assert_eq!(report["commit"]["totals"]["gaps"], 0);
    restore(&program, &url, &b.bootstrap(), &state, &[]);

    let contents = b.oracle().read(&ReadOptions::default()).unwrap();
    assert_eq!(contents.records(), 17);
    let found = compare(&a.oracle(), &b.oracle(), &ReadOptions::default()).unwrap();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn r23_retention_that_would_delete_what_was_restored_is_put_off_and_told() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let state = context.scratch().join("state").display().to_string();
    // what a topic does not say, the target's brokers do
    let strict = KafkaCluster::builder().setting("log.retention.ms", "3600000");
    context.start_b(&strict).unwrap();
    let (a, b) = context.both().unwrap();
    for (topic, retention) in [("old", Some("3600000")), ("silent", None)] {
        a.workload()
            .create_topic(topic, 1, &[("retention.ms", "-1")])
            .unwrap();
        let ancient = lifeboat_tests::Message {
            timestamp: Some(1_450_000_000_000),
            ..lifeboat_tests::Message::text(topic, 0, "ten years old")
        };
        a.workload().produce(&[], &[ancient]).unwrap();
        // the active segment is not deleted at once, so the source still has it when it is backed up
        a.workload()
            .alter_configs(topic, &[("retention.ms", retention)])
            .unwrap();
    }

    init(&program, &url);
    backup(&program, &url, &a.bootstrap(), &[]);
    let report = restore(&program, &url, &b.bootstrap(), &state, &[]);

    for topic in b.oracle().topics().unwrap() {
        let configs: &BTreeMap<String, String> = &topic.configs;
        assert_eq!(
            configs.get("retention.ms").map(String::as_str),
            Some("-1"),
            "{}: {configs:?}",
            topic.name
        );
    }
    let told = report.to_string();
    assert!(told.contains("retention"), "{told}");
    assert_eq!(
        b.oracle().read(&ReadOptions::default()).unwrap().records(),
        2
    );
}

#[test]
fn r4_a_topic_that_is_created_again_is_another_topic() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let a = context.a().unwrap();
    init(&program, &url);
    let mut ids = Vec::new();
    for value in ["first life", "second life"] {
        a.workload().create_topic("again", 1, &[]).unwrap();
        a.workload()
            .produce(&[], &[lifeboat_tests::Message::text("again", 0, value)])
            .unwrap();
        let report = backup(&program, &url, &a.bootstrap(), &["--topics", "again"]);
        assert_eq!(report["commit"]["totals"]["records"], 1);
        let snapshot = report["commit"]["snapshot"].as_str().unwrap().to_owned();
        let shown = program
            .run(&["show", &snapshot, "--repository", &url, "--json"])
            .unwrap()
            .expect_code(0)
            .unwrap()
            .json()
            .unwrap();
        ids.push(topic_id(&shown));
        a.workload().delete_topics(&["again"]).unwrap();
    }
    assert_ne!(ids[0], ids[1]);
}

fn topic_id(shown: &Value) -> String {
    let text = shown.to_string();
    let at = text.find("\"topic_id\":\"").unwrap() + "\"topic_id\":\"".len();
    text[at..at + 22].to_owned()
}
