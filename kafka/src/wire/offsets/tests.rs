use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use kafka_protocol::messages::ApiKey;
use lifeboat_archive::words::TopicId;

use super::*;
use crate::wire::fake_broker::{Asked, FakeBroker, FakeTopic, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 2] = [(ApiKey::Metadata, 12, 12), (ApiKey::ListOffsets, 7, 7)];
const ORDERS: FakeTopic<'static> = ("orders", TopicId([7; 16]), &[(1, 4)]);

/// ListOffsets 7, for orders-0.
fn listed(error: i16, offset: i64) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("orders").array(1);
    out.i32(0).i16(error).i64(-1).i64(offset).i32(4).tags();
    out.tags().tags();
    out
}

fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

fn is_metadata(asked: &Asked) -> bool {
    asked.api == ApiKey::Metadata as i16
}

async fn high_watermark(broker: &FakeBroker) -> Result<ListedOffset, KafkaError> {
    let cluster = broker.cluster().await.unwrap();
    let mut listed = cluster
        .list_offsets(&[orders(), orders()], OffsetSpec::HighWatermark)
        .await;
    assert_eq!(listed.len(), 1);
    listed.remove(&orders()).unwrap()
}

#[tokio::test]
async fn r8_offset_not_available_is_asked_again_and_never_taken_as_a_bound() {
    let tries = AtomicUsize::new(0);
    let broker = FakeBroker::start(&APIS, move |asked| {
        if is_metadata(asked) {
            return Reply::Body(metadata(&[(1, asked.port)], &[ORDERS]));
        }
        let error = if tries.fetch_add(1, Ordering::Relaxed) < 3 {
            78
        } else {
            0
        };
        Reply::Body(listed(error, 17))
    })
    .await;
    let offset = high_watermark(&broker).await.unwrap();
    assert_eq!((offset.offset, offset.leader_epoch), (17, 4));
    assert_eq!(broker.asked(ApiKey::ListOffsets).len(), 4);
}

#[tokio::test]
async fn r8_offset_not_available_until_the_deadline_is_an_error() {
    let broker = FakeBroker::start(&APIS, |asked| {
        Reply::Body(if is_metadata(asked) {
            metadata(&[(1, asked.port)], &[ORDERS])
        } else {
            listed(78, 17)
        })
    })
    .await;
    let error = high_watermark(&broker).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OFFSET_NOT_AVAILABLE));
    assert_eq!(
        error.to_string(),
        "ListOffsets of orders-0: OFFSET_NOT_AVAILABLE"
    );
}

#[tokio::test]
async fn an_error_that_lasts_is_told_at_once() {
    let broker = FakeBroker::start(&APIS, |asked| {
        Reply::Body(if is_metadata(asked) {
            metadata(&[(1, asked.port)], &[ORDERS])
        } else {
            listed(29, -1)
        })
    })
    .await;
    let error = high_watermark(&broker).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(broker.asked(ApiKey::ListOffsets).len(), 1);
}

#[tokio::test]
async fn a_leader_that_moved_is_looked_up_and_asked_with_its_epoch() {
    let second = FakeBroker::start(&APIS, |_| Reply::Body(listed(0, 23))).await;
    let (second_port, moved) = (second.port, Mutex::new(false));
    let first = FakeBroker::start(&APIS, move |asked| {
        let brokers = [(1, asked.port), (2, second_port)];
        let mut moved = moved.lock().unwrap();
        if !is_metadata(asked) {
            *moved = true;
            return Reply::Body(listed(6, -1));
        }
        let leader = if *moved { (2, 5) } else { (1, 4) };
        Reply::Body(metadata(
            &brokers,
            &[("orders", TopicId([7; 16]), &[leader])],
        ))
    })
    .await;
    assert_eq!(high_watermark(&first).await.unwrap().offset, 23);
    assert_eq!(first.asked(ApiKey::ListOffsets).len(), 1);
    let asked = second.asked(ApiKey::ListOffsets);
    let body = &asked[0].body;
    // replica −1, isolation 0, one topic "orders", one partition: 0, leader epoch 5
    assert_eq!(body[..4], (-1_i32).to_be_bytes());
    assert_eq!(body[4], 0);
    assert_eq!(body[14..18], 0_i32.to_be_bytes());
    assert_eq!(body[18..22], 5_i32.to_be_bytes());
}

#[tokio::test]
async fn a_partition_without_a_leader_is_an_error_at_the_deadline() {
    let broker = FakeBroker::start(&APIS, |asked| {
        let orphan: FakeTopic<'_> = ("orders", TopicId([7; 16]), &[(-1, 4)]);
        Reply::Body(metadata(&[(1, asked.port)], &[orphan]))
    })
    .await;
    let error = high_watermark(&broker).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::LEADER_NOT_AVAILABLE));
    assert!(broker.asked(ApiKey::Metadata).len() > 3);
}

#[test]
fn the_last_stable_offset_is_asked_for_in_read_committed() {
    let partition = orders();
    let asked = |spec: OffsetSpec| {
        let request = spec.request(&[(&partition, 4)]);
        let partition = &request.topics[0].partitions[0];
        (request.isolation_level, partition.timestamp)
    };
    assert_eq!(asked(OffsetSpec::Earliest), (0, -2));
    assert_eq!(asked(OffsetSpec::HighWatermark), (0, -1));
    assert_eq!(asked(OffsetSpec::LastStable), (1, -1));
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew_and_the_question_asked_again() {
    let tries = AtomicUsize::new(0);
    let broker = FakeBroker::start(&APIS, move |asked| {
        if is_metadata(asked) {
            return Reply::Body(metadata(&[(1, asked.port)], &[ORDERS]));
        }
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::Last(Vec::new()),
            1 => Reply::Nothing,
            _ => Reply::Body(listed(0, 17)),
        }
    })
    .await;
    assert_eq!(high_watermark(&broker).await.unwrap().offset, 17);
}
