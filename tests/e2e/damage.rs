//! Damage is found, named and never passed on: whatever happens to a byte, a file or two of a repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

use lifeboat_tests::{Message, Program, Random, ReadOptions, Run, Scratch, TestContext, rounds};
use serde_json::Value;

use crate::lifeboat::{backup, init, verify};

const SEED: u64 = 0xDA3A_6E00;
const README: &str = "README.txt";
const ROOT: &str = "lifeboat.json";
/// Two cores.
const AT_ONCE: usize = 2;
/// A run over so little takes some hundredths of a second.
const HANGS: Duration = Duration::from_secs(30);

/// A repository that is never changed; tests change copies of it.
struct Original {
    scratch: Scratch,
    /// Paths below the repository, in order.
    objects: Vec<String>,
}

/// A copy to be damaged.
struct Copy {
    folder: PathBuf,
    program: Program,
}

/// A small repository, from a real backup: every object of one snapshot.
fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let mut context = TestContext::new().unwrap();
        let program = context.program().unwrap();
        let a = context.a().unwrap();
        let workload = a.workload();
        let mut random = Random::new(SEED);
        workload.create_topic("orders", 2, &[]).unwrap();
        workload
            .create_topic("payments", 1, &[("retention.ms", "-1")])
            .unwrap();
        workload.create_topic("empty", 1, &[]).unwrap();
        let mut message = |topic: &str, partition| Message {
            // can't be compressed: most of the archive is data
            key: Some(random.bytes(8)),
            value: Some(random.bytes(40)),
            headers: vec![("trace".to_owned(), Some(random.bytes(4)))],
            ..Message::text(topic, partition, "")
        };
        let orders: Vec<_> = (0..30).map(|n| message("orders", n % 2)).collect();
        let payments: Vec<_> = (0..10).map(|_| message("payments", 0)).collect();
        workload
            .produce(&[("compression.type", "lz4")], &orders)
            .unwrap();
        let transactional = [("transactional.id", "payer")];
        workload.produce(&transactional, &payments).unwrap();
        workload
            .commit("billing", &[("orders", 1, 7, "seven")])
            .unwrap();

        let scratch = Scratch::new("damage").unwrap();
        let repository = scratch.join("original");
        let url = repository.display().to_string();
        init(&program, &url);
        backup(&program, &url, &a.bootstrap(), &[]);
        verify(&program, &url);
        let mut objects = Vec::new();
        list(&repository, "", &mut objects);
        objects.sort();
        // README, root, commit, manifest, lists, documents, archive
        assert_eq!(objects.len(), 7, "{objects:?}");
        Original { scratch, objects }
    })
}

fn list(folder: &Path, below: &str, objects: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{name}/"), objects);
        } else {
            objects.push(name);
        }
    }
}

impl Original {
    fn folder(&self) -> PathBuf {
        self.scratch.join("original")
    }

    fn read(&self, object: &str) -> Vec<u8> {
        fs::read(self.folder().join(object)).unwrap()
    }

    fn copy(&self, name: &str) -> Copy {
        let folder = self.scratch.join(name);
        for object in &self.objects {
            let path = folder.join(object);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.read(object)).unwrap();
        }
        Copy {
            folder,
            program: Program::built().unwrap(),
        }
    }

    /// The object of this kind: `archive` of `…/data/…` and so on.
    fn object(&self, folder: &str) -> &str {
        let infix = format!("/{folder}/");
        self.objects
            .iter()
            .find(|object| object.contains(&infix))
            .unwrap()
    }

    /// Every segment, as the list has it, read with stock tools.
    fn segments(&self) -> Vec<Value> {
        let output = Command::new("zstd")
            .arg("-dc")
            .arg(self.folder().join(self.object("lists")))
            .output()
            .unwrap();
        assert!(output.status.success());
        serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter::<Value>()
            .flat_map(|list| list.unwrap()["partitions"].as_array().unwrap().clone())
            .flat_map(|partition| partition["segments"].as_array().unwrap().clone())
            .map(|segment| segment["entry"].clone())
            .collect()
    }
}

impl Copy {
    fn write(&self, object: &str, bytes: &[u8]) {
        fs::write(self.folder.join(object), bytes).unwrap();
    }

    /// Whatever is damaged: it ends, in good order.
    fn run(&self, verb: &str) -> Run {
        let url = self.folder.display().to_string();
        let mut arguments = vec![verb, "--repository", &url];
        if !["snapshots", "check"].contains(&verb) {
            arguments.push("latest");
        }
        if verb == "verify" {
            arguments.push("--no-store");
        }
        let run = self.program.run(&arguments).unwrap();
        let known = [0, 1, 10, 14, 20].map(Some).contains(&run.code);
        let calm = !run.stderr.contains("panicked") && run.elapsed < HANGS;
        assert!(known && calm, "{verb}: {run:?}");
        run
    }

    /// Verifies: the damage must be found, and one of `objects` be named.
    fn must_be_found(&self, objects: &[&str], what: &str) {
        let run = self.run("verify");
        let said = format!("{}{}", run.stdout, run.stderr);
        let found = match run.code {
            Some(20) => true,
            // where the version is what was hit, or all that there is at the root
            Some(14) => objects.iter().any(|object| is_root(object)),
            Some(10) => objects.contains(&ROOT),
            _ => false,
        };
        assert!(found, "{what}: {run:?}");
        assert!(
            objects.iter().any(|object| said.contains(object)),
            "{what}: {run:?}"
        );
    }

    /// Checks: without reading what is inside, it is seen by the name or the size.
    fn must_be_seen(&self, object: &str, what: &str) {
        let run = self.run("check");
        // all that there is at the root
        let code = if object == ROOT { [10, 20] } else { [20, 20] };
        assert!(code.map(Some).contains(&run.code), "{what}: {run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(object), "{what}: {run:?}");
    }

    /// Verifies: the snapshot is as good as before.
    fn must_be_sound(&self, what: &str) {
        let run = self.run("verify");
        assert_eq!(run.code, Some(0), "{what}: {run:?}");
    }
}

/// Nothing else holds its hash: what it says of its own version comes first.
fn is_root(object: &str) -> bool {
    object == ROOT || object.contains("/commits/")
}

#[test]
fn every_flipped_byte_is_found_or_harmless() {
    let original = original();
    println!("seed {SEED:#x}");
    let mut random = Random::new(SEED);
    let mut flips = Vec::new();
    for object in &original.objects {
        let bytes = original.read(object);
        // so many in each object: the small ones matter as much as the large
        let many = if object == README { 4 } else { 70 };
        for at in random.sample(rounds(many, usize::MAX), bytes.len()) {
            let mask = u8::try_from(random.between(1, 255)).unwrap();
            flips.push((object.as_str(), at, mask));
        }
    }
    println!("{} flips", flips.len());
    let flips = &flips;
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            scope.spawn(move || {
                let copy = original.copy(&format!("flips-{worker}"));
                for (object, at, mask) in flips.iter().skip(worker).step_by(AT_ONCE) {
                    let mut bytes = original.read(object);
                    bytes[*at] ^= mask;
                    copy.write(object, &bytes);
                    let what = format!("{object}, byte {at} ^ {mask:#04x}");
                    if *object == README {
                        // words for people: nothing is read from it
                        copy.must_be_sound(&what);
                    } else {
                        copy.must_be_found(&[object], &what);
                    }
                    copy.write(object, &original.read(object));
                }
                copy.must_be_sound("all put back");
            });
        }
    });
}

#[test]
fn what_is_cut_off_lost_or_exchanged_is_found_and_named() {
    let original = original();
    let copy = original.copy("files");
    for object in original.objects.iter().filter(|object| *object != README) {
        let bytes = original.read(object);
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            copy.write(object, &bytes[..length]);
            copy.must_be_found(&[object], &format!("{object} cut to {length} bytes"));
            copy.must_be_seen(object, &format!("{object} cut to {length} bytes"));
            for verb in ["snapshots", "show"] {
                copy.run(verb);
            }
        }
        fs::remove_file(copy.folder.join(object)).unwrap();
        if object.contains("/commits/") {
            // no snapshot was ever there, as far as anybody can tell
            let run = copy.run("verify");
            assert_eq!(run.code, Some(1), "{run:?}");
            assert!(run.stderr.contains("no snapshot"), "{}", run.stderr);
            // but what it led to is not forgotten
            let run = copy.run("check");
            assert_eq!(run.code, Some(0), "{run:?}");
            assert!(
                run.stdout.contains("part of no snapshot: 4 objects"),
                "{run:?}"
            );
        } else if object == ROOT {
            let run = copy.run("verify");
            assert_eq!(run.code, Some(10), "{run:?}");
        } else {
            copy.must_be_found(&[object], &format!("{object} is gone"));
            copy.must_be_seen(object, &format!("{object} is gone"));
        }
        copy.run("show");
        copy.write(object, &bytes);
    }
    for (index, one) in original.objects.iter().enumerate() {
        for other in &original.objects[index + 1..] {
            copy.write(one, &original.read(other));
            copy.write(other, &original.read(one));
            copy.must_be_found(&[one, other], &format!("{one} for {other}"));
            copy.write(one, &original.read(one));
            copy.write(other, &original.read(other));
        }
    }
    copy.must_be_sound("all put back");
}

#[test]
fn a_restore_stops_at_damage_names_it_and_writes_nothing_of_the_damaged_segment() {
    let original = original();
    let copy = original.copy("restored");
    let archive = original.object("data");
    let segments = original.segments();
    assert_eq!(segments.len(), 3, "{segments:?}");
    let damaged = &segments[1];
    let topic = damaged["topic"].as_str().unwrap();
    let partition = damaged["partition"].as_i64().unwrap();
    let field = |name: &str| usize::try_from(damaged[name].as_u64().unwrap()).unwrap();
    let mut bytes = original.read(archive);
    // behind the tar header, in the data
    bytes[field("position") + field("length") * 2 / 3] ^= 0x10;
    copy.write(archive, &bytes);

    let mut context = TestContext::new().unwrap();
    let state = context.scratch().join("state").display().to_string();
    let b = context.b().unwrap();
    let run = copy
        .program
        .run(&[
            "restore",
            "latest",
            "--repository",
            copy.folder.to_str().unwrap(),
            "--bootstrap-servers",
            &b.bootstrap(),
            "--state",
            &state,
            "--yes",
        ])
        .unwrap()
        .expect_code(20)
        .unwrap();
    for named in [archive, &format!("{topic}-{partition}"), "hint: "] {
        assert!(run.stderr.contains(named), "{named}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let written = b.oracle().read(&ReadOptions::default()).unwrap();
    let partition = i32::try_from(partition).unwrap();
    let of_damaged = written.partition(topic, partition).unwrap();
    assert_eq!(of_damaged.records, 0, "{written:?}");
    // nor does it look finished: the groups come last
    assert_eq!(b.oracle().groups().unwrap().len(), 0);
}
