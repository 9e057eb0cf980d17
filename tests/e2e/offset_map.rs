//! The offset map says of every record where it went.

use std::{collections::BTreeMap, fs};

use lifeboat_tests::{Isolation, KafkaCluster, Message, Program, Random};

use crate::lifeboat::{Scene, backup, restore, run_restore};

const SEED: u64 = 0x000F_F5E7;

/// Where groups are: partition and offset.
const PLACES: [(i32, i64); 5] = [(0, 3), (0, 41), (0, 79), (1, 0), (1, 30)];

/// The digest of each record of a partition, by offset.
fn digests(cluster: &KafkaCluster, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    let committed = Isolation::ReadCommitted;
    let records = cluster
        .oracle()
        .records(topic, partition, committed, 0, 100_000);
    let records = records.unwrap().into_iter();
    records
        .map(|record| (record.offset, record.digest))
        .collect()
}

/// Where offsets go is told from the repository alone, as the restore committed and mapped them.
fn tells_the_same_without_a_cluster(
    program: &Program,
    url: &str,
    b: &KafkaCluster,
    mapped: &[BTreeMap<i64, i64>],
) {
    // what was committed is what is told without a cluster
    let committed = b.oracle().groups().unwrap();
    assert_eq!(committed.len(), PLACES.len());
    let translate = |more: &[&str]| {
        let verb = [
            "offsets",
            "translate",
            "latest",
            "--json",
            "--repository",
            url,
        ];
        let run = program.run(&[&verb, more].concat()).unwrap();
        run.expect_code(0).unwrap().json().unwrap()["offsets"].clone()
    };
    for place in &committed {
        let told = translate(&["--group", &place.group]);
        assert_eq!(told.as_array().unwrap().len(), 1, "{told:#}");
        assert_eq!(told[0]["target_offset"], place.offset, "{told:#}");
    }
    for (partition, mapped) in (0..).zip(mapped) {
        let offsets: Vec<String> = mapped.keys().map(ToString::to_string).collect();
        let (partition, offsets) = (partition.to_string(), offsets.join(","));
        let asked = [
            "--topic",
            "orders",
            "--partition",
            &partition,
            "--offset",
            &offsets,
        ];
        let told = translate(&asked);
        let targets = told.as_array().unwrap().iter();
        let targets: Vec<_> = targets
            .map(|it| it["target_offset"].as_i64().unwrap())
            .collect();
        assert!(mapped.values().eq(&targets), "{told:#}");
    }
    // a marker, the end, and what lies beyond it
    let told = translate(&["--topic", "orders", "--offset", "20,84,85"]);
    let how: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["translation"])
        .collect();
    let marker = serde_json::json!({ "next_record": "marker" });
    assert_eq!(
        how,
        [
            &marker,
            &serde_json::json!("end"),
            &serde_json::json!("beyond_end")
        ]
    );
    for wrong in [["--group", "nobody"], ["--topic", "nothing"]] {
        let verb = [
            "offsets",
            "translate",
            "latest",
            "--offset",
            "0",
            "--repository",
            url,
        ];
        let verb = if wrong[0] == "--group" {
            [&verb[..3], &verb[5..]].concat()
        } else {
            verb.to_vec()
        };
        let run = program.run(&[&verb[..], &wrong].concat()).unwrap();
        assert_eq!(run.code, Some(2), "{run:?}");
    }
}

fn refuses_what_is_there_and_what_says_no_format(
    program: &Program,
    url: &str,
    b: &KafkaCluster,
    state: &str,
    there: &str,
) {
    fs::write(there, "mine").unwrap();
    let bootstrap = b.bootstrap();
    let run = run_restore(program, url, &bootstrap, state, &["--offset-map", there]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("there already"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
    let run = run_restore(program, url, &bootstrap, state, &["--offset-map", "map"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--offset-map-format"), "{}", run.stderr);
    assert!(b.oracle().topics().unwrap().is_empty());
}

#[test]
fn the_offset_map_names_the_target_of_every_record_and_of_nothing_else() {
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let [csv, json, there] = ["map.csv", "map.json", "there.csv"]
        .map(|name| scene.context.scratch().join(name).display().to_string());
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    workload.create_topic("orders", 2, &[]).unwrap();
    for round in 0..4 {
        let one = |number| Message {
            value: Some(random.bytes(100)),
            ..Message::text("orders", number % 2, "")
        };
        let messages: Vec<_> = (0..40).map(one).collect();
        // each transaction leaves a marker, and a hole in the runs
        let name = format!("payer-{round}");
        workload
            .produce(&[("transactional.id", &name)], &messages)
            .unwrap();
    }
    workload.delete_records("orders", 1, 7).unwrap();
    for (number, (partition, offset)) in PLACES.iter().enumerate() {
        let group = format!("group-{number}");
        let place = ("orders", *partition, *offset, "");
        workload.commit(&group, &[place]).unwrap();
    }
    backup(&scene.program, &scene.url, &a.bootstrap(), &[]);

    let bootstrap = b.bootstrap();
    let (program, url) = (&scene.program, &scene.url);
    refuses_what_is_there_and_what_says_no_format(program, url, b, &state, &there);

    let named = ["--prefix", "copy.", "--offset-map", &csv];
    let report = restore(program, url, &bootstrap, &state, &named);
    let text = fs::read_to_string(&csv).unwrap();
    let mut lines = text.lines();
    let names = "topic,partition,source_first_offset,source_next_offset,target_topic,target_first_offset,records";
    assert_eq!(lines.next(), Some(names));
    let mut mapped: [BTreeMap<i64, i64>; 2] = Default::default();
    let mut runs = 0;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!((fields[0], fields[4]), ("orders", "copy.orders"), "{line}");
        let number = |at: usize| fields[at].parse::<i64>().unwrap();
        let partition = &mut mapped[usize::try_from(number(1)).unwrap()];
        assert_eq!(number(3) - number(2), number(6), "{line}");
        partition.extend((number(2)..number(3)).zip(number(5)..));
        runs += 1;
    }
    assert_eq!(report["offset_map"]["runs"], runs);
    // one for each transaction
    assert_eq!(runs, 8, "{text}");
    for (partition, mapped) in (0..).zip(&mapped) {
        let (from, to) = (
            digests(a, "orders", partition),
            digests(b, "copy.orders", partition),
        );
        assert!(from.keys().eq(mapped.keys()), "{partition}");
        assert!(to.keys().eq(mapped.values()), "{partition}");
        for (source, target) in mapped {
            assert_eq!(
                from[source], to[target],
                "{partition}: {source} to {target}"
            );
        }
    }

    tells_the_same_without_a_cluster(program, url, b, &mapped);

    // appended to what is there, as JSON
    let appended = ["--prefix", "copy.", "--append", "--offset-map", &json];
    // nothing is, where it is there already: then there is no map, which is told
    let run = run_restore(program, url, &bootstrap, &state, &appended);
    assert_eq!(run.code, Some(3), "{run:?}");
    let problem = &run.json().unwrap()["offset_map"]["problem"];
    assert!(problem.as_str().unwrap().contains("no record"), "{problem}");
    let state = format!("{state}-of-somebody-else");
    restore(program, url, &bootstrap, &state, &appended);
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let first = &document["runs"][0];
    assert_eq!(document["runs"].as_array().unwrap().len(), 8);
    assert_eq!(first["source_first_offset"], 0);
    assert_eq!(first["target_first_offset"], mapped[0].len());
}
