//! The object store, in our words: create-only writes, checked names, sorted errors.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use lifeboat_archive::words::Timestamp;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, WriteMultipart, path::Path,
};

use crate::{RepositoryError, layout};

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

    /// Writes an object that must not be there yet. It appears whole or not at all.
    pub(crate) async fn create(
        &self,
        object: &str,
        bytes: Bytes,
    ) -> Result<Created, RepositoryError> {
        let path = layout::path_of(object)?;
        let options = PutOptions::from(if self.single_writer {
            if self.is_there(object, &path).await? {
                return Ok(Created::Before);
            }
            PutMode::Overwrite
        } else {
            PutMode::Create
        });
        match self.inner.put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(Created::Now),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Before),
            Err(error) => Err(RepositoryError::from_store("write", object, error)),
        }
    }

    /// The same, where the object may be there already if it is the very same one: a write whose answer was lost.
    pub(crate) async fn create_same(
        &self,
        object: &str,
        bytes: Bytes,
    ) -> Result<(), RepositoryError> {
        if self.create(object, bytes.clone()).await? == Created::Now {
            return Ok(());
        }
        let there = self.read_whole(object, bytes.len() as u64).await;
        match there {
            Ok(there) if there == bytes => Ok(()),
            Ok(_) | Err(RepositoryError::Damaged { .. }) => Err(RepositoryError::Exists {
                object: object.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Begins a large object. It appears, whole, when the upload is finished.
    pub(crate) async fn begin_upload(
        &self,
        object: &str,
    ) -> Result<WriteMultipart, RepositoryError> {
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
        let upload = self
            .inner
            .put_multipart_opts(&path, options)
            .await
            .map_err(|error| RepositoryError::from_store("write", object, error))?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
    }

    async fn is_there(&self, object: &str, path: &Path) -> Result<bool, RepositoryError> {
        match self.inner.head(path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(RepositoryError::from_store("look for", object, error)),
        }
    }

    pub(crate) async fn size(&self, object: &str) -> Result<u64, RepositoryError> {
        let path = layout::path_of(object)?;
        let meta = self.inner.head(&path).await;
        let meta = meta.map_err(|error| RepositoryError::from_store("look at", object, error))?;
        Ok(meta.size)
    }

    /// A whole object of at most `limit` bytes; a larger one is damage.
    pub(crate) async fn read_whole(
        &self,
        object: &str,
        limit: u64,
    ) -> Result<Bytes, RepositoryError> {
        let path = layout::path_of(object)?;
        let sorted = |error| RepositoryError::from_store("read", object, error);
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
                Err(RepositoryError::from_store("read", object, error))
            }
            // a range that begins behind the end is refused in words of its own by every store
            Err(error) => match self.inner.head(&path).await {
                Ok(meta) if meta.size < range.end => Err(too_short(object, range.end)),
                _ => Err(RepositoryError::from_store("read", object, error)),
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
        let listed = self.inner.list(Some(&path)).map_ok(|meta| StoredObject {
            object: meta.location.to_string(),
            size: meta.size,
            modified: Timestamp::from_millis(meta.last_modified.timestamp_millis()),
        });
        let listed = listed.try_collect().await;
        listed.map_err(|error| RepositoryError::from_store("list", folder, error))
    }

    /// The names of the folders and objects right below `folder`, or below the top.
    pub(crate) async fn children(&self, folder: Option<&str>) -> Result<Children, RepositoryError> {
        let path = folder.map(layout::path_of).transpose()?;
        let listed = self.inner.list_with_delimiter(path.as_ref()).await;
        let listed = listed.map_err(|error| {
            RepositoryError::from_store("list", folder.unwrap_or("the repository"), error)
        })?;
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
