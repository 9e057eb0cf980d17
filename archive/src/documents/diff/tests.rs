//! `LIFEBOAT_ROUNDS` asks for more cases, `LIFEBOAT_SEED` for others.

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

use super::*;
use crate::{
    documents::{
        AclBinding, AclOperation, AclsDocument, ClusterDocument, PatternType, PermissionType,
        Quota, ResourceType,
    },
    words::{Timestamp, TopicId},
};

mod apply;
mod made_up;

use apply::{apply, compared};
use made_up::{documents, half_known};

fn hold<S: Strategy>(values: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let seed = number("LIFEBOAT_SEED", 20_261_122);
    let cases = u32::try_from(number("LIFEBOAT_ROUNDS", 256).max(256)).unwrap();
    println!("LIFEBOAT_SEED={seed} LIFEBOAT_ROUNDS={cases}");
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&values, property) {
        panic!("{error}");
    }
}

#[test]
fn what_is_different_done_to_one_gives_the_other() {
    hold((documents(), documents()), |(from, to)| {
        let changes = diff(&from, &to);
        let mut made = from.clone();
        apply(&mut made, &changes);
        prop_assert_eq!(diff(&made, &to), Vec::new());
        prop_assert_eq!(compared(made), compared(to));
        Ok(())
    });
}

#[test]
fn nothing_is_different_from_itself_and_the_order_is_always_the_same() {
    hold((documents(), documents()), |(from, to)| {
        prop_assert_eq!(diff(&from, &from), Vec::new());
        let mut mixed = to.clone();
        mixed.topics.as_mut().unwrap().topics.reverse();
        mixed.acls.as_mut().unwrap().acls.reverse();
        mixed.quotas.as_mut().unwrap().quotas.reverse();
        mixed.users.as_mut().unwrap().users.reverse();
        mixed.groups.as_mut().unwrap().groups.reverse();
        let changes = diff(&from, &to);
        prop_assert_eq!(&diff(&from, &mixed), &changes);
        let kinds: Vec<Kind> = changes.iter().map(Change::kind).collect();
        prop_assert!(kinds.is_sorted());
        // there and back
        prop_assert_eq!(diff(&to, &from).len(), changes.len());
        Ok(())
    });
}

#[test]
fn a_change_survives_being_written_and_read() {
    hold((documents(), documents()), |(from, to)| {
        for change in diff(&from, &to) {
            let text = serde_json::to_string(&change).unwrap();
            let read: Change = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read, change, "{}", text);
        }
        Ok(())
    });
}

#[test]
fn what_one_of_them_does_not_know_is_not_compared() {
    hold((documents(), documents()), |(from, mut to)| {
        let of = |kind: Kind, changes: &[Change]| changes.iter().any(|c| c.kind() == kind);
        (to.acls, to.quotas, to.users) = (None, None, None);
        for changes in [diff(&from, &to), diff(&to, &from)] {
            prop_assert!(!of(Kind::Acls, &changes));
            prop_assert!(!of(Kind::Quotas, &changes));
            prop_assert!(!of(Kind::Users, &changes));
        }
        prop_assert!(!Kind::Acls.is_known(&to) && Kind::Acls.is_known(&from));
        Ok(())
    });
}

#[test]
fn settings_that_could_not_be_read_are_neither_added_nor_removed() {
    hold((half_known(), half_known()), |(from, to)| {
        let documents = |configs: &ConfigsDocument| Documents {
            configs: Some(configs.clone()),
            ..Documents::default()
        };
        let changes = diff(&documents(&from), &documents(&to));
        // it must find what it changes as it is told
        let mut made = documents(&from);
        apply(&mut made, &changes);
        prop_assert_eq!(diff(&made, &documents(&to)), Vec::new());
        let about = |resource: &ConfigResource| {
            let of = |change: &&Change| matches!(change, Change::Config { resource: it, .. } if it == resource);
            changes.iter().filter(of).count()
        };
        if from.cluster.is_none() || to.cluster.is_none() {
            prop_assert_eq!(about(&ConfigResource::Cluster), 0);
        }
        for broker in 1..4 {
            let known = |it: &ConfigsDocument| matches!(it.brokers.get(&broker), Some(Some(_)));
            if !known(&from) || !known(&to) {
                prop_assert_eq!(about(&ConfigResource::Broker { broker }), 0);
            }
        }
        Ok(())
    });
}

#[test]
fn between_two_clusters_ids_and_places_are_not_compared() {
    let of = |cluster_id: &str, id: u8| Documents {
        cluster: Some(ClusterDocument {
            cluster_id: cluster_id.to_owned(),
            captured_at: Timestamp::from_millis(0),
            brokers: Vec::new(),
            reassignments: None,
            open_transactions: None,
        }),
        topics: Some(TopicsDocument {
            topics: vec![TopicDocument {
                topic: "orders".to_owned(),
                topic_id: TopicId([id; 16]),
                partition_count: 1,
                replication_factor: 1,
                assignment: vec![vec![i32::from(id)]],
                configs: Some(Settings::new()),
            }],
        }),
        ..Documents::default()
    };
    assert_eq!(diff(&of("one", 1), &of("other", 2)), []);
    let same: Vec<String> = diff(&of("one", 1), &of("one", 2))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        same,
        [
            "topic orders: made anew, id AQEBAQEBAQEBAQEBAQEBAQ → AgICAgICAgICAgICAgICAg",
            "topic orders: replicas of 1 partition: 0 [1] → [2]",
        ]
    );
}

#[test]
fn each_change_is_told_in_one_line() {
    let settings = |pairs: &[(&str, Option<&str>)]| -> Settings {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect()
    };
    let from = Documents {
        configs: Some(ConfigsDocument {
            cluster: Some(settings(&[("log.cleaner.threads", Some("2"))])),
            brokers: BTreeMap::from([(1, Some(settings(&[("ssl.keystore.password", None)])))]),
            ..ConfigsDocument::default()
        }),
        acls: Some(AclsDocument::default()),
        quotas: Some(QuotasDocument::default()),
        ..Documents::default()
    };
    let entity = [
        ("user".to_owned(), Some("shop".to_owned())),
        ("client-id".to_owned(), None),
    ];
    let to = Documents {
        configs: Some(ConfigsDocument {
            cluster: Some(settings(&[("log.cleaner.threads", Some("4"))])),
            brokers: BTreeMap::from([(1, Some(Settings::new()))]),
            ..ConfigsDocument::default()
        }),
        acls: Some(AclsDocument {
            authorizer: true,
            acls: vec![AclBinding {
                resource_type: ResourceType(2),
                resource_name: "pay".to_owned(),
                pattern_type: PatternType::PREFIXED,
                principal: "User:shop".to_owned(),
                host: "10.0.0.1".to_owned(),
                operation: AclOperation(3),
                permission: PermissionType::DENY,
            }],
        }),
        quotas: Some(QuotasDocument {
            quotas: vec![Quota {
                entity: entity.into(),
                limits: BTreeMap::from([("producer_byte_rate".to_owned(), 1_048_576.0)]),
            }],
        }),
        ..Documents::default()
    };
    let told: Vec<String> = diff(&from, &to)
        .iter()
        .map(|change| format!("{} {change}", change.sign()))
        .collect();
    assert_eq!(
        told,
        [
            "~ cluster: log.cleaner.threads 2 → 4",
            "− broker 1: ssl.keystore.password=(sensitive)",
            "~ authorizer: none → there",
            "+ acl User:shop: DENY READ on topics with the prefix pay from 10.0.0.1",
            "+ quota client-id (default), user shop: producer_byte_rate 1048576",
        ]
    );
}
