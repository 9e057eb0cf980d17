//! A file that is not there yet, whole and on the disk, or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes a new file with this mode. It is on the disk when this returns; overwrites nothing.
///
/// # Crash consistency
/// What could not be written whole is removed. Who is killed in between leaves a part of it, which is not overwritten.
pub(crate) fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| {
        // the entry in the folder as well
        let folder = path.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    });
    if written.is_err() {
        // what went wrong first is what is told
        drop(fs::remove_file(path));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_file_is_private_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        create(&path, 0o600, b"one").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let error = create(&path, 0o600, b"two").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn what_can_not_be_written_is_an_error_and_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such");
        assert!(create(&missing, 0o600, b"one").is_err());
        assert!(!missing.try_exists().unwrap());
    }
}
