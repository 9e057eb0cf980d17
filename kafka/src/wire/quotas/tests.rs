use kafka_protocol::messages::{
    alter_client_quotas_response, describe_client_quotas_response as described,
};

use super::*;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn told(entity: &[(&str, Option<&str>)], limits: &[(&str, f64)]) -> DescribeClientQuotasResponse {
    let entity = entity.iter().map(|(kind, name)| {
        described::EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text))
    });
    let limits = limits.iter().map(|(key, value)| {
        described::ValueData::default()
            .with_key(text(key))
            .with_value(*value)
    });
    let entry = described::EntryData::default()
        .with_entity(entity.collect())
        .with_values(limits.collect());
    DescribeClientQuotasResponse::default().with_entries(Some(vec![entry]))
}

fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
    parts
        .iter()
        .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)))
        .collect()
}

#[test]
fn a_name_that_is_missing_is_the_default_of_its_type() {
    let parts = [("user", Some("zoë")), ("client-id", None)];
    let read = read_quotas(&told(&parts, &[("request_percentage", 12.5)])).unwrap();
    let expected = Quota {
        entity: entity(&parts),
        limits: BTreeMap::from([("request_percentage".to_owned(), 12.5)]),
    };
    assert_eq!(read, [expected]);
    assert_eq!(
        read_quotas(&DescribeClientQuotasResponse::default()).unwrap(),
        []
    );
}

#[test]
fn a_limit_that_json_has_no_number_for_is_an_error_and_no_document_that_cannot_be_read() {
    for limit in [f64::NAN, f64::INFINITY] {
        let told = told(&[("user", None)], &[("producer_byte_rate", limit)]);
        let error = read_quotas(&told).unwrap_err().to_string();
        assert!(error.contains("producer_byte_rate is"), "{error}");
    }
}

#[test]
fn an_outcome_belongs_to_its_entity_in_whatever_order_they_are_told() {
    let change = |parts: &[(&str, Option<&str>)]| QuotaChange {
        entity: entity(parts),
        limits: BTreeMap::from([("producer_byte_rate".to_owned(), None)]),
    };
    let changes = [
        change(&[("user", Some("a"))]),
        change(&[("user", None), ("client-id", Some("b"))]),
        change(&[("ip", None)]),
    ];
    let entry = |change: &QuotaChange, code| {
        let entity = change.entity.iter().map(|(kind, name)| {
            alter_client_quotas_response::EntityData::default()
                .with_entity_type(text(kind))
                .with_entity_name(name.as_deref().map(text))
        });
        alter_client_quotas_response::EntryData::default()
            .with_error_code(code)
            .with_entity(entity.collect())
    };
    let answer = AlterClientQuotasResponse::default()
        .with_entries(vec![entry(&changes[1], 31), entry(&changes[0], 0)]);
    let outcomes = read_outcomes(&changes, &answer);
    assert!(outcomes[0].is_ok());
    let denied = outcomes[1].as_ref().unwrap_err();
    assert_eq!(
        denied.to_string(),
        "AlterClientQuotas of client-id b, user (default): CLUSTER_AUTHORIZATION_FAILED"
    );
    let right = denied.missing_right().unwrap();
    assert_eq!(right.to_string(), "AlterConfigs on the cluster");
    let untold = outcomes[2].as_ref().unwrap_err().to_string();
    assert!(untold.contains("ip (default) is missing"), "{untold}");
}

#[test]
fn no_limit_any_more_is_not_a_limit_of_nothing() {
    let change = QuotaChange {
        entity: entity(&[("user", None)]),
        limits: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(0.5))]),
    };
    let entry = entry(&change);
    let operations: Vec<_> = entry
        .ops
        .iter()
        .map(|operation| (operation.key.as_str(), operation.remove, operation.value))
        .collect();
    assert_eq!(operations, [("a", true, 0.0), ("b", false, 0.5)]);
    assert_eq!(entry.entity[0].entity_name, None);
}

#[test]
fn of_several_quotas_the_one_of_who_comes_nearest_holds_for_each_limit() {
    let quota = |entity: &[(&str, Option<&str>)], limits: &[(&str, f64)]| Quota {
        entity: entity
            .iter()
            .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)))
            .collect(),
        limits: limits
            .iter()
            .map(|(name, rate)| ((*name).to_owned(), *rate))
            .collect(),
    };
    let quotas = [
        quota(
            &[("client-id", Some("lifeboat"))],
            &[("a", 1.0), ("b", 1.0)],
        ),
        quota(&[("user", None)], &[("a", 2.0)]),
        quota(&[("user", Some("ops"))], &[("a", 3.0)]),
        quota(
            &[("user", Some("ops")), ("client-id", Some("lifeboat"))],
            &[("c", 4.0)],
        ),
        quota(
            &[("user", Some("ops")), ("client-id", Some("x"))],
            &[("a", 5.0)],
        ),
        quota(&[("ip", None)], &[("a", 6.0)]),
    ];
    let limits = |user, client| -> Vec<f64> {
        let limits = limits_of(&quotas, user, client);
        limits.into_values().collect()
    };
    assert_eq!(limits("ops", "lifeboat"), [3.0, 1.0, 4.0]);
    assert_eq!(limits("somebody", "lifeboat"), [2.0, 1.0]);
    assert_eq!(limits("ops", "x"), [5.0]);
}
