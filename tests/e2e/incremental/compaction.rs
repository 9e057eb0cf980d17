//! What compaction removes while it is read, or between two snapshots.

use std::{
    thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{Isolation, KafkaCluster, Oracle};

use super::{DEADLINE, keyed, told};
use crate::lifeboat::{Scene, wait_until};

/// Settings with which the cleaner is at work all the time.
const COMPACTED: [(&str, &str); 6] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "100"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("min.compaction.lag.ms", "0"),
    ("max.compaction.lag.ms", "100"),
    ("retention.ms", "-1"),
];

/// Writes on until neither a record nor a tombstone with that key is in the log.
fn until_cleaned(a: &KafkaCluster, topic: &str, key: &str) {
    let deadline = Instant::now() + DEADLINE;
    for n in 0.. {
        let filler = keyed(topic, "filler", Some(&format!("{n}")));
        a.workload().produce(&[], &[filler]).unwrap();
        let records = a
            .oracle()
            .records(topic, 0, Isolation::ReadCommitted, 0, 1_000)
            .unwrap();
        if records.iter().all(|it| it.key.as_deref() != Some(key)) {
            return;
        }
        assert!(Instant::now() < deadline, "{key} is not cleaned away");
        thread::sleep(Duration::from_millis(100));
    }
}

fn values_of(oracle: &Oracle, topic: &str, key: &str) -> Vec<Option<String>> {
    let records = oracle
        .records(topic, 0, Isolation::ReadCommitted, 0, 1_000)
        .unwrap();
    let with_key = records
        .into_iter()
        .filter(|it| it.key.as_deref() == Some(key));
    with_key.map(|it| it.value).collect()
}

#[test]
fn r11_a_key_whose_tombstone_came_and_went_between_two_snapshots_stays_deleted() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    let workload = a.workload();
    let quick = [&COMPACTED[..], &[("delete.retention.ms", "100")]].concat();
    workload.create_topic("users", 1, &quick).unwrap();
    let written = [
        keyed("users", "gone", Some("secret")),
        keyed("users", "stays", Some("here")),
    ];
    workload.produce(&[], &written).unwrap();
    scene.snapshot(&[]);
    // it would come back if the archive were only added to
    assert_eq!(
        values_of(&scene.restored(), "users", "gone"),
        [Some("secret".to_owned())]
    );

    let a = scene.context.a().unwrap();
    workload
        .produce(&[], &[keyed("users", "gone", None)])
        .unwrap();
    until_cleaned(a, "users", "gone");
    let report = scene.snapshot(&[]);
    assert_eq!(
        told(&report, "topic users"),
        [
            "compacted, and the last snapshot is older than tombstones live (delete.retention.ms): 1 partition read in full"
        ]
    );
    let restored = scene.restored();
    assert_eq!(values_of(&restored, "users", "gone"), []);
    let stays = values_of(&restored, "users", "stays");
    assert_eq!(stays, [Some("here".to_owned())]);
}

#[test]
fn r11_inside_of_the_time_that_tombstones_live_a_compacted_topic_is_read_on() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    // a day
    workload.create_topic("users", 1, &COMPACTED).unwrap();
    let written = [
        keyed("users", "gone", Some("secret")),
        keyed("users", "stays", Some("here")),
    ];
    workload.produce(&[], &written).unwrap();
    scene.snapshot(&[]);
    workload
        .produce(&[], &[keyed("users", "gone", None)])
        .unwrap();
    let report = scene.snapshot(&[]);
    assert_eq!(report["commit"]["kind"], "incremental");
    assert_eq!(told(&report, "topic users"), Vec::<&str>::new());
    // the archived value is there, and its tombstone behind it
    let gone = values_of(&scene.restored(), "users", "gone");
    assert_eq!(gone.last(), Some(&None));

    // what it was cleaned up by between two snapshots is not known when the policy has changed
    let deleting = [("cleanup.policy", Some("compact,delete"))];
    workload.alter_configs("users", &deleting).unwrap();
    workload
        .produce(&[], &[keyed("users", "new", Some("value"))])
        .unwrap();
    let report = scene.snapshot(&[]);
    assert_eq!(
        told(&report, "topic users"),
        ["its cleanup.policy has changed since the last snapshot: 1 partition read in full"]
    );
}

#[test]
fn r11_a_compacted_topic_that_takes_longer_to_read_than_its_tombstones_live_is_told() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    let quick = [&COMPACTED[..], &[("delete.retention.ms", "1000")]].concat();
    workload.create_topic("users", 1, &quick).unwrap();
    let large = |n: usize| keyed("users", &format!("key {n}"), Some(&"x".repeat(900_000)));
    let messages: Vec<_> = (0..4).map(large).collect();
    workload.produce_one_by_one(&[], &messages).unwrap();
    let slow = ["--max-rate", "1MB", "--memory", "16MiB"];
    let run = scene.try_snapshot(&slow).expect_code(3).unwrap();
    let report = run.json().unwrap();
    let told_of = told(&report, "topic users");
    assert!(
        told_of
            .iter()
            .any(|it| it.starts_with("tombstones-unsafe: reading 1 of its partitions took longer")),
        "{report:#}"
    );
    // it is not built on
    let long = [("delete.retention.ms", Some("86400000"))];
    workload.alter_configs("users", &long).unwrap();
    let report = scene.snapshot(&[]);
    assert_eq!(
        told(&report, "topic users"),
        ["compacted, and reading it took longer than tombstones live: 1 partition read in full"]
    );
    assert_eq!(scene.differences(), Vec::<String>::new());
}

/// Text that does not become smaller, another one for each seed.
fn incompressible(seed: usize, length: usize) -> String {
    let mut state = seed as u64 + 1;
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from(state >> 33 & 0x3f).unwrap())
    };
    (0..length).map(letter).collect()
}

#[test]
fn r11_a_key_that_is_written_again_and_cleaned_while_it_is_read_is_not_lost() {
    const KEYS: usize = 16;
    let mut scene = Scene::new();
    let bootstrap = scene.source();
    let workload = scene.context.a().unwrap().workload();
    workload.create_topic("users", 1, &COMPACTED).unwrap();
    let key = |n: usize| format!("key {n}");
    let large = |n| keyed("users", &key(n), Some(&incompressible(n, 900_000)));
    let messages: Vec<_> = (0..KEYS).map(large).collect();
    workload.produce_one_by_one(&[], &messages).unwrap();
    // a quarter of a minute for what is there
    let url = scene.url.clone();
    let slow = [
        "backup",
        "--repository",
        &url,
        "--bootstrap-servers",
        &bootstrap,
        "--segment-size=1MiB",
        "--archive-size=1MiB",
        "--memory=16MiB",
        "--max-rate=1MB",
        "--progress-interval=1ms",
    ];
    let running = scene.program.spawn(&slow).unwrap();
    wait_until(&running, DEADLINE, "reading", || {
        scene.objects("progress") > 0
    });
    let rewrite = |n| keyed("users", &key(n), Some("new"));
    let messages: Vec<_> = (0..KEYS).map(rewrite).collect();
    workload.produce_one_by_one(&[], &messages).unwrap();
    let a = scene.context.a().unwrap();
    wait_until(&running, DEADLINE, "cleaned while it is read", || {
        let filler = keyed("users", "filler", Some("more"));
        workload.produce(&[], &[filler]).unwrap();
        values_of(&a.oracle(), "users", &key(KEYS - 1)) == [Some("new".to_owned())]
    });
    running.wait().unwrap().expect_code(0).unwrap();
    scene.is_sound();
    let restored = scene.restored();
    let is_lost = |n: &usize| values_of(&restored, "users", &key(*n)).is_empty();
    let lost: Vec<usize> = (0..KEYS).filter(is_lost).collect();
    assert_eq!(lost, Vec::<usize>::new());
    for n in 0..KEYS {
        let values = values_of(&restored, "users", &key(n));
        assert_eq!(values.last(), Some(&Some("new".to_owned())), "{}", key(n));
    }
    // and what comes later is built on that
    let report = scene.snapshot(&[]);
    assert_eq!(report["commit"]["kind"], "incremental");
    let restored = scene.restored();
    assert_eq!(
        values_of(&restored, "users", &key(0)).last(),
        Some(&Some("new".to_owned()))
    );
}
