//! What the README tells a newcomer to type works.

use std::{env, fs, path::Path, process::Command};

use lifeboat_tests::{Bulk, ReadOptions, TestContext, compare};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All Rust sources below `folder`, one behind the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_is_there() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, invariants) = page.split_once("| invariant |").unwrap();
    let mut code = String::new();
    sources(root(), &mut code);
    let named: Vec<&str> = invariants
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_'))
        .collect();
    assert!(named.len() >= 14, "{named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "no test {name}");
    }
}

/// The lines of the blocks between fences that are of no other language.
pub(crate) fn commands(text: &str) -> Vec<&str> {
    let (mut inside, mut ours) = (false, false);
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside;
            ours = inside && language.is_empty();
        } else if ours && !line.trim().is_empty() {
            found.push(line.trim());
        }
    }
    found
}

#[test]
fn every_command_of_the_readme_works() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let mut context = TestContext::new().unwrap();
    let program = context.program().unwrap();
    let program = program.env("LIFEBOAT_STATE", context.scratch().join("state"));
    let repository = context.repository().display().to_string();
    let second = context.scratch().join("second-site").display().to_string();
    let (a, b) = context.both().unwrap();
    let load = Bulk {
        records: 20_000,
        ..Bulk::orders("orders")
    };
    a.workload().bulk(&load).unwrap();
    let mut run = 0;
    for command in commands(&text) {
        let words: Vec<String> = command
            .split_whitespace()
            .map(|word| {
                word.replace("/backup/kafka", &repository)
                    .replace("/second-site/kafka", &second)
                    .replace("new-kafka:9092", &b.bootstrap())
                    .replace("kafka:9092", &a.bootstrap())
            })
            .collect();
        match words[0].as_str() {
            "lifeboat" => {
                program.run(&words[1..]).unwrap().expect_code(0).unwrap();
                run += 1;
            }
            // it is what runs this, what the next test or module rights runs, or what built the program
            "make" | "cargo" | "kafka-acls.sh" => {}
            other => panic!("nobody runs {other:?} of the README"),
        }
    }
    assert!(run >= 7, "{run}");
    let found = compare(&a.oracle(), &b.oracle(), &ReadOptions::default()).unwrap();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_demo_ends_with_equal_clusters() {
    // two clusters at a time are enough
    let _turn = TestContext::new().unwrap();
    let beside = env::current_exe().unwrap();
    let demo = beside.ancestors().nth(2).unwrap().join("examples/demo");
    let shown = Command::new(&demo).output().unwrap();
    let screen = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{screen}");
    assert!(screen.contains("the same: "), "{screen}");
}
