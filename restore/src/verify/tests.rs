use std::{fs, path::Path};

use lifeboat_archive::{
    json,
    seal::Identities,
    words::{OffsetRange, SnapshotId, Timestamp},
};
use lifeboat_repository::Repository;

use super::*;
use crate::testing::{
    KEYS, NOW, files, new_sealed_snapshot, new_snapshot, new_snapshot_with_broken_records, url,
};

const STRIDE: usize = 5;

async fn verify(folder: &Path, commit: &Commit) -> Result<Report, VerifyError> {
    verify_with(folder, commit, &[]).await
}

fn unstored() -> Options {
    Options {
        store: false,
        ..Options::default()
    }
}

async fn verify_as(
    folder: &Path,
    commit: &Commit,
    options: Options,
) -> Result<Report, VerifyError> {
    let repository = Repository::open(&url(folder)).await?;
    let verify = Verify {
        repository: repository.cluster("source")?,
        commit: commit.clone(),
        options,
        clock: Clock::fixed(NOW),
        progress: Progress::default(),
        cancel: CancellationToken::new(),
    };
    verify.run().await
}

/// With the identities of these keys.
async fn verify_with(
    folder: &Path,
    commit: &Commit,
    keys: &[(&str, &str)],
) -> Result<Report, VerifyError> {
    let texts: Vec<_> = keys.iter().map(|(_, identity)| *identity).collect();
    let identities = Identities::parse(&texts.join("\n")).ok();
    let repository = Repository::open(&url(folder)).await?;
    let repository = repository.opening_with(identities);
    let verify = Verify {
        repository: repository.cluster("source")?,
        commit: commit.clone(),
        options: unstored(),
        clock: Clock::fixed(NOW),
        progress: Progress::default(),
        cancel: CancellationToken::new(),
    };
    verify.run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_as_it_was_stored_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let report = verify(folder.path(), &commit).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.archives, report.segments, report.batches),
        (1, 4, 8)
    );
    let json = json::to_vec(&report);
    assert_eq!(json::from_slice::<Report>(&json).unwrap(), report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_anywhere_in_a_small_repository_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    for (first, path) in files(folder.path()).into_iter().enumerate() {
        if path.ends_with("README.txt") {
            continue;
        }
        let sound = fs::read(&path).unwrap();
        // the end-to-end test flips each byte
        for at in (first % STRIDE..sound.len()).step_by(STRIDE) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            let found = match verify(folder.path(), &commit).await {
                Ok(report) => {
                    assert!(report.unread.is_empty(), "{report:?}");
                    !report.damage.is_empty()
                }
                Err(VerifyError::Repository(
                    RepositoryError::Damaged { .. }
                    | RepositoryError::TooNew { .. }
                    | RepositoryError::NoRepository { .. },
                )) => true,
                Err(other) => panic!("{other}"),
            };
            assert!(found, "byte {at} of {}", path.display());
        }
        fs::write(&path, &sound).unwrap();
    }
    assert!(verify(folder.path(), &commit).await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_damage_is_found_and_named_not_only_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let archive = files(folder.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("/data/"))
        .unwrap();
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let manifest = cluster.manifest(&commit).await.unwrap();
    let list = cluster.list(&manifest.topics[0]).await.unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    let entry =
        |partition: usize, segment: usize| &list.partitions[partition].segments[segment].entry;
    for damaged in [entry(0, 1), entry(1, 0)] {
        let middle = usize::try_from(damaged.position + damaged.length / 2).unwrap();
        bytes[middle] ^= 0x10;
    }
    fs::write(&archive, &bytes).unwrap();
    let report = verify(folder.path(), &commit).await.unwrap();
    let places: Vec<_> = report
        .damage
        .iter()
        .map(|damage| {
            (
                damage.topic_partition().unwrap().to_string(),
                damage.offsets.unwrap(),
            )
        })
        .collect();
    let expected = [
        ("orders-0".to_owned(), OffsetRange::new(20, 40)),
        ("orders-1".to_owned(), OffsetRange::new(0, 20)),
    ];
    assert_eq!(places, expected);
    assert_eq!(report.segments, 4);
    let shown = report.damage[0].to_string();
    assert!(
        shown.contains("segment orders-0/00000000000000000020.log"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_cut_object_is_found_and_other_snapshots_that_need_it_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let mut manifest = cluster.manifest(&commit).await.unwrap();
    manifest.snapshot = SnapshotId::generate(Timestamp::from_millis(NOW.as_millis() + 60_000));
    let sharing = Commit {
        snapshot: manifest.snapshot.clone(),
        manifest: cluster.put_manifest(&manifest).await.unwrap(),
        ..commit.clone()
    };
    cluster.commit(sharing).await.unwrap();
    for path in files(folder.path()) {
        let name = path.to_str().unwrap();
        if !["/data/", "/lists/", "/metadata/"]
            .iter()
            .any(|part| name.contains(part))
        {
            continue;
        }
        let sound = fs::read(&path).unwrap();
        fs::write(&path, &sound[..sound.len() - 1]).unwrap();
        let cut = verify(folder.path(), &commit).await.unwrap();
        fs::remove_file(&path).unwrap();
        let missing = verify(folder.path(), &commit).await.unwrap();
        fs::write(&path, &sound).unwrap();
        for report in [cut, missing] {
            assert!(!report.damage.is_empty(), "{name}");
            for damage in &report.damage {
                assert!(name.ends_with(&damage.object), "{damage}");
                assert_eq!(damage.also_used_by, [manifest.snapshot.clone()]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_in_archives_of_two_keys_takes_both_and_tells_what_one_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_sealed_snapshot(folder.path()).await;
    let both = verify_with(folder.path(), &commit, &KEYS).await.unwrap();
    assert!(both.is_sound(), "{both:?}");
    assert_eq!((both.archives, both.segments, both.batches), (2, 4, 8));
    for (keys, segments, unopened) in [
        (&KEYS[1..], 2, ["/data/"].as_slice()),
        (&KEYS[..1], 2, &["/metadata/", "/data/"]),
        (&[], 0, &["/metadata/", "/data/", "/data/"]),
    ] {
        let report = verify_with(folder.path(), &commit, keys).await.unwrap();
        assert!(
            report.damage.is_empty() && report.unread.is_empty(),
            "{report:?}"
        );
        assert!(!report.is_sound());
        assert_eq!(report.segments, segments);
        // whatever could not be opened was read, to the last byte
        assert_eq!(report.bytes, both.bytes, "{report:?}");
        assert_eq!(report.unopened.len(), unopened.len(), "{report:?}");
        for (found, expected) in report.unopened.iter().zip(unopened) {
            assert!(found.object.contains(expected), "{found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_what_is_sealed_is_found_with_and_without_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_sealed_snapshot(folder.path()).await;
    let sealed = files(folder.path()).into_iter();
    let sealed: Vec<_> = sealed
        .filter(|path| path.extension().is_some_and(|ending| ending == "age"))
        .collect();
    assert_eq!(sealed.len(), 3);
    for path in &sealed {
        let sound = fs::read(path).unwrap();
        for at in (0..sound.len()).step_by(7 * STRIDE) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(path, &damaged).unwrap();
            for keys in [&KEYS[..], &[]] {
                let report = verify_with(folder.path(), &commit, keys).await.unwrap();
                assert!(report.unread.is_empty(), "{report:?}");
                let object = &report.damage[0].object;
                assert!(
                    path.ends_with(object),
                    "byte {at} of {}: {report:?}",
                    path.display()
                );
            }
        }
        for length in [0, 50, sound.len() - 1] {
            fs::write(path, &sound[..length]).unwrap();
            for keys in [&KEYS[..], &[]] {
                let report = verify_with(folder.path(), &commit, keys).await.unwrap();
                assert!(
                    !report.damage.is_empty(),
                    "{length} bytes of {}",
                    path.display()
                );
            }
        }
        fs::write(path, &sound).unwrap();
    }
}

mod levels;
