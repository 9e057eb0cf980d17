//! What a difference is: kinds, edits, changes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    documents::{AclBinding, Documents, GroupDocument, QuotaEntity, TopicDocument},
    words::{ParseError, TopicId},
};

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

    pub(super) fn sign(&self) -> Sign {
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
