//! Consumer groups that a restore had to leave out get their offsets when it is gone on with.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{KafkaCluster, Message, Run};
use serde_json::Value;

use crate::lifeboat::{Scene, backup, run_restore};

/// So long a member may take until it has left.
const LEAVES_WITHIN: Duration = Duration::from_secs(60);

fn place(cluster: &KafkaCluster, group: &str) -> Option<(i64, String)> {
    let groups = cluster.oracle().groups().unwrap();
    let mut groups = groups.into_iter();
    let place = groups.find(|it| it.group == group && it.topic == "orders")?;
    Some((place.offset, place.metadata))
}

fn of<'r>(report: &'r Value, group: &str) -> &'r Value {
    let groups = report["groups"].as_array().unwrap();
    groups.iter().find(|it| it["group"] == group).unwrap()
}

/// Restoring again said that its offsets stay, with exit code 0, and going on that there was nothing to resume.
#[test]
fn r18_a_group_that_was_active_gets_its_offsets_when_the_restore_is_gone_on_with() {
    let mut scene = Scene::new();
    let there = scene.file("member-stays", "");
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let (a, b) = scene.context.both().unwrap();
    let workload = a.workload();
    workload.create_topic("orders", 1, &[]).unwrap();
    let messages = [0; 10].map(|partition| Message::text("orders", partition, "value"));
    workload.produce_one_by_one(&[], &messages).unwrap();
    workload.delete_records("orders", 0, 2).unwrap();
    workload.commit("busy", &[("orders", 0, 5, "né")]).unwrap();
    workload.commit("free", &[("orders", 0, 7, "")]).unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);

    b.workload().create_topic("other", 1, &[]).unwrap();
    let joined = b
        .workload()
        .join("classic", "busy", "other", None, there.as_ref());
    joined.unwrap();
    let bootstrap = b.bootstrap();
    let restore = |more: &[&str]| run_restore(&program, &url, &bootstrap, &state, more);
    let report = restore(&[]).expect_code(3).unwrap().json().unwrap();
    let why = of(&report, "busy")["skipped"].as_str().unwrap();
    assert!(why.contains("active"), "{why}");
    assert_eq!(place(b, "busy"), None);
    assert_eq!(place(b, "free"), Some((5, String::new())));
    let journal = report["journal"].as_str().unwrap();

    // who reads on is not set back
    b.workload()
        .commit("free", &[("orders", 0, 8, "")])
        .unwrap();
    let again = restore(&[]).expect_code(3).unwrap().json().unwrap();
    let why = of(&again, "busy")["skipped"].as_str().unwrap();
    assert!(
        why.contains(&format!("--resume --journal {journal}")),
        "{why}"
    );
    assert_eq!(again["topics"][0]["outcome"]["was"], "already_there");

    let go_on = |more: &[&str]| -> Run {
        let mut arguments = vec![
            "restore",
            "--resume",
            "--repository",
            &url,
            "--bootstrap-servers",
            &bootstrap,
        ];
        arguments.extend(["--state", &state, "--json"]);
        arguments.extend(more);
        program.run(&arguments).unwrap()
    };
    let report = go_on(&["--yes"]).expect_code(3).unwrap().json().unwrap();
    let why = of(&report, "busy")["skipped"].as_str().unwrap();
    assert!(why.contains("active"), "{why}");
    assert_eq!(report["journal"].as_str(), Some(journal));
    let plan = go_on(&["--dry-run"])
        .expect_code(0)
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(plan["groups"].as_array().unwrap().len(), 1, "{plan:#}");

    fs::remove_file(&there).unwrap();
    let deadline = Instant::now() + LEAVES_WITHIN;
    let report = loop {
        let run = go_on(&["--yes"]);
        if run.code == Some(0) {
            break run.json().unwrap();
        }
        assert!(run.code == Some(3) && Instant::now() < deadline, "{run:?}");
        thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(of(&report, "busy")["committed"], 1);
    assert_eq!(place(b, "busy"), Some((3, "né".to_owned())));
    assert_eq!(place(b, "free"), Some((8, String::new())));

    // now all of it is there, and said to be
    let done = go_on(&["--yes"]).expect_code(0).unwrap().json().unwrap();
    assert_eq!(done["format"], "lifeboat.restore-already-finished");
    assert!(done["missing"].is_null(), "{done:#}");
    restore(&[]).expect_code(0).unwrap();
}
