//! Topics of which the brokers keep most in remote storage (KIP-405).

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{KafkaCluster, Message, ReadOptions, compare};

use crate::lifeboat::{Scene, backup, run_restore, verify};

/// So long Kafka may take to move segments away.
const MOVED_WITHIN: Duration = Duration::from_secs(90);

/// The smallest offset that the broker has itself.
fn local_start(cluster: &KafkaCluster) -> u64 {
    let log = cluster.data_dir(0).join("tiered-0");
    let files = fs::read_dir(log).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let starts = names.filter_map(|name| name.strip_suffix(".log")?.parse().ok());
    starts.min().unwrap()
}

/// With a broker before 3.8 nothing of it was read, with any other one what its remote storage was slow to give; the rest
/// was taken for a hole, and the snapshot for complete.
fn comes_back(version: &str) {
    let mut scene = Scene::new();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let state = scene.context.scratch().join("state").display().to_string();
    let remote = scene.context.scratch().join("remote");
    let tiered = KafkaCluster::builder().tiered(version, &remote).unwrap();
    scene.context.start_a(&tiered).unwrap();
    scene.context.start_b(&KafkaCluster::builder()).unwrap();
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    let settings = [
        ("remote.storage.enable", "true"),
        ("local.retention.bytes", "1"),
        ("segment.bytes", "200000"),
        ("retention.ms", "-1"),
    ];
    workload.create_topic("tiered", 1, &settings).unwrap();
    let messages: Vec<Message> = (0..3_000)
        .map(|n| Message::text("tiered", 0, &format!("{n} {}", "value ".repeat(160))))
        .collect();
    let batches = [("batch.size", "20000"), ("linger.ms", "20")];
    workload.produce(&batches, &messages).unwrap();
    let begun = Instant::now();
    while local_start(a) == 0
        || fs::read_dir(a.data_dir(0).join("tiered-0"))
            .unwrap()
            .count()
            > 12
    {
        assert!(begun.elapsed() < MOVED_WITHIN, "nothing is moved away");
        thread::sleep(Duration::from_millis(200));
    }
    let local = local_start(a);
    let report = backup(&program, &url, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    // what the brokers know of their remote storage is true of one cluster only
    assert_eq!(report["commit"]["totals"]["topics"], 1, "{report:#}");
    verify(&program, &url);

    // the target has no remote storage: that setting can't be had
    let restored = run_restore(
        &program,
        &url,
        &b.bootstrap(),
        &state,
        &["--compare", "records"],
    );
    let report = restored.expect_code(3).unwrap().json().unwrap();
    let left_out = report["topics"][0]["left_out"].to_string();
    assert!(left_out.contains("remote.storage.enable"), "{report:#}");
    let options = ReadOptions {
        topics: vec!["tiered".to_owned()],
        ..ReadOptions::default()
    };
    let found = compare(&a.oracle(), &b.oracle(), &options).unwrap();
    assert_eq!(found, Vec::<String>::new());
    let records = report["totals"]["records"].as_u64().unwrap();
    assert!(records > local && local > records / 2, "{records}, {local}");
}

#[test]
fn r9_what_kafka_3_7_keeps_in_remote_storage_comes_back() {
    comes_back("3.7.2");
}

#[test]
fn r9_what_kafka_3_9_keeps_in_remote_storage_comes_back() {
    comes_back("3.9.1");
}
