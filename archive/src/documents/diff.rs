//! What makes one cluster different from another, or from itself at another time.
//!
//! The one comparison that `lifeboat diff` shows, a restore plans with and cleanup looks for drift with.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CommittedOffset, ConfigsDocument, Documents, FeaturesDocument, GroupDocument, GroupsDocument,
    QuotaEntity, QuotasDocument, Settings, TopicDocument, TopicsDocument, UsersDocument,
};

mod change;
mod text;

pub use change::{Change, ConfigResource, Edit, Kind, SettingValue, Sign, Standing};
pub use text::{acl_resource, quota_entity};

/// What has to be done to `from` so that it becomes `to`, always in the same order.
///
/// What one of them does not know is not compared: see [`Kind::is_known`]. Between two clusters, topic ids, the
/// replicas' places and the types of groups are not compared either: they are never the same, and none the worse.
pub fn diff(from: &Documents, to: &Documents) -> Vec<Change> {
    let same_cluster = match (&from.cluster, &to.cluster) {
        (Some(from), Some(to)) => from.cluster_id == to.cluster_id,
        _ => true,
    };
    let mut found = Vec::new();
    if let (Some(from), Some(to)) = (&from.topics, &to.topics) {
        diff_topics(from, to, same_cluster, &mut found);
    }
    if let (Some(from), Some(to)) = (&from.configs, &to.configs) {
        diff_configs(from, to, &mut found);
    }
    if let (Some(from), Some(to)) = (&from.acls, &to.acls) {
        if from.authorizer != to.authorizer {
            let (from, to) = (from.authorizer, to.authorizer);
            let edit = Edit::Changed { from, to };
            found.push(Change::Authorizer { edit });
        }
        let whole = |acl| (acl, acl);
        let from = from.acls.iter().map(whole).collect();
        let to = to.acls.iter().map(whole).collect();
        found.extend(edits(&from, &to).map(|(_, edit)| Change::Acl { edit }));
    }
    if let (Some(from), Some(to)) = (&from.quotas, &to.quotas) {
        diff_quotas(from, to, &mut found);
    }
    if let (Some(from), Some(to)) = (&from.users, &to.users) {
        diff_users(from, to, &mut found);
    }
    if let (Some(from), Some(to)) = (&from.groups, &to.groups) {
        diff_groups(from, to, same_cluster, &mut found);
    }
    if let (Some(from), Some(to)) = (&from.features, &to.features) {
        diff_features(from, to, &mut found);
    }
    found
}

/// What is different, by key.
fn edits<'d, K: Ord + Copy, T: Clone + PartialEq + 'd>(
    from: &BTreeMap<K, &'d T>,
    to: &BTreeMap<K, &'d T>,
) -> impl Iterator<Item = (K, Edit<T>)> + use<'d, K, T> {
    let keys: BTreeSet<K> = from.keys().chain(to.keys()).copied().collect();
    let edits: Vec<_> = keys
        .into_iter()
        .filter_map(|key| {
            let edit = match (from.get(&key).copied(), to.get(&key).copied()) {
                (None, Some(to)) => Edit::Added { to: to.clone() },
                (Some(from), None) => Edit::Removed { from: from.clone() },
                (Some(from), Some(to)) if from != to => changed(from, to),
                _ => return None,
            };
            Some((key, edit))
        })
        .collect();
    edits.into_iter()
}

fn changed<T: Clone>(from: &T, to: &T) -> Edit<T> {
    Edit::Changed {
        from: from.clone(),
        to: to.clone(),
    }
}

fn diff_topics(
    from: &TopicsDocument,
    to: &TopicsDocument,
    same_cluster: bool,
    found: &mut Vec<Change>,
) {
    fn by_name(document: &TopicsDocument) -> BTreeMap<&str, &TopicDocument> {
        let topics = document.topics.iter();
        topics.map(|topic| (topic.topic.as_str(), topic)).collect()
    }
    let mut configs = Vec::new();
    for (name, edit) in edits(&by_name(from), &by_name(to)) {
        let Edit::Changed { from, to } = &edit else {
            found.push(Change::Topic { edit });
            continue;
        };
        let topic = || name.to_owned();
        if same_cluster && from.topic_id != to.topic_id {
            let edit = changed(&from.topic_id, &to.topic_id);
            found.push(Change::TopicId {
                topic: topic(),
                edit,
            });
        }
        if from.partition_count != to.partition_count {
            let edit = changed(&from.partition_count, &to.partition_count);
            found.push(Change::Partitions {
                topic: topic(),
                edit,
            });
        }
        if from.replication_factor != to.replication_factor {
            let edit = changed(&from.replication_factor, &to.replication_factor);
            found.push(Change::ReplicationFactor {
                topic: topic(),
                edit,
            });
        }
        if same_cluster && from.assignment != to.assignment {
            let edit = changed(&from.assignment, &to.assignment);
            found.push(Change::Assignment {
                topic: topic(),
                edit,
            });
        }
        let resource = ConfigResource::Topic { topic: topic() };
        if let (Some(from), Some(to)) = (&from.configs, &to.configs) {
            diff_settings(&resource, from, to, &mut configs);
        }
    }
    found.append(&mut configs);
}

fn diff_settings(
    resource: &ConfigResource,
    from: &Settings,
    to: &Settings,
    found: &mut Vec<Change>,
) {
    fn values(settings: &Settings) -> BTreeMap<&str, SettingValue> {
        let settings = settings.iter();
        settings
            .map(|(name, value)| (name.as_str(), value.clone().into()))
            .collect()
    }
    let (from, to) = (values(from), values(to));
    let (from, to) = (borrowed(&from), borrowed(&to));
    found.extend(edits(&from, &to).map(|(name, edit)| Change::Config {
        resource: resource.clone(),
        name: name.to_owned(),
        edit,
    }));
}

fn borrowed<K: Ord + Copy, T>(map: &BTreeMap<K, T>) -> BTreeMap<K, &T> {
    map.iter().map(|(key, value)| (*key, value)).collect()
}

fn diff_configs(from: &ConfigsDocument, to: &ConfigsDocument, found: &mut Vec<Change>) {
    if let (Some(from), Some(to)) = (&from.cluster, &to.cluster) {
        diff_settings(&ConfigResource::Cluster, from, to, found);
    }
    for (&broker, from) in &from.brokers {
        // a broker that is not there may have settings all the same: nobody tells them
        if let (Some(from), Some(Some(to))) = (from, to.brokers.get(&broker)) {
            diff_settings(&ConfigResource::Broker { broker }, from, to, found);
        }
    }
    if let (Some(from), Some(to)) = (&from.groups, &to.groups) {
        let group = |group: String| ConfigResource::Group { group };
        diff_named(from, to, group, found);
    }
    if let (Some(from), Some(to)) = (&from.client_metrics, &to.client_metrics) {
        let subscription = |subscription: String| ConfigResource::ClientMetrics { subscription };
        diff_named(from, to, subscription, found);
    }
}

/// What is not named has no settings; what is named without any could not be read.
fn diff_named(
    from: &BTreeMap<String, Option<Settings>>,
    to: &BTreeMap<String, Option<Settings>>,
    resource: impl Fn(String) -> ConfigResource,
    found: &mut Vec<Change>,
) {
    let none = Some(Settings::new());
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for name in names {
        let (from, to) = (from.get(name), to.get(name));
        if let (Some(from), Some(to)) = (from.unwrap_or(&none), to.unwrap_or(&none)) {
            diff_settings(&resource(name.clone()), from, to, found);
        }
    }
}

fn diff_quotas(from: &QuotasDocument, to: &QuotasDocument, found: &mut Vec<Change>) {
    fn limits(document: &QuotasDocument) -> BTreeMap<(&QuotaEntity, &str), &f64> {
        document
            .quotas
            .iter()
            .flat_map(|quota| {
                let limits = quota.limits.iter();
                limits.map(|(name, value)| ((&quota.entity, name.as_str()), value))
            })
            .collect()
    }
    found.extend(
        edits(&limits(from), &limits(to)).map(|((entity, name), edit)| Change::Quota {
            entity: entity.clone(),
            name: name.to_owned(),
            edit,
        }),
    );
}

fn diff_users(from: &UsersDocument, to: &UsersDocument, found: &mut Vec<Change>) {
    fn credentials(document: &UsersDocument) -> BTreeMap<(&str, &str), &i32> {
        document
            .users
            .iter()
            .flat_map(|user| {
                let credentials = user.credentials.iter();
                credentials.map(|credential| {
                    let key = (user.user.as_str(), credential.mechanism.as_str());
                    (key, &credential.iterations)
                })
            })
            .collect()
    }
    found.extend(
        edits(&credentials(from), &credentials(to)).map(|((user, mechanism), edit)| Change::User {
            user: user.to_owned(),
            mechanism: mechanism.to_owned(),
            edit,
        }),
    );
}

fn diff_groups(
    from: &GroupsDocument,
    to: &GroupsDocument,
    same_cluster: bool,
    found: &mut Vec<Change>,
) {
    fn by_name(document: &GroupsDocument) -> BTreeMap<&str, &GroupDocument> {
        let groups = document.groups.iter();
        groups.map(|group| (group.group.as_str(), group)).collect()
    }
    for (name, edit) in edits(&by_name(from), &by_name(to)) {
        let Edit::Changed { from, to } = &edit else {
            found.push(Change::Group { edit });
            continue;
        };
        if same_cluster && from.group_type != to.group_type {
            let group = name.to_owned();
            let edit = changed(&from.group_type, &to.group_type);
            found.push(Change::GroupType { group, edit });
        }
        let (from, to) = (standings(&from.offsets), standings(&to.offsets));
        let moved = edits(&borrowed(&from), &borrowed(&to));
        found.extend(moved.map(|((topic, partition), edit)| Change::Offset {
            group: name.to_owned(),
            topic: topic.to_owned(),
            partition,
            edit,
        }));
    }
}

fn standings(offsets: &[CommittedOffset]) -> BTreeMap<(&str, i32), Standing> {
    let standing = |offset: &CommittedOffset| Standing {
        offset: offset.offset,
        metadata: offset.metadata.clone(),
    };
    offsets
        .iter()
        .map(|offset| ((offset.topic.as_str(), offset.partition), standing(offset)))
        .collect()
}

fn diff_features(from: &FeaturesDocument, to: &FeaturesDocument, found: &mut Vec<Change>) {
    fn levels(document: &FeaturesDocument) -> BTreeMap<&str, &i16> {
        let levels = document.finalized.iter();
        levels.map(|(name, level)| (name.as_str(), level)).collect()
    }
    found.extend(
        edits(&levels(from), &levels(to)).map(|(feature, edit)| Change::Feature {
            feature: feature.to_owned(),
            edit,
        }),
    );
}

#[cfg(test)]
mod tests;
