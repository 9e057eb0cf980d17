//! Journals that are there: found, read, and what they were begun with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lifeboat_archive::words::{GlobError, SnapshotId, TopicGlob, TopicGlobs};
use serde::{Deserialize, Serialize};

use super::{Entry, Journal, JournalError, Past, Planned};
use crate::{
    names::{Naming, RenameTexts},
    offset_map::MapFile,
    parts::{Part, Parts},
    plan::{Plan, PlannedGroup, changes::ClusterChanges},
    restore::Options,
};

/// What of the options a plan does not say, and who goes on with it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOptions {
    /// Topics that were chosen.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Topics that were left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What topics are called in the target.
    #[serde(default)]
    pub renames: RenameTexts,
    /// Groups that were chosen.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Groups that were left out.
    #[serde(default)]
    pub exclude_groups: Vec<String>,
    /// What groups are called in the target.
    #[serde(default)]
    pub group_renames: RenameTexts,
    /// Whether settings, quotas and ACLs that the snapshot does not have are removed.
    #[serde(default)]
    pub prune_extra: bool,
    /// What the snapshot's brokers are called in the target.
    #[serde(default)]
    pub broker_map: Vec<(i32, i32)>,
    /// Where a map of all offsets is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_map: Option<MapFile>,
}

impl KeptOptions {
    /// What of `options` is kept.
    pub fn of(options: &Options) -> Self {
        fn globs(globs: &[TopicGlob]) -> Vec<String> {
            globs.iter().map(ToString::to_string).collect()
        }
        Self {
            topics: globs(&options.topics.include),
            exclude: globs(&options.topics.exclude),
            renames: options.naming.topics.texts(),
            groups: globs(&options.naming.group_globs.include),
            exclude_groups: globs(&options.naming.group_globs.exclude),
            group_renames: options.naming.groups.texts(),
            prune_extra: options.prune_extra,
            broker_map: options
                .broker_map
                .iter()
                .map(|(&from, &to)| (from, to))
                .collect(),
            offset_map: options.offset_map.as_ref().map(MapFile::absolute),
        }
    }

    /// `options` as they were then, but for what may be another now: memory, rate, connections, where journals are, and
    /// where the offset map goes.
    pub fn give_back(&self, plan: &Plan, options: Options) -> Result<Options, String> {
        let globs = |include: &[String], exclude: &[String]| -> Result<TopicGlobs, String> {
            let parse = |texts: &[String]| {
                let globs = texts.iter().map(|text| text.parse());
                let globs: Result<Vec<TopicGlob>, GlobError> = globs.collect();
                globs.map_err(|error| error.to_string())
            };
            Ok(TopicGlobs {
                include: parse(include)?,
                exclude: parse(exclude)?,
            })
        };
        let renames = |texts: &RenameTexts| texts.read().map_err(|error| error.to_string());
        Ok(Options {
            topics: globs(&self.topics, &self.exclude)?,
            naming: Naming {
                topics: renames(&self.renames)?,
                group_globs: globs(&self.groups, &self.exclude_groups)?,
                groups: renames(&self.group_renames)?,
            },
            parts: plan.parts.clone(),
            prune_extra: self.prune_extra,
            broker_map: self.broker_map.iter().copied().collect(),
            compare: plan.compare,
            salvage: plan.salvage,
            offset_map: options.offset_map.or_else(|| self.offset_map.clone()),
            ..options
        })
    }
}

/// A journal that is there.
#[derive(Clone, Debug)]
pub struct KeptJournal {
    /// Where.
    pub path: PathBuf,
    /// Its first line, without the plan.
    pub planned: Planned,
    /// The plan.
    pub plan: Plan,
    /// What was done.
    pub past: Past,
}

impl KeptJournal {
    /// Reads the journal at `path`.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let mut entries = Journal::read(path)?.into_iter();
        let Some(Entry::Planned(mut planned)) = entries.next() else {
            let path = path.to_owned();
            return Err(JournalError::NotBegun { path });
        };
        let Some(plan) = planned.plan.take() else {
            let path = path.to_owned();
            return Err(JournalError::NoPlan { path });
        };
        Ok(Self {
            path: path.to_owned(),
            planned: *planned,
            plan,
            past: Past::of(entries),
        })
    }

    /// Whether there is something to go on with.
    pub fn is_unfinished(&self) -> bool {
        self.past.is_unfinished(&self.plan)
    }

    /// Whether it came to its end.
    pub fn has_ended(&self) -> bool {
        self.past.has_ended(&self.plan)
    }

    /// Whether it left groups out that have another chance.
    pub fn has_groups_left(&self) -> bool {
        self.past.groups_left(&self.plan).next().is_some()
    }

    /// Its plan, as far as it is about groups that were left out.
    pub fn plan_of_groups_left(&self) -> Plan {
        let left = self.past.groups_left(&self.plan);
        let groups = left.map(|group| PlannedGroup {
            skipped: None,
            not_restored: 0,
            ..group.clone()
        });
        let warning =
            "groups that were left out get their offsets, whatever they have on the target by now";
        Plan {
            groups: groups.collect(),
            parts: Parts::of([Part::Groups]),
            topics: Vec::new(),
            cluster: ClusterChanges::default(),
            users: Vec::new(),
            warnings: vec![warning.to_owned()],
            unfinished: None,
            ..self.plan.clone()
        }
    }

    /// Whether it came to writing into that topic of the target.
    pub(crate) fn has_prepared(&self, target: &str) -> bool {
        let prepared = self.past.prepared.iter();
        let mut topics = prepared.flat_map(|prepared| &prepared.topics);
        topics.any(|topic| topic.target == target)
    }

    /// Whether that topic of the target is its own by now, or may become it: what an older restore knows of the topic
    /// does not hold any more.
    pub(crate) fn has_taken(&self, target: &str) -> bool {
        let mut written = self.plan.written();
        let Some(topic) = written.find(|topic| topic.target_name() == target) else {
            return false;
        };
        self.has_prepared(target)
            || self.past.settings_restored.contains(&topic.topic)
            || self.is_unfinished()
    }

    /// The journals beside it of restores into the same cluster that were begun after it, whatever their snapshot.
    pub(crate) fn later(&self) -> Result<Vec<KeptJournal>, JournalError> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut journals = kept_in(folder, None, &self.planned.target_cluster_id)?;
        // the same file may be named in several ways
        let age = |it: &KeptJournal| (it.planned.at, it.path.file_name().map(ToOwned::to_owned));
        journals.retain(|other| age(other) > age(self));
        Ok(journals)
    }
}

/// Why it can't be gone on with: one of the `later` restores came to writing into a topic of it, and what is there now
/// is not what it left. One that has ended touches no topic any more.
pub(crate) fn superseded(kept: &KeptJournal, later: &[KeptJournal]) -> Option<String> {
    if kept.past.finished.is_some() {
        return None;
    }
    kept.plan.written().find_map(|topic| {
        let target = topic.target_name();
        let by = later.iter().find(|it| it.has_prepared(target))?;
        Some(format!(
            "a later restore has written into topic {target}: {}",
            by.path.display()
        ))
    })
}

/// The journals in `folder` of restores into that cluster, of that snapshot where one is named, the newest first. A file
/// that can't be read is told in the log and passed over: it may belong to something else.
pub fn kept_in(
    folder: &Path,
    snapshot: Option<&SnapshotId>,
    target_cluster_id: &str,
) -> Result<Vec<KeptJournal>, JournalError> {
    let mut found = Vec::new();
    for path in files_in(folder, snapshot, target_cluster_id)? {
        match KeptJournal::read(&path) {
            Ok(journal) if journal.planned.target_cluster_id == target_cluster_id => {
                found.push(journal);
            }
            // of another cluster; or begun this moment, or nothing was done after it
            Ok(_) | Err(JournalError::NotBegun { .. }) => {}
            Err(error) => tracing::warn!(%error, "a journal is passed over"),
        }
    }
    found.sort_by(|one, other| {
        let age = |it: &KeptJournal| (it.planned.at, it.path.clone());
        age(other).cmp(&age(one))
    });
    Ok(found)
}

/// The files in `folder` that are called as the journals of such restores are: the name says it before a large file is
/// read.
pub(super) fn files_in(
    folder: &Path,
    snapshot: Option<&SnapshotId>,
    target_cluster_id: &str,
) -> Result<Vec<PathBuf>, JournalError> {
    let fail = |source| JournalError::File {
        operation: "read the folder of",
        path: folder.to_owned(),
        source,
    };
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(fail)?,
    };
    let mut found = Vec::new();
    for file in files {
        let path = file.map_err(fail)?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.filter(|_| path.extension().is_some_and(|ending| ending == "jsonl"));
        if name.is_some_and(|name| may_be(name, snapshot, target_cluster_id)) {
            found.push(path);
        }
    }
    Ok(found)
}

fn may_be(name: &str, snapshot: Option<&SnapshotId>, target_cluster_id: &str) -> bool {
    let cluster = format!("-{target_cluster_id}-");
    match snapshot {
        Some(snapshot) => name.starts_with(&format!("restore-{snapshot}{cluster}")),
        None => name.starts_with("restore-") && name.contains(&cluster),
    }
}

#[cfg(test)]
mod tests;
