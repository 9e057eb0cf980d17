//! One object from the source to the target, or read again where it is.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use lifeboat_archive::words::Progress;
use tokio_util::sync::CancellationToken;

use super::{
    CopyError, Throttle,
    object::{Kind, Object},
    report::{Obstacle, Side},
};
use crate::{Repository, RepositoryError, store::PART_BYTES, upload::LargeUpload};

/// Why an object was not copied.
enum Trouble {
    /// It is not what it should be, here or there: the other objects are not affected.
    Obstacle(Obstacle),
    /// A store failed, or it was asked to stop.
    Ends(CopyError),
}

/// What became of one object; the error ends everything.
type Outcome = Result<Result<(), Obstacle>, CopyError>;

fn outcome(done: Result<(), Trouble>) -> Outcome {
    match done {
        Ok(()) => Ok(Ok(())),
        Err(Trouble::Obstacle(obstacle)) => Ok(Err(obstacle)),
        Err(Trouble::Ends(error)) => Err(error),
    }
}

impl Trouble {
    fn of(side: Side, object: &Object, error: RepositoryError) -> Self {
        match Obstacle::of(side, &object.name, error) {
            Ok(obstacle) => Self::Obstacle(obstacle),
            Err(error) => Self::Ends(match side {
                Side::Source => CopyError::Source(error),
                Side::Target => CopyError::Target(error),
            }),
        }
    }

    fn damaged(side: Side, object: &Object, problem: impl Into<String>) -> Self {
        Self::Obstacle(Obstacle::damaged(side, &object.name, problem))
    }
}

/// The way between two repositories.
pub(super) struct Transfer<'t> {
    pub(super) from: &'t Repository,
    pub(super) to: &'t Repository,
    pub(super) throttle: &'t Throttle,
    pub(super) progress: &'t Progress,
    pub(super) stop: &'t CancellationToken,
}

impl Transfer<'_> {
    /// Copies an object that the target does not have. It appears there whole, and as who names it knows it, or not at all.
    pub(super) async fn copy(&self, object: &Object) -> Outcome {
        // archives have a storage class of their own, which only uploads in parts take
        let small = object.size <= PART_BYTES as u64 && object.kind != Kind::Archive;
        outcome(if small || object.size == 0 {
            self.copy_small(object).await
        } else {
            self.copy_large(object).await
        })
    }

    async fn copy_small(&self, object: &Object) -> Result<(), Trouble> {
        let target = |error| Trouble::of(Side::Target, object, error);
        let mut bytes = BytesMut::new();
        self.read(Side::Source, object, object.size, async |piece: Bytes| {
            bytes.extend_from_slice(&piece);
            Ok(())
        })
        .await?;
        // confirmed before anything names it
        let store = self.to.store();
        let created = store.create_confirmed(&object.name, bytes.freeze()).await;
        created.map_err(target)
    }

    async fn copy_large(&self, object: &Object) -> Result<(), Trouble> {
        let target = |error| Trouble::of(Side::Target, object, error);
        // a volume that was unmounted leaves a folder behind that takes everything
        self.to.confirm().await.map_err(target)?;
        let store = self.to.store().clone();
        let mut upload = match LargeUpload::begin(store, object.name.clone()).await {
            Ok(upload) => upload,
            Err(RepositoryError::Exists { .. }) => return self.look_again(object).await,
            Err(error) => return Err(target(error)),
        };
        let read = self
            .read(Side::Source, object, object.size, async |piece: Bytes| {
                upload.write(piece).await.map_err(target)
            })
            .await;
        match read {
            Ok(()) => upload.finish(object.size).await.map(drop).map_err(target),
            Err(trouble) => {
                // parts that nobody can see are paid for all the same
                if let Err(error) = upload.abort().await {
                    tracing::warn!(object = object.name, %error, "parts of an upload may be left in the store");
                }
                Err(trouble)
            }
        }
    }

    /// Somebody else copies the same.
    async fn look_again(&self, object: &Object) -> Result<(), Trouble> {
        let target = |error| Trouble::of(Side::Target, object, error);
        let size = self.to.store().size(&object.name);
        let size = size.await.map_err(target)?;
        match object.wrong_size(size) {
            None => Ok(()),
            Some(problem) => Err(Trouble::damaged(Side::Target, object, problem)),
        }
    }

    /// Reads an object that the target has, all `size` bytes of it, and holds it against what is known of it.
    pub(super) async fn prove(&self, object: &Object, size: u64) -> Outcome {
        let read = self.read(Side::Target, object, size, async |_| Ok(()));
        outcome(read.await)
    }

    /// Hands the first `size` bytes of an object to `take`, piece by piece. Ok means that they are what they should be.
    async fn read(
        &self,
        side: Side,
        object: &Object,
        size: u64,
        mut take: impl AsyncFnMut(Bytes) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let repository = match side {
            Side::Source => self.from,
            Side::Target => self.to,
        };
        let mut proof = object.expected.begin();
        // as it is stored, whoever could open it
        let mut pieces = repository.store().stream_range(&object.name, 0..size);
        while let Some(piece) = self.unless_stopped(pieces.next()).await? {
            let piece = piece.map_err(|error| Trouble::of(side, object, error))?;
            let length = piece.len() as u64;
            proof
                .update(&piece)
                .map_err(|problem| Trouble::damaged(side, object, problem))?;
            self.unless_stopped(self.throttle.spend(length)).await?;
            self.unless_stopped(take(piece)).await??;
            self.progress.add_bytes(length);
            self.progress.advance(length);
        }
        proof
            .finish()
            .map_err(|problem| Trouble::damaged(side, object, problem))
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        let done = self.stop.run_until_cancelled(work).await;
        done.ok_or(Trouble::Ends(CopyError::Interrupted))
    }
}
