//! Directories that vanish with the test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::Once,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "lifeboat-test-";

/// A directory that is removed when it is dropped; with `LIFEBOAT_KEEP=1` it stays, to be looked at.
///
/// A killed test can't clean up: the first use in a process removes what dead processes left.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    directory: Option<TempDir>,
}

impl Scratch {
    /// A new, empty one; `name` tells people what it is for.
    pub fn new(name: &str) -> Result<Self> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let mut directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-{name}-", process::id()))
            .tempdir()
            .context("can't make a scratch directory")?;
        directory.disable_cleanup(Self::is_kept());
        Ok(Self {
            path: directory.path().to_owned(),
            directory: Some(directory),
        })
    }

    /// Whether `LIFEBOAT_KEEP` asks to leave everything in place.
    pub fn is_kept() -> bool {
        env::var_os("LIFEBOAT_KEEP").is_some()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // a broker that is dying may still make a file: what fails here is swept by the next run
        drop(self.directory.take());
    }
}

fn sweep() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = owner
            && !Path::new("/proc").join(pid.to_string()).is_dir()
        {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Every file below `folder`, by path. What is not there yet has none, and one that vanishes meanwhile is passed over.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Bytes of all files below `folder`.
pub fn folder_size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            folder_size(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
