use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::image::{
    MetadataRecord, bootstrap_checkpoint,
    tests::{batch, user},
};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(FOLDER)).unwrap();
    folder
}

fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(FOLDER).join(name), bytes).unwrap();
}

fn users(folder: &tempfile::TempDir) -> Result<Vec<String>, ImageError> {
    let image = read_folder(folder.path())?;
    Ok(image.users.into_keys().map(|(user, _)| user).collect())
}

fn checkpoint_of(names: &[&str]) -> Vec<u8> {
    let records: Vec<MetadataRecord> = names.iter().map(|name| user(name, 1, b"x")).collect();
    bootstrap_checkpoint(&records).unwrap()
}

#[test]
fn a_fresh_node_has_a_log_and_no_checkpoint() {
    let folder = folder();
    put(
        &folder,
        "00000000000000000000.log",
        &batch(0, &[user("a", 1, b"x")]),
    );
    assert_eq!(users(&folder).unwrap(), ["a"]);
    // either folder may be named
    let itself = folder.path().join(FOLDER);
    assert_eq!(read_folder(&itself).unwrap().users.len(), 1);
}

#[test]
fn the_newest_checkpoint_and_the_segments_behind_it_are_read() {
    let folder = folder();
    put(
        &folder,
        "00000000000000000002-0000000001.checkpoint",
        &checkpoint_of(&["old"]),
    );
    put(
        &folder,
        "00000000000000000010-0000000001.checkpoint",
        &checkpoint_of(&["a"]),
    );
    // the next one is being written, the first is about to go
    put(
        &folder,
        "00000000000000000099-0000000001.checkpoint.part",
        b"half",
    );
    put(
        &folder,
        "00000000000000000001-0000000001.checkpoint.deleted",
        b"gone",
    );
    put(&folder, "00000000000000000000.log", b"not even looked at");
    put(
        &folder,
        "00000000000000000009.log",
        &[
            batch(9, &[user("ghost", 1, b"x")]),
            batch(10, &[user("b", 1, b"x")]),
        ]
        .concat(),
    );
    put(
        &folder,
        "00000000000000000011.log",
        &batch(11, &[user("c", 1, b"x")]),
    );
    assert_eq!(users(&folder).unwrap(), ["a", "b", "c"]);
}

#[test]
fn a_torn_end_is_left_out_and_damage_before_it_is_an_error() {
    let good = batch(0, &[user("a", 1, b"x")]);
    let torn = batch(1, &[user("b", 1, b"x")]);
    for length in 0..torn.len() {
        let folder = folder();
        let bytes = [&good[..], &torn[..length]].concat();
        put(&folder, "00000000000000000000.log", &bytes);
        assert_eq!(users(&folder).unwrap(), ["a"], "{length}");
    }
    let half = torn.len() / 2;
    let zeros = [&torn[..half], &vec![0; torn.len() - half]].concat();
    let folder = folder();
    put(
        &folder,
        "00000000000000000000.log",
        &[&good[..], &zeros].concat(),
    );
    assert_eq!(users(&folder).unwrap(), ["a"]);
    let room = [&good[..], &[0; 200]].concat();
    put(&folder, "00000000000000000000.log", &room);
    assert_eq!(users(&folder).unwrap(), ["a"]);
    // a length that was damaged, so that nothing seems to be whole any more, with something whole behind it
    let mut long = batch(1, &[user("b", 1, b"x")]);
    for at in [8, 9, 10] {
        let mut long = long.clone();
        long[at] |= 0x40;
        let bytes = [&good[..], &long, &batch(2, &[user("c", 1, b"x")])].concat();
        put(&folder, "00000000000000000000.log", &bytes);
        assert!(users(&folder).is_err(), "{at}");
    }
    long.truncate(20);
    put(
        &folder,
        "00000000000000000000.log",
        &[&good[..], &long].concat(),
    );
    assert_eq!(users(&folder).unwrap(), ["a"]);
    // something whole behind it: no node leaves that
    let damaged = [&good[..], &zeros[..], &batch(2, &[user("c", 1, b"x")])].concat();
    put(&folder, "00000000000000000000.log", &damaged);
    let error = users(&folder).unwrap_err().to_string();
    assert!(error.contains("00000000000000000000.log"), "{error}");
    assert!(
        error.contains(&format!("batch at byte {}", good.len())),
        "{error}"
    );
}

#[test]
fn a_segment_that_ends_too_early_and_a_missing_one_are_errors() {
    let folder = folder();
    let first = batch(0, &[user("a", 1, b"x")]);
    put(
        &folder,
        "00000000000000000000.log",
        &first[..first.len() - 1],
    );
    put(
        &folder,
        "00000000000000000001.log",
        &batch(1, &[user("b", 1, b"x")]),
    );
    let error = users(&folder).unwrap_err().to_string();
    assert!(error.contains("cut off at byte 0"), "{error}");
    put(&folder, "00000000000000000000.log", &first);
    put(
        &folder,
        "00000000000000000001.log",
        &batch(5, &[user("b", 1, b"x")]),
    );
    let error = users(&folder).unwrap_err().to_string();
    assert!(
        error.contains("begins at offset 5 where 1 comes next"),
        "{error}"
    );
}

#[test]
fn a_folder_without_a_metadata_log_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_folder(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("holds no metadata log (__cluster_metadata-0)"),
        "{error}"
    );
    assert!(error.contains(&folder.path().display().to_string()));
    fs::create_dir(folder.path().join(FOLDER)).unwrap();
    assert!(matches!(
        read_folder(folder.path()),
        Err(ImageError::Disk(DiskError::NoLog { .. }))
    ));
}

#[test]
fn a_checkpoint_that_only_kafkas_user_may_read_is_told_as_that() {
    let folder = folder();
    let name = "00000000000000000001-0000000001.checkpoint";
    put(&folder, name, &checkpoint_of(&["a"]));
    let path = folder.path().join(FOLDER).join(name);
    let error = DiskError::Unreadable {
        path: path.clone(),
        source: io::ErrorKind::PermissionDenied.into(),
    };
    assert!(
        error.to_string().contains("run as the same user"),
        "{error}"
    );
    // as Kafka leaves it
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(users(&folder).unwrap(), ["a"]);
}
