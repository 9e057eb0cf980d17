//! What a topic is set to while it is written, and what it ends with (R22–R25).

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::words::Timestamp;
use serde::{Deserialize, Serialize};

mod retention;

pub(crate) use retention::proportion;
pub use retention::{RetentionPutOff, SegmentAge};

/// Kafka's `max.message.bytes` where nobody set it.
pub const DEFAULT_MAX_MESSAGE_BYTES: u64 = 1_048_588;
/// Kafka's `segment.bytes` where nobody set it.
pub const DEFAULT_SEGMENT_BYTES: u64 = 1 << 30;
/// Kafka's `retention.ms` where nobody set it: seven days.
pub const DEFAULT_RETENTION_MS: i64 = 7 * 24 * 3_600_000;

const MAX_MS: &str = "9223372036854775807";

/// Whatever the topic or the broker's defaults say, these hold while records are written (R22).
///
/// On 3.6 to 3.9 a `before.max.ms` at its default lets the deprecated `difference.max.ms` through, so all three are set.
const WHILE_WRITING: &[(&str, &str)] = &[
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("segment.ms", MAX_MS),
    ("message.timestamp.type", "CreateTime"),
    ("message.timestamp.before.max.ms", MAX_MS),
    ("message.timestamp.after.max.ms", MAX_MS),
    ("message.timestamp.difference.max.ms", MAX_MS),
    ("compression.type", "producer"),
    ("remote.storage.enable", "false"),
];

/// Settings of ours that some brokers do not have, and can be written to without.
const NOT_EVERYWHERE: &[&str] = &[
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.difference.max.ms",
    "remote.storage.enable",
];

/// They name brokers of the source and belong to a reassignment that was under way there.
pub(crate) const NEVER_RESTORED: &[&str] = &[
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

pub(crate) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What `min.insync.replicas` has to become in a topic of so many replicas, which nobody could write to otherwise.
pub(crate) fn capped_min_insync_replicas(value: &str, replication_factor: i16) -> Option<String> {
    let wanted: i64 = value.trim().parse().ok()?;
    (wanted > i64::from(replication_factor)).then(|| replication_factor.to_string())
}

/// A setting of the snapshot that the target does not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Its value in the snapshot; `null` where the source did not tell it.
    pub value: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether something that was asked for is missing (exit code 3).
    pub partial: bool,
}

/// One change that ends the restore of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// The setting.
    pub name: String,
    /// Its value; `null` takes it away, so that the broker's default holds.
    pub value: Option<String>,
}

/// The settings of one topic, before, while and after it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSettings {
    /// The snapshot's settings, as far as the target can have them.
    pub wanted: BTreeMap<String, String>,
    /// What it is created with, and keeps until it was compared.
    pub while_writing: BTreeMap<String, String>,
    /// Settings of the snapshot that it does not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Retention that would delete restored records at once, and therefore stays suspended (R23).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off: Option<RetentionPutOff>,
}

/// What the broker's own defaults are for a topic that does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `log.cleanup.policy`.
    pub cleanup_policy: String,
    /// `log.retention.ms`; −1 keeps for ever.
    pub retention_ms: i64,
    /// `log.retention.bytes`; −1 is without limit.
    pub retention_bytes: i64,
    /// `log.segment.bytes`.
    pub segment_bytes: u64,
}

/// Whether a `cleanup.policy` names this one.
pub(crate) fn has_policy(policies: &str, policy: &str) -> bool {
    policies.split(',').any(|part| part.trim() == policy)
}

impl TopicDefaults {
    /// The `cleanup.policy` of a topic with these settings.
    pub(crate) fn policies_of<'s>(&'s self, settings: &'s BTreeMap<String, String>) -> &'s str {
        let own = settings.get("cleanup.policy");
        own.unwrap_or(&self.cleanup_policy)
    }

    /// Takes in a setting of the brokers, by the name that topics have for it.
    pub(crate) fn learn(&mut self, name: &str, value: &str) {
        fn set<T: std::str::FromStr>(number: &mut T, text: &str) {
            if let Ok(read) = text.trim().parse() {
                *number = read;
            }
        }
        match name {
            "cleanup.policy" => value.clone_into(&mut self.cleanup_policy),
            "retention.ms" => set(&mut self.retention_ms, value),
            "retention.bytes" => set(&mut self.retention_bytes, value),
            "segment.bytes" => set(&mut self.segment_bytes, value),
            _ => {}
        }
    }

    /// Takes a setting of the brokers away, by the name that topics have for it: Kafka's own default holds.
    pub(crate) fn forget(&mut self, name: &str) {
        let kafkas = Self::default();
        match name {
            "cleanup.policy" => self.cleanup_policy = kafkas.cleanup_policy,
            "retention.ms" => self.retention_ms = kafkas.retention_ms,
            "retention.bytes" => self.retention_bytes = kafkas.retention_bytes,
            "segment.bytes" => self.segment_bytes = kafkas.segment_bytes,
            _ => {}
        }
    }
}

/// Kafka's, where the target's are not known.
impl Default for TopicDefaults {
    fn default() -> Self {
        Self {
            cleanup_policy: "delete".to_owned(),
            retention_ms: DEFAULT_RETENTION_MS,
            retention_bytes: -1,
            segment_bytes: DEFAULT_SEGMENT_BYTES,
        }
    }
}

/// What the settings of a topic depend on, besides the snapshot's.
#[derive(Clone, Debug)]
pub struct SettingsContext<'a> {
    /// How many replicas it will have.
    pub replication_factor: i16,
    /// Its largest batch in the snapshot.
    pub largest_batch_bytes: u64,
    /// The target's defaults.
    pub defaults: &'a TopicDefaults,
    /// How old its records are.
    pub ages: &'a [SegmentAge],
    /// Whether they may all come to lie in one partition.
    pub in_one_partition: bool,
    /// When retention would first look at them.
    pub done_at: Timestamp,
}

impl TopicSettings {
    /// The settings for a topic that has `snapshot` as its dynamic settings; warnings for people go to `warnings`.
    ///
    /// A topic that exists on the target has `existing`: they stay where the snapshot says nothing.
    pub fn derive(
        snapshot: &BTreeMap<String, Option<String>>,
        existing: &BTreeMap<String, String>,
        context: &SettingsContext<'_>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let mut settings = Self {
            wanted: existing.clone(),
            ..Self::default()
        };
        for (name, value) in snapshot {
            match value {
                _ if NEVER_RESTORED.contains(&name.as_str()) => settings.left_out.push(LeftOut {
                    name: name.clone(),
                    value: value.clone(),
                    reason: "it names the source's brokers and is never restored".to_owned(),
                    partial: false,
                }),
                None => settings.left_out.push(LeftOut {
                    name: name.clone(),
                    value: None,
                    reason: "sensitive: the source did not tell its value".to_owned(),
                    partial: true,
                }),
                Some(value) => {
                    settings.wanted.insert(name.clone(), value.clone());
                }
            }
        }
        settings.cap_min_insync_replicas(context.replication_factor, warnings);
        settings.put_off = RetentionPutOff::decide(&settings.wanted, context);
        settings.while_writing = settings.derive_while_writing(context.largest_batch_bytes);
        settings
    }

    fn cap_min_insync_replicas(&mut self, replication_factor: i16, warnings: &mut Vec<String>) {
        let Some(value) = self.wanted.get_mut(MIN_INSYNC_REPLICAS) else {
            return;
        };
        if let Some(capped) = capped_min_insync_replicas(value, replication_factor) {
            warnings.push(format!(
                "{MIN_INSYNC_REPLICAS} {value} becomes {capped}: it will have no more replicas"
            ));
            *value = capped;
        }
    }

    fn derive_while_writing(&self, largest_batch_bytes: u64) -> BTreeMap<String, String> {
        let mut settings = self.wanted.clone();
        for (name, value) in WHILE_WRITING {
            settings.insert((*name).to_owned(), (*value).to_owned());
        }
        // a large record that has to be compressed anew may come out larger than it was
        let largest_write = largest_batch_bytes + largest_batch_bytes / 8;
        let most = largest_write.max(self.max_message_bytes());
        settings.insert("max.message.bytes".to_owned(), most.to_string());
        // the broker refuses a batch that is larger than a segment
        if self.segment_bytes().is_some_and(|own| own < largest_write) {
            settings.insert("segment.bytes".to_owned(), largest_write.to_string());
        }
        settings
    }

    /// The topic's own `max.message.bytes`, or Kafka's default.
    pub fn max_message_bytes(&self) -> u64 {
        number(&self.wanted, "max.message.bytes").unwrap_or(DEFAULT_MAX_MESSAGE_BYTES)
    }

    /// The topic's own `segment.bytes`.
    pub fn segment_bytes(&self) -> Option<u64> {
        number(&self.wanted, "segment.bytes")
    }

    /// Takes out a setting that the target refuses (R25), from the end and from the time of writing.
    pub fn leave_out(&mut self, name: &str, reason: impl Into<String>) {
        let value = self.wanted.remove(name);
        let ours =
            name == "max.message.bytes" || WHILE_WRITING.iter().any(|(ours, _)| *ours == name);
        if !ours {
            self.while_writing.remove(name);
        }
        self.left_out.push(LeftOut {
            name: name.to_owned(),
            value,
            reason: reason.into(),
            partial: true,
        });
    }

    /// The settings that are still as they were while a restore with these settings wrote the topic, and are not the
    /// topic's own. Where it is `settled`, that is only what was put off.
    pub(crate) fn still_ours<'s>(
        &'s self,
        existing: &'s BTreeMap<String, String>,
        settled: bool,
    ) -> impl Iterator<Item = &'s str> {
        let put_off: BTreeSet<&str> = self
            .put_off
            .iter()
            .flat_map(|put_off| &put_off.settings)
            .map(|change| change.name.as_str())
            .collect();
        let ours = self.while_writing.iter().filter(move |(name, value)| {
            existing.get(*name) == Some(*value) && (!settled || put_off.contains(name.as_str()))
        });
        ours.map(|(name, _)| name.as_str())
    }

    /// Whether a topic that has `existing` is as a restore with these settings makes it: all of them are there, but for
    /// those that some targets do not have.
    pub(crate) fn is_as_made(&self, existing: &BTreeMap<String, String>) -> bool {
        let mut needed = self
            .while_writing
            .iter()
            .filter(|(name, _)| !NOT_EVERYWHERE.contains(&name.as_str()));
        needed.all(|(name, value)| existing.get(name) == Some(value))
    }

    /// The settings of the time of writing that some targets do not have.
    pub(crate) fn not_everywhere(&self) -> BTreeMap<String, String> {
        let ours = self.while_writing.iter();
        ours.filter(|(name, _)| NOT_EVERYWHERE.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Takes out a setting of the time of writing that this target does not have; `false` where it can't be done without.
    pub fn write_without(&mut self, name: &str) -> bool {
        NOT_EVERYWHERE.contains(&name) && self.while_writing.remove(name).is_some()
    }

    /// What prepares a topic that exists already and has `existing`.
    pub fn first_changes(&self, existing: &BTreeMap<String, String>) -> Vec<SettingChange> {
        let changed = self.while_writing.iter();
        changed
            .filter(|(name, value)| existing.get(*name) != Some(*value))
            .map(|(name, value)| SettingChange {
                name: name.clone(),
                value: Some(value.clone()),
            })
            .collect()
    }

    /// What ends the restore of the topic: from the settings while writing to the wanted ones, but for what is put off.
    pub fn final_changes(&self) -> Vec<SettingChange> {
        let put_off = |name: &str| {
            let put_off = self.put_off.as_ref();
            put_off.is_some_and(|p| p.settings.iter().any(|change| change.name == name))
        };
        let set = self.wanted.iter().filter(|(name, value)| {
            !put_off(name) && self.while_writing.get(*name) != Some(*value)
        });
        let taken_away = self
            .while_writing
            .keys()
            .filter(|name| !put_off(name) && !self.wanted.contains_key(*name));
        let mut changes: Vec<SettingChange> = set
            .map(|(name, value)| SettingChange {
                name: name.clone(),
                value: Some(value.clone()),
            })
            .chain(taken_away.map(|name| SettingChange {
                name: name.clone(),
                value: None,
            }))
            .collect();
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        changes
    }
}

fn number<T: std::str::FromStr>(settings: &BTreeMap<String, String>, name: &str) -> Option<T> {
    settings
        .get(name)
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests;
