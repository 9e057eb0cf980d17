//! What an operator sees: one clear sentence, a hint, the right exit code; progress on a terminal.

use std::time::Duration;

use lifeboat_tests::{Bulk, Message, Program, Run, TestContext};

use crate::lifeboat::{backup, init};

fn run(program: &Program, arguments: &[&str]) -> Run {
    program.run(arguments).unwrap()
}

/// One sentence that holds all of these, then a hint.
fn assert_said(run: &Run, code: i32, words: &[&str]) {
    let said = &run.stderr;
    assert_eq!(run.code, Some(code), "{}{said}", run.stdout);
    let error = said
        .lines()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or_else(|| panic!("no error line: {said}"));
    for word in words {
        assert!(error.contains(word), "{word:?} is missing: {said}");
    }
    assert!(said.contains("hint: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn mistakes_are_told_in_a_sentence_with_a_hint_and_the_right_exit_code() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let (a, b) = context.both().unwrap();
    let (from, other) = (a.bootstrap(), b.bootstrap());
    for cluster in [&*a, &*b] {
        cluster.workload().create_topic("orders", 1, &[]).unwrap();
        let message = Message::text("orders", 0, "one");
        cluster.workload().produce(&[], &[message]).unwrap();
    }

    let not_made = ["backup", "--repository", &url, "--bootstrap-servers", &from];
    assert_said(&run(&program, &not_made), 10, &["repository"]);

    init(&program, &url);
    let nobody = [
        "backup",
        "--repository",
        &url,
        "--bootstrap-servers",
        "127.0.0.1:1",
    ];
    assert_said(&run(&program, &nobody), 1, &["127.0.0.1:1"]);
    let nothing = [&not_made[..], &["--topics", "ordres"]].concat();
    assert_said(&run(&program, &nothing), 2, &["topic"]);

    backup(&program, &url, &from, &[]);
    let foreign = [
        "backup",
        "--repository",
        &url,
        "--bootstrap-servers",
        &other,
    ];
    assert_said(&run(&program, &foreign), 13, &[b.cluster_id()]);
    // told to, it takes the second cluster in
    backup(&program, &url, &other, &["--new-cluster"]);

    let several = ["show", "latest", "--repository", &url];
    assert_said(&run(&program, &several), 2, &["cluster"]);
    let chosen = [
        "show",
        "20200101",
        "--repository",
        &url,
        "--cluster",
        a.cluster_id(),
    ];
    assert_said(&run(&program, &chosen), 1, &["20200101"]);

    let source = [
        "restore",
        "latest",
        "--repository",
        &url,
        "--cluster",
        a.cluster_id(),
        "--bootstrap-servers",
        &from,
        "--yes",
    ];
    assert_said(&run(&program, &source), 2, &["cluster"]);
    let contents = a
        .oracle()
        .read(&lifeboat_tests::ReadOptions::default())
        .unwrap();
    assert_eq!(contents.records(), 1, "nothing was written into the source");
}

#[test]
fn a_terminal_shows_the_phase_and_the_rate_and_then_the_summary() {
    let mut context = TestContext::new().unwrap();
    let (program, url) = (context.program().unwrap(), context.repository_url());
    let a = context.a().unwrap();
    let load = Bulk {
        stored_bytes: 150_000_000,
        ..Bulk::orders("orders")
    };
    a.workload().bulk(&load).unwrap();
    init(&program, &url);
    let from = a.bootstrap();
    let arguments = ["backup", "--repository", &url, "--bootstrap-servers", &from];
    let terminal = program.spawn_on_terminal(&arguments, 120, 30).unwrap();
    for expected in ["streaming", "B/s", "committed"] {
        terminal
            .wait_for(expected, Duration::from_secs(120))
            .unwrap();
    }
    let run = terminal.wait().unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}
