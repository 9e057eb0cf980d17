//! What brokers before 0.11 wrote is backed up as it is, and comes back in the format of today.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use lifeboat_tests::{CommittedOffset, Isolation, KafkaCluster, Message, Oracle};
use serde_json::{Value, json};

use crate::lifeboat::{Scene, backup, restore};

const TIME: i64 = 1_400_000_000_000;

fn message(offset: i64, key: Option<&str>, value: Option<&str>) -> Value {
    let text = |text: Option<&str>| text.map(|text| STANDARD.encode(text));
    json!({ "offset": offset, "timestamp": TIME + offset, "key": text(key), "value": text(value) })
}

fn messages(offsets: &[i64]) -> Vec<Value> {
    let offsets = offsets.iter();
    offsets
        .map(|&offset| {
            message(
                offset,
                Some(&format!("key-{offset}")),
                Some(&"old value ".repeat(20)),
            )
        })
        .collect()
}

/// All that these formats can be: both versions, every codec that they have, single messages, holes inside of compressed
/// ones, nulls, and times that the broker has set.
fn batches() -> (Value, i64) {
    let mut batches = Vec::new();
    let mut next = 0;
    for magic in [0, 1] {
        for codec in ["NONE", "GZIP", "SNAPPY", "LZ4"] {
            let offsets: Vec<i64> = [0, 1, 4, 5, 9].map(|n| next + n).into();
            batches.push(json!({ "magic": magic, "codec": codec, "append_time": null, "messages": messages(&offsets) }));
            next += 10;
        }
        let nulls = [
            message(next, None, Some("no key")),
            message(next + 1, Some("no value"), None),
        ];
        batches.push(
            json!({ "magic": magic, "codec": "NONE", "append_time": null, "messages": nulls }),
        );
        next += 2;
    }
    for codec in ["NONE", "GZIP"] {
        let appended = messages(&[next, next + 1]);
        batches.push(
            json!({ "magic": 1, "codec": codec, "append_time": TIME - 5, "messages": appended }),
        );
        next += 2;
    }
    (json!(batches), next)
}

/// What a consumer sees, but for who set the time: in the oldest format nobody did.
fn seen(oracle: &Oracle) -> Vec<(i64, Option<String>, Option<String>)> {
    let records = oracle.records("old", 0, Isolation::ReadCommitted, 0, 1_000);
    let records = records.unwrap().into_iter();
    records
        .map(|record| (record.timestamp, record.key, record.value))
        .collect()
}

/// A restore ended at the first of such messages.
#[test]
fn r28_a_topic_of_the_old_formats_comes_back_record_by_record_and_groups_stand_where_they_stood() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    scene
        .context
        .start_a(&KafkaCluster::builder().version("3.6.2"))
        .unwrap();
    scene.context.start_b(&KafkaCluster::builder()).unwrap();
    let (a, b) = scene.context.both().unwrap();
    a.workload()
        .create_topic("old", 1, &[("retention.ms", "-1")])
        .unwrap();
    let (batches, end) = batches();

    // an unclean stop: the log is looked through, and its indexes are made anew
    a.stop().unwrap();
    let data = a.data_dir(0);
    let log = data.join("old-0");
    b.workload()
        .old_segment(&log.join("00000000000000000000.log"), &batches)
        .unwrap();
    for index in ["index", "timeindex"] {
        fs::remove_file(log.join(format!("00000000000000000000.{index}"))).unwrap();
    }
    fs::remove_file(data.join(".kafka_cleanshutdown")).unwrap();
    for checkpoint in [
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
    ] {
        fs::remove_file(data.join(checkpoint)).unwrap();
    }
    a.start().unwrap();
    let before = seen(&a.oracle());
    assert_eq!(before.len(), 8 * 5 + 2 * 2 + 4);
    a.workload()
        .produce(&[], &[Message::text("old", 0, "of today")])
        .unwrap();
    // a single one, the middle and the end of compressed ones, inside of holes, and the end
    let offsets = [0, 1, 2, 14, 15, 17, 25, 33, 56, 65, 77, 84, end, end + 1];
    for offset in offsets {
        let group = format!("at-{offset}");
        a.workload()
            .commit(&group, &[("old", 0, offset, "")])
            .unwrap();
    }

    let report = backup(&program, &url, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    let run = |arguments: &[&str]| {
        let run = program.run(arguments).unwrap().expect_code(0).unwrap();
        run.json().unwrap()
    };
    let verify = ["verify", "latest", "--level", "records", "--no-store"];
    let verified = run(&[&verify[..], &["--repository", &url, "--json"]].concat());
    assert_eq!(verified["records"], before.len() + 1, "{verified:#}");

    for depth in ["batches", "records"] {
        restore(
            &program,
            &url,
            &b.bootstrap(),
            &state,
            &["--compare", depth],
        );
        let (original, restored) = (a.oracle(), b.oracle());
        assert_eq!(seen(&restored), seen(&original), "{depth}");
        let groups = |oracle: &Oracle| oracle.groups().unwrap();
        let differences = CommittedOffset::differences(&groups(&original), &groups(&restored));
        assert_eq!(differences, Vec::<String>::new(), "{depth}");
        // the source itself is not compared: librdkafka does not read what is compressed there
        let bootstrap = b.bootstrap();
        let compare = [
            "compare",
            "latest",
            "--bootstrap-servers",
            &bootstrap,
            "--json",
        ];
        run(&[&compare[..], &["--repository", &url, "--state", &state]].concat());
        b.workload().delete_topics(&["old"]).unwrap();
    }
}
