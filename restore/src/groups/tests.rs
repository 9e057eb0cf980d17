use lifeboat_archive::manifest::ManifestPartition;

use super::*;
use crate::{offsets::OffsetTranslator, testing::plans};

fn committed(topic: &str, partition: i32, offset: i64, metadata: &str) -> CommittedOffset {
    CommittedOffset {
        topic: topic.to_owned(),
        partition,
        offset,
        leader_epoch: 12,
        metadata: metadata.to_owned(),
    }
}

fn group(offsets: Vec<CommittedOffset>) -> GroupDocument {
    GroupDocument {
        group: "billing".to_owned(),
        group_type: "classic".to_owned(),
        protocol_type: "consumer".to_owned(),
        state: "Stable".to_owned(),
        offsets,
        members: Vec::new(),
    }
}

fn planned(skipped: Option<&str>) -> PlannedGroup {
    plans::group("billing", 1, skipped)
}

fn map(offsets: &[i64]) -> OffsetMap {
    let partition = ManifestPartition {
        partition: 0,
        log_start_offset: 10,
        high_watermark: 20,
        last_stable_offset: 20,
        leader_epoch: 12,
        record_count: Some(10),
        batch_count: 1,
        repacked_bytes: 0,
        raw_bytes: 1,
        largest_batch_bytes: 1,
        max_timestamp_ms: None,
        last_batch: None,
        appended: 0,
        tombstones_unsafe: false,
        gaps: Vec::new(),
    };
    let mut translator = OffsetTranslator::new(&partition, offsets.iter().copied());
    translator.keep_run(partition.range(), 0);
    translator.finish(10)
}

fn partitions(map: &OffsetMap) -> HashMap<TopicPartition, PartitionOffsets<'_>> {
    called(map, "orders")
}

fn called<'m>(map: &'m OffsetMap, topic: &'m str) -> HashMap<TopicPartition, PartitionOffsets<'m>> {
    let start_offset = 100;
    HashMap::from([(
        TopicPartition::new("orders", 0),
        PartitionOffsets {
            topic,
            map,
            start_offset,
        },
    )])
}

#[test]
fn r16_offsets_are_committed_without_leader_epoch_and_with_their_metadata() {
    let group = group(vec![committed("orders", 0, 15, "né")]);
    let map = map(&[15]);
    let partitions = partitions(&map);
    let translated = translate(&group, &[], &partitions);
    let expected = CommittedOffset {
        offset: 105,
        leader_epoch: -1,
        ..group.offsets[0].clone()
    };
    assert_eq!(translated.offsets, [expected]);
    assert_eq!(translated.notes, []);
}

#[test]
fn offsets_follow_a_topic_to_its_new_name_and_notes_tell_of_the_old_one() {
    let group = group(vec![committed("orders", 0, 3, "")]);
    let map = map(&[3]);
    let translated = translate(&group, &[], &called(&map, "dr.orders"));
    assert_eq!(translated.offsets[0].topic, "dr.orders");
    assert_eq!(translated.sources, group.offsets);
    assert_eq!(translated.notes[0].topic, "orders");
}

#[test]
fn r17_an_offset_behind_the_log_start_is_reported() {
    let group = group(vec![committed("orders", 0, 3, "")]);
    let map = map(&[3]);
    let partitions = partitions(&map);
    let translated = translate(&group, &[], &partitions);
    assert_eq!(translated.offsets[0].offset, 100);
    assert_eq!(translated.notes.len(), 1);
    assert!(translated.notes[0].note.contains("auto.offset.reset"));
}

#[test]
fn r18_offsets_of_topics_that_were_not_restored_are_listed() {
    let group = group(vec![
        committed("gone", 3, 1, ""),
        committed("orders", 0, 20, ""),
    ]);
    let map = map(&[20]);
    let partitions = partitions(&map);
    let translated = translate(&group, &[], &partitions);
    assert_eq!(translated.not_restored, ["gone-3"]);
    assert_eq!(translated.offsets.len(), 1);
}

#[test]
fn what_a_group_reads_there_already_stays() {
    let group = group(vec![
        committed("events", 0, 1, ""),
        committed("orders", 0, 15, ""),
    ]);
    let map = map(&[15]);
    let translated = translate(&group, &["orders".to_owned()], &partitions(&map));
    assert_eq!(translated.offsets, []);
    assert_eq!(translated.not_restored, ["events-0"]);
}

#[test]
fn r18_groups_that_may_get_offsets_are_looked_out_for_in_this_run_or_a_later_one() {
    let document = GroupsDocument {
        groups: vec![group(vec![
            committed("orders", 0, 15, ""),
            committed("orders", 0, 16, ""),
        ])],
    };
    let wanted = wanted_offsets(&document, &[planned(None)]);
    assert_eq!(wanted[&TopicPartition::new("orders", 0)], [15, 16]);
    // it may be gone on with when the group is not active any more
    assert_eq!(
        wanted_offsets(&document, &[planned(Some("active"))]),
        wanted
    );
    let none = PlannedGroup {
        offsets: 0,
        ..planned(Some("none of its topics is restored"))
    };
    assert!(wanted_offsets(&document, &[none]).is_empty());
}
