//! Where everything is: the only place in which object names are built and checked.
//!
//! ```text
//! lifeboat.json                                  what makes a folder a repository
//! README.txt                                     how to read everything with stock tools
//! probe/…                                        what `init` tried and was not allowed to remove
//! <cluster-id>/data/<yyyy-mm-dd>/<ulid>.tar.zst  archives
//! <cluster-id>/metadata/<snapshot>.tar.zst       cluster documents
//! <cluster-id>/lists/<snapshot>.json.zst         segment lists, one zstd frame a topic
//! <cluster-id>/manifests/<snapshot>.json.zst     manifests
//! <cluster-id>/commits/<20-digit sequence>.json  commits
//! <cluster-id>/progress/<snapshot>/<6-digit number>.json.zst  what a backup has stored that is not committed yet
//! <cluster-id>/results/<snapshot>/<time>-<random>.json  what verifications, comparisons and rehearsals found
//! ```
//!
//! Archives and documents that are sealed have `.age` behind their names.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use lifeboat_archive::words::{SnapshotId, Timestamp};
use object_store::path::Path;
use ulid::Ulid;

use crate::RepositoryError;

/// The object that makes a folder a repository.
pub(crate) const ROOT: &str = "lifeboat.json";
/// What a person finds who has nothing else.
pub(crate) const README: &str = "README.txt";
/// The folder in which `init` tries what the store can do. What is left there means nothing.
pub(crate) const PROBE: &str = "probe";

/// What the names of sealed objects end in.
const SEALED: &str = ".age";

const FOLDERS: [&str; 7] = [
    "data",
    "metadata",
    "lists",
    "manifests",
    "commits",
    "progress",
    "results",
];

/// The names of one cluster's objects.
#[derive(Clone, Debug)]
pub(crate) struct ClusterLayout {
    cluster: Arc<str>,
}

impl ClusterLayout {
    pub(crate) fn new(cluster: &str) -> Result<Self, RepositoryError> {
        // a folder that is called like one of the files beside it could not be made
        if is_plain(cluster) && cluster.len() <= 200 && ![ROOT, README, PROBE].contains(&cluster) {
            Ok(Self {
                cluster: cluster.into(),
            })
        } else {
            Err(RepositoryError::BadClusterId {
                cluster: cluster.to_owned(),
            })
        }
    }

    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The folder of all archives.
    pub(crate) fn archives(&self) -> String {
        format!("{}/data", self.cluster)
    }

    pub(crate) fn archive(&self, begun: Timestamp, ulid: Ulid) -> String {
        format!("{}/data/{}/{ulid}.tar.zst", self.cluster, begun.day())
    }

    pub(crate) fn documents(&self, snapshot: &SnapshotId) -> String {
        format!("{}/metadata/{snapshot}.tar.zst", self.cluster)
    }

    pub(crate) fn lists(&self, snapshot: &SnapshotId) -> String {
        format!("{}/lists/{snapshot}.json.zst", self.cluster)
    }

    pub(crate) fn manifests(&self) -> String {
        format!("{}/manifests/", self.cluster)
    }

    pub(crate) fn manifest(&self, snapshot: &SnapshotId) -> String {
        format!("{}/manifests/{snapshot}.json.zst", self.cluster)
    }

    pub(crate) fn all_progress(&self) -> String {
        format!("{}/progress", self.cluster)
    }

    pub(crate) fn progress(&self, snapshot: &SnapshotId, number: u32) -> String {
        format!("{}/{snapshot}/{number:06}.json.zst", self.all_progress())
    }

    /// Which run a note belongs to, and which of its notes it is; `None` for any other file.
    pub(crate) fn progress_of(&self, object: &str) -> Option<(SnapshotId, u32)> {
        let name = object
            .strip_prefix(&self.all_progress())?
            .strip_prefix('/')?;
        let (snapshot, name) = name.split_once('/')?;
        let number = name.strip_suffix(".json.zst")?.parse().ok()?;
        let snapshot = snapshot.parse().ok()?;
        (self.progress(&snapshot, number) == object).then_some((snapshot, number))
    }

    pub(crate) fn commits(&self) -> String {
        format!("{}/commits", self.cluster)
    }

    pub(crate) fn commit(&self, sequence: u64) -> String {
        format!("{}/commits/{sequence:020}.json", self.cluster)
    }

    pub(crate) fn results(&self) -> String {
        format!("{}/results", self.cluster)
    }

    pub(crate) fn results_of(&self, snapshot: &SnapshotId) -> String {
        format!("{}/{snapshot}", self.results())
    }

    /// The name of a result; names sort by the time.
    pub(crate) fn result(&self, snapshot: &SnapshotId, at: Timestamp, lot: &str) -> String {
        let (seconds, millis) = (at.compact(), at.as_millis().rem_euclid(1_000));
        let seconds = seconds.trim_end_matches('Z');
        let folder = self.results_of(snapshot);
        format!("{folder}/{seconds}.{millis:03}Z-{lot}.json")
    }

    /// Which snapshot a result is about; `None` for any other file.
    pub(crate) fn result_of(&self, object: &str) -> Option<SnapshotId> {
        let name = object.strip_prefix(&self.results())?.strip_prefix('/')?;
        let (snapshot, name) = name.split_once('/')?;
        let name = name.strip_suffix(".json")?;
        let (time, lot) = name.split_once("Z-")?;
        let time = time.len() == "20260823T020000.123".len() && time.starts_with('2');
        let lot = !lot.is_empty() && lot.bytes().all(|byte| byte.is_ascii_alphanumeric());
        snapshot.parse().ok().filter(|_| time && lot)
    }

    /// The sequence number in a commit's name; `None` for any other file.
    pub(crate) fn sequence(&self, object: &str) -> Option<u64> {
        let name = object.strip_prefix(&self.commits())?.strip_prefix('/')?;
        let digits = name.strip_suffix(".json")?;
        let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| all_digits)
    }
}

/// Whether what is stored under that name is encrypted as a whole (age).
pub fn is_sealed(object: &str) -> bool {
    object.ends_with(SEALED)
}

/// The name under which an object is stored sealed.
pub(crate) fn sealed(object: String) -> String {
    object + SEALED
}

/// A name that was never used: its time comes first, so that names sort by it.
pub(crate) fn new_ulid(now: Timestamp) -> Ulid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    Ulid::from_datetime(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
}

/// Whether a folder of that name, with these folders inside, is a cluster's.
pub(crate) fn is_cluster<'f>(name: &str, mut folders: impl Iterator<Item = &'f str>) -> bool {
    ClusterLayout::new(name).is_ok() && folders.any(|folder| FOLDERS.contains(&folder))
}

/// The store's path of an object whose name was read from somewhere.
///
/// A name that leads out of the repository, or that this program never writes, is damage.
pub(crate) fn path_of(object: &str) -> Result<Path, RepositoryError> {
    if object.split('/').all(is_plain) && object.len() <= 1_024 {
        return Ok(Path::from(object));
    }
    let shown: String = object.chars().take(200).collect();
    Err(RepositoryError::damaged(
        &shown,
        "not the name of an object of a repository",
    ))
}

/// One part of a name: letters, digits, `.`, `_`, `-`, and neither `.` nor `..`.
fn is_plain(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> ClusterLayout {
        ClusterLayout::new("NrI2qCTxevO5IomtUq8w-_").unwrap()
    }

    #[test]
    fn names_are_as_the_design_says() {
        let layout = ClusterLayout::new("c").unwrap();
        let snapshot: SnapshotId = "20260823T020000Z-k3fa".parse().unwrap();
        let day = Timestamp::from_millis(1_787_450_400_000);
        let ulid = Ulid::from_parts(1, 2);
        assert_eq!(
            layout.archive(day, ulid),
            format!("c/data/2026-08-23/{ulid}.tar.zst")
        );
        assert_eq!(
            layout.documents(&snapshot),
            format!("c/metadata/{snapshot}.tar.zst")
        );
        assert_eq!(
            layout.lists(&snapshot),
            format!("c/lists/{snapshot}.json.zst")
        );
        assert_eq!(
            layout.manifest(&snapshot),
            format!("c/manifests/{snapshot}.json.zst")
        );
        assert_eq!(layout.commit(42), "c/commits/00000000000000000042.json");
        let sealed = sealed(layout.archive(day, ulid));
        assert_eq!(sealed, format!("c/data/2026-08-23/{ulid}.tar.zst.age"));
        assert!(is_sealed(&sealed) && !is_sealed(&layout.archive(day, ulid)));
    }

    #[test]
    fn every_name_that_is_built_is_a_name_that_is_accepted() {
        let layout = layout();
        let snapshot = SnapshotId::generate(Timestamp::from_millis(0));
        let archive = layout.archive(Timestamp::from_millis(0), Ulid::from_parts(0, 0));
        let names = [
            sealed(archive.clone()),
            archive,
            layout.documents(&snapshot),
            layout.lists(&snapshot),
            layout.manifest(&snapshot),
            layout.commit(u64::MAX),
            layout.progress(&snapshot, 7),
            layout.result(
                &snapshot,
                Timestamp::from_millis(1_787_450_400_007),
                "k3f9ab",
            ),
            ROOT.to_owned(),
            README.to_owned(),
        ];
        for name in names {
            assert_eq!(path_of(&name).unwrap().as_ref(), name);
        }
    }

    #[test]
    fn a_sequence_is_read_from_exactly_the_names_that_are_written() {
        let layout = layout();
        for sequence in [1, 42, u64::MAX] {
            assert_eq!(layout.sequence(&layout.commit(sequence)), Some(sequence));
        }
        let commits = layout.commits();
        for other in [
            format!("{commits}/1.json"),
            format!("{commits}/00000000000000000001.json.bak"),
            format!("{commits}/+0000000000000000001.json"),
            format!("{commits}/99999999999999999999.json"),
            format!("{commits}/old/00000000000000000001.json"),
            "x/commits/00000000000000000001.json".to_owned(),
        ] {
            assert_eq!(layout.sequence(&other), None, "{other}");
        }
    }

    #[test]
    fn a_note_is_read_from_exactly_the_names_that_are_written() {
        let layout = layout();
        let snapshot = SnapshotId::generate(Timestamp::from_millis(0));
        for number in [0, 7, 1_000_000] {
            let object = layout.progress(&snapshot, number);
            assert_eq!(
                layout.progress_of(&object),
                Some((snapshot.clone(), number))
            );
        }
        let folder = layout.all_progress();
        for other in [
            format!("{folder}/{snapshot}/7.json.zst"),
            format!("{folder}/{snapshot}/000007.json"),
            format!("{folder}/000007.json.zst"),
            format!("{folder}/{snapshot}/x/000007.json.zst"),
        ] {
            assert_eq!(layout.progress_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_result_is_read_from_exactly_the_names_that_are_written() {
        let layout = layout();
        let snapshot = SnapshotId::generate(Timestamp::from_millis(0));
        let at = Timestamp::from_millis(1_787_450_400_007);
        let object = layout.result(&snapshot, at, "k3f9ab");
        assert!(
            object.ends_with("/20260823T020000.007Z-k3f9ab.json"),
            "{object}"
        );
        assert_eq!(layout.result_of(&object), Some(snapshot.clone()));
        let folder = layout.results();
        for other in [
            object.replace(".json", ".json.bak"),
            object.replace("k3f9ab", ""),
            format!("{folder}/{snapshot}/x/20260823T020000.007Z-k3f9ab.json"),
            format!("{folder}/20260823T020000.007Z-k3f9ab.json"),
            format!("{folder}/latest/20260823T020000.007Z-k3f9ab.json"),
        ] {
            assert_eq!(layout.result_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_stored_name_that_leads_elsewhere_is_refused() {
        for name in [
            "../etc/passwd",
            "c/../../etc/passwd",
            "/etc/passwd",
            "c//data",
            "c/./data",
            "c/data/",
            "",
            "c/%2e%2e/x",
            "c\\..\\x",
            "c/data/x#1",
            "c/da\0ta",
            "c/däta",
        ] {
            let refused = path_of(name);
            assert!(
                matches!(refused, Err(RepositoryError::Damaged { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_cluster_id_is_the_name_of_a_folder() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "lifeboat.json",
            "README.txt",
            "probe",
            "lost+found",
        ] {
            assert!(ClusterLayout::new(bad).is_err(), "{bad:?}");
        }
    }
}
