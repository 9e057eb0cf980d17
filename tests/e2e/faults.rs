//! A store that fails in every way that stores fail: what is listed is whole, and what did not work is said.

use std::{collections::BTreeSet, thread, time::Duration};

use lifeboat_tests::{
    Bulk, FaultProxy, Loss, Message, MinIo, Program, Random, Run, Running, Signal, Storm,
    TestContext, Weather, rounds,
};
use serde_json::{Value, json};

use crate::{
    lifeboat::{backup, init, run_restore, verify_all, wait_until},
    roundtrip::differences,
    stores::with_keys,
};

const BUCKET: &str = "kafka-backups";
const URL: &str = "s3://kafka-backups/prod";
const SEED: u64 = 0xFA17;

/// Something that writes to a repository: how, and what happens in the cluster before.
struct Verb {
    name: &'static str,
    /// What happens once, before it is run until it completes.
    prepare: fn(&mut Place),
    before: fn(&mut Place),
    arguments: fn(&Place) -> Vec<String>,
    /// How many snapshots there are once it completes, where there were so many.
    complete: fn(usize) -> usize,
}

const BACKUPS: [Verb; 2] = [
    Verb {
        name: "full backup",
        prepare: |_| (),
        before: |_| (),
        arguments: |place| {
            let mut arguments = place.backup_arguments();
            arguments.extend(["--kind", "full"].map(str::to_owned));
            arguments
        },
        complete: |had| had + 1,
    },
    Verb {
        name: "incremental backup",
        prepare: |_| (),
        before: |place| {
            let one = Message::text("few", 1, "one more");
            let workload = place.context.a().unwrap().workload();
            workload.produce(&[], &[one]).unwrap();
        },
        arguments: Place::backup_arguments,
        complete: |had| had + 1,
    },
];

/// From a folder with one snapshot, into a new repository each time.
const COPY: Verb = Verb {
    name: "copy",
    prepare: Place::begin_elsewhere,
    before: |_| (),
    arguments: |place| {
        let first = place.first_site();
        let arguments = ["copy", "--repository", &first, "--to", &place.url];
        arguments.map(str::to_owned).to_vec()
    },
    complete: |_| 1,
};

/// A cluster with little in it, and a repository in a store that fails.
struct Place {
    context: TestContext,
    store: MinIo,
    proxy: FaultProxy,
    /// Speaks to the store itself.
    direct: Program,
    /// Speaks to it through the proxy.
    program: Program,
    bootstrap: String,
    verified: BTreeSet<String>,
    /// The repository that is checked.
    url: String,
    /// How many there were before it.
    sites: usize,
}

impl Place {
    fn new() -> Self {
        let mut context = TestContext::new().unwrap();
        let store = MinIo::start().unwrap();
        store.make_bucket(BUCKET).unwrap();
        let proxy = FaultProxy::before(&store).unwrap();
        let keys = MinIo::root_keys();
        let built = context.program().unwrap();
        let direct = with_keys(&built, &store, &keys);
        let environment = proxy.environment(&store, &keys);
        let set = |program: Program, (name, value)| program.env(name, value);
        let program = environment.into_iter().fold(built, set);
        let workload = context.a().unwrap().workload();
        workload.create_topic("few", 2, &[]).unwrap();
        let few: Vec<_> = (0..20)
            .map(|n| Message::text("few", n % 2, &format!("value {n}")))
            .collect();
        workload.produce(&[], &few).unwrap();
        workload
            .commit("billing", &[("few", 1, 7, "seven")])
            .unwrap();
        let bootstrap = context.a().unwrap().bootstrap();
        let init = ["init", "--repository", URL];
        direct.run(&init).unwrap().expect_code(0).unwrap();
        Self {
            context,
            store,
            proxy,
            direct,
            program,
            bootstrap,
            verified: BTreeSet::new(),
            url: URL.to_owned(),
            sites: 0,
        }
    }

    fn first_site(&self) -> String {
        self.context.repository_url()
    }

    /// From now on with another repository, in which there is nothing.
    fn begin_elsewhere(&mut self) {
        self.sites += 1;
        self.url = format!("{URL}-{}", self.sites);
        self.verified.clear();
        self.proxy.change(Weather::Calm);
        init(&self.direct, &self.url);
    }

    fn backup_arguments(&self) -> Vec<String> {
        let bootstrap = self.bootstrap.as_str();
        [
            "backup",
            "--repository",
            URL,
            "--bootstrap-servers",
            bootstrap,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// For whoever looks into the log.
    fn told(&self, what: &str, run: &Run) -> String {
        let asked = self.proxy.operations().len();
        let (code, elapsed, lost) = (run.code, run.elapsed, self.proxy.lost());
        format!("{what}: {code:?} in {elapsed:?}, {lost} lost of {asked}")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.direct.run(arguments).unwrap();
        run.expect_code(0).unwrap().json().unwrap()
    }

    /// Every snapshot that is listed is whole, and whatever else there is was left by runs that failed; the number of
    /// snapshots.
    fn check(&mut self) -> usize {
        self.proxy.change(Weather::Calm);
        let url = self.url.clone();
        verify_all(&self.direct, &url, &mut self.verified);
        let checked = self.json(&["check", "--repository", &url, "--json"]);
        let mut told = 0;
        for cluster in checked["clusters"].as_array().unwrap() {
            assert_eq!(cluster["findings"], json!([]), "{checked:#}");
            told += cluster["objects"].as_u64().unwrap();
            told += cluster["orphans"].as_array().unwrap().len() as u64;
        }
        let folder = url.strip_prefix("s3://kafka-backups").unwrap();
        let folder = format!("{}/", folder.trim_start_matches('/'));
        let there = self.store.objects(BUCKET).unwrap();
        let there = there.iter().filter_map(|name| name.strip_prefix(&folder));
        let there = there.filter(|name| !["lifeboat.json", "README.txt"].contains(name));
        assert_eq!(told, there.count() as u64, "{checked:#}");
        self.verified.len()
    }

    /// What an undisturbed run of a verb asks of the store, once that no longer grows with the number of snapshots.
    fn measure(&mut self, verb: &Verb) -> Vec<String> {
        let mut operations = Vec::new();
        for _ in 0..12 {
            (verb.prepare)(self);
            let run = self.run_in(verb, &Weather::Calm);
            run.expect_code(0).unwrap();
            let asked = self.proxy.operations();
            self.check();
            if asked.len() == operations.len() {
                return asked;
            }
            operations = asked;
        }
        panic!("each run asks for more than the last one: {operations:#?}")
    }

    /// One run in such weather, and where the store stopped another one that completes.
    /// Tells what happened.
    fn sweep(&mut self, verb: &Verb, weather: &Weather) -> String {
        (verb.prepare)(self);
        let had = self.verified.len();
        let run = self.run_in(verb, weather);
        let (asked, lost) = (self.proxy.operations(), self.proxy.lost());
        let has = self.check();
        let (Weather::Stops(at, loss) | Weather::Once(at, loss)) = *weather else {
            panic!("{weather:?} is no loss of one operation")
        };
        let operation = asked.get(at).cloned().unwrap_or_default();
        let told = format!("{weather:?} {operation}: {:?} {:?}", run.code, run.signal);
        if matches!(weather, Weather::Once(..)) {
            let complete = (verb.complete)(had);
            assert_eq!((lost, has), (1, complete), "{told}: {run:?}");
            run.expect_code(0).unwrap();
            return told;
        }
        let committed = run.code == Some(0) || commits(&operation, loss);
        assert_eq!(has, had + usize::from(committed), "{told}: {run:?}");
        // what it has left does not stand in the way
        let next = self.run_in(verb, &Weather::Calm);
        next.expect_code(0).unwrap();
        let complete = (verb.complete)(has);
        assert_eq!(self.check(), complete, "{told}");
        told
    }

    /// A sample of all that may happen to a run of the verb.
    fn sample(&mut self, verb: &Verb) -> (String, Vec<Weather>) {
        let operations = self.measure(verb);
        let all = everything(operations.len());
        let wanted = rounds(12, all.len());
        let mut chosen = Random::new(SEED).sample(wanted, all.len());
        chosen.extend((0..all.len()).filter(|&n| matters_most(&operations, &all[n])));
        chosen.sort_unstable();
        chosen.dedup();
        let (name, count) = (verb.name, chosen.len());
        let told = format!("{name}: seed {SEED:#x}, {count} of {}", all.len());
        (told, chosen.into_iter().map(|n| all[n].clone()).collect())
    }

    /// Runs a verb while an operation is lost; killed where nothing is done after it.
    fn run_in(&mut self, verb: &Verb, weather: &Weather) -> Run {
        (verb.before)(self);
        self.proxy.change(weather.clone());
        let running = self.program.spawn(&(verb.arguments)(self)).unwrap();
        let enough = match weather {
            // the one whose answer was lost, and the first that is not done
            Weather::Stops(_, Loss::Reply) => 2,
            Weather::Stops(_, Loss::Request) => 1,
            _ => usize::MAX,
        };
        while self.proxy.lost() < enough && !running.has_ended() {
            thread::sleep(Duration::from_millis(5));
        }
        if enough < usize::MAX {
            running.signal(Signal::SIGKILL).unwrap();
        }
        running.wait().unwrap()
    }
}

/// The commit is made, and then nobody is told of it.
fn commits(operation: &str, loss: Loss) -> bool {
    loss == Loss::Reply && operation.starts_with("PUT ") && operation.contains("/commits/")
}

/// What may happen to an operation.
fn everything(operations: usize) -> Vec<Weather> {
    let each = |at| {
        let losses = [Loss::Request, Loss::Reply].into_iter();
        losses.flat_map(move |loss| [Weather::Stops(at, loss), Weather::Once(at, loss)])
    };
    (0..operations).flat_map(each).collect()
}

/// The end of an upload and the commit are always among what is tried: those answers matter most.
fn matters_most(operations: &[String], weather: &Weather) -> bool {
    let Weather::Once(at, Loss::Reply) = weather else {
        return false;
    };
    let operation = &operations[*at];
    let ends = operation.starts_with("POST ") && operation.contains("uploadId=");
    ends || commits(operation, Loss::Reply)
}

#[test]
fn a_store_that_loses_an_operation_or_stops_at_it_leaves_whole_snapshots_whichever_it_is() {
    let mut place = Place::new();
    for verb in &BACKUPS {
        let (told, sample) = place.sample(verb);
        println!("{told}");
        for weather in sample {
            println!("{}", place.sweep(verb, &weather));
        }
    }
}

#[test]
fn a_copy_of_which_any_operation_is_lost_shows_whole_snapshots_only_and_the_next_one_completes_it()
{
    let mut place = Place::new();
    let first = place.first_site();
    init(&place.direct, &first);
    backup(&place.direct, &first, &place.bootstrap, &[]);
    let (told, sample) = place.sample(&COPY);
    println!("{told}");
    for weather in sample {
        println!("{}", place.sweep(&COPY, &weather));
    }
}

#[test]
fn an_init_of_which_any_operation_is_lost_makes_one_repository_that_is_told_as_made() {
    let store = MinIo::start().unwrap();
    store.make_bucket(BUCKET).unwrap();
    let proxy = FaultProxy::before(&store).unwrap();
    let environment = proxy.environment(&store, &MinIo::root_keys());
    let set = |program: Program, (name, value)| program.env(name, value);
    let program = environment.into_iter().fold(Program::built().unwrap(), set);
    let init = |n: usize, weather: Weather| {
        proxy.change(weather);
        let url = format!("s3://{BUCKET}/{n}");
        let made = program.run(&["init", "--repository", &url, "--json"]);
        let made = made.unwrap().expect_code(0).unwrap().json().unwrap();
        let operations = proxy.operations();
        proxy.change(Weather::Calm);
        let listed = program.run(&["snapshots", "--repository", &url]);
        listed.unwrap().expect_code(0).unwrap();
        (made, operations)
    };
    let (_, operations) = init(0, Weather::Calm);
    let all = operations.len();
    let is_root =
        |operation: &String| operation.starts_with("PUT ") && operation.ends_with("/lifeboat.json");
    let root = operations.iter().position(is_root).unwrap();
    let mut chosen = Random::new(SEED).sample(rounds(5, all), all);
    chosen.push(root);
    println!("seed {SEED:#x}, {} of {all}", chosen.len());
    let losses = [Loss::Request, Loss::Reply];
    let cases = chosen
        .into_iter()
        .flat_map(|at| losses.map(|loss| (at, loss)));
    for (n, (at, loss)) in cases.enumerate() {
        println!("{at} {loss:?} {}", operations[at]);
        let (made, _) = init(n + 1, Weather::Once(at, loss));
        assert_eq!(made["store"]["conditional_create"], true, "{made:#}");
    }
}

/// It worked, or it says what did not.
fn loud(run: &Run) -> bool {
    let said = run.stderr.lines().any(|line| line.starts_with("error: "));
    assert!(run.code == Some(0) || said, "{run:?}");
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    run.code == Some(0)
}

#[test]
fn through_a_storm_backups_and_restores_complete_or_fail_loudly_and_what_they_commit_verifies() {
    let mut place = Place::new();
    for round in 0..rounds(1, 20) {
        let storm = Storm {
            seed: SEED + round as u64,
            errors: 25,
            throttled: 30,
            delayed: 15,
            cut: 5,
            corrupted: 1,
        };
        println!("seed {:#x}", storm.seed);
        let had = place.verified.len();
        place.proxy.change(Weather::Storm(storm.clone()));
        let run = place.program.run(&place.backup_arguments()).unwrap();
        println!("{}", place.told("backup", &run));
        let done = loud(&run);
        let has = place.check();
        assert!(has == had + 1 || !done && has == had, "{run:?}");
        if has == 0 {
            continue;
        }

        place.proxy.change(Weather::Storm(storm));
        place.context.destroy_b();
        let state = place.context.scratch().join(format!("state-{round}"));
        let b = place.context.b().unwrap().bootstrap();
        let run = run_restore(&place.program, URL, &b, &state.display().to_string(), &[]);
        println!("{}", place.told("restore", &run));
        if loud(&run) {
            let (a, b) = place.context.both().unwrap();
            assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());
        }
    }
    assert!(place.check() > 0, "no backup came through");
}

/// Waits until the store is asked for something like this.
fn asked_for(place: &Place, running: &Running, what: &str) {
    let asked = || place.proxy.operations();
    let told = format!("asking for {what:?}");
    wait_until(running, Duration::from_secs(60), &told, || {
        asked().iter().any(|operation| operation.contains(what))
    });
}

#[test]
fn a_backup_waits_for_a_store_that_is_gone_for_a_while() {
    let mut place = Place::new();
    let load = Bulk {
        stored_bytes: 12 << 20,
        codec: "none".to_owned(),
        ..Bulk::orders("orders")
    };
    place.context.a().unwrap().workload().bulk(&load).unwrap();
    place.proxy.change(Weather::Calm);
    let mut arguments = place.backup_arguments();
    arguments.extend(["--max-rate", "4MiB", "--segment-size", "1MiB"].map(str::to_owned));
    let running = place.program.spawn(&arguments).unwrap();
    asked_for(&place, &running, "partNumber=1");
    place.proxy.change(Weather::Gone);
    thread::sleep(Duration::from_secs(15));
    assert!(!running.has_ended(), "{}", running.stderr());
    assert!(place.proxy.lost() > 0, "nothing was asked meanwhile");
    place.proxy.change(Weather::Calm);
    running.wait().unwrap().expect_code(0).unwrap();
    assert_eq!(place.check(), 1);
}
