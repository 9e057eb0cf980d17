use std::path::{Path, PathBuf};

use super::*;
use crate::{
    ClusterRepository,
    testing::{CLUSTER, Fault, FaultyStore, NOW, folder_of, scratch, scratch_repository},
};

async fn cluster() -> (tempfile::TempDir, ClusterRepository) {
    let (folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    (folder, cluster)
}

/// Every file below the cluster's `data/`.
fn files(cluster: &ClusterRepository) -> Vec<PathBuf> {
    let folder = cluster.repository().url().strip_prefix("file://").unwrap();
    let mut found = Vec::new();
    let mut folders = vec![Path::new(folder).join(CLUSTER).join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_stored_as_it_was_written_in_pieces_of_any_size() {
    let (_folder, cluster) = cluster().await;
    let bytes: Vec<u8> = (0..40_000_000u32)
        .map(|n| n.to_le_bytes()[2] ^ n.to_le_bytes()[0])
        .collect();
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    assert_eq!(
        upload.object(),
        format!("{CLUSTER}/data/2026-08-23/{}.tar.zst", upload.name())
    );
    let mut rest = Bytes::from(bytes.clone());
    for size in [1, 8 << 20, 7, 20 << 20, 100_000].into_iter().cycle() {
        let piece = rest.split_to(rest.len().min(size));
        upload.write(piece).await.unwrap();
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(upload.written(), bytes.len() as u64);
    let size = bytes.len() as u64;
    let reference = upload.finish(size, Xxh3Hex::of(&bytes)).await.unwrap();
    let stored = cluster
        .repository()
        .read_range(&reference.object, 0..size)
        .await
        .unwrap();
    assert_eq!(stored, bytes);
    assert_eq!(files(&cluster).len(), 1);
}

#[tokio::test]
async fn nothing_of_an_archive_can_be_seen_before_it_is_finished() {
    let (_folder, cluster) = cluster().await;
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    upload.write(Bytes::from(vec![1; 20 << 20])).await.unwrap();
    let object = upload.object().to_owned();
    let size = cluster.repository().size(&object).await;
    assert!(matches!(size, Err(RepositoryError::NotFound { .. })));
    let listed = cluster
        .repository()
        .store()
        .list(&format!("{CLUSTER}/data"))
        .await
        .unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    upload.abort().await.unwrap();
    assert!(files(&cluster).is_empty(), "{:?}", files(&cluster));
}

#[tokio::test]
async fn an_archive_of_another_size_than_was_meant_does_not_appear() {
    let (_folder, cluster) = cluster().await;
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    let error = upload.finish(4, Xxh3Hex::of(b"abcd")).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Damaged { .. }), "{error}");
    assert!(files(&cluster).is_empty());
}

#[tokio::test]
async fn names_of_archives_begun_in_the_same_millisecond_differ() {
    let (_folder, cluster) = cluster().await;
    let one = cluster.begin_archive(NOW).await.unwrap();
    let two = cluster.begin_archive(NOW).await.unwrap();
    assert_ne!(one.name(), two.name());
    one.abort().await.unwrap();
    two.abort().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_leaves_no_part_and_takes_no_more() {
    let (folder, url) = scratch();
    std::fs::create_dir_all(folder_of(&url)).unwrap();
    let store = FaultyStore::over(&url, Fault::Full);
    let object = "x/y".to_owned();
    let mut upload = LargeUpload::begin(store, object).await.unwrap();
    let megabytes = Bytes::from(vec![7; 64 << 20]);
    let error = upload.write(megabytes.clone()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
    // before it is dropped: parts in a bucket go only when they are told to
    let left = std::fs::read_dir(folder.path().join("repository/x")).unwrap();
    assert_eq!(left.count(), 0);
    assert!(upload.write(megabytes).await.is_err());
    upload.abort().await.unwrap();
}

#[tokio::test]
async fn an_upload_whose_end_was_answered_by_nobody_is_there_and_one_that_is_not_keeps_the_first_error()
 {
    let (_folder, url) = scratch();
    std::fs::create_dir_all(folder_of(&url)).unwrap();
    let store = FaultyStore::over(&url, Fault::Reset(0));
    let begin = |object: &str| LargeUpload::begin(store.clone(), object.to_owned());
    let mut upload = begin("x/there").await.unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(upload.finish(3).await.unwrap(), "x/there");
    assert_eq!(store.size("x/there").await.unwrap(), 3);

    // somebody makes it vanish before it can be looked for
    let mut upload = begin("x/gone").await.unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    std::fs::create_dir_all(folder_of(&url).join("x/gone")).unwrap();
    let error = upload.finish(3).await.unwrap_err();
    let RepositoryError::Store { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        !source.to_string().contains("nothing to give up"),
        "{source}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_dropped_leaves_no_part_once_that_was_waited_for() {
    let (folder, url) = scratch();
    std::fs::create_dir_all(folder_of(&url)).unwrap();
    let store = Store::new(std::sync::Arc::new(FaultyStore::new(&url, Fault::NoDelete)));
    let mut upload = LargeUpload::begin(store.clone(), "x/y".to_owned())
        .await
        .unwrap();
    upload.write(Bytes::from(vec![7; 20 << 20])).await.unwrap();
    let left = || std::fs::read_dir(folder.path().join("repository/x")).unwrap();
    assert_eq!(left().count(), 1);
    drop(upload);
    store.leftovers().cleared().await;
    assert_eq!(left().count(), 0);
}
