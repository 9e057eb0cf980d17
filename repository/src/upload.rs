//! Large objects, written in parts with bounded memory.

use bytes::Bytes;
use lifeboat_archive::{json::Xxh3Hex, lists::ArchiveReference};
use object_store::{MultipartUpload, PutPayloadMut};
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::{
    RepositoryError,
    sealed::Sealing,
    store::{PART_BYTES, Store},
};

/// How much is sealed before others have their turn: some hundred microseconds of arithmetic.
const SEALED_AT_ONCE: usize = 256 << 10;
/// How many parts are on their way at once.
const PARTS_IN_FLIGHT: usize = 2;

/// The parts of a large object, some of them on their way.
#[derive(Debug)]
struct Parts {
    upload: Box<dyn MultipartUpload>,
    buffer: PutPayloadMut,
    on_their_way: JoinSet<object_store::Result<()>>,
}

impl Parts {
    /// Waits until less than `limit` are on their way.
    async fn wait_for(&mut self, limit: usize) -> object_store::Result<()> {
        while self.on_their_way.len() >= limit.max(1)
            && let Some(ended) = self.on_their_way.join_next().await
        {
            ended??;
        }
        Ok(())
    }

    fn put(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let missing = PART_BYTES - self.buffer.content_length();
            self.buffer.push(bytes.split_to(missing.min(bytes.len())));
            if self.buffer.content_length() == PART_BYTES {
                self.send();
            }
        }
    }

    fn send(&mut self) {
        let part = std::mem::take(&mut self.buffer);
        self.on_their_way.spawn(self.upload.put_part(part.into()));
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        if !self.buffer.is_empty() {
            self.send();
        }
        self.wait_for(1).await?;
        self.upload.complete().await.map(|_| ())
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.on_their_way.shutdown().await;
        self.upload.abort().await
    }

    /// Removes what the store has of it, where another error is told already.
    async fn give_up(&mut self, object: &str) {
        if let Err(error) = self.abort().await {
            tracing::warn!(object, %error, "parts of an upload may be left in the store");
        }
    }
}

/// A large object that is being written: in parts, waiting where the store is slower than we are.
///
/// Dropped before its end it is given up: [`Leftovers::cleared`](crate::leftovers::Leftovers::cleared) waits for that.
#[derive(Debug)]
pub(crate) struct LargeUpload {
    store: Store,
    object: String,
    /// None at the end, and after a failure: what was stored of it is removed already.
    parts: Option<Parts>,
    written: u64,
}

impl LargeUpload {
    pub(crate) async fn begin(store: Store, object: String) -> Result<Self, RepositoryError> {
        let parts = Parts {
            upload: store.begin_upload(&object).await?,
            buffer: PutPayloadMut::new(),
            on_their_way: JoinSet::new(),
        };
        Ok(Self {
            store,
            object,
            parts: Some(parts),
            written: 0,
        })
    }

    pub(crate) fn object(&self) -> &str {
        &self.object
    }

    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), RepositoryError> {
        while !bytes.is_empty() {
            let Some(parts) = &mut self.parts else {
                return Err(given_up(&self.object));
            };
            // at most one part becomes full with each piece, so no more than PARTS_IN_FLIGHT are ever on their way
            let piece = bytes.split_to(bytes.len().min(PART_BYTES));
            if let Err(error) = parts.wait_for(PARTS_IN_FLIGHT).await {
                if let Some(mut parts) = self.parts.take() {
                    parts.give_up(&self.object).await;
                }
                return Err(self.store.error("write", &self.object, error));
            }
            self.written += piece.len() as u64;
            parts.put(piece);
        }
        Ok(())
    }

    /// Makes the object appear, and asks the store whether all of it arrived. Tells the object's path.
    pub(crate) async fn finish(mut self, size: u64) -> Result<String, RepositoryError> {
        let object = std::mem::take(&mut self.object);
        let Some(mut parts) = self.parts.take() else {
            return Err(given_up(&object));
        };
        if self.written != size {
            // what would appear is not what its hash speaks of
            let aborted = parts.abort().await;
            aborted.map_err(|error| self.store.error("give up writing", &object, error))?;
            let problem = format!(
                "{} bytes were written where {size} were meant",
                self.written
            );
            return Err(RepositoryError::damaged(&object, problem));
        }
        if let Err(error) = parts.complete().await {
            // Done, and its answer lost: asked again, a store knows no such upload any more. The name was never used
            // before, so an object of that name and size is this one.
            match self.store.size(&object).await {
                Ok(stored) if stored == size => return Ok(object),
                // it would be waited for once more, and in vain
                Err(RepositoryError::Unreachable { .. } | RepositoryError::Store { .. }) => {
                    tracing::warn!(object, "parts of an upload may be left in the store");
                }
                _ => parts.give_up(&object).await,
            }
            return Err(self.store.error("write", &object, error));
        }
        // Confirmed before anything names it: a manifest never points at an object that is not whole.
        self.store.confirm_size(&object, size).await?;
        Ok(object)
    }

    pub(crate) async fn abort(mut self) -> Result<(), RepositoryError> {
        let Some(mut parts) = self.parts.take() else {
            return Ok(());
        };
        let aborted = parts.abort().await;
        aborted.map_err(|error| self.store.error("give up writing", &self.object, error))
    }
}

impl Drop for LargeUpload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            let object = std::mem::take(&mut self.object);
            let leftovers = self.store.leftovers();
            leftovers.clear_away(async move { parts.give_up(&object).await });
        }
    }
}

fn given_up(object: &str) -> RepositoryError {
    RepositoryError::damaged(object, "its upload failed before and was given up")
}

/// An archive that is being written. Until [`finish`](Self::finish) nothing of it can be seen.
#[derive(Debug)]
pub struct ArchiveUpload {
    name: Ulid,
    upload: LargeUpload,
    /// Where it is encrypted on its way.
    sealing: Option<Sealing>,
}

impl ArchiveUpload {
    pub(crate) async fn begin(
        store: Store,
        name: Ulid,
        object: String,
        sealing: Option<Sealing>,
    ) -> Result<Self, RepositoryError> {
        let upload = LargeUpload::begin(store, object).await?;
        Ok(Self {
            name,
            upload,
            sealing,
        })
    }

    /// The archive's name, never used before.
    pub fn name(&self) -> Ulid {
        self.name
    }

    /// Its path below the repository's URL.
    pub fn object(&self) -> &str {
        self.upload.object()
    }

    /// How much was handed over so far.
    pub fn written(&self) -> u64 {
        let sealing = self.sealing.as_ref();
        sealing.map_or(self.upload.written, Sealing::plain)
    }

    /// Hands over the next bytes; waits while the store has enough to do.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), RepositoryError> {
        let Some(sealing) = &mut self.sealing else {
            return self.upload.write(bytes).await;
        };
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(SEALED_AT_ONCE));
            let sealed = sealing.push(self.upload.object(), &piece)?;
            self.upload.write(sealed).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Makes the archive appear, whole, and confirms its size with the store.
    ///
    /// `size` and `xxh3_128` are those of everything that was written, as the writer computed them; the reference has those
    /// of what is stored.
    pub async fn finish(
        mut self,
        mut size: u64,
        mut xxh3_128: Xxh3Hex,
    ) -> Result<ArchiveReference, RepositoryError> {
        if let Some(sealing) = self.sealing.take() {
            let plain = sealing.plain();
            if plain != size {
                let problem = format!("{plain} bytes were written where {size} were meant");
                let error = RepositoryError::damaged(self.upload.object(), problem);
                self.upload.abort().await?;
                return Err(error);
            }
            let last;
            (last, size, xxh3_128) = sealing.finish(self.upload.object())?;
            self.upload.write(last).await?;
        }
        let object = self.upload.finish(size).await?;
        Ok(ArchiveReference {
            object,
            size,
            xxh3_128,
        })
    }

    /// Gives the upload up and removes what the store has of it.
    pub async fn abort(self) -> Result<(), RepositoryError> {
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests;
