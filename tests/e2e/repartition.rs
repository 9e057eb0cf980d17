//! Topics that get another number of partitions: every record goes where Kafka's own producer would have put it.

use std::{collections::BTreeMap, fmt::Write as _};

use lifeboat_tests::{Fidelity, Isolation, KafkaCluster, Message, Oracle, Random, ShownRecord};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, restore, run_restore},
    roundtrip::not_compacted_any_more,
};

const SEED: u64 = 0x5B_1EAD;
const KEYS: u64 = 150;

/// Records with and without keys, values and headers, of all sizes; where they go the producer decides.
fn messages(topic: &str, count: u64, random: &mut Random) -> Vec<Message> {
    let message = |number: u64| {
        let key = match random.between(0, 9) {
            0 => Some(Vec::new()),
            1 => Some(vec![0xff; usize::try_from(random.between(1, 9)).unwrap()]),
            _ => Some(format!("customer-{}", random.between(0, KEYS)).into_bytes()),
        };
        let mut value = format!("{number}:");
        let length = random.between(0, 400);
        write!(value, "{}", "é".repeat(usize::try_from(length).unwrap())).unwrap();
        Message {
            key,
            value: (random.between(0, 19) > 0).then(|| value.into_bytes()),
            timestamp: Some(1_790_812_800_000 + i64::try_from(number).unwrap()),
            headers: vec![("number".to_owned(), Some(number.to_string().into_bytes()))],
            ..Message::text(topic, -1, "")
        }
    };
    (0..count).map(message).collect()
}

fn records(oracle: &Oracle, topic: &str, partition: i32) -> Vec<ShownRecord> {
    let all = oracle.records(topic, partition, Isolation::ReadCommitted, 0, u64::MAX >> 1);
    all.unwrap()
}

/// The records of each key, in order, by the digests of all that they hold.
fn by_key(oracle: &Oracle, topic: &str, partition: i32) -> BTreeMap<Option<String>, Vec<String>> {
    let mut by_key: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for record in records(oracle, topic, partition) {
        by_key.entry(record.key).or_default().push(record.digest);
    }
    by_key
}

fn partitions(cluster: &KafkaCluster, topic: &str) -> u32 {
    let topics = cluster.oracle().topics().unwrap();
    let topic = topics.iter().find(|it| it.name == topic).unwrap();
    topic.partitions
}

fn planned<'v>(plan: &'v Value, topic: &str) -> &'v Value {
    let topics = plan["topics"].as_array().unwrap();
    topics.iter().find(|it| it["topic"] == topic).unwrap()
}

/// `orders` with 3 partitions, the same records as they shall be with 7, and others.
fn fill(a: &KafkaCluster) {
    let workload = a.workload();
    for (topic, partitions) in [
        ("orders", 3),
        ("as-it-shall-be", 7),
        ("few", 5),
        ("untouched", 2),
    ] {
        let forever = [("retention.ms", "-1")];
        workload.create_topic(topic, partitions, &forever).unwrap();
    }
    for topic in ["orders", "as-it-shall-be"] {
        let mut random = Random::new(SEED);
        for codec in ["none", "lz4", "zstd"] {
            let messages = messages(topic, 700, &mut random);
            let settings = [("compression.type", codec)];
            workload.produce(&settings, &messages).unwrap();
        }
        let paid = messages(topic, 50, &mut random);
        let transaction = [("transactional.id", "payer")];
        workload.produce(&transaction, &paid).unwrap();
    }
    let keyless = (0..100).map(|n| Message::text("few", n % 5, &format!("keyless {n}")));
    let keyless: Vec<Message> = keyless.collect();
    workload.produce(&[], &keyless).unwrap();
    let untouched = Message::text("untouched", 1, "untouched");
    workload.produce(&[], &[untouched]).unwrap();
    let both = [("orders", 0, 5, ""), ("untouched", 1, 1, "")];
    workload.commit("both", &both).unwrap();
    workload.commit("lost", &[("orders", 1, 5, "")]).unwrap();
}

#[test]
fn keys_go_where_kafkas_own_producer_puts_them_and_every_record_is_there_in_its_keys_order() {
    println!("seed {SEED:#x}");
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (a, b) = scene.context.both().unwrap();
    fill(a);
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);

    let flags = ["--repartition", "orders=7", "--repartition", "few=2"];
    let topics = ["--topics", "orders,few,untouched"];
    let flags = [&flags[..], &topics].concat();
    let (to, url) = (b.bootstrap(), &scene.url);
    let shown = [&flags[..], &["--dry-run"]].concat();
    let plan = run_restore(&scene.program, url, &to, &state, &shown);
    let plan = plan.expect_code(0).unwrap().json().unwrap();
    let spread = &planned(&plan, "orders")["repartition"]["start_offsets"];
    assert_eq!(spread.as_array().unwrap().len(), 7, "{plan:#}");
    assert!(planned(&plan, "untouched")["repartition"].is_null());
    let report = restore(&scene.program, url, &to, &state, &flags);
    assert_eq!(partitions(b, "orders"), 7);
    assert_eq!(partitions(b, "few"), 2);

    orders_are_where_they_shall_be(&a.oracle(), b);
    keyless_records_are_spread_evenly(b);
    let groups = b.oracle().groups().unwrap();
    let groups = groups.iter();
    let placed = groups.map(|it| (it.group.as_str(), it.topic.as_str()));
    assert_eq!(placed.collect::<Vec<_>>(), [("both", "untouched")]);
    let lost = report["groups"].as_array().unwrap();
    let lost = lost.iter().find(|it| it["group"] == "lost").unwrap();
    let why = lost["skipped"].as_str().unwrap();
    assert!(why.contains("another number of partitions"), "{why}");
    later_runs_know_what_was_spread(&scene, &to, &flags);
}

fn orders_are_where_they_shall_be(original: &Oracle, b: &KafkaCluster) {
    let restored = b.oracle();
    let mut all = 0;
    for partition in 0..7 {
        let expected = by_key(original, "as-it-shall-be", partition);
        all += expected.values().map(Vec::len).sum::<usize>();
        assert_eq!(
            by_key(&restored, "orders", partition),
            expected,
            "{partition}"
        );
    }
    assert_eq!(all, 3 * 700 + 50);
}

/// As many in each partition, and none is lost.
fn keyless_records_are_spread_evenly(b: &KafkaCluster) {
    let restored = b.oracle();
    let mut keyless = Vec::new();
    for partition in 0..2 {
        let of_it = records(&restored, "few", partition);
        assert_eq!(of_it.len(), 50, "{partition}");
        keyless.extend(of_it.into_iter().map(|record| record.value.unwrap()));
    }
    let mut expected: Vec<String> = (0..100).map(|n| format!("keyless {n}")).collect();
    keyless.sort();
    expected.sort();
    assert_eq!(keyless, expected);
    assert_eq!(records(&restored, "untouched", 1).len(), 1);
}

fn later_runs_know_what_was_spread(scene: &Scene, to: &str, flags: &[&str]) {
    let url = &scene.url;
    let state = scene.context.scratch().join("state").display().to_string();
    // a second time there is nothing to do; over another number of partitions it is something else
    let again = run_restore(&scene.program, url, to, &state, flags);
    let again = again.expect_code(0).unwrap().json().unwrap();
    assert_eq!(
        planned(&again, "orders")["outcome"]["was"],
        "already_there",
        "{again:#}"
    );
    let others = ["--topics", "orders", "--repartition", "4"];
    let other = run_restore(&scene.program, url, to, &state, &others);
    assert_eq!(other.code, Some(1), "{}", other.stderr);
    // who was not there can't tell whether all is there
    let compare = [
        "compare",
        "latest",
        "--topics",
        "orders",
        "--repository",
        url,
    ];
    let cluster = ["--bootstrap-servers", to, "--state", &state, "--json"];
    let compared = scene.program.run(&[&compare[..], &cluster].concat());
    let compared = compared.unwrap().expect_code(21).unwrap().json().unwrap();
    let why = compared["unread"][0]["problem"].as_str().unwrap();
    assert!(why.contains("spread over 7 partitions"), "{why}");

    // who knows nothing of it appends the same once more
    let append = [
        "--topics",
        "few",
        "--repartition",
        "2",
        "--append",
        "--into-source",
    ];
    let elsewhere = scene.context.scratch().join("elsewhere");
    let elsewhere = elsewhere.display().to_string();
    let twice = run_restore(&scene.program, url, to, &elsewhere, &append);
    let twice = twice.expect_code(0).unwrap().json().unwrap();
    assert_eq!(
        planned(&twice, "few")["outcome"]["was"],
        "appended",
        "{twice:#}"
    );
    let ends = planned(&twice, "few")["partitions"].as_array().unwrap();
    let ends: Vec<_> = ends.iter().map(|it| &it["end_offset"]).collect();
    assert_eq!(ends, [&Value::from(100); 2]);
}

/// How often each record of a topic is there, by the digest of all that a consumer sees of it, times included.
fn all_of(oracle: &Oracle, topic: &str, partitions: u32) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for partition in 0..partitions {
        let partition = i32::try_from(partition).unwrap();
        for record in records(oracle, topic, partition) {
            *all.entry(record.digest).or_default() += 1;
        }
    }
    all
}

#[test]
fn r14_r20_one_of_everything_is_there_once_over_other_partitions_too() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (a, b) = scene.context.both().unwrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);
    let flags = ["--repartition", "4", "--compare", "records"];
    restore(&scene.program, &scene.url, &b.bootstrap(), &state, &flags);
    a.workload().settle(&written.open_transactions).unwrap();

    let (original, restored) = (a.oracle(), b.oracle());
    let mut records = 0;
    for topic in original.topics().unwrap() {
        assert_eq!(partitions(b, &topic.name), 4, "{}", topic.name);
        let expected = all_of(&original, &topic.name, topic.partitions);
        records += expected.len();
        let found = all_of(&restored, &topic.name, 4);
        assert!(found == expected, "{}", topic.name);
    }
    assert!(records > 1_000, "{records}");
}
