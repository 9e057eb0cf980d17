//! What a restore has to remember, should it end in the middle: a local file, written before the deed and synced.
//!
//! One JSON document a line. The first, with the whole plan, is there before anything on the target is changed; the
//! second, with the producer id, topic ids and start offsets, before the first record is written. What follows is
//! progress, and only a hint: the truth is the end of each partition on the target. A line that a crash cut off is passed
//! over, and taken away before another is added.
//!
//! The file is called `restore-<snapshot>-<target cluster>-<time>.jsonl`. It lies in the folder that is asked for, or
//! in `$XDG_STATE_HOME/lifeboat`, or in `~/.local/state/lifeboat`. Who works on it holds the lease beside it.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use lifeboat_archive::{
    json::{self, Document, JsonError, Sha256Hex},
    words::{SnapshotId, Timestamp, TopicId},
};
use serde::{Deserialize, Serialize};

use crate::{
    groups::{GroupBegun, RestoredGroup},
    names::name_or,
    offset_map::WrittenMap,
    offsets::OffsetMap,
    plan::Plan,
    report::MadeChange,
    restore::Options,
    rewrite::{Producer, RewriteCounts},
    salvage::Salvage,
};

mod earlier;
mod kept;
mod past;

pub(crate) use earlier::{Begun, Known, earlier_in};
pub(crate) use kept::superseded;
pub use kept::{KeptJournal, KeptOptions, kept_in};
pub use past::{Past, Stage};

/// The version of this program, by which it knows its own journals.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Entry {
    /// What is about to be done. Nothing is changed before this is on the disk.
    Planned(Box<Planned>),
    /// Somebody goes on after an interruption.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// The records of a topic are about to be deleted. None is gone before this is on the disk.
    Replacing {
        /// The snapshot's topic.
        topic: String,
        /// What the target calls it; empty where it is the same.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        target: String,
        /// Before which offset of each partition, by number.
        before: Vec<i64>,
    },
    /// Where it is about to be written. No record is written before this is on the disk.
    Prepared(Prepared),
    /// A partition is written.
    Written(PartitionWritten),
    /// The writing of a partition was stopped.
    Stopped(PartitionStopped),
    /// Nothing is left to be written.
    AllWritten,
    /// Everything that was written was read back and is the same.
    Compared,
    /// What became of the offset map. It is there, or not, before this is on the disk.
    MapWritten(WrittenMap),
    /// A group is about to get its offsets. None is committed before this is on the disk.
    GroupBegun(GroupBegun),
    /// A group has its offsets.
    GroupRestored(RestoredGroup),
    /// The groups have their offsets.
    GroupsCommitted,
    /// A topic has its final settings, but for those that are put off.
    SettingsRestored {
        /// The snapshot's topic.
        topic: String,
        /// What the target calls it; empty where it is the same.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        target: String,
    },
    /// Settings, quotas and rights are as they shall be, but for those that the target refused.
    ClusterChanged {
        /// How many were changed.
        changed: usize,
        /// How many were refused.
        refused: usize,
        /// What became of each.
        #[serde(default)]
        made: Vec<MadeChange>,
    },
    /// The restore has ended, but for its users.
    Finished {
        /// When.
        at: Timestamp,
    },
    /// What could be restored of the SCRAM users is.
    UsersRestored,
    /// A topic has got every setting that it shall have, those that were put off too.
    PutBack {
        /// The topic.
        topic: String,
        /// When.
        at: Timestamp,
    },
    /// It shall not be resumed: its topics have their final settings, whatever is in them.
    GivenUp {
        /// When.
        at: Timestamp,
    },
}

impl Document for Entry {
    const FORMAT: &'static str = "lifeboat.restore-journal";
}

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The cluster that is restored into.
    pub target_cluster_id: String,
    /// The hash of what decides every byte that is written.
    pub output_hash: Sha256Hex,
    /// The version of the program.
    #[serde(default)]
    pub program: String,
    /// What of the options the plan does not say.
    #[serde(default)]
    pub options: KeptOptions,
    /// All of the plan; journals of earlier programs lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
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
    /// Its name in the snapshot.
    pub topic: String,
    /// Its name in the target.
    pub target: String,
    /// Its id on the target.
    pub topic_id: TopicId,
    /// The offset of the first record of each partition, by number.
    pub start_offsets: Vec<i64>,
    /// Which records: see [`crate::plan::PlannedTopic::content`].
    pub content: Sha256Hex,
}

/// What a partition came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionWritten {
    /// The snapshot's topic.
    pub topic: String,
    /// What the target calls it; empty where it is the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The partition.
    pub partition: i32,
    /// The offset of its first record.
    pub start_offset: i64,
    /// What was counted.
    pub counts: RewriteCounts,
    /// The digest over its records, where each was decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where the committed offsets went.
    pub offsets: OffsetMap,
    /// What of it is damaged in the archives, and was restored as far as it is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub salvaged: Vec<Salvage>,
}

/// Why a partition was not written to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStopped {
    /// The snapshot's topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of its first record.
    pub start_offset: i64,
    /// Why, for people.
    pub why: String,
}

impl PartitionWritten {
    /// Whether records are missing, because what is stored of them is damaged.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.salvaged.iter().any(|it| !it.lost.is_empty())
    }

    /// What the target calls its topic.
    pub(crate) fn target_name(&self) -> &str {
        name_or(&self.target, &self.topic)
    }
}

impl Planned {
    /// The first line, for `plan`, applied `at` that time with these options.
    pub fn of(plan: &Plan, options: &Options, at: Timestamp) -> Self {
        Self {
            at,
            snapshot: plan.snapshot.clone(),
            target_cluster_id: plan.target_cluster_id.clone(),
            output_hash: plan.output_hash(),
            program: PROGRAM.to_owned(),
            options: KeptOptions::of(options),
            plan: Some(plan.clone()),
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
    /// It does not begin as a journal does.
    #[error("{} is not the journal of a restore that has begun", path.display())]
    NotBegun {
        /// Which file.
        path: PathBuf,
    },
    /// An earlier program did not write down what takes resuming.
    #[error(
        "the restore's journal {} is of an earlier program and does not hold the plan: it can't be gone on with",
        path.display()
    )]
    NoPlan {
        /// Which file.
        path: PathBuf,
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
    options.append(true).create_new(true).mode(0o600);
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
    /// Makes a journal in `folder`, which is made where it is missing. It is nobody's before its first line.
    pub fn create(folder: &Path, planned: &Planned) -> Result<Self, JournalError> {
        let fail = |operation| {
            let path = folder.to_owned();
            move |source| JournalError::File {
                operation,
                path,
                source,
            }
        };
        std::fs::create_dir_all(folder).map_err(fail("make the folder of"))?;
        let (path, file) = create(folder, planned)?;
        // the name as well as the content
        let folder = File::open(folder).map_err(fail("open the folder of"))?;
        folder.sync_all().map_err(fail("sync the folder of"))?;
        Ok(Self {
            path,
            file: Mutex::new(file),
        })
    }

    /// Opens a journal to go on with it. What a crash cut off is taken away: the next line begins a line.
    pub fn reopen(path: &Path) -> Result<Self, JournalError> {
        let fail = |operation| {
            move |source| JournalError::File {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        let bytes = std::fs::read(path).map_err(fail("read"))?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(fail("open"))?;
        if whole(&bytes) < bytes.len() {
            let cut = file.set_len(whole(&bytes) as u64);
            cut.and_then(|()| file.sync_all()).map_err(fail("cut"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
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
        let lines = bytes[..whole(&bytes)].split_inclusive(|&byte| byte == b'\n');
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

/// Up to where there are whole lines.
fn whole(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|&byte| byte == b'\n');
    end.map_or(0, |end| end + 1)
}

/// The folder for journals: the one that is asked for, or [`default_folder`].
pub fn folder(asked: Option<&Path>) -> Result<PathBuf, JournalError> {
    asked.map_or_else(default_folder, |folder| Ok(folder.to_owned()))
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
