//! What is proven of a snapshot: how deep, how much of it, against what, and that it stays on record.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lifeboat_tests::{
    Fidelity, KafkaCluster, Message, Program, Random, Running, Signal, files_below,
};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, restore, snapshot_of, wait_until},
    roundtrip::not_compacted_any_more,
};

const SEED: u64 = 0x9EEA_25E0;
const KEPT: [(&str, &str); 1] = [("retention.ms", "-1")];
const LEVELS: [&str; 4] = ["objects", "hashes", "batches", "records"];

/// Of the same times whenever they are written.
const WRITTEN: i64 = 1_700_000_000_000;

fn texts(topic: &str, partition: i32, text: &str, count: i64) -> Vec<Message> {
    let message = |n| Message {
        timestamp: Some(WRITTEN + n),
        ..Message::text(topic, partition, &format!("{text} {n}"))
    };
    (0..count).map(message).collect()
}

/// Verifies the newest snapshot, which must end with this code; the report.
fn verify(program: &Program, url: &str, code: i32, more: &[&str]) -> Value {
    let arguments = ["verify", "--repository", url, "--json"];
    let run = program.run(&[&arguments[..], more].concat()).unwrap();
    run.expect_code(code).unwrap().json().unwrap()
}

/// A screen of this verb.
fn screen(program: &Program, url: &str, code: i32, more: &[&str]) -> String {
    let run = program.run(&[more, &["--repository", url]].concat());
    run.unwrap().expect_code(code).unwrap().stdout
}

fn number(report: &Value, field: &str) -> u64 {
    report[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field}: {report:#}"))
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|path| path.to_str().unwrap().contains("/data/"));
    files
}

/// Snapshots of two topics, each of which adds an archive.
fn taken(scene: &mut Scene, snapshots: usize) {
    let a = scene.context.a().unwrap();
    let workload = a.workload();
    workload.create_topic("orders", 2, &KEPT).unwrap();
    workload.create_topic("payments", 1, &KEPT).unwrap();
    for n in 0..snapshots {
        let text = format!("of the {n}th");
        let mut messages = texts("orders", 0, &text, 30);
        messages.extend(texts("orders", 1, &text, 20));
        let lz4 = [("compression.type", "lz4")];
        workload.produce(&lz4, &messages).unwrap();
        workload
            .produce(&[], &texts("payments", 0, &text, 10))
            .unwrap();
        backup(&scene.program, &scene.url, &a.bootstrap(), &[]);
    }
}

#[test]
fn a_snapshot_is_verified_as_deep_and_as_much_of_it_as_is_asked_for_and_that_stays_on_record() {
    let mut scene = Scene::new();
    taken(&mut scene, 5);
    let (program, url) = (&scene.program, &scene.url);
    let none = ["verify", "latest-verified", "--repository", url];
    let none = program.run(&none).unwrap().expect_code(1).unwrap();
    assert!(
        none.stderr.contains("was verified as a whole"),
        "{}",
        none.stderr
    );

    // each deeper level reads more; all are sound, and none of these is on record
    let mut bytes = 0;
    for level in LEVELS {
        let report = verify(program, url, 0, &["--level", level, "--no-store"]);
        assert_eq!(number(&report, "archives_checked"), 5, "{report:#}");
        let records = if level == "records" { 300 } else { 0 };
        assert_eq!(number(&report, "records"), records);
        assert!(number(&report, "bytes") >= bytes, "{level}");
        bytes = number(&report, "bytes");
    }
    assert!(!screen(program, url, 0, &["snapshots"]).contains("batches"));

    // some topics: what is read is theirs
    let payments = ["--topics", "pay*", "--level", "records"];
    let report = verify(program, url, 0, &payments);
    assert_eq!(number(&report, "records"), 50, "{report:#}");
    assert_eq!(number(&report, "topics_checked"), 1);
    assert!(number(&report, "bytes") < bytes);
    let shown = screen(program, url, 0, &["snapshots"]);
    assert!(shown.contains("records in part, "), "{shown}");

    // in three parts, which together are the whole
    let mut checked = 0;
    for (part, told) in [("1/3", "in part"), ("2/3", "2/3"), ("3/3", "records, ")] {
        let report = verify(program, url, 0, &["--level", "records", "--subset", part]);
        checked += number(&report, "archives_checked");
        let shown = screen(program, url, 0, &["snapshots"]);
        assert!(part == "1/3" || shown.contains(told), "{part}: {shown}");
    }
    assert_eq!(checked, 5);
    let verified = snapshot_of(program, url, "latest");
    assert_eq!(snapshot_of(program, url, "latest-verified"), verified);
    let shown = screen(program, url, 0, &["show", "latest"]);
    for line in ["verified  records, ", "part 3/3", "verify records", "pay*"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let checked = program.run(&["check", "--repository", url, "--json"]);
    let checked = checked.unwrap().expect_code(0).unwrap().json().unwrap();
    assert!(!checked.to_string().contains("/results/"), "{checked:#}");
}

#[test]
fn each_level_finds_what_it_has_to_and_what_is_damaged_is_no_latest_verified_one() {
    let mut scene = Scene::new();
    taken(&mut scene, 2);
    let (program, url) = (&scene.program, &scene.url);
    let folder = scene.context.repository();
    for reference in ["latest~1", "latest"] {
        verify(program, url, 0, &[reference]);
    }
    let [older, newer] = ["latest~1", "latest"].map(|name| snapshot_of(program, url, name));
    assert_eq!(snapshot_of(program, url, "latest-verified"), newer);
    let both = archives(&folder);
    let [_, of_newer] = both.as_slice() else {
        panic!("{both:?}")
    };
    let sound = fs::read(of_newer).unwrap();
    let found = |code: &dyn Fn(&str) -> i32| {
        for level in LEVELS {
            let report = verify(program, url, code(level), &["--level", level, "--no-store"]);
            let named = report["damage"].to_string();
            assert_eq!(named.contains("/data/"), code(level) == 20, "{named}");
        }
    };
    fs::remove_file(of_newer).unwrap();
    found(&|_| 20);
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    fs::write(of_newer, &flipped).unwrap();
    found(&|level| if level == "objects" { 0 } else { 20 });

    verify(program, url, 20, &[]);
    assert_eq!(snapshot_of(program, url, "latest-verified"), older);
    let shown = screen(program, url, 0, &["snapshots"]);
    assert!(shown.contains("complete  DAMAGED, "), "{shown}");
    // mended, and proven so
    fs::write(of_newer, &sound).unwrap();
    verify(program, url, 0, &["--level", "hashes"]);
    assert_eq!(snapshot_of(program, url, "latest-verified"), older);
    verify(program, url, 0, &[]);
    assert_eq!(snapshot_of(program, url, "latest-verified"), newer);

    // a result that was changed vouches for nothing, and stops nothing
    let mut results = files_below(&folder);
    results.retain(|path| {
        path.to_str()
            .unwrap()
            .contains(&format!("/results/{newer}/"))
    });
    assert_eq!(results.len(), 4, "{results:?}");
    for path in &results {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text.replace("batches", "records")).unwrap();
    }
    assert_eq!(snapshot_of(program, url, "latest-verified"), older);
    let shown = screen(program, url, 0, &["snapshots"]);
    assert!(shown.contains("4 stored results can't be read"), "{shown}");
}

/// Compares the newest snapshot with a cluster, which must end with this code; the report.
fn compare(scene: (&Program, &str), with: &KafkaCluster, code: i32, more: &[&str]) -> Value {
    let (program, url) = scene;
    let bootstrap = with.bootstrap();
    let arguments = [
        "compare",
        "latest",
        "--repository",
        url,
        "--bootstrap-servers",
        &bootstrap,
        "--json",
    ];
    let run = program.run(&[&arguments[..], more].concat()).unwrap();
    run.expect_code(code).unwrap().json().unwrap()
}

fn topic<'r>(report: &'r Value, name: &str) -> &'r Value {
    let topics = report["topics"].as_array().unwrap();
    let mut named = topics.iter().filter(|topic| topic["topic"] == name);
    named.next().unwrap_or_else(|| panic!("{name}: {report:#}"))
}

#[test]
fn a_snapshot_is_the_same_as_its_cluster_and_as_what_was_restored_of_it() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let with = (&program, url.as_str());
    let (a, b) = scene.context.both().unwrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);
    backup(&program, &url, &a.bootstrap(), &[]);
    restore(&program, &url, &b.bootstrap(), &state, &[]);
    let own = compare(with, a, 0, &[]);
    let restored = compare(with, b, 0, &[]);
    // consumers of the original do not see yet what lies behind an open transaction
    let seen = ["same", "held_back"].map(|count| number(&own["totals"], count));
    assert!(seen[0] > 1_000 && seen[1] > 0, "{seen:?}");
    assert_eq!(number(&restored["totals"], "same"), seen[0] + seen[1]);
    for (report, way) in [(&own, "offset"), (&restored, "order")] {
        let topics = report["topics"].as_array().unwrap();
        let ways = topics.iter().filter(|topic| topic["way"] == way).count();
        assert!(ways > 3, "{report:#}");
    }
    // nobody has touched it, so nothing is newer either
    let exact = ["--exact", "--no-store", "--exclude", "wide"];
    compare(with, b, 0, &exact);
    // what was open at the cut is committed or aborted now, and comes behind the snapshot
    a.workload().settle(&written.open_transactions).unwrap();
    compare(with, a, 0, &["--exclude", "wide"]);
    let shown = screen(&program, &url, 0, &["show", "latest"]);
    assert_eq!(shown.matches("compare").count(), 3, "{shown}");
    // a comparison says where a cluster stands, and not what is stored
    assert!(shown.contains("verified  –"), "{shown}");
}

#[test]
fn a_record_more_another_value_and_a_topic_less_are_named_with_their_place() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let with = (&program, url.as_str());
    let (a, b) = scene.context.both().unwrap();
    let (source, target) = (a.workload(), b.workload());
    for name in ["orders", "payments", "audit"] {
        source.create_topic(name, 1, &KEPT).unwrap();
        source.produce(&[], &texts(name, 0, "the", 40)).unwrap();
    }
    source.delete_records("orders", 0, 10).unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);
    restore(&program, &url, &b.bootstrap(), &state, &[]);

    // a live cluster goes on
    target
        .produce(&[], &texts("orders", 0, "a new", 3))
        .unwrap();
    let report = compare(with, b, 0, &[]);
    let counts = &topic(&report, "orders")["counts"];
    assert_eq!((number(counts, "same"), number(counts, "newer")), (30, 3));
    let report = compare(with, b, 22, &["--exact"]);
    let orders = topic(&report, "orders");
    assert_eq!(number(&orders["counts"], "extra"), 3, "{report:#}");
    let first = &orders["partitions"][0]["first"];
    assert_eq!(first["kind"], "extra", "{first:#}");
    assert_eq!(number(first, "target_offset"), 30);

    // and forgets
    source.delete_records("orders", 0, 25).unwrap();
    let report = compare(with, a, 0, &["--topics", "orders"]);
    let counts = &topic(&report, "orders")["counts"];
    assert_eq!(number(counts, "no_longer_kept"), 15, "{report:#}");
    assert_eq!(number(counts, "same"), 15);
    compare(with, a, 22, &["--exact", "--topics", "orders"]);
    target.delete_records("orders", 0, 12).unwrap();
    // that these were there once is told by the restore's journal only
    let report = compare(with, b, 21, &["--topics", "orders"]);
    let unread = report["unread"][0].to_string();
    assert!(unread.contains("--state"), "{report:#}");
    let report = compare(with, b, 0, &["--topics", "orders", "--state", &state]);
    let counts = &topic(&report, "orders")["counts"];
    assert_eq!(number(counts, "no_longer_kept"), 12, "{report:#}");
    assert_eq!(number(counts, "same"), 18);

    // another value in the middle, and a topic that is gone
    target.delete_topics(&["payments", "audit"]).unwrap();
    target.create_topic("payments", 1, &KEPT).unwrap();
    let mut changed = texts("payments", 0, "the", 40);
    changed[7].value = Some(b"another".to_vec());
    target.produce(&[], &changed).unwrap();
    let bootstrap = b.bootstrap();
    let arguments = ["compare", "latest", "--bootstrap-servers", &bootstrap];
    let shown = screen(&program, &url, 22, &arguments);
    for line in [
        "audit",
        "the cluster does not have it",
        "DIFFERS: 2 of 3 topics",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let report = compare(with, b, 22, &["--topics", "payments"]);
    let payments = topic(&report, "payments");
    let first = &payments["partitions"][0]["first"];
    assert_eq!(first["kind"], "changed", "{report:#}");
    assert_eq!(number(first, "source_offset"), 7);
    assert!(first["parts"].to_string().contains("value"), "{first:#}");
}

#[test]
fn r12_of_a_compacted_topic_the_latest_record_of_each_key_counts() {
    let mut scene = Scene::new();
    let state = scene.context.scratch().join("state").display().to_string();
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let with = (&program, url.as_str());
    let (a, b) = scene.context.both().unwrap();
    let (source, target) = (a.workload(), b.workload());
    let compacted = [("cleanup.policy", "compact"), ("segment.ms", "100")];
    let put = |key: usize, value: Option<&str>| Message {
        key: Some(format!("key {key}").into_bytes()),
        value: value.map(|value| value.as_bytes().to_vec()),
        timestamp: Some(WRITTEN),
        ..Message::text("prices", 0, "")
    };
    source.create_topic("prices", 1, &compacted).unwrap();
    let old: Vec<_> = (0..50).map(|key| put(key, Some("old"))).collect();
    let new: Vec<_> = (0..30).map(|key| put(key, Some("new"))).collect();
    source.produce(&[], &old).unwrap();
    source.produce(&[], &new).unwrap();
    source.produce(&[], &[put(49, None)]).unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);
    restore(&program, &url, &b.bootstrap(), &state, &[]);
    for cluster in [&a, &b] {
        let report = compare(with, cluster, 0, &["--exact"]);
        let prices = topic(&report, "prices");
        assert_eq!(prices["way"], "latest_by_key", "{report:#}");
        assert_eq!(number(&prices["counts"], "same"), 50, "{report:#}");
    }
    // superseded by what came later
    source
        .produce(&[], &[put(3, Some("newest")), put(70, Some("newest"))])
        .unwrap();
    let report = compare(with, a, 0, &[]);
    let counts = &topic(&report, "prices")["counts"];
    assert_eq!((number(counts, "same"), number(counts, "newer")), (49, 2));
    compare(with, a, 22, &["--exact"]);
    // a value that should be gone lives, and another one is old
    target.delete_topics(&["prices"]).unwrap();
    target.create_topic("prices", 1, &compacted).unwrap();
    target.produce(&[], &old).unwrap();
    target.produce(&[], &new[1..]).unwrap();
    let report = compare(with, b, 22, &[]);
    let counts = &topic(&report, "prices")["counts"];
    assert_eq!((number(counts, "changed"), number(counts, "extra")), (1, 1));
    assert_eq!(number(counts, "same"), 48, "{report:#}");
}

/// The topics of a rehearsal that a cluster has.
fn rehearsed(cluster: &KafkaCluster) -> Vec<String> {
    let topics = cluster.oracle().topics().unwrap().into_iter();
    let names = topics.map(|topic| topic.name);
    names
        .filter(|name| name.starts_with("lifeboat-rehearsal-"))
        .collect()
}

#[test]
fn a_rehearsal_proves_and_measures_and_leaves_no_topic_whatever_happens() {
    let mut scene = Scene::new();
    taken(&mut scene, 2);
    let (program, url) = (scene.program.clone(), scene.url.clone());
    let folder = scene.context.repository();
    let (a, b) = scene.context.both().unwrap();
    // enough to be stopped in the middle of
    let mut random = Random::new(SEED);
    let large = |_| Message {
        value: Some(random.bytes(50_000)),
        ..Message::text("large", 0, "")
    };
    a.workload().create_topic("large", 1, &KEPT).unwrap();
    let large: Vec<_> = (0..40).map(large).collect();
    a.workload().produce(&[], &large).unwrap();
    backup(&program, &url, &a.bootstrap(), &[]);
    let run = |bootstrap: &str, code: i32, more: &[&str]| {
        let arguments = [
            "rehearse",
            "latest",
            "--repository",
            &url,
            "--bootstrap-servers",
            bootstrap,
            "--json",
        ];
        let run = program.run(&[&arguments[..], more].concat()).unwrap();
        run.expect_code(code).unwrap().json().unwrap()
    };
    // its own cluster is asked for twice
    let refused = run(&a.bootstrap(), 2, &[]);
    assert!(
        refused["hint"].to_string().contains("--into-source"),
        "{refused:#}"
    );
    let own = run(
        &a.bootstrap(),
        0,
        &["--into-source", "--topics", "orders", "--no-store"],
    );
    assert_eq!(number(&own["measured"], "records"), 100, "{own:#}");
    assert_eq!(rehearsed(a), Vec::<String>::new());

    let sample = ["--sample", "1%", "--exclude", "large"];
    let report = run(&b.bootstrap(), 0, &sample);
    assert_eq!(report["topics"].as_array().unwrap().len(), 1, "{report:#}");
    let shown = screen(&program, &url, 0, &["snapshots"]);
    assert!(shown.contains("rehearsed in part, "), "{shown}");
    let report = run(&b.bootstrap(), 0, &[]);
    assert_eq!(number(&report["measured"], "records"), 160, "{report:#}");
    for measured in ["rto_ms", "rpo_ms"] {
        assert!(number(&report["measured"], measured) > 0, "{report:#}");
    }
    assert_eq!(rehearsed(b), Vec::<String>::new());
    let id = snapshot_of(&program, &url, "latest");
    assert_eq!(snapshot_of(&program, &url, "latest-verified"), id);
    let shown = screen(&program, &url, 0, &["show", "latest"]);
    assert!(shown.contains("verified  rehearsed, "), "{shown}");

    // stopped in the middle
    let bootstrap = b.bootstrap();
    let slowly = [
        "rehearse",
        "latest",
        "--repository",
        &url,
        "--bootstrap-servers",
        &bootstrap,
        "--max-rate",
        "64KiB",
    ];
    let running: Running = program.spawn(&slowly).unwrap();
    wait_until(&running, Duration::from_secs(60), "begun", || {
        !rehearsed(b).is_empty()
    });
    running.signal(Signal::SIGINT).unwrap();
    running.wait().unwrap().expect_code(130).unwrap();
    assert_eq!(rehearsed(b), Vec::<String>::new());

    // damaged
    let archive = archives(&folder).pop().unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    bytes[300] ^= 1;
    fs::write(&archive, &bytes).unwrap();
    let report = run(&b.bootstrap(), 20, &[]);
    assert_eq!(report["outcome"], "damaged", "{report:#}");
    assert!(report["measured"].is_null(), "{report:#}");
    assert_eq!(rehearsed(b), Vec::<String>::new());
    let shown = screen(&program, &url, 0, &["snapshots"]);
    assert!(shown.contains("DAMAGED, "), "{shown}");
}
