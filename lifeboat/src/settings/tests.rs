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
    assert_eq!(url.to_string(), "file:///from/flag");
    let url = settings.repository(&repository(None)).unwrap();
    assert_eq!(url.to_string(), "file:///from/file");
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
    fs::write(&path, "# a comment\nsasl.password=hunter2\n").unwrap();
    let failure = Settings::new(None)
        .source(&source(Some("a:1"), Some(path.clone())))
        .unwrap_err();
    let text = failure.render(Paint::never());
    assert!(
        text.contains("client.properties: sasl.password:") && text.contains("(line 2)"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    fs::remove_file(&path).unwrap();
    let failure = Settings::new(None)
        .source(&source(Some("a:1"), Some(path)))
        .unwrap_err();
    assert!(failure.render(Paint::never()).contains("No such file"));
}
