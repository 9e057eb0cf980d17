//! A restore that is interrupted is gone on with: nothing is lost and nothing comes twice, whenever that was.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{
    Bulk, ClusterBuilder, KafkaCluster, Message, Oracle, Program, Random, ReadOptions, Run,
    Running, Signal, rounds, segment_bytes,
};
use serde_json::Value;

use crate::{
    lifeboat::{Scene, backup, goes_on, wait_until},
    roundtrip::differences,
};

const SEED: u64 = 0x5E5E;
/// Brokers forget the producers of such records within a second, and then take any sequence number.
const TEN_YEARS_AGO: i64 = 1_480_000_000_000;
/// Every resume waits for so long whether something is still under way.
const REQUEST_TIMEOUT: &str = "request.timeout.ms=4000\n";
/// So slow that there is a middle.
const RATE: &str = "2MiB";
const LIMIT: Duration = Duration::from_secs(90);

fn forgetful() -> ClusterBuilder {
    KafkaCluster::builder().setting("producer.id.expiration.check.interval.ms", "1000")
}

/// Old and new records, compressed and not, small batches that are merged, transactions of which some are aborted.
fn fill(a: &KafkaCluster, stored_bytes: u64) {
    let workload = a.workload();
    let old = Bulk {
        partitions: 4,
        start_timestamp: TEN_YEARS_AGO,
        stored_bytes: stored_bytes / 2,
        codec: "none".to_owned(),
        ..Bulk::orders("history")
    };
    let new = Bulk {
        partitions: 3,
        stored_bytes: stored_bytes / 4,
        ..Bulk::orders("orders")
    };
    let transactions = Bulk {
        partitions: 2,
        codec: "zstd".to_owned(),
        batch_bytes: 16_384,
        records_per_transaction: 100,
        abort_every: 3,
        stored_bytes: stored_bytes / 8,
        ..Bulk::orders("payments")
    };
    let single = Bulk {
        partitions: 2,
        one_record_per_batch: true,
        codec: "none".to_owned(),
        records: 2_000,
        start_timestamp: TEN_YEARS_AGO,
        ..Bulk::orders("single")
    };
    for bulk in [old, new, transactions, single] {
        workload.bulk(&bulk).unwrap();
    }
    let configs = [("retention.ms", "-1"), ("segment.bytes", "2000000")];
    workload.create_topic("empty", 3, &configs).unwrap();
    for number in 0..8 {
        let offsets = [("orders", 1, 10 + number, "né"), ("payments", 0, 7, "")];
        let group = format!("group-{number}");
        workload.commit(&group, &offsets).unwrap();
    }
}

/// A cluster of all that, and a snapshot of it.
fn saved(scene: &mut Scene) -> Oracle {
    let a = scene.context.a().unwrap();
    fill(a, 6 << 20);
    let (original, from) = (a.oracle(), a.bootstrap());
    backup(&scene.program, &scene.url, &from, &[]);
    original
}

/// A repository with a snapshot, and where it is restored to.
struct Place {
    program: Program,
    url: String,
    bootstrap: String,
    properties: String,
    state: PathBuf,
}

impl Place {
    fn new(scene: &Scene, b: &KafkaCluster) -> Self {
        Self {
            program: scene.program.clone(),
            url: scene.url.clone(),
            bootstrap: b.bootstrap(),
            properties: scene.file("b.properties", REQUEST_TIMEOUT),
            state: scene.context.scratch().join("state"),
        }
    }

    fn arguments<'a>(&'a self, first: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["restore"];
        arguments.extend(first);
        arguments.extend(["--repository", &self.url]);
        arguments.extend(["--bootstrap-servers", &self.bootstrap]);
        arguments.extend(["--command-config", &self.properties]);
        arguments.extend(["--state", self.state.to_str().unwrap()]);
        arguments.extend(["--yes", "--json"]);
        arguments
    }

    fn spawn(&self, first: &[&str]) -> Running {
        self.program.spawn(&self.arguments(first)).unwrap()
    }

    fn run(&self, first: &[&str]) -> Run {
        self.program.run(&self.arguments(first)).unwrap()
    }

    /// The newest journal.
    fn journal(&self) -> Option<PathBuf> {
        let files = fs::read_dir(&self.state).ok()?;
        let mut journals: Vec<PathBuf> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .collect();
        journals.sort();
        journals.pop()
    }

    /// The steps that its journal tells of.
    fn steps(&self) -> Vec<String> {
        let text = self.journal().map(|path| fs::read_to_string(path).unwrap());
        let text = text.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["step"].as_str().unwrap().to_owned()
        });
        lines.collect()
    }

    fn has(&self, step: &str) -> bool {
        self.steps().iter().any(|had| had == step)
    }
}

/// The parts of a restore, and the line of the journal that each begins with.
const PHASES: [(&str, &str); 6] = [
    ("creating topics", "planned"),
    ("writing", "prepared"),
    ("comparing", "all_written"),
    ("groups", "compared"),
    ("settings", "groups_committed"),
    ("the end", "settings_restored"),
];

/// When each phase began in a restore that nobody disturbed, and when it ended.
fn measure(place: &Place) -> Vec<Duration> {
    let begun = Instant::now();
    let running = place.spawn(&["latest", "--max-rate", RATE]);
    let mut times = Vec::new();
    while !running.has_ended() && times.len() < PHASES.len() {
        if place.has(PHASES[times.len()].1) {
            times.push(begun.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    running.wait().unwrap().expect_code(0).unwrap();
    times.resize(PHASES.len() + 1, begun.elapsed());
    times
}

fn clear(b: &KafkaCluster, state: &Path) {
    let topics = b.oracle().topics().unwrap();
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    b.workload().delete_topics(&names).unwrap();
    fs::remove_dir_all(state).unwrap();
}

fn assert_equal(original: &Oracle, b: &KafkaCluster, what: &str) {
    let found = differences(original, &b.oracle());
    assert_eq!(found, Vec::<String>::new(), "{what}");
}

/// Kills a run `after` a line of the journal; whether it was still running.
fn kill(place: &Place, running: Running, step: Option<&str>, after: Duration) -> bool {
    let deadline = Instant::now() + LIMIT;
    while let Some(step) = step
        && !running.has_ended()
        && !place.has(step)
    {
        assert!(
            Instant::now() < deadline,
            "no {step}:\n{}",
            running.stderr()
        );
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(after);
    running.signal(Signal::SIGKILL).unwrap();
    let run = running.wait().unwrap();
    assert!(run.code.is_none_or(|code| code == 0), "{run:?}");
    run.code.is_none()
}

/// Goes on until it is at its end. One that was killed before its journal was there is begun anew.
fn go_on(place: &Place) -> Run {
    let run = if place.steps().is_empty() {
        place.run(&["latest"])
    } else {
        place.run(&["--resume"])
    };
    run.expect_code(0).unwrap()
}

#[test]
fn rule_9_a_restore_killed_at_any_moment_is_gone_on_with_and_everything_is_there_once() {
    let mut scene = Scene::new();
    let original = saved(&mut scene);
    let b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);
    let mut times = measure(&place);
    assert_equal(&original, &b, "undisturbed");
    clear(&b, &place.state);
    println!("seed {SEED:#x}, {times:?}");

    let mut random = Random::new(SEED);
    let (mut killed, mut there) = (0, 0);
    for round in 0..rounds(PHASES.len(), 30) {
        let phase = round % PHASES.len();
        let (name, step) = PHASES[phase];
        let length = times[phase + 1].saturating_sub(times[phase]);
        let micros = u64::try_from(length.as_micros()).unwrap();
        let delay = Duration::from_micros(random.between(0, micros.max(1)));
        let running = place.spawn(&["latest", "--max-rate", RATE]);
        let was_killed = kill(&place, running, Some(step), delay);
        killed += usize::from(was_killed);
        if !was_killed {
            times[phase + 1] = times[phase] + delay;
        }
        // half of them a second time, while they go on
        let again = was_killed && random.between(0, 1) == 1 && !place.steps().is_empty();
        if again {
            let delay = Duration::from_millis(random.between(0, 5_000));
            kill(
                &place,
                place.spawn(&["--resume", "--max-rate", RATE]),
                None,
                delay,
            );
        }
        let steps = place.steps();
        let run = go_on(&place).json().unwrap();
        let found = run["resumed"]["records"].as_u64().unwrap_or(0);
        there += usize::from(found > 0);
        println!(
            "{name} + {delay:?}, again {again}, {} lines, {found} were there",
            steps.len()
        );
        assert_equal(&original, &b, name);
        // and there is nothing left to be done
        let run = go_on(&place).json().unwrap();
        assert_eq!(run["format"], "lifeboat.restore-already-finished", "{run}");
        clear(&b, &place.state);
    }
    assert!(killed >= PHASES.len() / 2, "{killed}");
    assert!(there > 0, "nobody was killed while it wrote");
}

/// Begins a restore and waits until records are written.
fn begin(place: &Place, b: &KafkaCluster, more: &[&str]) -> Running {
    let running = place.spawn(&[&["latest"], more].concat());
    wait_until(&running, LIMIT, "writing", || place.has("prepared"));
    let folder = b.data_dir(0);
    goes_on(&running, LIMIT, 300_000, || segment_bytes(&folder));
    running
}

fn hint(run: &Run) -> &str {
    let hint = run.stderr.lines().find(|line| line.starts_with("  hint: "));
    hint.unwrap_or_else(|| panic!("no hint: {}", run.stderr))
}

#[test]
fn rule_6_who_goes_on_is_alone_and_stops_at_what_is_not_its_own() {
    let mut scene = Scene::new();
    let original = saved(&mut scene);
    let b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);

    a_second_process_is_refused(&place, &b);
    go_on(&place);
    assert_equal(&original, &b, "in the end");
    clear(&b, &place.state);
    what_is_not_ours_stops_the_partition(&place, &b);
    clear(&b, &place.state);
    finish_gives_the_topics_their_settings(&place, &b);
}

/// Not while the first one runs; nor may that one go on when it has slept for long.
fn a_second_process_is_refused(place: &Place, b: &KafkaCluster) {
    let first = begin(place, b, &["--max-rate", "256KiB"]);
    let second = place.run(&["--resume"]).expect_code(1).unwrap();
    assert!(
        second.stderr.contains("somebody else works on"),
        "{}",
        second.stderr
    );
    // a plan of another restore says that there is one
    let planned = place.run(&["latest", "--dry-run"]);
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(planned["unfinished"]["stage"], "writing", "{planned}");
    let warnings = planned["warnings"].to_string();
    assert!(warnings.contains("--resume"), "{warnings}");
    // topics that are still empty are not free
    let second = place.run(&["latest"]).expect_code(1).unwrap();
    assert!(
        second.stderr.contains("somebody else works on"),
        "{}",
        second.stderr
    );

    // the machine sleeps; somebody else could have taken it over when it wakes up
    first.signal(Signal::SIGSTOP).unwrap();
    thread::sleep(Duration::from_secs(31));
    first.signal(Signal::SIGCONT).unwrap();
    let first = first.wait().unwrap().expect_code(1).unwrap();
    assert!(
        first.stderr.contains("lease was not renewed for 3"),
        "{}",
        first.stderr
    );
    assert!(hint(&first).contains("--resume"), "{}", first.stderr);

    // what it has written is not written once more, but may be replaced
    for (flag, refused) in [("--append", true), ("--replace", false)] {
        let planned = place.run(&["latest", flag, "--dry-run"]);
        let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
        let journal = place.journal().unwrap().display().to_string();
        let topics = planned["topics"].as_array().unwrap().iter();
        let told: Vec<String> = topics
            .map(|topic| {
                let reason = if refused {
                    &topic["action"]
                } else {
                    &topic["warnings"]
                };
                reason.to_string()
            })
            .filter(|told| told.contains(&journal))
            .collect();
        assert!(!told.is_empty(), "{planned:#}");
        let wanted = if refused {
            "--resume goes on"
        } else {
            "can't be resumed after"
        };
        assert!(told.iter().any(|told| told.contains(wanted)), "{told:?}");
    }

    // stopped by hand: it says how to go on
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let running = place.spawn(&["--resume", "--max-rate", "256KiB"]);
        let before = place.steps().len();
        wait_until(&running, LIMIT, "going on", || place.steps().len() > before);
        running.signal(signal).unwrap();
        let run = running.wait().unwrap().expect_code(code).unwrap();
        let hint = hint(&run);
        for word in [
            "go on with: lifeboat restore 2",
            "--resume",
            &place.url,
            &place.bootstrap,
        ] {
            assert!(hint.contains(word), "{word}: {hint}");
        }
    }
}

/// What somebody else writes meanwhile stops that partition, and no other.
fn what_is_not_ours_stops_the_partition(place: &Place, b: &KafkaCluster) {
    let running = begin(place, b, &["--max-rate", "512KiB"]);
    running.signal(Signal::SIGKILL).unwrap();
    running.wait().unwrap();

    let workload = b.workload();
    let foreign = Message::text("history", 2, "not ours");
    workload.produce(&[], &[foreign]).unwrap();
    workload.delete_topics(&["single"]).unwrap();
    workload
        .create_topic("single", 2, &[("retention.ms", "-1")])
        .unwrap();
    let run = place.run(&["--resume"]).expect_code(3).unwrap();
    let report = run.json().unwrap();
    let stopped = |topic: &str| -> Vec<String> {
        let topics = report["topics"].as_array().unwrap();
        let topic = topics.iter().find(|it| it["topic"] == topic).unwrap();
        let partitions = topic["partitions"].as_array().unwrap().iter();
        let told = partitions.filter_map(|it| {
            let why = it["stopped"].as_str()?;
            Some(format!("{} {why}", it["partition"]))
        });
        told.collect()
    };
    let history = stopped("history");
    assert_eq!(history.len(), 1, "{report:#}");
    assert!(history[0].starts_with("2 "), "{history:?}");
    assert!(
        history[0].contains("somebody else has written"),
        "{history:?}"
    );
    let single = stopped("single");
    assert_eq!(single.len(), 2, "{report:#}");
    assert!(single[0].contains("made anew"), "{single:?}");
    assert_eq!(stopped("orders"), Vec::<String>::new());
    let read = ReadOptions {
        topics: vec!["single".to_owned()],
        ..ReadOptions::default()
    };
    assert_eq!(b.oracle().read(&read).unwrap().records(), 0);
}

fn retention(b: &KafkaCluster, topic: &str) -> Option<String> {
    let topics = b.oracle().topics().unwrap();
    let found = topics.iter().find(|it| it.name == topic).unwrap();
    found.configs.get("retention.ms").cloned()
}

#[test]
fn r23_finish_puts_back_what_was_put_off_and_the_second_time_there_is_nothing_to_do() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    a.workload()
        .create_topic("old", 1, &[("retention.ms", "-1")])
        .unwrap();
    let ancient = Message {
        timestamp: Some(TEN_YEARS_AGO),
        ..Message::text("old", 0, "ten years old")
    };
    a.workload().produce(&[], &vec![ancient; 10]).unwrap();
    let hour = [("retention.ms", Some("3600000"))];
    a.workload().alter_configs("old", &hour).unwrap();
    let from = a.bootstrap();
    backup(&scene.program, &scene.url, &from, &[]);
    let b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);
    let report = place
        .run(&["latest"])
        .expect_code(0)
        .unwrap()
        .json()
        .unwrap();
    let command = report["finish"].as_str().unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..3], ["lifeboat", "restore", "--finish"], "{command}");
    assert_eq!(retention(&b, "old").as_deref(), Some("-1"));

    // it is the command that the report names
    let finish = |more: &[&str]| {
        let run = [&words[1..], &["--json"], more].concat();
        let run = place.program.run(&run).unwrap().expect_code(0).unwrap();
        run.json().unwrap()
    };
    let planned = finish(&["--dry-run"]);
    let topic = &planned["restores"][0]["topics"][0];
    assert_eq!(topic["deletes"]["records"], 10, "{planned:#}");
    assert_eq!(retention(&b, "old").as_deref(), Some("-1"));
    let unasked = [&words[1..], &["--json"]].concat();
    let unasked = place.program.run(&unasked).unwrap().expect_code(2).unwrap();
    assert!(
        unasked.stderr.contains("nobody is there"),
        "{}",
        unasked.stderr
    );
    assert_eq!(retention(&b, "old").as_deref(), Some("-1"));
    let done = finish(&["--yes"]);
    assert_eq!(done["done"], true, "{done:#}");
    assert_eq!(retention(&b, "old").as_deref(), Some("3600000"));
    assert_eq!(finish(&["--yes"])["restores"], serde_json::json!([]));
}

/// The older one's retention was put on the topic, and deleted what the later one had restored.
#[test]
fn what_a_later_restore_wrote_into_is_left_to_it_by_finish_and_its_settings_are_the_topics_own() {
    let mut scene = Scene::new();
    let a = scene.context.a().unwrap();
    let hour = [("retention.ms", Some("3600000"))];
    let ancient = Message {
        timestamp: Some(TEN_YEARS_AGO),
        ..Message::text("old", 0, "ten years old")
    };
    a.workload()
        .create_topic("old", 1, &[("retention.ms", "-1")])
        .unwrap();
    a.workload().produce(&[], &vec![ancient; 10]).unwrap();
    a.workload().alter_configs("old", &hour).unwrap();
    let from = a.bootstrap();
    backup(&scene.program, &scene.url, &from, &[]);
    let b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);
    let report = |run: Run| run.expect_code(0).unwrap().json().unwrap();
    let first = report(place.run(&["latest"]));
    assert_eq!(retention(&b, "old").as_deref(), Some("-1"));
    let some = ["latest", "--append", "--until-offset", "old-0=5"];
    let second = report(place.run(&some));
    let topic = &second["topics"][0];
    let told = topic["warnings"].to_string();
    let journal = first["journal"].as_str().unwrap();
    assert!(
        told.contains("its own ") && told.contains(journal),
        "{told}"
    );
    assert_eq!(
        topic["put_off"]["retention"][0], "retention.ms 3600000",
        "{topic:#}"
    );

    let (bootstrap, state) = (b.bootstrap(), place.state.display().to_string());
    let finish = |more: &[&str]| {
        let finish = ["restore", "--finish", "--bootstrap-servers", &bootstrap];
        let run = [&finish[..], &["--state", &state, "--yes", "--json"], more].concat();
        report(place.program.run(&run).unwrap())
    };
    let done = finish(&["--journal", journal]);
    let left = done["restores"][0]["topics"][0]["left"].to_string();
    assert!(
        left.contains(second["journal"].as_str().unwrap()),
        "{done:#}"
    );
    assert_eq!(retention(&b, "old").as_deref(), Some("-1"));
    finish(&[]);
    assert_eq!(retention(&b, "old").as_deref(), Some("3600000"));
}

fn finish_gives_the_topics_their_settings(place: &Place, b: &KafkaCluster) {
    let running = begin(place, b, &["--max-rate", "512KiB"]);
    let bootstrap = b.bootstrap();
    let state = place.state.display().to_string();
    let finish = ["restore", "--finish", "--bootstrap-servers", &bootstrap];
    let finish = [&finish[..], &["--state", &state, "--yes", "--json"]].concat();
    // not while it runs
    let run = place.program.run(&finish).unwrap().expect_code(3).unwrap();
    let told = run.json().unwrap()["restores"][0]["skipped"].to_string();
    assert!(told.contains("somebody else works on"), "{told}");
    running.signal(Signal::SIGKILL).unwrap();
    running.wait().unwrap();

    let run = place.program.run(&finish).unwrap().expect_code(0).unwrap();
    let done = run.json().unwrap();
    assert_eq!(done["restores"][0]["given_up"], true, "{done:#}");
    let topics = b.oracle().topics().unwrap();
    let empty = topics.iter().find(|it| it.name == "empty").unwrap();
    assert_eq!(empty.configs["segment.bytes"], "2000000");
    assert!(!empty.configs.contains_key("segment.ms"), "{empty:?}");
    let run = place.program.run(&finish).unwrap().expect_code(0).unwrap();
    assert_eq!(run.json().unwrap()["restores"], serde_json::json!([]));
    let journal = place.journal().unwrap().display().to_string();
    let run = place.run(&["--resume", "--journal", &journal]);
    let run = run.expect_code(2).unwrap();
    assert!(run.stderr.contains("given up"), "{}", run.stderr);
}

#[test]
fn rule_9_records_that_are_spread_over_other_partitions_are_there_once_whenever_it_is_killed() {
    let mut scene = Scene::new();
    saved(&mut scene);
    let b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);
    let flags = ["latest", "--repartition", "5", "--repartition", "single=1"];
    let slowly = [&flags[..], &["--max-rate", RATE]].concat();
    let all = ReadOptions::default();
    place.run(&flags).expect_code(0).unwrap();
    let undisturbed = b.oracle().read(&all).unwrap();
    clear(&b, &place.state);

    let seed = SEED + 5;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut there = 0;
    for round in 0..rounds(4, 20) {
        let delay = Duration::from_millis(random.between(0, 3_000));
        kill(&place, place.spawn(&slowly), Some("prepared"), delay);
        if random.between(0, 1) == 1 {
            let delay = Duration::from_millis(random.between(0, 5_000));
            let resumed = ["--resume", "--max-rate", RATE];
            kill(&place, place.spawn(&resumed), None, delay);
        }
        let run = go_on(&place).json().unwrap();
        let found = run["resumed"]["records"].as_u64().unwrap_or(0);
        there += usize::from(found > 0);
        println!("{round}: {delay:?}, {found} were there");
        let now = b.oracle().read(&all).unwrap();
        let different = undisturbed.differences(&now);
        assert_eq!(different, Vec::<String>::new(), "{round}");
        clear(&b, &place.state);
    }
    assert!(there > 0, "nobody was killed while it wrote");
}

#[test]
fn what_the_target_was_away_for_is_gone_on_with_and_nothing_is_lost_or_there_twice() {
    let mut scene = Scene::new();
    let original = saved(&mut scene);
    let mut b = forgetful().start().unwrap();
    let place = Place::new(&scene, &b);
    let flags = ["--max-rate", "512KiB", "--retry-deadline", "5s"];
    let running = begin(&place, &b, &flags);
    b.kill_broker(0).unwrap();
    let killed = Instant::now();
    let stopped = running.wait().unwrap();
    println!("stopped after {:?}", killed.elapsed());
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    let told = &stopped.stderr;
    assert!(told.contains("not written to their end"), "{told}");
    assert!(!told.contains("for 0 s"), "{told}");
    assert!(hint(&stopped).contains("--resume"), "{told}");
    b.start_broker(0).unwrap();
    let run = go_on(&place).json().unwrap();
    assert!(run["resumed"]["records"].as_u64() > Some(0), "{run:#}");
    assert_equal(&original, &b, "in the end");
}

/// Brokers that die while it is written, and, every other time, the restore right after them.
#[test]
fn rule_7_brokers_die_at_any_moment_and_the_restore_too_and_everything_is_there_once() {
    let mut scene = Scene::new();
    let original = saved(&mut scene);
    // three replicas of each: what the leader has, the others may not have yet
    let mut b = forgetful().brokers(3).heap_megabytes(320).start().unwrap();
    let place = Place::new(&scene, &b);
    let seed = SEED + 7;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut there = 0;
    for round in 0..rounds(2, 15) {
        let running = place.spawn(&["latest", "--max-rate", "512KiB"]);
        wait_until(&running, LIMIT, "writing", || place.has("prepared"));
        thread::sleep(Duration::from_millis(random.between(0, 6_000)));
        // the one that leads most, or any
        let index = match random.between(0, 1) {
            0 => b.leads_most().unwrap(),
            _ => usize::try_from(random.between(0, 2)).unwrap(),
        };
        b.kill_broker(index).unwrap();
        let away = Duration::from_millis(random.between(200, 3_000));
        thread::sleep(away);
        let killed = round % 2 == 0;
        if killed {
            running.signal(Signal::SIGKILL).unwrap();
            running.wait().unwrap();
            b.start_broker(index).unwrap();
            let run = go_on(&place).json().unwrap();
            let found = run["resumed"]["records"].as_u64().unwrap_or(0);
            there += usize::from(found > 0);
        } else {
            b.start_broker(index).unwrap();
            running.wait().unwrap().expect_code(0).unwrap();
        }
        println!("{round}: broker {index} away for {away:?}, restore killed {killed}");
        assert_equal(&original, &b, "in the end");
        clear(&b, &place.state);
    }
    assert!(there > 0, "nobody was killed while it wrote");
}
