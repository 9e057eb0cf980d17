use std::path::PathBuf;

use futures::TryStreamExt;

use super::*;
use crate::testing::{
    CLUSTER, Fault, FaultyStore, NOW, commit_many, folder_of, nowhere, scratch, scratch_repository,
};

fn clock() -> Clock {
    Clock::fixed(NOW)
}

fn reference(object: &str, bytes: &[u8]) -> ObjectReference {
    ObjectReference {
        object: object.to_owned(),
        size: bytes.len() as u64,
        sha256: Sha256Hex::of(bytes),
    }
}

fn place(repository: &Repository, object: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(repository.url().strip_prefix("file://").unwrap());
    let path = folder.join(object);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn what_was_initialised_can_be_opened_and_says_how_to_read_it() {
    let (_folder, url) = scratch();
    let made = Repository::init(&url, &clock()).await.unwrap();
    let opened = Repository::open(&url).await.unwrap();
    assert_eq!(made.id(), opened.id());
    assert_eq!(opened.url(), url.to_string());
    assert_eq!(opened.created_at(), NOW);
    assert!(opened.clusters().await.unwrap().is_empty());
    let readme = std::fs::read_to_string(folder_of(&url).join("README.txt")).unwrap();
    assert!(readme.contains("tar --zstd -xf") && readme.contains("sha256sum -c"));
    assert!(readme.lines().all(|line| line.len() <= 120));
}

#[tokio::test]
async fn a_repository_is_made_only_once() {
    let (_folder, url) = scratch();
    let first = Repository::init(&url, &clock()).await.unwrap();
    let error = Repository::init(&url, &clock()).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::AlreadyInitialised { id, .. } if id == first.id()));
    assert_eq!(Repository::open(&url).await.unwrap().id(), first.id());
}

#[tokio::test]
async fn an_init_whose_answers_are_lost_finds_its_own_repository() {
    // README, root, and the root once more, of which the first two are done
    for lost in 1..=2 {
        let (_folder, url) = scratch();
        std::fs::create_dir_all(folder_of(&url)).unwrap();
        let store = FaultyStore::over(&url, Fault::Reset(lost));
        let made = Repository::init_in(store, None, &url.to_string(), Writers::Many, NOW).await;
        let (made, _) = made.unwrap();
        assert_eq!(Repository::open(&url).await.unwrap().id(), made.id());
    }
}

#[tokio::test]
async fn two_inits_at_once_make_one_repository() {
    let (_folder, url) = scratch();
    let clock = clock();
    let (one, two) = tokio::join!(
        Repository::init(&url, &clock),
        Repository::init(&url, &clock)
    );
    let made: Vec<_> = [one, two].into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(Repository::open(&url).await.unwrap().id(), made[0].id());
}

#[tokio::test]
async fn an_interrupted_init_is_completed_by_the_next_one() {
    let (_folder, url) = scratch();
    std::fs::create_dir_all(folder_of(&url)).unwrap();
    std::fs::create_dir(folder_of(&url).join("lost+found")).unwrap();
    std::fs::write(folder_of(&url).join("README.txt"), README_TEXT).unwrap();
    std::fs::write(folder_of(&url).join("lifeboat.json#1"), "{").unwrap();
    let error = Repository::open(&url).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NoRepository { .. }),
        "{error}"
    );
    Repository::init(&url, &clock()).await.unwrap();
    assert!(
        Repository::open(&url)
            .await
            .unwrap()
            .clusters()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_folder_that_is_used_for_something_else_is_not_taken() {
    let (_folder, url) = scratch();
    std::fs::create_dir_all(folder_of(&url)).unwrap();
    std::fs::write(folder_of(&url).join("thesis.tex"), "x").unwrap();
    let error = Repository::init(&url, &clock()).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Occupied { found, .. } if found == "thesis.tex"));
}

#[tokio::test]
async fn a_place_without_a_repository_is_named() {
    let (folder, url) = scratch();
    let problem = |error: RepositoryError| match error {
        RepositoryError::NoRepository {
            url: named,
            problem,
        } => {
            assert_eq!(named, url.to_string());
            problem
        }
        other => panic!("{other}"),
    };
    let error = Repository::open(&url).await.unwrap_err();
    assert_eq!(problem(error), "there is no such folder");
    std::fs::create_dir(folder_of(&url)).unwrap();
    let error = Repository::open(&url).await.unwrap_err();
    assert_eq!(problem(error), "it holds no lifeboat.json");
    std::fs::remove_dir(folder_of(&url)).unwrap();
    std::fs::write(folder_of(&url), "x").unwrap();
    let error = Repository::open(&url).await.unwrap_err();
    assert_eq!(problem(error), "it is a file, not a folder");
    let below = RepositoryUrl::from_local_path(&folder.path().join("repository/below")).unwrap();
    let error = Repository::open(&below).await.unwrap_err();
    assert!(error.to_string().ends_with("a part of its path is a file"));
}

#[tokio::test]
async fn a_place_that_may_not_be_written_is_denied_and_not_missing() {
    // nobody makes folders in there, not even root
    let url = RepositoryUrl::from_local_path(Path::new("/sys/lifeboat-test/x")).unwrap();
    let error = Repository::init(&url, &clock()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn a_newer_repository_is_refused_by_its_version_and_a_damaged_one_by_its_name() {
    let (_folder, repository) = scratch_repository().await;
    let url: RepositoryUrl = repository.url().parse().unwrap();
    let path = folder_of(&url).join("lifeboat.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let error = Repository::open(&url).await.unwrap_err();
    assert!(
        matches!(
            error,
            RepositoryError::TooNew {
                found: 9,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let error = Repository::open(&url).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Damaged { object, .. } if object == "lifeboat.json"));
}

#[tokio::test]
async fn a_read_object_that_was_changed_is_damage_that_names_it() {
    let (_folder, repository) = scratch_repository().await;
    let object = format!("{CLUSTER}/metadata/x.tar.zst");
    let good = reference(&object, b"0123456789");
    let check = async |stored: &[u8], expected: Option<&str>| {
        place(&repository, &object, stored);
        match (repository.read(&good).await, expected) {
            (Ok(bytes), None) => assert_eq!(bytes, stored),
            (
                Err(RepositoryError::Damaged {
                    object: named,
                    problem,
                }),
                Some(part),
            ) => {
                assert_eq!(named, object);
                assert!(problem.contains(part), "{problem}");
            }
            (result, _) => panic!("{result:?}"),
        }
    };
    check(b"0123456789", None).await;
    check(b"0123456780", Some("SHA-256")).await;
    check(b"012345678", Some("9 bytes instead of 10")).await;
    check(b"01234567890", Some("11 bytes")).await;
    let error = repository
        .read(&nowhere("c/metadata/none.tar.zst"))
        .await
        .unwrap_err();
    assert!(matches!(error, RepositoryError::NotFound { .. }));
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_repository_is_refused() {
    let (folder, repository) = scratch_repository().await;
    std::fs::write(folder.path().join("secret"), b"abc").unwrap();
    let bad = nowhere("../secret");
    assert!(matches!(
        repository.read(&bad).await,
        Err(RepositoryError::Damaged { .. })
    ));
    assert!(matches!(
        repository.size("../secret").await,
        Err(RepositoryError::Damaged { .. })
    ));
    let read = repository.read_range("c/../../secret", 0..3).await;
    assert!(matches!(read, Err(RepositoryError::Damaged { .. })));
    let streamed: Result<Vec<_>, _> = repository
        .stream_range("../secret", 0..3)
        .try_collect()
        .await;
    assert!(matches!(streamed, Err(RepositoryError::Damaged { .. })));
    assert!(matches!(
        repository.cluster(".."),
        Err(RepositoryError::BadClusterId { .. })
    ));
}

#[tokio::test]
async fn ranges_are_read_exactly_or_not_at_all() {
    let (_folder, repository) = scratch_repository().await;
    let bytes: Vec<u8> = (0..9_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let object = format!("{CLUSTER}/data/2026-08-23/x.tar.zst");
    place(&repository, &object, &bytes);
    assert_eq!(repository.size(&object).await.unwrap(), 9_000_000);
    assert_eq!(
        repository.read_range(&object, 5..9).await.unwrap(),
        &bytes[5..9]
    );
    assert!(
        repository
            .read_range(&object, 7..7)
            .await
            .unwrap()
            .is_empty()
    );
    let pieces: Vec<Bytes> = repository
        .stream_range(&object, 1..8_999_999)
        .try_collect()
        .await
        .unwrap();
    assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.len() <= 4 << 20));
    assert_eq!(pieces.concat(), &bytes[1..8_999_999]);
    for beyond in [
        8_999_999..9_000_001,
        9_000_000..9_000_001,
        10_000_000..10_000_001,
    ] {
        let read = repository.read_range(&object, beyond.clone()).await;
        assert!(
            matches!(read, Err(RepositoryError::Damaged { .. })),
            "{beyond:?}: {read:?}"
        );
        let streamed: Result<Vec<_>, _> =
            repository.stream_range(&object, beyond).try_collect().await;
        assert!(matches!(streamed, Err(RepositoryError::Damaged { .. })));
    }
    let read = repository.read_range("c/data/none", 0..1).await;
    assert!(matches!(read, Err(RepositoryError::NotFound { .. })));
    let read = repository.read_range(&object, 0..u64::MAX).await;
    assert!(matches!(read, Err(RepositoryError::Damaged { .. })));
}

#[tokio::test]
async fn the_only_cluster_is_chosen_and_several_ask_which() {
    let (_folder, repository) = scratch_repository().await;
    let error = repository.choose_cluster(None).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Empty { .. }));
    commit_many(&repository.cluster(CLUSTER).unwrap(), 1).await;
    place(&repository, "lost+found/x", b"");
    place(&repository, "notes/todo.txt", b"");
    assert_eq!(repository.clusters().await.unwrap(), [CLUSTER]);
    assert_eq!(repository.choose_cluster(None).await.unwrap().id(), CLUSTER);
    assert_eq!(
        repository.choose_cluster(Some(CLUSTER)).await.unwrap().id(),
        CLUSTER
    );
    let error = repository.choose_cluster(Some("other")).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::ClusterUnknown { .. }),
        "{error}"
    );
    place(&repository, "other/data/2026-08-23/x.tar.zst", b"");
    let error = repository.choose_cluster(None).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::SeveralClusters { .. }),
        "{error}"
    );
}
