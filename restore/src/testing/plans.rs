//! Plans of a few topics.

use std::collections::BTreeMap;

use lifeboat_archive::{
    json::Sha256Hex,
    manifest::ManifestPartition,
    words::{Timestamp, TopicId},
};

use crate::{
    content::Depth,
    parts::{Part, Parts},
    plan::room::Throttle,
    plan::{
        Plan, PlannedGroup, PlannedPartition, PlannedTopic, TopicAction, Unread,
        changes::ClusterChanges,
    },
    rewrite::BatchLimits,
    selection::Selection,
    settings::{RetentionPutOff, SettingChange, TopicSettings},
};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);

/// Settings by their names.
pub(crate) fn settings(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let of = of.iter();
    of.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A topic of two partitions that is to be made. Its retention is one hour in the end, and none while it is written.
pub(crate) fn topic(name: &str) -> PlannedTopic {
    PlannedTopic {
        topic: name.to_owned(),
        target: String::new(),
        source_topic_id: TopicId([1; 16]),
        action: TopicAction::Create,
        partitions: (0..2)
            .map(|partition| PlannedPartition {
                partition,
                start_offset: 0,
                records: Some(10),
                bytes: 1_000,
                largest_batch_bytes: 100,
                gap_offsets: 0,
            })
            .collect(),
        replication_factor: 1,
        assignment: None,
        settings: TopicSettings {
            wanted: settings(&[("retention.ms", "3600000"), ("segment.ms", "60000")]),
            while_writing: settings(&[("retention.ms", "-1"), ("segment.ms", "9")]),
            ..TopicSettings::default()
        },
        existing_settings: BTreeMap::new(),
        limits: BatchLimits {
            encoded_bytes: 1_000_000,
        },
        repartition: None,
        records: 20,
        bytes: 2_000,
        warnings: Vec::new(),
    }
}

/// A topic whose retention is put off.
pub(crate) fn topic_with_retention_put_off(name: &str) -> PlannedTopic {
    let mut topic = topic(name);
    topic.settings.put_off = Some(RetentionPutOff {
        settings: vec![SettingChange {
            name: "retention.ms".to_owned(),
            value: Some("3600000".to_owned()),
        }],
        retention: vec!["retention.ms 3600000".to_owned()],
        records: 20,
        bytes: 2_000,
    });
    topic
}

/// A plan that restores the data of these topics and compares them.
pub(crate) fn plan(topics: Vec<PlannedTopic>) -> Plan {
    Plan {
        snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
        bounds_at: NOW,
        manifest_sha256: Sha256Hex::of(b"manifest"),
        source_cluster_id: "source".to_owned(),
        target_cluster_id: "target".to_owned(),
        target_brokers: 1,
        mode: "produce".to_owned(),
        planned_at: NOW,
        parts: Parts::of([Part::Data, Part::Topics]),
        selection: Selection::default(),
        salvage: false,
        unread: Unread::default(),
        topics,
        groups: Vec::new(),
        same_offsets: BTreeMap::default(),
        cluster: ClusterChanges::default(),
        users: Vec::new(),
        warnings: Vec::new(),
        unfinished: None,
        compare: Some(Depth::Batches),
        records: 20,
        bytes: 2_000,
        disk_bytes: 2_000,
        room: None,
        throttle: Throttle::default(),
        estimated_ms: 1_000,
    }
}

/// A group of which so many offsets are restored, unless it is skipped.
pub(crate) fn group(name: &str, offsets: usize, skipped: Option<&str>) -> PlannedGroup {
    PlannedGroup {
        group: name.to_owned(),
        target: String::new(),
        offsets,
        not_restored: 0,
        kept: Vec::new(),
        skipped: skipped.map(str::to_owned),
        left_out_by: None,
    }
}

/// A partition of the snapshot with three records.
pub(crate) fn partition(partition: i32) -> ManifestPartition {
    ManifestPartition {
        partition,
        log_start_offset: 0,
        high_watermark: 3,
        last_stable_offset: 3,
        leader_epoch: 1,
        record_count: Some(3),
        batch_count: 1,
        raw_bytes: 100,
        repacked_bytes: 0,
        largest_batch_bytes: 100,
        max_timestamp_ms: None,
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    }
}
