//! The object store, in our words: create-only writes, checked names, sorted errors.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use lifeboat_archive::words::Timestamp;
use object_store::{
    Attribute, Attributes, GetOptions, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, RetryConfig, path::Path,
};

use crate::{
    RepositoryError,
    error::{is_conflict, is_unanswered},
    layout,
    leftovers::Leftovers,
    patience::Patience,
    remote,
};

/// Bytes of one part of a large upload.
pub(crate) const PART_BYTES: usize = 8 << 20;
/// Bytes of one read of a stream.
const READ_BYTES: u64 = 4 << 20;
/// How many reads a stream has under way at once.
const READS_AHEAD: usize = 2;

/// An object store whose objects are created once and never changed.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    inner: Arc<dyn ObjectStore>,
    /// What archives are stored as; the bucket's default where nothing was said.
    storage_class: Option<Arc<str>>,
    /// The store can't refuse to overwrite: we look first, and nobody else may write meanwhile.
    single_writer: bool,
    /// How long what was lost on the way is tried again.
    retries: RetryConfig,
    /// The repository was read before: whoever we are, the store knew us.
    found: bool,
    leftovers: Leftovers,
}

/// How a create-only write ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is ours.
    Now,
    /// There was one already, and it is as it was.
    Before,
}

impl Store {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            storage_class: None,
            single_writer: false,
            retries: remote::soon(),
            found: false,
            leftovers: Leftovers::default(),
        }
    }

    pub(crate) fn with_retries(self, retries: RetryConfig) -> Self {
        Self { retries, ..self }
    }

    /// From now on the store is one that had accepted us.
    pub(crate) fn found(self) -> Self {
        Self {
            found: true,
            ..self
        }
    }

    pub(crate) fn with_storage_class(self, class: Option<&str>) -> Self {
        Self {
            storage_class: class.map(Arc::from),
            ..self
        }
    }

    pub(crate) fn with_single_writer(self, single_writer: bool) -> Self {
        Self {
            single_writer,
            ..self
        }
    }

    pub(crate) fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    pub(crate) fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    pub(crate) fn patience(&self) -> Patience<'_> {
        Patience::new(&self.retries)
    }

    /// What a failure of the store comes to.
    pub(crate) fn error(
        &self,
        operation: &'static str,
        object: &str,
        error: object_store::Error,
    ) -> RepositoryError {
        let sorted = RepositoryError::from_store(operation, object, error);
        if self.found {
            sorted.of_one_that_was_known()
        } else {
            sorted
        }
    }

    /// Asks again as long as answers are lost on the way.
    pub(crate) async fn again<T, F>(
        &self,
        object: &str,
        mut ask: impl FnMut() -> F,
    ) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut patience = self.patience();
        loop {
            match ask().await {
                Err(error) if patience.allows(object, &error).await => {}
                answered => return answered,
            }
        }
    }

    /// Writes once. What became of it stays unknown where the answer is lost.
    pub(crate) async fn put(
        &self,
        path: &Path,
        bytes: &Bytes,
        mode: PutMode,
    ) -> object_store::Result<()> {
        let put = self
            .inner
            .put_opts(path, bytes.clone().into(), mode.into())
            .await;
        put.map(|_| ())
    }

    /// Writes an object that must not be there yet. It appears whole or not at all.
    ///
    /// `Before` may be our own doing: an answer may have been lost on the way. Who needs to know looks what is there.
    pub(crate) async fn create(
        &self,
        object: &str,
        bytes: Bytes,
    ) -> Result<Created, RepositoryError> {
        let path = layout::path_of(object)?;
        let mode = if self.single_writer {
            if self.is_there(object, &path).await? {
                return Ok(Created::Before);
            }
            PutMode::Overwrite
        } else {
            PutMode::Create
        };
        let mut patience = self.patience();
        loop {
            match self.put(&path, &bytes, mode.clone()).await {
                Ok(()) => return Ok(Created::Now),
                // not every conflict is about an object that is there
                Err(error @ object_store::Error::AlreadyExists { .. }) if !is_conflict(&error) => {
                    return Ok(Created::Before);
                }
                // Looked for before it is sent again, or given up: a store may refuse a large body, and close the
                // connection, before it has read all of it; whoever is still sending then never gets to read why.
                Err(error) => {
                    let again = patience.allows(object, &error).await;
                    if is_unanswered(&error) && self.inner.head(&path).await.is_ok() {
                        return Ok(Created::Before);
                    }
                    if !again {
                        return Err(self.error("write", object, error));
                    }
                }
            }
        }
    }

    /// The same, where the object may be there already if it is the very same one: a write whose answer was lost.
    pub(crate) async fn create_same(
        &self,
        object: &str,
        bytes: Bytes,
    ) -> Result<(), RepositoryError> {
        let mut patience = self.patience();
        loop {
            if self.create(object, bytes.clone()).await? == Created::Now {
                return Ok(());
            }
            match self.read_whole(object, bytes.len() as u64).await {
                Ok(there) if there == bytes => return Ok(()),
                Ok(_) | Err(RepositoryError::Damaged { .. }) => {
                    return Err(RepositoryError::Exists {
                        object: object.to_owned(),
                    });
                }
                // it was not written, whatever the store has said
                Err(RepositoryError::NotFound { .. }) => patience.contradicted(object).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The same, and asks the store whether all of it is there: what is named next never names what is not whole.
    pub(crate) async fn create_confirmed(
        &self,
        object: &str,
        bytes: Bytes,
    ) -> Result<(), RepositoryError> {
        let size = bytes.len() as u64;
        self.create_same(object, bytes).await?;
        self.confirm_size(object, size).await
    }

    /// Whether the object that was written has so many bytes.
    pub(crate) async fn confirm_size(
        &self,
        object: &str,
        size: u64,
    ) -> Result<(), RepositoryError> {
        let stored = self.size(object).await?;
        if stored == size {
            return Ok(());
        }
        let problem = format!("{stored} bytes are stored of the {size} that were written");
        Err(RepositoryError::damaged(object, problem))
    }

    /// Begins a large object. It appears, whole, when the upload is finished.
    pub(crate) async fn begin_upload(
        &self,
        object: &str,
    ) -> Result<Box<dyn MultipartUpload>, RepositoryError> {
        let path = layout::path_of(object)?;
        // Stores can't make large uploads create-only: this check, and names that are never used twice, must do.
        if self.is_there(object, &path).await? {
            return Err(RepositoryError::Exists {
                object: object.to_owned(),
            });
        }
        let mut attributes = Attributes::new();
        if let Some(class) = &self.storage_class {
            attributes.insert(Attribute::StorageClass, class.to_string().into());
        }
        let options = PutMultipartOptions {
            attributes,
            ..PutMultipartOptions::default()
        };
        let begin = || self.inner.put_multipart_opts(&path, options.clone());
        let begun = self.again(object, begin).await;
        begun.map_err(|error| self.error("write", object, error))
    }

    async fn is_there(&self, object: &str, path: &Path) -> Result<bool, RepositoryError> {
        match self.inner.head(path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.error("look for", object, error)),
        }
    }

    pub(crate) async fn size(&self, object: &str) -> Result<u64, RepositoryError> {
        let path = layout::path_of(object)?;
        let meta = self.inner.head(&path).await;
        let meta = meta.map_err(|error| self.error("look at", object, error))?;
        Ok(meta.size)
    }

    /// A whole object of at most `limit` bytes; a larger one is damage.
    pub(crate) async fn read_whole(
        &self,
        object: &str,
        limit: u64,
    ) -> Result<Bytes, RepositoryError> {
        let path = layout::path_of(object)?;
        let sorted = |error| self.error("read", object, error);
        let found = self
            .inner
            .get_opts(&path, GetOptions::new())
            .await
            .map_err(sorted)?;
        // before the memory for it is taken
        if found.meta.size > limit {
            let problem = format!("it has {} bytes, more than {limit}", found.meta.size);
            return Err(RepositoryError::damaged(object, problem));
        }
        found.bytes().await.map_err(sorted)
    }

    /// Exactly the bytes of `range`; an object that ends before is damaged.
    pub(crate) async fn read_range(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> Result<Bytes, RepositoryError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let path = layout::path_of(object)?;
        match self.inner.get_range(&path, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) => Err(too_short(object, range.end)),
            Err(error @ object_store::Error::NotFound { .. }) => {
                Err(self.error("read", object, error))
            }
            // a range that begins behind the end is refused in words of its own by every store
            Err(error) => match self.inner.head(&path).await {
                Ok(meta) if meta.size < range.end => Err(too_short(object, range.end)),
                _ => Err(self.error("read", object, error)),
            },
        }
    }

    /// The bytes of `range`, a few MiB at a time.
    pub(crate) fn stream_range(
        &self,
        object: &str,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, RepositoryError>> {
        let store = self.clone();
        let object: Arc<str> = object.into();
        let mut next = range.start;
        // many ranged reads instead of one long answer: a slow reader holds no connection open, and the local store
        // would hand out 8 KiB at a time
        let pieces = std::iter::from_fn(move || {
            let piece = next..range.end.min(next.saturating_add(READ_BYTES));
            next = piece.end;
            (!piece.is_empty()).then_some(piece)
        });
        futures::stream::iter(pieces)
            .map(move |piece| {
                let (store, object) = (store.clone(), Arc::clone(&object));
                async move { store.read_range(&object, piece).await }
            })
            .buffered(READS_AHEAD)
            .boxed()
    }

    /// The names of all objects below `folder`, in order.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<String>, RepositoryError> {
        let objects = self.list_objects(folder).await?.into_iter();
        let mut names: Vec<_> = objects.map(|object| object.object).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All objects below `folder`, with their sizes.
    pub(crate) async fn list_objects(
        &self,
        folder: &str,
    ) -> Result<Vec<StoredObject>, RepositoryError> {
        let path = layout::path_of(folder)?;
        let stored = |meta: ObjectMeta| StoredObject {
            object: meta.location.to_string(),
            size: meta.size,
            modified: Timestamp::from_millis(meta.last_modified.timestamp_millis()),
        };
        let list = || self.inner.list(Some(&path)).map_ok(stored).try_collect();
        let listed = self.again(folder, list).await;
        listed.map_err(|error| self.error("list", folder, error))
    }

    /// The names of the folders and objects right below `folder`, or below the top.
    pub(crate) async fn children(&self, folder: Option<&str>) -> Result<Children, RepositoryError> {
        let path = folder.map(layout::path_of).transpose()?;
        let shown = folder.unwrap_or("the repository");
        let list = || self.inner.list_with_delimiter(path.as_ref());
        let listed = self.again(shown, list).await;
        let listed = listed.map_err(|error| self.error("list", shown, error))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(Children {
            folders: listed.common_prefixes.iter().filter_map(name).collect(),
            objects: listed
                .objects
                .iter()
                .filter_map(|meta| name(&meta.location))
                .collect(),
        })
    }
}

/// An object as a listing tells it.
#[derive(Clone, Debug)]
pub(crate) struct StoredObject {
    pub(crate) object: String,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
}

/// What is right below a folder.
#[derive(Debug)]
pub(crate) struct Children {
    pub(crate) folders: Vec<String>,
    pub(crate) objects: Vec<String>,
}

fn too_short(object: &str, end: u64) -> RepositoryError {
    RepositoryError::damaged(object, format!("it ends before byte {end}"))
}

#[cfg(test)]
mod tests;
