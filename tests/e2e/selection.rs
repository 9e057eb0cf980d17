//! Which records a restore takes: by time, by partition, by offset; and what it reads for them.

use std::collections::BTreeMap;

use lifeboat_tests::{
    FaultProxy, Isolation, KafkaCluster, Message, MinIo, Oracle, Random, ShownRecord, Weather,
};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, restore, run_restore},
    stores::with_keys,
};

const SEED: u64 = 0x005E_1EC7;
/// 2026-10-01, midnight.
const START: i64 = 1_790_812_800_000;
const HOUR: i64 = 3_600_000;
const OLD: (&str, &str) = ("retention.ms", "-1");

/// Records of one partition whose times go up and down within an hour.
fn jumbled(topic: &str, partition: i32, count: u64, random: &mut Random) -> Vec<Message> {
    let one = |number| Message {
        timestamp: Some(START + i64::try_from(random.between(0, 3_599_999)).unwrap()),
        ..Message::text(topic, partition, &format!("{topic}-{partition} {number}"))
    };
    (0..count).map(one).collect()
}

/// What Kafka's own consumer sees of a partition.
fn seen(cluster: &KafkaCluster, topic: &str, partition: i32) -> Vec<(i64, String)> {
    let records = records(&cluster.oracle(), topic, partition);
    let record = |record: ShownRecord| (record.timestamp, record.value.unwrap());
    records.into_iter().map(record).collect()
}

fn records(oracle: &Oracle, topic: &str, partition: i32) -> Vec<ShownRecord> {
    let all = oracle.records(topic, partition, Isolation::ReadCommitted, 0, u64::MAX >> 1);
    all.unwrap()
}

/// What should be seen, of all that `takes` takes.
fn expected(messages: &[Message], takes: impl Fn(usize, i64) -> bool) -> Vec<(i64, String)> {
    let numbered = messages.iter().enumerate();
    let taken = numbered.filter(|(offset, message)| takes(*offset, message.timestamp.unwrap()));
    taken
        .map(|(_, message)| {
            let value = String::from_utf8(message.value.clone().unwrap()).unwrap();
            (message.timestamp.unwrap(), value)
        })
        .collect()
}

fn state(scene: &Scene) -> String {
    scene.context.scratch().join("state").display().to_string()
}

fn committed(cluster: &KafkaCluster, group: &str) -> BTreeMap<(String, i32), i64> {
    let groups = cluster.oracle().groups().unwrap();
    let of_group = groups.into_iter().filter(|offset| offset.group == group);
    of_group
        .map(|offset| ((offset.topic, offset.partition), offset.offset))
        .collect()
}

fn notes(report: &Value, group: &str) -> Vec<String> {
    let groups = report["groups"].as_array().unwrap();
    let group = groups.iter().find(|it| it["group"] == group).unwrap();
    let notes = group["notes"].as_array();
    let notes = notes.into_iter().flatten();
    notes
        .map(|note| note["note"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn records_are_taken_by_their_own_time_inside_a_batch_and_groups_go_to_what_is_left() {
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    let mut scene = Scene::new();
    let state = state(&scene);
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    let batches = [("linger.ms", "100"), ("batch.size", "100000")];
    let mut written: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
    for (topic, codec) in [("before", "lz4"), ("after", "none"), ("between", "zstd")] {
        workload.create_topic(topic, 2, &[OLD]).unwrap();
        let messages = jumbled(topic, 0, 3_000, &mut random);
        let settings = [batches[0], batches[1], ("compression.type", codec)];
        workload.produce(&settings, &messages).unwrap();
        written.insert(topic, messages);
    }
    let payments = jumbled("before", 1, 50, &mut random);
    let transaction = [("transactional.id", "payer")];
    workload.produce(&transaction, &payments).unwrap();
    workload
        .commit("billing", &[("before", 0, 1_499, "")])
        .unwrap();
    workload
        .commit("done", &[("before", 0, 3_000, "")])
        .unwrap();
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);

    let cut = START + HOUR / 3 + 1;
    let until = "2026-10-01T00:20:00.001Z";
    let take = |topic: &str, flags: &[&str]| {
        let flags = [&["--topics", topic], flags].concat();
        restore(&scene.program, &scene.url, &b.bootstrap(), &state, &flags)
    };
    let report = take("before", &["--until", until]);
    let kept = expected(&written["before"], |_, time| time < cut);
    assert_eq!(seen(b, "before", 0), kept);
    let kept_payments = expected(&payments, |_, time| time < cut);
    assert_eq!(seen(b, "before", 1), kept_payments);
    let left_out = 3_050 - kept.len() - kept_payments.len();
    assert_eq!(report["totals"]["not_selected_records"], left_out);
    assert_eq!(report["selection"]["until"], until);
    let before = |offset: usize| {
        let before = expected(&written["before"][..offset], |_, time| time < cut);
        i64::try_from(before.len()).unwrap()
    };
    let place = ("before".to_owned(), 0);
    assert_eq!(committed(b, "billing")[&place], before(1_499));
    assert_eq!(committed(b, "done")[&place], before(3_000));
    let is_taken = written["before"][1_499].timestamp.unwrap() < cut;
    assert_eq!(notes(&report, "billing").is_empty(), is_taken);
    assert!(notes(&report, "done").is_empty(), "{report:#}");

    // the others are missing only for who does not know which were to be restored
    let compare = |state: &str| {
        let bootstrap = b.bootstrap();
        let arguments = [
            "compare",
            "latest",
            "--topics",
            "before",
            "--repository",
            &scene.url,
        ];
        let cluster = [
            "--bootstrap-servers",
            &bootstrap,
            "--state",
            state,
            "--json",
        ];
        scene
            .program
            .run(&[&arguments[..], &cluster].concat())
            .unwrap()
    };
    let compared = compare(&state).expect_code(0).unwrap().json().unwrap();
    assert_eq!(compared["totals"]["same"], kept.len() + kept_payments.len());
    assert_eq!(compared["topics"][0]["only"]["until"], until);
    assert!(compared["result"].is_null(), "{compared:#}");
    let compared = compare(&format!("{state}-elsewhere"));
    assert_eq!(compared.code, Some(22), "{compared:?}");

    take("after", &["--from", until]);
    let kept = expected(&written["after"], |_, time| time >= cut);
    assert_eq!(seen(b, "after", 0), kept);

    let between = [
        "--from",
        "2026-10-01T00:10Z",
        "--until",
        "2026-10-01T02:50+02:00",
    ];
    take("between", &between);
    let (from, until) = (START + HOUR / 6, START + 5 * HOUR / 6);
    let kept = expected(&written["between"], |_, time| time >= from && time < until);
    assert_eq!(seen(b, "between", 0), kept);
}

#[test]
fn partitions_and_offsets_of_the_source_are_taken_alone_and_all_partitions_are_made() {
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    let mut scene = Scene::new();
    let state = state(&scene);
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    let mut written = Vec::new();
    for topic in ["some", "below"] {
        workload.create_topic(topic, 4, &[OLD]).unwrap();
        for partition in 0..4 {
            let messages = jumbled(topic, partition, 400, &mut random);
            workload.produce(&[], &messages).unwrap();
            written.push(messages);
        }
    }
    let everywhere: Vec<_> = (0..4).map(|p| ("some", p, 100, "")).collect();
    workload.commit("billing", &everywhere).unwrap();
    workload
        .commit("late", &[("below", 1, 300, ""), ("below", 2, 300, "")])
        .unwrap();
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);

    let take = |flags: &[&str]| restore(&scene.program, &scene.url, &b.bootstrap(), &state, flags);
    take(&["--topics", "some", "--partitions", "so*:0,2-3"]);
    for (partition, messages) in (0..4).zip(&written) {
        let kept = expected(messages, |_, _| partition != 1);
        assert_eq!(seen(b, "some", partition), kept, "{partition}");
    }
    // where nothing was written the group keeps what it has: nothing
    let places: Vec<i32> = committed(b, "billing")
        .into_keys()
        .map(|(_, p)| p)
        .collect();
    assert_eq!(places, [0, 2, 3]);

    let report = take(&[
        "--topics",
        "below",
        "--until-offset",
        "below-1=250,below-3=0",
    ]);
    for (partition, messages) in (0..4).zip(&written[4..]) {
        let end = [400, 250, 400, 0][usize::try_from(partition).unwrap()];
        let kept = expected(messages, |offset, _| offset < end);
        assert_eq!(seen(b, "below", partition), kept, "{partition}");
    }
    let place = |partition| ("below".to_owned(), partition);
    let late = committed(b, "late");
    assert_eq!((late[&place(1)], late[&place(2)]), (250, 300));
    let notes = notes(&report, "late");
    assert!(
        notes.len() == 1 && notes[0].contains("not to be restored"),
        "{notes:?}"
    );

    for (wrong, example) in [
        (["--until", "yesterday"], "2026-11-14T22:00Z"),
        (["--partitions", "some"], "orders:0,3-5"),
        (["--partitions", "some:4"], "they are 0 to 3"),
        (["--until-offset", "some=3"], "orders-3=12345"),
        (["--until-offset", "gone-0=3"], "none of the topics"),
    ] {
        let run = run_restore(&scene.program, &scene.url, &b.bootstrap(), &state, &wrong);
        assert_eq!(run.code, Some(2), "{wrong:?}: {run:?}");
        assert!(run.stderr.contains(example), "{wrong:?}: {}", run.stderr);
    }
}

const BUCKET: &str = "kafka-backups";
const URL: &str = "s3://kafka-backups/prod";

#[test]
fn restoring_one_topic_out_of_a_hundred_reads_only_its_bytes() {
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    let mut scene = Scene::new();
    let state = state(&scene);
    let store = MinIo::start().unwrap();
    store.make_bucket(BUCKET).unwrap();
    let proxy = FaultProxy::before(&store).unwrap();
    let keys = MinIo::root_keys();
    let direct = with_keys(&scene.program, &store, &keys);
    let through = proxy.environment(&store, &keys);
    let through = through
        .into_iter()
        .fold(scene.program.clone(), |program, (name, value)| {
            program.env(name, value)
        });
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    let mut messages = Vec::new();
    for number in 0..100 {
        let topic = format!("topic-{number:02}");
        workload.create_topic(&topic, 1, &[OLD]).unwrap();
        // can't be compressed: what is read is what counts
        messages.extend((0..20).map(|_| Message {
            timestamp: Some(START),
            value: Some(random.bytes(2_000)),
            ..Message::text(&topic, 0, "")
        }));
    }
    workload.produce(&[], &messages).unwrap();
    direct
        .run(&["init", "--repository", URL])
        .unwrap()
        .expect_code(0)
        .unwrap();
    backup(&direct, URL, &a.bootstrap(), &[]);

    let read = |flags: &[&str]| -> (u64, u64) {
        proxy.change(Weather::Calm);
        restore(&through, URL, &b.bootstrap(), &state, flags);
        let answered = proxy.answered();
        let of_data = answered
            .iter()
            .filter(|(operation, _)| operation.contains("/data/"));
        let data = of_data.map(|(_, bytes)| bytes).sum();
        (data, answered.iter().map(|(_, bytes)| bytes).sum())
    };
    let (data, all) = read(&["--topics", "topic-42"]);
    let records = records(&b.oracle(), "topic-42", 0);
    assert_eq!(records.len(), 20);
    // 20 × 2,000 bytes and what frames them, out of 4 MB
    assert!((40_000..44_000).contains(&data), "{data} bytes of data");
    println!("{data} bytes of data, {all} in all");
    assert!(all < 500_000, "{all} bytes");

    // a segment whose records are all too old, or all behind the cut, is not even asked for
    let (data, _) = read(&["--topics", "topic-43", "--from", "2026-10-01T00:00:01Z"]);
    assert_eq!(data, 0);
    let (data, _) = read(&["--topics", "topic-44", "--until-offset", "topic-44-0=0"]);
    assert_eq!(data, 0);
    let (data, _) = read(&["--topics", "topic-45", "--partitions", "topic-45:0"]);
    assert!((40_000..44_000).contains(&data), "{data} bytes of data");
}

type Takes = fn(usize) -> bool;

/// What the key, the headers and the value of a record decide.
#[test]
fn records_are_taken_by_key_and_header_and_tombstones_left_out_where_that_is_asked_for() {
    let mut scene = Scene::new();
    let state = state(&scene);
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    let header = |value: &str| ("region".to_owned(), Some(value.as_bytes().to_vec()));
    let messages: Vec<Message> = (0..600)
        .map(|n| Message {
            key: (n % 5 != 0).then(|| format!("{}-{n}", ["order", "test"][n % 2]).into_bytes()),
            value: (n % 7 != 0).then(|| format!("value {n}").into_bytes()),
            headers: [
                vec![],
                vec![header("eu-1"), header("us")],
                vec![header("us")],
            ][n % 3]
                .clone(),
            ..Message::text("orders", 0, "")
        })
        .collect();
    for codec in ["none", "zstd"] {
        let topic = format!("orders-{codec}");
        workload.create_topic(&topic, 1, &[]).unwrap();
        let messages: Vec<Message> = messages
            .iter()
            .map(|message| Message {
                topic: topic.clone(),
                ..message.clone()
            })
            .collect();
        let settings = [("linger.ms", "50"), ("compression.type", codec)];
        workload.produce(&settings, &messages).unwrap();
        workload.commit("billing", &[(&topic, 0, 301, "")]).unwrap();
    }
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);

    let cases: [(&str, &[&str], Takes); 4] = [
        ("keys", &["--filter", "key=order-*"], |n| {
            n % 5 != 0 && n % 2 == 0
        }),
        ("others", &["--filter", "key!=test-*"], |n| {
            n % 5 == 0 || n % 2 == 0
        }),
        (
            "both",
            &["--filter", "header:region=eu*", "--filter", "key=*"],
            |n| n % 3 == 1 && n % 5 != 0,
        ),
        (
            "values",
            &["--drop-tombstones", "--filter", "!header:region"],
            |n| n % 7 != 0 && n % 3 == 0,
        ),
    ];
    for (name, flags, takes) in cases {
        let prefix = format!("{name}-");
        let flags = [&["--topics", "orders-*", "--prefix", &prefix], flags].concat();
        let report = restore(&scene.program, &scene.url, &b.bootstrap(), &state, &flags);
        let expected: Vec<String> = (0..600)
            .filter(|n| takes(*n))
            .map(|n| n.to_string())
            .collect();
        for codec in ["none", "zstd"] {
            let topic = format!("{name}-orders-{codec}");
            let records = records(&b.oracle(), &topic, 0);
            assert_eq!(records.len(), expected.len(), "{topic}");
            let values = records.iter().zip(&expected);
            for (record, number) in values {
                let value = record.value.as_deref();
                assert!(
                    value.is_none_or(|value| value == format!("value {number}")),
                    "{topic}"
                );
            }
            let place = committed(b, "billing")[&(topic, 0)];
            let before = (0..301).filter(|n| takes(*n)).count();
            assert_eq!(place, i64::try_from(before).unwrap());
        }
        assert_eq!(
            report["totals"]["not_selected_records"],
            2 * (600 - expected.len())
        );
    }
    let arguments = [
        "restore",
        "latest",
        "--repository",
        &scene.url,
        "--filter",
        "value=x",
    ];
    let wrong = scene.program.run(&arguments).unwrap();
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.stderr.contains("header:NAME=GLOB"),
        "{}",
        wrong.stderr
    );
}
