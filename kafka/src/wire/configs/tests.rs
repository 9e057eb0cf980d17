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
