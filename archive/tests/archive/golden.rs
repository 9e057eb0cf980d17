//! Archives of every version that was ever released are read for ever.
//!
//! `LIFEBOAT_WRITE_FIXTURES=1` writes those of the present version anew; once it is released, never again.

use std::{fs, path::PathBuf};

use lifeboat_archive::{
    batch::{Batches, Codec},
    documents::ClusterDocument,
    index::SegmentEntry,
    json::{self, Sha256Hex, Xxh3Hex},
    lists::{ArchiveReference, ListedSegment, ObjectReference, PartitionList, TopicList},
    manifest::{
        Cleanup, Commit, Gap, GapReason, LastBatch, ListReference, Manifest, ManifestPartition,
        ManifestTopic, Problem, SnapshotKind, SnapshotState, Totals,
    },
    records::{Decompressor, records},
    tarball::{compress_frame, decompress_frame, documents_archive, read_documents},
    transactions::TransactionTracker,
    words::{OffsetRange, Timestamp, TopicId},
};
use serde_json::{Value, json};

use crate::{
    samples::TIME,
    written::{Written, read},
};

fn fixture(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    folder.join(name)
}

pub(crate) fn golden(name: &str, write: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = fixture(name);
    if std::env::var_os("LIFEBOAT_WRITE_FIXTURES").is_some() {
        fs::write(&path, write()).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every batch and record of the members, as a person would write it down.
fn told(members: &std::collections::BTreeMap<String, Vec<u8>>) -> Value {
    let mut decompressor = Decompressor::new(1 << 20);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = serde_json::Map::new();
    for (member, content) in members {
        let mut told = Vec::new();
        for batch in Batches::new(content) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let header = &batch.header;
            let records: Vec<_> = match decompressor.records_section(&batch) {
                Err(_) => Vec::new(),
                Ok(plain) => records(header, plain)
                    .map(|record| {
                        let record = record.unwrap();
                        let headers: Vec<_> = record
                            .headers()
                            .map(|header| {
                                header.map(|(name, value)| json!([text(name), value.map(text)]))
                            })
                            .map(Result::unwrap)
                            .collect();
                        json!([
                            record.offset,
                            record.timestamp,
                            record.key.map(text),
                            record.value.map(text),
                            headers
                        ])
                    })
                    .collect(),
            };
            told.push(json!({
                "base_offset": header.base_offset,
                "magic": header.magic,
                "codec": header.codec().unwrap().to_string(),
                "attributes": header.attributes,
                "leader_epoch": header.leader_epoch,
                "producer_id": header.producer_id,
                "record_count": header.record_count,
                "records": records,
            }));
        }
        all.insert(member.clone(), told.into());
    }
    all.into()
}

#[test]
fn the_archive_of_version_1_reads_as_it_was_written() {
    let archive = golden("archive.tar.zst", || Written::sample().bytes);
    let members = read(&archive).unwrap();
    assert_eq!(members.len(), 3);
    let expected = golden("archive.json", || {
        serde_json::to_vec_pretty(&told(&members)).unwrap()
    });
    assert_eq!(
        told(&members),
        serde_json::from_slice::<Value>(&expected).unwrap()
    );
    for codec in Codec::ALL {
        let named = format!("\"codec\":\"{codec}\"");
        assert!(told(&members).to_string().contains(&named), "{codec}");
    }
    let hash = golden("archive.xxh3", || {
        Xxh3Hex::of(&archive).to_string().into_bytes()
    });
    assert_eq!(Xxh3Hex::of(&archive).to_string().as_bytes(), hash);
}

#[test]
fn what_is_written_today_is_what_version_1_says() {
    // all that this crate decides; the bytes of compressed records and frames are their codecs' affair
    let written = Written::sample().finished;
    let released = golden("index.json", || json::to_vec_pretty(&written.index));
    let mut today: Value = serde_json::from_slice(&json::to_vec_pretty(&written.index)).unwrap();
    let mut released: Value = serde_json::from_slice(&released).unwrap();
    for index in [&mut today, &mut released] {
        for segment in index["segments"].as_array_mut().unwrap() {
            for field in [
                "position",
                "length",
                "sha256",
                "raw_bytes",
                "largest_batch_bytes",
            ] {
                assert!(
                    segment.as_object_mut().unwrap().remove(field).is_some(),
                    "{field}"
                );
            }
        }
    }
    assert_eq!(today, released);
}

fn list() -> TopicList {
    let written = Written::sample();
    // what the release of zstd decides is set by hand
    let entry = SegmentEntry {
        position: 500,
        length: 400,
        ..written.finished.index.segments[1].clone()
    };
    let mut tracker = TransactionTracker::new(0);
    for batch in Batches::new(&written.members[&entry.member]) {
        tracker.observe(&batch.unwrap()).unwrap();
    }
    TopicList {
        topic: entry.topic.clone(),
        topic_id: entry.topic_id,
        archives: vec![ArchiveReference {
            object: "c/data/2023-11-14/a.tar.zst".to_owned(),
            size: 1_500,
            xxh3_128: Xxh3Hex::of(b"abc"),
        }],
        partitions: vec![PartitionList {
            partition: 0,
            segments: vec![ListedSegment { archive: 0, entry }],
            holes: vec![OffsetRange::new(6, 9)],
            transactions: tracker.finish(),
        }],
    }
}

fn reference(object: &str) -> ObjectReference {
    ObjectReference {
        object: object.to_owned(),
        size: 3,
        sha256: Sha256Hex::of(b"abc"),
    }
}

fn totals() -> Totals {
    Totals {
        topics: 1,
        partitions: 1,
        records: 5,
        batches: 6,
        repacked_bytes: 0,
        raw_bytes: 700,
        read_bytes: 700,
        stored_bytes: 800,
        archives: 1,
        groups: 2,
        configs: Some(3),
        acls: Some(4),
        quotas: None,
        gaps: 1,
    }
}

fn manifest() -> Manifest {
    Manifest {
        snapshot: "20231114T221320Z-abcd".parse().unwrap(),
        cluster_id: "NrI2Kg3CT1ev0ShlpNV6ww".to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Partial,
        started_at: Timestamp::from_millis(TIME),
        bounds_at: Timestamp::from_millis(TIME + 1),
        finished_at: Timestamp::from_millis(TIME + 2),
        created_by: "lifeboat 0.1.0".to_owned(),
        topics: vec![ManifestTopic {
            topic: "orders".to_owned(),
            topic_id: TopicId(*b"0123456789abcdef"),
            list: ListReference {
                object: "c/lists/20231114T221320Z-abcd.json.zst".to_owned(),
                position: 0,
                length: 9,
                sha256: Sha256Hex::of(b"frame"),
            },
            cleanup: Some(Cleanup {
                compact: true,
                delete: false,
                delete_retention_ms: 86_400_000,
            }),
            partitions: vec![ManifestPartition {
                partition: 0,
                log_start_offset: 0,
                high_watermark: 9,
                last_stable_offset: 8,
                leader_epoch: 4,
                record_count: Some(5),
                batch_count: 6,
                repacked_bytes: 0,
                raw_bytes: 700,
                largest_batch_bytes: 200,
                max_timestamp_ms: Some(TIME),
                last_batch: Some(LastBatch {
                    next_offset: 9,
                    leader_epoch: 3,
                }),
                appended: 0,
                tombstones_unsafe: false,
                gaps: vec![Gap {
                    range: OffsetRange::new(2, 3),
                    reason: GapReason::Truncated,
                }],
            }],
        }],
        documents: reference("c/metadata/20231114T221320Z-abcd.tar.zst"),
        totals: totals(),
        builds_on: None,
        problems: vec![Problem {
            subject: "group checkout".to_owned(),
            problem: "not authorized".to_owned(),
            partial: true,
        }],
    }
}

fn commit() -> Commit {
    Commit {
        sequence: 1,
        follows: None,
        snapshot: "20231114T221320Z-abcd".parse().unwrap(),
        cluster_id: "NrI2Kg3CT1ev0ShlpNV6ww".to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Partial,
        started_at: Timestamp::from_millis(TIME),
        bounds_at: Timestamp::from_millis(TIME + 1),
        committed_at: Timestamp::from_millis(TIME + 3),
        manifest: reference("c/manifests/20231114T221320Z-abcd.json.zst"),
        totals: totals(),
    }
}

#[test]
fn the_list_manifest_and_commit_of_version_1_read_as_they_were_written() {
    let bytes = golden("list.json.zst", || compress_frame(&json::to_vec(&list())));
    let plain = decompress_frame(&bytes, 1 << 20).unwrap();
    assert_eq!(json::from_slice::<TopicList>(&plain).unwrap(), list());
    assert_eq!(plain, json::to_vec(&list()));

    let bytes = golden("manifest.json.zst", || {
        compress_frame(&json::to_vec(&manifest()))
    });
    let plain = decompress_frame(&bytes, 1 << 20).unwrap();
    assert_eq!(json::from_slice::<Manifest>(&plain).unwrap(), manifest());
    assert_eq!(plain, json::to_vec(&manifest()));

    let bytes = golden("commit.json", || json::to_root(&commit()));
    assert_eq!(json::from_root::<Commit>(&bytes).unwrap(), commit());
    assert_eq!(bytes, json::to_root(&commit()));
}

#[test]
fn the_documents_of_version_1_read_as_they_were_written() {
    let cluster = ClusterDocument {
        cluster_id: "NrI2Kg3CT1ev0ShlpNV6ww".to_owned(),
        captured_at: Timestamp::from_millis(TIME),
        brokers: Vec::new(),
        reassignments: Some(Vec::new()),
        open_transactions: Some(Vec::new()),
    };
    let archive = golden("documents.tar.zst", || {
        documents_archive(&[("cluster.json", json::to_vec_pretty(&cluster))])
    });
    let members = read_documents(&archive).unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["cluster.json"]);
    assert_eq!(
        json::from_slice::<ClusterDocument>(&members["cluster.json"]).unwrap(),
        cluster
    );
}
