use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 5] = [
    (ApiKey::Metadata, 12, 12),
    (ApiKey::FindCoordinator, 4, 4),
    (ApiKey::OffsetFetch, 8, 8),
    (ApiKey::OffsetCommit, 8, 8),
    (ApiKey::ListGroups, 4, 5),
];

fn found(error: i16) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("checkout").i32(1);
    out.text("127.0.0.1").i32(1).i16(error).null().tags().tags();
    out
}

/// OffsetFetch 8: error, offset and metadata of the partitions of orders.
fn fetched(group_error: i16, partitions: &[(i16, i64, Option<&str>)]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("checkout").array(1).text("orders");
    out.array(partitions.len());
    for (number, (error, offset, metadata)) in (0..).zip(partitions) {
        out.i32(number).i64(*offset).i32(6);
        match metadata {
            Some(text) => out.text(text),
            None => out.null(),
        };
        out.i16(*error).tags();
    }
    out.tags().i16(group_error).tags().tags();
    out
}

fn committed(partition: i32, offset: i64, metadata: &str) -> CommittedOffset {
    CommittedOffset {
        topic: "orders".to_owned(),
        partition,
        offset,
        leader_epoch: 6,
        metadata: metadata.to_owned(),
    }
}

/// A broker that coordinates the group, with `script` for its offsets.
async fn coordinator(script: impl Fn(bool) -> Out + Send + Sync + 'static) -> FakeBroker {
    FakeBroker::start(&APIS, move |asked| {
        Reply::Body(match asked.api {
            3 => metadata(&[(1, asked.port)], &[]),
            10 => found(0),
            // the last byte but the tags says whether it must be stable
            _ => script(asked.body[asked.body.len() - 2] == 1),
        })
    })
    .await
}

#[tokio::test]
async fn offsets_come_with_leader_epoch_and_metadata_and_without_those_never_committed() {
    let broker =
        coordinator(|_| fetched(0, &[(0, 12, Some("mine")), (0, -1, Some("")), (0, 0, None)]))
            .await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.group_offsets("checkout", true).await.unwrap();
    assert_eq!(
        read.offsets,
        [committed(0, 12, "mine"), committed(2, 0, "")]
    );
    assert!(read.unstable.is_empty() && read.unreadable.is_empty());
}

#[tokio::test]
async fn r8_a_commit_that_is_decided_in_time_is_waited_for() {
    let tries = AtomicUsize::new(0);
    let broker = coordinator(move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) < 2 {
            fetched(0, &[(88, -1, None)])
        } else {
            fetched(0, &[(0, 9, None)])
        }
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.group_offsets("checkout", true).await.unwrap();
    assert_eq!(read.offsets, [committed(0, 9, "")]);
    assert!(read.unstable.is_empty());
}

#[tokio::test]
async fn r8_a_commit_that_hangs_is_read_as_it_was_before_and_flagged() {
    let broker = coordinator(|stable| {
        if stable {
            fetched(0, &[(0, 3, None), (88, -1, None)])
        } else {
            fetched(0, &[(0, 3, None), (0, 5, None)])
        }
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.group_offsets("checkout", true).await.unwrap();
    assert_eq!(read.offsets, [committed(0, 3, ""), committed(1, 5, "")]);
    assert_eq!(read.unstable, [TopicPartition::new("orders", 1)]);
}

#[tokio::test]
async fn a_coordinator_that_moved_is_looked_up_again() {
    let tries = AtomicUsize::new(0);
    let broker = coordinator(move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) < 1 {
            fetched(16, &[])
        } else {
            fetched(0, &[(0, 9, None)])
        }
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.group_offsets("checkout", true).await.unwrap();
    assert_eq!(read.offsets.len(), 1);
    assert_eq!(broker.asked(ApiKey::FindCoordinator).len(), 2);
}

#[tokio::test]
async fn an_offset_that_the_coordinator_keeps_to_itself_is_named() {
    let broker = coordinator(|_| fetched(0, &[(29, -1, None)])).await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.group_offsets("checkout", true).await.unwrap();
    assert_eq!(read.unreadable.len(), 1);
    assert_eq!(
        read.unreadable[0].1.to_string(),
        "OffsetFetch of group checkout, orders-0: TOPIC_AUTHORIZATION_FAILED"
    );
}

#[tokio::test]
async fn a_broker_that_does_not_list_its_groups_is_named() {
    let broker = FakeBroker::start(&APIS, |asked| {
        let mut out = Out::default();
        if asked.api == 3 {
            return Reply::Body(metadata(&[(1, asked.port), (2, 1)], &[]));
        }
        // version 5 has the type
        out.i32(0).i16(0).array(2);
        out.text("b")
            .text("consumer")
            .text("Stable")
            .text("consumer")
            .tags();
        out.text("a").text("").text("Empty").text("classic").tags();
        out.tags();
        Reply::Body(out)
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let listing = cluster.groups().await;
    let names: Vec<_> = listing.groups.iter().map(|group| &group.group).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(listing.unanswered.len(), 1);
    assert_eq!(listing.unanswered[0].0, 2);
}

#[test]
fn a_commit_is_that_of_a_consumer_without_group_management() {
    let request = commit_request("checkout", &[committed(0, 12, "mine")]);
    assert_eq!(request.generation_id_or_member_epoch, -1);
    assert_eq!(request.member_id.as_str(), "");
    let partition = &request.topics[0].partitions[0];
    assert_eq!(partition.committed_offset, 12);
    assert_eq!(partition.committed_leader_epoch, 6);
    assert_eq!(partition.committed_metadata.as_deref(), Some("mine"));
}
