use std::io::Read;

use lifeboat_archive::{json::Xxh3Hex, lists::ArchiveReference};
use lifeboat_config::RepositoryUrl;

use super::*;
use crate::testing::{
    CLUSTER, Fault, FaultyStore, NOW, bare_commit, commit, folder_of, list, manifest,
    manifest_topic, nowhere, scratch_repository, snapshot,
};

async fn cluster() -> (tempfile::TempDir, ClusterRepository) {
    let (folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    (folder, cluster)
}

/// The same repository through a store with a fault.
async fn faulty(cluster: &ClusterRepository, fault: Fault) -> ClusterRepository {
    let url: RepositoryUrl = cluster.repository().url().parse().unwrap();
    let store = FaultyStore::over(&url, fault);
    let repository = Repository::open_in(store, &url.to_string()).await.unwrap();
    repository.cluster(CLUSTER).unwrap()
}

#[tokio::test]
async fn a_manifest_and_its_lists_come_back_as_they_were_stored() {
    let (_folder, cluster) = cluster().await;
    let documents = cluster
        .put_documents(&snapshot(1), b"tar".to_vec())
        .await
        .unwrap();
    let mut lists = cluster.lists(&snapshot(1));
    let orders = lists.append(&list("orders")).await.unwrap();
    let events = lists.append(&list("events")).await.unwrap();
    let object = lists.finish().await.unwrap().unwrap();
    assert_eq!(events.position, orders.length);
    assert_eq!(object.size, orders.length + events.length);
    let mut manifest = manifest(snapshot(1), documents);
    manifest.topics = vec![
        manifest_topic("orders", orders),
        manifest_topic("events", events),
    ];
    let reference = cluster.put_manifest(&manifest).await.unwrap();
    let done = cluster
        .commit(commit(snapshot(1), reference))
        .await
        .unwrap();
    assert_eq!(cluster.manifest(&done).await.unwrap(), manifest);
    for topic in &manifest.topics {
        assert_eq!(cluster.list(topic).await.unwrap(), list(&topic.topic));
    }
    // the whole object reads as JSON lines with stock tools, and its hash is the one that was told
    let whole = cluster.repository().read(&object).await.unwrap();
    let mut lines = Vec::new();
    zstd::Decoder::new(&*whole)
        .unwrap()
        .read_to_end(&mut lines)
        .unwrap();
    assert_eq!(
        lines
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .count(),
        2
    );
}

#[tokio::test]
async fn nothing_is_listed_where_no_topic_changed() {
    let (_folder, cluster) = cluster().await;
    assert_eq!(cluster.lists(&snapshot(1)).finish().await.unwrap(), None);
}

#[tokio::test]
async fn lists_larger_than_a_part_are_written_in_parts() {
    let (_folder, cluster) = cluster().await;
    let mut lists = cluster.lists(&snapshot(1));
    let mut topics = Vec::new();
    let mut state = 1u64;
    // text that zstd can't make small
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{state:016x}")
    };
    let archives: Vec<_> = (0..900)
        .map(|_| ArchiveReference {
            object: (0..60).map(|_| noise()).collect(),
            size: 3,
            xxh3_128: Xxh3Hex::of(b"abc"),
        })
        .collect();
    for n in 0..24 {
        let mut big = list(&format!("topic-{n}"));
        big.archives.clone_from(&archives);
        topics.push((
            manifest_topic(&big.topic, lists.append(&big).await.unwrap()),
            big,
        ));
    }
    let object = lists.finish().await.unwrap().unwrap();
    assert!(
        object.size > crate::store::PART_BYTES as u64,
        "{}",
        object.size
    );
    cluster.repository().read(&object).await.unwrap();
    for (topic, big) in topics {
        assert_eq!(cluster.list(&topic).await.unwrap(), big);
    }
}

#[tokio::test]
async fn a_changed_list_or_manifest_is_damage_that_names_the_object() {
    let (_folder, cluster) = cluster().await;
    let mut lists = cluster.lists(&snapshot(1));
    let orders = manifest_topic("orders", lists.append(&list("orders")).await.unwrap());
    let object = lists.finish().await.unwrap().unwrap().object;
    let url: RepositoryUrl = cluster.repository().url().parse().unwrap();
    let path = folder_of(&url).join(&object);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(&path, bad).unwrap();
    let error = cluster.list(&orders).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Damaged { object: named, .. } if *named == object));
    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(matches!(
        cluster.list(&orders).await,
        Err(RepositoryError::Damaged { .. })
    ));

    // right bytes in the wrong place
    std::fs::write(&path, &good).unwrap();
    let mut other = orders.clone();
    other.topic = "payments".to_owned();
    assert!(matches!(
        cluster.list(&other).await,
        Err(RepositoryError::Damaged { .. })
    ));
    let reference = cluster
        .put_manifest(&manifest(snapshot(1), nowhere("c/x")))
        .await
        .unwrap();
    let swapped = commit(snapshot(2), reference);
    assert!(matches!(
        cluster.manifest(&swapped).await,
        Err(RepositoryError::Damaged { .. })
    ));
}

#[tokio::test]
async fn nothing_that_is_stored_is_overwritten() {
    let (_folder, cluster) = cluster().await;
    let first = cluster
        .put_documents(&snapshot(1), b"one".to_vec())
        .await
        .unwrap();
    // the very same bytes again: an answer that was lost
    assert_eq!(
        cluster
            .put_documents(&snapshot(1), b"one".to_vec())
            .await
            .unwrap(),
        first
    );
    for other in [&b"two"[..], b"longer"] {
        let error = cluster
            .put_documents(&snapshot(1), other.to_vec())
            .await
            .unwrap_err();
        assert!(matches!(error, RepositoryError::Exists { .. }), "{error}");
    }
    assert_eq!(
        cluster.repository().read(&first).await.unwrap(),
        &b"one"[..]
    );
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_and_not_made_twice() {
    let (_folder, cluster) = cluster().await;
    cluster.commit(bare_commit(1)).await.unwrap();
    let faulty = faulty(&cluster, Fault::ReplyLost(1)).await;
    assert_eq!(faulty.commit(bare_commit(2)).await.unwrap().sequence, 2);
    assert_eq!(faulty.commit(bare_commit(3)).await.unwrap().sequence, 3);
    assert_eq!(cluster.catalog().await.unwrap().snapshots().count(), 3);
}

#[tokio::test]
async fn what_was_written_before_the_connection_was_reset_is_recognised_as_our_own() {
    let (_folder, cluster) = cluster().await;
    cluster.commit(bare_commit(1)).await.unwrap();
    let documents = faulty(&cluster, Fault::Reset(2)).await;
    documents
        .put_documents(&snapshot(2), b"tar".to_vec())
        .await
        .unwrap();
    let mut lists = documents.lists(&snapshot(2));
    lists.append(&list("orders")).await.unwrap();
    lists.finish().await.unwrap().unwrap();
    let faulty = faulty(&cluster, Fault::Reset(1)).await;
    assert_eq!(faulty.commit(bare_commit(2)).await.unwrap().sequence, 2);
    assert_eq!(faulty.commit(bare_commit(3)).await.unwrap().sequence, 3);
    assert_eq!(cluster.catalog().await.unwrap().snapshots().count(), 3);
}

#[tokio::test]
async fn a_store_that_says_there_and_not_there_is_asked_again_and_not_for_ever() {
    let (_folder, cluster) = cluster().await;
    cluster.commit(bare_commit(1)).await.unwrap();
    let confused = faulty(&cluster, Fault::ClaimsThere(2)).await;
    confused
        .put_documents(&snapshot(2), b"tar".to_vec())
        .await
        .unwrap();
    let confused = faulty(&cluster, Fault::ClaimsThere(2)).await;
    // no number is left out
    assert_eq!(confused.commit(bare_commit(2)).await.unwrap().sequence, 2);
    let mad = faulty(&cluster, Fault::ClaimsThere(usize::MAX)).await;
    for error in [
        mad.put_documents(&snapshot(3), b"tar".to_vec())
            .await
            .unwrap_err(),
        mad.commit(bare_commit(3)).await.unwrap_err(),
    ] {
        let RepositoryError::Store { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(source.to_string().contains("that it is not"), "{source}");
    }
    assert_eq!(cluster.catalog().await.unwrap().snapshots().count(), 2);
}

#[tokio::test]
async fn a_full_store_is_told_as_full_and_nothing_becomes_visible() {
    let (_folder, cluster) = cluster().await;
    let full = faulty(&cluster, Fault::Full).await;
    let error = full.commit(bare_commit(1)).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
    let error = full.put_documents(&snapshot(1), vec![0]).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
    let mut upload = full.begin_archive(NOW).await.unwrap();
    let object = upload.object().to_owned();
    let bytes = Bytes::from(vec![0; 9 << 20]);
    let error = loop {
        if let Err(error) = upload.write(bytes.clone()).await {
            break error;
        }
    };
    assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
    upload.abort().await.unwrap();
    let gone = cluster.repository().size(&object).await;
    assert!(matches!(gone, Err(RepositoryError::NotFound { .. })));
    assert!(cluster.catalog().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_volume_that_was_unmounted_takes_no_commit() {
    let (_folder, cluster) = cluster().await;
    cluster.commit(bare_commit(1)).await.unwrap();
    let url: RepositoryUrl = cluster.repository().url().parse().unwrap();
    std::fs::remove_dir_all(folder_of(&url)).unwrap();
    std::fs::create_dir(folder_of(&url)).unwrap();
    let error = cluster.commit(bare_commit(2)).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NoRepository { .. }),
        "{error}"
    );
    let error = cluster.begin_archive(NOW).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NoRepository { .. }),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(folder_of(&url)).unwrap().count(), 0);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let packed = pack_within("lists/one", &[b'a'; 100], 100).unwrap();
    assert_eq!(decompress_frame(&packed, 100).unwrap(), [b'a'; 100]);
    let refused = pack_within("lists/one", &[b'a'; 101], 100).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "lists/one can't be written: 101 B, where no more than 100 B can be read again"
    );
}
