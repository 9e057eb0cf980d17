//! A small repository for tests.

pub(crate) mod plans;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use lifeboat_archive::{
    batch::Codec,
    documents::{Broker, ClusterDocument, GroupsDocument, TopicDocument, TopicsDocument},
    index::SegmentEntry,
    json,
    lists::{ArchiveReference, ListedSegment, PartitionList, TopicList, TransactionTable},
    manifest::{
        Commit, Manifest, ManifestPartition, ManifestTopic, SnapshotKind, SnapshotState, Totals,
    },
    records::{BatchBuilder, Produced},
    segment::{FrameCompressor, SegmentBuilder},
    tarball::{ArchiveBuilder, documents_archive},
    words::{Clock, SnapshotId, Timestamp, TopicId, TopicPartition},
};
use lifeboat_config::RepositoryUrl;
use lifeboat_repository::{ClusterRepository, Repository};

const TOPIC_ID: TopicId = TopicId([1; 16]);
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);

/// Key, value and headers of the record at an offset, as they stand in its batch.
type Inside = fn(i64) -> Vec<u8>;

fn sound(offset: i64) -> Vec<u8> {
    let value = offset.to_be_bytes();
    [&[2, b'k', 16][..], &value, &[0]].concat()
}

fn batch(base_offset: i64, count: i64, codec: Codec, inside: Inside) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for offset in base_offset..base_offset + count {
        builder.push(1_000 + offset, &inside(offset));
    }
    let produced = Produced {
        base_offset,
        ..Produced::ANONYMOUS
    };
    builder.finish(produced).unwrap()
}

pub(crate) fn url(folder: &Path) -> RepositoryUrl {
    folder.to_str().unwrap().parse().unwrap()
}

/// One archive with two partitions of two segments each.
async fn stored_archive(
    cluster: &ClusterRepository,
    inside: Inside,
) -> (ArchiveReference, Vec<SegmentEntry>) {
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    let mut archive = ArchiveBuilder::new(upload.name(), NOW);
    let mut compressor = FrameCompressor::new(3);
    for (partition, base) in [(0, 0), (0, 20), (1, 0), (1, 20)] {
        let name = TopicPartition::new("orders", partition);
        let mut segment = SegmentBuilder::new(name, TOPIC_ID, base);
        segment
            .push(&batch(base, 10, Codec::None, inside), &mut compressor)
            .unwrap();
        segment
            .push(&batch(base + 10, 10, Codec::Lz4, inside), &mut compressor)
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

fn partition_list(partition: i32, archive: usize, entries: &[SegmentEntry]) -> PartitionList {
    let segments = entries.iter().filter(|entry| entry.partition == partition);
    PartitionList {
        partition,
        segments: segments
            .map(|entry| ListedSegment {
                archive,
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
        repacked_bytes: 0,
        raw_bytes: list
            .segments
            .iter()
            .map(|segment| segment.entry.raw_bytes)
            .sum(),
        largest_batch_bytes: 1_000,
        max_timestamp_ms: Some(1_039),
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    }
}

/// A snapshot of one topic in one archive, or in one of each of these repositories, which are one in different hands.
async fn snapshot_in(repository: &Repository, written_by: &[Repository], inside: Inside) -> Commit {
    let cluster = repository.cluster("source").unwrap();
    let id = SnapshotId::generate(NOW);
    let (mut archives, mut partitions) = (Vec::new(), Vec::new());
    for (at, writer) in written_by.iter().enumerate() {
        let cluster = writer.cluster("source").unwrap();
        let (archive, entries) = stored_archive(&cluster, inside).await;
        archives.push(archive);
        let of_archive = [0, 1].into_iter().enumerate();
        let of_archive = of_archive.filter(|(n, _)| n % written_by.len() == at);
        partitions.extend(of_archive.map(|(_, partition)| partition_list(partition, at, &entries)));
    }
    let list = TopicList {
        topic: "orders".to_owned(),
        topic_id: TOPIC_ID,
        archives,
        partitions,
    };
    let mut lists = cluster.lists(&id);
    let topic = ManifestTopic {
        topic: list.topic.clone(),
        topic_id: TOPIC_ID,
        list: lists.append(&list).await.unwrap(),
        cleanup: None,
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
        builds_on: None,
        problems: Vec::new(),
    };
    let commit = Commit {
        sequence: 0,
        follows: None,
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
        reassignments: Some(Vec::new()),
        open_transactions: Some(Vec::new()),
    };
    let topics = TopicsDocument {
        topics: vec![TopicDocument {
            topic: "orders".to_owned(),
            topic_id: TOPIC_ID,
            partition_count: 2,
            replication_factor: 1,
            assignment: Vec::new(),
            configs: Some(BTreeMap::new()),
        }],
    };
    let groups = GroupsDocument { groups: Vec::new() };
    documents_archive(&[
        ("cluster.json", json::to_vec_pretty(&cluster)),
        ("topics.json", json::to_vec_pretty(&topics)),
        ("groups.json", json::to_vec_pretty(&groups)),
    ])
}

/// All files below `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
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

/// A new repository with one snapshot of one topic.
pub(crate) async fn new_snapshot(folder: &Path) -> Commit {
    let clock = Clock::fixed(NOW);
    let repository = Repository::init(&url(folder), &clock).await.unwrap();
    snapshot_in(&repository, std::slice::from_ref(&repository), sound).await
}

/// The same, where one record of each partition can't be decoded, although every checksum is right.
pub(crate) async fn new_snapshot_with_broken_records(folder: &Path) -> Commit {
    let clock = Clock::fixed(NOW);
    let repository = Repository::init(&url(folder), &clock).await.unwrap();
    let broken = |offset| match offset {
        // a key that is longer than the record
        33 => vec![126, b'k', 0, 0],
        sound_one => sound(sound_one),
    };
    snapshot_in(&repository, std::slice::from_ref(&repository), broken).await
}

/// Two key pairs of age-keygen.
pub(crate) const KEYS: [(&str, &str); 2] = [
    (
        "age1cd9rj0ymmyp9ztvzkt8hu9qvk4e5fxn323y8ccvag2ugpucrz9fs3p8w2p",
        "AGE-SECRET-KEY-15076M9F0RNLXP4WVNEHZMMG3KNL0DTXX4JUYXYQH6SVYEDJLDDGQHEDJ76",
    ),
    (
        "age14hyrpqm3sdt9amrqvf09hu2cplhzky7dzl2zsyt2g5md53z4fs2qg0j8zl",
        "AGE-SECRET-KEY-14GUUDR492PZ2S6687J3PMPL37EYRWEM7F407T5UCRF98HRS6UJDQCU07EU",
    ),
];

/// A new repository with one snapshot of one topic: of each of two partitions in an archive that is sealed with a key of
/// its own, as after a rotation; the documents are sealed with the second one.
pub(crate) async fn new_sealed_snapshot(folder: &Path) -> Commit {
    let clock = Clock::fixed(NOW);
    let repository = Repository::init(&url(folder), &clock).await.unwrap();
    let sealing = KEYS.map(|(recipient, _)| {
        let recipients = vec![recipient.parse().unwrap()];
        repository.clone().sealing_to(recipients)
    });
    snapshot_in(&sealing[1], &sealing, sound).await
}
