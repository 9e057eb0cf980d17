use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 4] = [
    (ApiKey::Metadata, 12, 12),
    (ApiKey::FindCoordinator, 4, 4),
    (ApiKey::DescribeShareGroupOffsets, 0, 0),
    (ApiKey::AlterShareGroupOffsets, 0, 0),
];

async fn coordinator(script: impl Fn() -> Out + Send + Sync + 'static) -> FakeBroker {
    FakeBroker::start(&APIS, move |asked| {
        Reply::Body(match asked.api {
            3 => metadata(&[(1, asked.port)], &[]),
            10 => {
                let mut out = Out::default();
                out.i32(0).array(1).text("shares").i32(1);
                out.text("127.0.0.1").i32(1).i16(0).null().tags().tags();
                out
            }
            _ => script(),
        })
    })
    .await
}

/// DescribeShareGroupOffsets 0: partition, offset and error of each.
fn starts(told: &[(i32, i64, i16)]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("shares").array(1).text("orders");
    out.id(lifeboat_archive::words::TopicId([7; 16]))
        .array(told.len());
    for (partition, offset, code) in told {
        out.i32(*partition)
            .i64(*offset)
            .i32(4)
            .i16(*code)
            .null()
            .tags();
    }
    out.tags().i16(0).null().tags().tags();
    out
}

fn start(partition: i32, offset: i64) -> CommittedOffset {
    CommittedOffset {
        topic: "orders".to_owned(),
        partition,
        offset,
        leader_epoch: 4,
        metadata: String::new(),
    }
}

#[tokio::test]
async fn a_partition_where_the_group_has_not_begun_has_no_start() {
    let broker = coordinator(|| starts(&[(0, 12, 0), (1, -1, 0), (2, -1, 29)])).await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.share_group_offsets("shares").await.unwrap();
    assert_eq!(read.offsets, [start(0, 12)]);
    assert_eq!(read.unreadable.len(), 1);
    let right = read.unreadable[0].1.missing_right().unwrap();
    assert_eq!(right.to_string(), "Describe on topic orders");
}

#[tokio::test]
async fn each_start_that_is_refused_is_named_and_a_group_with_members_gets_none() {
    let broker = coordinator(|| {
        let mut out = Out::default();
        out.i32(0).i16(0).null().array(1).text("orders");
        out.id(lifeboat_archive::words::TopicId([7; 16])).array(2);
        out.i32(1).i16(29).null().tags();
        out.i32(0).i16(0).null().tags();
        out.tags().tags();
        out
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let starts = [start(0, 3), start(1, 4), start(2, 5)];
    let outcomes = cluster.alter_share_group_offsets("shares", &starts).await;
    let outcomes = outcomes.unwrap();
    assert!(outcomes[0].1.is_ok());
    let right = outcomes[1].1.as_ref().unwrap_err().missing_right().unwrap();
    assert_eq!(right.to_string(), "Read on topic orders");
    assert!(outcomes[2].1.is_err());

    let broker = coordinator(|| {
        let mut out = Out::default();
        out.i32(0).i16(68).text("it has members").array(0).tags();
        out
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let outcomes = cluster.alter_share_group_offsets("shares", &starts).await;
    assert_eq!(
        outcomes.unwrap_err().code(),
        Some(ErrorCode::NON_EMPTY_GROUP)
    );
}

#[tokio::test]
async fn a_share_coordinator_that_is_being_made_is_asked_again() {
    let asked = std::sync::atomic::AtomicI16::new(0);
    let broker = coordinator(move || {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        // COORDINATOR_NOT_AVAILABLE
        starts(&[(0, 12, if first { 15 } else { 0 })])
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let read = cluster.share_group_offsets("shares").await.unwrap();
    assert_eq!(read.offsets, [start(0, 12)]);
    assert!(read.unreadable.is_empty());
}
