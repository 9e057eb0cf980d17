//! The segment lists of one snapshot: an object with a zstd frame for each topic.

use bytes::Bytes;
use lifeboat_archive::{
    json::{self, Sha256Hasher, Sha256Hex},
    lists::{ObjectReference, TopicList},
    manifest::ListReference,
};

use crate::{
    RepositoryError,
    cluster::pack,
    store::{PART_BYTES, Store},
    upload::LargeUpload,
};

mod lost;
mod reading;

pub use lost::Loss;

/// A lists object that is being written, topic by topic.
///
/// Until [`finish`](Self::finish) nothing of it can be seen.
#[derive(Debug)]
pub struct ListsUpload {
    store: Store,
    object: String,
    position: u64,
    sha256: Sha256Hasher,
    stage: Stage,
}

/// Nearly every lists object is small and is created in one piece; only a huge one is worth parts.
#[derive(Debug)]
enum Stage {
    Small(Vec<u8>),
    Large(Box<LargeUpload>),
}

impl ListsUpload {
    pub(crate) fn new(store: Store, object: String) -> Self {
        Self {
            store,
            object,
            position: 0,
            sha256: Sha256Hasher::new(),
            stage: Stage::Small(Vec::new()),
        }
    }

    /// Appends a topic's list and tells where it will be.
    pub async fn append(&mut self, list: &TopicList) -> Result<ListReference, RepositoryError> {
        let mut line = json::to_vec(list);
        // decompressed as a whole, the object is JSON lines
        line.push(b'\n');
        let frame = pack(&self.object, &line)?;
        let reference = ListReference {
            object: self.object.clone(),
            position: self.position,
            length: frame.len() as u64,
            sha256: Sha256Hex::of(&frame),
        };
        self.position += reference.length;
        self.sha256.update(&frame);
        self.take(frame).await?;
        Ok(reference)
    }

    async fn take(&mut self, frame: Vec<u8>) -> Result<(), RepositoryError> {
        match &mut self.stage {
            Stage::Small(pending) if pending.len() + frame.len() <= PART_BYTES => {
                pending.extend_from_slice(&frame);
                Ok(())
            }
            Stage::Small(pending) => {
                let pending = std::mem::take(pending);
                let mut upload =
                    LargeUpload::begin(self.store.clone(), self.object.clone()).await?;
                upload.write(pending.into()).await?;
                upload.write(frame.into()).await?;
                self.stage = Stage::Large(Box::new(upload));
                Ok(())
            }
            Stage::Large(upload) => upload.write(frame.into()).await,
        }
    }

    /// Makes the object appear; `None` where no topic was appended.
    pub async fn finish(self) -> Result<Option<ObjectReference>, RepositoryError> {
        let sha256 = self.sha256.finish();
        match self.stage {
            Stage::Small(pending) if pending.is_empty() => Ok(None),
            Stage::Small(pending) => {
                let bytes = Bytes::from(pending);
                self.store.create_confirmed(&self.object, bytes).await?;
                Ok(Some(ObjectReference {
                    object: self.object,
                    size: self.position,
                    sha256,
                }))
            }
            Stage::Large(upload) => Ok(Some(ObjectReference {
                object: upload.finish(self.position).await?,
                size: self.position,
                sha256,
            })),
        }
    }

    /// Gives it up and removes what the store has of it.
    pub async fn abort(self) -> Result<(), RepositoryError> {
        match self.stage {
            Stage::Small(_) => Ok(()),
            Stage::Large(upload) => upload.abort().await,
        }
    }
}
