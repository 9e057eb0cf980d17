//! The second site: snapshots are copied as they are, proven on the way, and restore as the originals do.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lifeboat_tests::{
    Bulk, Fidelity, Keys, Message, MinIo, Program, Signal, TestContext, files_below,
};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, init, restore, verify},
    roundtrip::{differences, not_compacted_any_more},
    stores::{policies, uploads},
};

const BUCKET: &str = "kafka-backups";
const URL: &str = "s3://kafka-backups/prod";

/// Copies, which must end with this code; the report.
fn copy(program: &Program, code: i32, arguments: &[&str]) -> Value {
    let arguments = [&["copy", "--json"], arguments].concat();
    let run = program.run(&arguments).unwrap();
    run.expect_code(code).unwrap().json().unwrap()
}

/// What became of the snapshots of a report's clusters, the newest first.
fn states(report: &Value) -> Vec<&str> {
    let clusters = report["clusters"].as_array().unwrap().iter();
    clusters
        .flat_map(|cluster| cluster["snapshots"].as_array().unwrap())
        .map(|snapshot| snapshot["state"].as_str().unwrap())
        .collect()
}

fn findings(report: &Value) -> Vec<&Value> {
    let clusters = report["clusters"].as_array().unwrap().iter();
    clusters
        .flat_map(|cluster| cluster["findings"].as_array().unwrap())
        .collect()
}

/// The lines that name a repository in the bucket for whoever has these keys.
fn in_bucket(name: &str, store: &MinIo, keys: &Keys) -> String {
    let token = keys.token.as_ref();
    let token = token.map(|token| format!("      aws_session_token: \"{token}\"\n"));
    format!(
        "  {name}:\n    url: {URL}\n    options:\n      aws_endpoint: {}\n      aws_allow_http: true\n      aws_region: us-east-1\n      \
         aws_access_key_id: \"{}\"\n      aws_secret_access_key: \"{}\"\n{}",
        store.endpoint(),
        keys.id,
        keys.secret,
        token.unwrap_or_default()
    )
}

#[test]
fn a_copy_of_a_copy_restores_to_the_original() {
    let mut context = TestContext::new().unwrap();
    let store = MinIo::start().unwrap();
    store.make_locked_bucket(BUCKET, 2).unwrap();
    let (reading, appending) = policies();
    let appender = store.keys_with(&appending).unwrap();
    let reader = store.keys_with(&reading).unwrap();
    let third = context.scratch().join("third-site");
    let config = context.scratch().join("lifeboat.yaml");
    let text = format!(
        "repository:\n  url: {}\nrepositories:\n{}{}  third-site:\n    url: {}\n",
        context.repository_url(),
        in_bucket("second-site", &store, &appender),
        in_bucket("second-site-reader", &store, &reader),
        third.display(),
    );
    fs::write(&config, text).unwrap();
    let program = context.program().unwrap();
    let program = program.env("LIFEBOAT_CONFIG", config);
    let first = context.repository_url();
    let state = context.scratch().join("state").display().to_string();
    for repository in [&first, "second-site", "third-site"] {
        init(&program, repository);
    }
    let (a, b) = context.both().unwrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);
    backup(&program, &first, &a.bootstrap(), &[]);
    backup(&program, &first, &a.bootstrap(), &[]);

    let told = copy(&program, 0, &["--to", "second-site", "--dry-run"]);
    let done = copy(&program, 0, &["--to", "second-site"]);
    assert_eq!(states(&done), ["copied"; 2], "{done:#}");
    for key in ["objects", "bytes"] {
        assert_eq!(told[key], done[key]);
    }
    let again = copy(&program, 0, &["--to", "second-site"]);
    assert_eq!(again["objects"], 0, "{again:#}");
    assert_eq!(states(&again), ["present"; 2]);
    // reading is enough to copy from, and what is there is read again
    let from = ["--repository", "second-site-reader", "--to", "third-site"];
    let on = copy(&program, 0, &from);
    assert_eq!(
        (&on["objects"], &on["bytes"]),
        (&done["objects"], &done["bytes"])
    );
    let proven = copy(&program, 0, &[&from[..], &["--verify-existing"]].concat());
    assert_eq!(proven["verified_objects"], done["objects"], "{proven:#}");
    let (_, marks) = store.versions(BUCKET).unwrap();
    assert_eq!(marks, 0, "something was deleted");
    assert_eq!(store.unfinished_uploads().unwrap(), 0);

    let original = context_files(&first);
    let copied = files_below(&third);
    assert_eq!(original.len(), copied.len());
    for (one, other) in original.iter().zip(&copied) {
        if one.file_name().unwrap() != "lifeboat.json" {
            assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap(), "{one:?}");
        }
    }
    let third = third.display().to_string();
    verify(&program, &third);
    restore(&program, &third, &b.bootstrap(), &state, &[]);
    a.workload().settle(&written.open_transactions).unwrap();
    assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());
}

fn context_files(url: &str) -> Vec<PathBuf> {
    files_below(Path::new(url.strip_prefix("file://").unwrap()))
}

#[test]
fn damage_in_the_first_site_is_named_and_every_other_snapshot_of_every_cluster_is_copied() {
    let mut scene = Scene::new();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let (a, b) = scene.context.both().unwrap();
    for cluster in [&a, &b] {
        let workload = cluster.workload();
        workload.create_topic("orders", 1, &[]).unwrap();
        let text = [Message::text("orders", 0, "one")];
        workload.produce(&[], &text).unwrap();
    }
    let (a, b) = (a.bootstrap(), b.bootstrap());
    let report = backup(&program, &url, &a, &[]);
    backup(&program, &url, &a, &[]);
    backup(&program, &url, &b, &["--new-cluster"]);
    let cluster = report["commit"]["cluster_id"].as_str().unwrap().to_owned();
    let snapshot = report["commit"]["snapshot"].as_str().unwrap().to_owned();
    let second = format!("{url}-second");
    init(&program, &second);
    let from = ["--repository", url.as_str(), "--to", second.as_str()];

    let refused = copy(&program, 2, &from);
    assert!(
        refused["hint"].to_string().contains("--all-clusters"),
        "{refused:#}"
    );
    // the documents of the first snapshot, which no other one shares
    let folder = Path::new(url.strip_prefix("file://").unwrap()).join(&cluster);
    let documents = folder.join(format!("metadata/{snapshot}.tar.zst"));
    let intact = fs::read(&documents).unwrap();
    let mut damaged = intact.clone();
    damaged[intact.len() / 2] ^= 1;
    fs::write(&documents, damaged).unwrap();
    let all = [&from[..], &["--all-clusters"]].concat();
    let report = copy(&program, 20, &all);
    let mut found = states(&report);
    found.sort_unstable();
    assert_eq!(found, ["copied", "copied", "not_copied"], "{report:#}");
    let findings = findings(&report);
    assert_eq!(findings.len(), 1, "{report:#}");
    assert_eq!(findings[0]["side"], "source");
    let object = format!("{cluster}/metadata/{snapshot}.tar.zst");
    assert_eq!(findings[0]["object"], object.as_str());
    let there = Path::new(second.strip_prefix("file://").unwrap()).join(&object);
    assert!(!there.try_exists().unwrap());

    // for people it stands last, with what to do
    let run = program.run(&[&["copy"], &all[..]].concat()).unwrap();
    let run = run.expect_code(20).unwrap();
    assert!(
        run.stdout.contains(&object) && run.stdout.contains("NOT COPIED"),
        "{}",
        run.stdout
    );

    // mended, it takes its place before the newer one
    fs::write(&documents, intact).unwrap();
    let chosen = [&from[..], &["--cluster", &cluster]].concat();
    let report = copy(&program, 0, &chosen);
    assert_eq!(states(&report), ["present", "copied"], "{report:#}");
    let listed = |url: &str| {
        let arguments = [
            "snapshots",
            "--repository",
            url,
            "--cluster",
            &cluster,
            "--json",
        ];
        let run = program.run(&arguments).unwrap().expect_code(0).unwrap();
        run.json().unwrap()["snapshots"].clone()
    };
    assert_eq!(listed(&url), listed(&second));

    // and the other way round the second site mends the first
    fs::remove_file(&documents).unwrap();
    let back = ["--repository", second.as_str(), "--to", url.as_str()];
    let back = [&back[..], &["--cluster", &cluster, "--verify-existing"]].concat();
    let report = copy(&program, 0, &back);
    assert_eq!(states(&report), ["present", "repaired"], "{report:#}");
    for repository in [&url, &second] {
        let check = ["check", "--repository", repository];
        program.run(&check).unwrap().expect_code(0).unwrap();
    }
}

#[test]
fn a_copy_that_is_killed_or_stopped_shows_nothing_and_the_next_one_goes_on() {
    let mut scene = Scene::new();
    let store = MinIo::start().unwrap();
    store.make_bucket(BUCKET).unwrap();
    let config = in_bucket("second-site", &store, &MinIo::root_keys());
    let config = scene.file("lifeboat.yaml", &format!("repositories:\n{config}"));
    let program = scene.program.env("LIFEBOAT_CONFIG", config);
    init(&program, "second-site");
    let a = scene.context.a().unwrap();
    let load = Bulk {
        records: 200_000,
        codec: "none".to_owned(),
        ..Bulk::orders("orders")
    };
    a.workload().bulk(&load).unwrap();
    // some archives
    backup(
        &program,
        &scene.url,
        &a.bootstrap(),
        &["--archive-size", "12MiB", "--segment-size", "1MiB"],
    );

    let from = ["--repository", scene.url.as_str(), "--to", "second-site"];
    let slowly = [&["copy", "--max-rate", "8MiB"], &from[..]].concat();
    let shows_nothing = || {
        let run = program
            .run(&["snapshots", "--repository", "second-site", "--json"])
            .unwrap();
        let run = run.expect_code(0).unwrap().json().unwrap();
        assert_eq!(run["snapshots"].as_array().unwrap().len(), 0, "{run:#}");
    };
    let running = program.spawn(&slowly).unwrap();
    uploads(&store, &running, 0);
    running.signal(Signal::SIGKILL).unwrap();
    assert_eq!(running.wait().unwrap().signal, Some(9));
    let left = store.unfinished_uploads().unwrap();
    shows_nothing();

    let running = program.spawn(&slowly).unwrap();
    uploads(&store, &running, left);
    running.signal(Signal::SIGINT).unwrap();
    let run = running.wait().unwrap().expect_code(130).unwrap();
    assert!(
        run.stderr.contains("goes on with what is missing"),
        "{}",
        run.stderr
    );
    // what a kill leaves is for the bucket's rule; who stops in good order leaves nothing
    assert!(
        store.unfinished_uploads().unwrap() <= left,
        "{}",
        run.stderr
    );
    shows_nothing();

    let report = copy(&program, 0, &from);
    assert_eq!(states(&report), ["copied"], "{report:#}");
    verify(&program, "second-site");
    let again = copy(&program, 0, &from);
    assert_eq!(again["objects"], 0);
}
