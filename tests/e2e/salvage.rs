//! `restore --salvage`: all that is sound comes back, and what is missing is named exactly.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use lifeboat_tests::{Isolation, KafkaCluster, Message, Random, Run};
use serde_json::Value;

use crate::lifeboat::{Scene, backup, run_restore};

const SEED: u64 = 0x5A1_7A6E;
const RECORDS: usize = 3_000;

/// Records that can't be compressed: the archive is as long as they are.
fn messages(topic: &str, partition: i32, random: &mut Random) -> Vec<Message> {
    let one = |number| Message {
        key: Some(format!("{number}").into_bytes()),
        value: Some(random.bytes(1_000)),
        ..Message::text(topic, partition, "")
    };
    (0..RECORDS).map(one).collect()
}

/// The keys of all records of a partition: their numbers.
fn numbers(cluster: &KafkaCluster, topic: &str, partition: i32) -> Vec<usize> {
    let oracle = cluster.oracle();
    let committed = Isolation::ReadCommitted;
    let records = oracle.records(topic, partition, committed, 0, 100_000);
    let records = records.unwrap().into_iter();
    records
        .map(|record| record.key.unwrap().parse().unwrap())
        .collect()
}

fn objects(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(objects(&path, kind));
        } else if path.to_str().unwrap().contains(kind) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The offsets that are told as lost of a partition, those of all segments.
fn lost(report: &Value, topic: &str, partition: i32) -> BTreeSet<usize> {
    let salvaged = report["salvaged"].as_array();
    let salvaged = salvaged
        .into_iter()
        .flatten()
        .filter(|it| it["damage"]["topic"] == topic && it["damage"]["partition"] == partition);
    let ranges = salvaged.flat_map(|it| it["lost"].as_array().unwrap());
    ranges
        .flat_map(|range| {
            let bound = |name: &str| usize::try_from(range[name].as_u64().unwrap()).unwrap();
            bound("start")..bound("end")
        })
        .collect()
}

/// What is there is all but what is told as lost.
fn assert_exact(cluster: &KafkaCluster, report: &Value, topic: &str, partition: i32) -> usize {
    let lost = lost(report, topic, partition);
    let expected: Vec<_> = (0..RECORDS).filter(|n| !lost.contains(n)).collect();
    assert_eq!(numbers(cluster, topic, partition), expected);
    lost.len()
}

struct Repository {
    scene: Scene,
    folder: PathBuf,
    state: String,
    /// Oldest first. Their names don't tell which is older where both begin in one second.
    snapshots: Vec<String>,
}

impl Repository {
    /// Two topics, the second of which is only in the second archive, and a group in each partition.
    fn filled() -> Self {
        let mut random = Random::new(SEED);
        let mut scene = Scene::new();
        let folder = scene.context.repository();
        let state = scene.context.scratch().join("state").display().to_string();
        let mut snapshots = Vec::new();
        let (a, _) = scene.context.both().unwrap();
        let workload = a.workload();
        let settings = [("linger.ms", "50"), ("batch.size", "20000")];
        for (topic, partitions) in [("orders", 2), ("payments", 1)] {
            workload.create_topic(topic, partitions, &[]).unwrap();
            for partition in 0..i32::try_from(partitions).unwrap() {
                let messages = messages(topic, partition, &mut random);
                workload.produce(&settings, &messages).unwrap();
            }
            let everywhere: Vec<_> = (0..3).map(|n| (topic, 0, 1_000 * n + 500, "")).collect();
            for (number, offset) in everywhere.iter().enumerate() {
                let group = format!("{topic}-{number}");
                workload.commit(&group, &[*offset]).unwrap();
            }
            let report = backup(&scene.program, &scene.url, &a.bootstrap(), &[]);
            let snapshot = report["commit"]["snapshot"].as_str().unwrap();
            snapshots.push(snapshot.to_owned());
        }
        Self {
            scene,
            folder,
            state,
            snapshots,
        }
    }

    fn restore(&mut self, more: &[&str]) -> Run {
        let bootstrap = self.scene.context.b().unwrap().bootstrap();
        let (program, url) = (&self.scene.program, &self.scene.url);
        run_restore(program, url, &bootstrap, &self.state, more)
    }
}

#[test]
fn what_is_sound_comes_back_whatever_is_damaged_and_the_exact_holes_are_told() {
    println!("seed {SEED:#x}");
    let mut repository = Repository::filled();
    let [orders, payments] = objects(&repository.folder, "/data/").try_into().unwrap();
    let sound = fs::read(&orders).unwrap();

    // one frame in the middle of a segment
    let mut bytes = sound.clone();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 0x10;
    fs::write(&orders, &bytes).unwrap();
    let stopped = repository.restore(&["--topics", "nothing-*,orders"]);
    assert_eq!(stopped.code, Some(20), "{stopped:?}");
    assert!(stopped.stderr.contains("--salvage"), "{}", stopped.stderr);
    let b = repository.scene.context.b().unwrap();
    b.workload().delete_topics(&["orders"]).unwrap();
    let run = repository.restore(&["--salvage"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    let report = run.json().unwrap();
    let object = orders.strip_prefix(&repository.folder).unwrap();
    assert_eq!(
        report["salvaged"][0]["damage"]["object"],
        object.to_str().unwrap()
    );
    let b = repository.scene.context.b().unwrap();
    let missing: Vec<usize> = (0..2)
        .map(|n| assert_exact(b, &report, "orders", n))
        .collect();
    assert_eq!(assert_exact(b, &report, "payments", 0), 0);
    // a frame of a mebibyte
    let all: usize = missing.iter().sum();
    assert!((500..1_500).contains(&all), "{missing:?}");
    assert_eq!(report["salvaged"][0]["lost_records"], all);
    let lost = lost(&report, "orders", 0);
    let groups = b.oracle().groups().unwrap();
    for number in 0..3 {
        let group = format!("orders-{number}");
        let place = groups.iter().find(|offset| offset.group == group).unwrap();
        let before = (0..1_000 * number + 500)
            .filter(|n| !lost.contains(n))
            .count();
        assert_eq!(place.offset, i64::try_from(before).unwrap(), "{group}");
        let told = report["groups"].as_array().unwrap().iter();
        let told = told.filter(|it| it["group"] == group.as_str() && !it["notes"].is_null());
        let is_lost = lost.contains(&(1_000 * number + 500));
        assert_eq!(told.count(), usize::from(is_lost), "{group}");
    }

    // all of an archive
    b.workload().delete_topics(&["orders", "payments"]).unwrap();
    fs::remove_file(&orders).unwrap();
    let run = repository.restore(&["--salvage"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    let report = run.json().unwrap();
    let b = repository.scene.context.b().unwrap();
    for partition in 0..2 {
        assert_eq!(assert_exact(b, &report, "orders", partition), RECORDS);
    }
    assert_eq!(assert_exact(b, &report, "payments", 0), 0);
    assert!(payments.try_exists().unwrap());

    // nothing is damaged
    fs::write(&orders, &sound).unwrap();
    b.workload().delete_topics(&["orders", "payments"]).unwrap();
    let report = repository.restore(&["--salvage"]).expect_code(0).unwrap();
    let report = report.json().unwrap();
    assert!(report["salvaged"].is_null(), "{report:#}");

    // the list of a topic
    let b = repository.scene.context.b().unwrap();
    b.workload().delete_topics(&["orders", "payments"]).unwrap();
    // what has not changed since keeps its list
    let first = format!("/lists/{}", repository.snapshots[0]);
    let [list] = objects(&repository.folder, &first).try_into().unwrap();
    let mut bytes = fs::read(&list).unwrap();
    bytes[0] ^= 0xFF;
    fs::write(&list, bytes).unwrap();
    let run = repository.restore(&["--salvage"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    let report = run.json().unwrap();
    let outcomes: Vec<_> = report["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| (topic["topic"].as_str().unwrap(), &topic["outcome"]))
        .collect();
    assert_eq!(outcomes[0].0, "orders");
    let reason = outcomes[0].1["reason"].as_str().unwrap();
    assert!(reason.contains("its list is damaged"), "{reason}");
    assert_eq!(outcomes[1].1["was"], "created");
    let b = repository.scene.context.b().unwrap();
    assert_eq!(assert_exact(b, &report, "payments", 0), 0);
    let names: Vec<_> = b
        .oracle()
        .topics()
        .unwrap()
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(names, ["payments"]);
}
