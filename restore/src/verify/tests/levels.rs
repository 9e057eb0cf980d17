//! What each level finds, and what is left to others.

use lifeboat_archive::results::{ProofKind, ProofOutcome};

use super::*;

fn at(level: Level) -> Options {
    Options {
        level,
        ..unstored()
    }
}

fn the_archive(folder: &Path) -> std::path::PathBuf {
    let mut files = files(folder).into_iter();
    let archive = files.find(|path| path.to_str().unwrap().contains("/data/"));
    archive.unwrap()
}

/// The shallowest level that finds damage; each deeper one has to find it, too.
async fn first_to_find(folder: &Path, commit: &Commit) -> Option<Level> {
    let mut first = None;
    for level in Level::ALL {
        let report = verify_as(folder, commit, at(level)).await.unwrap();
        assert!(report.unread.is_empty(), "{report:?}");
        let found = !report.damage.is_empty();
        assert!(found || first.is_none(), "{level} does not find it");
        if found {
            first.get_or_insert(level);
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn each_level_finds_what_it_has_to() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    assert_eq!(first_to_find(folder.path(), &commit).await, None);
    let archive = the_archive(folder.path());
    let sound = fs::read(&archive).unwrap();
    fs::remove_file(&archive).unwrap();
    let missing = first_to_find(folder.path(), &commit).await;
    assert_eq!(missing, Some(Level::Objects));
    fs::write(&archive, &sound[1..]).unwrap();
    let cut = first_to_find(folder.path(), &commit).await;
    assert_eq!(cut, Some(Level::Objects));
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 4;
    fs::write(&archive, &flipped).unwrap();
    let flipped = first_to_find(folder.path(), &commit).await;
    assert_eq!(flipped, Some(Level::Hashes));

    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot_with_broken_records(folder.path()).await;
    let broken = first_to_find(folder.path(), &commit).await;
    assert_eq!(broken, Some(Level::Records));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_can_not_be_decoded_is_named_with_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot_with_broken_records(folder.path()).await;
    let report = verify_as(folder.path(), &commit, at(Level::Records))
        .await
        .unwrap();
    let places: Vec<_> = report
        .damage
        .iter()
        .map(|damage| {
            (
                damage.topic_partition().unwrap().to_string(),
                damage.offsets,
            )
        })
        .collect();
    let expected = ["orders-0", "orders-1"];
    let expected = expected.map(|name| (name.to_owned(), Some(OffsetRange::new(30, 40))));
    assert_eq!(places, expected);
    // what lies before it in its batch was decoded
    assert_eq!(report.records, 80 - 2 * 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_asked_for_is_said_and_what_was_read_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let mut counted = Vec::new();
    for level in Level::ALL {
        let report = verify_as(folder.path(), &commit, at(level)).await.unwrap();
        assert!(report.is_sound());
        counted.push((report.segments, report.batches, report.records));
        let deepest = level == Level::Records;
        assert_eq!(report.not_looked_at.is_empty(), deepest, "{report:?}");
        let archive = fs::metadata(the_archive(folder.path())).unwrap().len();
        assert_eq!(report.bytes > archive, level > Level::Objects, "{level}");
    }
    assert_eq!(counted, [(0, 0, 0), (0, 0, 0), (4, 8, 0), (4, 8, 80)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_subsets_together_read_each_archive_once() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_sealed_snapshot(folder.path()).await;
    let whole = verify_as(folder.path(), &commit, at(Level::Hashes))
        .await
        .unwrap();
    assert!(whole.is_sound());
    let always = verify_as(folder.path(), &commit, at(Level::Objects))
        .await
        .unwrap();
    let (mut archives, mut bytes) = (0, 0);
    for number in 1..=3 {
        let options = Options {
            subset: Some(Subset::new(number, 3).unwrap()),
            ..at(Level::Hashes)
        };
        let report = verify_as(folder.path(), &commit, options).await.unwrap();
        assert!(report.is_sound());
        assert_eq!(report.archives, 2);
        let others = format!("{} of 2 archives", 2 - report.archives_checked);
        assert!(report.not_looked_at.contains(&others), "{report:?}");
        archives += report.archives_checked;
        bytes += report.bytes - always.bytes;
    }
    assert_eq!(archives, 2);
    assert_eq!(bytes, whole.bytes - always.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_chosen_topics_their_segments_are_read_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let chosen = |glob: &str| Options {
        topics: TopicGlobs {
            include: vec![glob.parse().unwrap()],
            exclude: Vec::new(),
        },
        ..at(Level::Batches)
    };
    let none = verify_as(folder.path(), &commit, chosen("x*")).await;
    assert!(matches!(none, Err(VerifyError::NoTopics { .. })));
    let sound = verify_as(folder.path(), &commit, chosen("or*"))
        .await
        .unwrap();
    assert!(sound.is_sound());
    assert_eq!((sound.segments, sound.batches), (4, 8));
    // the index at the end of the archive is nobody's
    let archive = the_archive(folder.path());
    let mut bytes = fs::read(&archive).unwrap();
    let last = bytes.len() - 60;
    bytes[last] ^= 1;
    fs::write(&archive, &bytes).unwrap();
    let behind = verify_as(folder.path(), &commit, chosen("or*"))
        .await
        .unwrap();
    assert!(behind.is_sound(), "{behind:?}");
    let whole = verify_as(folder.path(), &commit, at(Level::Batches))
        .await
        .unwrap();
    assert!(!whole.is_sound());
    // in the middle of the segments
    bytes[200] ^= 1;
    fs::write(&archive, &bytes).unwrap();
    let inside = verify_as(folder.path(), &commit, chosen("or*"))
        .await
        .unwrap();
    let place = inside.damage[0].topic_partition().unwrap();
    assert_eq!(place.to_string(), "orders-0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_stored_whatever_it_is_unless_that_is_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let cluster = repository.cluster("source").unwrap();
    let report = verify_as(folder.path(), &commit, unstored()).await.unwrap();
    assert_eq!((report.result, report.result_not_stored), (None, None));
    assert!(cluster.results(None).await.unwrap().by_snapshot.is_empty());
    let subset = Options {
        level: Level::Records,
        subset: Some(Subset::new(1, 1).unwrap()),
        ..Options::default()
    };
    let report = verify_as(folder.path(), &commit, subset).await.unwrap();
    assert!(folder.path().join(report.result.unwrap()).is_file());
    fs::remove_file(the_archive(folder.path())).unwrap();
    let damaged = verify_as(folder.path(), &commit, Options::default()).await;
    assert!(damaged.unwrap().result.is_some());
    let results = cluster.results(None).await.unwrap();
    let mut stored: Vec<_> = results.of(&commit.snapshot).to_vec();
    stored.sort_by_key(|result| result.outcome);
    assert!(stored.iter().all(|one| one.kind == ProofKind::Verify));
    let outcomes: Vec<_> = stored.iter().map(|one| (one.outcome, one.level)).collect();
    let expected = [
        (ProofOutcome::Ok, Some(Level::Records)),
        (ProofOutcome::Damaged, Some(Level::Batches)),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(stored[0].counts.records, 80);
    assert_eq!(stored[1].counts.problems, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_another_commit_is_told_and_not_held_against_this_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let commit = new_snapshot(folder.path()).await;
    let commits = folder.path().join("source/commits");
    fs::write(commits.join(format!("{:020}.json", 9)), b"nothing").unwrap();
    let report = verify_as(folder.path(), &commit, Options::default())
        .await
        .unwrap();
    assert_eq!(report.damage.len(), 1);
    let repository = Repository::open(&url(folder.path())).await.unwrap();
    let results = repository
        .cluster("source")
        .unwrap()
        .results(None)
        .await
        .unwrap();
    assert!(results.standing(&commit.snapshot).unwrap().verified);
}
