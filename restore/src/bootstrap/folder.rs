//! The files that a node finds in its metadata folder at its first start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Checkpoint;
use crate::new_file;

const CHECKPOINT: &str = "bootstrap.checkpoint";
const META: &str = "meta.properties";
const LOG: &str = "__cluster_metadata-0";
/// What `kafka-storage.sh format` writes for a quorum that may change (KIP-853): who votes, and nothing else.
const VOTERS: &str = "00000000000000000000-0000000000.checkpoint";

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The new cluster's id.
    pub cluster_id: String,
    /// The node's.
    pub node_id: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The checkpoint.
    pub file: PathBuf,
    /// Whether `meta.properties` is there now.
    pub has_meta_properties: bool,
}

/// Why a folder does not do.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is one already.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A node has run on it: it would not look at the checkpoint.
    #[error("{} is not of a new node: {} holds a metadata log", folder.display(), LOG)]
    Used {
        /// The folder.
        folder: PathBuf,
    },
    /// It is no folder, or can't be written.
    #[error("can't write {}: {source}", path.display())]
    Unwritable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The id could not be read back from the file.
    #[error("{id:?} is not the id of a cluster")]
    ClusterId {
        /// What was given.
        id: String,
    },
}

/// Where the checkpoint goes.
pub fn checkpoint_in(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT)
}

/// Whether [`write`] could write there; changes nothing.
pub fn check(folder: &Path, node: Option<&NodeIdentity>) -> Result<(), FolderError> {
    refuse_used(folder)?;
    let meta = node.map(|_| folder.join(META));
    // both before either: half of it would have to be cleaned up
    for path in [Some(checkpoint_in(folder)), meta].into_iter().flatten() {
        if fs::symlink_metadata(&path).is_ok() {
            return Err(FolderError::Exists { path });
        }
    }
    let Some(NodeIdentity { cluster_id, .. }) = node else {
        return Ok(());
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if cluster_id.is_empty() || !cluster_id.bytes().all(fits) {
        return Err(FolderError::ClusterId {
            id: cluster_id.clone(),
        });
    }
    Ok(())
}

/// Writes the checkpoint (mode 0600) and, where it is told who the node is, `meta.properties`. Overwrites nothing.
pub fn write(
    checkpoint: &Checkpoint,
    folder: &Path,
    node: Option<&NodeIdentity>,
) -> Result<Written, FolderError> {
    check(folder, node)?;
    let (file, meta) = (checkpoint_in(folder), folder.join(META));
    // the checkpoint first: a node that finds its identity and no checkpoint starts as an empty one
    create(&file, &checkpoint.bytes, 0o600)?;
    if let Some(node) = node {
        let id = &node.cluster_id;
        let text = format!("version=1\ncluster.id={id}\nnode.id={}\n", node.node_id);
        create(&meta, text.as_bytes(), 0o644)?;
    }
    Ok(Written {
        file,
        has_meta_properties: meta.is_file(),
    })
}

fn refuse_used(folder: &Path) -> Result<(), FolderError> {
    let log = folder.join(LOG);
    let entries = match fs::read_dir(&log) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(FolderError::Unwritable { path: log, source }),
    };
    for entry in entries {
        let entry = entry.map_err(|source| FolderError::Unwritable {
            path: log.clone(),
            source,
        })?;
        if entry.file_name() != VOTERS {
            return Err(FolderError::Used {
                folder: folder.to_owned(),
            });
        }
    }
    Ok(())
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
    new_file::create(path, mode, bytes).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => FolderError::Exists {
            path: path.to_owned(),
        },
        _ => FolderError::Unwritable {
            path: path.to_owned(),
            source,
        },
    })
}
