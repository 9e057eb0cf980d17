//! Snapshots in an object store: with the rights that the README names, in a locked bucket, and what goes wrong there.

use std::{
    fs,
    net::TcpStream,
    time::{Duration, Instant},
};

use lifeboat_tests::{
    Bulk, Fidelity, Keys, Message, MinIo, Program, Run, Running, Scratch, Signal, TestContext,
};
use serde_json::Value;

use crate::{
    docs::root,
    lifeboat::{backup, restore, verify, wait_until},
    roundtrip::{differences, not_compacted_any_more},
};

const BUCKET: &str = "kafka-backups";
const URL: &str = "s3://kafka-backups/prod";

/// The program, as these keys to that store.
pub(crate) fn with_keys(program: &Program, store: &MinIo, keys: &Keys) -> Program {
    let environment = store.environment(keys);
    let set = |program: Program, (name, value)| program.env(name, value);
    environment.into_iter().fold(program.clone(), set)
}

/// The README's policies: to read, and to append.
pub(crate) fn policies() -> (String, String) {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = text.split("```json\n").skip(1);
    let mut next = || {
        let (block, _) = blocks.next().unwrap().split_once("```").unwrap();
        block.to_owned()
    };
    (next(), next())
}

/// Waits until there are more uploads under way than these.
pub(crate) fn uploads(store: &MinIo, running: &Running, before: usize) {
    wait_until(running, Duration::from_secs(60), "uploading", || {
        store.unfinished_uploads().unwrap() > before
    });
}

#[test]
fn a_locked_bucket_takes_backups_of_append_only_keys_and_read_only_ones_restore_them() {
    let mut context = TestContext::new().unwrap();
    context.both().unwrap();
    let store = MinIo::start().unwrap();
    store.make_locked_bucket(BUCKET, 2).unwrap();
    let (reading, appending) = policies();
    let program = context.program().unwrap();
    let appender = store.keys_with(&appending).unwrap();
    let writes = with_keys(&program, &store, &appender);
    let reads = with_keys(&program, &store, &store.keys_with(&reading).unwrap());
    let state = context.scratch().join("state").display().to_string();
    let (a, b) = context.both().unwrap();
    let written = a.workload().fidelity(&Fidelity::default()).unwrap();
    not_compacted_any_more(a);
    let grow = |text| {
        let one = Message::text("grows", 1, text);
        a.workload().produce(&[], &[one]).unwrap();
    };
    a.workload().create_topic("grows", 2, &[]).unwrap();
    grow("before the full backup");

    let made = writes
        .run(&["init", "--repository", URL, "--json"])
        .unwrap();
    let made = made.expect_code(0).unwrap().json().unwrap();
    let found = &made["store"];
    assert_eq!(found["conditional_create"], true, "{made:#}");
    assert_eq!(found["multipart_abort"], true, "{made:#}");
    assert_eq!(found["delete"], false, "{made:#}");
    assert_eq!(found["object_lock"]["mode"], "COMPLIANCE", "{made:#}");
    assert!(found["warnings"].as_array().unwrap().is_empty(), "{made:#}");

    let report = backup(&writes, URL, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    let locked = store.versions(BUCKET).unwrap().0;
    // it builds on what is locked, and writes nothing of that again
    grow("before the incremental one");
    let report = backup(&writes, URL, &a.bootstrap(), &[]);
    assert_eq!(report["commit"]["kind"], "incremental", "{report:#}");
    assert_eq!(report["commit"]["state"], "complete", "{report:#}");
    // its archive, documents, lists, manifest and commit
    assert_eq!(store.versions(BUCKET).unwrap().0, locked + 5);
    let shown = reads.run(&["show", "latest", "--repository", URL]);
    shown.unwrap().expect_code(0).unwrap();
    // what was verified counts, whether it can be stored or not
    for (program, is_stored) in [(&reads, false), (&writes, true)] {
        let verified = program.run(&["verify", "latest", "--repository", URL, "--json"]);
        let verified = verified.unwrap().expect_code(0).unwrap().json().unwrap();
        assert_eq!(verified["result"].is_string(), is_stored, "{verified:#}");
        let why = verified["result_not_stored"].as_str().unwrap_or_default();
        assert_eq!(why.contains("not allowed"), !is_stored, "{verified:#}");
    }
    for verb in ["snapshots", "check"] {
        let run = reads.run(&[verb, "--repository", URL]).unwrap();
        run.expect_code(0).unwrap();
    }
    let bootstrap = a.bootstrap();
    let compared = [
        "diff",
        "latest",
        "--repository",
        URL,
        "--bootstrap-servers",
        &bootstrap,
    ];
    reads.run(&compared).unwrap().expect_code(0).unwrap();
    restore(&reads, URL, &b.bootstrap(), &state, &[]);
    a.workload().settle(&written.open_transactions).unwrap();
    assert_eq!(differences(&a.oracle(), &b.oracle()), Vec::<String>::new());

    // who may only read is told what lacks, and nothing was ever deleted
    let topic = "compacted";
    let arguments = [
        "backup",
        "--repository",
        URL,
        "--bootstrap-servers",
        &bootstrap,
        "--topics",
        topic,
    ];
    let refused = reads.run(&arguments).unwrap().expect_code(1).unwrap();
    assert!(
        refused.stderr.contains("not allowed") && refused.stderr.contains("Where snapshots go"),
        "{}",
        refused.stderr
    );
    let (versions, marks) = store.versions(BUCKET).unwrap();
    assert!(versions > 13, "{versions}");
    assert_eq!(marks, 0, "something was deleted");
    assert_eq!(store.unfinished_uploads().unwrap(), 0);
    no_secret_is_logged(&writes, &appender, &bootstrap);
}

/// At every level of logging, by what reads and by what writes.
fn no_secret_is_logged(program: &Program, keys: &Keys, bootstrap: &str) {
    let another = "s3://kafka-backups/prod/logged";
    let little = ["--bootstrap-servers", bootstrap, "--topics", "compacted"];
    let backup = [&["backup", "--repository", URL], &little[..]].concat();
    for arguments in [
        vec!["init", "--repository", another],
        backup,
        vec!["snapshots", "--repository", URL],
        vec!["check", "--repository", URL],
    ] {
        let verb = arguments[0];
        let arguments = [arguments, vec!["--log-level", "trace"]].concat();
        let run = program.run(&arguments).unwrap().expect_code(0).unwrap();
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.len() > 1_000, "{verb}: nothing was logged: {said}");
        for secret in [&keys.secret, keys.token.as_ref().unwrap()] {
            assert!(!said.contains(secret.as_str()), "{verb}: {said}");
        }
    }
}

#[test]
fn a_backup_into_a_bucket_that_is_stopped_leaves_no_part_of_an_upload() {
    let mut context = TestContext::new().unwrap();
    let store = MinIo::start().unwrap();
    store.make_bucket(BUCKET).unwrap();
    let program = with_keys(&context.program().unwrap(), &store, &MinIo::root_keys());
    program
        .run(&["init", "--repository", URL])
        .unwrap()
        .expect_code(0)
        .unwrap();
    let a = context.a().unwrap();
    let load = Bulk {
        records: 200_000,
        codec: "none".to_owned(),
        ..Bulk::orders("orders")
    };
    a.workload().bulk(&load).unwrap();
    let bootstrap = a.bootstrap();
    // slow enough to be stopped, with a segment every MiB
    let arguments = [
        "backup",
        "--repository",
        URL,
        "--bootstrap-servers",
        &bootstrap,
        "--max-rate",
        "6MiB",
        "--segment-size",
        "1MiB",
    ];
    let running = program.spawn(&arguments).unwrap();
    uploads(&store, &running, 0);
    running.signal(Signal::SIGINT).unwrap();
    let run = running.wait().unwrap().expect_code(130).unwrap();
    assert_eq!(store.unfinished_uploads().unwrap(), 0, "{}", run.stderr);

    // the next one is whole
    backup(&program, URL, &bootstrap, &[]);
    verify(&program, URL);
}

/// What the program says to a configuration file with these lines below `repository:`.
fn told(program: &Program, folder: &Scratch, verb: &[&str], lines: &str) -> Run {
    let path = folder.join("lifeboat.yaml");
    fs::write(&path, format!("repository:\n{lines}")).unwrap();
    let path = path.display().to_string();
    let mut arguments = vec!["--config", path.as_str(), "--json"];
    arguments.extend(verb);
    program.run(&arguments).unwrap()
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_in_a_sentence_with_what_to_do() {
    let store = MinIo::start().unwrap();
    store.make_bucket(BUCKET).unwrap();
    let folder = Scratch::new("stores").unwrap();
    let program = Program::built().unwrap();
    let lines = |url: &str, id: &str, secret: &str, endpoint: &str| {
        format!(
            "  url: {url}\n  options:\n    aws_allow_http: true\n    aws_endpoint: {endpoint}\n    \
             aws_access_key_id: {id}\n    aws_secret_access_key: {secret}\n"
        )
    };
    let (id, secret) = (MinIo::root_keys().id, MinIo::root_keys().secret);
    let endpoint = store.endpoint();
    let nobody = "http://127.0.0.1:9";
    for (lines, code, error, hint) in [
        (
            lines("s3://nowhere", &id, &secret, &endpoint),
            10,
            "there is no such bucket",
            "make the bucket",
        ),
        (
            lines(URL, "stranger", &secret, &endpoint),
            1,
            "does not accept the credentials",
            "knows no such key",
        ),
        (
            lines(URL, &id, "hunter2hunter2", &endpoint),
            1,
            "does not accept the credentials",
            "check the secret key",
        ),
        (
            lines(URL, &id, &secret, &endpoint),
            10,
            "it holds no lifeboat.json",
            "lifeboat init --repository s3://",
        ),
        (
            lines(URL, &id, &secret, nobody),
            1,
            "the store can't be reached",
            "check the endpoint",
        ),
        (
            format!("{}    aws_regoin: x\n", lines(URL, &id, &secret, nobody)),
            2,
            "is not a usable configuration",
            "config/README.md",
        ),
    ] {
        let run = told(&program, &folder, &["snapshots"], &lines);
        let run = run.expect_code(code).unwrap();
        let said = run.json().unwrap();
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        assert!(text("error").contains(error), "{said:#}");
        assert!(text("hint").contains(hint), "{said:#}");
        assert!(
            !said["causes"].as_array().unwrap().is_empty() || code == 10,
            "{said:#}"
        );
        let all = format!("{}{}", run.stdout, run.stderr);
        for secret in [&secret, "hunter2hunter2"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    let unreadable = format!(
        "{}    aws_timeout: soon\n",
        lines(URL, &id, &secret, nobody)
    );
    let run = told(&program, &folder, &["config", "check"], &unreadable);
    let said = run.expect_code(2).unwrap().json().unwrap();
    assert!(said.to_string().contains("soon"), "{said:#}");
    let shown = told(
        &program,
        &folder,
        &["config", "show"],
        &lines(URL, &id, &secret, &endpoint),
    );
    let shown: Value = shown.expect_code(0).unwrap().json().unwrap();
    assert_eq!(shown["store_options"]["aws_secret_access_key"], "***");
    assert_eq!(shown["store_options"]["aws_endpoint"], endpoint.as_str());
}

#[test]
fn a_store_is_believed_only_by_its_certificate() {
    let (store, authority) = MinIo::start_with_tls().unwrap();
    let program = with_keys(&Program::built().unwrap(), &store, &MinIo::root_keys());
    let port = store.endpoint().rsplit(':').next().unwrap().to_owned();
    let program = program
        .env("AWS_ENDPOINT_URL", format!("https://localhost:{port}"))
        .env("AWS_ALLOW_HTTP", "false");
    let arguments = ["snapshots", "--repository", "s3://nowhere"];
    let run = program.run(&arguments).unwrap().expect_code(1).unwrap();
    assert!(
        run.stderr.contains("can't be reached") && run.stderr.contains("SSL_CERT_FILE"),
        "{}",
        run.stderr
    );
    // it was spoken to, and says what it does not have
    let trusting = program.env("SSL_CERT_FILE", authority);
    let deadline = Instant::now() + Duration::from_secs(60);
    let run = loop {
        let run = trusting.run(&arguments).unwrap();
        // it listens before it knows its disks
        if run.code == Some(10) || Instant::now() > deadline {
            break run.expect_code(10).unwrap();
        }
    };
    assert!(run.stderr.contains("no such bucket"), "{}", run.stderr);
}

#[test]
fn a_store_ends_with_the_test_that_started_it() {
    let store = MinIo::start().unwrap();
    let endpoint = store.endpoint();
    let port: u16 = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    store.make_bucket(BUCKET).unwrap();
    drop(store);
    let again = TcpStream::connect(("127.0.0.1", port));
    assert!(again.is_err(), "it still listens");
}
