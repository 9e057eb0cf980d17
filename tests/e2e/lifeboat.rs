//! The program's verbs, as the tests use them.

use lifeboat_tests::Program;
use serde_json::Value;

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
    let run = program.run(&arguments).unwrap().expect_code(0).unwrap();
    run.json().unwrap()
}

/// Verifies the newest snapshot, which must be sound.
pub(crate) fn verify(program: &Program, url: &str) {
    program
        .run(&["verify", "latest", "--repository", url])
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
