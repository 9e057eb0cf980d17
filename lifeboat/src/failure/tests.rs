use std::io;

use lifeboat_config::Problem;

use super::*;

fn shown(failure: impl Into<Failure>) -> (u8, String) {
    let failure = failure.into();
    (failure.exit.code(), failure.render(Paint::never()))
}

#[test]
fn a_missing_repository_says_how_to_make_one() {
    let (code, text) = shown(RepositoryError::NoRepository {
        url: "file:///backups".to_owned(),
        problem: "there is no such folder".to_owned(),
    });
    assert_eq!(code, 10);
    insta::assert_snapshot!(text, @"
    error: no repository at file:///backups: there is no such folder
      hint: make one with `lifeboat init --repository file:///backups`, or mount the volume that it is on
    ");
}

#[test]
fn every_kind_of_repository_error_has_its_exit_code() {
    let object = || "c/data/2026-08-23/x.tar.zst".to_owned();
    let cluster = || "NrI2qCTxevO5IomtUq8w-_".to_owned();
    let damaged = RepositoryError::Damaged {
        object: object(),
        problem: "its SHA-256 does not match what was written".to_owned(),
    };
    let too_new = RepositoryError::TooNew {
        object: "lifeboat.json".to_owned(),
        found: 2,
        known: 1,
    };
    let unknown = RepositoryError::ClusterUnknown {
        cluster: cluster(),
        known: vec!["a".to_owned(), "b".to_owned()],
    };
    let codes = [
        shown(damaged).0,
        shown(RepositoryError::NotFound { object: object() }).0,
        shown(too_new).0,
        shown(unknown).0,
        shown(RepositoryError::NoSnapshots { cluster: cluster() }).0,
        shown(RepositoryError::SeveralClusters { known: Vec::new() }).0,
    ];
    assert_eq!(codes, [20, 20, 14, 13, 1, 2]);
}

#[test]
fn what_fails_in_a_copy_says_in_which_of_the_two_repositories() {
    let (code, text) = shown(CopyError::Target(RepositoryError::NoRepository {
        url: "s3://second-site/prod".to_owned(),
        problem: "it holds no lifeboat.json".to_owned(),
    }));
    assert_eq!(code, 10);
    insta::assert_snapshot!(text, @"
    error: target: no repository at s3://second-site/prod: it holds no lifeboat.json
      hint: make one with `lifeboat init --repository s3://second-site/prod`, or check bucket and prefix
    ");
    let (code, text) = shown(CopyError::ClusterUnknown {
        cluster_id: "NrI2".to_owned(),
        url: "file:///second".to_owned(),
        known: vec!["Xa9".to_owned()],
    });
    assert_eq!(code, 13);
    insta::assert_snapshot!(text, @"
    error: cluster NrI2 is new to the repository at file:///second, which holds Xa9
      hint: check the address; if the cluster is to be added to that repository, say --new-cluster
    ");
    assert_eq!(shown(CopyError::Interrupted).0, 130);
}

#[test]
fn an_unknown_snapshot_points_at_the_list() {
    let (code, text) = shown(RepositoryError::NoSuchSnapshot {
        cluster: "NrI2qCTxevO5IomtUq8w-_".to_owned(),
        reference: "2025".to_owned(),
    });
    assert_eq!(code, 1);
    insta::assert_snapshot!(text, @"
    error: no snapshot of cluster NrI2qCTxevO5IomtUq8w-_ is called 2025
      hint: `lifeboat snapshots` lists those that there are
    ");
}

#[test]
fn a_backup_of_another_cluster_is_stopped_with_both_ways_out() {
    let (code, text) = shown(BackupError::ClusterUnknown {
        cluster_id: "8Yc".to_owned(),
        known: vec!["NrI".to_owned()],
    });
    assert_eq!(code, 13);
    insta::assert_snapshot!(text, @"
    error: cluster 8Yc is new to this repository, which holds NrI
      hint: check the address; if the cluster is to be added to this repository, say --new-cluster
    ");
}

#[test]
fn causes_stand_below_the_error_and_none_is_said_twice() {
    let source: io::Error = io::ErrorKind::ConnectionRefused.into();
    let (code, text) = shown(KafkaError::Connect {
        address: "kafka:9092".to_owned(),
        source: source.into(),
    });
    assert_eq!(code, 1);
    insta::assert_snapshot!(text, @"
    error: can't connect to kafka:9092
      connection refused
      hint: check the address (--bootstrap-servers), that the brokers listen there, and the network between
    ");
    let twice =
        Failure::new(Exit::Error, "can't start: no memory").because(&io::Error::other("no memory"));
    assert_eq!(
        twice.render(Paint::never()),
        "error: can't start: no memory\n"
    );
}

#[test]
fn every_mistake_in_a_configuration_file_has_its_line() {
    let problem = |line, key: &str, problem: &str, hint: Option<&str>| Problem {
        line,
        column: 3,
        key: key.to_owned(),
        problem: problem.to_owned(),
        hint: hint.map(str::to_owned),
    };
    let (code, text) = shown(LoadError::Invalid {
        path: "/etc/lifeboat.yaml".into(),
        problems: vec![
            problem(
                3,
                "backup.memory",
                "1 kB is not between 33.6 MB and 1.10 TB",
                None,
            ),
            problem(
                7,
                "retention",
                "unknown key",
                Some("known here: kafka, targets"),
            ),
        ],
    });
    assert_eq!(code, 2);
    insta::assert_snapshot!(text, @"
    error: /etc/lifeboat.yaml is not a usable configuration
      line 3, column 3: backup.memory: 1 kB is not between 33.6 MB and 1.10 TB
      line 7, column 3: retention: unknown key (known here: kafka, targets)
      hint: config/README.md describes every key
    ");
}
