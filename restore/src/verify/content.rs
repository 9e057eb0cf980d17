//! An archive from front to back: hashed as it is stored, and read as it was before it was sealed, in one pass.

use std::{
    cell::RefCell,
    io::{self, Read},
    rc::Rc,
    sync::Arc,
};

use lifeboat_archive::{
    json::{Xxh3Hasher, Xxh3Hex},
    seal::{CHUNK_BYTES, DamagedAt, OpenedHeader, PlainReader},
    words::Progress,
};
use lifeboat_repository::RepositoryError;
use tokio_util::sync::CancellationToken;

use crate::object::{ObjectReader, OpenArchive, read_error, unopened};

/// What is stored, hashed as it passes through.
pub(super) struct Stored<'c> {
    inner: ObjectReader,
    xxh3_128: Xxh3Hasher,
    position: u64,
    progress: &'c Progress,
    cancel: &'c CancellationToken,
}

impl<'c> Stored<'c> {
    pub(super) fn new(
        inner: ObjectReader,
        progress: &'c Progress,
        cancel: &'c CancellationToken,
    ) -> Self {
        Self {
            inner,
            xxh3_128: Xxh3Hasher::new(),
            position: 0,
            progress,
            cancel,
        }
    }

    /// Reads what is left; the hash and the size of the whole.
    pub(super) fn hash_to_end(&mut self) -> io::Result<(Xxh3Hex, u64)> {
        io::copy(self, &mut io::sink())?;
        let hasher = std::mem::replace(&mut self.xxh3_128, Xxh3Hasher::new());
        Ok((hasher.finish(), self.position))
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Ok(0);
        }
        let length = self.inner.read(buffer)?;
        self.xxh3_128.update(&buffer[..length]);
        self.position += length as u64;
        self.progress.advance(length as u64);
        self.progress.add_bytes(length as u64);
        Ok(length)
    }
}

/// What is stored, for the one who opens it and the one who reads on behind damage.
struct Shared<'c>(Rc<RefCell<Stored<'c>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

/// Plain bytes in order. A damaged chunk costs what is in it, and nothing behind it.
pub(super) struct Content<'c> {
    stored: Rc<RefCell<Stored<'c>>>,
    position: u64,
    sealed: Option<Sealed<'c>>,
}

struct Sealed<'c> {
    object: String,
    header: Arc<OpenedHeader>,
    size: u64,
    /// None in a damaged chunk.
    reader: Option<PlainReader<Shared<'c>>>,
    /// Where the chunk behind the damaged one begins.
    next: u64,
}

impl<'c> Content<'c> {
    pub(super) fn new(stored: Stored<'c>, archive: &OpenArchive) -> Result<Self, RepositoryError> {
        let mut content = Self {
            stored: Rc::new(RefCell::new(stored)),
            position: 0,
            sealed: None,
        };
        if let Some(header) = archive.header() {
            let mut head = Shared(Rc::clone(&content.stored)).take(header.length());
            io::copy(&mut head, &mut io::sink())
                .map_err(|error| read_error(archive.object(), error))?;
            content.sealed = Some(Sealed {
                object: archive.object().to_owned(),
                header: Arc::clone(header),
                size: archive.size(),
                reader: None,
                next: 0,
            });
            content
                .read_on()
                .map_err(|error| read_error(archive.object(), error))?;
        }
        Ok(content)
    }

    /// Opens the chunks from the next one on, which is what the store gives next.
    fn read_on(&mut self) -> io::Result<()> {
        if let Some(sealed) = &mut self.sealed {
            let chunks = Shared(Rc::clone(&self.stored));
            let reader = sealed.header.reader(sealed.next..sealed.size, chunks);
            let reader =
                reader.map_err(|error| io::Error::other(unopened(&sealed.object, error)))?;
            self.position = sealed.next;
            sealed.reader = Some(reader);
        }
        Ok(())
    }

    /// Reads on up to `position`, or to the end where that comes first, over what is damaged.
    pub(super) fn skip_to(&mut self, position: u64) -> io::Result<()> {
        loop {
            let left = position.saturating_sub(self.position);
            let skipped = io::copy(&mut self.by_ref().take(left), &mut io::sink());
            let next = self.sealed.as_ref().map_or(0, |sealed| sealed.next);
            match skipped {
                Ok(_) => return Ok(()),
                Err(error) if !is_damage(&error) => return Err(error),
                // inside of the damaged chunk: whoever reads there is told
                Err(_) if position < next => {
                    self.position = position;
                    return Ok(());
                }
                Err(_) => {
                    let sealed = self.sealed.as_ref();
                    if sealed.is_none_or(|sealed| next >= sealed.size) {
                        return Ok(());
                    }
                    self.read_on()?;
                }
            }
        }
    }

    /// Reads what is left; the hash and the size of all that is stored.
    pub(super) fn finish(self) -> io::Result<(Xxh3Hex, u64)> {
        self.stored.borrow_mut().hash_to_end()
    }
}

fn is_damage(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner
        .and_then(|inner| inner.downcast_ref::<DamagedAt>())
        .is_some()
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(sealed) = &mut self.sealed else {
            let length = self.stored.borrow_mut().read(buffer)?;
            self.position += length as u64;
            return Ok(length);
        };
        let Some(reader) = &mut sealed.reader else {
            let damaged = DamagedAt {
                position: self.position,
            };
            return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
        };
        match reader.read(buffer) {
            Ok(length) => {
                self.position += length as u64;
                Ok(length)
            }
            Err(error) => {
                if is_damage(&error) {
                    sealed.reader = None;
                    sealed.next = (self.position / CHUNK_BYTES + 1) * CHUNK_BYTES;
                }
                Err(error)
            }
        }
    }
}
