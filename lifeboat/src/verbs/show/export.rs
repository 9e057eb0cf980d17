//! The cluster's documents as files: each byte by byte as it is stored, so that what a newer program wrote stays whole
//! and what is sealed stays sealed.
//!
//! `documents.sha256`, which `sha256sum -c` reads, tells the files of the last export from those of others: only the
//! former are ever written over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use lifeboat_archive::{
    json::{Document, Sha256Hex},
    words::SnapshotId,
};
use serde::{Deserialize, Serialize};

use crate::{exit::Exit, failure::Failure, render::plural};

/// Names what was exported.
const SUMS: &str = "documents.sha256";

/// What was exported.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exported {
    snapshot: SnapshotId,
    folder: PathBuf,
    files: Vec<ExportedFile>,
    /// Files of an earlier export that this snapshot does not have.
    removed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExportedFile {
    name: String,
    size: u64,
    sha256: Sha256Hex,
}

impl Document for Exported {
    const FORMAT: &'static str = "lifeboat.export";
}

impl Exported {
    pub(super) fn render(&self) -> String {
        let mut text = format!(
            "{} of {} in {}\n\n",
            plural(self.files.len() as u64, "document"),
            self.snapshot,
            self.folder.display()
        );
        for file in &self.files {
            text.push_str(&format!("  {}\n", file.name));
        }
        for name in &self.removed {
            text.push_str(&format!("  {name} removed: this snapshot has none\n"));
        }
        text
    }
}

/// Writes `members` into `folder`. Nothing is written unless all can be.
pub(super) fn export(
    snapshot: SnapshotId,
    members: &BTreeMap<String, Vec<u8>>,
    folder: &Path,
) -> Result<Exported, Failure> {
    for name in members.keys() {
        check_name(name)?;
    }
    fs::create_dir_all(folder).map_err(|error| failed("make the folder", folder, &error))?;
    let before = exported_before(folder)?;
    let mut files = Vec::new();
    for (name, content) in members {
        let sha256 = Sha256Hex::of(content);
        check_ours(folder, name, &before, Some(&sha256))?;
        files.push(ExportedFile {
            name: name.clone(),
            size: content.len() as u64,
            sha256,
        });
    }
    let gone: BTreeSet<&String> = before
        .keys()
        .filter(|name| !members.contains_key(*name))
        .collect();
    for name in &gone {
        check_ours(folder, name, &before, None)?;
    }
    for (name, content) in members {
        write(folder, name, content)?;
    }
    let mut removed = Vec::new();
    for name in gone {
        match fs::remove_file(folder.join(name)) {
            Ok(()) => removed.push(name.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("remove", &folder.join(name), &error)),
        }
    }
    let sums: Vec<String> = files
        .iter()
        .map(|file| format!("{}  {}\n", file.sha256.as_str(), file.name))
        .collect();
    write(folder, SUMS, sums.concat().as_bytes())?;
    Ok(Exported {
        snapshot,
        folder: folder.to_owned(),
        files,
        removed,
    })
}

/// A name never leads out of the folder, and never hides.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.chars().all(plain) && !name.starts_with('.') && !name.is_empty() && name != SUMS {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Damaged,
        format!("the snapshot holds a document of the name {name:?}, which can't be a file's"),
    ))
}

/// What the last export into this folder wrote.
fn exported_before(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let path = folder.join(SUMS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed("read", &path, &error)),
    };
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines
        .filter(|(_, name)| check_name(name).is_ok())
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect())
}

/// What is there must be of an export: the last one, or this one where that was interrupted.
fn check_ours(
    folder: &Path,
    name: &str,
    before: &BTreeMap<String, String>,
    now: Option<&Sha256Hex>,
) -> Result<(), Failure> {
    let path = folder.join(name);
    let found = match fs::read(&path) {
        Ok(content) => Sha256Hex::of(&content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", &path, &error)),
    };
    let exported = before.get(name).is_some_and(|sum| sum == found.as_str());
    if exported || now == Some(&found) {
        return Ok(());
    }
    let message = format!(
        "{} is there and was not exported by lifeboat as it is",
        path.display()
    );
    Err(Failure::new(Exit::Error, message)
        .hint("nothing was written; name another folder, or move that file away"))
}

/// A file is there as a whole, or as it was.
fn write(folder: &Path, name: &str, content: &[u8]) -> Result<(), Failure> {
    let (path, new) = (folder.join(name), folder.join(format!(".{name}.new")));
    fs::write(&new, content)
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| failed("write", &path, &error))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Error, format!("can't {what} {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    fn id() -> SnapshotId {
        "20261122T020000Z-k3fa".parse().unwrap()
    }

    #[test]
    fn documents_are_exported_as_they_are_stored_and_again_over_the_last_export() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        // a field of a newer program, and a sealed member
        let first = members(&[
            ("acls.json", "{\"of-the-future\": 1}"),
            ("credentials.json.age", "age-encryption.org/v1\n\u{1}"),
            ("tokens.json", "{}"),
        ]);
        export(id(), &first, folder.path()).unwrap();
        assert_eq!(read("acls.json"), "{\"of-the-future\": 1}");
        assert_eq!(read("credentials.json.age"), "age-encryption.org/v1\n\u{1}");
        let second = members(&[("acls.json", "{}"), ("credentials.json.age", "other")]);
        let exported = export(id(), &second, folder.path()).unwrap();
        assert_eq!(exported.removed, ["tokens.json"]);
        assert_eq!(read("acls.json"), "{}");
        assert_eq!(read(SUMS).lines().count(), 2);
        let names = fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 3, "documents and their sums, nothing else");
        export(id(), &second, folder.path()).unwrap();
    }

    #[test]
    fn a_file_of_somebody_else_is_not_written_over_and_nothing_is_written_then() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("topics.json"), "mine").unwrap();
        let wanted = members(&[("acls.json", "{}"), ("topics.json", "{}")]);
        let refused = export(id(), &wanted, folder.path()).unwrap_err();
        assert!(
            refused
                .render(crate::render::Paint::never())
                .contains("topics.json")
        );
        let names = fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 1);
        // an export that was changed since is somebody's work, too
        let folder = tempfile::tempdir().unwrap();
        export(id(), &members(&[("acls.json", "{}")]), folder.path()).unwrap();
        fs::write(folder.path().join("acls.json"), "edited").unwrap();
        assert!(export(id(), &members(&[("acls.json", "{ }")]), folder.path()).is_err());
        assert!(export(id(), &members(&[]), folder.path()).is_err());
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["../x.json", "/x", ".git", "a/b", "", SUMS] {
            let refused = export(id(), &members(&[(name, "{}")]), folder.path()).unwrap_err();
            assert_eq!(refused.exit, Exit::Damaged, "{name}");
        }
    }
}
