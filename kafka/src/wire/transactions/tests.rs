use kafka_protocol::messages::ApiKey;

use crate::wire::fake_broker::{FakeBroker, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 3] = [
    (ApiKey::Metadata, 12, 12),
    (ApiKey::ListTransactions, 0, 0),
    (ApiKey::DescribeTransactions, 0, 0),
];

/// A broker that lists `billing` and `shop`, and describes with these codes.
async fn coordinator(codes: &'static [(&'static str, i16)]) -> FakeBroker {
    FakeBroker::start(&APIS, move |asked| {
        let mut out = Out::default();
        match asked.api {
            3 => return Reply::Body(metadata(&[(1, asked.port)], &[])),
            66 => {
                out.i32(0).i16(0).array(0).array(2);
                for (id, producer) in [("shop", 7), ("billing", 8)] {
                    out.text(id).i64(producer).text("Ongoing").tags();
                }
            }
            _ => {
                out.i32(0).array(codes.len());
                for (id, code) in codes {
                    out.i16(*code).text(id).text("Ongoing").i32(60_000);
                    out.i64(1_700_000_000_000).i64(7).i16(0).array(0).tags();
                }
            }
        }
        out.tags();
        Reply::Body(out)
    })
    .await
}

#[tokio::test]
async fn a_transaction_whose_coordinator_moved_meanwhile_is_told_without_its_begin() {
    let broker = coordinator(&[("shop", 0), ("billing", 16)]).await;
    let cluster = broker.cluster().await.unwrap();
    let open = cluster.open_transactions().await;
    assert!(open.unanswered.is_empty());
    let told: Vec<_> = open
        .transactions
        .iter()
        .map(|open| &open.transaction)
        .map(|open| (open.transactional_id.as_str(), open.start_timestamp_ms))
        .collect();
    assert_eq!(told, [("billing", None), ("shop", Some(1_700_000_000_000))]);
}

#[tokio::test]
async fn to_who_may_not_see_it_the_broker_does_not_say_that_a_transaction_is_not_there() {
    for (code, sees_all) in [(53, false), (105, true), (16, true)] {
        let codes: &[(&str, i16)] = Box::leak(Box::new([("made up", code)]));
        let broker = coordinator(codes).await;
        let cluster = broker.cluster().await.unwrap();
        assert_eq!(
            cluster.sees_all_transactions().await.unwrap(),
            sees_all,
            "{code}"
        );
    }
}

/// Between the two questions a transaction ends: what is described is the later, and told together.
#[tokio::test]
async fn what_has_ended_between_the_list_and_the_description_is_not_open_any_more() {
    let broker = FakeBroker::start(&APIS, |asked| {
        let mut out = Out::default();
        match asked.api {
            3 => return Reply::Body(metadata(&[(1, asked.port)], &[])),
            66 => {
                out.i32(0).i16(0).array(0).array(1);
                out.text("shop").i64(7).text("Ongoing").tags();
            }
            _ => {
                out.i32(0).array(1);
                out.i16(0).text("shop").text("CompleteCommit").i32(60_000);
                out.i64(1_700_000_000_000).i64(7).i16(0).array(0).tags();
            }
        }
        out.tags();
        Reply::Body(out)
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    assert!(cluster.open_transactions().await.transactions.is_empty());
    let last = cluster.last_transactions().await.transactions;
    let [last] = last.as_slice() else {
        panic!("{last:?}")
    };
    assert_eq!(last.transaction.state, "CompleteCommit");
    assert_eq!(last.transaction.start_timestamp_ms, Some(1_700_000_000_000));
}
