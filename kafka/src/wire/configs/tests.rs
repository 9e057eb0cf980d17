use kafka_protocol::messages::ApiKey;

use super::*;
use crate::wire::fake_broker::{FakeBroker, Out, Reply, metadata};

/// A broker with ListConfigResources in this version, that lists these names and kinds.
async fn lists(version: i16, found: &'static [(&'static str, u8)]) -> FakeBroker {
    let apis = [
        (ApiKey::Metadata, 12, 12),
        (ApiKey::ListConfigResources, 0, version),
    ];
    FakeBroker::start(&apis, move |asked| {
        if asked.api == 3 {
            return Reply::Body(metadata(&[(1, asked.port)], &[]));
        }
        let mut out = Out::default();
        out.i32(0).i16(0).array(found.len());
        for (name, kind) in found {
            out.text(name);
            if asked.version >= 1 {
                out.0.push(*kind);
            }
            out.tags();
        }
        out.tags();
        Reply::Body(out)
    })
    .await
}

#[tokio::test]
async fn brokers_that_can_not_list_groups_are_not_taken_to_have_none_with_settings() {
    let cluster = lists(0, &[("latency", 16)]).await;
    let found = cluster.cluster().await.unwrap().config_resources().await;
    let expected = ConfigResources {
        client_metrics: vec!["latency".to_owned()],
        groups: None,
    };
    assert_eq!(found.unwrap(), expected);

    let cluster = lists(1, &[("shop", 32), ("latency", 16), ("bills", 32)]).await;
    let found = cluster.cluster().await.unwrap().config_resources().await;
    let expected = ConfigResources {
        client_metrics: vec!["latency".to_owned()],
        groups: Some(vec!["bills".to_owned(), "shop".to_owned()]),
    };
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn a_resource_is_known_by_its_kind_and_its_name() {
    let told = |kind, name: &str, code| {
        DescribeConfigsResult::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name.to_owned()))
            .with_error_code(code)
    };
    let answer = DescribeConfigsResponse::default().with_results(vec![
        told(GROUP, "shop", 30),
        told(BROKER, "", 0),
        told(BROKER, "1", 0),
    ]);
    let asked = [
        ConfigResource::AllBrokers,
        ConfigResource::Group("shop".to_owned()),
        ConfigResource::Group("1".to_owned()),
    ];
    let read = read_configs(&asked.iter().collect::<Vec<_>>(), &answer);
    assert!(read[&asked[0]].is_ok());
    let denied = read[&asked[1]].as_ref().unwrap_err();
    let right = denied.missing_right().unwrap();
    assert_eq!(right.to_string(), "DescribeConfigs on group shop");
    let untold = read[&asked[2]].as_ref().unwrap_err().to_string();
    assert!(untold.contains("group 1 is missing"), "{untold}");
}

#[tokio::test]
async fn a_broker_that_has_not_heard_of_a_topic_yet_is_asked_again_and_not_for_long() {
    const APIS: [(ApiKey, i16, i16); 2] =
        [(ApiKey::Metadata, 12, 12), (ApiKey::DescribeConfigs, 4, 4)];
    let known_after = |calls: usize| {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        FakeBroker::start(&APIS, move |it| {
            if it.api == ApiKey::Metadata as i16 {
                return Reply::Body(metadata(&[(1, it.port)], &[]));
            }
            let nth = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut out = Out::default();
            // UNKNOWN_TOPIC_OR_PARTITION
            out.i32(0).array(1).i16(if nth < calls { 3 } else { 0 });
            out.null();
            out.0.push(2);
            out.text("new").array(0).tags().tags();
            Reply::Body(out)
        })
    };
    let resources = [ConfigResource::Topic("new".into())];
    let broker = known_after(2).await;
    let cluster = broker.cluster().await.unwrap();
    assert!(cluster.configs(&resources).await[&resources[0]].is_ok());
    let broker = known_after(usize::MAX).await;
    let cluster = broker.cluster().await.unwrap();
    let configs = cluster.configs(&resources).await;
    let error = configs[&resources[0]].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}
