use std::sync::atomic::{AtomicBool, Ordering};

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{Asked, FakeBroker, Out, Reply, metadata};

const DESCRIBE: (ApiKey, i16, i16) = (ApiKey::DescribeUserScramCredentials, 0, 0);
const ALTER: (ApiKey, i16, i16) = (ApiKey::AlterUserScramCredentials, 0, 0);

async fn broker(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> FakeBroker {
    let apis = [(ApiKey::Metadata, 12, 12), DESCRIBE, ALTER];
    FakeBroker::start(&apis, move |asked| {
        if asked.api == ApiKey::Metadata as i16 {
            Reply::Body(metadata(&[(1, asked.port)], &[]))
        } else {
            script(asked)
        }
    })
    .await
}

/// AlterUserScramCredentials 0.
fn altered(user: &str, error: i16, message: &str) -> Out {
    let mut out = Out::default();
    out.i32(0).array(1).text(user).i16(error).text(message);
    out.tags().tags();
    out
}

fn credential() -> NewCredential {
    NewCredential {
        user: "alice".to_owned(),
        mechanism: ScramMechanism::Sha512,
        iterations: 4096,
        salt: SecretBytes::new(b"salt"),
        salted_password: SecretBytes::new(b"salted"),
    }
}

#[tokio::test]
async fn users_are_listed_by_name_and_mechanism() {
    let broker = broker(|_| {
        let mut out = Out::default();
        out.i32(0).i16(0).null().array(2);
        for user in ["bob", "alice"] {
            out.text(user).i16(0).null().array(2);
            for mechanism in [2, 1] {
                out.0.push(mechanism);
                out.i32(8192).tags();
            }
            out.tags();
        }
        out.tags();
        Reply::Body(out)
    })
    .await;
    let users = broker.cluster().await.unwrap().scram_users().await.unwrap();
    let told: Vec<_> = users
        .iter()
        .map(|listed| (listed.user.as_str(), listed.mechanism, listed.iterations))
        .collect();
    assert_eq!(
        told,
        [
            ("alice", 1, 8192),
            ("alice", 2, 8192),
            ("bob", 1, 8192),
            ("bob", 2, 8192)
        ]
    );
}

#[tokio::test]
async fn a_broker_that_never_answers_is_told_as_the_right_that_is_missing() {
    let broker = broker(|_| Reply::Nothing).await;
    let cluster = broker.cluster_with("request.timeout.ms=200").await.unwrap();
    let error = cluster.scram_users().await.unwrap_err();
    assert!(error.to_string().contains("no answer within"), "{error}");
    assert_eq!(
        error.missing_right().unwrap().to_string(),
        "Describe on the cluster"
    );
}

#[tokio::test]
async fn a_broker_that_is_slow_is_asked_again_where_it_is_known_that_we_may() {
    let silent = AtomicBool::new(true);
    let apis = [
        (ApiKey::Metadata, 12, 12),
        (ApiKey::DescribeCluster, 1, 1),
        DESCRIBE,
    ];
    let broker = FakeBroker::start(&apis, move |asked| {
        let mut out = Out::default();
        if asked.api == ApiKey::Metadata as i16 {
            return Reply::Body(metadata(&[(1, asked.port)], &[]));
        }
        if asked.api == ApiKey::DescribeCluster as i16 {
            out.i32(0).i16(0).null();
            out.0.push(1);
            out.text("cluster").i32(1).array(0);
            // Describe
            out.i32(1 << 8).tags();
            return Reply::Body(out);
        }
        if silent.swap(false, Ordering::Relaxed) {
            return Reply::Nothing;
        }
        out.i32(0).i16(0).null().array(0).tags();
        Reply::Body(out)
    })
    .await;
    let cluster = broker.cluster_with("request.timeout.ms=500").await.unwrap();
    assert_eq!(cluster.scram_users().await.unwrap(), []);
    assert_eq!(broker.asked(ApiKey::DescribeUserScramCredentials).len(), 2);
}

#[tokio::test]
async fn a_refused_credential_is_told_with_the_user_and_the_right_that_is_missing() {
    let broker = broker(|_| Reply::Body(altered("alice", 31, "no"))).await;
    let cluster = broker.cluster().await.unwrap();
    let error = cluster
        .set_scram_credential(&credential())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("user alice"), "{error}");
    assert_eq!(
        error.missing_right().unwrap().to_string(),
        "Alter on the cluster"
    );
    assert!(!format!("{:?}", credential()).contains("salt\""));
}
