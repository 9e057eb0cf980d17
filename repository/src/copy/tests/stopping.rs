//! A store that stops in the middle of what is done to it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream::BoxStream};
use lifeboat_config::RepositoryUrl;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
    local::LocalFileSystem, path::Path,
};

use crate::{store::Store, testing::folder_of};

/// A local store that does so many operations and then none any more, as if whoever uses it were killed.
#[derive(Clone, Debug)]
pub(super) struct StoppingStore {
    inner: Arc<LocalFileSystem>,
    operations: Arc<AtomicUsize>,
    last: usize,
    /// The last operation is done, and its answer is lost.
    reply_lost: bool,
}

enum Turn {
    Works,
    /// It is done, and nobody hears of it.
    Unheard,
    Stopped,
}

fn stopped() -> Error {
    Error::Generic {
        store: "stopping",
        source: "it has stopped".into(),
    }
}

impl StoppingStore {
    pub(super) fn over(url: &RepositoryUrl, last: usize, reply_lost: bool) -> Self {
        Self {
            inner: Arc::new(LocalFileSystem::new_with_prefix(folder_of(url)).unwrap()),
            operations: Arc::default(),
            last,
            reply_lost,
        }
    }

    pub(super) fn store(&self) -> Store {
        Store::new(Arc::new(self.clone()))
    }

    /// Whether everything was done before it would have stopped.
    pub(super) fn has_outlived(&self) -> bool {
        self.operations.load(Ordering::SeqCst) <= self.last
    }

    fn turn(&self) -> Turn {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        if number < self.last {
            Turn::Works
        } else if number == self.last && self.reply_lost {
            Turn::Unheard
        } else {
            Turn::Stopped
        }
    }

    async fn does<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.turn() {
            Turn::Works => work.await,
            Turn::Unheard => {
                work.await?;
                Err(stopped())
            }
            Turn::Stopped => Err(stopped()),
        }
    }
}

impl fmt::Display for StoppingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoppingStore")
    }
}

#[async_trait]
impl ObjectStore for StoppingStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.does(self.inner.put_opts(location, payload, options))
            .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.does(self.inner.put_multipart_opts(location, options));
        Ok(Box::new(StoppingUpload {
            inner: upload.await?,
            store: self.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.does(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        // a copy deletes nothing
        locations.map(|_| Err(stopped())).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.turn() {
            Turn::Works => self.inner.list(prefix),
            _ => futures::stream::once(async { Err(stopped()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.does(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.does(self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct StoppingUpload {
    inner: Box<dyn MultipartUpload>,
    store: StoppingStore,
}

#[async_trait]
impl MultipartUpload for StoppingUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (store, part) = (self.store.clone(), self.inner.put_part(part));
        async move { store.does(part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.does(self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.does(self.inner.abort()).await
    }
}
