//! What a store can do, found out by doing it, before a repository is made in it.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use lifeboat_archive::words::{Clock, Timestamp};
use object_store::{ObjectStoreExt, PutMode, list::PaginatedListOptions, signer::Signer};

use crate::{RepositoryError, layout, remote::Remote, store::Store, upload::LargeUpload};

/// Listed two at a time, so many objects take three pages: what holds for them holds for thousands.
const LISTED: usize = 5;
const PAGE: usize = 2;
const CONTENT: &[u8] = b"lifeboat tries what this store can do";

/// How many programs may write to a repository at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Any number: the store must refuse to overwrite.
    Many,
    /// One, where the store can't refuse to overwrite; whoever runs it sees to that.
    One,
}

/// What the store of a new repository was found to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreReport {
    /// What was found of an object store; `None` for the local file system.
    pub remote: Option<RemoteReport>,
}

/// What an object store was found to do. It reads ranges, lists in pages and takes uploads in parts, else it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReport {
    /// It refuses to write an object that is there already.
    pub conditional_create: bool,
    /// An upload in parts can be given up; without that right its parts stay until the store removes them.
    pub multipart_abort: bool,
    /// Objects can be deleted. None but `prune` ever does.
    pub delete: bool,
    /// How far the store's clock is ahead of ours, in milliseconds and to the second.
    pub clock_ahead_ms: i64,
    /// What keeps objects that are written from being changed or deleted, where it could be seen.
    pub object_lock: Option<ObjectLock>,
}

/// What keeps an object from being changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectLock {
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub mode: String,
    /// Until when, in the store's words.
    pub until: String,
}

/// Tries what a store can do.
pub(crate) struct Prober<'p> {
    pub(crate) store: &'p Store,
    pub(crate) remote: &'p Remote,
    pub(crate) url: &'p str,
    pub(crate) clock: &'p Clock,
}

impl Prober<'_> {
    /// Tries everything, below `probe/`, and removes what it may.
    pub(crate) async fn probe(self, writers: Writers) -> Result<RemoteReport, RepositoryError> {
        let folder = format!("{}/{}", layout::PROBE, layout::new_ulid(self.clock.now()));
        let mut made = Vec::new();
        let found = self.try_all(&folder, writers, &mut made).await;
        // whatever was found: nothing is left where that is allowed
        let delete = self.remove(&made).await;
        Ok(RemoteReport { delete, ..found? })
    }

    async fn try_all(
        &self,
        folder: &str,
        writers: Writers,
        made: &mut Vec<String>,
    ) -> Result<RemoteReport, RepositoryError> {
        let first = format!("{folder}/1");
        made.push(first.clone());
        let asked = self.clock.now();
        let conditional_create = self.conditional_create(&first).await?;
        if !conditional_create && writers == Writers::Many {
            return Err(RepositoryError::NoConditionalCreate {
                url: self.url.to_owned(),
            });
        }
        let clock_ahead_ms = self.clock_ahead(&first, asked).await?;
        self.ranged_read(&first).await?;
        // what refuses create-only writes altogether is written to as a single writer does
        let store = self.store.clone().with_single_writer(!conditional_create);
        self.paged_listing(&store, folder, made).await?;
        let multipart_abort = self.multipart(folder, made).await?;
        let object_lock = match &self.remote.signer {
            Some(signer) => self.object_lock(signer.as_ref(), &first).await,
            None => None,
        };
        Ok(RemoteReport {
            conditional_create,
            multipart_abort,
            delete: false,
            clock_ahead_ms,
            object_lock,
        })
    }

    fn unfit(&self, problem: &str) -> RepositoryError {
        RepositoryError::Unfit {
            url: self.url.to_owned(),
            problem: problem.to_owned(),
        }
    }

    /// Whether the second of two writes of one name is refused.
    async fn conditional_create(&self, object: &str) -> Result<bool, RepositoryError> {
        let error = |error| RepositoryError::from_store("write", object, error);
        match self.put(object, PutMode::Create).await? {
            // an answer that was lost on the way
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(refused) if is_not_implemented(&refused) => {
                let put = self.put(object, PutMode::Overwrite);
                put.await?.map_err(error)?;
                return Ok(false);
            }
            Err(other) => return Err(error(other)),
        }
        match self.put(object, PutMode::Create).await? {
            Ok(()) => Ok(false),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(true),
            Err(other) => Err(error(other)),
        }
    }

    /// What the store itself says: `Store::create` also takes what it finds there for a refusal.
    async fn put(
        &self,
        object: &str,
        mode: PutMode,
    ) -> Result<object_store::Result<()>, RepositoryError> {
        let (path, content) = (layout::path_of(object)?, Bytes::from_static(CONTENT));
        let put = || self.store.put(&path, &content, mode.clone());
        Ok(self.store.again(object, put).await)
    }

    async fn clock_ahead(&self, object: &str, asked: Timestamp) -> Result<i64, RepositoryError> {
        let path = layout::path_of(object)?;
        let meta = self.store.inner().head(&path).await;
        let meta = meta.map_err(|error| RepositoryError::from_store("look at", object, error))?;
        let (stored, now) = (meta.last_modified.timestamp_millis(), self.clock.now());
        // stores cut their times to the second: it was written somewhere between the two
        let (earliest, latest) = (asked.as_millis() / 1_000 * 1_000, now.as_millis());
        let ahead = if stored < earliest {
            stored - earliest
        } else {
            (stored - latest).max(0)
        };
        // file systems take their times from a coarser clock
        Ok(if ahead.abs() < 1_000 { 0 } else { ahead })
    }

    async fn ranged_read(&self, object: &str) -> Result<(), RepositoryError> {
        let read = self.store.read_range(object, 9..14).await?;
        if read == CONTENT[9..14] {
            return Ok(());
        }
        Err(self.unfit("it does not give the part of an object that it is asked for"))
    }

    async fn paged_listing(
        &self,
        store: &Store,
        folder: &str,
        made: &mut Vec<String>,
    ) -> Result<(), RepositoryError> {
        for n in 2..=LISTED {
            let object = format!("{folder}/{n}");
            made.push(object.clone());
            store.create(&object, Bytes::from_static(CONTENT)).await?;
        }
        let prefix = self.remote.prefix.as_ref();
        let below = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let wanted: BTreeSet<String> = made.iter().map(|name| format!("{below}{name}")).collect();
        let (mut listed, mut token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions {
                max_keys: Some(PAGE),
                page_token: token.take(),
                ..PaginatedListOptions::default()
            };
            let prefix = format!("{below}{folder}/");
            let page = self.remote.pages.list_paginated(Some(&prefix), options);
            let page = page.await;
            let page = page.map_err(|error| RepositoryError::from_store("list", folder, error))?;
            let names = page.result.objects.iter();
            listed.extend(names.map(|meta| meta.location.to_string()));
            token = page.page_token;
            // a listing that goes in circles must end too
            if token.is_none() || listed.len() > 2 * LISTED {
                break;
            }
        }
        if listed.len() == LISTED && listed.into_iter().collect::<BTreeSet<_>>() == wanted {
            return Ok(());
        }
        Err(self.unfit("its listing, page by page, does not tell each object once"))
    }

    /// Uploads an object in parts, and gives another one up; tells whether that is allowed.
    async fn multipart(
        &self,
        folder: &str,
        made: &mut Vec<String>,
    ) -> Result<bool, RepositoryError> {
        let whole = format!("{folder}/whole");
        made.push(whole.clone());
        let mut upload = LargeUpload::begin(self.store.clone(), whole).await?;
        upload.write(Bytes::from_static(CONTENT)).await?;
        upload.finish(CONTENT.len() as u64).await?;

        let given_up = format!("{folder}/given-up");
        let mut upload = LargeUpload::begin(self.store.clone(), given_up.clone()).await?;
        upload.write(Bytes::from_static(CONTENT)).await?;
        let aborted = match upload.abort().await {
            Ok(()) => true,
            Err(RepositoryError::Denied { .. }) => false,
            Err(error) => return Err(error),
        };
        match self.store.size(&given_up).await {
            Err(RepositoryError::NotFound { .. }) => Ok(aborted),
            Ok(_) => Err(self.unfit("an upload that was given up is there")),
            Err(error) => Err(error),
        }
    }

    /// What locks an object that was just written: the bucket's default. Only its own headers tell, which object_store
    /// does not hand out; without the right to see them it stays unknown.
    async fn object_lock(&self, signer: &dyn Signer, object: &str) -> Option<ObjectLock> {
        let path = self.remote.prefix.parts();
        let path = path.chain(layout::path_of(object).ok()?.parts()).collect();
        let minute = Duration::from_secs(60);
        let signed = signer.signed_url(reqwest::Method::HEAD, &path, minute);
        let client = reqwest::Client::builder().timeout(minute).build().ok()?;
        let answer = client.head(signed.await.ok()?).send().await.ok()?;
        let header = |name: &str| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        Some(ObjectLock {
            mode: header("x-amz-object-lock-mode")?,
            until: header("x-amz-object-lock-retain-until-date")?,
        })
    }

    /// Removes what was made, and tells whether that is allowed: without the right it stays, and harms nothing.
    async fn remove(&self, made: &[String]) -> bool {
        for object in made {
            let Ok(path) = layout::path_of(object) else {
                continue;
            };
            match self.store.inner().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::debug!(object, %error, "not removed");
                    return false;
                }
            }
        }
        true
    }
}

/// Whether a store, or what it was told, knows no conditional create.
fn is_not_implemented(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    match error {
        E::NotImplemented { .. } | E::NotSupported { .. } => true,
        E::Generic { .. } => {
            let cause = crate::Cause::new(error.to_string());
            let status = cause.answer().map(|answer| answer.status);
            status == Some(501) || cause.code() == Some("NotImplemented")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
