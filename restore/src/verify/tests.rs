use std::{fs, path::Path};

use bytes::Bytes;
use lifeboat_archive::{
    batch::Codec,
    documents::{Broker, TopicDocument},
    lists::{ArchiveReference, ListedSegment, PartitionList, TransactionTable},
    manifest::{ManifestPartition, SnapshotKind, SnapshotState, Totals},
    records::{BatchBuilder, Produced},
    segment::{FrameCompressor, SegmentBuilder},
    tarball::{ArchiveBuilder, documents_archive},
    words::TopicId,
};
use lifeboat_config::RepositoryUrl;
use lifeboat_repository::Repository;

use super::*;

const STRIDE: usize = 5;
const TOPIC_ID: TopicId = TopicId([1; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);

fn batch(base_offset: i64, count: i64, codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for offset in base_offset..base_offset + count {
        let value = offset.to_be_bytes();
        let tail = [&[2, b'k', 16][..], &value, &[0]].concat();
        builder.push(1_000 + offset, &tail);
    }
    let produced = Produced {
        base_offset,
        ..Produced::ANONYMOUS
    };
    builder.finish(produced).unwrap()
}

fn url(folder: &Path) -> RepositoryUrl {
    folder.to_str().unwrap().parse().unwrap()
}

/// One archive with two partitions of two segments each.
async fn stored_archive(cluster: &ClusterRepository) -> (ArchiveReference, Vec<SegmentEntry>) {
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    let mut archive = ArchiveBuilder::new(upload.name(), NOW);
    let mut compressor = FrameCompressor::new(3);
    for (partition, base) in [(0, 0), (0, 20), (1, 0), (1, 20)] {
        let name = TopicPartition::new("orders", partition);
        let mut segment = SegmentBuilder::new(name, TOPIC_ID, base);
        segment
            .push(&batch(base, 10, Codec::None), &mut compressor)
            .unwrap();
        segment
            .push(&batch(base + 10, 10, Codec::Lz4), &mut compressor)
            .unwrap();
        for frame in archive.append(segment.finish(&mut compressor)) {
            upload.write(frame).await.unwrap();
        }
    }
    let finished = archive.finish(&mut compressor);
    for frame in finished.tail {
        upload.write(frame).await.unwrap();
    }
    let reference = upload
        .finish(finished.size, finished.xxh3_128)
        .await
        .unwrap();
    (reference, finished.index.segments)
}

fn partition_list(partition: i32, entries: &[SegmentEntry]) -> PartitionList {
    let segments = entries.iter().filter(|entry| entry.partition == partition);
    PartitionList {
        partition,
        segments: segments
            .map(|entry| ListedSegment {
                archive: 0,
                entry: entry.clone(),
            })
            .collect(),
        holes: Vec::new(),
        transactions: TransactionTable::default(),
    }
}

fn manifest_partition(list: &PartitionList) -> ManifestPartition {
    ManifestPartition {
        partition: list.partition,
        log_start_offset: 0,
        high_watermark: 40,
        last_stable_offset: 40,
        leader_epoch: 0,
        record_count: Some(40),
        batch_count: 4,
        raw_bytes: list
            .segments
            .iter()
            .map(|segment| segment.entry.raw_bytes)
            .sum(),
        largest_batch_bytes: 1_000,
        max_timestamp_ms: Some(1_039),
        gaps: Vec::new(),
    }
}

/// A snapshot of one topic in one archive.
async fn snapshot_in(repository: &Repository) -> Commit {
    let cluster = repository.cluster("source").unwrap();
    let id = SnapshotId::generate(NOW);
    let (archive, entries) = stored_archive(&cluster).await;
    let list = TopicList {
        topic: "orders".to_owned(),
        topic_id: TOPIC_ID,
        archives: vec![archive],
        partitions: vec![partition_list(0, &entries), partition_list(1, &entries)],
    };
    let mut lists = cluster.lists(&id);
    let topic = ManifestTopic {
        topic: list.topic.clone(),
        topic_id: TOPIC_ID,
        list: lists.append(&list).await.unwrap(),
        partitions: list.partitions.iter().map(manifest_partition).collect(),
    };
    lists.finish().await.unwrap();
    let manifest = Manifest {
        snapshot: id.clone(),
        cluster_id: "source".to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: NOW,
        bounds_at: NOW,
        finished_at: NOW,
        created_by: "test".to_owned(),
        topics: vec![topic],
        documents: cluster.put_documents(&id, documents()).await.unwrap(),
        totals: Totals::default(),
        problems: Vec::new(),
    };
    let commit = Commit {
        sequence: 0,
        snapshot: id,
        cluster_id: "source".to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: NOW,
        bounds_at: NOW,
        committed_at: NOW,
        manifest: cluster.put_manifest(&manifest).await.unwrap(),
        totals: Totals::default(),
    };
    cluster.commit(commit).await.unwrap()
}

fn documents() -> Vec<u8> {
    let cluster = ClusterDocument {
        cluster_id: "source".to_owned(),
        captured_at: NOW,
        brokers: vec![Broker {
            id: 1,
            host: "localhost".to_owned(),
            port: 9092,
            rack: None,
        }],
    };
    let topics = TopicsDocument {
        topics: vec![TopicDocument {
            topic: "orders".to_owned(),
            topic_id: TOPIC_ID,
            partition_count: 2,
            replication_factor: 1,
            assignment: Vec::new(),
            configs: BTreeMap::new(),
        }],
    };
    let groups = GroupsDocument { groups: Vec::new() };
    documents_archive(&[
        ("cluster.json", json::to_vec_pretty(&cluster)),
        ("topics.json", json::to_vec_pretty(&topics)),
        ("groups.json", json::to_vec_pretty(&groups)),
    ])
}

async fn verify(folder: &Path, commit: &Commit) -> Result<Report, VerifyError> {
    let repository = Repository::open(&url(folder)).await?;
    let verify = Verify {
        repository: repository.cluster("source")?,
        commit: commit.clone(),
        options: Options::default(),
        clock: Clock::fixed(NOW),
        progress: Progress::default(),
        cancel: CancellationToken::new(),
    };
    verify.run().await
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

async fn new_snapshot(folder: &Path) -> Commit {
    let clock = Clock::fixed(NOW);
    let repository = Repository::init(&url(folder), &clock).await.unwrap();
    snapshot_in(&repository).await
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
