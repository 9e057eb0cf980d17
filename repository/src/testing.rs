//! What the tests of this crate stand on: scratch repositories, sample snapshots, a store that fails when told to.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use lifeboat_archive::{
    json::Sha256Hex,
    lists::{ObjectReference, PartitionList, TopicList, TransactionTable},
    manifest::{
        Commit, Manifest, ManifestPartition, ManifestTopic, SnapshotKind, SnapshotState, Totals,
    },
    words::{Clock, SnapshotId, Timestamp, TopicId},
};
use lifeboat_config::{Place, RepositoryUrl};
use object_store::{
    BackoffConfig, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    RetryConfig,
    client::{HttpError, HttpErrorKind},
    local::LocalFileSystem,
    path::Path,
};
use tempfile::TempDir;

use crate::{ClusterRepository, Repository, store::Store};

pub(crate) const CLUSTER: &str = "NrI2qCTxevO5IomtUq8w-_";
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_787_450_400_000);

/// A folder that goes away with the test.
pub(crate) fn scratch() -> (TempDir, RepositoryUrl) {
    let folder = tempfile::tempdir().unwrap();
    let url = RepositoryUrl::from_local_path(&folder.path().join("repository")).unwrap();
    (folder, url)
}

/// The folder behind such an address.
pub(crate) fn folder_of(url: &RepositoryUrl) -> &std::path::Path {
    match url.place() {
        Place::Folder(folder) => folder,
        Place::Bucket(bucket) => panic!("{bucket:?}"),
    }
}

/// A repository in such a folder.
pub(crate) async fn scratch_repository() -> (TempDir, Repository) {
    let (folder, url) = scratch();
    let repository = Repository::init(&url, &Clock::fixed(NOW)).await.unwrap();
    (folder, repository)
}

/// The `n`-th of a series of snapshot ids that share their first letters.
pub(crate) fn snapshot(n: u32) -> SnapshotId {
    let time = Timestamp::from_millis(NOW.as_millis() + i64::from(n) * 86_400_000);
    format!(
        "{}-aaa{}",
        time.compact(),
        char::from(b'a' + u8::try_from(n % 26).unwrap())
    )
    .parse()
    .unwrap()
}

pub(crate) fn manifest(snapshot: SnapshotId, documents: ObjectReference) -> Manifest {
    Manifest {
        snapshot,
        cluster_id: CLUSTER.to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: NOW,
        bounds_at: NOW,
        finished_at: NOW,
        created_by: "lifeboat test".to_owned(),
        topics: Vec::new(),
        documents,
        totals: Totals::default(),
        builds_on: None,
        problems: Vec::new(),
    }
}

pub(crate) fn commit(snapshot: SnapshotId, manifest: ObjectReference) -> Commit {
    Commit {
        sequence: 0,
        follows: None,
        snapshot,
        cluster_id: CLUSTER.to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: NOW,
        bounds_at: NOW,
        committed_at: NOW,
        manifest,
        totals: Totals::default(),
    }
}

/// A reference to an object that is not there.
pub(crate) fn nowhere(object: &str) -> ObjectReference {
    ObjectReference {
        object: object.to_owned(),
        size: 3,
        sha256: Sha256Hex::of(b"abc"),
    }
}

/// A commit without anything behind it.
pub(crate) fn bare_commit(n: u32) -> Commit {
    let snapshot = snapshot(n);
    let manifest = nowhere(&format!("{CLUSTER}/manifests/{snapshot}.json.zst"));
    commit(snapshot, manifest)
}

/// Commits bare snapshots 1 to `count`.
pub(crate) async fn commit_many(cluster: &ClusterRepository, count: u32) {
    for n in 1..=count {
        cluster.commit(bare_commit(n)).await.unwrap();
    }
}

pub(crate) fn list(topic: &str) -> TopicList {
    TopicList {
        topic: topic.to_owned(),
        topic_id: TopicId([7; 16]),
        archives: Vec::new(),
        partitions: vec![PartitionList {
            partition: 0,
            segments: Vec::new(),
            holes: Vec::new(),
            transactions: TransactionTable::default(),
        }],
    }
}

pub(crate) fn manifest_topic(
    topic: &str,
    list: lifeboat_archive::manifest::ListReference,
) -> ManifestTopic {
    ManifestTopic {
        topic: topic.to_owned(),
        topic_id: TopicId([7; 16]),
        list,
        cleanup: None,
        partitions: Vec::<ManifestPartition>::new(),
    }
}

/// What a [`FaultyStore`] does to writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The next `n` writes are done, and their answers are lost.
    ReplyLost(usize),
    /// The next `n` writes are done, and then the connection is reset. So is that of the end of every upload in parts,
    /// of which the store knows nothing any more when it is asked again.
    Reset(usize),
    /// The next `n` create-only writes are not done, and the store says that the object is there.
    ClaimsThere(usize),
    /// Commits are listed and can't be read: the store says that they are not there.
    LosesCommits,
    /// Whatever is written: no space is left.
    Full,
    /// What is there already is written over.
    Overwrites,
    /// Create-only writes are refused, whatever is there.
    NoCreate,
    /// Nothing may be deleted.
    NoDelete,
}

/// A local store whose writes fail as they are told to.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: LocalFileSystem,
    fault: Fault,
    writes: AtomicUsize,
    ranged_reads: AtomicUsize,
}

impl FaultyStore {
    pub(crate) fn over(url: &RepositoryUrl, fault: Fault) -> Store {
        let quickly = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(1),
                ..BackoffConfig::default()
            },
            ..RetryConfig::default()
        };
        Store::new(Arc::new(Self::new(url, fault))).with_retries(quickly)
    }

    pub(crate) fn new(url: &RepositoryUrl, fault: Fault) -> Self {
        Self {
            inner: LocalFileSystem::new_with_prefix(folder_of(url)).unwrap(),
            fault,
            writes: AtomicUsize::new(0),
            ranged_reads: AtomicUsize::new(0),
        }
    }
}

impl FaultyStore {
    /// How often parts of objects were read.
    pub(crate) fn ranged_reads(&self) -> usize {
        self.ranged_reads.load(Ordering::Relaxed)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn failure(error: io::Error) -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: Box::new(error),
    }
}

/// What a client is told of a connection that was reset when the request was sent.
fn reset() -> object_store::Error {
    let error = io::Error::from(io::ErrorKind::ConnectionReset);
    object_store::Error::Generic {
        store: "faulty",
        source: Box::new(HttpError::new(HttpErrorKind::Interrupted, error)),
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        match self.fault {
            Fault::Full => Err(failure(io::ErrorKind::StorageFull.into())),
            Fault::Overwrites => {
                self.inner
                    .put_opts(location, payload, PutMode::Overwrite.into())
                    .await
            }
            Fault::NoCreate if matches!(options.mode, PutMode::Create) => {
                Err(object_store::Error::NotImplemented {
                    operation: "create".to_owned(),
                    implementer: "faulty".to_owned(),
                })
            }
            Fault::NoCreate | Fault::NoDelete | Fault::LosesCommits => {
                self.inner.put_opts(location, payload, options).await
            }
            Fault::ClaimsThere(times) => {
                if self.writes.fetch_add(1, Ordering::Relaxed) < times {
                    return Err(object_store::Error::AlreadyExists {
                        path: location.to_string(),
                        source: "claimed".into(),
                    });
                }
                self.inner.put_opts(location, payload, options).await
            }
            Fault::Reset(times) => {
                let result = self.inner.put_opts(location, payload, options).await;
                if result.is_ok() && self.writes.fetch_add(1, Ordering::Relaxed) < times {
                    return Err(reset());
                }
                result
            }
            Fault::ReplyLost(lost) => {
                let result = self
                    .inner
                    .put_opts(location, payload.clone(), options.clone())
                    .await;
                if result.is_ok() && self.writes.fetch_add(1, Ordering::Relaxed) < lost {
                    // as clients of object stores do, it tries again by itself, and finds its own object
                    return self.inner.put_opts(location, payload, options).await;
                }
                result
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, options).await?;
        match self.fault {
            Fault::Full => Ok(Box::new(FullUpload(upload))),
            Fault::Reset(_) => Ok(Box::new(ForgottenUpload(upload))),
            _ => Ok(upload),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let ranged = usize::from(options.range.is_some());
        self.ranged_reads.fetch_add(ranged, Ordering::Relaxed);
        if matches!(self.fault, Fault::LosesCommits) && location.as_ref().contains("/commits/") {
            return Err(object_store::Error::NotFound {
                path: location.to_string(),
                source: "lost".into(),
            });
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.fault {
            Fault::NoDelete => locations
                .map(|location| {
                    Err(object_store::Error::PermissionDenied {
                        path: location?.to_string(),
                        source: "append only".into(),
                    })
                })
                .boxed(),
            _ => self.inner.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FullUpload(Box<dyn MultipartUpload>);

#[async_trait]
impl MultipartUpload for FullUpload {
    fn put_part(&mut self, _: PutPayload) -> object_store::UploadPart {
        Box::pin(std::future::ready(Err(failure(
            io::ErrorKind::StorageFull.into(),
        ))))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.0.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.abort().await
    }
}

/// Its end is done, and its answer lost.
#[derive(Debug)]
struct ForgottenUpload(Box<dyn MultipartUpload>);

#[async_trait]
impl MultipartUpload for ForgottenUpload {
    fn put_part(&mut self, part: PutPayload) -> object_store::UploadPart {
        self.0.put_part(part)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.0.complete().await?;
        Err(failure(io::Error::other("no such upload")))
    }

    async fn abort(&mut self) -> Result<()> {
        Err(failure(io::Error::other("nothing to give up")))
    }
}
