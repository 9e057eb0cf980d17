use std::{fs, path::PathBuf};

use bytes::Bytes;
use lifeboat_archive::{json::Xxh3Hex, lists::TopicList, manifest::ListReference};
use lifeboat_config::RepositoryUrl;
use tempfile::TempDir;

use super::*;
use crate::testing::{
    CLUSTER, Fault, FaultyStore, NOW, bare_commit, commit, folder_of, list, manifest,
    manifest_topic, scratch_repository, snapshot,
};

/// A repository with two snapshots: the second shares the list of `orders` with the first, and has one of `events`.
struct Scene {
    _folder: TempDir,
    cluster: ClusterRepository,
    commits: Vec<Commit>,
    orders: ListReference,
    archives: Vec<String>,
}

async fn archive(cluster: &ClusterRepository, content: &'static [u8]) -> TopicList {
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    upload.write(Bytes::from_static(content)).await.unwrap();
    let size = content.len() as u64;
    let reference = upload.finish(size, Xxh3Hex::of(content)).await.unwrap();
    TopicList {
        archives: vec![reference],
        ..list("orders")
    }
}

impl Scene {
    async fn new() -> Self {
        let (folder, repository) = scratch_repository().await;
        let cluster = repository.cluster(CLUSTER).unwrap();
        let orders = archive(&cluster, b"orders").await;
        let events = TopicList {
            topic: "events".to_owned(),
            ..archive(&cluster, b"events!").await
        };
        let archives = [&orders, &events].map(|list| list.archives[0].object.clone());
        let mut lists = cluster.lists(&snapshot(1));
        let orders = lists.append(&orders).await.unwrap();
        lists.finish().await.unwrap();
        let mut lists = cluster.lists(&snapshot(2));
        let events = lists.append(&events).await.unwrap();
        lists.finish().await.unwrap();
        let mut commits = Vec::new();
        for (n, events) in [(1, None), (2, Some(events))] {
            let documents = cluster.put_documents(&snapshot(n), b"tar".to_vec()).await;
            let mut manifest = manifest(snapshot(n), documents.unwrap());
            manifest.topics = vec![manifest_topic("orders", orders.clone())];
            let events = events.map(|events| manifest_topic("events", events));
            manifest.topics.extend(events);
            let reference = cluster.put_manifest(&manifest).await.unwrap();
            let done = cluster.commit(commit(snapshot(n), reference)).await;
            commits.push(done.unwrap());
        }
        Self {
            _folder: folder,
            cluster,
            commits,
            orders,
            archives: archives.to_vec(),
        }
    }

    fn path(&self, object: &str) -> PathBuf {
        let url: RepositoryUrl = self.cluster.repository().url().parse().unwrap();
        folder_of(&url).join(object)
    }

    async fn check(&self) -> ClusterReport {
        self.cluster.check(&Progress::default()).await.unwrap()
    }

    /// The one thing that is wrong.
    async fn finding(&self) -> Finding {
        let mut findings = self.check().await.findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

fn flip(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_is_all_there_has_nothing_wrong_with_it() {
    let scene = Scene::new().await;
    let report = scene.check().await;
    assert_eq!(report.findings, []);
    assert_eq!(report.orphans, []);
    // two archives, and documents, lists, manifest and commit of each
    assert_eq!((report.commits, report.objects), (2, 10));
    let repository = scene.path(CLUSTER);
    let sizes = |folder: &str| {
        let files = fs::read_dir(repository.join(folder)).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum::<u64>()
    };
    let others = ["commits", "manifests", "lists", "metadata"].map(sizes);
    assert_eq!(report.bytes, others.iter().sum::<u64>() + 13);
}

#[tokio::test]
async fn an_archive_that_is_gone_is_told_with_every_snapshot_and_topic_that_needs_it() {
    let scene = Scene::new().await;
    fs::remove_file(scene.path(&scene.archives[0])).unwrap();
    let finding = scene.finding().await;
    assert_eq!(finding.kind, FindingKind::Missing);
    assert_eq!(finding.object, scene.archives[0]);
    assert_eq!(finding.snapshots, [snapshot(1), snapshot(2)]);
    assert_eq!(finding.topics, ["orders"]);
}

#[tokio::test]
async fn an_object_of_another_size_is_damaged() {
    let scene = Scene::new().await;
    fs::write(scene.path(&scene.archives[1]), b"events").unwrap();
    let finding = scene.finding().await;
    assert_eq!(finding.kind, FindingKind::Damaged);
    assert_eq!(finding.problem, "it has 6 bytes instead of 7");
    assert_eq!(finding.snapshots, [snapshot(2)]);
    assert_eq!(finding.topics, ["events"]);
}

#[tokio::test]
async fn a_damaged_list_is_told_once_with_all_that_share_it_and_a_cut_one_by_its_size() {
    let scene = Scene::new().await;
    let path = scene.path(&scene.orders.object);
    let good = fs::read(&path).unwrap();
    flip(&path);
    let report = scene.check().await;
    let [finding] = report.findings.as_slice() else {
        panic!("{report:#?}");
    };
    assert_eq!(finding.object, scene.orders.object);
    assert_eq!(finding.snapshots, [snapshot(1), snapshot(2)]);
    assert_eq!(finding.topics, ["orders"]);
    // nothing leads to it any more, and it must not be taken for rubbish: it is told as what it is
    assert_eq!(report.orphans.len(), 1);
    assert_eq!(report.orphans[0].object, scene.archives[0]);
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let finding = scene.finding().await;
    assert!(
        finding.problem.contains("a list in it ends at byte"),
        "{finding:?}"
    );
    fs::remove_file(&path).unwrap();
    let finding = scene.finding().await;
    assert_eq!(finding.kind, FindingKind::Missing);
    assert_eq!(finding.snapshots, [snapshot(1), snapshot(2)]);
}

#[tokio::test]
async fn damaged_and_missing_manifests_and_commits_are_told() {
    let scene = Scene::new().await;
    let manifest = &scene.commits[0].manifest.object;
    flip(&scene.path(manifest));
    let finding = scene.finding().await;
    assert_eq!(
        (&finding.object, finding.kind),
        (manifest, FindingKind::Damaged)
    );
    assert_eq!(finding.snapshots, [snapshot(1)]);
    fs::remove_file(scene.path(manifest)).unwrap();
    assert_eq!(scene.finding().await.kind, FindingKind::Missing);

    let scene = Scene::new().await;
    let commit = scene.cluster.layout().commit(2);
    flip(&scene.path(&commit));
    let report = scene.check().await;
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].object, commit);
    assert_eq!(report.findings[0].kind, FindingKind::Damaged);
    // manifest, documents, lists and archive that only it led to
    assert_eq!(report.orphans.len(), 4);
}

#[tokio::test]
async fn what_a_run_left_that_did_not_finish_is_an_orphan_with_its_size() {
    let scene = Scene::new().await;
    archive(&scene.cluster, b"nobody's").await;
    let report = scene.check().await;
    assert_eq!(report.findings, []);
    assert_eq!((report.orphans.len(), report.orphan_bytes), (1, 8));
    assert!(report.orphans[0].modified.as_millis() > 0);
}

#[tokio::test]
async fn a_commit_without_anything_behind_it_lacks_its_manifest() {
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    cluster.commit(bare_commit(1)).await.unwrap();
    let report = cluster.check(&Progress::default()).await.unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].kind, FindingKind::Missing);
}

#[test]
fn what_the_store_does_not_tell_is_neither_there_nor_missing() {
    let mut inventory = Inventory::default();
    inventory.name("c/data/x", Size::Exactly(3), Some(&snapshot(1)));
    let catalog = Catalog {
        cluster: "c".to_owned(),
        entries: Vec::new(),
    };
    let unknown = [("c/data/x".to_owned(), "denied".to_owned())].into();
    let report = report::compare(&catalog, &inventory, &unknown, Findings::default());
    assert_eq!(report.findings[0].kind, FindingKind::Unread);
    assert_eq!(report.findings[0].problem, "denied");
    assert_eq!(report.objects, 0);
}

#[test]
fn an_object_that_is_named_with_two_sizes_is_damaged_whatever_it_has() {
    let mut inventory = Inventory::default();
    for size in [3, 4] {
        inventory.name("c/data/x", Size::Exactly(size), None);
    }
    let (_, wanted) = inventory.objects().next().unwrap();
    assert_eq!(
        wanted.wrong_size(3).unwrap(),
        "it has 3 bytes instead of 3 and of 4"
    );
}

#[tokio::test]
async fn commits_that_are_gone_and_manifests_without_one_are_warned_of() {
    let scene = Scene::new().await;
    assert_eq!(scene.check().await.warnings, Vec::<String>::new());
    fs::remove_file(scene.path(&scene.cluster.layout().commit(1))).unwrap();
    let report = scene.check().await;
    assert_eq!(report.findings, []);
    let [gap, manifest] = report.warnings.as_slice() else {
        panic!("{report:#?}")
    };
    assert!(gap.starts_with("commit 1 is not there"), "{gap}");
    let of_first = &scene.commits[0].manifest.object;
    assert!(manifest.starts_with(of_first.as_str()), "{manifest}");
}

#[tokio::test]
async fn lists_that_snapshots_share_are_read_once_and_neighbours_together() {
    const TOPICS: usize = 300;
    const SNAPSHOTS: u32 = 20;
    let (_folder, repository) = scratch_repository().await;
    let cluster = repository.cluster(CLUSTER).unwrap();
    let mut lists = cluster.lists(&snapshot(1));
    let gone = lifeboat_archive::lists::ArchiveReference {
        object: format!("{CLUSTER}/data/2026-08-23/gone.tar.zst"),
        size: 3,
        xxh3_128: Xxh3Hex::of(b"abc"),
    };
    let mut topics = Vec::new();
    for n in 0..TOPICS {
        let mut list = list(&format!("topic-{n:03}"));
        if n % 2 == 0 {
            list.archives.push(gone.clone());
        }
        let reference = lists.append(&list).await.unwrap();
        topics.push(manifest_topic(&list.topic, reference));
    }
    lists.finish().await.unwrap();
    for n in 1..=SNAPSHOTS {
        let documents = cluster.put_documents(&snapshot(n), b"tar".to_vec()).await;
        let mut manifest = manifest(snapshot(n), documents.unwrap());
        manifest.topics.clone_from(&topics);
        let reference = cluster.put_manifest(&manifest).await.unwrap();
        cluster
            .commit(commit(snapshot(n), reference))
            .await
            .unwrap();
    }
    let url: RepositoryUrl = repository.url().parse().unwrap();
    let counting = std::sync::Arc::new(FaultyStore::new(&url, Fault::NoDelete));
    let store = crate::store::Store::new(counting.clone());
    let counted = crate::Repository::open_in(store, repository.url()).await;
    let cluster = counted.unwrap().cluster(CLUSTER).unwrap();
    let report = cluster.check(&Progress::default()).await.unwrap();
    assert_eq!(counting.ranged_reads(), 1);
    // and what they share is missed by all of them, in one finding
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(finding.object, gone.object);
    assert_eq!(finding.snapshots.len(), SNAPSHOTS as usize);
    assert_eq!(finding.topics.len(), TOPICS / 2);
}
