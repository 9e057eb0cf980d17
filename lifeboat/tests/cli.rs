//! The program as a user meets it, as far as no cluster is needed.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn lifeboat(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Exit code, stdout, stderr.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = lifeboat(folder, arguments);
    (
        output.status.code().unwrap(),
        text(&output.stdout).to_owned(),
        text(&output.stderr).to_owned(),
    )
}

/// The one JSON document that is printed, and the exit code.
fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, _) = run(folder, arguments);
    (code, serde_json::from_str(&stdout).unwrap())
}

fn url(folder: &Path) -> String {
    format!("file://{}/repository", folder.display())
}

#[test]
fn the_allocator_gives_freed_memory_back() {
    let output = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .arg("--version")
        .env_clear()
        .env("_RJEM_MALLOC_CONF", "stats_print:true")
        .output()
        .unwrap();
    let told = text(&output.stderr);
    for set in [
        "opt.narenas: 1",
        "opt.oversize_threshold: 16777216",
        "opt.dirty_decay_ms: 500 ",
        "opt.muzzy_decay_ms: 0 ",
    ] {
        assert!(told.contains(set), "{set} is not in\n{told}");
    }
}

#[test]
fn a_repository_is_made_once_and_starts_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    let (code, made) = json(folder, &["init", "--json", "--repository", &url]);
    assert_eq!((code, &made["format"]), (0, &Value::from("lifeboat.init")));
    let (code, stdout, stderr) = run(folder, &["init", "--repository", &url]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let id = made["id"].as_str().unwrap();
    assert!(
        stderr.contains("is a repository already") && stderr.contains(id),
        "{stderr}"
    );
    let (code, stdout, stderr) = run(folder, &["snapshots", "--repository", &url]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("no snapshots yet in "));
    let (code, stdout, stderr) = run(folder, &["check", "--repository", &url]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("no snapshots yet in "));
    let (code, listed) = json(folder, &["snapshots", "--json", "--repository", &url]);
    assert_eq!(
        (code, listed["snapshots"].as_array().unwrap().len()),
        (0, 0)
    );
}

#[test]
fn a_missing_repository_is_exit_code_10_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    let verbs: [&[&str]; 7] = [
        &["copy", "--to", "/nowhere"],
        &["snapshots"],
        &["check"],
        &["show"],
        &["verify"],
        &[
            "restore",
            "latest",
            "--bootstrap-servers",
            "127.0.0.1:1",
            "--yes",
        ],
        &["backup", "--bootstrap-servers", "127.0.0.1:1"],
    ];
    for verb in verbs {
        let arguments = [verb, &["--repository", &url]].concat();
        let (code, stdout, stderr) = run(folder, &arguments);
        assert_eq!((code, stdout.as_str()), (10, ""), "{verb:?}: {stderr}");
        assert!(
            stderr.starts_with(&format!("error: no repository at {url}: ")),
            "{stderr}"
        );
        assert!(stderr.contains(&format!(
            "hint: make one with `lifeboat init --repository {url}`"
        )));
    }
}

#[test]
fn a_copy_to_no_repository_says_how_to_make_one_there_and_one_of_nothing_says_what_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    let second = format!("{url}-second");
    run(folder, &["init", "--repository", &url]);
    let copy = ["copy", "--repository", &url, "--to", &second];
    let (code, stdout, stderr) = run(folder, &copy);
    assert_eq!((code, stdout.as_str()), (10, ""), "{stderr}");
    assert!(
        stderr.contains(&format!(
            "hint: make one with `lifeboat init --repository {second}`"
        )),
        "{stderr}"
    );
    run(folder, &["init", "--repository", &second]);
    let (code, _, stderr) = run(folder, &copy);
    assert_eq!(code, 1);
    assert!(stderr.contains("holds no snapshot"), "{stderr}");
    let all = [&copy[..], &["--all-clusters"]].concat();
    let (code, stdout, stderr) = run(folder, &all);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.ends_with("nothing to copy\n"), "{stdout}");
    let (code, _, stderr) = run(
        folder,
        &["copy", "--repository", &url, "--to", &url, "--all-clusters"],
    );
    assert_eq!(code, 2, "{stderr}");
    let (code, _, stderr) = run(folder, &[&copy[..], &["--max-connections", "99"]].concat());
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn errors_are_one_json_document_too_with_the_same_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    for (arguments, code) in [
        (vec!["show", "--json", "--repository", &url], 10),
        (vec!["show", "--json", "--repository", "ftp://bucket"], 2),
        (vec!["show", "--json"], 2),
        (vec!["shwo", "--json"], 2),
        (vec!["restore", "--json"], 2),
    ] {
        let (exit, document) = json(folder, &arguments);
        assert_eq!(exit, code, "{arguments:?}");
        assert_eq!(document["format"], "lifeboat.error");
        assert_eq!(document["exit_code"], code);
        assert!(document["error"].is_string() && document["causes"].is_array());
    }
}

#[test]
fn an_address_where_nobody_listens_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    run(folder, &["init", "--repository", &url]);
    let arguments = [
        "backup",
        "--bootstrap-servers",
        "127.0.0.1:1",
        "--repository",
        &url,
    ];
    let (code, stdout, stderr) = run(folder, &arguments);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.starts_with("error: ") && stderr.contains("127.0.0.1:1"),
        "{stderr}"
    );
    assert!(
        stderr.contains("refused") && stderr.contains("hint: "),
        "{stderr}"
    );
    assert!(
        stderr.lines().count() <= 4 && !stderr.contains("backtrace"),
        "{stderr}"
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("lifeboat.yaml"),
        "repository: { url: /from/file }\n",
    )
    .unwrap();
    let named = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(["show", "--config", "lifeboat.yaml"])
            .args(arguments)
            .current_dir(folder)
            .env_clear();
        if let Some(url) = variable {
            command.env("LIFEBOAT_REPOSITORY", url);
        }
        text(&command.output().unwrap().stderr).to_owned()
    };
    assert!(named(&[], None).contains("file:///from/file"));
    assert!(named(&[], Some("/from/variable")).contains("file:///from/variable"));
    assert!(
        named(&["--repository", "/from/flag"], Some("/from/variable"))
            .contains("file:///from/flag")
    );
}

#[test]
fn a_wrong_configuration_file_is_exit_code_2_with_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("lifeboat.yaml"),
        "kafka:\n  bootstrap.servers: ${NOPE}\nrepository: { url: x }\nbackup: { memory: 1kB }\n",
    )
    .unwrap();
    let (code, stdout, stderr) = run(folder, &["config", "check", "--config", "lifeboat.yaml"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    for line in [
        "line 2, column 22",
        "line 3, column 20",
        "line 4, column 19",
    ] {
        assert!(stderr.contains(line), "{stderr}");
    }
    let (code, _, stderr) = run(folder, &["config", "check", "--config", "none.yaml"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("can't read the configuration file none.yaml"),
        "{stderr}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_bootstrap_checkpoint_refuses_what_it_could_not_do() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    let checkpoint = |more: &[&str]| {
        let arguments = [
            "restore",
            "latest",
            "--repository",
            &url,
            "--bootstrap-checkpoint",
            "new",
        ];
        run(folder, &[&arguments, more].concat())
    };
    let contradictions: [&[&str]; 6] = [
        &["--topics", "orders"],
        &["--exclude", "orders"],
        &["--prune-extra"],
        &["--broker-map", "1=2"],
        &["--no-compare"],
        &["--bootstrap-servers", "127.0.0.1:1"],
    ];
    for more in contradictions {
        let (code, stdout, stderr) = checkpoint(more);
        assert_eq!((code, stdout.as_str()), (2, ""), "{more:?}: {stderr}");
        assert!(stderr.contains("cannot be used with"), "{stderr}");
    }
    let (code, stdout, stderr) = checkpoint(&["--only", "data,groups"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("none of the parts") && stderr.contains("hint: "),
        "{stderr}"
    );
}

#[test]
fn properties_of_controllers_that_are_not_named_are_refused_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, url) = (folder.path(), url(folder.path()));
    run(folder, &["init", "--repository", &url]);
    std::fs::write(folder.join("controllers.properties"), "").unwrap();
    let arguments = [
        "backup",
        "--bootstrap-servers",
        "127.0.0.1:1",
        "--repository",
        &url,
        "--controller-config",
        "controllers.properties",
    ];
    let (code, stdout, stderr) = run(folder, &arguments);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("--controllers discover"), "{stderr}");
}
