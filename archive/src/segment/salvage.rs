//! What is sound in a damaged segment: whole batches before, between and behind what can't be read.
//!
//! A frame holds whole batches and has a checksum of its own, so that each can be trusted by itself once it is known that
//! the segment is the one that is meant: by its tar header, or by its hash.

use std::ops::Range;

use zstd::zstd_safe;

use super::{BLOCK, FRAME_BYTES, reader::LONGEST_TAR_HEADER};
use crate::{
    batch::{BatchHeader, Batches},
    frames::{FRAME_MAGIC, decompress_frame},
    index::SegmentEntry,
    json::Sha256Hasher,
    tarball::check_header,
    words::OffsetRange,
};

/// Bytes that are read at least at once.
const PIECE: usize = 1 << 20;

/// A part of a damaged segment. They come in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Salvaged<'b> {
    /// Whole batches, each with the right checksum.
    Batches(&'b [u8]),
    /// The batches that were here can't be had.
    Lost(OffsetRange),
}

/// Goes through the damaged segment that `entry` describes and gives what is sound, and what is not, to `take`.
///
/// `read` gives the bytes of the archive in a range, all of them: zeros where it can't. It is asked twice: what is told
/// rests on the whole segment.
pub fn salvage_segment<E>(
    entry: &SegmentEntry,
    mut read: impl FnMut(Range<u64>) -> Result<Vec<u8>, E>,
    mut take: impl FnMut(Salvaged<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut sha256 = Sha256Hasher::new();
    let mut hash = |part: Salvaged<'_>| {
        if let Salvaged::Batches(batches) = part {
            sha256.update(batches);
        }
        Ok(())
    };
    let found = Scan::new(entry, true).run(&mut read, &mut hash)?;
    let is_whole = sha256.finish() == entry.sha256;
    // another segment's batches are sound, too, and so is what somebody exchanged
    if is_whole || (found.is_named && found.is_damaged) {
        Scan::new(entry, is_whole).run(&mut read, &mut take)?;
        return Ok(());
    }
    for lost in without_holes(entry, OffsetRange::new(begin(entry), entry.next_offset)) {
        take(Salvaged::Lost(lost))?;
    }
    Ok(())
}

/// The offset that the segment begins at, with a hole where it begins with one.
fn begin(entry: &SegmentEntry) -> i64 {
    let first = entry.holes.listed().first();
    let leading = first.filter(|hole| hole.end == entry.first_offset);
    leading.map_or(entry.first_offset, |hole| hole.start)
}

/// What is left of `range` without what the source's log did not hold either.
fn without_holes(entry: &SegmentEntry, range: OffsetRange) -> Vec<OffsetRange> {
    let mut left = Vec::new();
    let mut at = range.start;
    for hole in &entry.holes {
        if hole.end <= at || hole.start >= range.end {
            continue;
        }
        left.push(OffsetRange::new(at, hole.start));
        at = hole.end;
    }
    left.push(OffsetRange::new(at, range.end));
    left.retain(|range| !range.is_empty());
    left
}

/// What one walk through the frames has found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The tar header is there, and it is this segment's.
    is_named: bool,
    /// There are bytes that are no frame of it.
    is_damaged: bool,
}

struct Scan<'e> {
    entry: &'e SegmentEntry,
    /// Bytes of the archive from `at` on.
    window: Vec<u8>,
    at: u64,
    end: u64,
    expected: i64,
    /// Something was passed over since the last sound batch.
    broken: bool,
    /// Nothing that was passed over can have held a batch.
    is_whole: bool,
    found: Found,
}

impl<'e> Scan<'e> {
    fn new(entry: &'e SegmentEntry, is_whole: bool) -> Self {
        Self {
            entry,
            window: Vec::new(),
            at: entry.position,
            end: entry.position.saturating_add(entry.length),
            expected: begin(entry),
            broken: false,
            is_whole,
            found: Found::default(),
        }
    }

    fn run<E>(
        mut self,
        read: &mut impl FnMut(Range<u64>) -> Result<Vec<u8>, E>,
        take: &mut impl FnMut(Salvaged<'_>) -> Result<(), E>,
    ) -> Result<Found, E> {
        let largest = usize::try_from(self.entry.largest_batch_bytes).unwrap_or(usize::MAX);
        let largest = largest.max(FRAME_BYTES);
        let longest_frame = zstd_safe::compress_bound(largest);
        loop {
            self.fill(longest_frame, read)?;
            if self.window.is_empty() {
                break;
            }
            match take_frame(&self.window, largest) {
                Some((length, plain)) => {
                    self.frame(&plain, take)?;
                    self.pass(length);
                }
                None => self.pass_to_the_next(),
            }
        }
        self.lose_until(self.entry.next_offset, take)?;
        Ok(self.found)
    }

    /// Sees to it that a whole frame is there, unless the segment ends.
    fn fill<E>(
        &mut self,
        longest_frame: usize,
        read: &mut impl FnMut(Range<u64>) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let from = self.at + self.window.len() as u64;
        if self.window.len() < longest_frame && from < self.end {
            let more = (longest_frame - self.window.len()).max(PIECE);
            let piece = from..self.end.min(from + more as u64);
            let length = usize::try_from(piece.end - piece.start).unwrap_or(0);
            let filled = self.window.len() + length;
            self.window.extend(read(piece)?);
            // whatever it gave: there are so many
            self.window.resize(filled, 0);
        }
        Ok(())
    }

    fn pass(&mut self, length: usize) {
        self.window.drain(..length);
        self.at += length as u64;
    }

    /// Passes over what is no frame.
    fn pass_to_the_next(&mut self) {
        self.broken = true;
        self.found.is_damaged = true;
        let rest = &self.window[1..];
        let next = rest
            .windows(FRAME_MAGIC.len())
            .position(|four| four == FRAME_MAGIC);
        let most = if self.at + self.window.len() as u64 == self.end {
            rest.len()
        } else {
            // it may begin in the last bytes
            rest.len().saturating_sub(FRAME_MAGIC.len() - 1)
        };
        self.pass(1 + next.unwrap_or(most));
    }

    fn frame<E>(
        &mut self,
        plain: &[u8],
        take: &mut impl FnMut(Salvaged<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.at == self.entry.position {
            let header = check_header(plain, &self.entry.member, self.entry.raw_bytes);
            self.found.is_named = plain.len() <= LONGEST_TAR_HEADER && header.is_ok();
            return Ok(());
        }
        let is_padding = plain.len() < BLOCK && plain.iter().all(|byte| *byte == 0);
        if is_padding {
            return Ok(());
        }
        let mut batches = Batches::new(plain);
        let mut sound = 0..0;
        loop {
            let from = batches.consumed();
            let Some(batch) = batches.next() else { break };
            let batch = batch.ok().filter(|batch| batch.check_crc().is_ok());
            let fits = batch.as_ref().is_some_and(|batch| self.fits(&batch.header));
            let to = batches.consumed();
            if let (Some(batch), true) = (&batch, fits) {
                let header = &batch.header;
                if self.broken {
                    take_run(plain, &mut sound, take)?;
                    self.lose_until(header.base_offset, take)?;
                }
                sound = if sound.end == from { sound.start } else { from }..to;
                self.expected = header.next_offset();
                continue;
            }
            take_run(plain, &mut sound, take)?;
            self.broken = true;
            self.found.is_damaged = true;
            if to == from {
                break;
            }
        }
        let end = sound.end;
        take_run(plain, &mut sound, take)?;
        if end < plain.len() {
            self.broken = true;
            self.found.is_damaged = true;
        }
        Ok(())
    }

    /// Whether a sound batch belongs here. Where an old one begins is known only by the one before it.
    fn fits(&self, header: &BatchHeader) -> bool {
        header.base_offset >= self.expected
            && header.next_offset() <= self.entry.next_offset
            && (self.is_whole || !self.broken || !header.hides_first_offset())
    }

    /// What was passed over ends here.
    fn lose_until<E>(
        &mut self,
        offset: i64,
        take: &mut impl FnMut(Salvaged<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.broken = false;
        for lost in without_holes(self.entry, OffsetRange::new(self.expected, offset)) {
            take(Salvaged::Lost(lost))?;
        }
        Ok(())
    }
}

/// Hands over what was sound so far.
fn take_run<E>(
    plain: &[u8],
    sound: &mut Range<usize>,
    take: &mut impl FnMut(Salvaged<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let run = std::mem::take(sound);
    if run.is_empty() {
        return Ok(());
    }
    take(Salvaged::Batches(&plain[run]))
}

/// The frame that `bytes` begin with, by its length and its content.
fn take_frame(bytes: &[u8], limit: usize) -> Option<(usize, Vec<u8>)> {
    if !bytes.starts_with(&FRAME_MAGIC) {
        return None;
    }
    let length = zstd_safe::find_frame_compressed_size(bytes).ok()?;
    let plain = decompress_frame(bytes.get(..length)?, limit).ok()?;
    Some((length, plain))
}

#[cfg(test)]
mod tests;
