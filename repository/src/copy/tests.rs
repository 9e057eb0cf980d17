use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use lifeboat_archive::{
    json::{self, Xxh3Hex},
    lists::{ArchiveReference, TopicList},
    manifest::Commit,
    words::{ByteSize, SnapshotId},
};
use lifeboat_config::RepositoryUrl;
use tempfile::TempDir;

use super::*;
use crate::{
    ClusterRepository,
    testing::{
        CLUSTER, Fault, FaultyStore, NOW, bare_commit, commit, folder_of, list, manifest,
        manifest_topic, nowhere, scratch, scratch_repository, snapshot,
    },
};

mod damage;
mod stopping;
mod sweep;

/// A source with snapshots that share lists and archives, and an empty target.
struct Scene {
    folders: [TempDir; 2],
    from: Repository,
    to: Repository,
    /// The archives of topics `a`, `b`, …, each of which is new in one snapshot.
    archives: Vec<String>,
}

/// More than a part of an upload.
const LARGE: usize = 9 << 20;

impl Scene {
    /// Snapshot 1 has topic `a`, 2 has `a` and `b`, and so on: each has one list and one archive of its own.
    async fn new(snapshots: u32) -> Self {
        Self::with_archives(&vec![100; snapshots as usize]).await
    }

    async fn with_archives(sizes: &[usize]) -> Self {
        let (from_folder, from) = scratch_repository().await;
        let (to_folder, to) = scratch_repository().await;
        let mut scene = Self {
            folders: [from_folder, to_folder],
            from,
            to,
            archives: Vec::new(),
        };
        let cluster = scene.from.cluster(CLUSTER).unwrap();
        let mut topics = Vec::new();
        for ((n, letter), size) in (1..).zip('a'..).zip(sizes) {
            let topic = letter.to_string();
            let archive = archive(&cluster, &topic, *size).await;
            scene.archives.push(archive.object.clone());
            let mut lists = cluster.lists(&snapshot(n));
            let list = TopicList {
                archives: vec![archive],
                ..list(&topic)
            };
            let list = lists.append(&list).await.unwrap();
            lists.finish().await.unwrap();
            topics.push(manifest_topic(&topic, list));
            store(&cluster, n, &topics).await;
        }
        scene
    }

    /// The same source, and nothing copied yet.
    async fn empty_target(&mut self) {
        let (folder, to) = scratch_repository().await;
        self.folders[1] = folder;
        self.to = to;
    }

    fn copy(&self) -> Copy {
        copy(&self.from, &self.to)
    }

    async fn run(&self, options: impl FnOnce(&mut Options)) -> Report {
        let mut copy = self.copy();
        options(&mut copy.options);
        copy.run().await.unwrap()
    }

    fn source(&self, object: &str) -> PathBuf {
        path(&self.from, object)
    }

    fn target(&self, object: &str) -> PathBuf {
        path(&self.to, object)
    }

    /// The snapshots of the target, by number.
    async fn snapshots(&self) -> Vec<(u64, SnapshotId)> {
        let catalog = self.to.cluster(CLUSTER).unwrap().catalog().await.unwrap();
        let commits = catalog.snapshots();
        commits
            .map(|commit| (commit.sequence, commit.snapshot.clone()))
            .collect()
    }

    /// The numbers of the source for snapshots 1 to `count`.
    async fn has_all(&self, count: u32) {
        let all: Vec<_> = (1..=count).map(|n| (n.into(), snapshot(n))).collect();
        assert_eq!(self.snapshots().await, all);
    }

    /// Whatever the target shows is whole: every snapshot there, byte by byte as in the source.
    async fn is_whole(&self) {
        let cluster = self.to.cluster(CLUSTER).unwrap();
        let report = cluster.check(&Progress::default()).await.unwrap();
        assert_eq!(report.findings, []);
        let source = files(&self.from);
        for (name, bytes) in files(&self.to) {
            // nor can anybody see what is staged for an upload
            if !name.starts_with(CLUSTER) || name.contains('#') {
                continue;
            }
            let original = source.get(&name);
            if name.contains("/commits/") {
                // what comes before it may never have been copied
                let alike = |bytes: &Vec<u8>| Commit {
                    follows: None,
                    ..json::from_root(bytes).unwrap()
                };
                assert_eq!(original.map(alike), Some(alike(&bytes)), "{name}");
                continue;
            }
            assert!(original == Some(&bytes), "{name} differs");
        }
    }
}

/// As the program would do it.
fn copy(from: &Repository, to: &Repository) -> Copy {
    Copy {
        from: from.clone(),
        to: to.clone(),
        options: Options {
            clusters: vec![CLUSTER.to_owned()],
            parallel: 2,
            ..Options::default()
        },
        clock: Clock::fixed(NOW),
        progress: Progress::default(),
        cancel: CancellationToken::new(),
    }
}

async fn archive(cluster: &ClusterRepository, topic: &str, size: usize) -> ArchiveReference {
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    let bytes = Bytes::from(topic.repeat(size));
    upload.write(bytes.clone()).await.unwrap();
    let hash = Xxh3Hex::of(&bytes);
    upload.finish(bytes.len() as u64, hash).await.unwrap()
}

/// Stores the documents, the manifest and the commit of a snapshot with these topics.
async fn store(
    cluster: &ClusterRepository,
    n: u32,
    topics: &[lifeboat_archive::manifest::ManifestTopic],
) -> Commit {
    let documents = format!("documents {n}").into_bytes();
    let documents = cluster.put_documents(&snapshot(n), documents).await;
    let mut manifest = manifest(snapshot(n), documents.unwrap());
    manifest.topics = topics.to_vec();
    let reference = cluster.put_manifest(&manifest).await.unwrap();
    let commit = commit(snapshot(n), reference);
    cluster.commit(commit).await.unwrap()
}

fn folder(repository: &Repository) -> PathBuf {
    let url: RepositoryUrl = repository.url().parse().unwrap();
    folder_of(&url).to_owned()
}

fn path(repository: &Repository, object: &str) -> PathBuf {
    folder(repository).join(object)
}

/// Every file of a repository, by its name; those that are not finished, too.
fn files(repository: &Repository) -> BTreeMap<String, Vec<u8>> {
    fn gather(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                gather(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    gather(&folder(repository), "", &mut found);
    found
}

fn states(report: &Report) -> Vec<CopyState> {
    let snapshots = report.clusters[0].snapshots.iter();
    snapshots.map(|one| one.state).collect()
}

#[tokio::test]
async fn a_copy_holds_the_same_bytes_under_the_same_names_and_the_second_one_copies_nothing() {
    let scene = Scene::with_archives(&[100, LARGE, 7]).await;
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied; 3]);
    assert_eq!(report.clusters[0].findings, []);
    // archive, lists, documents and manifest of each, and nothing twice
    assert_eq!(report.objects, 12);
    scene.has_all(3).await;
    scene.is_whole().await;
    assert_eq!(files(&scene.to).len(), files(&scene.from).len());
    let bytes: usize = files(&scene.from)
        .iter()
        .filter(|(name, _)| name.starts_with(CLUSTER) && !name.contains("/commits/"))
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert_eq!(report.bytes, bytes as u64);

    let again = scene.run(|_| ()).await;
    assert_eq!((again.objects, again.bytes), (0, 0));
    assert_eq!(states(&again), [CopyState::Present; 3]);
    scene.has_all(3).await;
}

#[tokio::test]
async fn a_dry_run_tells_what_a_copy_then_does_and_writes_nothing() {
    let scene = Scene::new(3).await;
    let told = scene.run(|options| options.dry_run = true).await;
    assert_eq!(states(&told), [CopyState::Pending; 3]);
    // README and root
    assert_eq!(files(&scene.to).len(), 2);
    let done = scene.run(|_| ()).await;
    assert_eq!((told.objects, told.bytes), (done.objects, done.bytes));
    let costs = |report: &Report| -> Vec<_> {
        let snapshots = report.clusters[0].snapshots.iter();
        snapshots
            .map(|one| (one.sequence, one.objects, one.bytes))
            .collect()
    };
    assert_eq!(costs(&told), costs(&done));
}

/// A check over there warned of every snapshot that was left out on purpose.
#[tokio::test]
async fn what_was_never_copied_is_no_gap_of_the_copy_and_what_is_removed_from_it_is() {
    let scene = Scene::new(4).await;
    scene
        .run(|options| options.references = vec![snapshot(2).to_string(), snapshot(4).to_string()])
        .await;
    let cluster = scene.to.cluster(CLUSTER).unwrap();
    let warnings = async || {
        let report = cluster.check(&Progress::default()).await.unwrap();
        assert_eq!(report.findings, []);
        report.warnings
    };
    assert_eq!(warnings().await, Vec::<String>::new());
    // what comes late finds its place
    scene.run(|_| ()).await;
    scene.has_all(4).await;
    assert_eq!(warnings().await, Vec::<String>::new());
    fs::remove_file(scene.target(&cluster.layout().commit(3))).unwrap();
    let [manifest] = &warnings().await[..] else {
        panic!("its manifest is there")
    };
    assert!(manifest.contains("has no commit"), "{manifest}");

    let whole = Scene::new(4).await;
    whole.run(|_| ()).await;
    let cluster = whole.to.cluster(CLUSTER).unwrap();
    fs::remove_file(whole.target(&cluster.layout().commit(3))).unwrap();
    let report = cluster.check(&Progress::default()).await.unwrap();
    let [gap, _] = &report.warnings[..] else {
        panic!("{report:#?}")
    };
    assert!(gap.starts_with("commit 3 is not there"), "{gap}");
}

#[tokio::test]
async fn what_came_since_the_last_copy_is_all_that_is_read_and_copied() {
    let scene = Scene::new(3).await;
    scene
        .run(|options| options.references = vec![snapshot(2).to_string()])
        .await;
    // what is behind them is known by the snapshot that is there
    for n in [0, 1] {
        fs::remove_file(scene.source(&scene.archives[n])).unwrap();
    }
    let lists = scene.source(CLUSTER).join("lists");
    for n in [1, 2] {
        fs::remove_file(lists.join(format!("{}.json.zst", snapshot(n)))).unwrap();
    }
    let report = scene
        .run(|options| options.references = vec!["latest".to_owned()])
        .await;
    assert_eq!(states(&report), [CopyState::Copied]);
    assert_eq!(report.objects, 4);
}

#[tokio::test]
async fn in_whatever_order_snapshots_are_copied_the_newest_is_the_latest() {
    let scene = Scene::new(4).await;
    for (reference, newest) in [
        ("latest~1", 3),
        ("latest", 4),
        ("latest~3", 4),
        ("latest~2", 4),
    ] {
        let report = scene
            .run(|options| options.references = vec![reference.to_owned()])
            .await;
        assert_eq!(states(&report), [CopyState::Copied], "{reference}");
        let cluster = scene.to.cluster(CLUSTER).unwrap();
        let catalog = cluster.catalog().await.unwrap();
        assert_eq!(
            catalog.latest().unwrap().unwrap().snapshot,
            snapshot(newest)
        );
    }
    scene.has_all(4).await;
    scene.is_whole().await;
}

#[tokio::test]
async fn a_copy_stands_behind_what_the_target_has_of_its_own() {
    let scene = Scene::new(2).await;
    let cluster = scene.to.cluster(CLUSTER).unwrap();
    for n in 10..13 {
        cluster.commit(bare_commit(n)).await.unwrap();
    }
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    let numbers: Vec<_> = scene.snapshots().await.into_iter().skip(3).collect();
    assert_eq!(numbers, [(4, snapshot(1)), (5, snapshot(2))]);
}

#[tokio::test]
async fn another_snapshot_of_the_same_name_is_told_and_left_as_it_is() {
    let scene = Scene::new(2).await;
    let cluster = scene.to.cluster(CLUSTER).unwrap();
    let mut other = bare_commit(1);
    other.manifest = nowhere("other");
    cluster.commit(other.clone()).await.unwrap();
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied, CopyState::NotCopied]);
    let findings = &report.clusters[0].findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, FindingKind::Conflict);
    assert_eq!(findings[0].snapshots, [snapshot(1)]);
    let catalog = cluster.catalog().await.unwrap();
    assert_eq!(catalog.snapshots().next().unwrap().manifest, other.manifest);
}

#[tokio::test]
async fn a_cluster_that_is_new_to_a_repository_of_others_must_be_expected() {
    let scene = Scene::new(1).await;
    let other = scene.to.cluster("somebody-elses").unwrap();
    other
        .put_documents(&snapshot(1), b"x".to_vec())
        .await
        .unwrap();
    let error = scene.copy().run().await.unwrap_err();
    assert!(
        matches!(&error, CopyError::ClusterUnknown { known, .. } if known == &["somebody-elses"]),
        "{error}"
    );
    let report = scene.run(|options| options.new_cluster = true).await;
    assert_eq!(states(&report), [CopyState::Copied]);
    // a repository that holds only what the source has is its copy, and gets the next cluster
    let scene = Scene::new(1).await;
    for repository in [&scene.from, &scene.to] {
        let second = repository.cluster("second").unwrap();
        second
            .put_documents(&snapshot(1), b"x".to_vec())
            .await
            .unwrap();
    }
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied]);
}

#[tokio::test]
async fn a_repository_is_not_copied_to_itself() {
    let scene = Scene::new(1).await;
    let error = copy(&scene.from, &scene.from).run().await.unwrap_err();
    assert!(matches!(error, CopyError::Same { .. }), "{error}");
}

#[tokio::test]
async fn reading_the_source_and_adding_to_the_target_are_all_the_rights_that_it_takes() {
    let scene = Scene::with_archives(&[100, LARGE]).await;
    let through = async |repository: &Repository, fault| {
        let url: RepositoryUrl = repository.url().parse().unwrap();
        let store = FaultyStore::over(&url, fault);
        Repository::open_in(store, repository.url()).await.unwrap()
    };
    let from = through(&scene.from, Fault::Full).await;
    let to = through(&scene.to, Fault::NoDelete).await;
    let report = copy(&from, &to).run().await.unwrap();
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    scene.is_whole().await;
}

#[tokio::test]
async fn a_commit_of_a_copy_whose_answer_was_lost_is_found_and_not_made_twice() {
    let scene = Scene::new(2).await;
    let url: RepositoryUrl = scene.to.url().parse().unwrap();
    let store = FaultyStore::over(&url, Fault::ReplyLost(100));
    let to = Repository::open_in(store, scene.to.url()).await.unwrap();
    let report = copy(&scene.from, &to).run().await.unwrap();
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    scene.has_all(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_at_the_same_time_bring_every_snapshot_once() {
    let scene = Scene::with_archives(&[100, LARGE, 100, 100]).await;
    let (one, other) = (scene.copy(), scene.copy());
    let (one, other) = futures::join!(one.run(), other.run());
    for report in [one.unwrap(), other.unwrap()] {
        assert_eq!(report.clusters[0].findings, []);
    }
    scene.has_all(4).await;
    scene.is_whole().await;
}

#[tokio::test]
async fn every_byte_counts_for_the_limit_and_for_the_progress_once() {
    let scene = Scene::with_archives(&[100, LARGE]).await;
    let mut copy = scene.copy();
    let asked = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&asked);
    copy.options.throttle = Throttle::new(move |bytes| {
        sum.fetch_add(bytes, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    });
    let report = copy.run().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), report.bytes);
    let shown = copy.progress.view();
    assert_eq!(shown.phase, "copying");
    assert_eq!((shown.done, shown.total), (report.bytes, report.bytes));
    assert_eq!(shown.bytes, report.bytes);
}

#[tokio::test]
async fn a_copy_that_is_stopped_leaves_no_part_and_the_next_one_goes_on() {
    let scene = Scene::with_archives(&[LARGE, LARGE]).await;
    let mut copy = scene.copy();
    let cancel = copy.cancel.clone();
    // the third piece of 4 MiB or less never comes, of whatever archive
    let pieces = Arc::new(AtomicU64::new(0));
    copy.options.throttle = Throttle::new(move |_| {
        let piece = pieces.fetch_add(1, Ordering::SeqCst);
        let cancel = cancel.clone();
        Box::pin(async move {
            if piece == 2 {
                cancel.cancel();
                std::future::pending::<()>().await;
            }
        })
    });
    let error = copy.run().await.unwrap_err();
    assert!(matches!(error, CopyError::Interrupted), "{error}");
    // README and root: the upload's parts are gone
    let left: Vec<_> = files(&scene.to).into_keys().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    scene.is_whole().await;
}

#[tokio::test]
async fn a_target_that_fills_up_ends_the_copy_and_leaves_no_part() {
    let scene = Scene::with_archives(&[LARGE, LARGE, LARGE]).await;
    let url: RepositoryUrl = scene.to.url().parse().unwrap();
    let to = Repository::open_in(FaultyStore::over(&url, Fault::Full), scene.to.url())
        .await
        .unwrap();
    let error = copy(&scene.from, &to).run().await.unwrap_err();
    assert!(
        matches!(error, CopyError::Target(RepositoryError::Full { .. })),
        "{error}"
    );
    let left: Vec<_> = files(&scene.to).into_keys().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn a_target_that_is_no_repository_is_named() {
    let (_folder, url) = scratch();
    let error = Repository::open(&url).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NoRepository { .. }));
    let scene = Scene::new(1).await;
    // it was there when it was opened
    fs::remove_file(scene.target("lifeboat.json")).unwrap();
    let error = scene.copy().run().await.unwrap_err();
    assert!(
        matches!(
            error,
            CopyError::Target(RepositoryError::NoRepository { .. })
        ),
        "{error}"
    );
}

#[test]
fn the_report_is_a_document() {
    let report = Report {
        from: "file:///a".to_owned(),
        to: "s3://b".to_owned(),
        dry_run: false,
        started_at: NOW,
        elapsed_ms: 1,
        objects: 0,
        bytes: ByteSize::mib(1).0,
        verified_objects: 0,
        verified_bytes: 0,
        clusters: Vec::new(),
    };
    let bytes = json::to_vec(&report);
    assert_eq!(json::from_slice::<Report>(&bytes).unwrap(), report);
}
