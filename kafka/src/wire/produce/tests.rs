use std::time::Duration;

use kafka_protocol::{
    messages::{
        ProduceRequest,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::TopicProduceResponse,
    },
    protocol::{Encodable, StrBytes},
};
use uuid::Uuid;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply};

const ORDERS: TopicId = TopicId([7; 16]);
const CLICKS: TopicId = TopicId([9; 16]);

fn batches() -> Vec<(TopicPartition, TopicId, Bytes)> {
    [
        ("orders", ORDERS, 0, 5),
        ("clicks", CLICKS, 3, 1000),
        ("orders", ORDERS, 1, 200_000),
    ]
    .map(|(topic, id, partition, length)| {
        (
            TopicPartition::new(topic, partition),
            id,
            Bytes::from(vec![b'x'; length]),
        )
    })
    .into()
}

fn by_kafka_protocol(version: i16) -> Vec<u8> {
    let topic = |name: &str, id: TopicId, partitions: &[(i32, usize)]| {
        let topic = TopicProduceData::default().with_partition_data(
            partitions
                .iter()
                .map(|&(partition, length)| {
                    PartitionProduceData::default()
                        .with_index(partition)
                        .with_records(Some(vec![b'x'; length].into()))
                })
                .collect(),
        );
        if version >= FIRST_WITH_TOPIC_ID {
            topic.with_topic_id(Uuid::from_bytes(id.0))
        } else {
            topic.with_name(StrBytes::from_string(name.to_owned()).into())
        }
    };
    let mut bytes = Vec::new();
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1500)
        .with_topic_data(vec![
            topic("orders", ORDERS, &[(0, 5), (1, 200_000)]),
            topic("clicks", CLICKS, &[(3, 1000)]),
        ])
        .encode(&mut bytes, version)
        .unwrap();
    bytes
}

#[test]
fn requests_written_by_hand_are_those_of_the_codec() {
    for version in PRODUCE.spoken.min..=PRODUCE.spoken.max {
        let parts = encode(version, -1, Duration::from_millis(1500), batches()).unwrap();
        assert!(
            parts.concat() == by_kafka_protocol(version),
            "version {version}"
        );
    }
}

#[test]
fn batches_go_out_from_where_they_are() {
    let batches = batches();
    let place = batches[2].2.as_ptr();
    let parts = encode(13, -1, Duration::ZERO, batches).unwrap();
    assert!(parts.iter().any(|part| part.as_ptr() == place));
}

#[test]
fn every_partition_gets_an_outcome_in_the_order_of_the_request() {
    let partition = |index, error, base_offset| {
        PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(error)
            .with_base_offset(base_offset)
            .with_error_message(Some(StrBytes::from_static_str("in its own words")))
    };
    let answer = ProduceResponse::default().with_responses(vec![
        TopicProduceResponse::default()
            .with_topic_id(Uuid::from_bytes(CLICKS.0))
            .with_partition_responses(vec![partition(3, 45, -1)]),
        TopicProduceResponse::default()
            .with_topic_id(Uuid::from_bytes(ORDERS.0))
            .with_partition_responses(vec![partition(0, 0, 77)]),
    ]);
    let asked = batches()
        .into_iter()
        .map(|(partition, id, _)| (partition, id))
        .collect();
    let told: Vec<_> = outcomes(&answer, 13, asked)
        .into_iter()
        .map(|(partition, outcome)| match outcome {
            Ok(offset) => format!("{partition} at {offset}"),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "orders-0 at 77",
            "Produce of clicks-3: OUT_OF_ORDER_SEQUENCE_NUMBER (in its own words)",
            "malformed Produce: orders-1 is missing in the answer",
        ]
    );
}

#[tokio::test]
async fn a_batch_goes_to_the_broker_and_its_offset_comes_back() {
    let broker = FakeBroker::start(&[(ApiKey::Produce, 0, 11)], |_| {
        let mut out = Out::default();
        out.array(1).text("orders").array(1);
        out.i32(0).i16(0).i64(77).i64(-1).i64(0).array(0).null();
        out.tags().tags().i32(0).tags();
        Reply::Body(out)
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let one = batches().into_iter().take(1).collect();
    let answer = produce(&connection, -1, Duration::from_millis(100), one)
        .await
        .unwrap();
    assert_eq!(answer.partitions.len(), 1);
    assert!(matches!(answer.partitions[0].1, Ok(77)));
    assert_eq!(broker.asked(ApiKey::Produce)[0].version, 11);
}

#[tokio::test]
async fn produce_without_acknowledgement_is_refused() {
    let broker = FakeBroker::start(&[(ApiKey::Produce, 0, 11)], |_| Reply::Nothing).await;
    let connection = broker.connection().await.unwrap();
    let error = produce(&connection, 0, Duration::ZERO, batches())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "acks: 0 leaves no answer to check");
    assert!(broker.asked(ApiKey::Produce).is_empty());
}
