use std::io::ErrorKind;

use futures::future::join_all;
use kafka_protocol::messages::MetadataRequest;

use super::*;
use crate::wire::{
    Cluster,
    fake_broker::{Asked, FakeBroker, Out, Reply, framed, metadata, properties},
    metadata::no_topics,
};

const METADATA: [(ApiKey, i16, i16); 1] = [(ApiKey::Metadata, 0, 12)];

fn echo(asked: &Asked) -> Reply {
    Reply::Body(Out(asked.body.to_vec()))
}

async fn exchange(connection: &Connection, text: &str) -> Result<Bytes, KafkaError> {
    connection
        .exchange(Exchange {
            api: MetadataRequest::API,
            version: 12,
            header_version: 2,
            body: vec![Bytes::copy_from_slice(text.as_bytes())],
            answer_limit: 1000,
            expected: 0,
            grace: Duration::ZERO,
        })
        .await
}

fn is_disconnected(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Disconnected { .. })
}

#[tokio::test]
async fn pipelined_requests_get_each_its_own_answer() {
    let broker = FakeBroker::start(&METADATA, echo).await;
    let connection = broker.connection().await.unwrap();
    let texts: Vec<_> = (0..100).map(|n| format!("request {n}")).collect();
    let answers = join_all(texts.iter().map(|text| exchange(&connection, text))).await;
    for (answer, text) in answers.into_iter().zip(&texts) {
        assert_eq!(answer.unwrap(), text.as_bytes());
    }
    let asked = broker.asked(ApiKey::Metadata);
    assert_eq!(asked.len(), 100);
    assert!(asked.is_sorted_by_key(|asked| asked.correlation));
}

#[tokio::test]
async fn a_wrong_correlation_id_closes_the_connection() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Raw(framed(asked, asked.correlation + 1, &Out::default()))
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let (first, second) = tokio::join!(exchange(&connection, "a"), exchange(&connection, "b"));
    let error = first.unwrap_err().to_string();
    assert_eq!(
        error,
        "malformed Metadata: an answer with correlation id 2 instead of 1"
    );
    assert!(is_disconnected(&second.unwrap_err()));
    assert!(connection.is_broken());
    assert!(is_disconnected(
        &exchange(&connection, "c").await.unwrap_err()
    ));
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_closes_the_connection() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        let mut twice = framed(asked, asked.correlation, &Out::default());
        twice.extend_from_within(..);
        Reply::Raw(twice)
    })
    .await;
    let connection = broker.connection().await.unwrap();
    exchange(&connection, "a").await.unwrap();
    let error = exchange(&connection, "b").await.unwrap_err();
    assert!(is_disconnected(&error), "{error}");
    assert!(error.to_string().contains("correlation id 1"), "{error}");
}

#[tokio::test]
async fn a_broker_that_never_answers_is_a_timeout() {
    let broker = FakeBroker::start(&METADATA, |_| Reply::Nothing).await;
    let connection = broker.connection().await.unwrap();
    let begin = Instant::now();
    let error = exchange(&connection, "a").await.unwrap_err();
    assert!(matches!(error, KafkaError::Timeout { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert!(error.is_retriable() && !error.is_certainly_undone());
    assert!(connection.is_broken());
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_another_requests() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Late(Duration::from_millis(700), Out(asked.body.to_vec()))
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let error = exchange(&connection, "a").await.unwrap_err();
    assert!(matches!(error, KafkaError::Timeout { .. }), "{error}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    let error = exchange(&connection, "b").await.unwrap_err();
    assert!(is_disconnected(&error), "{error}");
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Late(Duration::from_millis(50), Out(asked.body.to_vec()))
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let impatient = timeout(Duration::from_millis(10), exchange(&connection, "a"));
    assert!(impatient.await.is_err());
    assert_eq!(exchange(&connection, "b").await.unwrap(), "b");
}

#[tokio::test]
async fn a_huge_answer_is_refused_before_memory_is_taken_for_it() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        let mut frame = Vec::new();
        frame.put_i32(i32::MAX);
        frame.put_i32(asked.correlation);
        Reply::Raw(frame)
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let error = exchange(&connection, "a").await.unwrap_err().to_string();
    assert!(
        error.contains("an answer of 2147483647 bytes announced, at most 1000 are taken"),
        "{error}"
    );
}

#[tokio::test]
async fn a_negative_length_is_refused() {
    let broker = FakeBroker::start(&METADATA, |_| Reply::Raw(vec![0xff; 12])).await;
    let connection = broker.connection().await.unwrap();
    let error = exchange(&connection, "a").await.unwrap_err();
    assert!(matches!(error, KafkaError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_closed_within_an_answer_fails_all_that_wait() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        let whole = framed(asked, asked.correlation, &Out(b"half of it".to_vec()));
        Reply::Last(whole[..13].to_vec())
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let (first, second) = tokio::join!(exchange(&connection, "a"), exchange(&connection, "b"));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(is_disconnected(&error), "{error}");
        assert!(error.is_retriable() && !error.is_certainly_undone());
    }
}

#[tokio::test]
async fn a_listener_that_does_not_speak_kafka_is_a_clear_error() {
    let broker =
        FakeBroker::start_bare(|_| Reply::Last(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let error = broker.connection().await.unwrap_err().to_string();
    assert!(
        error.contains("is it the right kind of listener?"),
        "{error}"
    );
}

#[tokio::test]
async fn a_broker_that_knows_only_old_api_versions_is_asked_in_its_own() {
    let broker = FakeBroker::start_bare(|asked| {
        let mut out = Out::default();
        if asked.api == ApiKey::ApiVersions as i16 {
            // version 0: error code, then an array with a plain count
            let refused = asked.version > 0;
            out.i16(if refused { 35 } else { 0 }).i32(1);
            out.i16(ApiKey::Metadata as i16).i16(0).i16(11);
        }
        Reply::Body(out)
    })
    .await;
    let connection = broker.connection().await.unwrap();
    let versions: Vec<_> = broker
        .asked(ApiKey::ApiVersions)
        .iter()
        .map(|asked| asked.version)
        .collect();
    assert_eq!(versions, [3, 0]);
    assert_eq!(connection.version_of(MetadataRequest::API).unwrap(), 11);
}

#[tokio::test]
async fn an_api_that_the_broker_does_not_offer_is_named() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Body(metadata(&[(1, asked.port)], &[]))
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let begin = Instant::now();
    let error = cluster.init_producer_id().await.unwrap_err();
    let address = format!("127.0.0.1:{}", broker.port);
    assert_eq!(
        error.to_string(),
        format!("{address} does not offer InitProducerId")
    );
    // what will never work is not tried again
    assert!(begin.elapsed() < Duration::from_millis(400));
}

#[tokio::test]
async fn a_throttled_connection_keeps_quiet_as_long_as_it_was_told() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        let mut answer = metadata(&[(1, asked.port)], &[]);
        answer.0[..4].copy_from_slice(&200_i32.to_be_bytes());
        Reply::Body(answer)
    })
    .await;
    let connection = broker.connection().await.unwrap();
    connection.call(&no_topics()).await.unwrap();
    assert!(connection.throttled_for() > Duration::from_millis(100));
    let begin = Instant::now();
    connection.call(&no_topics()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_broken_connection_is_made_anew() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Body(metadata(&[(1, asked.port)], &[]))
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let first = cluster.broker(1, 1).await.unwrap();
    assert!(Arc::ptr_eq(&first, &cluster.broker(1, 1).await.unwrap()));
    assert!(!Arc::ptr_eq(&first, &cluster.broker(1, 2).await.unwrap()));
    first.stop.cancel();
    let second = cluster.broker(1, 1).await.unwrap();
    assert!(!second.is_broken());
    assert!(!Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn a_dead_bootstrap_server_does_not_matter_while_another_one_answers() {
    let broker = FakeBroker::start(&METADATA, |asked| {
        Reply::Body(metadata(&[(1, asked.port)], &[]))
    })
    .await;
    // a name with several addresses, of which one may be dead, is tried through
    let servers = format!("127.0.0.1:1,localhost:{}", broker.port);
    let cluster = Cluster::connect(&properties(&servers)).await.unwrap();
    assert_eq!(cluster.cluster_id(), "a-cluster");
    assert_eq!(cluster.brokers()[0].port, i32::from(broker.port));
}

#[tokio::test]
async fn no_answering_bootstrap_server_is_an_error_that_names_each() {
    let error = Cluster::connect(&properties("127.0.0.1:1,127.0.0.1:2"))
        .await
        .unwrap_err();
    let KafkaError::Bootstrap(failures) = &error else {
        panic!("{error}");
    };
    assert_eq!(failures.len(), 2);
    for (address, failure) in failures {
        let KafkaError::Connect { source, .. } = failure else {
            panic!("{address}: {failure}");
        };
        assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
    }
}
