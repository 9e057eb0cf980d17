//! SCRAM users come back as they were: with their very credentials into a new cluster, with their passwords into one that
//! runs; and nothing of them is stored but sealed.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use age::secrecy::ExposeSecret;
use base64::{Engine, engine::general_purpose::STANDARD};
use lifeboat_tests::{ClusterBuilder, KafkaCluster, Message, Run, Security, files_below};
use serde_json::Value;

use crate::lifeboat::Scene;

const MECHANISMS: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
const USERS: [(&str, &str); 3] = [
    ("alice", "0pen-sesame \\ #1"),
    ("bob", "hunter2hunter2"),
    ("carol", "pässword-in-utf8"),
];
/// What only the metadata log tells of a broker.
const HUSH: &str = "hush-hush-keystore";
const SENSITIVE: &str = "listener.name.client.ssl.keystore.password";

fn wanted() -> ClusterBuilder {
    KafkaCluster::builder()
        .security(Security::SaslPlaintext)
        .sasl_mechanisms(&MECHANISMS)
        .users(&USERS)
}

/// Who opens what is sealed: recipient, and the file with the identity.
struct Keys {
    recipient: String,
    identity: age::x25519::Identity,
    file: String,
}

impl Keys {
    fn new(scene: &Scene) -> Self {
        let identity = age::x25519::Identity::generate();
        let text = identity.to_string();
        let file = scene.file("identity", &format!("# mine\n{}\n", text.expose_secret()));
        Self {
            recipient: identity.to_public().to_string(),
            identity,
            file,
        }
    }

    /// The sealed credentials of the newest snapshot, opened with nothing of Lifeboat's.
    fn open(&self, repository: &Path) -> Value {
        let sealed = member(repository, "credentials.json.age");
        let decryptor = age::Decryptor::new(sealed.as_slice()).unwrap();
        let identity: &dyn age::Identity = &self.identity;
        let mut plain = String::new();
        let mut reader = decryptor.decrypt([identity].into_iter()).unwrap();
        reader.read_to_string(&mut plain).unwrap();
        serde_json::from_str(&plain).unwrap()
    }
}

/// A member of the newest snapshot's documents, by stock tools.
fn member(repository: &Path, name: &str) -> Vec<u8> {
    let metadata = files_below(repository).into_iter();
    let newest = metadata
        .filter(|path| path.display().to_string().contains("/metadata/"))
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .unwrap();
    let tar = Command::new("tar")
        .args(["--zstd", "-xOf", newest.to_str().unwrap(), name])
        .output()
        .unwrap();
    assert!(tar.status.success(), "{tar:?}");
    tar.stdout
}

fn fill(cluster: &KafkaCluster) {
    cluster.workload().create_topic("kept", 1, &[]).unwrap();
    let messages = [Message::text("kept", 0, "a value")];
    cluster.workload().produce(&[], &messages).unwrap();
}

impl Scene {
    fn back_up(&self, bootstrap: &str, more: &[&str]) -> Run {
        let mut arguments = vec!["backup", "--repository", &self.url, "--json"];
        arguments.extend(["--bootstrap-servers", bootstrap, "--new-cluster"]);
        arguments.extend(more);
        self.program.run(&arguments).unwrap()
    }

    /// A complete snapshot with sealed credentials; what is in them, and the report.
    fn exact(&self, keys: &Keys, bootstrap: &str, from: &[&str]) -> (Value, Value) {
        let mut more = vec!["--recipient", &keys.recipient, "--plain-data"];
        more.extend(from);
        let run = self.back_up(bootstrap, &more).expect_code(0).unwrap();
        let report = run.json().unwrap();
        (keys.open(&self.context.repository()), report)
    }

    fn give_back(&self, cluster: &str, bootstrap: &str, more: &[&str]) -> Run {
        let state = self.context.scratch().join("state").display().to_string();
        let mut arguments = vec!["restore", "latest", "--repository", &self.url];
        arguments.extend(["--cluster", cluster, "--bootstrap-servers", bootstrap]);
        arguments.extend(["--state", &state, "--yes", "--json"]);
        arguments.extend(more);
        self.program.run(&arguments).unwrap()
    }
}

fn names(credentials: &Value) -> Vec<String> {
    let scram = credentials["scram"].as_array().unwrap();
    scram
        .iter()
        .map(|keys| {
            format!(
                "{} {}",
                keys["user"].as_str().unwrap(),
                keys["mechanism"].as_str().unwrap()
            )
        })
        .collect()
}

/// Waits until the node has written a checkpoint of its metadata.
fn wait_for_checkpoint(cluster: &KafkaCluster) {
    let folder = cluster.data_dir(0).join("__cluster_metadata-0");
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_there = || {
        let names = files_below(&folder);
        names
            .iter()
            .any(|path| path.extension().is_some_and(|kind| kind == "checkpoint"))
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "no checkpoint");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Users before a checkpoint; changes, and removals, behind it; the same over the network and from the disk.
fn the_same_both_ways(version: &str, discover: bool) {
    let mut scene = Scene::new();
    let keys = Keys::new(&scene);
    let wanted = wanted()
        .version(version)
        .setting("metadata.log.max.snapshot.interval.ms", "3000");
    let a = scene.context.start_a(&wanted).unwrap();
    fill(a);
    a.set_broker(1, SENSITIVE, HUSH).unwrap();
    wait_for_checkpoint(a);
    a.remove_user("bob", "SCRAM-SHA-256").unwrap();
    a.add_users(
        "SCRAM-SHA-512",
        &[("dävid", "late-comer"), ("alice", "changed-since")],
    )
    .unwrap();
    let (bootstrap, controllers) = (a.admin_bootstrap(), a.controllers());
    let folder = a.data_dir(0).display().to_string();

    let from = ["--controllers", &controllers];
    let (network, report) = scene.exact(&keys, &bootstrap, &from);
    assert_eq!(
        names(&network),
        [
            "alice SCRAM-SHA-256",
            "alice SCRAM-SHA-512",
            "bob SCRAM-SHA-512",
            "carol SCRAM-SHA-256",
            "carol SCRAM-SHA-512",
            "dävid SCRAM-SHA-512"
        ]
    );
    assert_eq!(network["broker_configs"]["1"][SENSITIVE], HUSH);
    assert_eq!(report["users"]["source"], "controllers", "{report:#}");
    assert_eq!(report["users"]["exact"], 6, "{report:#}");
    let (disk, report) = scene.exact(&keys, &bootstrap, &["--metadata-dir", &folder]);
    assert_eq!(report["users"]["source"], "metadata-dir", "{report:#}");
    assert_eq!(network, disk);
    if discover {
        let (discovered, _) = scene.exact(&keys, &bootstrap, &["--controllers", "discover"]);
        assert_eq!(network, discovered);
    } else {
        let mut more = vec!["--recipient", &keys.recipient, "--plain-data"];
        more.extend(["--controllers", "discover"]);
        let run = scene.back_up(&bootstrap, &more).expect_code(3).unwrap();
        assert!(run.stdout.contains("Kafka 3.9 and newer"), "{}", run.stdout);
    }
    let listed: Value =
        serde_json::from_slice(&member(&scene.context.repository(), "scram.json")).unwrap();
    assert_eq!(listed["users"][3]["user"], "dävid", "{listed:#}");
}

#[test]
fn kafka_3_7_tells_the_same_credentials_over_the_network_and_on_its_disk() {
    the_same_both_ways("3.7.2", false);
}

#[test]
fn kafka_3_9_tells_the_same_credentials_over_the_network_and_on_its_disk() {
    the_same_both_ways("3.9.1", true);
}

#[test]
fn the_newest_kafka_tells_the_same_credentials_over_the_network_and_on_its_disk() {
    the_same_both_ways("4.3.1", true);
}

#[test]
fn a_new_cluster_begins_with_the_very_credentials_of_the_old_one() {
    let mut scene = Scene::new();
    let keys = Keys::new(&scene);
    let a = scene.context.start_a(&wanted()).unwrap();
    fill(a);
    let (bootstrap, controllers) = (a.admin_bootstrap(), a.controllers());
    let from = ["--controllers", &controllers];
    let (original, _) = scene.exact(&keys, &bootstrap, &from);
    scene.context.destroy_a();

    let folder = scene.context.scratch().join("metadata");
    fs::create_dir(&folder).unwrap();
    let place = folder.display().to_string();
    let mut arguments = vec!["restore", "latest", "--repository", &scene.url, "--json"];
    arguments.extend(["--bootstrap-checkpoint", &place, "--identity", &keys.file]);
    let run = scene.program.run(&arguments).unwrap().expect_code(0);
    let report = run.unwrap().json().unwrap();
    assert_eq!(report["counts"]["credentials"], 6, "{report:#}");
    assert_eq!(report["has_meta_properties"], false, "{report:#}");
    let checkpoint = folder.join("bootstrap.checkpoint");
    let mode = fs::metadata(&checkpoint).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = scene.program.run(&arguments).unwrap();
    let told = again.expect_code(1).unwrap().stderr;
    assert!(told.contains("is there already"), "{told}");

    let b = scene.context.start_b(&wanted().seed(&checkpoint)).unwrap();
    for (user, password) in USERS {
        for mechanism in MECHANISMS {
            b.log_in(user, mechanism, password).unwrap();
        }
    }
    let refused = b.log_in("alice", "SCRAM-SHA-512", "wrong").unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains("Authentication"), "{refused}");
    fill(b);
    let (bootstrap, controllers) = (b.admin_bootstrap(), b.controllers());
    let from = ["--controllers", &controllers];
    let (restored, _) = scene.exact(&keys, &bootstrap, &from);
    assert_eq!(restored["scram"], original["scram"]);
}

#[test]
fn users_come_back_with_their_passwords_into_a_live_cluster_or_with_new_ones() {
    let mut scene = Scene::new();
    let keys = Keys::new(&scene);
    let a = scene.context.start_a(&wanted()).unwrap();
    fill(a);
    let source = a.cluster_id().to_owned();
    let (bootstrap, controllers) = (a.admin_bootstrap(), a.controllers());
    let from = ["--controllers", &controllers];
    let (original, _) = scene.exact(&keys, &bootstrap, &from);
    scene.context.destroy_a();
    let wanted = wanted().without_making_users();
    let b = scene.context.start_b(&wanted).unwrap();
    let (inside, outside) = (b.admin_bootstrap(), b.bootstrap());

    // alice's is right, bob's is not, carol's is not known
    let (_, right) = USERS[0];
    let escaped = right.replace('\\', "\\\\");
    let file = scene.file("passwords", &format!("alice={escaped}\nbob=wrong\n"));
    let new = scene.context.scratch().join("new").display().to_string();
    let mut more = vec!["--identity", &keys.file, "--passwords", &file];
    more.extend(["--generate-passwords", &new]);
    let run = scene
        .give_back(&source, &inside, &more)
        .expect_code(3)
        .unwrap();
    let report = run.json().unwrap();
    let outcomes: Vec<_> = report["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            (
                user["user"].as_str().unwrap(),
                user["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    let each = ["alice", "bob", "carol"]
        .into_iter()
        .zip(["restored", "not_restored", "generated"]);
    let each: Vec<_> = each.flat_map(|pair| [pair, pair]).collect();
    assert_eq!(outcomes, each);
    for secret in [right, "wrong"] {
        assert!(
            !run.stdout.contains(secret) && !run.stderr.contains(secret),
            "{run:?}"
        );
    }
    let mode = fs::metadata(&new).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let generated = fs::read_to_string(&new).unwrap();
    let (user, generated) = generated.trim().split_once('=').unwrap();
    assert_eq!(user, "carol");
    let b = scene.context.b().unwrap();
    for mechanism in MECHANISMS {
        b.log_in("alice", mechanism, right).unwrap();
        b.log_in("carol", mechanism, generated).unwrap();
        b.log_in("bob", mechanism, USERS[1].1).unwrap_err();
    }

    // the very same keys
    let controllers = b.controllers();
    let (restored, _) = scene.exact(&keys, &inside, &["--controllers", &controllers]);
    let of_alice = |document: &Value| -> Vec<Value> {
        let scram = document["scram"].as_array().unwrap().iter();
        scram
            .filter(|keys| keys["user"] == "alice")
            .cloned()
            .collect()
    };
    assert_eq!(of_alice(&restored).len(), 2);
    assert_eq!(of_alice(&restored), of_alice(&original));

    // a second time nothing changes: the logins tell that they are the same
    let b = scene.context.b().unwrap();
    b.workload().delete_topics(&["kept"]).unwrap();
    let client = b.client_properties_with("alice", "SCRAM-SHA-256").unwrap();
    let client = scene.file("client.properties", &client);
    let file = scene.file("passwords", &format!("alice={escaped}\n"));
    let more = [
        "--identity",
        &keys.file,
        "--passwords",
        &file,
        "--command-config",
        &client,
    ];
    let run = scene
        .give_back(&source, &outside, &more)
        .expect_code(3)
        .unwrap();
    let report = run.json().unwrap();
    for user in &report["users"].as_array().unwrap()[..2] {
        assert_eq!(user["outcome"], "unchanged", "{user}");
        assert_eq!(user["note"], Value::Null, "{user}");
    }
    let b = scene.context.b().unwrap();
    let controllers = b.controllers();
    let (after, _) = scene.exact(&keys, &inside, &["--controllers", &controllers]);
    assert_eq!(after["scram"], restored["scram"]);

    users_come_back_where_every_topic_is_left_alone(&scene, &keys, &source, &inside);
}

fn users_come_back_where_every_topic_is_left_alone(
    scene: &Scene,
    keys: &Keys,
    source: &str,
    bootstrap: &str,
) {
    let (bob, right) = USERS[1];
    let file = scene.file("passwords", &format!("{bob}={right}\n"));
    let more = ["--identity", &keys.file, "--passwords", &file];
    let run = scene.give_back(source, bootstrap, &more).expect_code(0);
    let report = run.unwrap().json().unwrap();
    assert_eq!(
        report["topics"][0]["outcome"]["was"], "already_there",
        "{report:#}"
    );
    let users = report["users"].as_array().unwrap().iter();
    let of_bob: Vec<_> = users.filter(|user| user["user"] == bob).collect();
    assert_eq!(of_bob.len(), 2, "{report:#}");
    for user in of_bob {
        assert_eq!(user["outcome"], "restored", "{user}");
    }
}

#[test]
fn no_object_of_a_repository_holds_a_password_a_salt_or_a_key_in_the_clear() {
    let mut scene = Scene::new();
    let keys = Keys::new(&scene);
    let a = scene.context.start_a(&wanted()).unwrap();
    fill(a);
    a.set_broker(1, SENSITIVE, HUSH).unwrap();
    let (bootstrap, controllers) = (a.admin_bootstrap(), a.controllers());
    // opted in, and nobody to seal to
    let from = ["--controllers", &controllers];
    let run = scene.back_up(&bootstrap, &from).expect_code(3).unwrap();
    assert!(
        run.stdout.contains("nobody to seal them to"),
        "{}",
        run.stdout
    );
    let (opened, _) = scene.exact(&keys, &bootstrap, &from);

    let mut secrets: Vec<Vec<u8>> = vec![HUSH.as_bytes().to_vec()];
    secrets.extend(USERS.map(|(_, password)| password.as_bytes().to_vec()));
    for credential in opened["scram"].as_array().unwrap() {
        for name in ["salt_base64", "stored_key_base64", "server_key_base64"] {
            let text = credential[name].as_str().unwrap();
            secrets.push(STANDARD.decode(text).unwrap());
            secrets.push(text.trim_end_matches('=').as_bytes().to_vec());
        }
    }
    assert_eq!(secrets.len(), 4 + 6 * 3 * 2);
    let mut looked_at = 0;
    for path in files_below(&scene.context.repository()) {
        let stored = fs::read(&path).unwrap();
        let unpacked = Command::new("zstd")
            .args(["-dcq"])
            .arg(&path)
            .output()
            .unwrap();
        for bytes in [stored, unpacked.stdout] {
            looked_at += bytes.len();
            for secret in &secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{}", path.display());
            }
        }
    }
    assert!(looked_at > 10_000, "{looked_at}");
}
