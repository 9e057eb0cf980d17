use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use proptest::prelude::*;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply};

const ORDERS: TopicId = TopicId([7; 16]);
const CLICKS: TopicId = TopicId([9; 16]);
const LIMITS: FetchLimits = FetchLimits {
    max_bytes: 1000,
    min_bytes: 1,
    max_wait: Duration::from_millis(10),
};

fn position(topic: &str, topic_id: TopicId, partition: i32) -> FetchPosition {
    FetchPosition {
        topic_partition: TopicPartition::new(topic, partition),
        topic_id,
        offset: 40,
        leader_epoch: 3,
        last_fetched_epoch: 2,
        max_bytes: 500,
    }
}

fn orders() -> [FetchPosition; 1] {
    [position("orders", ORDERS, 0)]
}

/// A Fetch answer (versions 13 to 17) with one partition of `id`.
fn answer(id: TopicId, partition: i32, error: i16, records: &[u8], diverging: bool) -> Out {
    let mut out = Out::default();
    out.i32(250).i16(0).i32(0).array(1).id(id).array(1);
    out.i32(partition).i16(error).i64(100).i64(90).i64(10);
    out.null().i32(-1).bytes(records);
    if diverging {
        // one tagged field: 0, of 13 bytes
        out.0.extend_from_slice(&[1, 0, 13]);
        out.i32(2).i64(35).tags();
    } else {
        out.tags();
    }
    out.tags().tags();
    out
}

fn decoded(out: &Out) -> Result<FetchAnswer, KafkaError> {
    decode(Bytes::from(out.0.clone()), &orders(), "a-broker")
}

#[tokio::test]
async fn r4_fetch_names_a_topic_by_its_id() {
    let broker = FakeBroker::start(&[(ApiKey::Fetch, 4, 15)], |_| {
        Reply::Body(answer(ORDERS, 0, 0, b"batches", false))
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let fetched = fetch(&connection, &orders(), LIMITS).await.unwrap();
    assert_eq!(fetched.throttle, Duration::from_millis(250));
    let partition = &fetched.partitions[0];
    assert_eq!(partition.topic_partition, TopicPartition::new("orders", 0));
    assert_eq!(partition.records, "batches");
    assert_eq!(
        (
            partition.high_watermark,
            partition.last_stable_offset,
            partition.log_start_offset
        ),
        (100, 90, 10)
    );
    let asked = broker.asked(ApiKey::Fetch);
    let body = &asked[0].body;
    assert_eq!(asked[0].version, 15);
    assert!(body.windows(16).any(|bytes| bytes == ORDERS.0));
    assert!(!body.windows(6).any(|bytes| bytes == b"orders"));
}

#[tokio::test]
async fn r4_a_broker_that_fetches_by_name_only_is_not_used() {
    let broker = FakeBroker::start(&[(ApiKey::Fetch, 4, 12)], |_| Reply::Nothing).await;
    let connection = broker.connection().await.unwrap();
    let error = fetch(&connection, &orders(), LIMITS).await.unwrap_err();
    assert!(
        matches!(error, KafkaError::UnsupportedApi { .. }),
        "{error}"
    );
}

#[test]
fn r4_a_recreated_topic_is_told_as_it_is() {
    let fetched = decoded(&answer(ORDERS, 0, 100, b"", false)).unwrap();
    assert_eq!(
        fetched.partitions[0].error,
        Some(ErrorCode::UNKNOWN_TOPIC_ID)
    );
}

#[test]
fn r5_a_diverging_epoch_is_told() {
    let fetched = decoded(&answer(ORDERS, 0, 0, b"", true)).unwrap();
    assert_eq!(
        fetched.partitions[0].diverging_epoch,
        Some(DivergingEpoch {
            epoch: 2,
            end_offset: 35
        })
    );
}

#[test]
fn the_order_of_the_request_is_kept_because_the_first_partition_gets_the_bytes() {
    let positions = [
        position("orders", ORDERS, 2),
        position("orders", ORDERS, 0),
        position("clicks", CLICKS, 0),
        position("orders", ORDERS, 1),
    ];
    let request = request(&positions, LIMITS);
    let order: Vec<_> = request
        .topics
        .iter()
        .flat_map(|topic| {
            let id = topic.topic_id.into_bytes()[0];
            topic
                .partitions
                .iter()
                .map(move |partition| (id, partition.partition))
        })
        .collect();
    assert_eq!(order, [(7, 2), (7, 0), (9, 0), (7, 1)]);
    let partition = &request.topics[0].partitions[0];
    assert_eq!(
        (
            partition.fetch_offset,
            partition.current_leader_epoch,
            partition.last_fetched_epoch
        ),
        (40, 3, 2)
    );
    assert_eq!((request.session_id, request.session_epoch), (0, -1));
    assert_eq!(request.isolation_level, 0);
}

#[test]
fn records_are_a_slice_of_the_answer() {
    let body = Bytes::from(answer(ORDERS, 0, 0, b"batches", false).0);
    let fetched = decode(body.clone(), &orders(), "a-broker").unwrap();
    let place = fetched.partitions[0].records.as_ptr();
    assert!(body.as_ptr_range().contains(&place));
}

#[test]
fn a_partition_that_was_not_asked_for_is_refused() {
    for out in [
        answer(CLICKS, 0, 0, b"", false),
        answer(ORDERS, 1, 0, b"", false),
    ] {
        let error = decoded(&out).unwrap_err().to_string();
        assert!(error.contains("was not asked for"), "{error}");
    }
}

#[test]
fn an_error_of_the_whole_answer_names_the_broker() {
    let mut out = answer(ORDERS, 0, 0, b"", false);
    out.0[4..6].copy_from_slice(&71_i16.to_be_bytes());
    assert_eq!(
        decoded(&out).unwrap_err().to_string(),
        "Fetch of a-broker: INVALID_FETCH_SESSION_EPOCH"
    );
}

#[test]
fn a_count_of_partitions_beyond_the_answer_is_refused_with_its_place() {
    let mut out = Out::default();
    out.i32(0).i16(0).i32(0).array(1).id(ORDERS);
    out.0.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(
        decoded(&out).unwrap_err().to_string(),
        "malformed Fetch: 4294967294 items announced with 0 bytes left at byte 32"
    );
}

#[test]
fn an_answer_cut_anywhere_is_refused() {
    let whole = answer(ORDERS, 0, 0, b"some batches", true);
    decoded(&whole).unwrap();
    for length in 0..whole.0.len() {
        let error = decoded(&Out(whole.0[..length].to_vec())).unwrap_err();
        assert!(matches!(error, KafkaError::Malformed { .. }), "{length}");
    }
}

proptest! {
    #[test]
    fn hostile_answers_are_never_a_panic(
        place in 0_usize..110,
        value in any::<u8>(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut out = answer(ORDERS, 0, 0, b"some batches", true);
        if let Some(byte) = out.0.get_mut(place) {
            *byte = value;
        } else {
            out.0.truncate(place / 2);
            out.0.extend_from_slice(&tail);
        }
        if let Ok(fetched) = decoded(&out) {
            prop_assert!(fetched.partitions.iter().all(|one| one.records.len() <= out.0.len()));
        }
    }
}
