//! A snapshot that uses earlier ones again holds everything that is in Kafka, and nothing that is not.

use std::{collections::BTreeSet, fs, time::Duration};

use lifeboat_tests::{
    Bulk, Isolation, KafkaCluster, Message, Oracle, ReadOptions, Run, Signal, compare, files_below,
};
use serde_json::Value;

mod compaction;
mod transactions;

use crate::lifeboat::{Scene, backup, restore, run_restore, verify, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);
/// Records keep their place, however old their times are.
const KEPT: [(&str, &str); 1] = [("retention.ms", "-1")];

fn texts(topic: &str, partition: i32, text: &str, count: usize) -> Vec<Message> {
    let message = |n| Message::text(topic, partition, &format!("{text} {n}"));
    (0..count).map(message).collect()
}

fn keyed(topic: &str, key: &str, value: Option<&str>) -> Message {
    Message {
        topic: topic.to_owned(),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        ..Message::default()
    }
}

impl Scene {
    fn source(&mut self) -> String {
        self.context.a().unwrap().bootstrap()
    }

    /// A complete snapshot of cluster A, sound and with nothing missing; the report.
    fn snapshot(&mut self, more: &[&str]) -> Value {
        let bootstrap = self.source();
        let report = backup(&self.program, &self.url, &bootstrap, more);
        self.is_sound();
        report
    }

    /// A backup that ends as it may; the run.
    fn try_snapshot(&mut self, more: &[&str]) -> Run {
        let bootstrap = self.source();
        let common = [
            "backup",
            "--repository",
            &self.url,
            "--bootstrap-servers",
            &bootstrap,
            "--json",
        ];
        let arguments = [&common[..], more].concat();
        self.program.run(&arguments).unwrap()
    }

    fn is_sound(&self) {
        verify(&self.program, &self.url);
        self.program
            .run(&["check", "--repository", &self.url])
            .unwrap()
            .expect_code(0)
            .unwrap();
    }

    /// The newest snapshot, restored into a fresh cluster B.
    fn restored(&mut self) -> Oracle {
        self.context.destroy_b();
        let states = fs::read_dir(self.context.scratch().path()).unwrap().count();
        let state = self.context.scratch().join(format!("state-{states}"));
        let b = self.context.b().unwrap().bootstrap();
        restore(
            &self.program,
            &self.url,
            &b,
            &state.display().to_string(),
            &[],
        );
        self.context.b().unwrap().oracle()
    }

    /// What differs between cluster A and the newest snapshot, restored.
    fn differences(&mut self) -> Vec<String> {
        let restored = self.restored();
        let original = self.context.a().unwrap().oracle();
        compare(&original, &restored, &ReadOptions::default()).unwrap()
    }

    /// How many objects of that kind the cluster has in the repository.
    fn objects(&mut self, folder: &str) -> usize {
        let cluster = self.context.a().unwrap().cluster_id().to_owned();
        let folder = self.context.repository().join(cluster).join(folder);
        files_below(&folder).len()
    }
}

/// What a report says of a topic.
fn told<'r>(report: &'r Value, subject: &str) -> Vec<&'r str> {
    let problems = report["problems"].as_array().unwrap().iter();
    problems
        .filter(|problem| problem["subject"] == subject)
        .map(|problem| problem["problem"].as_str().unwrap())
        .collect()
}

fn read_bytes(report: &Value) -> u64 {
    report["commit"]["totals"]["read_bytes"].as_u64().unwrap()
}

#[test]
fn what_has_not_changed_is_neither_read_nor_written_and_everything_comes_back() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    let workload = a.workload();
    workload.create_topic("still", 10, &KEPT).unwrap();
    workload.create_topic("growing", 2, &KEPT).unwrap();
    workload.create_topic("empty", 3, &KEPT).unwrap();
    for partition in 0..10 {
        let some = texts("still", partition, "still", 20);
        workload.produce(&[], &some).unwrap();
    }
    let first = texts("growing", 0, "first", 1_000);
    workload.produce(&[], &first).unwrap();
    workload
        .commit("billing", &[("growing", 0, 400, "")])
        .unwrap();

    let full = scene.snapshot(&[]);
    assert_eq!(full["commit"]["kind"], "full");
    assert_eq!(full.get("builds_on"), None);
    assert!(read_bytes(&full) > 0);
    let (archives, lists) = (scene.objects("data"), scene.objects("lists"));

    // nothing has changed
    let idle = scene.snapshot(&[]);
    assert_eq!(idle["commit"]["kind"], "incremental");
    assert_eq!(idle["builds_on"], full["commit"]["snapshot"]);
    assert_eq!(idle["topics_unchanged"], 3);
    assert_eq!(read_bytes(&idle), 0);
    assert_eq!(idle["problems"], Value::Array(Vec::new()), "{idle:#}");
    assert_eq!(
        idle["commit"]["totals"]["records"],
        full["commit"]["totals"]["records"]
    );
    assert_eq!(scene.objects("data"), archives);
    assert_eq!(scene.objects("lists"), lists);

    // one partition has grown, and a group has moved
    let workload = scene.context.a().unwrap().workload();
    let later = texts("growing", 0, "later", 10);
    workload.produce(&[], &later).unwrap();
    workload
        .commit("billing", &[("growing", 0, 1_003, "")])
        .unwrap();
    let grown = scene.snapshot(&[]);
    assert_eq!(grown["topics_unchanged"], 2);
    assert!(read_bytes(&grown) < read_bytes(&full) / 10, "{grown:#}");
    assert_eq!(scene.objects("data"), archives + 1);
    assert_eq!(scene.objects("lists"), lists + 1);
    assert_eq!(scene.differences(), Vec::<String>::new());
    let group = scene.context.b().unwrap().oracle().groups().unwrap();
    assert_eq!(group[0].offset, 1_003);

    // how often is counted, only where something came
    assert_eq!(appended(&scene, "growing"), [Some(1), None]);
    let workload = scene.context.a().unwrap().workload();
    let other = texts("growing", 1, "other", 10);
    workload.produce(&[], &[later, other].concat()).unwrap();
    let grown = scene.snapshot(&[]);
    // the other was empty until now, so all of it was read
    assert_eq!(appended(&scene, "growing"), [Some(2), None]);

    // everything is read again where that is wanted, and shares nothing
    let again = scene.snapshot(&["--kind", "full"]);
    assert_eq!(again["commit"]["kind"], "full");
    assert_eq!(
        again["commit"]["totals"]["read_bytes"],
        grown["commit"]["totals"]["raw_bytes"]
    );
    assert_eq!(again.get("builds_on"), None);
    assert_eq!(appended(&scene, "growing"), [None, None]);
    // and the earlier snapshots are what they were
    let run = scene
        .program
        .run(&["verify", "latest~4", "--repository", &scene.url])
        .unwrap();
    run.expect_code(0).unwrap();
}

#[test]
fn r4_a_topic_that_was_made_anew_is_read_in_full_and_shares_nothing() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    workload.create_topic("orders", 1, &KEPT).unwrap();
    workload
        .produce(&[], &texts("orders", 0, "old", 30))
        .unwrap();
    scene.snapshot(&[]);
    workload.delete_topics(&["orders"]).unwrap();
    workload.create_topic("orders", 1, &KEPT).unwrap();
    workload
        .produce(&[], &texts("orders", 0, "new", 40))
        .unwrap();
    let report = scene.snapshot(&[]);
    assert_eq!(
        told(&report, "topic orders"),
        ["re-created since the last snapshot: 1 partition read in full"]
    );
    assert_eq!(report["commit"]["kind"], "full");
    assert_eq!(scene.differences(), Vec::<String>::new());
}

#[test]
fn r5_what_an_unclean_election_took_away_leaves_the_next_snapshot() {
    let mut scene = Scene::new();
    let wanted = KafkaCluster::builder().brokers(3).heap_megabytes(320);
    let a = scene.context.start_a(&wanted).unwrap();
    let unclean = [
        ("unclean.leader.election.enable", "true"),
        ("min.insync.replicas", "1"),
        ("retention.ms", "-1"),
    ];
    let workload = a.workload();
    workload
        .create_replicated_topic("orders", 1, 2, &unclean)
        .unwrap();
    let all = [("acks", "all")];
    workload
        .produce_one_by_one(&all, &texts("orders", 0, "kept", 50))
        .unwrap();
    a.wait_until_in_sync().unwrap();
    let leaders = a.oracle().leaders().unwrap();
    let led = leaders.iter().find(|led| led.topic == "orders").unwrap();
    let index = |id: i32| (0..3).find(|&index| a.broker_id(index) == id).unwrap();
    let leader = index(led.leader);
    let follower = index(*led.in_sync.iter().find(|&&id| id != led.leader).unwrap());
    a.stop_broker(follower).unwrap();
    workload
        .produce_one_by_one(&all, &texts("orders", 0, "lost", 50))
        .unwrap();
    // the archive has what is going to be lost
    let before = scene.try_snapshot(&[]).json().unwrap();
    assert_eq!(before["commit"]["totals"]["records"], 100, "{before:#}");

    let a = scene.context.a().unwrap();
    a.kill_broker(leader).unwrap();
    a.start_broker(follower).unwrap();
    // beyond the end that was archived: the bounds alone do not tell
    workload
        .produce_one_by_one(&all, &texts("orders", 0, "later", 80))
        .unwrap();
    let after = scene.try_snapshot(&[]).json().unwrap();
    assert_eq!(
        told(&after, "topic orders"),
        ["truncated since the last snapshot (unclean leader election): 1 partition read in full"]
    );
    assert_eq!(after["gaps"], Value::Array(Vec::new()), "{after:#}");
    scene.context.destroy_a();
    let b = scene.context.b().unwrap().bootstrap();
    let state = scene.context.scratch().join("state").display().to_string();
    // a broker was down, so settings of it are missing: the restore may say so
    run_restore(&scene.program, &scene.url, &b, &state, &[]);
    let target = scene.context.b().unwrap().oracle();
    let records = target
        .records("orders", 0, Isolation::ReadCommitted, 49, 2)
        .unwrap();
    let values: Vec<_> = records.iter().map(|it| it.value.as_deref()).collect();
    assert_eq!(values, [Some("kept 49"), Some("later 0")]);
    let contents = target.read(&ReadOptions::default()).unwrap();
    assert_eq!(contents.partition("orders", 0).unwrap().records, 130);
}

#[test]
fn r6_what_was_deleted_in_kafka_does_not_come_back_and_what_was_never_saved_is_told() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    workload.create_topic("orders", 1, &KEPT).unwrap();
    // a batch each, and a segment for some of them
    let big = |text: &str, count: usize| -> Vec<Message> {
        let value = |n: usize| format!("{text} {n} {}", "x".repeat(100_000));
        (0..count)
            .map(|n| Message::text("orders", 0, &value(n)))
            .collect()
    };
    let small = ["--segment-size", "1MiB"];
    workload.produce_one_by_one(&[], &big("old", 40)).unwrap();
    let first = scene.snapshot(&small);
    workload.delete_records("orders", 0, 25).unwrap();
    // the log start alone has moved
    let trimmed = scene.snapshot(&small);
    assert_eq!(read_bytes(&trimmed), 0);
    let raw = |report: &Value| report["commit"]["totals"]["raw_bytes"].as_u64().unwrap();
    assert!(raw(&trimmed) < raw(&first) * 7 / 10, "{trimmed:#}");
    assert_eq!(scene.differences(), Vec::<String>::new());

    // behind the archived end: nobody ever saved 40 to 44
    workload.produce_one_by_one(&[], &big("new", 10)).unwrap();
    workload.delete_records("orders", 0, 45).unwrap();
    let run = scene.try_snapshot(&small).expect_code(3).unwrap();
    let report = run.json().unwrap();
    assert_eq!(
        told(&report, "partition orders-0"),
        ["offsets 40..44 were deleted in Kafka before any snapshot held them"]
    );
    assert_eq!(report["commit"]["totals"]["records"], 5);
    scene.is_sound();
}

/// What the newest snapshot's manifest says of the partitions of topics.
fn shown_partitions(scene: &Scene, chosen: impl Fn(&str) -> bool) -> Vec<Value> {
    let run = scene
        .program
        .run(&["show", "latest", "--repository", &scene.url, "--json"])
        .unwrap();
    let shown = run.expect_code(0).unwrap().json().unwrap();
    let topics = shown["manifest"]["topics"].as_array().unwrap().iter();
    topics
        .filter(|topic| chosen(topic["topic"].as_str().unwrap()))
        .flat_map(|topic| topic["partitions"].as_array().unwrap().clone())
        .collect()
}

/// How often segments were appended to each partition of a topic since it was read in full.
fn appended(scene: &Scene, topic: &str) -> Vec<Option<u64>> {
    let partitions = shown_partitions(scene, |name| name == topic);
    partitions
        .iter()
        .map(|it| it["appended"].as_u64())
        .collect()
}

#[test]
fn two_backups_at_once_both_commit_a_sound_snapshot() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    workload.create_topic("orders", 4, &KEPT).unwrap();
    for partition in 0..4 {
        let some = texts("orders", partition, "some", 500);
        workload.produce(&[], &some).unwrap();
    }
    scene.snapshot(&[]);
    workload
        .produce(&[], &texts("orders", 2, "more", 500))
        .unwrap();
    let bootstrap = scene.source();
    let arguments = [
        "backup",
        "--repository",
        &scene.url,
        "--bootstrap-servers",
        &bootstrap,
        "--json",
    ];
    let running: Vec<_> = (0..3)
        .map(|_| scene.program.spawn(&arguments).unwrap())
        .collect();
    let mut numbers = BTreeSet::new();
    for running in running {
        let run = running.wait().unwrap().expect_code(0).unwrap();
        let report = run.json().unwrap();
        assert_eq!(report["commit"]["totals"]["records"], 2_500);
        numbers.insert(report["commit"]["sequence"].as_u64().unwrap());
    }
    assert_eq!(numbers, BTreeSet::from([2, 3, 4]));
    for reference in ["latest", "latest~1", "latest~2", "latest~3"] {
        let arguments = ["verify", reference, "--repository", &scene.url];
        let run = scene.program.run(&arguments).unwrap();
        run.expect_code(0).unwrap();
    }
    scene.is_sound();
}

#[test]
fn a_list_that_is_gone_is_not_built_on() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    workload.create_topic("orders", 1, &KEPT).unwrap();
    workload
        .produce(&[], &texts("orders", 0, "some", 50))
        .unwrap();
    scene.snapshot(&[]);
    let cluster = scene.context.a().unwrap().cluster_id().to_owned();
    let lists = scene.context.repository().join(cluster).join("lists");
    fs::remove_dir_all(&lists).unwrap();
    // also where nothing has changed, so that nobody reads it
    let bootstrap = scene.source();
    let report = backup(&scene.program, &scene.url, &bootstrap, &[]);
    let damaged = ["its list in the last snapshot is damaged: 1 partition read in full"];
    assert_eq!(told(&report, "topic orders"), damaged);
    verify(&scene.program, &scene.url);

    fs::remove_dir_all(&lists).unwrap();
    workload
        .produce(&[], &texts("orders", 0, "more", 50))
        .unwrap();
    let report = backup(&scene.program, &scene.url, &bootstrap, &[]);
    assert_eq!(told(&report, "topic orders"), damaged);
    verify(&scene.program, &scene.url);
    assert_eq!(scene.differences(), Vec::<String>::new());
}

#[test]
fn an_archive_that_is_gone_is_not_built_on() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    for topic in ["orders", "payments"] {
        workload.create_topic(topic, 2, &KEPT).unwrap();
    }
    workload
        .produce(&[], &texts("orders", 0, "some", 50))
        .unwrap();
    scene.snapshot(&[]);
    let cluster = scene.context.a().unwrap().cluster_id().to_owned();
    // as a lifecycle rule of the bucket takes away what is old
    let data = scene.context.repository().join(cluster).join("data");
    fs::remove_dir_all(&data).unwrap();
    workload
        .produce(&[], &texts("payments", 0, "some", 50))
        .unwrap();
    let bootstrap = scene.source();
    // also where nothing has changed, so that nobody reads it; what was in none of them is not read again
    let report = backup(&scene.program, &scene.url, &bootstrap, &[]);
    let lost = [
        "archives that earlier snapshots have it in are missing from the store: \
                 1 partition read in full",
    ];
    assert_eq!(told(&report, "topic orders"), lost);
    assert_eq!(told(&report, "topic payments"), Vec::<&str>::new());
    verify(&scene.program, &scene.url);

    // one that is shorter than it was is lost, too
    for archive in files_below(&data) {
        let file = fs::OpenOptions::new().write(true).open(archive).unwrap();
        file.set_len(100).unwrap();
    }
    let report = backup(&scene.program, &scene.url, &bootstrap, &[]);
    assert_eq!(told(&report, "topic orders"), lost);
    assert_eq!(told(&report, "topic payments"), lost);
    verify(&scene.program, &scene.url);
    assert_eq!(scene.differences(), Vec::<String>::new());
}

#[test]
fn a_backup_that_was_killed_is_gone_on_with_and_nothing_is_read_twice() {
    let mut scene = Scene::new();
    let workload = scene.context.a().unwrap().workload();
    let load = Bulk {
        partitions: 3,
        records_per_transaction: 900,
        abort_every: 4,
        stored_bytes: 40_000_000,
        ..Bulk::orders("orders")
    };
    workload.bulk(&load).unwrap();
    let (bootstrap, url) = (scene.source(), scene.url.clone());
    let slow = [
        "backup",
        "--repository",
        &url,
        "--bootstrap-servers",
        &bootstrap,
        "--segment-size=1MiB",
        "--archive-size=2MiB",
        "--memory=16MiB",
        "--max-rate=8MB",
        "--progress-interval=1ms",
    ];
    let cluster = scene.context.a().unwrap().cluster_id().to_owned();
    let data = scene.context.repository().join(cluster).join("data");
    // the second run goes on from the first, and is killed, too; so does the third, behind what is still there
    for round in 1..=3 {
        let before = scene.objects("progress");
        let running = scene.program.spawn(&slow).unwrap();
        let what = format!("noting anything in round {round}");
        wait_until(&running, DEADLINE, &what, || {
            scene.objects("progress") >= before + 4
        });
        running.signal(Signal::SIGKILL).unwrap();
        running.wait().unwrap();
        assert_eq!(scene.objects("commits"), 0);
        if round == 1 {
            // as whoever clears away what `check` calls orphans
            let first = files_below(&data).into_iter().next().unwrap();
            fs::remove_file(first).unwrap();
        }
    }
    let more = texts("orders", 1, "more", 100);
    workload.produce(&[], &more).unwrap();
    let report = scene.snapshot(&[]);
    assert_eq!(report["commit"]["kind"], "full");
    let raw = report["commit"]["totals"]["raw_bytes"].as_u64().unwrap();
    // each of the last eight notes told of at least one archive of two megabytes
    assert!(read_bytes(&report) + 14_000_000 < raw, "{report:#}");
    let problems = report["problems"].as_array().unwrap();
    assert!(
        problems.iter().any(|it| {
            let text = it["problem"].as_str().unwrap();
            text.starts_with("it did not finish: ") && text.ends_with("are used again")
        }),
        "{report:#}"
    );
    assert_eq!(scene.differences(), Vec::<String>::new());

    // what is committed is built on, and not what came before
    let next = scene.snapshot(&[]);
    assert_eq!(next["topics_unchanged"], 1);
    assert_eq!(next["problems"], Value::Array(Vec::new()));
}
