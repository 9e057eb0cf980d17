use lifeboat_archive::documents::{AclBinding, Quota, ScramCredential, ScramUser, UsersDocument};
use serde_json::json;

use super::*;

type Pairs<'a> = &'a [(&'a str, Option<&'a str>)];

fn settings(pairs: Pairs<'_>) -> Settings {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect()
}

fn configs(cluster: Pairs<'_>, brokers: &[(i32, Pairs<'_>)]) -> ConfigsDocument {
    let brokers = brokers.iter();
    ConfigsDocument {
        cluster: Some(settings(cluster)),
        brokers: brokers
            .map(|(id, pairs)| (*id, Some(settings(pairs))))
            .collect(),
        groups: Some(BTreeMap::new()),
        client_metrics: Some(BTreeMap::new()),
    }
}

fn acl(principal: &str, permission: &str) -> AclBinding {
    let acl = json!({
        "resource_type": "TOPIC", "resource_name": "orders", "pattern_type": "LITERAL",
        "principal": principal, "host": "*", "operation": "READ", "permission": permission,
    });
    serde_json::from_value(acl).unwrap()
}

fn acls(authorizer: bool, acls: &[AclBinding]) -> AclsDocument {
    AclsDocument {
        authorizer,
        acls: acls.to_vec(),
    }
}

fn quota(user: &str, limit: f64) -> QuotasDocument {
    QuotasDocument {
        quotas: vec![Quota {
            entity: [("user".to_owned(), Some(user.to_owned()))].into(),
            limits: [("producer_byte_rate".to_owned(), limit)].into(),
        }],
    }
}

/// What was asked for, in full.
struct Case {
    snapshot: Documents,
    found: Found,
    parts: Parts,
    broker_map: BTreeMap<i32, i32>,
    prune: bool,
}

impl Case {
    fn new(snapshot: Documents, target: Documents) -> Self {
        Self {
            snapshot,
            found: Found {
                documents: target,
                brokers: [1, 2].into(),
                ..Found::default()
            },
            parts: Parts::everything(),
            broker_map: BTreeMap::new(),
            prune: false,
        }
    }

    fn try_decide(&self) -> Result<ClusterChanges, PlanError> {
        let wish = Wish {
            parts: &self.parts,
            topics: &TopicGlobs::default(),
            names: &TargetNames::default(),
            broker_map: &self.broker_map,
            prune: self.prune,
            principal: "User:restorer",
        };
        decide(&self.snapshot, &self.found, &wish)
    }

    fn decide(&self) -> ClusterChanges {
        self.try_decide().unwrap()
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    let changes = changes.iter();
    changes
        .map(|change| format!("{} {change}", change.sign()))
        .collect()
}

fn left_out(changes: &ClusterChanges) -> Vec<String> {
    let left_out = changes.left_out.iter();
    left_out
        .map(|it| format!("{}: {}", it.change, it.reason))
        .collect()
}

#[test]
fn what_is_equal_is_not_touched_and_nothing_is_removed_unless_it_is_asked_for() {
    let snapshot = Documents {
        configs: Some(configs(&[("a", Some("1")), ("b", Some("2"))], &[])),
        quotas: Some(quota("shop", 5.0)),
        ..Documents::default()
    };
    let target = Documents {
        configs: Some(configs(
            &[("a", Some("1")), ("b", Some("3")), ("c", Some("4"))],
            &[],
        )),
        quotas: Some(quota("other", 5.0)),
        ..Documents::default()
    };
    let mut case = Case::new(snapshot.clone(), target);
    let changes = case.decide();
    let made = [
        "~ cluster: b 3 → 2",
        "+ quota user shop: producer_byte_rate 5",
    ];
    assert_eq!(told(&changes.made), made);
    let extra = ["− cluster: c=4", "− quota user other: producer_byte_rate 5"];
    assert_eq!(
        (told(&changes.kept), changes.pruned.len()),
        (extra.map(str::to_owned).to_vec(), 0)
    );
    case.prune = true;
    let changes = case.decide();
    assert_eq!(told(&changes.pruned), extra);
    assert_eq!(told(&changes.made), made);
    let mut equal = Case::new(snapshot.clone(), snapshot);
    equal.prune = true;
    assert_eq!(equal.decide(), ClusterChanges::default());
}

#[test]
fn what_a_broker_of_another_machine_can_not_have_is_named_and_never_set_or_removed() {
    let snapshot = Documents {
        configs: Some(configs(
            &[("ssl.truststore.password", None)],
            &[
                (
                    1,
                    &[
                        ("listeners", Some("A://:1")),
                        ("log.cleaner.threads", Some("2")),
                    ],
                ),
                (7, &[("log.cleaner.threads", Some("3"))]),
            ],
        )),
        ..Documents::default()
    };
    let target = Documents {
        configs: Some(configs(
            &[
                ("listener.name.a.ssl.keystore.location", Some("/k")),
                ("min.insync.replicas", Some("1")),
            ],
            &[(1, &[]), (2, &[("sasl.secret", None)])],
        )),
        ..Documents::default()
    };
    let mut case = Case::new(snapshot, target);
    case.prune = true;
    let changes = case.decide();
    assert_eq!(told(&changes.made), ["+ broker 1: log.cleaner.threads=2"]);
    assert_eq!((changes.pruned.len(), changes.kept.len()), (0, 0));
    assert_eq!(
        left_out(&changes),
        [
            "broker 7: log.cleaner.threads=3: the target has no broker 7: map it with --broker-map 7=…",
            "cluster: ssl.truststore.password=(sensitive): sensitive: the source did not tell its value",
            "broker 1: listeners=A://:1: it belongs to the source's machines: listeners, certificates, folders",
        ]
    );
    assert!(changes.left_out.iter().all(|it| it.partial));
    case.broker_map = [(7, 2)].into();
    let mapped = case.decide();
    assert_eq!(
        told(&mapped.made),
        [
            "+ broker 1: log.cleaner.threads=2",
            "+ broker 2: log.cleaner.threads=3"
        ]
    );
    case.broker_map = [(7, 1)].into();
    let merged = case.try_decide().unwrap_err();
    assert_eq!(merged, PlanError::BrokersMerged { broker: 1 });
}

#[test]
fn who_restores_is_never_shut_out_before_the_end_and_keeps_its_rights() {
    let ours = [acl("User:restorer", "ALLOW"), acl("User:restorer", "DENY")];
    let theirs = [
        acl("User:a", "DENY"),
        acl("User:b", "ALLOW"),
        acl("User:*", "DENY"),
    ];
    let snapshot = Documents {
        acls: Some(acls(true, &[&theirs[..], &ours[..]].concat())),
        configs: Some(configs(&[("a", Some("1"))], &[])),
        quotas: Some(quota("restorer", 1.0)),
        ..Documents::default()
    };
    let empty = Documents {
        acls: Some(acls(true, &[])),
        configs: Some(configs(&[], &[])),
        quotas: Some(QuotasDocument::default()),
        ..Documents::default()
    };
    let changes = Case::new(snapshot.clone(), empty.clone()).decide();
    let of =
        |principal: &str, what: &str| format!("+ acl {principal}: {what} READ on topic orders");
    let rights = [
        of("User:restorer", "ALLOW"),
        of("User:b", "ALLOW"),
        of("User:a", "DENY"),
        of("User:*", "DENY"),
        of("User:restorer", "DENY"),
    ];
    let made = told(&changes.made);
    assert_eq!(
        made[..2],
        [
            "+ cluster: a=1",
            "+ quota user restorer: producer_byte_rate 1"
        ]
    );
    assert_eq!(made[2..], rights);
    let mut back = Case::new(empty, snapshot);
    back.prune = true;
    let changes = back.decide();
    assert!(!told(&changes.pruned).contains(&rights[0].replace('+', "−")));
    assert_eq!(told(&changes.kept), [rights[0].replace('+', "−")]);
    assert_eq!(changes.pruned.len(), 6);
}

#[test]
fn without_an_authorizer_each_acl_is_named() {
    let snapshot = Documents {
        acls: Some(acls(true, &[acl("User:a", "ALLOW"), acl("User:b", "DENY")])),
        ..Documents::default()
    };
    let target = Documents {
        acls: Some(acls(false, &[])),
        ..Documents::default()
    };
    let changes = Case::new(snapshot, target).decide();
    assert!(changes.is_nothing());
    assert_eq!(
        left_out(&changes),
        [
            "acl User:a: ALLOW READ on topic orders: the target has no authorizer",
            "acl User:b: DENY READ on topic orders: the target has no authorizer",
        ]
    );
}

#[test]
fn what_can_not_be_read_of_the_target_is_left_out_with_the_reason_and_never_taken_for_nothing() {
    let mut wanted = configs(&[("a", Some("1"))], &[(1, &[("b", Some("2"))])]);
    wanted.groups = Some([("g".to_owned(), Some(settings(&[("c", Some("3"))])))].into());
    let snapshot = Documents {
        configs: Some(wanted),
        quotas: Some(quota("shop", 5.0)),
        ..Documents::default()
    };
    let mut found = configs(&[], &[]);
    found.brokers = [(1, None)].into();
    found.groups = None;
    let mut case = Case::new(
        snapshot,
        Documents {
            configs: Some(found),
            ..Documents::default()
        },
    );
    case.found.unread = vec![
        (Kind::Configs, "User:r lacks X".to_owned()),
        (Kind::Quotas, "User:r lacks Y".to_owned()),
    ];
    let changes = case.decide();
    assert_eq!(told(&changes.made), ["+ cluster: a=1"]);
    assert_eq!(
        left_out(&changes),
        [
            "broker 1: b=2: what the target has is not known: User:r lacks X",
            "group g: c=3: what the target has is not known: User:r lacks X",
            "quota user shop: producer_byte_rate 5: what the target has is not known: User:r lacks Y",
        ]
    );
}

#[test]
fn settings_of_topics_are_changed_alone_only_and_never_where_the_snapshot_does_not_know_them() {
    let topic = |name: &str, pairs: Option<&[(&str, Option<&str>)]>| TopicDocument {
        topic: name.to_owned(),
        topic_id: lifeboat_archive::words::TopicId([1; 16]),
        partition_count: 1,
        replication_factor: 1,
        assignment: Vec::new(),
        configs: pairs.map(settings),
    };
    let snapshot = Documents {
        topics: Some(TopicsDocument {
            topics: vec![
                topic("unknown", None),
                topic("gone", Some(&[("retention.ms", Some("1"))])),
                topic(
                    "orders",
                    Some(&[
                        ("retention.ms", Some("1")),
                        ("min.insync.replicas", Some("2")),
                        ("leader.replication.throttled.replicas", Some("0:1")),
                    ]),
                ),
            ],
        }),
        ..Documents::default()
    };
    let mut case = Case::new(snapshot, Documents::default());
    let has = FoundTopic {
        replication_factor: 1,
        settings: Ok(settings(&[
            ("retention.ms", Some("2")),
            ("segment.ms", Some("9")),
        ])),
    };
    case.found.topics = [
        ("unknown".to_owned(), has.clone()),
        ("orders".to_owned(), has.clone()),
    ]
    .into();
    case.prune = true;
    // with the data, that is the topics' own affair
    assert_eq!(case.decide(), ClusterChanges::default());
    case.parts = Parts::of([Part::Configs]);
    let changes = case.decide();
    let made = [
        "+ topic orders: min.insync.replicas=1",
        "~ topic orders: retention.ms 2 → 1",
    ];
    assert_eq!(told(&changes.made), made);
    assert_eq!(told(&changes.pruned), ["− topic orders: segment.ms=9"]);
    let capped =
        "topic orders: min.insync.replicas=2: it becomes 1: the topic has no more replicas";
    assert_eq!(left_out(&changes), [capped]);
    // one that may not be looked at is left alone, and told
    let denied = FoundTopic {
        settings: Err("User:r lacks X".to_owned()),
        ..has
    };
    case.found.topics = [("orders".to_owned(), denied)].into();
    let changes = case.decide();
    assert!(changes.is_nothing());
    assert_eq!(
        left_out(&changes),
        [
            "topic orders: min.insync.replicas=2: User:r lacks X",
            "topic orders: retention.ms=1: User:r lacks X",
        ]
    );
}

#[test]
fn users_are_no_change_of_these_and_never_removed() {
    let of = |name: &str| Documents {
        users: Some(UsersDocument {
            users: vec![ScramUser {
                user: name.to_owned(),
                credentials: vec![ScramCredential {
                    mechanism: "SCRAM-SHA-512".to_owned(),
                    iterations: 4_096,
                }],
            }],
        }),
        ..Documents::default()
    };
    let mut case = Case::new(of("alice"), of("bob"));
    (case.parts, case.prune) = (Parts::everything(), true);
    assert_eq!(case.decide(), ClusterChanges::default());
}

#[test]
fn only_what_something_is_to_be_done_with_is_looked_at() {
    let parts = Parts::everything();
    let empty = Documents {
        acls: Some(acls(false, &[])),
        configs: Some(configs(&[], &[(1, &[])])),
        quotas: Some(QuotasDocument::default()),
        ..Documents::default()
    };
    assert_eq!(kinds_to_look_at(&empty, &parts, false), []);
    let all = [Kind::Configs, Kind::Quotas, Kind::Acls];
    assert_eq!(kinds_to_look_at(&empty, &parts, true), all);
    let some = Documents {
        configs: Some(configs(&[], &[(1, &[("a", Some("1"))])])),
        ..empty
    };
    assert_eq!(kinds_to_look_at(&some, &parts, false), [Kind::Configs]);
    assert_eq!(kinds_to_look_at(&some, &Parts::of_topics(), false), []);
    // users are not looked at here, but missed all the same
    let missed = [Kind::Configs, Kind::Quotas, Kind::Acls, Kind::Users];
    assert_eq!(not_held(&Documents::default(), &parts), missed);
}
