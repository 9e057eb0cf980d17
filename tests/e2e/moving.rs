//! A cluster that changes while it is backed up: what is lost is a recorded gap, and nothing is mixed in.

use std::time::Duration;

use lifeboat_tests::{
    Bulk, Isolation, KafkaCluster, Message, Oracle, ReadOptions, Run, Running, folder_size,
};
use serde_json::Value;

use crate::lifeboat::{Scene, goes_on, restore, verify};

/// The first topic keeps the backup busy while something happens to the one behind it.
const SLOW: [&str; 6] = [
    "--max-rate",
    "1MB",
    "--max-connections",
    "1",
    // a request holds no more than a piece of that topic
    "--memory",
    "16MiB",
];
const BUSY_BYTES: u64 = 8_000_000;
const DEADLINE: Duration = Duration::from_secs(60);

/// A backup whose bounds are captured, and which is not far.
fn begin(scene: &Scene, bootstrap: &str) -> Running {
    let common = [
        "backup",
        "--repository",
        &scene.url,
        "--bootstrap-servers",
        bootstrap,
        "--json",
    ];
    let arguments = [&common[..], &SLOW].concat();
    let running = scene.program.spawn(&arguments).unwrap();
    let folder = scene.context.repository();
    goes_on(&running, DEADLINE, 500_000, || {
        folder_size(&folder).unwrap_or(0)
    });
    running
}

/// Restores what was saved into cluster B; the reader of that.
fn restored(scene: &mut Scene) -> Oracle {
    verify(&scene.program, &scene.url);
    let state = scene.context.scratch().join("state").display().to_string();
    let b = scene.context.b().unwrap().bootstrap();
    restore(&scene.program, &scene.url, &b, &state, &[]);
    scene.context.b().unwrap().oracle()
}

fn busy(a: &KafkaCluster, brokers: u16) {
    let load = Bulk {
        partitions: u32::from(brokers),
        replication_factor: brokers,
        stored_bytes: BUSY_BYTES,
        ..Bulk::orders("a-busy")
    };
    a.workload().bulk(&load).unwrap();
}

fn messages(topic: &str, text: &str, count: usize) -> Vec<Message> {
    let message = |n| Message::text(topic, 0, &format!("{text} {n}"));
    (0..count).map(message).collect()
}

/// The only gap of a partial snapshot.
fn gap(run: Run) -> Value {
    let report = run.expect_code(3).unwrap().json().unwrap();
    assert_eq!(report["commit"]["state"], "partial", "{report:#}");
    let gaps = report["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{report:#}");
    gaps[0].clone()
}

#[test]
fn r4_a_topic_that_is_made_anew_during_the_backup_is_not_mixed_with_the_old_one() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    busy(a, 1);
    a.workload().create_topic("z-new", 1, &[]).unwrap();
    let old = messages("z-new", "old", 10);
    a.workload().produce(&[], &old).unwrap();
    let (bootstrap, workload) = (a.bootstrap(), a.workload());
    let running = begin(&scene, &bootstrap);
    workload.delete_topics(&["z-new"]).unwrap();
    workload.create_topic("z-new", 1, &[]).unwrap();
    let new = messages("z-new", "new", 25);
    workload.produce(&[], &new).unwrap();

    let gap = gap(running.wait().unwrap());
    assert_eq!(gap["topic"], "z-new");
    assert_eq!(gap["reason"], "topic_deleted");
    assert_eq!((&gap["start"], &gap["end"]), (&0.into(), &10.into()));
    let restored = restored(&mut scene).read(&ReadOptions::default()).unwrap();
    assert_eq!(restored.partition("z-new", 0).unwrap().records, 0);
    assert!(restored.partition("a-busy", 0).unwrap().records > 0);
}

#[test]
fn r3_records_that_are_deleted_before_they_are_read_are_a_gap_and_the_rest_is_there() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    busy(a, 1);
    a.workload().create_topic("z-short", 1, &[]).unwrap();
    // a batch each
    let kept = messages("z-short", "value", 100);
    a.workload().produce_one_by_one(&[], &kept).unwrap();
    let (bootstrap, workload) = (a.bootstrap(), a.workload());
    let running = begin(&scene, &bootstrap);
    workload.delete_records("z-short", 0, 60).unwrap();

    let gap = gap(running.wait().unwrap());
    assert_eq!(gap["topic"], "z-short");
    assert_eq!(gap["reason"], "deleted_before_read");
    assert_eq!((&gap["start"], &gap["end"]), (&0.into(), &60.into()));
    let target = restored(&mut scene);
    let records = target.read(&ReadOptions::default()).unwrap();
    assert_eq!(records.partition("z-short", 0).unwrap().records, 40);
}

#[test]
fn r2_r5_records_that_an_unclean_election_lost_are_a_gap_and_what_took_their_place_is_left_out() {
    let mut scene = Scene::new();
    let wanted = KafkaCluster::builder().brokers(3).heap_megabytes(320);
    let a = scene.context.start_a(&wanted).unwrap();
    busy(a, 3);
    let unclean = [
        ("unclean.leader.election.enable", "true"),
        ("min.insync.replicas", "1"),
    ];
    let workload = a.workload();
    workload
        .create_replicated_topic("z-unclean", 1, 2, &unclean)
        .unwrap();
    let all = [("acks", "all")];
    workload
        .produce_one_by_one(&all, &messages("z-unclean", "kept", 50))
        .unwrap();
    a.wait_until_in_sync().unwrap();
    let leaders = a.oracle().leaders().unwrap();
    let led = leaders.iter().find(|led| led.topic == "z-unclean").unwrap();
    let index = |id: i32| (0..3).find(|&index| a.broker_id(index) == id).unwrap();
    let leader = index(led.leader);
    let follower = index(*led.in_sync.iter().find(|&&id| id != led.leader).unwrap());
    a.stop_broker(follower).unwrap();
    workload
        .produce_one_by_one(&all, &messages("z-unclean", "lost", 50))
        .unwrap();

    let bootstrap = a.bootstrap();
    let running = begin(&scene, &bootstrap);
    let a = scene.context.a().unwrap();
    a.kill_broker(leader).unwrap();
    a.start_broker(follower).unwrap();
    // the offsets of what is lost are given anew
    workload
        .produce_one_by_one(&all, &messages("z-unclean", "later", 80))
        .unwrap();

    let gap = gap(running.wait().unwrap());
    assert_eq!(gap["topic"], "z-unclean");
    assert_eq!(gap["reason"], "truncated");
    assert_eq!((&gap["start"], &gap["end"]), (&50.into(), &100.into()));
    scene.context.destroy_a();
    let target = restored(&mut scene);
    let records = target.read(&ReadOptions::default()).unwrap();
    assert_eq!(records.partition("z-unclean", 0).unwrap().records, 50);
    let last = target
        .records("z-unclean", 0, Isolation::ReadCommitted, 49, 1)
        .unwrap();
    assert_eq!(last[0].value.as_deref(), Some("kept 49"));
}
