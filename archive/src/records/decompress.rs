//! Plain records out of compressed ones, never more than the caller allows.

use std::{
    fmt,
    io::{self, Read},
};

use bytes::Buf;
use zstd::zstd_safe::DCtx;

use super::RecordError;
use crate::batch::{Batch, Codec, HEADER_SIZE};

/// What xerial's snappy-java, and so Kafka's Java client, writes before its blocks; two version numbers follow.
pub(crate) const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
pub(crate) const XERIAL_HEADER: usize = 16;
/// More than snappy can gain: three bytes stand for at most 64.
const SNAPPY_BEST: usize = 32;
const SMALLEST_BUFFER: usize = 64 << 10;
/// How every lz4 frame of Kafka's clients begins: independent blocks of at most 64 KiB without checksums.
const LZ4_HEADER: &[u8] = &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const LZ4_BLOCK: usize = 64 << 10;
/// In a block's length: its bytes are not compressed.
const LZ4_PLAIN: u32 = 1 << 31;

/// Compressed bytes.
pub(super) struct Stored<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
    /// The offset of its batch, for errors.
    pub(super) base_offset: i64,
    /// Whether the checksum of an lz4 frame's header is not looked at.
    pub(super) any_lz4_checksum: bool,
}

/// Decompresses batches, one after another, into one buffer.
pub struct Decompressor {
    limit: usize,
    /// Stays as long as it ever was: to fill it with zeros for each batch takes as long as to decompress.
    buffer: Vec<u8>,
    /// How much of the buffer holds records.
    filled: usize,
    zstd: DCtx<'static>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("limit", &self.limit)
            .field("buffer", &self.buffer.capacity())
            .finish_non_exhaustive()
    }
}

impl Decompressor {
    /// One that refuses batches with more than `limit` plain bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            filled: 0,
            zstd: DCtx::create(),
        }
    }

    /// The plain records of `batch`; without copying where they are not compressed.
    pub fn records_section<'b>(&'b mut self, batch: &Batch<'b>) -> Result<&'b [u8], RecordError> {
        let base_offset = batch.header.base_offset;
        if batch.header.magic < 2 {
            return Err(RecordError::OldFormat {
                base_offset,
                magic: batch.header.magic,
            });
        }
        let codec = batch.header.codec()?;
        let stored = &batch.bytes[HEADER_SIZE..];
        if codec == Codec::None {
            return Ok(stored);
        }
        self.plain(&Stored {
            codec,
            bytes: stored,
            base_offset,
            any_lz4_checksum: false,
        })
    }

    /// What was compressed.
    pub(super) fn plain(&mut self, stored: &Stored<'_>) -> Result<&[u8], RecordError> {
        let Stored {
            codec,
            bytes: stored,
            base_offset,
            any_lz4_checksum,
        } = *stored;
        self.filled = 0;
        let result = match codec {
            Codec::None => self.read(stored),
            Codec::Gzip => self.read(flate2::bufread::MultiGzDecoder::new(stored)),
            Codec::Lz4 => self.read_lz4(stored, any_lz4_checksum),
            Codec::Zstd => self.read_zstd(stored),
            Codec::Snappy => self.read_snappy(stored),
        };
        match result {
            Ok(()) if self.filled <= self.limit => Ok(&self.buffer[..self.filled]),
            Ok(()) => Err(RecordError::TooLarge {
                base_offset,
                codec,
                limit: self.limit,
            }),
            Err(source) => Err(RecordError::Decompress {
                base_offset,
                codec,
                source,
            }),
        }
    }

    /// One byte more than the limit is enough to see that it is too much.
    fn read(&mut self, decoder: impl Read) -> io::Result<()> {
        self.filled = fill(decoder, &mut self.buffer, self.limit.saturating_add(1))?;
        Ok(())
    }

    /// The usual frame goes block by block straight into the buffer: the general decoder takes half as long again.
    fn read_lz4(&mut self, stored: &[u8], any_checksum: bool) -> io::Result<()> {
        let (header, checksum) = LZ4_HEADER.split_at(LZ4_HEADER.len() - 1);
        let usual = stored.strip_prefix(header);
        let usual = usual.filter(|rest| any_checksum || rest.starts_with(checksum));
        let Some(mut rest) = usual.and_then(|rest| rest.get(checksum.len()..)) else {
            return self.read(lz4_flex::frame::FrameDecoder::new(stored));
        };
        while self.filled <= self.limit {
            let head = rest.try_get_u32_le().map_err(|_| cut())?;
            if head == 0 {
                break;
            }
            let length = usize::try_from(head & !LZ4_PLAIN).unwrap_or(usize::MAX);
            let block = rest.get(..length).ok_or_else(cut)?;
            rest.advance(length);
            if head & LZ4_PLAIN != 0 {
                self.room(length)?.copy_from_slice(block);
                self.filled += length;
            } else {
                let plain = lz4_flex::block::decompress_into(block, self.room(LZ4_BLOCK)?);
                self.filled += plain.map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// The next `length` bytes of the buffer, of an lz4 block at most.
    fn room(&mut self, length: usize) -> io::Result<&mut [u8]> {
        if length > LZ4_BLOCK {
            let text = format!("a block of {length} bytes, {LZ4_BLOCK} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let end = self.filled + length;
        if self.buffer.len() < end {
            self.buffer.resize(end.max(2 * self.filled), 0);
        }
        Ok(&mut self.buffer[self.filled..end])
    }

    fn read_zstd(&mut self, stored: &[u8]) -> io::Result<()> {
        let decoder = zstd::stream::read::Decoder::with_context(stored, &mut self.zstd);
        self.filled = fill(decoder, &mut self.buffer, self.limit.saturating_add(1))?;
        Ok(())
    }

    /// Java writes xerial's frames, librdkafka one raw block.
    fn read_snappy(&mut self, stored: &[u8]) -> io::Result<()> {
        if !stored.starts_with(XERIAL_MAGIC) {
            return self.read_snappy_block(stored);
        }
        let mut rest = stored.get(XERIAL_HEADER..).ok_or_else(cut)?;
        while !rest.is_empty() && self.filled <= self.limit {
            let length = rest.try_get_u32().map_err(|_| cut())?;
            let block = usize::try_from(length)
                .ok()
                .and_then(|length| rest.get(..length));
            let block = block.ok_or_else(cut)?;
            rest.advance(block.len());
            self.read_snappy_block(block)?;
        }
        Ok(())
    }

    fn read_snappy_block(&mut self, block: &[u8]) -> io::Result<()> {
        let length = snap::raw::decompress_len(block)?;
        if length > block.len().saturating_mul(SNAPPY_BEST) {
            let text = format!("{} bytes can't hold {length}", block.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let start = self.filled;
        self.filled += length;
        if self.filled <= self.limit {
            if self.buffer.len() < self.filled {
                self.buffer.resize(self.filled, 0);
            }
            snap::raw::Decoder::new().decompress(block, &mut self.buffer[start..self.filled])?;
        }
        Ok(())
    }
}

/// Reads to the end, or to `most` bytes, into a buffer that grows where it must; gives how much was read.
fn fill(mut decoder: impl Read, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let mut filled = 0;
    while filled < most {
        if filled == buffer.len() {
            let larger = (2 * filled).max(SMALLEST_BUFFER).min(most);
            buffer.resize(larger, 0);
        }
        let end = buffer.len().min(most);
        match decoder.read(&mut buffer[filled..end]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends inside a block")
}
