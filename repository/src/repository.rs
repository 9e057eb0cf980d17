//! A repository as a whole: made once, opened often.

use std::{ffi::OsString, fs::File, io, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use futures::stream::BoxStream;
use lifeboat_archive::{
    json::{self, Sha256Hex},
    lists::ObjectReference,
    words::{Clock, Timestamp},
};
use lifeboat_config::{Place, RepositoryLocation, RepositoryUrl};
use object_store::{ObjectStore, RetryConfig, local::LocalFileSystem};

use crate::{
    ClusterRepository, RepositoryError, StoreReport, Writers, layout,
    layout::ClusterLayout,
    probe::Prober,
    remote::{self, Remote},
    root::{README_TEXT, Root},
    sealed::Seals,
    store::{Created, Store},
};

/// No commit, and no `lifeboat.json`, is larger.
pub(crate) const SMALL_BYTES: u64 = 64 << 10;
/// Manifests and documents are read in one piece: none is larger, however many topics there are.
pub(crate) const WHOLE_BYTES: u64 = 256 << 20;

/// An open repository. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Repository {
    store: Store,
    url: Arc<str>,
    root: Arc<Root>,
    seals: Seals,
}

impl Repository {
    /// Makes a repository, with its folder where that is missing.
    ///
    /// A folder that holds other things is refused; one whose `init` was interrupted is completed.
    pub async fn init(
        at: impl Into<RepositoryLocation>,
        clock: &Clock,
    ) -> Result<Self, RepositoryError> {
        let (repository, _) = Self::init_for(at, Writers::Many, clock).await?;
        Ok(repository)
    }

    /// The same, and tells what the store was found to do.
    pub async fn init_for(
        at: impl Into<RepositoryLocation>,
        writers: Writers,
        clock: &Clock,
    ) -> Result<(Self, StoreReport), RepositoryError> {
        let at = at.into();
        let url = at.url.to_string();
        if let Place::Folder(folder) = at.url.place() {
            make_folder(folder)?;
        }
        let (store, remote) = store_at(&at, remote::soon())?;
        let prober = remote.as_ref().map(|remote| Prober {
            store: &store,
            remote,
            url: &url,
            clock,
        });
        Self::init_in(store.clone(), prober, &url, writers, clock.now()).await
    }

    pub(crate) async fn init_in(
        store: Store,
        prober: Option<Prober<'_>>,
        url: &str,
        writers: Writers,
        now: Timestamp,
    ) -> Result<(Self, StoreReport), RepositoryError> {
        match Self::open_in(store.clone(), url).await {
            Ok(there) => return Err(already(url, &there.root)),
            Err(RepositoryError::NoRepository { .. }) => {}
            Err(error) => return Err(error),
        }
        refuse_occupied(&store, url).await?;
        // Before anything is written that stays: everything rests on what is found here.
        let remote = match prober {
            Some(prober) => Some(prober.probe(writers).await?),
            None => None,
        };
        let single_writer = remote
            .as_ref()
            .is_some_and(|found| !found.conditional_create);
        let store = store.with_single_writer(single_writer);
        let root = Root {
            id: layout::new_ulid(now).to_string(),
            created_at: now,
            created_by: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
            single_writer,
        };
        // README first: it is only words. The root makes the folder a repository and comes last, so an interrupted
        // init leaves no repository, and the next one completes it.
        store
            .create(layout::README, Bytes::from_static(README_TEXT.as_bytes()))
            .await?;
        let bytes = Bytes::from(json::to_root(&root));
        if store.create(layout::ROOT, bytes.clone()).await? == Created::Before {
            // somebody else was faster, or it is ours and the store's answer was lost
            let there = Self::open_in(store.clone(), url).await?;
            if there.root.id != root.id {
                return Err(already(url, &there.root));
            }
        }
        // Everything rests on create-only writes: a store that overwrites would lose commits silently.
        if store.create(layout::ROOT, bytes).await? == Created::Now {
            return Err(RepositoryError::NoConditionalCreate {
                url: url.to_owned(),
            });
        }
        tracing::debug!(url, id = root.id, "made a repository");
        let repository = Self {
            store,
            url: url.into(),
            root: Arc::new(root),
            seals: Seals::default(),
        };
        Ok((repository, StoreReport { remote }))
    }

    /// Whether the options of its store make sense. Nobody is asked for anything.
    pub fn check_options(at: impl Into<RepositoryLocation>) -> Result<(), RepositoryError> {
        let at = at.into();
        match at.url.place() {
            Place::Folder(_) => Ok(()),
            Place::Bucket(_) => store_at(&at, remote::soon()).map(|_| ()),
        }
    }

    /// Opens a repository.
    pub async fn open(at: impl Into<RepositoryLocation>) -> Result<Self, RepositoryError> {
        let at = at.into();
        let (store, _) = store_at(&at, remote::soon())?;
        let found = Self::open_in(store, &at.url.to_string()).await?;
        // it is there: what fails from now on is worth to be waited for
        let (store, _) = store_at(&at, remote::patiently())?;
        Ok(Self {
            store: store.with_single_writer(found.root.single_writer).found(),
            ..found
        })
    }

    pub(crate) async fn open_in(store: Store, url: &str) -> Result<Self, RepositoryError> {
        let root = read_root(&store, url).await?;
        Ok(Self {
            store: store.with_single_writer(root.single_writer),
            url: url.into(),
            root: Arc::new(root),
            seals: Seals::default(),
        })
    }

    /// The repository's id.
    pub fn id(&self) -> &str {
        &self.root.id
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.root.created_at
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The ids of the clusters that it holds something of, in order.
    pub async fn clusters(&self) -> Result<Vec<String>, RepositoryError> {
        let mut clusters = Vec::new();
        for name in self.store.children(None).await?.folders {
            // a folder of somebody else (`lost+found`) is no cluster
            if ClusterLayout::new(&name).is_err() {
                continue;
            }
            let inside = self.store.children(Some(&name)).await?.folders;
            if layout::is_cluster(&name, inside.iter().map(String::as_str)) {
                clusters.push(name);
            }
        }
        clusters.sort_unstable();
        Ok(clusters)
    }

    /// The part of the repository that belongs to a cluster, whether there is anything in it or not.
    pub fn cluster(&self, id: &str) -> Result<ClusterRepository, RepositoryError> {
        Ok(ClusterRepository::new(
            self.clone(),
            ClusterLayout::new(id)?,
        ))
    }

    /// The cluster that is meant: `id`, which must be known, or the only one that there is.
    pub async fn choose_cluster(
        &self,
        id: Option<&str>,
    ) -> Result<ClusterRepository, RepositoryError> {
        let known = self.clusters().await?;
        match (id, known.as_slice()) {
            (Some(id), _) if known.iter().any(|there| there == id) => self.cluster(id),
            (Some(id), _) => Err(RepositoryError::ClusterUnknown {
                cluster: id.to_owned(),
                known,
            }),
            (None, [only]) => self.cluster(only),
            (None, []) => Err(RepositoryError::Empty {
                url: self.url.to_string(),
            }),
            (None, _) => Err(RepositoryError::SeveralClusters { known }),
        }
    }

    /// How many bytes an object has.
    pub async fn size(&self, object: &str) -> Result<u64, RepositoryError> {
        self.store.size(object).await
    }

    /// A small object, whole, with its size and hash checked.
    pub async fn read(&self, reference: &ObjectReference) -> Result<Bytes, RepositoryError> {
        let ObjectReference {
            object,
            size,
            sha256,
        } = reference;
        if *size > WHOLE_BYTES {
            let problem =
                format!("{size} bytes are more than any object that is read in one piece");
            return Err(RepositoryError::damaged(object, problem));
        }
        let bytes = self.store.read_whole(object, *size).await?;
        if bytes.len() as u64 != *size {
            let problem = format!("it has {} bytes instead of {size}", bytes.len());
            return Err(RepositoryError::damaged(object, problem));
        }
        check_sha256(object, &bytes, sha256)?;
        Ok(bytes)
    }

    /// Exactly the bytes of `range` (at most 256 MiB), unchecked.
    pub async fn read_range(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> Result<Bytes, RepositoryError> {
        if range.end.saturating_sub(range.start) > WHOLE_BYTES {
            let problem = format!(
                "bytes {}..{} are too many to be read in one piece",
                range.start, range.end
            );
            return Err(RepositoryError::damaged(object, problem));
        }
        self.store.read_range(object, range).await
    }

    /// The bytes of `range`, unchecked, in pieces of up to 4 MiB of which two are read ahead.
    ///
    /// An object that ends before the range does is damaged.
    pub fn stream_range(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, RepositoryError>> {
        self.store.stream_range(object, range)
    }

    /// Waits until what was begun and dropped is removed from the store: to be called before a program ends early.
    pub async fn settle(&self) {
        self.store.leftovers().cleared().await;
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn seals(&self) -> &Seals {
        &self.seals
    }

    pub(crate) fn seals_mut(&mut self) -> &mut Seals {
        &mut self.seals
    }

    /// Whether the repository that was opened is still there.
    ///
    /// A volume that was unmounted leaves an empty folder behind, in which commits would begin at number 1 again.
    pub(crate) async fn confirm(&self) -> Result<(), RepositoryError> {
        let root = read_root(&self.store, &self.url).await?;
        if root.id == self.root.id {
            return Ok(());
        }
        Err(RepositoryError::NoRepository {
            url: self.url.to_string(),
            problem: format!("another repository, {}, has taken its place", root.id),
        })
    }
}

pub(crate) fn check_sha256(
    object: &str,
    bytes: &[u8],
    expected: &Sha256Hex,
) -> Result<(), RepositoryError> {
    if Sha256Hex::of(bytes) == *expected {
        Ok(())
    } else {
        Err(RepositoryError::damaged(
            object,
            "its SHA-256 does not match what was written",
        ))
    }
}

async fn read_root(store: &Store, url: &str) -> Result<Root, RepositoryError> {
    match store.read_whole(layout::ROOT, SMALL_BYTES).await {
        Ok(bytes) => json::from_root(&bytes)
            .map_err(|error| RepositoryError::from_json(layout::ROOT, &error)),
        Err(RepositoryError::NotFound { .. }) => Err(RepositoryError::NoRepository {
            url: url.to_owned(),
            problem: format!("it holds no {}", layout::ROOT),
        }),
        Err(error) => Err(error),
    }
}

/// What a new repository may find: nothing of anybody's, an interrupted init, or what a file system has of itself.
async fn refuse_occupied(store: &Store, url: &str) -> Result<(), RepositoryError> {
    let there = store.children(None).await?;
    let harmless = |name: &str| {
        [layout::README, layout::PROBE, "lost+found"].contains(&name) || name.starts_with('.')
    };
    let mut names = there.objects.into_iter().chain(there.folders);
    match names.find(|name| !harmless(name)) {
        None => Ok(()),
        Some(found) => Err(RepositoryError::Occupied {
            url: url.to_owned(),
            found,
        }),
    }
}

fn already(url: &str, root: &Root) -> RepositoryError {
    RepositoryError::AlreadyInitialised {
        url: url.to_owned(),
        id: root.id.clone(),
    }
}

/// The store at that address, with the environment's part in what it is told.
fn store_at(
    at: &RepositoryLocation,
    retries: RetryConfig,
) -> Result<(Store, Option<Remote>), RepositoryError> {
    let bucket = match at.url.place() {
        Place::Folder(folder) => return Ok((local_store(&at.url, folder)?, None)),
        Place::Bucket(bucket) => bucket,
    };
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(text);
    let remote = remote::connect(&at.url, bucket, &at.options, environment, retries.clone())?;
    let store = Store::new(Arc::clone(&remote.store)).with_retries(retries);
    let store = store.with_storage_class(at.options.storage_class());
    Ok((store, Some(remote)))
}

/// The local folder as a store that has written what it says it has written.
fn local_store(url: &RepositoryUrl, path: &Path) -> Result<Store, RepositoryError> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => return Err(no_repository(url, "it is a file, not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(no_repository(url, "there is no such folder"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(no_repository(url, "a part of its path is a file"));
        }
        Err(error) => {
            return Err(RepositoryError::from_io(
                "open",
                &path.display().to_string(),
                error,
            ));
        }
    }
    let store = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| RepositoryError::from_store("open", &path.display().to_string(), error))?
        // without it a power cut could keep a commit and lose what the commit names
        .with_fsync(true);
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    Ok(Store::new(store))
}

fn no_repository(url: &RepositoryUrl, problem: &str) -> RepositoryError {
    RepositoryError::NoRepository {
        url: url.to_string(),
        problem: problem.to_owned(),
    }
}

/// Makes the folder and makes its being there durable: the store does that for what is below it only.
fn make_folder(path: &Path) -> Result<(), RepositoryError> {
    let mut missing = path;
    while let Err(error) = std::fs::symlink_metadata(missing) {
        match missing.parent() {
            Some(parent) if error.kind() == io::ErrorKind::NotFound => missing = parent,
            _ => break,
        }
    }
    let made = std::fs::create_dir_all(path).and_then(|()| {
        let new = path.ancestors().take_while(|folder| *folder != missing);
        for folder in new.filter_map(Path::parent) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    });
    made.map_err(|error| {
        RepositoryError::from_io("make the folder", &path.display().to_string(), error)
    })
}

#[cfg(test)]
mod tests;
