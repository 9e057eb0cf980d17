use std::fs;

use super::*;
use crate::render::Paint;

fn settings(yaml: &str) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lifeboat.yaml");
    fs::write(&path, yaml).unwrap();
    (folder, Settings::new(Some(path)))
}

fn repository(url: Option<&str>) -> RepositoryFlags {
    RepositoryFlags {
        repository: url.map(str::to_owned),
    }
}

fn source(servers: Option<&str>, file: Option<PathBuf>) -> SourceFlags {
    SourceFlags {
        bootstrap_servers: servers.map(str::to_owned),
        command_config: file,
    }
}

const FILE: &str = "kafka: { bootstrap.servers: 'file:1', client.id: from-file }\nrepository: { url: /from/file }\n";

#[test]
fn a_flag_wins_over_the_file() {
    let (_folder, settings) = settings(FILE);
    let url = settings
        .repository(&repository(Some("/from/flag")))
        .unwrap();
    assert_eq!(url.url.to_string(), "file:///from/flag");
    let url = settings.repository(&repository(None)).unwrap();
    assert_eq!(url.url.to_string(), "file:///from/file");
}

#[test]
fn properties_are_laid_over_each_other_the_flag_on_top() {
    let (folder, settings) = settings(FILE);
    let path = folder.path().join("client.properties");
    fs::write(
        &path,
        "bootstrap.servers=properties:1\nrequest.timeout.ms=5000\n",
    )
    .unwrap();
    let kafka = settings.source(&source(None, None)).unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["file:1"]);
    let kafka = settings.source(&source(None, Some(path.clone()))).unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["properties:1"]);
    let kafka = settings
        .source(&source(Some("flag:1"), Some(path)))
        .unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["flag:1"]);
    assert_eq!(kafka.request_timeout().as_secs(), 5);
    assert_eq!(kafka.client_id(), "from-file");
}

#[test]
fn what_is_named_nowhere_is_asked_for() {
    let settings = Settings::new(None);
    let failure = settings.repository(&repository(None)).unwrap_err();
    insta::assert_snapshot!(failure.render(Paint::never()), @"
    error: no repository is named
      hint: give --repository, set LIFEBOAT_REPOSITORY, or write repository.url into the file of --config
    ");
    let failure = settings.source(&source(None, None)).unwrap_err();
    assert_eq!(failure.exit.code(), 2);
}

#[test]
fn a_wrong_properties_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.properties");
    fs::write(&path, "# a comment\nsasl.pasword=hunter2\n").unwrap();
    let failure = Settings::new(None)
        .source(&source(Some("a:1"), Some(path.clone())))
        .unwrap_err();
    let text = failure.render(Paint::never());
    assert!(
        text.contains("client.properties: sasl.pasword:") && text.contains("(line 2)"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    fs::remove_file(&path).unwrap();
    let failure = Settings::new(None)
        .source(&source(Some("a:1"), Some(path)))
        .unwrap_err();
    assert!(failure.render(Paint::never()).contains("No such file"));
}

#[test]
fn lists_are_split_at_commas_but_not_inside_braces() {
    assert_eq!(
        split_list("a, b*,,{c,d}-?,[e,f]*"),
        ["a", "b*", "{c,d}-?", "[e,f]*"]
    );
    assert!(split_list("").is_empty());
    let chosen = globs(
        "--topics",
        &["{orders,payments}-*".to_owned(), "x,y".to_owned()],
    )
    .unwrap();
    assert_eq!(chosen.len(), 3);
    let failure = globs("--topics", &["[".to_owned()]).unwrap_err();
    assert!(
        failure
            .render(Paint::never())
            .starts_with("error: --topics [")
    );
}

#[test]
fn each_list_of_topics_on_the_command_line_replaces_the_one_of_the_file() {
    let (_folder, settings) =
        settings("backup: { topics: { include: ['a*'], exclude: ['*.tmp'] } }");
    let base = settings.file().unwrap().backup.topics.clone();
    let flags = TopicFlags {
        topics: vec!["b*".to_owned()],
        exclude: Vec::new(),
    };
    let chosen = choose(base, &flags).unwrap();
    assert!(chosen.choose("b") && !chosen.choose("a") && !chosen.choose("b.tmp"));
}

#[test]
fn a_restore_has_no_default_target() {
    let (_folder, settings) = settings(
        "kafka: { bootstrap.servers: 'a:1' }\ntargets: { dr: { bootstrap.servers: 'dr:1' } }\n",
    );
    let flags = |target: Option<&str>, servers: Option<&str>| TargetFlags {
        target: target.map(str::to_owned),
        bootstrap_servers: servers.map(str::to_owned),
        command_config: None,
    };
    let failure = settings.target(&flags(None, None)).unwrap_err();
    assert!(
        failure
            .render(Paint::never())
            .contains("no target cluster is named")
    );
    let kafka = settings.target(&flags(Some("dr"), None)).unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["dr:1"]);
    let kafka = settings.target(&flags(None, Some("x:1"))).unwrap();
    assert_eq!(kafka.bootstrap_servers(), ["x:1"]);
    let failure = settings.target(&flags(Some("drr"), None)).unwrap_err();
    insta::assert_snapshot!(failure.render(Paint::never()), @"
    error: no target is called drr
      hint: known are dr
    ");
}

const SITES: &str = "repository: { url: 's3://here/x', options: { aws_region: eu-central-1 } }\n\
                     repositories: { second: { url: 's3://there/y', options: { aws_region: us-east-1 } } }\n";

#[test]
fn a_repository_has_its_own_options_by_its_name_and_by_its_address() {
    let (_folder, settings) = settings(SITES);
    let region =
        |location: &RepositoryLocation| location.options.get("aws_region").map(str::to_owned);
    for text in ["second", "s3://there/y"] {
        for location in [
            settings.copy_target(text).unwrap(),
            settings.repository(&repository(Some(text))).unwrap(),
        ] {
            assert_eq!(location.url.to_string(), "s3://there/y");
            assert_eq!(region(&location).as_deref(), Some("us-east-1"));
        }
    }
    // back again
    let home = settings.copy_target("s3://here/x").unwrap();
    assert_eq!(region(&home).as_deref(), Some("eu-central-1"));
}

#[test]
fn a_store_that_is_copied_to_is_not_given_the_keys_of_another() {
    let (_folder, settings) = settings(SITES);
    let other = settings.copy_target("s3://elsewhere").unwrap();
    assert_eq!(other.options.get("aws_region"), None);
    let named = settings.repository(&repository(Some("s3://elsewhere")));
    assert_eq!(
        named.unwrap().options.get("aws_region"),
        Some("eu-central-1")
    );
}

#[test]
fn a_name_that_no_repository_has_is_told_with_those_that_there_are() {
    let (_folder, settings) = settings(SITES);
    let failure = settings.copy_target("secnd").unwrap_err();
    insta::assert_snapshot!(failure.render(Paint::never()), @r#"
    error: "secnd" is neither a URL nor an absolute path
      hint: write its address, or one of the names in the configuration: second
    "#);
}
