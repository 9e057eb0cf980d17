use std::fs;

use lifeboat_archive::{
    results::{Level, ProofCounts, ProofKind, ProofOutcome},
    words::{Progress, Timestamp},
};

use super::*;
use crate::testing::{CLUSTER, NOW, commit_many, folder_of, scratch, scratch_repository, snapshot};

fn result(n: u32, minutes: i64, outcome: ProofOutcome) -> ProofResult {
    let at = Timestamp::from_millis(NOW.as_millis() + minutes * 60_000);
    ProofResult {
        snapshot: snapshot(n),
        cluster_id: CLUSTER.to_owned(),
        kind: ProofKind::Verify,
        outcome,
        level: Some(Level::Batches),
        subset: None,
        topics: None,
        sample_percent: None,
        started_at: at,
        finished_at: at,
        counts: ProofCounts::default(),
        target_cluster_id: None,
        measured: None,
        created_by: "lifeboat test".to_owned(),
    }
}

#[tokio::test]
async fn results_come_back_by_snapshot_with_the_newest_first() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    assert!(cluster.results(None).await.unwrap().by_snapshot.is_empty());
    for (n, minutes) in [(1, 5), (2, 1), (1, 9), (1, 7)] {
        let stored = result(n, minutes, ProofOutcome::Ok);
        cluster.put_result(&stored).await.unwrap();
    }
    let all = cluster.results(None).await.unwrap();
    assert!(all.unreadable.is_empty());
    let expected = [9, 7, 5].map(|minutes| result(1, minutes, ProofOutcome::Ok));
    assert_eq!(all.of(&snapshot(1)), expected);
    assert_eq!(all.of(&snapshot(2)).len(), 1);
    let one = cluster.results(Some(&snapshot(2))).await.unwrap();
    assert_eq!(one.by_snapshot.len(), 1);
    assert!(one.of(&snapshot(1)).is_empty());
}

#[tokio::test]
async fn results_of_the_same_moment_are_all_kept() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    for _ in 0..20 {
        let stored = result(1, 0, ProofOutcome::Ok);
        cluster.put_result(&stored).await.unwrap();
    }
    let all = cluster.results(None).await.unwrap();
    assert_eq!(all.of(&snapshot(1)).len(), 20);
}

/// Comparisons of every day crowded it out.
#[tokio::test]
async fn a_verification_is_known_however_many_comparisons_came_since() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    let verified = result(1, 0, ProofOutcome::Ok);
    cluster.put_result(&verified).await.unwrap();
    for minutes in 1..100 {
        let compared = ProofResult {
            kind: ProofKind::Compare,
            level: None,
            ..result(1, minutes, ProofOutcome::Ok)
        };
        cluster.put_result(&compared).await.unwrap();
    }
    let all = cluster.results(None).await.unwrap();
    assert_eq!(all.of(&snapshot(1)).len(), 100);
    let standing = all.standing(&snapshot(1)).unwrap();
    assert!(standing.verified && standing.at == verified.finished_at);
}

#[tokio::test]
async fn a_damaged_result_is_told_never_trusted_and_stops_nothing() {
    let (_folder, url) = scratch();
    let clock = lifeboat_archive::words::Clock::fixed(NOW);
    let repository = crate::Repository::init(&url, &clock).await.unwrap();
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 2).await;
    let good = cluster.put_result(&result(1, 0, ProofOutcome::Ok)).await;
    let flipped = cluster
        .put_result(&result(2, 1, ProofOutcome::Damaged))
        .await;
    let path = folder_of(&url).join(flipped.as_ref().unwrap());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("damaged", "ok")).unwrap();
    // a sound one in the folder of another snapshot vouches for nobody
    let moved = good
        .as_ref()
        .unwrap()
        .replace(snapshot(1).as_str(), snapshot(2).as_str());
    fs::copy(
        folder_of(&url).join(good.unwrap()),
        folder_of(&url).join(&moved),
    )
    .unwrap();
    let all = cluster.results(None).await.unwrap();
    assert!(all.of(&snapshot(2)).is_empty());
    let mut told: Vec<_> = all
        .unreadable
        .iter()
        .map(|one| one.object.clone())
        .collect();
    told.sort();
    let mut expected = vec![flipped.unwrap(), moved];
    expected.sort();
    assert_eq!(told, expected);
    let catalog = cluster.catalog().await.unwrap();
    let verified = cluster.resolve(&catalog, "latest-verified").await.unwrap();
    assert_eq!(verified.snapshot, snapshot(1));
}

#[tokio::test]
async fn latest_verified_is_the_newest_that_is_complete_and_proven() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    commit_many(&cluster, 3).await;
    let mut partial = crate::testing::bare_commit(4);
    partial.state = SnapshotState::Partial;
    cluster.commit(partial).await.unwrap();
    let catalog = cluster.catalog().await.unwrap();
    let none = cluster.resolve(&catalog, "latest-verified").await;
    assert!(matches!(none, Err(RepositoryError::NoneVerified { .. })));
    for (n, minutes, outcome) in [
        (1, 0, ProofOutcome::Ok),
        (2, 1, ProofOutcome::Ok),
        (3, 2, ProofOutcome::Damaged),
        (4, 3, ProofOutcome::Ok),
    ] {
        cluster
            .put_result(&result(n, minutes, outcome))
            .await
            .unwrap();
    }
    let found = cluster.resolve(&catalog, "latest-verified").await.unwrap();
    assert_eq!(found.snapshot, snapshot(2));
    // the other references go on as they did
    let latest = cluster.resolve(&catalog, "latest").await.unwrap();
    assert_eq!(latest.snapshot, snapshot(4));
}

#[tokio::test]
async fn a_check_takes_results_for_no_orphans() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    let stored = cluster.put_result(&result(1, 0, ProofOutcome::Ok)).await;
    let report = cluster.check(&Progress::default()).await.unwrap();
    assert!(report.orphans.is_empty(), "{report:?}");
    assert_eq!(report.objects, 1);
    assert!(stored.is_ok());
}
