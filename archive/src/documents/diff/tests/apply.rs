//! What a change means.

use std::{collections::BTreeMap, fmt};

use crate::documents::{
    AclsDocument, CommittedOffset, Documents, GroupsDocument, Quota, QuotasDocument,
    ScramCredential, ScramUser, Settings, TopicsDocument, UsersDocument,
    diff::{Change, ConfigResource, Edit, Kind, SettingValue},
};

/// What [`diff`] means: does it to `documents`.
pub(super) fn apply(documents: &mut Documents, changes: &[Change]) {
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
            let topic = topics.find(|it| it.topic == *topic).unwrap();
            topic.configs.as_mut().unwrap()
        }
        ConfigResource::Cluster => documents
            .configs
            .as_mut()
            .unwrap()
            .cluster
            .as_mut()
            .unwrap(),
        ConfigResource::Broker { broker } => {
            let brokers = &mut documents.configs.as_mut().unwrap().brokers;
            brokers.get_mut(broker).unwrap().as_mut().unwrap()
        }
        ConfigResource::Group { group } => {
            named(&mut documents.configs.as_mut().unwrap().groups, group)
        }
        ConfigResource::ClientMetrics { subscription } => named(
            &mut documents.configs.as_mut().unwrap().client_metrics,
            subscription,
        ),
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

fn named<'d>(
    all: &'d mut Option<BTreeMap<String, Option<Settings>>>,
    name: &str,
) -> &'d mut Settings {
    let entry = all.as_mut().unwrap().entry(name.to_owned());
    entry
        .or_insert_with(|| Some(Settings::new()))
        .as_mut()
        .unwrap()
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
pub(super) fn compared(mut documents: Documents) -> Documents {
    documents.tokens = None;
    documents.cluster = None;
    if let Some(configs) = &mut documents.configs {
        for named in [&mut configs.groups, &mut configs.client_metrics] {
            let none =
                |settings: &Option<Settings>| settings.as_ref().is_some_and(Settings::is_empty);
            if let Some(named) = named {
                named.retain(|_, settings| !none(settings));
            }
        }
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
