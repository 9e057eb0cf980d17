use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::ApiKey;
use lifeboat_archive::words::TopicId;

use super::*;
use crate::wire::fake_broker::{FakeBroker, FakeTopic, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 2] = [(ApiKey::Metadata, 12, 12), (ApiKey::DeleteRecords, 2, 2)];
const ORDERS: FakeTopic<'static> = ("orders", TopicId([7; 16]), &[(1, 4)]);

/// DeleteRecords 2, for orders-0.
fn deleted(error: i16, log_start: i64) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text("orders").array(1);
    out.i32(0).i64(log_start).i16(error).tags();
    out.tags().tags();
    out
}

/// What a broker answers that has these errors first.
async fn delete(errors: &'static [i16]) -> (Result<i64, KafkaError>, usize) {
    let tries = AtomicUsize::new(0);
    let broker = FakeBroker::start(&APIS, move |asked| {
        if asked.api == ApiKey::Metadata as i16 {
            return Reply::Body(metadata(&[(1, asked.port)], &[ORDERS]));
        }
        let error = errors.get(tries.fetch_add(1, Ordering::Relaxed)).copied();
        Reply::Body(deleted(error.unwrap_or(0), 17))
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let orders = TopicPartition::new("orders", 0);
    let mut told = cluster
        .delete_records(&HashMap::from([(orders.clone(), 17)]))
        .await;
    assert_eq!(told.len(), 1);
    let asked = broker.asked(ApiKey::DeleteRecords).len();
    (told.remove(&orders).unwrap(), asked)
}

#[tokio::test]
async fn a_leader_that_has_moved_or_is_slow_is_asked_again() {
    let (log_start, asked) = delete(&[6, 7]).await;
    assert_eq!((log_start.unwrap(), asked), (17, 3));
}

#[tokio::test]
async fn a_right_that_is_missing_and_a_compacted_topic_are_told_at_once() {
    let (denied, asked) = delete(&[29]).await;
    let right = denied.unwrap_err().missing_right().unwrap();
    assert_eq!(
        (right.to_string().as_str(), asked),
        ("Delete on topic orders", 1)
    );
    let (compacted, _) = delete(&[44]).await;
    let code = compacted.unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::POLICY_VIOLATION));
}
