//! What is sealed, read from anywhere in it: the header once, then only the chunks that hold what is wanted.
//!
//! An age file is a header, and then chunks of 64 KiB, each sealed by itself with its number: 16 bytes more than what is in it.

use std::{
    cell::RefCell,
    fmt,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use bytes::Bytes;

use super::Identities;

/// No header is longer.
pub const HEAD_BYTES: u64 = 16 << 10;
/// Plain bytes of a chunk; only the last one has fewer.
pub const CHUNK_BYTES: u64 = 64 << 10;
/// What a chunk has besides, sealed.
const TAG: u64 = 16;

/// The header of something sealed, with the key that it held.
pub struct OpenedHeader {
    head: Bytes,
    key: FileKey,
}

impl fmt::Debug for OpenedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a header of {} bytes", self.head.len())
    }
}

impl OpenedHeader {
    /// Opens the header that `head` begins with: the first [`HEAD_BYTES`], or all that there is.
    pub fn open(identities: Option<&Identities>, head: &[u8]) -> Result<Self, HeaderError> {
        let mut rest = head;
        let decryptor =
            age::Decryptor::new_buffered(&mut rest).map_err(|_| HeaderError::Damaged)?;
        let opener = Opener {
            identities,
            found: RefCell::default(),
            sealed_to: RefCell::default(),
        };
        let opened = decryptor.decrypt(std::iter::once(&opener as &dyn age::Identity));
        let opened = opened.map(|_| ());
        let sealed_to = opener.sealed_to.into_inner();
        match (opened, opener.found.into_inner()) {
            (Ok(()), Some(key)) => {
                let length = head.len() - rest.len();
                let head = Bytes::copy_from_slice(head.get(..length).unwrap_or_default());
                Ok(Self { head, key })
            }
            (Err(age::DecryptError::NoMatchingKeys), _) if identities.is_none() => {
                Err(HeaderError::NoIdentity { sealed_to })
            }
            (Err(age::DecryptError::NoMatchingKeys), _) => {
                Err(HeaderError::OtherRecipient { sealed_to })
            }
            _ => Err(HeaderError::Damaged),
        }
    }

    /// Where the first chunk is.
    pub fn length(&self) -> u64 {
        self.head.len() as u64
    }

    /// How many plain bytes there are in something sealed of `stored` bytes; `None` where there is no such size.
    pub fn plain_size(&self, stored: u64) -> Option<u64> {
        let chunks = stored.checked_sub(self.length())?;
        let count = chunks.div_ceil(CHUNK_BYTES + TAG);
        let last = chunks.checked_sub(count.checked_sub(1)? * (CHUNK_BYTES + TAG))?;
        // only nothing at all is sealed as an empty chunk
        let has_some = last > TAG || (last == TAG && count == 1);
        has_some.then(|| chunks - count * TAG)
    }

    /// The sealed bytes that hold the plain ones of `plain`: whole chunks, not beyond `stored`.
    pub fn stored_range(&self, plain: &Range<u64>, stored: u64) -> Range<u64> {
        let place = |chunk: u64| {
            let place = chunk.saturating_mul(CHUNK_BYTES + TAG);
            place.saturating_add(self.length()).min(stored)
        };
        let begin = place(plain.start / CHUNK_BYTES);
        if plain.is_empty() {
            return begin..begin;
        }
        begin..place(plain.end.div_ceil(CHUNK_BYTES))
    }

    /// Reads the plain bytes of `plain` out of `chunks`, which gives what [`stored_range`](Self::stored_range) says.
    pub fn reader<R: Read>(
        &self,
        plain: Range<u64>,
        chunks: R,
    ) -> Result<PlainReader<R>, HeaderError> {
        let first = plain.start..plain.start;
        let placed = Placed {
            head: self.head.clone(),
            chunks_at: self.stored_range(&first, u64::MAX).start,
            position: 0,
            chunks,
        };
        let known = Known(&self.key);
        let decryptor = age::Decryptor::new(placed).map_err(|_| HeaderError::Damaged)?;
        let reader = decryptor.decrypt(std::iter::once(&known as &dyn age::Identity));
        Ok(PlainReader {
            reader: reader.map_err(|_| HeaderError::Damaged)?,
            is_placed: false,
            position: plain.start,
            end: plain.end,
        })
    }
}

/// Plain bytes of something sealed. Damaged bytes are an error with a [`DamagedAt`] in it, never passed on.
pub struct PlainReader<R> {
    reader: age::stream::StreamReader<Placed<R>>,
    is_placed: bool,
    position: u64,
    end: u64,
}

impl<R> fmt::Debug for PlainReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plain bytes {}..{}", self.position, self.end)
    }
}

impl<R: Read> PlainReader<R> {
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_placed {
            self.place()?;
        }
        self.reader.read(buffer)
    }

    /// Goes to where the range begins.
    fn place(&mut self) -> io::Result<()> {
        let start = self.position;
        // age reads the last chunk, for the size, when it is to stand right before a chunk other than the first; not so
        // when it stands inside of that chunk already
        if start >= CHUNK_BYTES && start.is_multiple_of(CHUNK_BYTES) {
            self.reader.seek(SeekFrom::Start(start + 1))?;
        }
        self.reader.seek(SeekFrom::Start(start))?;
        self.is_placed = true;
        Ok(())
    }
}

impl<R: Read> Read for PlainReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        if most == 0 {
            return Ok(0);
        }
        let damaged = DamagedAt {
            position: self.position,
        };
        match self.read_on(&mut buffer[..most]) {
            Ok(length) if length > 0 => {
                self.position += length as u64;
                Ok(length)
            }
            // it ends before what must be in it
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, damaged)),
            // age's kinds for what it can't open; what could not be read is of another one
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Err(io::Error::new(io::ErrorKind::InvalidData, damaged))
            }
            Err(error) => Err(error),
        }
    }
}

/// Sealed bytes are not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what is encrypted does not open from byte {position} of its content on: it is not what was written"
)]
pub struct DamagedAt {
    /// The plain byte from which on nothing can be had.
    pub position: u64,
}

/// A header, and chunks that begin somewhere behind it, as one thing with places; age asks only for these.
struct Placed<R> {
    head: Bytes,
    chunks_at: u64,
    position: u64,
    chunks: R,
}

impl<R: Read> Read for Placed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.position).ok();
        let length = match at.and_then(|at| self.head.get(at..)) {
            Some(mut head) if !head.is_empty() => head.read(buffer)?,
            _ => self.chunks.read(buffer)?,
        };
        self.position += length as u64;
        Ok(length)
    }
}

impl<R> Seek for Placed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let behind_head = self.head.len() as u64;
        match to {
            SeekFrom::Current(0) => {}
            SeekFrom::Start(to) if to == self.position => {}
            SeekFrom::Start(to) if to == self.chunks_at && self.position == behind_head => {
                self.position = to;
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(self.position)
    }
}

/// Tries the identities, and keeps what it sees on the way.
struct Opener<'i> {
    identities: Option<&'i Identities>,
    found: RefCell<Option<FileKey>>,
    sealed_to: RefCell<SealedTo>,
}

impl age::Identity for Opener<'_> {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        None
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        self.sealed_to.replace(SealedTo::of(stanzas));
        let mut identities = self.identities?.0.iter();
        let opened = identities.find_map(|identity| identity.unwrap_stanzas(stanzas))?;
        Some(opened.inspect(|key| drop(self.found.replace(Some(copy(key))))))
    }
}

/// The key of a header that was opened before.
struct Known<'k>(&'k FileKey);

impl age::Identity for Known<'_> {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        Some(Ok(copy(self.0)))
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|bytes| bytes.copy_from_slice(key.expose_secret()))
}

/// To how many something is sealed: a header does not tell to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedTo {
    /// X25519 recipients (`age1…`).
    pub recipients: usize,
    /// Others: passphrases, SSH keys, plugins.
    pub others: usize,
}

impl SealedTo {
    fn of(stanzas: &[Stanza]) -> Self {
        // age adds a meaningless one to each header, so that every reader gets used to the unknown
        let known = stanzas.iter();
        let known = known.filter(|stanza| !stanza.tag.ends_with("-grease"));
        let of_x25519 = known.clone().filter(|stanza| stanza.tag == "X25519");
        let recipients = of_x25519.count();
        Self {
            recipients,
            others: known.count() - recipients,
        }
    }
}

/// `2 recipients (X25519)`
impl fmt::Display for SealedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.recipients == 1 { "" } else { "s" };
        write!(f, "{} recipient{s} (X25519)", self.recipients)?;
        if self.others > 0 {
            write!(f, " and {} of another kind", self.others)?;
        }
        Ok(())
    }
}

/// Why a header can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is nothing to open it with.
    #[error("it is encrypted to {sealed_to}, and there is no identity to open it with")]
    NoIdentity {
        /// To how many.
        sealed_to: SealedTo,
    },
    /// It is sealed to others.
    #[error("it is encrypted to {sealed_to}, and no identity that was given is one of theirs")]
    OtherRecipient {
        /// To how many.
        sealed_to: SealedTo,
    },
    /// Its bytes are not what was sealed.
    #[error("its age header is damaged")]
    Damaged,
}

#[cfg(test)]
mod tests;
