//! What topics and groups are called in the target.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use lifeboat_archive::words::TopicGlobs;
use lifeboat_config::closest;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// Kafka's limit for the name of a topic.
const LONGEST_TOPIC: usize = 249;
/// Topics that Kafka keeps its own state in.
const KAFKAS_OWN: [&str; 4] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
];

/// How names become others: an exact name first, else the first pattern that matches; the prefix then comes before all.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    exact: BTreeMap<String, String>,
    patterns: Vec<PatternRename>,
    prefix: String,
}

/// `^prod\.(.*)$=dr.$1`: a regular expression over the whole name, and what becomes of it.
#[derive(Clone, Debug)]
pub struct PatternRename {
    text: String,
    regex: Regex,
    replacement: String,
}

/// Why something is no rename.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenameError {
    /// Half of it is missing.
    #[error("{0} is not a name and what it becomes, as in orders=orders-restored")]
    NoPair(String),
    /// The expression can't be read.
    #[error("{0}")]
    Pattern(#[from] regex::Error),
    /// The replacement speaks of what the expression does not have.
    #[error(
        "the expression has no group {0}: write ${{1}}, with braces, where a letter, a digit or _ follows"
    )]
    NoGroup(String),
    /// A name would become two.
    #[error("{0} is renamed twice")]
    Twice(String),
}

impl FromStr for PatternRename {
    type Err = RenameError;

    fn from_str(text: &str) -> Result<Self, RenameError> {
        // no name holds '=', while an expression may
        let pair = text.rsplit_once('=');
        let (pattern, replacement) = pair
            .filter(|(pattern, replacement)| !pattern.is_empty() && !replacement.is_empty())
            .ok_or_else(|| RenameError::NoPair(text.to_owned()))?;
        // what is wrong is told of what was written, not of what becomes of it
        Regex::new(pattern)?;
        let regex = Regex::new(&format!("^(?:{pattern})$"))?;
        for group in references(replacement) {
            let numbered = group.parse().is_ok_and(|n: usize| n < regex.captures_len());
            if !numbered && !regex.capture_names().flatten().any(|name| name == group) {
                return Err(RenameError::NoGroup(group.to_owned()));
            }
        }
        Ok(Self {
            text: text.to_owned(),
            regex,
            replacement: replacement.to_owned(),
        })
    }
}

/// The groups that a replacement speaks of, as the regex crate reads it: `$1`, `$name`, `${name}`; `$$` is a dollar.
fn references(replacement: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = replacement;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        if let Some((name, after)) = after.strip_prefix('{').and_then(|it| it.split_once('}')) {
            found.push(name);
            rest = after;
            continue;
        }
        let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = after.split_at(after.find(|c| !of_name(c)).unwrap_or(after.len()));
        if !name.is_empty() {
            found.push(name);
        }
        rest = after;
    }
    found
}

/// Renames as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameTexts {
    #[serde(default)]
    exact: BTreeMap<String, String>,
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    prefix: String,
}

impl RenameTexts {
    /// The renames that they are.
    pub fn read(&self) -> Result<Renames, RenameError> {
        let patterns: Result<Vec<PatternRename>, RenameError> =
            self.patterns.iter().map(|text| text.parse()).collect();
        Renames::new(self.exact.clone(), patterns?, &self.prefix)
    }
}

impl Renames {
    /// As they were written.
    pub fn texts(&self) -> RenameTexts {
        RenameTexts {
            exact: self.exact.clone(),
            patterns: self.patterns.iter().map(|it| it.text.clone()).collect(),
            prefix: self.prefix.clone(),
        }
    }

    /// The renames that are asked for.
    pub fn new(
        exact: impl IntoIterator<Item = (String, String)>,
        patterns: Vec<PatternRename>,
        prefix: &str,
    ) -> Result<Self, RenameError> {
        let mut renames = Self {
            exact: BTreeMap::new(),
            patterns,
            prefix: prefix.to_owned(),
        };
        for (from, to) in exact {
            if renames.exact.insert(from.clone(), to).is_some() {
                return Err(RenameError::Twice(from));
            }
        }
        Ok(renames)
    }

    /// Whether every name stays.
    pub fn is_nothing(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty() && self.prefix.is_empty()
    }

    fn apply(&self, name: &str) -> String {
        let renamed = self.exact.get(name).cloned().or_else(|| {
            let mut patterns = self.patterns.iter();
            let found = patterns.find(|it| it.regex.is_match(name))?;
            let replacement = found.replacement.as_str();
            Some(found.regex.replace(name, replacement).into_owned())
        });
        format!("{}{}", self.prefix, renamed.as_deref().unwrap_or(name))
    }

    /// Decides what each of the `chosen` names of `all` that the snapshot has becomes.
    fn decide<'n>(
        &self,
        kind: Kind,
        chosen: &BTreeSet<&'n str>,
        all: &BTreeSet<&'n str>,
    ) -> Result<TargetNames, NameError> {
        self.all_apply(kind, chosen, all)?;
        let mut names = TargetNames::default();
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for &source in chosen {
            let target = self.apply(source);
            let renamed = target != *source;
            // what stays is what another Kafka took already
            if let Some(problem) = kind.why_illegal(&target).filter(|_| renamed) {
                return Err(NameError::Illegal {
                    kind,
                    source_name: source.to_owned(),
                    target,
                    problem,
                });
            }
            if let Some(first) = taken.insert(target.clone(), source) {
                return Err(NameError::Merged {
                    kind,
                    first: first.to_owned(),
                    second: source.to_owned(),
                    target,
                });
            }
            if renamed {
                names.renamed.insert(source.to_owned(), target);
            }
        }
        if kind == Kind::Topic && !names.is_nothing() {
            names.warnings = colliding(&taken);
        }
        Ok(names)
    }

    /// A rename that renames nothing is a slip of the pen.
    fn all_apply(
        &self,
        kind: Kind,
        chosen: &BTreeSet<&str>,
        all: &BTreeSet<&str>,
    ) -> Result<(), NameError> {
        let absent = |name: &&String| !chosen.contains(name.as_str());
        if let Some(name) = self.exact.keys().find(absent).cloned() {
            if all.contains(name.as_str()) {
                return Err(NameError::NotChosen { kind, name });
            }
            let meant = closest(&name, all.iter().copied()).map(str::to_owned);
            return Err(NameError::NotThere { kind, name, meant });
        }
        let named = |name: &&&str| !self.exact.contains_key(**name);
        let rest: Vec<&&str> = chosen.iter().filter(named).collect();
        for pattern in &self.patterns {
            if !rest.iter().any(|name| pattern.regex.is_match(name)) {
                let pattern = pattern.text.clone();
                return Err(NameError::Unmatched { kind, pattern });
            }
        }
        Ok(())
    }
}

/// Kafka calls the metrics of two topics the same that differ by `.` and `_` alone, and does not make the second one.
fn colliding(targets: &BTreeMap<String, &str>) -> Vec<String> {
    let mut by_metric: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for target in targets.keys() {
        let metric = target.replace('.', "_");
        by_metric.entry(metric).or_default().push(target);
    }
    let several = by_metric.into_values().filter(|names| names.len() > 1);
    several
        .map(|names| {
            format!(
                "{} differ by . and _ alone: Kafka mixes their metrics up, and may refuse all but the first",
                names.join(", ")
            )
        })
        .collect()
}

/// What is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A topic.
    Topic,
    /// A group.
    Group,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::Group => "group",
        })
    }
}

impl Kind {
    /// Why Kafka does not take such a name (`org.apache.kafka.common.internals.Topic`).
    fn why_illegal(self, name: &str) -> Option<&'static str> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self {
            _ if name.is_empty() => Some("it is empty"),
            Self::Topic if name == "." || name == ".." => Some("Kafka has no such topics"),
            Self::Topic if name.len() > LONGEST_TOPIC => Some("it is longer than 249 characters"),
            Self::Topic if !name.chars().all(legal) => {
                Some("only letters, digits, '.', '_' and '-' may be in it")
            }
            Self::Topic if KAFKAS_OWN.contains(&name) => Some("Kafka keeps its own state there"),
            Self::Topic | Self::Group => None,
        }
    }
}

/// Why nothing can be called so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The snapshot has nothing of that name.
    #[error("the snapshot has no {kind} {name} to be renamed")]
    NotThere {
        /// What it is.
        kind: Kind,
        /// The name.
        name: String,
        /// One that it has, and that was probably meant.
        meant: Option<String>,
    },
    /// It is there and not restored.
    #[error("{kind} {name} is to be renamed and is not chosen")]
    NotChosen {
        /// What it is.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A pattern renames nothing.
    #[error("{pattern} renames no {kind}: none that is chosen matches it as a whole")]
    Unmatched {
        /// What was to be renamed.
        kind: Kind,
        /// The pattern, and what becomes of it.
        pattern: String,
    },
    /// Groups are chosen, and there is none such.
    #[error("none of the {groups} groups of the snapshot is chosen")]
    NoGroups {
        /// How many groups the snapshot has.
        groups: usize,
    },
    /// The new name is none.
    #[error("{kind} {source_name} can't be called {target:?}: {problem}")]
    Illegal {
        /// What it is.
        kind: Kind,
        /// The snapshot's name.
        source_name: String,
        /// The target's.
        target: String,
        /// Why not.
        problem: &'static str,
    },
    /// Two would be one.
    #[error("{kind}s {first} and {second} would both be called {target}")]
    Merged {
        /// What they are.
        kind: Kind,
        /// One of the snapshot.
        first: String,
        /// Another one.
        second: String,
        /// The target's name of both.
        target: String,
    },
}

/// What is called otherwise in the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetNames {
    renamed: BTreeMap<String, String>,
    /// Good to know, for people.
    warnings: Vec<String>,
}

impl TargetNames {
    /// What the target calls what the snapshot calls `source`.
    pub fn target<'n>(&'n self, source: &'n str) -> &'n str {
        self.renamed.get(source).map_or(source, String::as_str)
    }

    /// Whether every name stays.
    pub fn is_nothing(&self) -> bool {
        self.renamed.is_empty()
    }

    /// Good to know, for people.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A name of the target as plans and reports keep it: empty where it is the snapshot's.
pub(crate) fn name_or<'n>(target: &'n str, source: &'n str) -> &'n str {
    if target.is_empty() { source } else { target }
}

/// See [`name_or`].
pub(crate) fn if_another(target: &str, source: &str) -> String {
    let same = target == source;
    if same {
        String::new()
    } else {
        target.to_owned()
    }
}

/// What is called how in the target, as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// Of topics.
    pub topics: Renames,
    /// Which groups.
    pub group_globs: TopicGlobs,
    /// Of groups.
    pub groups: Renames,
}

/// What is called how in the target, as it is decided.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Of topics.
    pub topics: TargetNames,
    /// Which groups.
    pub group_globs: TopicGlobs,
    /// Of groups.
    pub groups: TargetNames,
}

impl Naming {
    /// Decides for the topics and groups that the snapshot has, of which `chosen` topics are restored.
    pub fn decide<'n>(
        &self,
        topics: impl Iterator<Item = &'n str>,
        chosen: &TopicGlobs,
        groups: impl Iterator<Item = &'n str>,
    ) -> Result<Destinations, NameError> {
        let decide = |renames: &Renames, kind, all: BTreeSet<&'n str>, globs: &TopicGlobs| {
            let chosen = all.iter().copied().filter(|name| globs.choose(name));
            renames.decide(kind, &chosen.collect(), &all)
        };
        let groups: BTreeSet<&str> = groups.collect();
        let wanted = &self.group_globs.include;
        if !wanted.is_empty() && !groups.iter().any(|it| self.group_globs.choose(it)) {
            let groups = groups.len();
            return Err(NameError::NoGroups { groups });
        }
        Ok(Destinations {
            topics: decide(&self.topics, Kind::Topic, topics.collect(), chosen)?,
            groups: decide(&self.groups, Kind::Group, groups, &self.group_globs)?,
            group_globs: self.group_globs.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
