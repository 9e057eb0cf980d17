//! Batches without the compression of their own, so that zstd sees plain records (R27).

use super::{Decompressor, build::seal};
use crate::batch::{Batch, CODEC_MASK, Codec, HEADER_SIZE};

/// Batches with more plain bytes stay as they are: memory is bounded, and what grows so much may be a decompression bomb.
const LARGEST_PLAIN: usize = 16 << 20;
/// Batches that grow by more than this stay as they are.
const LARGEST_GROWTH: usize = 100;
/// The buffer is given back after a batch of more than this.
const LARGE_PLAIN: usize = 4 << 20;
const ATTRIBUTES: std::ops::Range<usize> = 21..23;

/// Decompresses the inside of batches, one after another, into one buffer.
#[derive(Debug)]
pub struct Repacker {
    decompressor: Decompressor,
    batch: Vec<u8>,
}

impl Default for Repacker {
    fn default() -> Self {
        Self {
            decompressor: Decompressor::new(LARGEST_PLAIN),
            batch: Vec::new(),
        }
    }
}

impl Repacker {
    /// The same batch, not compressed: codec, length and checksum are other ones, all else is as it was.
    ///
    /// `None` where it stays as it is: it is not compressed, of an old format, would become too large, or can't be
    /// decompressed.
    pub fn repack(&mut self, batch: &Batch<'_>) -> Option<&[u8]> {
        if self.batch.capacity() > LARGE_PLAIN {
            *self = Self::default();
        }
        let is_compressed = batch.header.codec().is_ok_and(|codec| codec != Codec::None);
        if batch.header.magic < 2 || !is_compressed {
            return None;
        }
        // what it can't decompress a restore may not have to
        let plain = self.decompressor.records_section(batch).ok()?;
        if plain.len() / LARGEST_GROWTH > batch.bytes.len() {
            return None;
        }
        self.batch.clear();
        self.batch.extend_from_slice(&batch.bytes[..HEADER_SIZE]);
        self.batch.extend_from_slice(plain);
        let attributes = batch.header.attributes & !CODEC_MASK;
        self.batch[ATTRIBUTES].copy_from_slice(&attributes.to_be_bytes());
        seal(&mut self.batch);
        Some(&self.batch)
    }
}
