//! The metadata log in a folder that every broker and controller has: read only, while the node that owns it runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lifeboat_archive::batch::{BatchProblem, Batches};

use super::{Image, ImageError, Replay};

const FOLDER: &str = "__cluster_metadata-0";
/// A node replaces its checkpoints and cuts its log while we read.
const TRIES: u32 = 5;
const LARGEST_FILE: u64 = 2 << 30;
/// A controller writes no larger batch (`KafkaRaftClient.MAX_BATCH_SIZE_BYTES`).
const LARGEST_WRITE: usize = 8 << 20;

/// Why the metadata log can't be read from a folder.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is none.
    #[error("{} holds no metadata log ({FOLDER})", path.display())]
    NoLog {
        /// The folder that was given.
        path: PathBuf,
    },
    /// A file can't be read.
    #[error("can't read {}{}", path.display(), hint(source))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not one that a node writes.
    #[error("{} has {size} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large it is.
        size: u64,
    },
    /// What is wrong with a file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What.
        source: Box<ImageError>,
    },
}

fn hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": only the user that runs Kafka may (mode 0400): run as the same user".to_owned()
        }
        _ => format!(": {error}"),
    }
}

/// Reads the image from a node's metadata folder, or from the one above it (`metadata.log.dir`, or the first of `log.dirs`).
///
/// What the log holds behind its last checkpoint is taken as it is: a disk does not tell what of its end is committed.
pub fn read_folder(path: &Path) -> Result<Image, ImageError> {
    let folder = if path.ends_with(FOLDER) {
        path.to_owned()
    } else {
        path.join(FOLDER)
    };
    let mut tries = 0;
    loop {
        tries += 1;
        match read_once(&folder) {
            // it was replaced, or cut, while it was read
            Err(error) if tries < TRIES && may_have_moved(&error) => {
                tracing::debug!(%error, "reading the metadata folder again");
            }
            Err(ImageError::Disk(DiskError::Unreadable {
                path: lacking,
                source,
            })) if lacking == folder && source.kind() == io::ErrorKind::NotFound => {
                return Err(DiskError::NoLog {
                    path: path.to_owned(),
                }
                .into());
            }
            settled => return settled,
        }
    }
}

fn may_have_moved(error: &ImageError) -> bool {
    match error {
        ImageError::Disk(DiskError::Unreadable { source, .. }) => {
            source.kind() == io::ErrorKind::NotFound
        }
        ImageError::Disk(DiskError::File { source, .. }) => {
            matches!(**source, ImageError::Hole { .. })
        }
        _ => false,
    }
}

fn read_once(folder: &Path) -> Result<Image, ImageError> {
    let files = Files::list(folder)?;
    let mut replay = match files.checkpoints.last() {
        None => Replay::default(),
        Some(newest) => {
            let bytes = read(&newest.path)?;
            Replay::of_snapshot(&bytes, newest.end_offset, newest.epoch)
                .map_err(|source| in_file(&newest.path, source))?
        }
    };
    let next = replay.next_offset();
    // the last one that begins before, and all behind it
    let first = files.logs.partition_point(|log| log.base_offset <= next);
    let logs = &files.logs[first.saturating_sub(1)..];
    for (at, log) in logs.iter().enumerate() {
        let bytes = read(&log.path)?;
        let is_last = at + 1 == logs.len();
        match replay.log(&bytes, i64::MAX) {
            Ok(read) if read == bytes.len() => {}
            Ok(read) if is_last && is_unfinished(&bytes[read..]) => {
                tracing::debug!(
                    read,
                    length = bytes.len(),
                    "the end of the metadata log is torn"
                );
            }
            Ok(read) => {
                let cut = ImageError::Cut {
                    position: read,
                    length: bytes.len(),
                };
                return Err(in_file(&log.path, cut));
            }
            // the node was just writing it
            Err(error) if is_last && is_torn(&error, &bytes) => {
                tracing::debug!(%error, "the end of the metadata log is torn");
            }
            Err(error) => return Err(in_file(&log.path, error)),
        }
    }
    if files.checkpoints.is_empty() && files.logs.is_empty() {
        return Err(DiskError::NoLog {
            path: folder.to_owned(),
        }
        .into());
    }
    Ok(replay.finish())
}

/// Whether these bytes are the beginning of a batch that the node was just writing: nothing whole comes behind it.
fn is_unfinished(rest: &[u8]) -> bool {
    let is_batch = |bytes: &[u8]| {
        let batch = Batches::new(bytes).next();
        batch.is_some_and(|batch| batch.is_ok_and(|batch| batch.check_crc().is_ok()))
    };
    rest.len() <= LARGEST_WRITE && !(1..rest.len()).any(|at| is_batch(&rest[at..]))
}

/// Whether what is wrong is wrong up to the end of the file: nothing whole comes behind it.
fn is_torn(error: &ImageError, bytes: &[u8]) -> bool {
    let ImageError::Batch(error) = error else {
        return false;
    };
    let rest = bytes.get(error.position..).unwrap_or_default();
    match error.problem {
        BatchProblem::Crc { .. } => {
            let length = rest.get(8..12).and_then(|length| length.try_into().ok());
            let length = length.map_or(0, u32::from_be_bytes) as usize;
            rest.len() <= length.saturating_add(12)
        }
        // room that was kept for it
        _ => rest.iter().all(|byte| *byte == 0),
    }
}

fn in_file(path: &Path, source: ImageError) -> ImageError {
    DiskError::File {
        path: path.to_owned(),
        source: Box::new(source),
    }
    .into()
}

fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    let unreadable = |source| DiskError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_FILE {
        return Err(DiskError::TooLarge {
            path: path.to_owned(),
            size,
        });
    }
    fs::read(path).map_err(unreadable)
}

/// What lies in the folder, by offset.
#[derive(Debug, Default)]
struct Files {
    checkpoints: Vec<Checkpoint>,
    logs: Vec<Log>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Checkpoint {
    end_offset: i64,
    epoch: i32,
    path: PathBuf,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Log {
    base_offset: i64,
    path: PathBuf,
}

impl Files {
    fn list(folder: &Path) -> Result<Self, DiskError> {
        let unreadable = |source| DiskError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        let mut files = Self::default();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some((stem, kind)) = name.and_then(|name| name.split_once('.')) else {
                continue;
            };
            // one that is not finished, or about to go, ends in .part or .deleted
            match kind {
                "checkpoint" => files.checkpoints.extend(checkpoint(stem, &path)),
                "log" => files.logs.extend(stem.parse().ok().map(|base_offset| Log {
                    base_offset,
                    path: path.clone(),
                })),
                _ => {}
            }
        }
        files.checkpoints.sort();
        files.logs.sort();
        Ok(files)
    }
}

/// `00000000000000001234-0000000005`: end offset and epoch.
fn checkpoint(stem: &str, path: &Path) -> Option<Checkpoint> {
    let (end_offset, epoch) = stem.split_once('-')?;
    Some(Checkpoint {
        end_offset: end_offset.parse().ok()?,
        epoch: epoch.parse().ok()?,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests;
