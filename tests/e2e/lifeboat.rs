//! The program's verbs, as the tests use them.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use lifeboat_tests::{Program, Run, Running, TestContext};
use serde_json::Value;

/// What to run, an empty repository, and where clusters are.
pub(crate) struct Scene {
    pub(crate) context: TestContext,
    pub(crate) program: Program,
    pub(crate) url: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::in_context(TestContext::new().unwrap())
    }

    /// One of a test whose brokers must be back before a run ends.
    pub(crate) fn hurried() -> Self {
        Self::in_context(TestContext::hurried().unwrap())
    }

    fn in_context(context: TestContext) -> Self {
        let (program, url) = (context.program().unwrap(), context.repository_url());
        init(&program, &url);
        Self {
            context,
            program,
            url,
        }
    }

    /// A file of the test's own; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.context.scratch().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// Waits until it is so, while the program runs; for so long at the most.
pub(crate) fn wait_until(
    running: &Running,
    limit: Duration,
    what: &str,
    mut so: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + limit;
    while !so() {
        assert!(
            !running.has_ended() && Instant::now() < deadline,
            "not {what}:\n{}",
            running.stderr()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// Verifies every snapshot that is listed, but for those that were `verified` before and must still be there.
pub(crate) fn verify_all(program: &Program, url: &str, verified: &mut BTreeSet<String>) {
    let listed = program.run(&["snapshots", "--repository", url, "--json"]);
    let listed = listed.unwrap().expect_code(0).unwrap().json().unwrap();
    assert_eq!(listed["damaged"].as_array().unwrap().len(), 0, "{listed}");
    let ids: BTreeSet<_> = listed["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|commit| commit["snapshot"].as_str().unwrap().to_owned())
        .collect();
    assert!(verified.is_subset(&ids), "{listed}");
    for id in ids.difference(verified) {
        let verify = program.run(&["verify", id, "--repository", url, "--no-store"]);
        verify.unwrap().expect_code(0).unwrap();
    }
    *verified = ids;
}

/// Waits until `size` has grown by so many bytes while the program runs; for so long at the most.
pub(crate) fn goes_on(running: &Running, limit: Duration, bytes: u64, size: impl Fn() -> u64) {
    let from = size();
    wait_until(running, limit, "going on", || size() >= from + bytes);
}

/// Makes the repository.
pub(crate) fn init(program: &Program, url: &str) {
    program
        .run(&["init", "--repository", url])
        .unwrap()
        .expect_code(0)
        .unwrap();
}

/// Takes a complete snapshot; the report.
pub(crate) fn backup(program: &Program, url: &str, bootstrap: &str, more: &[&str]) -> Value {
    let mut arguments = vec![
        "backup",
        "--repository",
        url,
        "--bootstrap-servers",
        bootstrap,
        "--json",
    ];
    arguments.extend(more);
    let run = program.run(&arguments).unwrap().expect_code(0).unwrap();
    run.json().unwrap()
}

/// Restores the newest snapshot completely; the report.
pub(crate) fn restore(
    program: &Program,
    url: &str,
    bootstrap: &str,
    state: &str,
    more: &[&str],
) -> Value {
    let run = run_restore(program, url, bootstrap, state, more);
    run.expect_code(0).unwrap().json().unwrap()
}

/// Restores the newest snapshot, however that ends.
pub(crate) fn run_restore(
    program: &Program,
    url: &str,
    bootstrap: &str,
    state: &str,
    more: &[&str],
) -> Run {
    let mut arguments = vec![
        "restore",
        "latest",
        "--repository",
        url,
        "--bootstrap-servers",
        bootstrap,
        "--state",
        state,
        "--yes",
        "--json",
    ];
    arguments.extend(more);
    program.run(&arguments).unwrap()
}

/// Verifies the newest snapshot, which must be sound.
pub(crate) fn verify(program: &Program, url: &str) {
    program
        .run(&["verify", "latest", "--repository", url, "--no-store"])
        .unwrap()
        .expect_code(0)
        .unwrap();
}

/// The id of a snapshot.
pub(crate) fn snapshot_of(program: &Program, url: &str, reference: &str) -> String {
    let shown = program
        .run(&["show", reference, "--repository", url, "--json"])
        .unwrap()
        .expect_code(0)
        .unwrap()
        .json()
        .unwrap();
    let text = shown.to_string();
    let at = text.find("\"snapshot\":\"").unwrap() + "\"snapshot\":\"".len();
    text[at..at + 21].to_owned()
}
