//! Large objects, written in parts with bounded memory.

use bytes::Bytes;
use lifeboat_archive::{json::Xxh3Hex, lists::ArchiveReference};
use object_store::WriteMultipart;
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

/// A large object that is being written: in parts, waiting where the store is slower than we are.
#[derive(Debug)]
pub(crate) struct LargeUpload {
    store: Store,
    object: String,
    /// None after a failure: what was stored of it is removed already.
    parts: Option<WriteMultipart>,
    written: u64,
}

impl LargeUpload {
    pub(crate) async fn begin(store: Store, object: String) -> Result<Self, RepositoryError> {
        let parts = store.begin_upload(&object).await?;
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
            if let Err(error) = parts.wait_for_capacity(PARTS_IN_FLIGHT).await {
                self.give_up().await;
                return Err(RepositoryError::from_store("write", &self.object, error));
            }
            self.written += piece.len() as u64;
            parts.put(piece);
        }
        Ok(())
    }

    /// Removes what the store has of it: parts that nobody can see are paid for all the same.
    async fn give_up(&mut self) {
        if let Some(parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(object = self.object, %error, "parts of an upload may be left in the store");
        }
    }

    /// Makes the object appear, and asks the store whether all of it arrived. Tells the object's path.
    pub(crate) async fn finish(self, size: u64) -> Result<String, RepositoryError> {
        let Self {
            store,
            object,
            parts,
            written,
        } = self;
        let Some(parts) = parts else {
            return Err(given_up(&object));
        };
        if written != size {
            // what would appear is not what its hash speaks of
            abort(parts, &object).await?;
            let problem = format!("{written} bytes were written where {size} were meant");
            return Err(RepositoryError::damaged(&object, problem));
        }
        parts
            .finish()
            .await
            .map_err(|error| RepositoryError::from_store("write", &object, error))?;
        // Confirmed before anything names it: a manifest never points at an object that is not whole.
        let stored = store.size(&object).await?;
        if stored != size {
            let problem = format!("{stored} bytes are stored of the {size} that were written");
            return Err(RepositoryError::damaged(&object, problem));
        }
        Ok(object)
    }

    pub(crate) async fn abort(self) -> Result<(), RepositoryError> {
        match self.parts {
            Some(parts) => abort(parts, &self.object).await,
            None => Ok(()),
        }
    }
}

fn given_up(object: &str) -> RepositoryError {
    RepositoryError::damaged(object, "its upload failed before and was given up")
}

async fn abort(parts: WriteMultipart, object: &str) -> Result<(), RepositoryError> {
    let aborted = parts.abort().await;
    aborted.map_err(|error| RepositoryError::from_store("give up writing", object, error))
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
