//! What is stored encrypted: to whom what is written is sealed, and what opens what is read.
//!
//! An object whose name ends in `.age` is sealed as a whole. Its size and hash in whatever names it are those of the sealed
//! bytes, so that what is stored can be checked and copied by those who can't open it; places inside of it are plain ones.

use std::{
    collections::{HashMap, VecDeque},
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use lifeboat_archive::{
    json::{Xxh3Hasher, Xxh3Hex},
    lists::ObjectReference,
    seal::{HEAD_BYTES, HeaderError, Identities, OpenedHeader, Recipient, SealError, Sealer},
};

use crate::{ClusterRepository, Repository, RepositoryError, layout};

/// How many opened headers are kept: a restore reads some archives at a time, each of them often.
const MOST_HEADERS: usize = 1_024;

/// Who may open what is written, and what opens what is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seals {
    recipients: Arc<[Recipient]>,
    identities: Option<Arc<Identities>>,
    headers: Arc<Mutex<Headers>>,
}

impl Seals {
    /// Where what is written under that name goes.
    pub(crate) fn name(&self, object: String) -> String {
        if self.recipients.is_empty() {
            object
        } else {
            layout::sealed(object)
        }
    }

    /// Seals an object as it is written; `None` where nothing is sealed.
    pub(crate) fn sealing(&self, object: &str) -> Result<Option<Sealing>, RepositoryError> {
        if self.recipients.is_empty() {
            return Ok(None);
        }
        let sealer = Sealer::new(&self.recipients).map_err(|source| failed(object, source))?;
        Ok(Some(Sealing {
            sealer,
            plain: 0,
            stored: 0,
            xxh3_128: Xxh3Hasher::new(),
        }))
    }

    fn open(&self, object: &str, head: &[u8]) -> Result<OpenedHeader, RepositoryError> {
        let identities = self.identities.as_deref();
        let object = object.to_owned();
        OpenedHeader::open(identities, head).map_err(|error| match error {
            HeaderError::NoIdentity { sealed_to } => {
                RepositoryError::NoIdentity { object, sealed_to }
            }
            HeaderError::OtherRecipient { sealed_to } => RepositoryError::WrongIdentity {
                object,
                sealed_to,
                given: identities.map(Identities::recipients).unwrap_or_default(),
            },
            HeaderError::Damaged => RepositoryError::damaged(&object, error.to_string()),
        })
    }
}

/// The newest of the headers that were opened.
#[derive(Debug, Default)]
struct Headers {
    by_object: HashMap<String, Arc<OpenedHeader>>,
    order: VecDeque<String>,
}

impl Headers {
    fn keep(&mut self, object: &str, header: &Arc<OpenedHeader>) {
        // somebody else may have opened it meanwhile
        if self.by_object.contains_key(object) {
            return;
        }
        if self.order.len() >= MOST_HEADERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_object.remove(&oldest);
        }
        self.order.push_back(object.to_owned());
        self.by_object.insert(object.to_owned(), Arc::clone(header));
    }
}

/// An object that is sealed while it is written.
#[derive(Debug)]
pub(crate) struct Sealing {
    sealer: Sealer,
    plain: u64,
    stored: u64,
    xxh3_128: Xxh3Hasher,
}

impl Sealing {
    /// Plain bytes that were handed over.
    pub(crate) fn plain(&self) -> u64 {
        self.plain
    }

    pub(crate) fn push(&mut self, object: &str, plain: &[u8]) -> Result<Bytes, RepositoryError> {
        let sealed = self.sealer.push(plain);
        let sealed = sealed.map_err(|source| failed(object, source))?;
        self.plain += plain.len() as u64;
        self.stored += sealed.len() as u64;
        self.xxh3_128.update(&sealed);
        Ok(sealed.into())
    }

    /// The last bytes, and the size and hash of all that is stored.
    pub(crate) fn finish(mut self, object: &str) -> Result<(Bytes, u64, Xxh3Hex), RepositoryError> {
        let sealed = self.sealer.finish();
        let sealed = sealed.map_err(|source| failed(object, source))?;
        self.stored += sealed.len() as u64;
        self.xxh3_128.update(&sealed);
        Ok((sealed.into(), self.stored, self.xxh3_128.finish()))
    }
}

fn failed(object: &str, source: SealError) -> RepositoryError {
    RepositoryError::Seal {
        object: object.to_owned(),
        source,
    }
}

impl Repository {
    /// The same, where archives and documents that are written are sealed to all of these; to nobody, they are plain.
    pub fn sealing_to(mut self, recipients: Vec<Recipient>) -> Self {
        self.seals_mut().recipients = recipients.into();
        self
    }

    /// The same, where what is sealed is opened with these.
    pub fn opening_with(mut self, identities: Option<Identities>) -> Self {
        let seals = self.seals_mut();
        seals.identities = identities.map(Arc::new);
        seals.headers = Arc::default();
        self
    }

    /// To whom archives and documents are sealed.
    pub fn recipients(&self) -> &[Recipient] {
        &self.seals().recipients
    }

    /// Opens the header of a sealed object of `size` stored bytes; `None` where it is not sealed.
    pub async fn open_header(
        &self,
        object: &str,
        size: u64,
    ) -> Result<Option<Arc<OpenedHeader>>, RepositoryError> {
        if !layout::is_sealed(object) {
            return Ok(None);
        }
        let headers = || {
            let headers = &self.seals().headers;
            headers.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = headers().by_object.get(object) {
            return Ok(Some(Arc::clone(known)));
        }
        let head = self.read_range(object, 0..size.min(HEAD_BYTES)).await?;
        let header = Arc::new(self.seals().open(object, &head)?);
        headers().keep(object, &header);
        Ok(Some(header))
    }

    /// A small object, whole, checked as it is stored and then opened where it is sealed.
    pub async fn read_plain(&self, reference: &ObjectReference) -> Result<Bytes, RepositoryError> {
        let stored = self.read(reference).await?;
        let object = &reference.object;
        if !layout::is_sealed(object) {
            return Ok(stored);
        }
        let header = self.seals().open(object, &stored)?;
        let damaged = |problem: String| RepositoryError::damaged(object, problem);
        let size = header
            .plain_size(reference.size)
            .ok_or_else(|| damaged("nothing that is encrypted has its size".to_owned()))?;
        let chunks = usize::try_from(header.length()).ok();
        let chunks = chunks.and_then(|at| stored.get(at..)).unwrap_or_default();
        let mut plain = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        header
            .reader(0..size, chunks)
            .map_err(|error| damaged(error.to_string()))?
            .read_to_end(&mut plain)
            .map_err(|error| damaged(error.to_string()))?;
        Ok(plain.into())
    }
}

impl ClusterRepository {
    /// The same, where what is sealed is opened with these.
    pub fn opening_with(self, identities: Option<Identities>) -> Self {
        self.map_repository(|repository| repository.opening_with(identities))
    }
}

#[cfg(test)]
mod tests;
