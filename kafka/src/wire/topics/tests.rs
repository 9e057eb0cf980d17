use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{Asked, FakeBroker, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 2] = [(ApiKey::Metadata, 12, 12), (ApiKey::CreateTopics, 2, 7)];

/// CreateTopics 7: the outcome of each topic.
fn created(topics: &[(&str, i16, Option<&str>)]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(topics.len());
    for (name, error, message) in topics {
        out.text(name).id(TopicId([7; 16])).i16(*error);
        match message {
            Some(text) => out.text(text),
            None => out.null(),
        };
        out.i32(1).i16(1).array(0).tags();
    }
    out.tags();
    out
}

fn new_topics(names: &[&str]) -> Vec<NewTopic> {
    names
        .iter()
        .map(|name| NewTopic {
            name: (*name).to_owned(),
            partitions: 1,
            replication_factor: 1,
            assignment: None,
            configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        })
        .collect()
}

async fn controller(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> FakeBroker {
    let tries = AtomicUsize::new(0);
    FakeBroker::start(&APIS, move |asked| {
        if asked.api == ApiKey::Metadata as i16 {
            Reply::Body(metadata(&[(1, asked.port)], &[]))
        } else {
            script(tries.fetch_add(1, Ordering::Relaxed), asked)
        }
    })
    .await
}

#[tokio::test]
async fn each_topic_has_its_own_outcome_with_the_brokers_message() {
    let broker = controller(|_, _| {
        Reply::Body(created(&[("b", 38, Some("only 1 broker")), ("a", 0, None)]))
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let told = cluster
        .create_topics(&new_topics(&["a", "b", "c"]), true)
        .await;
    assert_eq!(told[0].0, "a");
    assert_eq!(*told[0].1.as_ref().unwrap(), TopicId([7; 16]));
    assert_eq!(
        told[1].1.as_ref().unwrap_err().to_string(),
        "CreateTopics of b: INVALID_REPLICATION_FACTOR (only 1 broker)"
    );
    assert!(matches!(told[2].1, Err(KafkaError::Malformed { .. })));
}

#[tokio::test]
async fn only_topics_that_were_certainly_not_made_are_asked_for_again() {
    let broker = controller(|nth, _| {
        Reply::Body(match nth {
            0 => created(&[("a", 0, None), ("b", 41, None)]),
            _ => created(&[("b", 0, None)]),
        })
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let told = cluster.create_topics(&new_topics(&["a", "b"]), false).await;
    assert!(told.iter().all(|(_, outcome)| outcome.is_ok()), "{told:?}");
    let asked = broker.asked(ApiKey::CreateTopics);
    assert_eq!(asked.len(), 2);
    assert!(asked[1].body.len() < asked[0].body.len());
}

#[tokio::test]
async fn a_change_whose_outcome_is_unknown_is_not_asked_for_twice() {
    let broker = controller(|_, _| Reply::Last(Vec::new())).await;
    let cluster = broker.cluster().await.unwrap();
    let told = cluster.create_topics(&new_topics(&["a"]), false).await;
    let error = told[0].1.as_ref().unwrap_err();
    assert!(matches!(error, KafkaError::Disconnected { .. }), "{error}");
    assert_eq!(broker.asked(ApiKey::CreateTopics).len(), 1);
}
