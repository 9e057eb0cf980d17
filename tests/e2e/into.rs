//! Where a restore goes: under other names, beside what runs, behind or in place of what is there.

use std::{collections::BTreeMap, time::Duration};

use lifeboat_tests::{
    CommittedOffset, Contents, Isolation, Message, Oracle, PartitionContents, ReadOptions, Run,
    TopicDescription, Workload,
};
use serde_json::Value;

use crate::lifeboat::{Scene, backup, run_restore};

/// A cluster of which there is a snapshot.
struct Running {
    scene: Scene,
    bootstrap: String,
    workload: Workload,
    oracle: Oracle,
}

/// What lies in a partition, without where it lies.
fn content(contents: &Contents, topic: &str, partition: i32) -> (u64, String) {
    let found = contents.partition(topic, partition);
    let PartitionContents {
        records, digest, ..
    } = found.unwrap_or_else(|| panic!("there is no {topic}-{partition}"));
    (*records, digest.clone())
}

/// Every value of a partition, in order.
fn values(cluster: &Running, topic: &str, partition: i32) -> Vec<String> {
    let all = (topic, partition, Isolation::ReadUncommitted, 0, 10_000);
    let records = cluster.oracle.records(all.0, all.1, all.2, all.3, all.4);
    let records = records.unwrap().into_iter();
    records.map(|record| record.value.unwrap()).collect()
}

fn written(topic: &str, partition: i32, what: &str, count: usize) -> Vec<Message> {
    (0..count)
        .map(|n| Message {
            key: Some(format!("key {n}").into_bytes()),
            timestamp: Some(1_700_000_000_000 + i64::try_from(n).unwrap()),
            ..Message::text(topic, partition, &format!("{what} {n}"))
        })
        .collect()
}

fn told(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{what} {n}")).collect()
}

/// Two topics, two groups that are not running, and the snapshot of them.
fn running() -> Running {
    let mut scene = Scene::new();
    let cluster = scene.context.a().unwrap();
    let a = Running {
        bootstrap: cluster.bootstrap(),
        workload: cluster.workload().clone(),
        oracle: cluster.oracle().clone(),
        scene,
    };
    let keep = [("retention.ms", "-1"), ("max.message.bytes", "2000000")];
    a.workload.create_topic("orders", 2, &keep).unwrap();
    let keep = [("retention.ms", "-1")];
    a.workload.create_topic("prod.audit", 1, &keep).unwrap();
    for (topic, partition, count) in [("orders", 0, 40), ("orders", 1, 25), ("prod.audit", 0, 9)] {
        let messages = written(topic, partition, "saved", count);
        a.workload.produce(&[], &messages).unwrap();
    }
    let offsets = [
        ("orders", 0, 17, "né"),
        ("orders", 1, 25, ""),
        ("prod.audit", 0, 3, ""),
    ];
    a.workload.commit("billing", &offsets).unwrap();
    a.workload
        .commit("shipping", &[("orders", 0, 4, "")])
        .unwrap();
    backup(&a.scene.program, &a.scene.url, &a.bootstrap, &[]);
    a
}

fn state(a: &Running) -> String {
    let folder = a.scene.context.scratch().join("state");
    folder.display().to_string()
}

fn again(a: &Running, more: &[&str]) -> Run {
    let scene = &a.scene;
    run_restore(&scene.program, &scene.url, &a.bootstrap, &state(a), more)
}

fn report(run: Run) -> Value {
    run.expect_code(0).unwrap().json().unwrap()
}

fn offsets(cluster: &Running, group: &str) -> Vec<CommittedOffset> {
    let mut all = cluster.oracle.groups().unwrap();
    all.retain(|offset| offset.group == group);
    all.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    all
}

/// Topic, partition, and the record that the group reads next.
fn next(offsets: &[CommittedOffset]) -> Vec<(&str, i32, Option<&str>, &str)> {
    let next = offsets.iter().map(|it| {
        (
            it.topic.as_str(),
            it.partition,
            it.next.as_deref(),
            it.metadata.as_str(),
        )
    });
    next.collect()
}

fn described(cluster: &Running) -> BTreeMap<String, TopicDescription> {
    let topics = cluster.oracle.topics().unwrap().into_iter();
    topics.map(|topic| (topic.name.clone(), topic)).collect()
}

#[test]
fn under_other_names_a_snapshot_comes_back_beside_the_running_originals_which_are_not_touched() {
    let a = &running();
    let everything = ReadOptions::default();
    let (before, topics) = (a.oracle.read(&everything).unwrap(), described(a));
    let groups = [offsets(a, "billing"), offsets(a, "shipping")];

    let refused = again(a, &["--prefix", "dr."]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--into-source"));
    let slip = again(a, &["--into-source", "--rename", "ordres=x"]);
    assert_eq!(slip.code, Some(2), "{}", slip.stderr);
    assert!(
        slip.stderr.contains("did you mean orders?"),
        "{}",
        slip.stderr
    );

    let names = ["--into-source", "--prefix", "dr.", "--group-prefix", "dr."];
    let prefixed = report(again(a, &names));
    let targets: Vec<&str> = prefixed["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| topic["target"].as_str().unwrap())
        .collect();
    assert_eq!(targets, ["dr.orders", "dr.prod.audit"], "{prefixed:#}");
    let others = [
        "--into-source",
        "--rename",
        "orders=orders-restored",
        "--rename-regex",
        r"^prod\.(.*)$=eu.$1",
        "--groups",
        "ship*",
        "--rename-group",
        "shipping=shipping-restored",
    ];
    report(again(a, &others));

    let after = a.oracle.read(&everything).unwrap();
    for (original, copies) in [
        ("orders", ["dr.orders", "orders-restored"]),
        ("prod.audit", ["dr.prod.audit", "eu.audit"]),
    ] {
        let description = described(a);
        assert_eq!(description[original], topics[original]);
        for partition in 0..i32::try_from(topics[original].partitions).unwrap() {
            assert_eq!(
                after.partition(original, partition),
                before.partition(original, partition)
            );
            for copy in copies {
                assert_eq!(
                    content(&after, copy, partition),
                    content(&before, original, partition),
                    "{copy}-{partition}"
                );
                assert_eq!(description[copy].configs, topics[original].configs);
            }
        }
    }
    assert_eq!([offsets(a, "billing"), offsets(a, "shipping")], groups);
    // each group stands before the same record, in the copy of its topic
    let copied = offsets(a, "dr.billing");
    let originals: Vec<_> = next(&groups[0]);
    let copies: Vec<_> = next(&copied)
        .into_iter()
        .map(|(topic, partition, next, metadata)| {
            (
                topic.strip_prefix("dr.").unwrap(),
                partition,
                next,
                metadata,
            )
        })
        .collect();
    assert_eq!(copies, originals);
    let renamed = offsets(a, "shipping-restored");
    let first = groups[1][0].next.as_deref();
    assert_eq!(next(&renamed), [("orders-restored", 0, first, "")]);
    assert_eq!(offsets(a, "billing-restored"), []);
}

/// A topic that is used, and compacted.
fn busy(a: &Running, topic: &str) {
    // it is never compacted while the test runs
    let own = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", "9000000000000000"),
        ("max.message.bytes", "1500000"),
    ];
    a.workload.create_topic(topic, 3, &own).unwrap();
    for partition in [0, 2] {
        let messages = written(topic, partition, "there", 5);
        a.workload.produce(&[], &messages).unwrap();
    }
}

const ONTO_BUSY: [&str; 5] = [
    "--into-source",
    "--topics",
    "orders",
    "--rename",
    "orders=busy",
];

#[test]
fn what_is_restored_comes_behind_what_a_topic_holds_where_that_is_asked_for_and_the_topic_keeps_its_settings()
 {
    let a = &running();
    busy(a, "busy");
    a.workload
        .commit("shipping", &[("busy", 0, 2, "")])
        .unwrap();
    let own = described(a)["busy"].clone();

    let refused = again(a, &ONTO_BUSY);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    for way in ["10 records", "--append", "--replace", "--rename"] {
        assert!(refused.stderr.contains(way), "{way}: {}", refused.stderr);
    }
    assert_eq!(values(a, "busy", 0), told("there", 5));

    let told_of = report(again(a, &[&ONTO_BUSY[..], &["--append"]].concat()));
    let topic = &told_of["topics"][0];
    assert_eq!(topic["outcome"]["was"], "appended", "{told_of:#}");
    assert!(topic["warnings"].to_string().contains("compacted"));
    let both = [told("there", 5), told("saved", 40)].concat();
    assert_eq!(values(a, "busy", 0), both);
    assert_eq!(values(a, "busy", 1), told("saved", 25));
    assert_eq!(values(a, "busy", 2), told("there", 5));
    assert_eq!(described(a)["busy"], own);
    // who reads the topic reads on where it was; who did not begins at its place in what was restored
    assert_eq!(offsets(a, "shipping")[0].offset, 2);
    let billing = offsets(a, "billing");
    let places: Vec<_> = billing
        .iter()
        .filter(|it| it.topic == "busy")
        .map(|it| (it.partition, it.offset))
        .collect();
    assert_eq!(places, [(0, 5 + 17), (1, 25)]);
    let notes = told_of["groups"].to_string();
    assert!(notes.contains(r#""kept":["orders"]"#), "{notes}");
    // asked for once more, it is not added once more
    let again = report(again(a, &[&ONTO_BUSY[..], &["--append"]].concat()));
    assert_eq!(again["topics"][0]["outcome"]["was"], "already_there");
    assert_eq!(values(a, "busy", 0), both);
}

#[test]
fn a_second_restore_changes_nothing_and_says_why_until_something_has_changed_since() {
    let a = &running();
    let copy = ["--into-source", "--prefix", "dr.", "--group-prefix", "dr."];
    report(again(a, &copy));
    let settings = described(a);
    let before = a.oracle.read(&ReadOptions::default()).unwrap();
    // who reads the copy has gone on
    a.workload
        .commit("dr.billing", &[("dr.orders", 0, 30, "")])
        .unwrap();
    let groups = a.oracle.groups().unwrap();

    let second = report(again(a, &copy));
    for topic in second["topics"].as_array().unwrap() {
        assert_eq!(topic["outcome"]["was"], "already_there", "{second:#}");
    }
    assert_eq!(second["totals"]["records"], 0);
    assert_eq!(a.oracle.read(&ReadOptions::default()).unwrap(), before);
    assert_eq!(
        (described(a), a.oracle.groups().unwrap()),
        (settings, groups)
    );
    let mut words = vec!["restore", "latest", "--repository", &a.scene.url, "--yes"];
    let state = state(a);
    words.extend(["--bootstrap-servers", &a.bootstrap, "--state", &state]);
    words.extend(copy);
    let third = a.scene.program.run(&words).unwrap().expect_code(0).unwrap();
    for word in [
        "nothing to do",
        "2 already there",
        "dr.orders: already restored from this snapshot on",
    ] {
        assert!(third.stdout.contains(word), "{word}: {}", third.stdout);
    }

    // somebody writes to it: it is not what was restored any more
    let more = written("dr.orders", 1, "new", 1);
    a.workload.produce(&[], &more).unwrap();
    let changed = again(a, &copy);
    assert_eq!(changed.code, Some(1), "{}", changed.stdout);
    assert!(
        changed.stderr.contains("dr.orders (it holds 66 records"),
        "{}",
        changed.stderr
    );
}

#[test]
fn what_a_topic_holds_is_deleted_first_where_that_is_asked_for_and_agreed_to_twice() {
    let a = &running();
    busy(a, "busy");
    let replace = [&ONTO_BUSY[..], &["--replace"]].concat();

    // a dry run tells what would go
    let plan = report(again(a, &[&replace[..], &["--dry-run"]].concat()));
    let action = &plan["topics"][0]["action"];
    assert_eq!(action["do"], "replace", "{plan:#}");
    assert_eq!(action["records"], 10);
    assert!(action["bytes"].as_u64() > Some(0), "{action}");

    let once = agree(a, &replace, &["y", "n"]);
    assert_eq!(once.code, Some(1), "{}", once.stdout);
    assert!(once.stdout.contains("busy: 10 records"), "{}", once.stdout);
    assert_eq!(values(a, "busy", 0), told("there", 5));

    let twice = agree(a, &replace, &["y", "y"]);
    assert_eq!(twice.code, Some(0), "{}", twice.stdout);
    assert_eq!(values(a, "busy", 0), told("saved", 40));
    assert_eq!(values(a, "busy", 1), told("saved", 25));
    assert_eq!(values(a, "busy", 2), [] as [&str; 0]);
    let contents = a.oracle.read(&ReadOptions::default()).unwrap();
    for partition in [0, 1] {
        let original = content(&contents, "orders", partition);
        assert_eq!(content(&contents, "busy", partition), original);
    }
    let settings = &described(a)["busy"].configs;
    assert_eq!(settings["max.message.bytes"], "2000000", "{settings:?}");
}

/// Answers one question after the other, as somebody at a terminal.
fn agree(a: &Running, more: &[&str], answers: &[&str]) -> Run {
    let (url, state) = (&a.scene.url, state(a));
    let mut words = vec!["restore", "latest", "--repository", url];
    words.extend(["--bootstrap-servers", &a.bootstrap, "--state", &state]);
    words.extend(more);
    let program = &a.scene.program;
    let mut terminal = program.spawn_on_terminal(&words, 150, 50).unwrap();
    for (question, answer) in ["write this into", "for ever?"].iter().zip(answers) {
        terminal
            .wait_for(question, Duration::from_secs(60))
            .unwrap();
        terminal.type_text(&format!("{answer}\n")).unwrap();
    }
    terminal.wait().unwrap()
}
