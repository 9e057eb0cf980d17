//! Kafka's own opinion of a log segment.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Result, ensure};

use crate::{
    home::KafkaHome,
    scratch::{Scratch, files_below},
};

/// What `kafka-dump-log --deep-iteration` says about some files.
#[derive(Clone, Debug)]
pub struct DumpedSegments {
    /// Whether it ended with code 0.
    pub success: bool,
    /// One for each file.
    pub files: BTreeMap<PathBuf, DumpedFile>,
    /// Everything that is no batch, no record, no jump and no heading: must be empty.
    pub complaints: Vec<String>,
}

/// What it says about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpedFile {
    /// Batches, control batches too.
    pub batches: u64,
    /// Records, markers too.
    pub records: u64,
    /// The first batch's base offset.
    pub first_offset: Option<i64>,
    /// The last batch's last offset.
    pub last_offset: Option<i64>,
    /// Of the records, those in control batches.
    pub markers: u64,
    /// Base and last offset of each batch.
    pub extents: Vec<(i64, i64)>,
    /// Where a record's offset is not the one behind its predecessor's, as compaction leaves them.
    pub jumps: Vec<(i64, i64)>,
    /// The same before the first record, which is said to follow −1: where a file does not begin at 0.
    pub begins: Option<i64>,
}

/// All segment files (`<20 digits>.log`) under a directory, those of internal topics left out.
pub fn segment_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !is_internal(&path) {
            files.extend(segment_files(&path)?);
        } else if is_segment(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Bytes of all segments below a running broker's log directory, those of internal topics left out. Indexes don't count:
/// each is 10 MiB large before anything is written. Nor do topics that were deleted: their folders wait for a minute.
pub fn segment_bytes(directory: &Path) -> u64 {
    let segments = files_below(directory).into_iter().filter(|path| {
        let folder = path.parent();
        is_segment(path) && !folder.is_some_and(|folder| is_internal(folder) || is_deleted(folder))
    });
    segments
        .map(|path| fs::metadata(path).map_or(0, |metadata| metadata.len()))
        .sum()
}

fn is_internal(folder: &Path) -> bool {
    name_of(folder).starts_with("__")
}

/// `orders-3.4f8c…-delete`: Kafka's UnifiedLog.DELETE_DIR_SUFFIX.
fn is_deleted(folder: &Path) -> bool {
    name_of(folder).ends_with("-delete")
}

fn name_of(folder: &Path) -> Cow<'_, str> {
    folder.file_name().unwrap_or_default().to_string_lossy()
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

/// Runs Kafka's own tool over segment files (`<20 digits>.log`).
pub fn dump_segments(home: &KafkaHome, files: &[PathBuf]) -> Result<DumpedSegments> {
    ensure!(!files.is_empty(), "no files to dump");
    let class = if home.major() >= 4 {
        "org.apache.kafka.tools.DumpLogSegments"
    } else {
        "kafka.tools.DumpLogSegments"
    };
    let list: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let scratch = Scratch::new("dump")?;
    let output = home
        .java(scratch.path())?
        .arg("-Xmx256m")
        .arg(class)
        .args(["--deep-iteration", "--files", &list.join(",")])
        .stdin(Stdio::null())
        .output()?;
    // jumps are told on standard error
    let said = [output.stdout, output.stderr].concat();
    let mut dumped = parse(&String::from_utf8_lossy(&said));
    dumped.success = output.status.success();
    Ok(dumped)
}

fn parse(text: &str) -> DumpedSegments {
    let mut dumped = DumpedSegments {
        success: false,
        files: BTreeMap::new(),
        complaints: Vec::new(),
    };
    let mut file = PathBuf::new();
    let mut file_of_jumps = String::new();
    let mut in_control_batch = false;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            file = PathBuf::from(path);
            dumped.files.entry(file.clone()).or_default();
        } else if line.starts_with("baseOffset: ") {
            let facts = dumped.files.entry(file.clone()).or_default();
            facts.batches += 1;
            facts.first_offset = facts.first_offset.or_else(|| number(line, "baseOffset:"));
            facts.last_offset = number(line, "lastOffset:");
            facts
                .extents
                .extend(number(line, "baseOffset:").zip(facts.last_offset));
            in_control_batch = word(line, "isControl:") == Some("true");
            if word(line, "isvalid:") != Some("true") {
                dumped.complaints.push(line.to_owned());
            }
        } else if line.starts_with("| ") {
            let facts = dumped.files.entry(file.clone()).or_default();
            facts.records += 1;
            facts.markers += u64::from(in_control_batch);
        } else if let Some(path) = line.strip_prefix("Non-consecutive offsets in ") {
            path.clone_into(&mut file_of_jumps);
        } else if let Some((from, to)) = jump(line) {
            let facts = dumped
                .files
                .entry(PathBuf::from(&file_of_jumps))
                .or_default();
            if from >= 0 {
                facts.jumps.push((from, to));
            } else if facts.begins.replace(to).is_some() {
                dumped.complaints.push(line.to_owned());
            }
        } else if !line.is_empty() && !line.starts_with("Log starting offset: ") {
            dumped.complaints.push(line.to_owned());
        }
    }
    dumped
}

/// `  609 is followed by 611`
fn jump(line: &str) -> Option<(i64, i64)> {
    let (from, to) = line.strip_prefix("  ")?.split_once(" is followed by ")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// The word behind a name.
fn word<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.split(' ');
    words.by_ref().find(|word| *word == name)?;
    words.next()
}

fn number(line: &str, name: &str) -> Option<i64> {
    word(line, name)?.parse().ok()
}
