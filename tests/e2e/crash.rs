//! A backup that does not come to its end leaves nothing behind that looks like a snapshot and is none.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{
    Bulk, Message, Program, Random, Run, Running, Signal, TestContext, Workload, files_below,
    rounds,
};

use serde_json::json;

use crate::lifeboat::{backup, init, verify, verify_all};

const SEED: u64 = 0xC4A5;
/// Nothing is new between two of these backups, and there must be much to read.
const FULL: [&str; 2] = ["--kind", "full"];
/// A file that is being written has a name that no object has.
const STAGED: char = '#';

/// A repository, a cluster with so much in it that a backup takes a while, and what was checked.
struct Place {
    program: Program,
    folder: PathBuf,
    bootstrap: String,
    /// The cluster's folder in the repository.
    cluster: PathBuf,
    verified: BTreeSet<String>,
    intact: BTreeSet<PathBuf>,
}

/// The parts of a backup, as the file system shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connecting, planning, bounds.
    Before,
    /// Archives.
    Data,
    /// Documents, lists, manifest, commit.
    After,
}

/// How long each took when nobody disturbed it.
#[derive(Debug)]
struct Measured {
    before: Duration,
    data: Duration,
    after: Duration,
}

impl Measured {
    fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Before => self.before,
            Phase::Data => self.data,
            Phase::After => self.after,
        }
    }
}

fn fill(workload: &Workload, stored_bytes: u64) {
    let bulk = Bulk {
        stored_bytes,
        ..Bulk::orders("orders")
    };
    workload.bulk(&bulk).unwrap();
    workload
        .commit("billing", &[("orders", 1, 7, "seven")])
        .unwrap();
}

fn is_staged(file: &Path) -> bool {
    file.to_string_lossy().contains(STAGED)
}

impl Place {
    /// With one snapshot in it.
    fn new(program: Program, folder: PathBuf, bootstrap: String, cluster: &str) -> Self {
        let cluster = folder.join(cluster);
        let url = folder.display().to_string();
        init(&program, &url);
        let mut place = Self {
            program,
            folder,
            bootstrap,
            cluster,
            verified: BTreeSet::new(),
            intact: BTreeSet::new(),
        };
        place.back_up(&[]);
        assert_eq!(place.check(), 1);
        place
    }

    fn url(&self) -> String {
        self.folder.display().to_string()
    }

    fn back_up(&self, more: &[&str]) {
        let arguments = [&FULL[..], more].concat();
        backup(&self.program, &self.url(), &self.bootstrap, &arguments);
    }

    fn spawn(&self, more: &[&str]) -> Running {
        let url = self.url();
        let mut arguments = vec!["backup", "--repository", &url];
        arguments.extend(["--bootstrap-servers", &self.bootstrap]);
        arguments.extend(FULL);
        arguments.extend(more);
        self.program.spawn(&arguments).unwrap()
    }

    fn count(&self, folder: &str) -> usize {
        files_below(&self.cluster.join(folder)).len()
    }

    /// Waits until `phase` of a run has begun; `before` is what the folders held then.
    fn wait_for(&self, phase: Phase, before: (usize, usize), running: &Running) {
        while !running.has_ended() {
            let begun = match phase {
                Phase::Before => true,
                Phase::Data => self.count("data") > before.0,
                Phase::After => self.count("metadata") > before.1,
            };
            if begun {
                return;
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.count("data"), self.count("metadata"))
    }

    fn measure(&self) -> Measured {
        let before = self.counts();
        let begun = Instant::now();
        let running = self.spawn(&[]);
        self.wait_for(Phase::Data, before, &running);
        let data = begun.elapsed();
        self.wait_for(Phase::After, before, &running);
        let after = begun.elapsed();
        running.wait().unwrap().expect_code(0).unwrap();
        Measured {
            before: data,
            data: after.saturating_sub(data),
            after: begun.elapsed().saturating_sub(after),
        }
    }

    /// Nothing that a snapshot needs is missing, and whatever else a killed run has left is found.
    fn check_repository(&self) {
        let run = ["check", "--repository", &self.url(), "--json"];
        let checked = self.program.run(&run).unwrap().expect_code(0).unwrap();
        let checked = checked.json().unwrap();
        let told = checked["clusters"].as_array().unwrap().iter();
        let told = told.map(|cluster| {
            assert_eq!(cluster["findings"], json!([]), "{checked:#}");
            let orphans = cluster["orphans"].as_array().unwrap().len() as u64;
            cluster["objects"].as_u64().unwrap() + orphans
        });
        let there = files_below(&self.cluster);
        let there = there.iter().filter(|file| !is_staged(file)).count();
        assert_eq!(told.sum::<u64>(), there as u64, "{checked:#}");
    }

    /// Every snapshot that is listed is whole, and so is every object; the number of snapshots.
    fn check(&mut self) -> usize {
        let url = self.url();
        verify_all(&self.program, &url, &mut self.verified);
        self.check_repository();
        // an object has its name when it is whole, named by a snapshot or not
        for file in files_below(&self.cluster) {
            let compressed = file.extension().is_some_and(|ending| ending == "zst");
            if is_staged(&file) || !compressed || !self.intact.insert(file.clone()) {
                continue;
            }
            let tested = Command::new("zstd").arg("-tq").arg(&file).status().unwrap();
            assert!(tested.success(), "{}", file.display());
        }
        self.verified.len()
    }
}

/// One sentence, a hint, and nothing else that frightens.
fn assert_clear(run: &Run, sentence: &str) {
    let errors: Vec<_> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{}", run.stderr);
    assert!(errors[0].contains(sentence), "{}", run.stderr);
    assert_eq!(run.stderr.matches("  hint: ").count(), 1, "{}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn a_backup_killed_at_any_moment_leaves_only_whole_snapshots() {
    let mut context = TestContext::new().unwrap();
    let (program, folder) = (context.program().unwrap(), context.repository());
    let a = context.a().unwrap();
    fill(&a.workload(), 24 << 20);
    let mut place = Place::new(program, folder, a.bootstrap(), a.cluster_id());
    let measured = place.measure();
    println!("seed {SEED:#x}, {measured:?}");

    let kills = rounds(12, 50).max(5);
    let at_the_ends = kills.div_ceil(5);
    let wanted = [
        (Phase::Before, at_the_ends),
        (Phase::Data, kills - 2 * at_the_ends),
        (Phase::After, at_the_ends),
    ];
    let (mut random, mut staged) = (Random::new(SEED), 0);
    for (phase, wanted) in wanted {
        let mut length = u64::try_from(measured.of(phase).as_micros()).unwrap();
        let (mut killed, mut rounds) = (0, 0);
        while killed < wanted {
            rounds += 1;
            assert!(
                rounds <= 5 * wanted,
                "{killed} killed of {wanted}: {phase:?}"
            );
            let delay = Duration::from_micros(random.between(0, length));
            let (before, had) = (place.counts(), place.verified.len());
            let running = place.spawn(&[]);
            place.wait_for(phase, before, &running);
            thread::sleep(delay);
            running.signal(Signal::SIGKILL).unwrap();
            let run = running.wait().unwrap();
            let has = place.check();
            println!("{phase:?} + {delay:?}: {:?}, {has} snapshots", run.signal);
            assert!([had, had + 1].contains(&has), "{had} {has}");
            match run.code {
                // it was faster than the measured one: the machine was busy then
                Some(code) => {
                    assert!(code == 0 && has == had + 1, "{run:?}");
                    length = u64::try_from(delay.as_micros()).unwrap();
                }
                None => killed += 1,
            }
            let left = files_below(&place.cluster);
            staged += usize::from(left.iter().any(|file| is_staged(file)));
        }
    }
    assert!(staged > 0, "nobody was killed while it wrote");

    let had = place.verified.len();
    place.back_up(&[]);
    assert_eq!(place.check(), had + 1);
    verify(&place.program, &place.url());
}

#[test]
fn a_backup_that_is_stopped_says_so_commits_nothing_and_clears_away() {
    let mut context = TestContext::new().unwrap();
    let (program, folder) = (context.program().unwrap(), context.repository());
    let a = context.a().unwrap();
    fill(&a.workload(), 24 << 20);
    let mut place = Place::new(program, folder, a.bootstrap(), a.cluster_id());
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let before = place.counts();
        let running = place.spawn(&[]);
        place.wait_for(Phase::Data, before, &running);
        running.signal(signal).unwrap();
        let run = running.wait().unwrap().expect_code(code).unwrap();
        assert_clear(&run, "interrupted");
        assert_eq!(place.check(), 1);
        let left: Vec<_> = files_below(&place.cluster)
            .into_iter()
            .filter(|file| is_staged(file))
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "{}", run.stderr);
    }
    place.back_up(&[]);
    assert_eq!(place.check(), 2);
}

/// A small file system in memory; it goes with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let disk = Self(folder);
        disk.tool("mount", &["-t", "tmpfs", "-o", "size=16m", "lifeboat-test"]);
        disk
    }

    /// Leaves so many free pages.
    fn leave_free(&self, pages: u64) {
        let said = self.tool("stat", &["--file-system", "--format", "%S %b %f"]);
        let numbers: Vec<u64> = said
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let size = (numbers[1] - numbers[2] + pages) * numbers[0];
        self.tool("mount", &["-o", &format!("remount,size={size}")]);
    }

    fn tool(&self, tool: &str, arguments: &[&str]) -> String {
        let output = Command::new(tool)
            .args(arguments)
            .arg(&self.0)
            .output()
            .unwrap();
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "a small disk takes root: {problem}"
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // at once, whoever still looks into it
        let mut unmount = Command::new("umount");
        drop(unmount.arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_is_told_in_a_sentence_and_the_next_run_works() {
    let mut context = TestContext::new().unwrap();
    let program = context.program().unwrap();
    let disk = SmallDisk::new(context.scratch().join("disk"));
    let a = context.a().unwrap();
    a.workload().create_topic("few", 1, &[]).unwrap();
    let few: Vec<_> = (0..20)
        .map(|n| Message::text("few", 0, &format!("value {n}")))
        .collect();
    a.workload().produce(&[], &few).unwrap();
    let folder = disk.0.join("repository");
    let mut place = Place::new(program, folder, a.bootstrap(), a.cluster_id());

    // archive, documents, lists, manifest, commit: a page each, so that it ends in another place each time
    let mut refused = 0;
    for pages in 0.. {
        disk.leave_free(pages);
        let run = place.spawn(&[]).wait().unwrap();
        if run.code == Some(0) {
            break;
        }
        let run = run.expect_code(1).unwrap();
        assert_clear(&run, "the store is full");
        assert!(run.stderr.contains("hint: make room"), "{}", run.stderr);
        assert_eq!(place.check(), 1);
        refused += 1;
        assert!(refused < 50);
    }
    assert!(refused >= 5, "{refused}");
    assert_eq!(place.check(), 2);

    // and in the middle of much data
    fill(&a.workload(), 12 << 20);
    disk.leave_free(512);
    let run = place.spawn(&[]).wait().unwrap().expect_code(1).unwrap();
    assert_clear(&run, "the store is full");
    assert_eq!(place.check(), 2);
    disk.leave_free(16 << 10);
    place.back_up(&[]);
    assert_eq!(place.check(), 3);
}
