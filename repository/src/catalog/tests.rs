use std::{collections::BTreeSet, path::PathBuf};

use super::*;
use crate::{
    ClusterRepository, Repository,
    testing::{
        CLUSTER, Fault, FaultyStore, bare_commit, commit_many, scratch_repository, snapshot,
    },
};

fn commit_path(cluster: &ClusterRepository, sequence: u64) -> PathBuf {
    let folder = cluster.repository().url().strip_prefix("file://").unwrap();
    PathBuf::from(folder).join(format!("{CLUSTER}/commits/{sequence:020}.json"))
}

#[tokio::test]
async fn snapshots_are_numbered_from_one_without_holes() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    assert!(cluster.catalog().await.unwrap().entries.is_empty());
    commit_many(&cluster, 3).await;
    let catalog = cluster.catalog().await.unwrap();
    let numbers: Vec<_> = catalog.entries.iter().map(CatalogEntry::sequence).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(catalog.latest().unwrap().unwrap().snapshot, snapshot(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_at_the_same_time_are_all_kept_and_no_number_is_used_twice() {
    let (_folder, repository) = scratch_repository().await;
    let tasks: Vec<_> = (0..2u32)
        .map(|task| {
            let cluster = repository.cluster(CLUSTER).unwrap();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for n in 0..50 {
                    let done = cluster.commit(bare_commit(task * 50 + n)).await.unwrap();
                    numbers.push(done.sequence);
                }
                numbers
            })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for task in tasks {
        for number in task.await.unwrap() {
            assert!(numbers.insert(number), "{number} was given twice");
        }
    }
    let catalog = repository
        .cluster(CLUSTER)
        .unwrap()
        .catalog()
        .await
        .unwrap();
    assert_eq!(catalog.snapshots().count(), 100);
    assert_eq!(numbers, (1..=100).collect());
    let snapshots: BTreeSet<_> = catalog
        .snapshots()
        .map(|commit| commit.snapshot.clone())
        .collect();
    assert_eq!(snapshots, (0..100).map(snapshot).collect());
}

#[tokio::test]
async fn a_damaged_commit_is_listed_and_its_number_stays_taken() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 3).await;
    let text = std::fs::read(commit_path(&cluster, 2)).unwrap();
    std::fs::write(commit_path(&cluster, 2), &text[..100]).unwrap();
    std::fs::write(commit_path(&cluster, 3), b"").unwrap();
    let catalog = cluster.catalog().await.unwrap();
    assert!(
        matches!(&catalog.entries[1], CatalogEntry::Damaged { sequence: 2, object, .. } if object.ends_with("2.json"))
    );
    assert!(matches!(
        &catalog.entries[2],
        CatalogEntry::Damaged { sequence: 3, .. }
    ));
    assert_eq!(catalog.snapshots().count(), 1);
    assert_eq!(cluster.commit(bare_commit(4)).await.unwrap().sequence, 4);
}

#[tokio::test]
async fn a_commit_that_is_listed_and_not_there_is_damaged_and_never_dropped() {
    let (_folder, repository) = scratch_repository().await;
    commit_many(&repository.cluster(CLUSTER).unwrap(), 2).await;
    let url = repository.url().to_owned();
    let store = FaultyStore::over(&url.parse().unwrap(), Fault::LosesCommits);
    let losing = Repository::open_in(store, &url).await.unwrap();
    let catalog = losing.cluster(CLUSTER).unwrap().catalog().await.unwrap();
    let numbers: Vec<_> = catalog.entries.iter().map(CatalogEntry::sequence).collect();
    assert_eq!(numbers, [1, 2]);
    for entry in &catalog.entries {
        assert!(
            matches!(entry, CatalogEntry::Damaged { reason, .. } if reason.contains("does not have it")),
            "{entry:?}"
        );
    }
    assert!(catalog.latest().is_err());
}

#[tokio::test]
async fn latest_never_passes_over_a_damaged_or_newer_commit_in_silence() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 2).await;
    let path = commit_path(&cluster, 2);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..100]).unwrap();
    let catalog = cluster.catalog().await.unwrap();
    assert!(matches!(
        catalog.resolve("latest"),
        Err(RepositoryError::Damaged { .. })
    ));
    assert!(matches!(
        catalog.latest(),
        Err(RepositoryError::Damaged { .. })
    ));
    assert_eq!(catalog.resolve("latest~1").unwrap().snapshot, snapshot(1));

    std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 7")).unwrap();
    let catalog = cluster.catalog().await.unwrap();
    assert!(matches!(
        catalog.entries[1],
        CatalogEntry::TooNew { found: 7, .. }
    ));
    assert!(matches!(
        catalog.resolve("latest"),
        Err(RepositoryError::TooNew { found: 7, .. })
    ));
}

#[tokio::test]
async fn every_flipped_byte_of_a_commit_is_noticed() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 1).await;
    let path = commit_path(&cluster, 1);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        std::fs::write(&path, bad).unwrap();
        let catalog = cluster.catalog().await.unwrap();
        assert_eq!(catalog.entries.len(), 1);
        assert!(catalog.entries[0].commit().is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn a_commit_that_was_copied_to_another_place_is_damage() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 1).await;
    std::fs::copy(commit_path(&cluster, 1), commit_path(&cluster, 5)).unwrap();
    let catalog = cluster.catalog().await.unwrap();
    assert!(matches!(
        catalog.entries[1],
        CatalogEntry::Damaged { sequence: 5, .. }
    ));
    assert_eq!(cluster.commit(bare_commit(2)).await.unwrap().sequence, 6);
}

#[tokio::test]
async fn other_files_among_the_commits_are_passed_over() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 1).await;
    let folder = commit_path(&cluster, 1).parent().unwrap().to_owned();
    for name in [
        "notes.txt",
        "2.json",
        "00000000000000000002.json#1",
        "99999999999999999999.json",
    ] {
        std::fs::write(folder.join(name), "{}").unwrap();
    }
    assert_eq!(cluster.catalog().await.unwrap().entries.len(), 1);
    assert_eq!(cluster.commit(bare_commit(2)).await.unwrap().sequence, 2);
}

#[tokio::test]
async fn a_snapshot_is_named_by_its_id_a_unique_prefix_or_its_distance_from_the_latest() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    let empty = cluster.catalog().await.unwrap();
    assert!(matches!(
        empty.resolve("latest"),
        Err(RepositoryError::NoSnapshots { .. })
    ));
    commit_many(&cluster, 3).await;
    let catalog = cluster.catalog().await.unwrap();
    let named = |reference: &str| catalog.resolve(reference).map(|commit| commit.sequence);
    let id = snapshot(2);
    assert_eq!(named(id.as_str()).unwrap(), 2);
    assert_eq!(named(&id.as_str()[..8]).unwrap(), 2);
    assert_eq!(named("latest").unwrap(), 3);
    assert_eq!(named("latest~0").unwrap(), 3);
    assert_eq!(named("latest~2").unwrap(), 1);
    for none in [
        "latest~3",
        "latest~99999999999999999999999",
        "latest~",
        "latest~-1",
        "latestx",
        "1999",
        "",
    ] {
        assert!(
            matches!(named(none), Err(RepositoryError::NoSuchSnapshot { .. })),
            "{none:?}"
        );
    }
    match named("2026") {
        Err(RepositoryError::Ambiguous { candidates, .. }) => {
            assert_eq!(candidates, [snapshot(3), snapshot(2), snapshot(1)]);
        }
        other => panic!("{other:?}"),
    }
}
