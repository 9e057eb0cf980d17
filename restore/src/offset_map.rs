//! The map of all offsets as a file, for those who keep offsets elsewhere than in Kafka.
//!
//! Consecutive offsets are one run, so that the file is as small as the log is free of holes. Runs wait on the disk, in a
//! file without a name, until everything is written: memory depends on how many blocks of them there are.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lifeboat_archive::words::OffsetRange;
use serde::{Deserialize, Serialize};

/// Bytes of a run in the waiting file.
const RUN_BYTES: usize = 24;
/// Runs that are held of a partition before they go to the disk.
const BLOCK_RUNS: usize = 2_730;

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapFormat {
    /// Comma-separated values, with a line of names.
    Csv,
    /// One JSON document.
    Json,
}

/// Where the map goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapFile {
    /// The file. It must not be there yet.
    pub path: PathBuf,
    /// How it is written.
    pub format: MapFormat,
}

/// What became of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenMap {
    /// The file.
    pub path: PathBuf,
    /// How many runs it holds.
    pub runs: u64,
    /// Why it is not there; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl MapFile {
    /// The same for who works in another folder.
    pub(crate) fn absolute(&self) -> Self {
        Self {
            path: std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()),
            ..self.clone()
        }
    }
}

impl WrittenMap {
    /// None where nothing was written: of what an earlier restore wrote, that one's map tells.
    pub(crate) fn of_nothing(map: &MapFile) -> Self {
        Self::missing(map, "no record was written of which it could tell")
    }

    /// None where the restore went on behind the writing, and no line says what became of the map.
    pub(crate) fn interrupted(map: &MapFile) -> Self {
        Self::missing(
            map,
            "the restore was interrupted when all was written, and it can't be told whether the map was",
        )
    }

    fn missing(map: &MapFile, problem: &str) -> Self {
        Self {
            path: map.path.clone(),
            runs: 0,
            problem: Some(problem.to_owned()),
        }
    }
}

/// Why there can't be a map.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It is there already.
    #[error("the offset map {} is there already", .0.display())]
    Exists(PathBuf),
    /// What waits for it can't be kept.
    #[error("what waits for the offset map can't be kept")]
    Waiting(#[from] io::Error),
    /// It can't be kept.
    #[error("the offset map {} can't be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Consecutive offsets of the source that are consecutive offsets of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// In the source.
    pub source: OffsetRange,
    /// How many restored records lie before it.
    pub before: u64,
}

/// Puts runs together as records pass by.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    ended: Vec<Run>,
    current: Option<Run>,
}

impl Runs {
    /// Records at all offsets of `source` are restored, behind `before` others.
    pub(crate) fn add(&mut self, source: OffsetRange, before: u64) {
        match &mut self.current {
            Some(run) if run.source.end == source.start => run.source.end = source.end,
            current => self.ended.extend(current.replace(Run { source, before })),
        }
    }

    /// The runs that are at their end.
    pub(crate) fn ended(&mut self) -> std::vec::Drain<'_, Run> {
        self.ended.drain(..)
    }

    /// There are no more.
    pub(crate) fn finish(mut self) -> Vec<Run> {
        self.ended.extend(self.current.take());
        self.ended
    }
}

/// Where runs wait.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    file: Arc<Mutex<File>>,
}

/// The runs of one partition, in blocks of the waiting file.
#[derive(Debug, Default)]
pub struct WaitingRuns {
    held: Vec<u8>,
    blocks: Vec<(u64, usize)>,
}

impl Waiting {
    /// Begins beside where the map will be, and sees that it can be there.
    pub(crate) fn begin(map: &MapFile) -> Result<Self, MapError> {
        if fs::symlink_metadata(&map.path).is_ok() {
            return Err(MapError::Exists(map.path.clone()));
        }
        // without a name: it goes with the program, however that ends
        let file =
            tempfile::tempfile_in(folder_of(&map.path)).map_err(|error| failed(map, error))?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
        })
    }

    /// Lets a run of a partition wait behind its others.
    pub(crate) fn push(&self, runs: &mut WaitingRuns, run: Run) -> io::Result<()> {
        runs.held.extend(run.source.start.to_be_bytes());
        runs.held.extend(run.source.end.to_be_bytes());
        runs.held.extend(run.before.to_be_bytes());
        if runs.held.len() < BLOCK_RUNS * RUN_BYTES {
            return Ok(());
        }
        self.spill(runs)
    }

    /// What is held goes to the disk.
    pub(crate) fn spill(&self, runs: &mut WaitingRuns) -> io::Result<()> {
        if runs.held.is_empty() {
            return Ok(());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let at = file.seek(SeekFrom::End(0))?;
        file.write_all(&runs.held)?;
        runs.blocks.push((at, runs.held.len()));
        // given back: thousands of partitions may wait
        runs.held = Vec::new();
        Ok(())
    }

    fn read(&self, (at, length): (u64, usize)) -> io::Result<Vec<u8>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        let mut block = vec![0; length];
        file.read_exact(&mut block)?;
        Ok(block)
    }
}

/// A partition of the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappedPartition<'r> {
    pub(crate) topic: &'r str,
    pub(crate) target_topic: &'r str,
    pub(crate) partition: i32,
    /// The target's first offset.
    pub(crate) start_offset: i64,
    pub(crate) runs: &'r WaitingRuns,
}

/// A line of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapLine {
    /// The topic, by the snapshot's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset in the source.
    pub source_first_offset: i64,
    /// One more than the last offset in the source.
    pub source_next_offset: i64,
    /// The topic, by the target's name.
    pub target_topic: String,
    /// The first offset in the target.
    pub target_first_offset: i64,
    /// How many records: one at each offset.
    pub records: u64,
}

/// Writes the map, whole or not at all.
///
/// # Crash consistency
/// It is written under another name, and gets its own when it is on the disk. It replaces nothing.
pub(crate) fn write<'r>(
    map: &MapFile,
    waiting: &Waiting,
    partitions: impl IntoIterator<Item = MappedPartition<'r>>,
) -> WrittenMap {
    let mut runs = 0;
    let written = write_all(map, waiting, partitions, &mut runs);
    let problem = written.err().map(|error| match error {
        MapError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    });
    WrittenMap {
        path: map.path.clone(),
        runs,
        problem,
    }
}

fn write_all<'r>(
    map: &MapFile,
    waiting: &Waiting,
    partitions: impl IntoIterator<Item = MappedPartition<'r>>,
    runs: &mut u64,
) -> Result<(), MapError> {
    let fail = |error| failed(map, error);
    let folder = folder_of(&map.path);
    let mut named = tempfile::Builder::new();
    let named = named.prefix(".offset-map-").tempfile_in(folder);
    let named = named.map_err(fail)?;
    let mut out = BufWriter::new(named.as_file());
    let lines = Lines {
        format: map.format,
        out: &mut out,
    };
    lines.write(waiting, partitions, runs).map_err(fail)?;
    out.flush().map_err(fail)?;
    drop(out);
    named.as_file().sync_all().map_err(fail)?;
    let kept = named.persist_noclobber(&map.path);
    kept.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => MapError::Exists(map.path.clone()),
        _ => fail(error.error),
    })?;
    // the entry in the folder as well
    let folder = File::open(folder).and_then(|folder| folder.sync_all());
    folder.map_err(fail)
}

struct Lines<'w, W: Write> {
    format: MapFormat,
    out: &'w mut W,
}

impl<W: Write> Lines<'_, W> {
    fn write<'r>(
        mut self,
        waiting: &Waiting,
        partitions: impl IntoIterator<Item = MappedPartition<'r>>,
        runs: &mut u64,
    ) -> io::Result<()> {
        self.out.write_all(match self.format {
            MapFormat::Csv => CSV_NAMES,
            MapFormat::Json => b"{\"format\":\"lifeboat.offset-map\",\"version\":1,\"runs\":[",
        })?;
        for partition in partitions {
            for block in &partition.runs.blocks {
                for run in waiting.read(*block)?.chunks_exact(RUN_BYTES) {
                    self.line(&line(&partition, run), *runs == 0)?;
                    *runs += 1;
                }
            }
        }
        match self.format {
            MapFormat::Csv => Ok(()),
            MapFormat::Json => self.out.write_all(b"\n]}\n"),
        }
    }

    fn line(&mut self, line: &MapLine, first: bool) -> io::Result<()> {
        match self.format {
            // names of topics hold nothing that would have to be quoted
            MapFormat::Csv => writeln!(
                self.out,
                "{},{},{},{},{},{},{}",
                line.topic,
                line.partition,
                line.source_first_offset,
                line.source_next_offset,
                line.target_topic,
                line.target_first_offset,
                line.records
            ),
            MapFormat::Json => {
                self.out.write_all(if first { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut self.out, line).map_err(io::Error::other)
            }
        }
    }
}

const CSV_NAMES: &[u8] = b"topic,partition,source_first_offset,source_next_offset,target_topic,target_first_offset,records\n";

fn line(partition: &MappedPartition<'_>, run: &[u8]) -> MapLine {
    let number = |at: usize| {
        let bytes = run.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        i64::from_be_bytes(bytes.unwrap_or_default())
    };
    let source = OffsetRange::new(number(0), number(8));
    MapLine {
        topic: partition.topic.to_owned(),
        partition: partition.partition,
        source_first_offset: source.start,
        source_next_offset: source.end,
        target_topic: partition.target_topic.to_owned(),
        target_first_offset: partition.start_offset.saturating_add(number(16)),
        records: source.span(),
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn failed(map: &MapFile, source: io::Error) -> MapError {
    MapError::Io {
        path: map.path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests;
