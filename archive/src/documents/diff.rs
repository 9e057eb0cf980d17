//! What makes one cluster different from another, or from itself at another time.
//!
//! The one comparison that `lifeboat diff` shows, a restore plans with and cleanup looks for drift with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    AclBinding, CommittedOffset, ConfigsDocument, Documents, FeaturesDocument, GroupDocument,
    GroupsDocument, QuotaEntity, QuotasDocument, Settings, TopicDocument, TopicsDocument,
    UsersDocument,
};
use crate::words::{ParseError, TopicId};

mod text;

pub use text::{acl_resource, quota_entity};

/// A kind of things that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Topics: their partitions, replicas and ids.
    Topics,
    /// Dynamic settings of topics, brokers, the cluster, groups and client-metrics subscriptions.
    Configs,
    /// ACLs.
    Acls,
    /// Client quotas.
    Quotas,
    /// SCRAM users.
    Users,
    /// Groups and their offsets.
    Groups,
    /// Finalized features.
    Features,
}

impl Kind {
    /// All of them, in the order of [`diff`].
    pub const ALL: [Self; 7] = [
        Self::Topics,
        Self::Configs,
        Self::Acls,
        Self::Quotas,
        Self::Users,
        Self::Groups,
        Self::Features,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Configs => "configs",
            Self::Acls => "acls",
            Self::Quotas => "quotas",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Features => "features",
        }
    }

    /// Whether `documents` tell anything of this kind.
    pub fn is_known(self, documents: &Documents) -> bool {
        match self {
            Self::Topics => documents.topics.is_some(),
            // those of topics stand with the topics
            Self::Configs => documents.configs.is_some(),
            Self::Acls => documents.acls.is_some(),
            Self::Quotas => documents.quotas.is_some(),
            Self::Users => documents.users.is_some(),
            Self::Groups => documents.groups.is_some(),
            Self::Features => documents.features.is_some(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| {
            ParseError::new(
                "topics, configs, acls, quotas, users, groups or features",
                text,
            )
        })
    }
}

/// What became of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Edit<T> {
    /// It was not there.
    Added {
        /// What it is now.
        to: T,
    },
    /// It is not there any more.
    Removed {
        /// What it was.
        from: T,
    },
    /// It is another.
    Changed {
        /// What it was.
        from: T,
        /// What it is now.
        to: T,
    },
}

impl<T> Edit<T> {
    /// What it is now, unless it was removed.
    pub fn to(&self) -> Option<&T> {
        match self {
            Self::Added { to } | Self::Changed { to, .. } => Some(to),
            Self::Removed { .. } => None,
        }
    }

    /// What it is now, or what it was.
    pub fn either(&self) -> &T {
        match self {
            Self::Added { to: it } | Self::Removed { from: it } | Self::Changed { to: it, .. } => {
                it
            }
        }
    }

    fn sign(&self) -> Sign {
        match self {
            Self::Added { .. } => Sign::Added,
            Self::Removed { .. } => Sign::Removed,
            Self::Changed { .. } => Sign::Changed,
        }
    }
}

/// [`Edit`] without what was edited: `+`, `−` or `~`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// `+`
    Added,
    /// `−`
    Removed,
    /// `~`
    Changed,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "+",
            Self::Removed => "−",
            Self::Changed => "~",
        })
    }
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum SettingValue {
    /// This one.
    Known(String),
    /// Sensitive: it is there, and the broker does not tell it. `null` in JSON.
    Untold,
}

impl From<Option<String>> for SettingValue {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Untold, Self::Known)
    }
}

impl From<SettingValue> for Option<String> {
    fn from(value: SettingValue) -> Self {
        match value {
            SettingValue::Known(value) => Some(value),
            SettingValue::Untold => None,
        }
    }
}

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "resource", rename_all = "snake_case")]
pub enum ConfigResource {
    /// A topic's.
    Topic {
        /// Its name.
        topic: String,
    },
    /// Those of all brokers.
    Cluster,
    /// One broker's.
    Broker {
        /// Its node id.
        broker: i32,
    },
    /// A group's.
    Group {
        /// Its name.
        group: String,
    },
    /// A client-metrics subscription's.
    ClientMetrics {
        /// Its name.
        subscription: String,
    },
}

/// Where a group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The next offset that it would read.
    pub offset: i64,
    /// The consumer's own text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A whole topic, with its settings.
    Topic {
        /// What became of it; never changed.
        #[serde(flatten)]
        edit: Edit<TopicDocument>,
    },
    /// A topic of the same name was made anew: none of its records is of the one before.
    TopicId {
        /// The topic.
        topic: String,
        /// Its id.
        #[serde(flatten)]
        edit: Edit<TopicId>,
    },
    /// How many partitions a topic has.
    Partitions {
        /// The topic.
        topic: String,
        /// Their count.
        #[serde(flatten)]
        edit: Edit<i32>,
    },
    /// How many replicas the partitions of a topic have.
    ReplicationFactor {
        /// The topic.
        topic: String,
        /// Their count.
        #[serde(flatten)]
        edit: Edit<i16>,
    },
    /// Which brokers hold the partitions of a topic.
    Assignment {
        /// The topic.
        topic: String,
        /// The replicas of each partition, by number.
        #[serde(flatten)]
        edit: Edit<Vec<Vec<i32>>>,
    },
    /// A setting.
    Config {
        /// Whose.
        #[serde(flatten)]
        resource: ConfigResource,
        /// Its name.
        name: String,
        /// Its value.
        #[serde(flatten)]
        edit: Edit<SettingValue>,
    },
    /// Whether there is an authorizer, without which there are no ACLs.
    Authorizer {
        /// Whether.
        #[serde(flatten)]
        edit: Edit<bool>,
    },
    /// An ACL.
    Acl {
        /// What became of it; never changed.
        #[serde(flatten)]
        edit: Edit<AclBinding>,
    },
    /// One limit of a client quota.
    Quota {
        /// Who is limited.
        entity: QuotaEntity,
        /// In what.
        name: String,
        /// To how much.
        #[serde(flatten)]
        edit: Edit<f64>,
    },
    /// A credential of a SCRAM user.
    User {
        /// The user.
        user: String,
        /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
        mechanism: String,
        /// Its iterations.
        #[serde(flatten)]
        edit: Edit<i32>,
    },
    /// A whole group, with its offsets.
    Group {
        /// What became of it; never changed.
        #[serde(flatten)]
        edit: Edit<GroupDocument>,
    },
    /// The type of a group.
    GroupType {
        /// The group.
        group: String,
        /// Its type.
        #[serde(flatten)]
        edit: Edit<String>,
    },
    /// Where a group stands in one partition.
    Offset {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where it stands.
        #[serde(flatten)]
        edit: Edit<Standing>,
    },
    /// The finalized level of a feature.
    Feature {
        /// Its name.
        feature: String,
        /// Its level.
        #[serde(flatten)]
        edit: Edit<i16>,
    },
}

impl Change {
    /// What kind of thing it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Topic { .. }
            | Self::TopicId { .. }
            | Self::Partitions { .. }
            | Self::ReplicationFactor { .. }
            | Self::Assignment { .. } => Kind::Topics,
            Self::Config { .. } => Kind::Configs,
            Self::Authorizer { .. } | Self::Acl { .. } => Kind::Acls,
            Self::Quota { .. } => Kind::Quotas,
            Self::User { .. } => Kind::Users,
            Self::Group { .. } | Self::GroupType { .. } | Self::Offset { .. } => Kind::Groups,
            Self::Feature { .. } => Kind::Features,
        }
    }

    /// `+`, `−` or `~`.
    pub fn sign(&self) -> Sign {
        match self {
            Self::Topic { edit } => edit.sign(),
            Self::TopicId { edit, .. } => edit.sign(),
            Self::Partitions { edit, .. } | Self::User { edit, .. } => edit.sign(),
            Self::ReplicationFactor { edit, .. } | Self::Feature { edit, .. } => edit.sign(),
            Self::Assignment { edit, .. } => edit.sign(),
            Self::Config { edit, .. } => edit.sign(),
            Self::Authorizer { edit } => edit.sign(),
            Self::Acl { edit } => edit.sign(),
            Self::Quota { edit, .. } => edit.sign(),
            Self::Group { edit } => edit.sign(),
            Self::GroupType { edit, .. } => edit.sign(),
            Self::Offset { edit, .. } => edit.sign(),
        }
    }

    /// The topic that it is about, where it is about one; of a group's offset, the one that is read.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Topic { edit } => Some(&edit.either().topic),
            Self::TopicId { topic, .. }
            | Self::Partitions { topic, .. }
            | Self::ReplicationFactor { topic, .. }
            | Self::Assignment { topic, .. }
            | Self::Offset { topic, .. }
            | Self::Config {
                resource: ConfigResource::Topic { topic },
                ..
            } => Some(topic),
            _ => None,
        }
    }
}

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
        diff_settings(&resource, &from.configs, &to.configs, &mut configs);
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
    diff_settings(&ConfigResource::Cluster, &from.cluster, &to.cluster, found);
    let broker = |broker: &i32| ConfigResource::Broker { broker: *broker };
    diff_each(&from.brokers, &to.brokers, broker, found);
    let group = |group: &String| ConfigResource::Group {
        group: group.clone(),
    };
    diff_each(&from.groups, &to.groups, group, found);
    let subscription = |subscription: &String| ConfigResource::ClientMetrics {
        subscription: subscription.clone(),
    };
    diff_each(
        &from.client_metrics,
        &to.client_metrics,
        subscription,
        found,
    );
}

/// A resource without settings is as good as none: neither is one that was made, nor one that was removed.
fn diff_each<K: Ord>(
    from: &BTreeMap<K, Settings>,
    to: &BTreeMap<K, Settings>,
    resource: impl Fn(&K) -> ConfigResource,
    found: &mut Vec<Change>,
) {
    let none = Settings::new();
    let keys: BTreeSet<&K> = from.keys().chain(to.keys()).collect();
    for key in keys {
        let (from, to) = (from.get(key), to.get(key));
        diff_settings(
            &resource(key),
            from.unwrap_or(&none),
            to.unwrap_or(&none),
            found,
        );
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
