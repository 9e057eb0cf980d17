//! The program as a person or a script meets it, with no cluster.

use std::{fs, net::TcpListener, time::Duration};

use lifeboat_tests::{Program, Scratch, Signal};

#[test]
fn help_and_version_answer_at_once_and_with_little_memory() {
    let program = Program::built().unwrap();
    let run = program.run(&["--version"]).unwrap().expect_code(0).unwrap();
    assert!(run.stdout.starts_with("lifeboat "), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let run = program
        .run(&["backup", "--help"])
        .unwrap()
        .expect_code(0)
        .unwrap();
    assert!(run.stdout.contains("--bootstrap-servers"));
    assert!(
        run.elapsed < Duration::from_secs(5) && run.peak_memory < 64 << 20,
        "{run:?}"
    );
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_right() {
    let program = Program::built().unwrap();
    let run = program.run(&["bakcup"]).unwrap().expect_code(2).unwrap();
    assert!(run.stderr.contains("backup"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn a_terminal_shows_all_of_the_help() {
    let help = Program::built()
        .unwrap()
        .spawn_on_terminal(&["--help"], 100, 40)
        .unwrap();
    help.wait_for("snapshots", Duration::from_secs(10)).unwrap();
    assert_eq!(help.wait().unwrap().code, Some(0));
}

#[test]
fn an_interrupted_backup_ends_at_once_and_leaves_nothing() {
    let program = Program::built().unwrap();
    let scratch = Scratch::new("interrupt").unwrap();
    let repository = scratch.join("repository").display().to_string();
    program
        .run(&["init", "--repository", &repository])
        .unwrap()
        .expect_code(0)
        .unwrap();
    // takes connections and never answers; each run has one of its own, as one may connect twice
    let silent = || TcpListener::bind("127.0.0.1:0").unwrap();
    let arguments = |listener: &TcpListener| {
        let address = listener.local_addr().unwrap().to_string();
        [
            "backup".to_owned(),
            "--bootstrap-servers".to_owned(),
            address,
            "--repository".to_owned(),
            repository.clone(),
        ]
    };

    let listener = silent();
    let mut terminal = program
        .spawn_on_terminal(&arguments(&listener), 100, 40)
        .unwrap();
    let connection = listener.accept().unwrap();
    terminal.type_text("\u{3}").unwrap();
    assert_eq!(terminal.wait().unwrap().code, Some(130));
    drop(connection);

    let listener = silent();
    let running = program.spawn(&arguments(&listener)).unwrap();
    let connection = listener.accept().unwrap();
    running.signal(Signal::SIGTERM).unwrap();
    assert_eq!(running.wait().unwrap().code, Some(143));
    drop(connection);

    let clusters = fs::read_dir(&repository)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(clusters.count(), 0);
}
