//! What a restore has to remember, should it end in the middle: a local file, written before the deed and synced.
//!
//! One JSON document a line. The first is there before anything on the target is changed; the second, with the
//! producer id, topic ids and start offsets, before the first record is written. What follows is progress, and only a
//! hint: the truth is the end of each partition on the target. A line that a crash cut off is passed over.
//!
//! The file is called `restore-<snapshot>-<target cluster>-<time>.jsonl`. It lies in the folder that is asked for, or
//! in `$XDG_STATE_HOME/lifeboat`, or in `~/.local/state/lifeboat`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use lifeboat_archive::{
    json::{self, Document, JsonError, Sha256Hex},
    words::{SnapshotId, Timestamp, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    plan::{Plan, TopicAction},
    rewrite::Producer,
    settings::SettingChange,
};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Entry {
    /// What is about to be done. Nothing is changed before this is on the disk.
    Planned(Planned),
    /// Where it is about to be written. No record is written before this is on the disk.
    Prepared(Prepared),
    /// A partition is written.
    Written {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How many records.
        records: u64,
        /// The digest over them, where each was decoded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// Everything that was written was read back and is the same.
    Compared,
    /// The groups have their offsets.
    GroupsCommitted,
    /// A topic has its final settings, but for those that are put off.
    SettingsRestored {
        /// The topic.
        topic: String,
    },
    /// Settings, quotas and rights are as they shall be, but for those that the target refused.
    ClusterChanged {
        /// How many were changed.
        changed: usize,
        /// How many were refused.
        refused: usize,
    },
    /// The restore has ended.
    Finished {
        /// When.
        at: Timestamp,
    },
}

impl Document for Entry {
    const FORMAT: &'static str = "lifeboat.restore-journal";
}

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The SHA-256 of its manifest.
    pub manifest_sha256: Sha256Hex,
    /// The hash of what decides every byte that is written.
    pub output_hash: Sha256Hex,
    /// The cluster that is restored into.
    pub target_cluster_id: String,
    /// The topics.
    pub topics: Vec<PlannedTopic>,
}

/// What is about to be done with a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTopic {
    /// Its name.
    pub topic: String,
    /// Whether it was not there.
    pub created: bool,
    /// The settings that it had, where it was there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings_before: BTreeMap<String, String>,
    /// What gives it its final settings.
    pub final_changes: Vec<SettingChange>,
    /// What `--finish` adds to that later: retention that is put off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put_off: Vec<SettingChange>,
}

/// Where it is about to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Who writes.
    pub producer: Producer,
    /// The topics.
    pub topics: Vec<PreparedTopic>,
}

/// Where a topic is about to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedTopic {
    /// Its name.
    pub topic: String,
    /// Its id on the target.
    pub topic_id: TopicId,
    /// The offset of the first record of each partition, by number.
    pub start_offsets: Vec<i64>,
}

impl Planned {
    /// The first line, for `plan`, applied `at` that time.
    pub fn of(plan: &Plan, at: Timestamp) -> Self {
        let topics = plan.written().map(|topic| PlannedTopic {
            topic: topic.topic.clone(),
            created: topic.action == TopicAction::Create,
            settings_before: topic.existing_settings.clone(),
            final_changes: topic.settings.final_changes(),
            put_off: topic
                .settings
                .put_off
                .iter()
                .flat_map(|p| p.settings.clone())
                .collect(),
        });
        Self {
            at,
            snapshot: plan.snapshot.clone(),
            manifest_sha256: plan.manifest_sha256.clone(),
            output_hash: plan.output_hash(),
            target_cluster_id: plan.target_cluster_id.clone(),
            topics: topics.collect(),
        }
    }
}

/// Why a journal can't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is nowhere to keep it.
    #[error("there is no place for the restore's journal: neither XDG_STATE_HOME nor HOME is set")]
    NoPlace,
    /// The file system failed.
    #[error("can't {operation} the restore's journal {}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line can't be read.
    #[error("line {line} of the restore's journal {} is damaged", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: JsonError,
    },
}

/// A file of a name that no other journal has.
fn create(folder: &Path, planned: &Planned) -> Result<(PathBuf, File), JournalError> {
    let name = format!(
        "restore-{}-{}-{}",
        planned.snapshot,
        planned.target_cluster_id,
        planned.at.compact()
    );
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    let mut path = folder.join(format!("{name}.jsonl"));
    let mut number = 1;
    loop {
        match options.open(&path) {
            // two restores may begin within one second
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number += 1;
                path = folder.join(format!("{name}-{number}.jsonl"));
            }
            Err(source) => {
                return Err(JournalError::File {
                    operation: "create",
                    path,
                    source,
                });
            }
            Ok(file) => return Ok((path, file)),
        }
    }
}

/// The journal of one restore.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Begins a journal in `folder`, which is made where it is missing, with the first line.
    pub fn begin(folder: &Path, planned: Planned) -> Result<Self, JournalError> {
        let fail = |operation| {
            let path = folder.to_owned();
            move |source| JournalError::File {
                operation,
                path,
                source,
            }
        };
        std::fs::create_dir_all(folder).map_err(fail("make the folder of"))?;
        let (path, file) = create(folder, &planned)?;
        // the name as well as the content
        let folder = File::open(folder).map_err(fail("open the folder of"))?;
        folder.sync_all().map_err(fail("sync the folder of"))?;
        let journal = Self {
            path,
            file: Mutex::new(file),
        };
        journal.append(&Entry::Planned(planned))?;
        Ok(journal)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line; it is on the disk when this returns.
    pub fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.write(entry, File::sync_data)
    }

    /// Adds a line that is only a hint: it reaches the disk with the next one that has to, or when there is time.
    pub fn note(&self, entry: &Entry) -> Result<(), JournalError> {
        self.write(entry, |_| Ok(()))
    }

    fn write(
        &self,
        entry: &Entry,
        sync: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let mut line = json::to_vec(entry);
        line.push(b'\n');
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = file.write_all(&line).and_then(|()| sync(&file));
        written.map_err(|source| JournalError::File {
            operation: "write",
            path: self.path.clone(),
            source,
        })
    }

    /// Reads the lines of a journal; one that a crash cut off at the end is left out.
    pub fn read(path: &Path) -> Result<Vec<Entry>, JournalError> {
        let bytes = std::fs::read(path).map_err(|source| JournalError::File {
            operation: "read",
            path: path.to_owned(),
            source,
        })?;
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
        lines
            .enumerate()
            .map(|(at, line)| {
                json::from_slice(line).map_err(|source| JournalError::Line {
                    path: path.to_owned(),
                    line: at + 1,
                    source,
                })
            })
            .collect()
    }
}

/// The folder for journals where none is asked for: `$XDG_STATE_HOME/lifeboat` or `~/.local/state/lifeboat`.
pub fn default_folder() -> Result<PathBuf, JournalError> {
    folder_from(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
        .ok_or(JournalError::NoPlace)
}

fn folder_from(state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let set = |value: &OsString| !value.is_empty();
    let state_home = state_home.filter(set).map(PathBuf::from);
    let home = home
        .filter(set)
        .map(|home| PathBuf::from(home).join(".local/state"));
    Some(state_home.or(home)?.join("lifeboat"))
}

#[cfg(test)]
mod tests;
