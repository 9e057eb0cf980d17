//! What is in a repository can be read without lifeboat: with tar, zstd, sha256sum and Kafka's own tool.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use lifeboat_tests::{
    DumpedFile, Program, Scratch, dump_segments, fidelity_cluster, files_below, segment_files,
};
use serde_json::Value;

use crate::lifeboat::{backup, init};

/// A backup of the fidelity data set, unpacked with stock tools only.
struct Unpacked {
    scratch: Scratch,
    /// A folder for each archive, named after it.
    archives: Vec<PathBuf>,
    report: Value,
}

/// What `index.json` says of a segment.
struct Entry {
    file: PathBuf,
    first_offset: i64,
    next_offset: i64,
    records: u64,
    batches: u64,
    raw_bytes: u64,
    holes: Vec<(i64, i64)>,
}

/// Runs a stock tool, which must succeed and have nothing to remark; its output.
fn stock(tool: &str, arguments: &[&OsStr], directory: &Path) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {stderr}");
    assert_eq!(stderr, "", "{tool} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn untar(archive: &Path, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    let arguments = ["--zstd".as_ref(), "-xf".as_ref(), archive.as_os_str()];
    assert_eq!(stock("tar", &arguments, directory), "");
}

/// All files below a folder whose name ends like that.
pub(crate) fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = files_below(directory);
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// One backup for all tests here. It is not changed by them.
fn unpacked() -> &'static Unpacked {
    static UNPACKED: OnceLock<Unpacked> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let (cluster, _) = fidelity_cluster().unwrap();
        let program = Program::built().unwrap();
        let scratch = Scratch::new("readable").unwrap();
        let url = scratch.join("repository").display().to_string();
        init(&program, &url);
        // small ones, so that there are several archives, and segments that do not begin at 0
        let sizes = ["--segment-size", "1MiB", "--archive-size", "2MiB"];
        let report = backup(&program, &url, &cluster.bootstrap(), &sizes);
        let archives = files(&scratch.join("repository"), ".tar.zst")
            .into_iter()
            .filter(|archive| archive.to_string_lossy().contains("/data/"))
            .map(|archive| {
                let name = archive.file_name().unwrap().to_str().unwrap();
                let folder = scratch.join("unpacked").join(name.replace(".tar.zst", ""));
                untar(&archive, &folder);
                folder
            })
            .collect();
        Unpacked {
            scratch,
            archives,
            report,
        }
    })
}

impl Unpacked {
    fn total(&self, name: &str) -> u64 {
        self.report["commit"]["totals"][name].as_u64().unwrap()
    }

    /// Of all archives.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for folder in &self.archives {
            let ulid = folder.file_name().unwrap().to_str().unwrap();
            let index = json(&folder.join(format!("lifeboat/{ulid}.index.json")));
            assert_eq!(index["archive"], ulid);
            for segment in index["segments"].as_array().unwrap() {
                entries.push(Entry::new(folder, segment));
            }
        }
        entries
    }
}

impl Entry {
    fn new(folder: &Path, segment: &Value) -> Self {
        assert!(segment["further_holes"].is_null());
        let holes = segment["holes"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            file: folder.join(segment["member"].as_str().unwrap()),
            first_offset: segment["first_offset"].as_i64().unwrap(),
            next_offset: segment["next_offset"].as_i64().unwrap(),
            records: segment["record_count"].as_u64().unwrap(),
            batches: segment["batch_count"].as_u64().unwrap(),
            raw_bytes: segment["raw_bytes"].as_u64().unwrap(),
            holes: holes
                .iter()
                .map(|hole| {
                    (
                        hole["start"].as_i64().unwrap(),
                        hole["end"].as_i64().unwrap(),
                    )
                })
                .collect(),
        }
    }

    /// Kafka's tool sees exactly what the index says.
    fn check(&self, dumped: &DumpedFile) {
        let file = self.file.display();
        assert_eq!(
            fs::metadata(&self.file).unwrap().len(),
            self.raw_bytes,
            "{file}"
        );
        assert_eq!(dumped.batches, self.batches, "{file}");
        assert_eq!(dumped.records - dumped.markers, self.records, "{file}");
        assert_eq!(dumped.first_offset, Some(self.first_offset), "{file}");
        assert_eq!(dumped.last_offset, Some(self.next_offset - 1), "{file}");
        let compacted = self.file.to_string_lossy().contains("/compacted");
        if let Some(begins) = dumped.begins {
            let at_the_start = begins == self.first_offset || compacted;
            assert!(begins > 0 && at_the_start, "{file}: {begins}");
        }
        // between batches: exactly the index's holes, but for those before the first batch, which the tool can't see
        let seen: BTreeSet<_> = dumped
            .extents
            .windows(2)
            .map(|pair| (pair[0].1 + 1, pair[1].0))
            .filter(|(start, end)| start != end)
            .collect();
        let listed: BTreeSet<_> = self
            .holes
            .iter()
            .copied()
            .filter(|&(_, end)| end > self.first_offset)
            .collect();
        assert_eq!(seen, listed, "{file}");
        // what the tool remarks on is such a hole, or lies inside of a batch of a compacted topic
        for &(from, to) in &dumped.jumps {
            let of_holes = listed.iter().any(|&(start, end)| from < start && end <= to);
            assert!(from < to && (of_holes || compacted), "{file}: {from} {to}");
        }
        for &(start, end) in &listed {
            let told = dumped
                .jumps
                .iter()
                .any(|&(from, to)| from < start && end <= to);
            // a hole behind or before batches that compaction emptied has no record at one side
            assert!(told || compacted, "{file}: {start}..{end}");
        }
    }
}

#[test]
fn stock_tools_unpack_an_archive() {
    let unpacked = unpacked();
    assert!(unpacked.archives.len() > 1, "{:?}", unpacked.archives);
    assert_eq!(unpacked.archives.len() as u64, unpacked.total("archives"));
    let mut sound = 0;
    for folder in &unpacked.archives {
        let ulid = folder.file_name().unwrap().to_str().unwrap();
        let sums = format!("lifeboat/{ulid}.sha256");
        let said = stock("sha256sum", &["-c".as_ref(), sums.as_ref()], folder);
        assert!(said.lines().all(|line| line.ends_with(": OK")), "{said}");
        let checked: BTreeSet<_> = said
            .lines()
            .map(|line| folder.join(line.replace(": OK", "")))
            .collect();
        // nothing else came out of the archive
        let mut all: BTreeSet<_> = files(folder, "").into_iter().collect();
        assert!(all.remove(&folder.join(&sums)));
        assert!(all.remove(&folder.join(format!("lifeboat/{ulid}.index.json"))));
        assert_eq!(checked, all);
        sound += checked.len();
    }
    let entries = unpacked.entries();
    assert_eq!(entries.len(), sound);
    let records: u64 = entries.iter().map(|entry| entry.records).sum();
    assert_eq!(records, unpacked.total("records"));
}

#[test]
fn stock_tools_read_settings_groups_lists_and_the_manifest() {
    let unpacked = unpacked();
    let repository = unpacked.scratch.join("repository");
    let snapshot = unpacked.report["commit"]["snapshot"].as_str().unwrap();
    let find = |ending: &str| {
        let found = files(&repository, &format!("/{ending}"));
        assert_eq!(found.len(), 1, "{ending}: {found:?}");
        found[0].clone()
    };

    let folder = unpacked.scratch.join("metadata");
    untar(&find(&format!("metadata/{snapshot}.tar.zst")), &folder);
    let said = stock(
        "sha256sum",
        &["-c".as_ref(), "documents.sha256".as_ref()],
        &folder,
    );
    let documents = [
        "cluster", "topics", "groups", "configs", "acls", "quotas", "features", "tokens", "scram",
    ];
    assert_eq!(
        said,
        documents.map(|name| format!("{name}.json: OK\n")).concat()
    );
    let (cluster, written) = fidelity_cluster().unwrap();
    assert_eq!(
        json(&folder.join("cluster.json"))["cluster_id"],
        cluster.cluster_id()
    );
    let named: BTreeSet<_> = json(&folder.join("topics.json"))["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| topic["topic"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, written.topics.iter().cloned().collect());
    let groups = json(&folder.join("groups.json"))["groups"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(groups as u64, unpacked.total("groups"));

    let plain = |object: PathBuf| stock("zstd", &["-dc".as_ref(), object.as_os_str()], &repository);
    let manifest: Value =
        serde_json::from_str(&plain(find(&format!("manifests/{snapshot}.json.zst")))).unwrap();
    assert_eq!(manifest["snapshot"], snapshot);
    let lists = plain(find(&format!("lists/{snapshot}.json.zst")));
    let lists: Vec<Value> = serde_json::Deserializer::from_str(&lists)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lists.len(), written.topics.len());
    // the lists lead to each segment of each archive, and to no other
    let mut listed = BTreeMap::new();
    for list in &lists {
        for segment in list["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|partition| partition["segments"].as_array().unwrap())
        {
            let archive = usize::try_from(segment["archive"].as_u64().unwrap()).unwrap();
            let object = list["archives"][archive]["object"].as_str().unwrap();
            let (_, name) = object.rsplit_once('/').unwrap();
            let folder = unpacked
                .scratch
                .join("unpacked")
                .join(name.replace(".tar.zst", ""));
            let entry = Entry::new(&folder, &segment["entry"]);
            listed.insert(entry.file, entry.raw_bytes);
        }
    }
    let inside: BTreeMap<_, _> = unpacked
        .entries()
        .into_iter()
        .map(|entry| (entry.file, entry.raw_bytes))
        .collect();
    assert_eq!(listed, inside);
}

#[test]
fn kafka_accepts_every_segment() {
    let unpacked = unpacked();
    let (cluster, _) = fidelity_cluster().unwrap();
    let entries = unpacked.entries();
    let members: Vec<_> = unpacked
        .archives
        .iter()
        .flat_map(|folder| segment_files(folder).unwrap())
        .collect();
    assert_eq!(members.len(), entries.len());
    let dumped = dump_segments(cluster.home(), &members).unwrap();
    assert!(dumped.success);
    assert_eq!(dumped.complaints, Vec::<String>::new());
    assert_eq!(dumped.files.len(), entries.len());
    for entry in &entries {
        entry.check(&dumped.files[&entry.file]);
    }
    assert!(entries.iter().any(|entry| entry.first_offset > 0));
    assert!(entries.iter().any(|entry| !entry.holes.is_empty()));
}
