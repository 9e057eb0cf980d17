//! `LIFEBOAT_ROUNDS` asks for more cases, `LIFEBOAT_SEED` for others.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, RngSeed, TestRunner},
};

use super::*;
use crate::{
    documents::{
        AclOperation, AclsDocument, ClusterDocument, PatternType, PermissionType, Quota,
        ResourceType, ScramCredential, ScramUser,
    },
    words::Timestamp,
};

/// What [`diff`] means: does it to `documents`.
fn apply(documents: &mut Documents, changes: &[Change]) {
    for change in changes {
        match change.kind() {
            Kind::Topics => apply_to_topics(documents.topics.as_mut().unwrap(), change),
            Kind::Configs => apply_to_configs(documents, change),
            Kind::Acls => apply_to_acls(documents.acls.as_mut().unwrap(), change),
            Kind::Quotas => apply_to_quotas(documents.quotas.as_mut().unwrap(), change),
            Kind::Users => apply_to_users(documents.users.as_mut().unwrap(), change),
            Kind::Groups => apply_to_groups(documents.groups.as_mut().unwrap(), change),
            Kind::Features => {
                let Change::Feature { feature, edit } = change else {
                    panic!("{change}");
                };
                let finalized = &mut documents.features.as_mut().unwrap().finalized;
                put(finalized, feature.clone(), edit);
            }
        }
    }
}

/// What is there must be what the change says it is, and becomes what it says it becomes.
fn put<K: Ord, T: Clone + PartialEq + fmt::Debug>(
    map: &mut BTreeMap<K, T>,
    key: K,
    edit: &Edit<T>,
) {
    let before = match edit.to() {
        Some(to) => map.insert(key, to.clone()),
        None => map.remove(&key),
    };
    let expected = match edit {
        Edit::Added { .. } => None,
        Edit::Removed { from } | Edit::Changed { from, .. } => Some(from.clone()),
    };
    assert_eq!(before, expected);
}

fn set<T: Clone + PartialEq + fmt::Debug>(place: &mut T, edit: &Edit<T>) {
    let Edit::Changed { from, to } = edit else {
        panic!("{edit:?}");
    };
    assert_eq!(place, from);
    *place = to.clone();
}

fn apply_to_topics(document: &mut TopicsDocument, change: &Change) {
    if let Change::Topic { edit } = change {
        document
            .topics
            .retain(|topic| topic.topic != edit.either().topic);
        document.topics.extend(edit.to().cloned());
        document.topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        return;
    }
    let name = change.topic().unwrap();
    let mut topics = document.topics.iter_mut();
    let topic = topics.find(|topic| topic.topic == name).unwrap();
    match change {
        Change::TopicId { edit, .. } => set(&mut topic.topic_id, edit),
        Change::Partitions { edit, .. } => set(&mut topic.partition_count, edit),
        Change::ReplicationFactor { edit, .. } => set(&mut topic.replication_factor, edit),
        Change::Assignment { edit, .. } => set(&mut topic.assignment, edit),
        other => panic!("{other}"),
    }
}

fn apply_to_configs(documents: &mut Documents, change: &Change) {
    let Change::Config {
        resource,
        name,
        edit,
    } = change
    else {
        panic!("{change}");
    };
    let settings = match resource {
        ConfigResource::Topic { topic } => {
            let mut topics = documents.topics.as_mut().unwrap().topics.iter_mut();
            &mut topics.find(|it| it.topic == *topic).unwrap().configs
        }
        others => {
            let configs = documents.configs.as_mut().unwrap();
            match others {
                ConfigResource::Broker { broker } => configs.brokers.entry(*broker).or_default(),
                ConfigResource::Group { group } => configs.groups.entry(group.clone()).or_default(),
                ConfigResource::ClientMetrics { subscription } => {
                    let all = &mut configs.client_metrics;
                    all.entry(subscription.clone()).or_default()
                }
                _ => &mut configs.cluster,
            }
        }
    };
    let mut values: BTreeMap<String, SettingValue> = std::mem::take(settings)
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    put(&mut values, name.clone(), edit);
    *settings = values
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
}

fn apply_to_acls(document: &mut AclsDocument, change: &Change) {
    match change {
        Change::Authorizer { edit } => set(&mut document.authorizer, edit),
        Change::Acl { edit } => {
            let count = document.acls.len();
            document.acls.retain(|acl| acl != edit.either());
            assert_eq!(edit.to().is_some(), document.acls.len() == count);
            document.acls.extend(edit.to().cloned());
            document.acls.sort();
        }
        other => panic!("{other}"),
    }
}

fn apply_to_quotas(document: &mut QuotasDocument, change: &Change) {
    let Change::Quota { entity, name, edit } = change else {
        panic!("{change}");
    };
    if !document.quotas.iter().any(|quota| quota.entity == *entity) {
        document.quotas.push(Quota {
            entity: entity.clone(),
            limits: BTreeMap::new(),
        });
    }
    let mut quotas = document.quotas.iter_mut();
    let quota = quotas.find(|quota| quota.entity == *entity).unwrap();
    put(&mut quota.limits, name.clone(), edit);
}

fn apply_to_users(document: &mut UsersDocument, change: &Change) {
    let Change::User {
        user,
        mechanism,
        edit,
    } = change
    else {
        panic!("{change}");
    };
    if !document.users.iter().any(|it| it.user == *user) {
        document.users.push(ScramUser {
            user: user.clone(),
            credentials: Vec::new(),
        });
    }
    let mut users = document.users.iter_mut();
    let user = users.find(|it| it.user == *user).unwrap();
    let mut credentials: BTreeMap<String, i32> = user
        .credentials
        .drain(..)
        .map(|credential| (credential.mechanism, credential.iterations))
        .collect();
    put(&mut credentials, mechanism.clone(), edit);
    let credentials = credentials.into_iter();
    user.credentials = credentials
        .map(|(mechanism, iterations)| ScramCredential {
            mechanism,
            iterations,
        })
        .collect();
}

fn apply_to_groups(document: &mut GroupsDocument, change: &Change) {
    if let Change::Group { edit } = change {
        let name = &edit.either().group;
        document.groups.retain(|group| group.group != *name);
        document.groups.extend(edit.to().cloned());
        return;
    }
    let (_, name) = change.subject();
    let mut groups = document.groups.iter_mut();
    let group = groups.find(|group| group.group == name).unwrap();
    match change {
        Change::GroupType { edit, .. } => set(&mut group.group_type, edit),
        Change::Offset {
            topic,
            partition,
            edit,
            ..
        } => {
            let of =
                |offset: &CommittedOffset| offset.topic == *topic && offset.partition == *partition;
            group.offsets.retain(|offset| !of(offset));
            group
                .offsets
                .extend(edit.to().map(|standing| CommittedOffset {
                    topic: topic.clone(),
                    partition: *partition,
                    offset: standing.offset,
                    leader_epoch: -1,
                    metadata: standing.metadata.clone(),
                }));
        }
        other => panic!("{other}"),
    }
}

/// What is compared, and nothing else: without empty settings, empty entries and what is only for information.
fn compared(mut documents: Documents) -> Documents {
    documents.tokens = None;
    documents.cluster = None;
    if let Some(configs) = &mut documents.configs {
        configs.brokers.retain(|_, settings| !settings.is_empty());
        configs.groups.retain(|_, settings| !settings.is_empty());
        configs
            .client_metrics
            .retain(|_, settings| !settings.is_empty());
    }
    if let Some(quotas) = &mut documents.quotas {
        quotas.quotas.retain(|quota| !quota.limits.is_empty());
        quotas.quotas.sort_by(|a, b| a.entity.cmp(&b.entity));
    }
    if let Some(users) = &mut documents.users {
        users.users.retain(|user| !user.credentials.is_empty());
        users.users.sort_by(|a, b| a.user.cmp(&b.user));
    }
    if let Some(groups) = &mut documents.groups {
        groups.groups.sort_by(|a, b| a.group.cmp(&b.group));
        for group in &mut groups.groups {
            group.state.clear();
            group.protocol_type.clear();
            group.members.clear();
            for offset in &mut group.offsets {
                offset.leader_epoch = -1;
            }
            group
                .offsets
                .sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        }
    }
    if let Some(features) = &mut documents.features {
        features.supported.clear();
    }
    documents
}

// few names, so that two of these have much in common

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "*", "ünï"]).prop_map(str::to_owned)
}

fn settings() -> impl Strategy<Value = Settings> {
    btree_map(name(), option::weighted(0.8, name()), 0..3)
}

fn topics() -> impl Strategy<Value = TopicsDocument> {
    let replicas = vec(vec(0..3_i32, 1..3), 0..3);
    let topic = (0..2_u8, 1..3_i32, 1..3_i16, replicas, settings());
    btree_map(name(), topic, 0..4).prop_map(|topics| TopicsDocument {
        topics: topics
            .into_iter()
            .map(
                |(topic, (id, partition_count, replication_factor, assignment, configs))| {
                    TopicDocument {
                        topic,
                        topic_id: TopicId([id; 16]),
                        partition_count,
                        replication_factor,
                        assignment,
                        configs,
                    }
                },
            )
            .collect(),
    })
}

fn configs() -> impl Strategy<Value = ConfigsDocument> {
    let named = || btree_map(name(), settings(), 0..3);
    let brokers = btree_map(1..4_i32, settings(), 0..3);
    (settings(), brokers, named(), named()).prop_map(
        |(cluster, brokers, groups, client_metrics)| ConfigsDocument {
            cluster,
            brokers,
            groups,
            client_metrics,
        },
    )
}

fn acl() -> impl Strategy<Value = AclBinding> {
    (2..4_i8, name(), 3..5_i8, name(), 2..4_i8, 2..4_i8).prop_map(
        |(kind, name, pattern, principal, operation, permission)| AclBinding {
            resource_type: ResourceType(kind),
            resource_name: name,
            pattern_type: PatternType(pattern),
            principal: format!("User:{principal}"),
            host: "*".to_owned(),
            operation: AclOperation(operation),
            permission: PermissionType(permission),
        },
    )
}

fn acls() -> impl Strategy<Value = AclsDocument> {
    let acls = proptest::collection::btree_set(acl(), 0..6);
    (any::<bool>(), acls).prop_map(|(authorizer, acls)| AclsDocument {
        authorizer,
        acls: acls.into_iter().collect(),
    })
}

fn quotas() -> impl Strategy<Value = QuotasDocument> {
    let entity = btree_map(name(), option::of(name()), 1..3);
    let limits = btree_map(name(), select(vec![0.5, 1.0, 1e12]), 0..3);
    btree_map(entity, limits, 0..4).prop_map(|quotas| QuotasDocument {
        quotas: quotas
            .into_iter()
            .map(|(entity, limits)| Quota { entity, limits })
            .collect(),
    })
}

fn users() -> impl Strategy<Value = UsersDocument> {
    let credentials = btree_map(name(), 4_096..4_099_i32, 0..3);
    btree_map(name(), credentials, 0..4).prop_map(|users| UsersDocument {
        users: users
            .into_iter()
            .map(|(user, credentials)| ScramUser {
                user,
                credentials: credentials
                    .into_iter()
                    .map(|(mechanism, iterations)| ScramCredential {
                        mechanism,
                        iterations,
                    })
                    .collect(),
            })
            .collect(),
    })
}

fn groups() -> impl Strategy<Value = GroupsDocument> {
    let offsets = btree_map((name(), 0..3_i32), (0..3_i64, name(), -1..2_i32), 0..4);
    let group = (name(), name(), offsets);
    btree_map(name(), group, 0..4).prop_map(|groups| GroupsDocument {
        groups: groups
            .into_iter()
            .map(|(group, (group_type, state, offsets))| GroupDocument {
                group,
                group_type,
                protocol_type: state.clone(),
                state,
                offsets: offsets
                    .into_iter()
                    .map(
                        |((topic, partition), (offset, metadata, leader_epoch))| CommittedOffset {
                            topic,
                            partition,
                            offset,
                            leader_epoch,
                            metadata,
                        },
                    )
                    .collect(),
                members: Vec::new(),
            })
            .collect(),
    })
}

fn features() -> impl Strategy<Value = FeaturesDocument> {
    btree_map(name(), 1..4_i16, 0..3).prop_map(|finalized| FeaturesDocument {
        finalized,
        supported: BTreeMap::new(),
    })
}

fn documents() -> impl Strategy<Value = Documents> {
    let all = (
        topics(),
        configs(),
        acls(),
        quotas(),
        users(),
        groups(),
        features(),
    );
    all.prop_map(
        |(topics, configs, acls, quotas, users, groups, features)| Documents {
            cluster: None,
            topics: Some(topics),
            configs: Some(configs),
            acls: Some(acls),
            quotas: Some(quotas),
            users: Some(users),
            groups: Some(groups),
            features: Some(features),
            tokens: None,
        },
    )
}

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
fn between_two_clusters_ids_and_places_are_not_compared() {
    let of = |cluster_id: &str, id: u8| Documents {
        cluster: Some(ClusterDocument {
            cluster_id: cluster_id.to_owned(),
            captured_at: Timestamp::from_millis(0),
            brokers: Vec::new(),
            reassignments: Vec::new(),
            open_transactions: Vec::new(),
        }),
        topics: Some(TopicsDocument {
            topics: vec![TopicDocument {
                topic: "orders".to_owned(),
                topic_id: TopicId([id; 16]),
                partition_count: 1,
                replication_factor: 1,
                assignment: vec![vec![i32::from(id)]],
                configs: Settings::new(),
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
            cluster: settings(&[("log.cleaner.threads", Some("2"))]),
            brokers: BTreeMap::from([(1, settings(&[("ssl.keystore.password", None)]))]),
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
            cluster: settings(&[("log.cleaner.threads", Some("4"))]),
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
