//! What of a snapshot is restored.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A part of a snapshot that can be restored by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Records, and the topics that hold them.
    Data,
    /// Topics, empty where the data are not wanted.
    Topics,
    /// Offsets of groups.
    Groups,
    /// Dynamic settings of brokers, the cluster, groups and client-metrics subscriptions; of topics that are there, where
    /// the data are not wanted.
    Configs,
    /// Client quotas.
    Quotas,
    /// ACLs.
    Acls,
    /// SCRAM users.
    Users,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Data,
        Self::Topics,
        Self::Groups,
        Self::Configs,
        Self::Quotas,
        Self::Acls,
        Self::Users,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Topics => "topics",
            Self::Groups => "groups",
            Self::Configs => "configs",
            Self::Quotas => "quotas",
            Self::Acls => "acls",
            Self::Users => "users",
        }
    }
}

/// A word that is none of the parts.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("neither data, topics, groups, configs, quotas, acls nor users")]
pub struct NoSuchPart;

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = NoSuchPart;

    fn from_str(text: &str) -> Result<Self, NoSuchPart> {
        let part = Self::ALL.into_iter().find(|part| part.name() == text);
        part.ok_or(NoSuchPart)
    }
}

/// The parts that are restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(BTreeSet<Part>);

impl Parts {
    /// Everything there is.
    pub fn everything() -> Self {
        Self::of(Part::ALL)
    }

    /// What belongs to topics: for who chooses some of them, and means these and not the cluster.
    pub fn of_topics() -> Self {
        Self::of([Part::Data, Part::Topics, Part::Groups])
    }

    /// These.
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// With this one.
    pub fn with(mut self, part: Part) -> Self {
        self.0.insert(part);
        self
    }

    /// Without this one.
    pub fn without(mut self, part: Part) -> Self {
        self.0.remove(&part);
        self
    }

    /// Whether this one is restored.
    pub fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::everything()
    }
}

/// `data, topics, groups`
impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|part| part.name()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_all_and_each_part_has_a_name() {
        let everything = Parts::everything();
        assert_eq!(
            everything.to_string(),
            "data, topics, groups, configs, quotas, acls, users"
        );
        for part in Part::ALL {
            assert_eq!(part.to_string().parse::<Part>().unwrap(), part);
        }
        assert!("records".parse::<Part>().is_err());
    }
}
