//! The two objects at the top of a repository.

use lifeboat_archive::{json::Document, words::Timestamp};
use serde::{Deserialize, Serialize};

/// `lifeboat.json`: what makes a folder a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// Its id: whatever is copied keeps it.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    /// The program that made it: `lifeboat 0.1.0`.
    pub(crate) created_by: String,
    /// The store overwrites: only one program may write at a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) single_writer: bool,
}

impl Document for Root {
    const FORMAT: &'static str = "lifeboat.repository";
}

/// How everything in here is read and restored without Lifeboat.
pub(crate) const README_TEXT: &str = "\
This folder is a Lifeboat repository: backups of Apache Kafka clusters.
Change nothing in here by hand. Everything can be read with zstd, tar, sha256sum, jq and Kafka's own tools.

What is where
  lifeboat.json                                  the repository's id and format
  <cluster-id>/commits/<number>.json             one small file for each snapshot; the highest number is the newest
  <cluster-id>/manifests/<snapshot>.json.zst     everything about a snapshot: topics, partitions, offsets, gaps
  <cluster-id>/lists/<snapshot>.json.zst         for each topic (one line of JSON each) its segments, and in which
                                                 archives they are
  <cluster-id>/metadata/<snapshot>.tar.zst       topics with their settings, consumer groups with their offsets
  <cluster-id>/data/<day>/<name>.tar.zst         archives: Kafka log segments
  <...>.tar.zst.age                              the same, encrypted with age (https://age-encryption.org)
  <cluster-id>/results/<snapshot>/<time>.json    what verifications of a snapshot found; no snapshot needs it
  probe/                                         what was tried when the repository was made; it means nothing
A file that no commit leads to belongs to a run that did not finish. It is not part of any snapshot.

Restoring with Lifeboat
  lifeboat snapshots --repository file:///this/folder
  lifeboat verify latest --repository file:///this/folder
  lifeboat restore latest --repository file:///this/folder --bootstrap-servers HOST:9092

Reading without Lifeboat
  the newest snapshot:       jq . \"$(ls <cluster-id>/commits/*.json | tail -n 1)\"
  its manifest:              zstd -dc <cluster-id>/manifests/<snapshot>.json.zst | jq .
  the topics' segments:      zstd -dc <cluster-id>/lists/<snapshot>.json.zst | jq .
  settings and groups:       tar --zstd -xf <cluster-id>/metadata/<snapshot>.tar.zst
  unpacking an archive:      tar --zstd -xf <cluster-id>/data/<day>/<name>.tar.zst
  checking what came out:    sha256sum -c lifeboat/<name>.sha256
  where it ends in .age:     age -d -i IDENTITY-FILE <...>.tar.zst.age | tar --zstd -x
  looking at the records:    kafka-dump-log.sh --deep-iteration --files <topic>-<partition>/<offset>.log

An unpacked archive holds <topic>-<partition>/<first offset>.log, with the record batches exactly as Kafka stored them.
The segments of a partition, from all the archives that its list names, are what Kafka's log directory held.

The sha256 in a commit, in lifeboat.json and in every other file that ends in it covers all bytes before the comma in
front of that field. Manifests, lists and settings have their sha256 in the file that names them, archives their
xxh3_128 (xxhsum -H2) in the lists, and each segment its sha256 in the archive. Of a file that ends in .age it is the
hash of the file as it is here, still encrypted.

What is encrypted opens with the identity (AGE-SECRET-KEY-1...) of any recipient that the backup had at that time. It
is not in here. The files of commits, manifests and lists are never encrypted: they hold names, offsets and counts.
";
