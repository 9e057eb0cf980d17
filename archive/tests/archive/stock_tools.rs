//! What Debian's `tar`, `zstd` and `sha256sum` make of what we write.

use std::{fs, path::Path, process::Command};

use lifeboat_archive::tarball::documents_archive;

use crate::written::Written;

/// Runs a tool that must succeed without a word of complaint; its output.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn stock_tar_unpacks_an_archive_and_sha256sum_accepts_every_member() {
    let written = Written::sample();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.tar.zst"), &written.bytes).unwrap();
    run(folder, "zstd", &["-q", "-t", "a.tar.zst"]);
    let names = run(folder, "tar", &["--zstd", "-tf", "a.tar.zst"]);
    let ulid = &written.finished.index.archive;
    let segments = written.finished.index.segments.iter();
    let mut expected: Vec<_> = segments.map(|entry| entry.member.clone()).collect();
    expected.extend(["sha256", "index.json"].map(|kind| format!("lifeboat/{ulid}.{kind}")));
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);

    run(folder, "tar", &["--zstd", "-xf", "a.tar.zst"]);
    let sums = format!("lifeboat/{ulid}.sha256");
    let checked = run(folder, "sha256sum", &["--check", "--strict", &sums]);
    assert_eq!(
        checked
            .lines()
            .filter(|line| line.ends_with(": OK"))
            .count(),
        3
    );
    for (member, content) in &written.members {
        assert_eq!(&fs::read(folder.join(member)).unwrap(), content, "{member}");
    }
    let details = run(folder, "tar", &["--zstd", "--utc", "-tvf", "a.tar.zst"]);
    for line in details.lines() {
        assert!(
            line.starts_with("-rw-r--r-- 0/0 ") && line.contains(" 2023-11-14 22:13 "),
            "{line}"
        );
    }
}

#[test]
fn stock_tools_unpack_one_segment_from_its_range() {
    let written = Written::sample();
    for entry in &written.finished.index.segments {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one.tar.zst"), written.frames(entry)).unwrap();
        run(folder.path(), "tar", &["--zstd", "-xf", "one.tar.zst"]);
        let content = fs::read(folder.path().join(&entry.member)).unwrap();
        assert_eq!(content, written.members[&entry.member]);
    }
}

#[test]
fn stock_tar_unpacks_the_documents_and_sha256sum_accepts_them() {
    let documents = [
        (
            "cluster.json",
            b"{\"format\":\"lifeboat.cluster\"}\n".to_vec(),
        ),
        ("groups.json", vec![b' '; 70_000]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("metadata.tar.zst"),
        documents_archive(&documents),
    )
    .unwrap();
    run(folder, "tar", &["--zstd", "-xf", "metadata.tar.zst"]);
    run(
        folder,
        "sha256sum",
        &["--check", "--strict", "documents.sha256"],
    );
    for (name, content) in &documents {
        assert_eq!(&fs::read(folder.join(name)).unwrap(), content);
    }
}
