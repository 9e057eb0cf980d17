//! What is encrypted: who backs up can't read it, whoever has an identity gets all of it back, and damage is found.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use lifeboat_tests::{
    Acl, AgeKey, KafkaCluster, Message, Program, Random, ReadOptions, Run, Scratch, Security,
    TestContext, rounds, segment_files,
};
use serde_json::Value;

use crate::{
    lifeboat::{backup, init},
    readable::files,
};

const SEED: u64 = 0xA6E0_5EA1;
const USER: (&str, &str) = ("alice", "0pen-sesame-of-alice");
/// What nobody may see who has no identity: a record's value and key, a header, what a group left, a principal.
const SECRETS: [&str; 5] = [
    "the-account-of-mrs-miller",
    "key-of-the-account",
    "header-of-the-account",
    "metadata-of-the-group",
    "principal-of-the-acl",
];
const RECORDS: usize = 600;

/// A repository with two snapshots, each encrypted to somebody else. It is not changed by the tests.
struct Original {
    scratch: Scratch,
    /// The first snapshot's, the second's, and nobody's.
    keys: [AgeKey; 3],
    snapshots: [String; 2],
    program: Program,
    cluster_id: String,
}

fn message(random: &mut Random, n: usize) -> Message {
    let (value, key, header) = (SECRETS[0], SECRETS[1], SECRETS[2]);
    // can hardly be compressed: several chunks of 64 KiB
    let noise = STANDARD.encode(random.bytes(1_000));
    Message {
        key: Some(format!("{key}-{n}").into_bytes()),
        value: Some(format!("{value} {n} {noise}").into_bytes()),
        headers: vec![("of".to_owned(), Some(header.as_bytes().to_vec()))],
        ..Message::text("accounts", i32::try_from(n % 2).unwrap(), "")
    }
}

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let scratch = Scratch::new("encryption").unwrap();
        let key = |name: &str| AgeKey::generate(scratch.join(name)).unwrap();
        let keys = [key("first"), key("second"), key("stranger")];
        let mut context = TestContext::new().unwrap();
        let program = context.program().unwrap();
        let wanted = KafkaCluster::builder()
            .security(Security::SaslPlaintext)
            .sasl_mechanisms(&["SCRAM-SHA-256"])
            .users(&[USER])
            .authorizer(true);
        let a = context.start_a(&wanted).unwrap();
        let mut random = Random::new(SEED);
        a.workload().create_topic("accounts", 2, &[]).unwrap();
        a.workload().create_topic("empty", 1, &[]).unwrap();
        let records: Vec<_> = (0..RECORDS).map(|n| message(&mut random, n)).collect();
        a.workload().produce(&[], &records).unwrap();
        let committed = [("accounts", 1, 7, SECRETS[3])];
        a.workload().commit("tellers", &committed).unwrap();
        let principal = format!("User:{}", SECRETS[4]);
        let acl = Acl::allow(&principal, "READ", "TOPIC", "accounts");
        a.alter_acls(&[acl], &[]).unwrap();

        // what the agent has: a file with the recipient, and nothing else
        let url = scratch.join("repository").display().to_string();
        init(&program, &url);
        let controllers = a.controllers();
        let mut snapshots = Vec::new();
        for key in &keys[..2] {
            let config = scratch.join("agent.yaml");
            let text = format!("encryption:\n  recipients: [{}]\n", key.recipient);
            fs::write(&config, text).unwrap();
            let config = config.display().to_string();
            let mut more = vec!["--config", &config, "--controllers", &controllers];
            // several chunks in each segment, several segments in each archive
            more.extend(["--segment-size", "256KiB", "--kind", "full"]);
            let report = backup(&program, &url, &a.admin_bootstrap(), &more);
            assert_eq!(report["encrypted_to"][0], key.recipient, "{report:#}");
            let snapshot = report["commit"]["snapshot"].as_str().unwrap();
            snapshots.push(snapshot.to_owned());
        }
        Original {
            keys,
            snapshots: snapshots.try_into().unwrap(),
            program,
            cluster_id: a.cluster_id().to_owned(),
            scratch,
        }
    })
}

impl Original {
    fn folder(&self) -> PathBuf {
        self.scratch.join("repository")
    }

    /// Archives, or documents (`metadata`), in the order in which they were written.
    fn sealed(&self, kind: &str) -> Vec<PathBuf> {
        let infix = format!("/{kind}/");
        let sealed = files(&self.folder(), ".tar.zst.age").into_iter();
        let of_kind: Vec<_> = sealed
            .filter(|path| path.display().to_string().contains(&infix))
            .collect();
        assert!(of_kind.len() >= 2, "{of_kind:?}");
        of_kind
    }

    /// The first of them that this key opens.
    fn sealed_to(&self, key: &AgeKey, kind: &str) -> PathBuf {
        let mut sealed = self.sealed(kind).into_iter();
        sealed.find(|path| key.decrypt(path).is_ok()).unwrap()
    }

    fn run(&self, verb: &str, more: &[&str]) -> Run {
        run(&self.program, &self.folder(), verb, more)
    }
}

fn run(program: &Program, folder: &Path, verb: &str, more: &[&str]) -> Run {
    let url = folder.display().to_string();
    let mut arguments = vec![verb, "--repository", &url];
    if verb == "verify" {
        arguments.push("--no-store");
    }
    arguments.extend(more);
    let run = program.run(&arguments).unwrap();
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    run
}

fn identity(key: &AgeKey) -> &str {
    key.identity.to_str().unwrap()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|window| window == text)
}

/// What a file holds to one who knows zstd, and tar where it is one.
fn unpacked(bytes: &[u8], folder: &Path) -> Vec<u8> {
    let path = folder.join("packed");
    fs::write(&path, bytes).unwrap();
    let zstd = Command::new("zstd")
        .arg("-dcq")
        .arg(&path)
        .output()
        .unwrap();
    zstd.stdout
}

#[test]
fn what_is_stored_for_recipients_holds_no_record_and_no_credential_that_anybody_else_could_read() {
    let original = original();
    let folder = original.scratch.join("looked-into");
    fs::create_dir_all(&folder).unwrap();
    let secrets = SECRETS.into_iter().chain([USER.1]);
    let secrets: Vec<_> = secrets.chain(["stored_key"]).collect();
    let mut looked_at = 0;
    for path in files(&original.folder(), "") {
        let stored = fs::read(&path).unwrap();
        if path.extension().is_some_and(|ending| ending == "age") {
            assert!(
                stored.starts_with(b"age-encryption.org/v1\n"),
                "{}",
                path.display()
            );
            assert!(unpacked(&stored, &folder).is_empty());
        }
        for bytes in [unpacked(&stored, &folder), stored] {
            looked_at += bytes.len();
            for secret in &secrets {
                assert!(!holds(&bytes, secret), "{secret} in {}", path.display());
            }
        }
    }
    assert!(looked_at > 500_000, "{looked_at}");
    // they would have been found: who has the identity does find them, and the password not even then
    let mut found = Vec::new();
    for path in original
        .sealed("data")
        .iter()
        .chain(&original.sealed("metadata"))
    {
        for key in &original.keys[..2] {
            if let Ok(opened) = key.decrypt(path) {
                found.extend(unpacked(&opened, &folder));
            }
        }
        // nor is it a matter of having any identity
        assert!(original.keys[2].decrypt(path).is_err());
    }
    for secret in SECRETS {
        assert!(holds(&found, secret), "{secret}");
    }
    assert!(!holds(&found, USER.1));
}

#[test]
fn without_an_identity_what_is_missing_is_named_and_the_rest_is_told() {
    let original = original();
    for (verb, told) in [
        ("snapshots", original.snapshots[0].as_str()),
        ("check", "2 snapshots"),
        (
            "show",
            "yes: groups, settings and ACLs are shown with --identity",
        ),
    ] {
        let run = original.run(verb, &[]).expect_code(0).unwrap();
        assert!(run.stdout.contains(told), "{verb}: {}", run.stdout);
    }
    let shown = original.run("show", &["--topics"]).expect_code(0).unwrap();
    assert!(shown.stdout.contains("accounts-1"), "{}", shown.stdout);

    let export = original.scratch.join("export").display().to_string();
    let other = original.keys[2].identity.display().to_string();
    let state = original.scratch.join("state").display().to_string();
    let nowhere = [
        "--bootstrap-servers",
        "localhost:1",
        "--yes",
        "--state",
        &state,
    ];
    let restore = [&["latest"][..], &nowhere].concat();
    let verbs: [(&str, &[&str]); 6] = [
        ("show", &["--groups"]),
        ("show", &["--acls"]),
        ("show", &["--export", &export]),
        ("diff", &["latest~1", "latest"]),
        ("restore", &restore),
        ("restore", &["latest", "--bootstrap-checkpoint", &export]),
    ];
    for (verb, more) in verbs {
        for (given, told) in [
            (None, "no identity was given that opens it"),
            (Some(&other), original.keys[2].recipient.as_str()),
        ] {
            let mut more = more.to_vec();
            more.extend(given.iter().flat_map(|file| ["--identity", file.as_str()]));
            let run = original.run(verb, &more).expect_code(2).unwrap();
            let said = &run.stderr;
            for part in [
                "/metadata/",
                "1 recipient (X25519)",
                told,
                "--identity FILE",
            ] {
                assert!(said.contains(part), "{verb} {more:?}: {part}: {said}");
            }
        }
    }
    assert!(
        !Path::new(&export).try_exists().unwrap(),
        "nothing was exported"
    );

    // what is stored can be verified by anybody: and it is said that no more was
    for given in [&[][..], &["--identity", &other]] {
        let run = original.run("verify", given).expect_code(21).unwrap();
        for told in [
            "NOT OPENED",
            "not verified",
            "by size and hash",
            "--identity FILE",
        ] {
            assert!(run.stdout.contains(told), "{told}: {}", run.stdout);
        }
        assert!(!run.stdout.contains("sound"), "{}", run.stdout);
    }
}

#[test]
fn each_snapshot_is_opened_by_the_identity_of_its_time_and_both_by_both() {
    let original = original();
    let [first, second] = [&original.keys[0], &original.keys[1]].map(identity);
    let [old, new] = original.snapshots.each_ref().map(String::as_str);
    for (snapshot, identities, code) in [
        (old, vec![first], 0),
        (new, vec![second], 0),
        (old, vec![second], 21),
        (new, vec![first], 21),
        (old, vec![second, first], 0),
        (new, vec![second, first], 0),
    ] {
        let mut more = vec![snapshot];
        more.extend(identities.iter().flat_map(|file| ["--identity", *file]));
        original.run("verify", &more).expect_code(code).unwrap();
    }
    let diff = [
        "latest~1",
        "latest",
        "--identity",
        first,
        "--identity",
        second,
    ];
    original.run("diff", &diff).expect_code(0).unwrap();

    // the variable holds a file or the identity itself, and the file of settings names files
    let text = original.keys[1].secret().unwrap();
    for variable in [second, text.as_str()] {
        let program = original.program.clone().env("LIFEBOAT_IDENTITY", variable);
        let shown = run(&program, &original.folder(), "show", &["--groups"]);
        let shown = shown.expect_code(0).unwrap();
        assert!(shown.stdout.contains(SECRETS[3]), "{}", shown.stdout);
    }
    let config = original.scratch.join("restorer.yaml");
    let list = format!("[{{ file: {first} }}, {{ file: {second} }}]");
    fs::write(&config, format!("encryption:\n  identities: {list}\n")).unwrap();
    let config = config.display().to_string();
    for snapshot in [old, new] {
        let more = [snapshot, "--config", &config];
        original.run("verify", &more).expect_code(0).unwrap();
    }
    let refused = original.run("verify", &["--identity", &text]);
    let refused = refused.expect_code(2).unwrap();
    assert!(!refused.stderr.contains(&text), "{}", refused.stderr);
}

#[test]
fn age_and_tar_alone_unpack_what_is_encrypted() {
    let original = original();
    let key = &original.keys[0];
    let [archive, documents] = ["data", "metadata"].map(|kind| original.sealed_to(key, kind));
    let folder = original.scratch.join("by-hand");
    key.unpack(&archive, &folder).unwrap();
    key.unpack(&documents, &folder).unwrap();
    assert!(!segment_files(&folder).unwrap().is_empty());
    for sums in files(&folder, ".sha256") {
        let below = sums.parent().unwrap();
        // an archive's stand in a folder of their own, a level below what they name
        let at = if below.ends_with("lifeboat") {
            &folder
        } else {
            below
        };
        let checked = Command::new("sha256sum")
            .args(["-c", "--strict", "--quiet"])
            .arg(&sums)
            .current_dir(at)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
    // and what is inside once more, the credentials
    let credentials = key.decrypt(&folder.join("credentials.json.age")).unwrap();
    let credentials: Value = serde_json::from_slice(&credentials).unwrap();
    assert_eq!(credentials["scram"][0]["user"], USER.0);
}

#[test]
fn an_encrypted_snapshot_is_restored_as_any_other() {
    let original = original();
    let mut context = TestContext::new().unwrap();
    let state = context.scratch().join("state").display().to_string();
    let b = context.b().unwrap();
    let more = [
        "latest",
        "--cluster",
        &original.cluster_id,
        "--bootstrap-servers",
        &b.bootstrap(),
    ];
    let more = [
        &more[..],
        &["--state", &state, "--yes", "--topics", "*", "--json"],
    ]
    .concat();
    let with = [&more[..], &["--identity", identity(&original.keys[1])]].concat();
    original.run("restore", &with).expect_code(0).unwrap();
    let written = b.oracle().read(&ReadOptions::default()).unwrap();
    assert_eq!(written.records(), RECORDS as u64);
    let groups = b.oracle().groups().unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");

    // a new cluster begins with the very credentials, which stand in what is encrypted encrypted once more
    let folder = context.scratch().join("metadata");
    fs::create_dir(&folder).unwrap();
    let place = folder.display().to_string();
    let checkpoint = [
        "latest",
        "--bootstrap-checkpoint",
        &place,
        "--json",
        "--identity",
    ];
    let checkpoint = [&checkpoint[..], &[identity(&original.keys[1])]].concat();
    let run = original.run("restore", &checkpoint);
    let report = run.expect_code(0).unwrap().json().unwrap();
    assert_ne!(report["counts"]["credentials"], 0, "{report:#}");
}

/// A copy that may be damaged.
fn copy(original: &Original, name: &str) -> PathBuf {
    let folder = original.scratch.join(name);
    for path in files(&original.folder(), "") {
        let to = folder.join(path.strip_prefix(original.folder()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
    folder
}

#[test]
fn every_flipped_byte_of_what_is_encrypted_is_found_and_named() {
    let original = original();
    let folder = copy(original, "flipped");
    println!("seed {SEED:#x}");
    let key = &original.keys[1];
    let mut random = Random::new(SEED);
    for kind in ["data", "metadata"] {
        let mine = original.sealed_to(key, kind);
        let object = mine.strip_prefix(original.folder()).unwrap();
        let (name, path) = (object.to_str().unwrap(), folder.join(object));
        let sound = fs::read(&mine).unwrap();
        let mut places = random.sample(rounds(25, usize::MAX), sound.len());
        // header, nonce, the first chunk's edges, the end
        places.extend([0, 30, 60, 100, 200, 65_700, 65_800, sound.len() - 1]);
        for at in places.into_iter().filter(|at| *at < sound.len()) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            for given in [&[][..], &["--identity", identity(key)]] {
                let run = run(&original.program, &folder, "verify", given);
                let run = run.expect_code(20).unwrap();
                assert!(run.stdout.contains(name), "byte {at} of {name}: {run:?}");
            }
        }
        for length in [0, 1, 100, sound.len() / 2, sound.len() - 1] {
            fs::write(&path, &sound[..length]).unwrap();
            for given in [&[][..], &["--identity", identity(key)]] {
                let run = run(&original.program, &folder, "verify", given);
                let run = run.expect_code(20).unwrap();
                assert!(
                    run.stdout.contains(name),
                    "{length} bytes of {name}: {run:?}"
                );
            }
        }
        fs::write(&path, &sound).unwrap();
    }
    let given = ["--identity", identity(key)];
    run(&original.program, &folder, "verify", &given)
        .expect_code(0)
        .unwrap();
}

#[test]
fn damage_in_what_is_encrypted_costs_only_what_is_in_its_chunk_and_nothing_of_it_is_restored() {
    let original = original();
    let folder = copy(original, "damaged");
    let key = &original.keys[1];
    let mine = original.sealed_to(key, "data");
    let path = folder.join(mine.strip_prefix(original.folder()).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 6 * 65_552, "{}", bytes.len());
    bytes[3 * 65_552] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let given = ["--json", "--identity", identity(key)];
    let run_verify = run(&original.program, &folder, "verify", &given);
    let report = run_verify.expect_code(20).unwrap().json().unwrap();
    let damage = report["damage"].as_array().unwrap();
    // one chunk reaches into two segments at most, of some
    assert!((1..=2).contains(&damage.len()), "{report:#}");
    assert!(report["segments"].as_u64().unwrap() > 3, "{report:#}");
    for damage in damage {
        assert_eq!(damage["topic"], "accounts", "{damage:#}");
        assert!(damage["offsets"].is_object(), "{damage:#}");
    }

    let mut context = TestContext::new().unwrap();
    let state = context.scratch().join("state").display().to_string();
    let b = context.b().unwrap();
    let bootstrap = b.bootstrap();
    let more = [
        "latest",
        "--bootstrap-servers",
        &bootstrap,
        "--state",
        &state,
        "--yes",
    ];
    let more = [&more[..], &["--identity", identity(key)]].concat();
    let refused = run(&original.program, &folder, "restore", &more);
    let refused = refused.expect_code(20).unwrap();
    assert!(refused.stderr.contains("accounts-"), "{}", refused.stderr);
    assert_eq!(b.oracle().groups().unwrap().len(), 0);
}
