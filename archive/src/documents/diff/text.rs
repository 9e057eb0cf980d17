//! Changes in words.

use std::fmt::{self, Display};

use super::{Change, ConfigResource, Edit, SettingValue, Standing};
use crate::documents::{AclBinding, GroupDocument, PatternType, QuotaEntity, TopicDocument};

/// More settings of a topic, or more moved partitions, are counted.
const MOST: usize = 4;

impl Change {
    /// What it is about: what kind of thing, and which one.
    pub fn subject(&self) -> (&'static str, String) {
        match self {
            Self::Topic { .. }
            | Self::TopicId { .. }
            | Self::Partitions { .. }
            | Self::ReplicationFactor { .. }
            | Self::Assignment { .. } => ("topic", self.topic().unwrap_or_default().to_owned()),
            Self::Config { resource, .. } => resource.subject(),
            Self::Authorizer { .. } => ("authorizer", String::new()),
            Self::Acl { edit } => ("acl", edit.either().principal.clone()),
            Self::Quota { entity, .. } => ("quota", quota_entity(entity)),
            Self::User { user, .. } => ("user", user.clone()),
            Self::Group { edit } => ("group", edit.either().group.clone()),
            Self::GroupType { group, .. } | Self::Offset { group, .. } => ("group", group.clone()),
            Self::Feature { feature, .. } => ("feature", feature.clone()),
        }
    }

    /// What is different, without what it is about.
    pub fn what(&self) -> String {
        match self {
            Self::Topic { edit } => topic_text(edit.either()),
            Self::TopicId { edit, .. } => {
                format!("made anew, id {}", arrow(edit, ToString::to_string))
            }
            Self::Partitions { edit, .. } => {
                format!("partitions {}", arrow(edit, ToString::to_string))
            }
            Self::ReplicationFactor { edit, .. } => {
                format!("rf {}", arrow(edit, ToString::to_string))
            }
            Self::Assignment { edit, .. } => assignment_text(edit),
            Self::Config { name, edit, .. } => match edit {
                Edit::Changed { .. } => format!("{name} {}", arrow(edit, value_text)),
                _ => format!("{name}={}", value_text(edit.either())),
            },
            Self::Authorizer { edit } => arrow(edit, |there| {
                if *there { "there" } else { "none" }.to_owned()
            }),
            Self::Acl { edit } => acl_text(edit.either()),
            Self::Quota { name, edit, .. } => format!("{name} {}", arrow(edit, f64::to_string)),
            Self::User {
                mechanism, edit, ..
            } => {
                let iterations = arrow(edit, ToString::to_string);
                format!("{mechanism}, iterations {iterations}")
            }
            Self::Group { edit } => group_text(edit.either()),
            Self::GroupType { edit, .. } => format!("type {}", arrow(edit, Clone::clone)),
            Self::Offset {
                topic,
                partition,
                edit,
                ..
            } => format!("{topic}-{partition} {}", arrow(edit, standing_text)),
            Self::Feature { edit, .. } => format!("level {}", arrow(edit, ToString::to_string)),
        }
    }
}

/// One line, without the sign: `topic orders: partitions 12 → 24`.
impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.subject();
        let blank = if name.is_empty() { "" } else { " " };
        write!(f, "{kind}{blank}{name}: {}", self.what())
    }
}

impl ConfigResource {
    /// What kind of thing has the setting, and which one.
    pub fn subject(&self) -> (&'static str, String) {
        match self {
            Self::Topic { topic } => ("topic", topic.clone()),
            Self::Cluster => ("cluster", String::new()),
            Self::Broker { broker } => ("broker", broker.to_string()),
            Self::Group { group } => ("group", group.clone()),
            Self::ClientMetrics { subscription } => ("client-metrics", subscription.clone()),
        }
    }
}

/// `user alice, client-id (default)`
pub fn quota_entity(entity: &QuotaEntity) -> String {
    let parts = entity.iter().map(|(kind, name)| match name {
        Some(name) => format!("{kind} {name}"),
        None => format!("{kind} (default)"),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// `topic orders`, `topics with the prefix pay`
pub fn acl_resource(acl: &AclBinding) -> String {
    let resource = acl.resource_type.to_string().to_lowercase();
    let pattern = match acl.pattern_type {
        PatternType::LITERAL => String::new(),
        PatternType::PREFIXED => "s with the prefix".to_owned(),
        other => format!(" {other}"),
    };
    format!("{resource}{pattern} {}", acl.resource_name)
}

fn acl_text(acl: &AclBinding) -> String {
    let host = match acl.host.as_str() {
        "*" => String::new(),
        host => format!(" from {host}"),
    };
    let resource = acl_resource(acl);
    format!("{} {} on {resource}{host}", acl.permission, acl.operation)
}

fn arrow<T>(edit: &Edit<T>, text: impl Fn(&T) -> String) -> String {
    match edit {
        Edit::Changed { from, to } => format!("{} → {}", text(from), text(to)),
        _ => text(edit.either()),
    }
}

fn plural(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}

fn value_text(value: &SettingValue) -> String {
    match value {
        SettingValue::Known(value) => value.clone(),
        SettingValue::Untold => "(sensitive)".to_owned(),
    }
}

fn topic_text(topic: &TopicDocument) -> String {
    let partitions = usize::try_from(topic.partition_count).unwrap_or_default();
    let partitions = plural(partitions, "partition");
    let mut parts = vec![partitions, format!("rf {}", topic.replication_factor)];
    let Some(configs) = &topic.configs else {
        parts.push("configs not known".to_owned());
        return parts.join(", ");
    };
    parts.extend(configs.iter().take(MOST).map(|(name, value)| {
        let value = value_text(&SettingValue::from(value.clone()));
        format!("{name}={value}")
    }));
    if configs.len() > MOST {
        let more = plural(configs.len() - MOST, "more config");
        parts.push(more);
    }
    parts.join(", ")
}

fn assignment_text(edit: &Edit<Vec<Vec<i32>>>) -> String {
    let Edit::Changed { from, to } = edit else {
        return "replicas".to_owned();
    };
    let replicas = |all: &Vec<Vec<i32>>, at: usize| match all.get(at) {
        Some(replicas) => format!("{replicas:?}"),
        None => "none".to_owned(),
    };
    let moved: Vec<String> = (0..from.len().max(to.len()))
        .filter(|&at| from.get(at) != to.get(at))
        .map(|at| format!("{at} {} → {}", replicas(from, at), replicas(to, at)))
        .collect();
    let more = if moved.len() > MOST { ", …" } else { "" };
    let shown = moved.iter().take(MOST).cloned().collect::<Vec<_>>();
    let count = plural(moved.len(), "partition");
    format!("replicas of {count}: {}{more}", shown.join(", "))
}

fn group_text(group: &GroupDocument) -> String {
    let partitions = plural(group.offsets.len(), "partition");
    format!("{}, offsets of {partitions}", group.group_type)
}

fn standing_text(standing: &Standing) -> String {
    if standing.metadata.is_empty() {
        standing.offset.to_string()
    } else {
        format!("{} ({})", standing.offset, standing.metadata)
    }
}
