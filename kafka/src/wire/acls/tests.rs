use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply, metadata};

const APIS: [(ApiKey, i16, i16); 4] = [
    (ApiKey::Metadata, 12, 12),
    (ApiKey::DescribeAcls, 3, 3),
    (ApiKey::CreateAcls, 3, 3),
    (ApiKey::DeleteAcls, 3, 3),
];

async fn broker(script: impl Fn() -> Out + Send + Sync + 'static) -> FakeBroker {
    FakeBroker::start(&APIS, move |asked| {
        Reply::Body(match asked.api {
            3 => metadata(&[(1, asked.port)], &[]),
            _ => script(),
        })
    })
    .await
}

fn acl(name: &str) -> AclBinding {
    AclBinding {
        resource_type: ResourceType(2),
        resource_name: name.to_owned(),
        pattern_type: PatternType(3),
        principal: "User:alice".to_owned(),
        host: "*".to_owned(),
        operation: AclOperation(3),
        permission: PermissionType(3),
    }
}

/// CreateAcls 3: an error code for each.
fn created(codes: &[i16]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(codes.len());
    for code in codes {
        out.i16(*code).text("because").tags();
    }
    out.tags();
    out
}

/// DeleteAcls 3: for each filter the codes of what it matched.
fn deleted(filters: &[&[i16]]) -> Out {
    let mut out = Out::default();
    out.i32(0).array(filters.len());
    for codes in filters {
        out.i16(0).null().array(codes.len());
        for code in *codes {
            out.i16(*code).null();
            out.0.push(2);
            out.text("a");
            out.0.push(3);
            out.text("User:alice").text("*");
            out.0.extend([3, 3]);
            out.tags();
        }
        out.tags();
    }
    out.tags();
    out
}

#[tokio::test]
async fn a_cluster_without_an_authorizer_has_no_acls_and_that_is_no_error() {
    let broker = broker(|| {
        let mut out = Out::default();
        out.i32(0).i16(54).text("No Authorizer").array(0).tags();
        out
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    assert_eq!(cluster.acls().await.unwrap(), None);
}

#[tokio::test]
async fn an_acl_that_is_refused_is_named_and_costs_none_of_the_others() {
    let broker = broker(|| created(&[0, 42])).await;
    let cluster = broker.cluster().await.unwrap();
    let outcomes = cluster.create_acls(&[acl("a"), acl("b")]).await;
    assert!(outcomes[0].is_ok());
    assert_eq!(
        outcomes[1].as_ref().unwrap_err().to_string(),
        "CreateAcls of ALLOW READ on TOPIC b (LITERAL) to User:alice from *: INVALID_REQUEST (because)"
    );
}

#[tokio::test]
async fn what_the_controller_can_not_do_now_is_asked_for_again() {
    let tries = AtomicUsize::new(0);
    let broker = broker(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => created(&[0, 41]),
        _ => created(&[0, 0]),
    })
    .await;
    let cluster = broker.cluster().await.unwrap();
    let outcomes = cluster.create_acls(&[acl("a"), acl("b")]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(broker.asked(ApiKey::CreateAcls).len(), 2);
}

#[tokio::test]
async fn an_acl_that_is_not_there_is_as_good_as_removed() {
    let broker = broker(|| deleted(&[&[], &[0], &[31]])).await;
    let cluster = broker.cluster().await.unwrap();
    let outcomes = cluster.delete_acls(&["a", "b", "c"].map(acl)).await;
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
    let right = outcomes[2].as_ref().unwrap_err().missing_right().unwrap();
    assert_eq!(right.to_string(), "Alter on the cluster");
}

#[tokio::test]
async fn an_answer_about_fewer_acls_than_were_sent_is_not_believed() {
    let broker = broker(|| created(&[0])).await;
    let cluster = broker.cluster().await.unwrap();
    let outcomes = cluster.create_acls(&[acl("a"), acl("b")]).await;
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
}
