//! Documents of clusters that have much in common.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

use crate::{
    documents::{
        AclBinding, AclOperation, AclsDocument, CommittedOffset, ConfigsDocument, Documents,
        FeaturesDocument, GroupDocument, GroupsDocument, PatternType, PermissionType, Quota,
        QuotasDocument, ResourceType, ScramCredential, ScramUser, Settings, TopicDocument,
        TopicsDocument, UsersDocument,
    },
    words::TopicId,
};

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
                        configs: Some(configs),
                    }
                },
            )
            .collect(),
    })
}

fn configs() -> impl Strategy<Value = ConfigsDocument> {
    let named = || btree_map(name(), settings().prop_map(Some), 0..3).prop_map(Some);
    let brokers = (settings(), settings());
    (settings(), brokers, named(), named()).prop_map(
        |(cluster, brokers, groups, client_metrics)| ConfigsDocument {
            cluster: Some(cluster),
            brokers: [(1, Some(brokers.0)), (2, Some(brokers.1))].into(),
            groups,
            client_metrics,
        },
    )
}

/// The same with some that could not be read.
pub(super) fn half_known() -> impl Strategy<Value = ConfigsDocument> {
    let maybe = || option::of(settings());
    let named = || option::of(btree_map(name(), maybe(), 0..3));
    (
        maybe(),
        btree_map(1..4_i32, maybe(), 0..3),
        named(),
        named(),
    )
        .prop_map(
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

pub(super) fn documents() -> impl Strategy<Value = Documents> {
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
            sealed: None,
        },
    )
}
