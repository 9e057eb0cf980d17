//! zstd frames: each with its content size before and a checksum behind.

use std::{
    fmt,
    io::{self, Read},
};

use bytes::Bytes;
use zstd::zstd_safe::{self, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ParamSwitch};

use crate::batch::Codec;

/// The first four bytes of a frame.
pub(crate) const FRAME_MAGIC: [u8; 4] = 0xfd2f_b528u32.to_le_bytes();
/// A frame's header is never longer.
const LONGEST_HEADER: usize = 18;
/// The highest level whose window fits [`WINDOW_LOG`].
const HIGHEST_LEVEL: i32 = 19;
/// zstd looks for repetitions here and there only, and leaves literals as they are.
const STORING_LEVEL: i32 = -64;
/// Frames need no more than 8 MiB of window.
const WINDOW_LOG: u32 = 23;
const INPUT: usize = 64 << 10;
/// Output grows in steps of at least this.
const STEP: usize = 256 << 10;

/// Compresses frames one after another; holds zstd's working memory, so keep one per worker.
pub struct FrameCompressor {
    zstd: zstd::bulk::Compressor<'static>,
    level: i32,
    frame: Vec<u8>,
}

impl FrameCompressor {
    /// For compression `level`, held between 1 and 19.
    pub fn new(level: i32) -> Self {
        let level = level.clamp(1, HIGHEST_LEVEL);
        let mut zstd = zstd::bulk::Compressor::new(level).expect("the level is one that zstd has");
        zstd.set_parameter(CParameter::ChecksumFlag(true))
            .expect("zstd has checksums");
        Self {
            zstd,
            level,
            frame: Vec::new(),
        }
    }

    /// One frame that holds record batches which their producer compressed by `codec`.
    ///
    /// What lz4 and snappy leave has no more repetitions, but their literals shrink by a sixth; what gzip and zstd leave does
    /// not shrink at all. Measured on lz4 batches: level 1 takes a tenth longer for 0.2 % more, level 3 three times as long
    /// for 2 %.
    pub(crate) fn compress_batches(&mut self, bytes: &[u8], codec: Codec) -> Bytes {
        let literals = match codec {
            Codec::None => return self.compress(bytes),
            Codec::Lz4 | Codec::Snappy => ParamSwitch::Enable,
            Codec::Gzip | Codec::Zstd => ParamSwitch::Auto,
        };
        self.set(CParameter::LiteralCompressionMode(literals));
        self.set(CParameter::CompressionLevel(STORING_LEVEL));
        let frame = self.compress(bytes);
        self.set(CParameter::CompressionLevel(self.level));
        self.set(CParameter::LiteralCompressionMode(ParamSwitch::Auto));
        frame
    }

    fn set(&mut self, parameter: CParameter) {
        self.zstd
            .set_parameter(parameter)
            .expect("zstd knows the parameter");
    }

    /// One frame that holds `bytes`.
    pub fn compress(&mut self, bytes: &[u8]) -> Bytes {
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(bytes.len()));
        self.zstd
            .compress_to_buffer(bytes, &mut self.frame)
            .expect("there is room for the worst case");
        // of its own size: it may wait long for its segment to close
        if self.frame.len() < self.frame.capacity() / 2 {
            return Bytes::copy_from_slice(&self.frame);
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.shrink_to_fit();
        frame.into()
    }
}

impl fmt::Debug for FrameCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCompressor").finish_non_exhaustive()
    }
}

/// `bytes` as one frame, at zstd's default level: how stored JSON is kept.
pub fn compress_frame(bytes: &[u8]) -> Vec<u8> {
    FrameCompressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)
        .compress(bytes)
        .into()
}

/// What [`compress_frame`] was given: exactly one frame, of at most `max` plain bytes.
pub fn decompress_frame(frame: &[u8], max: usize) -> Result<Vec<u8>, FrameError> {
    let mut reader = FrameReader::new(frame);
    let mut plain = Vec::new();
    if !reader.next_frame(max, &mut plain)? {
        return Err(FrameError::Truncated);
    }
    if reader.at_end()? {
        Ok(plain)
    } else {
        Err(FrameError::Surplus)
    }
}

/// Why a frame can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The bytes could not be had.
    #[error("read: {0}")]
    Read(#[from] io::Error),
    /// It does not begin as a frame does.
    #[error("not a zstd frame")]
    NotAFrame,
    /// It does not say how much it holds.
    #[error("a zstd frame without content size")]
    NoSize,
    /// It says that it holds more than is allowed here.
    #[error("a zstd frame of {size} bytes where at most {limit} are allowed")]
    TooLarge {
        /// What it says.
        size: u64,
        /// What is allowed.
        limit: usize,
    },
    /// It ends too early.
    #[error("it ends inside a zstd frame")]
    Truncated,
    /// zstd refuses it; a checksum mismatch shows here too.
    #[error("zstd: {0}")]
    Damaged(&'static str),
    /// There is something behind the last frame.
    #[error("bytes behind the last zstd frame")]
    Surplus,
}

/// Reads frame after frame; never holds more than one frame's content, a window and a little input.
pub(crate) struct FrameReader<R> {
    input: R,
    zstd: DCtx<'static>,
    buffer: Vec<u8>,
    taken: usize,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(input: R) -> Self {
        let mut zstd = DCtx::create();
        zstd.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .expect("zstd knows such a window");
        Self {
            input,
            zstd,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// Reads more input, so that at least `wanted` bytes are there unless it ends.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        if self.buffer.len() - self.taken < wanted {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            while self.buffer.len() < wanted {
                let room = INPUT - self.buffer.len();
                let read = self
                    .input
                    .by_ref()
                    .take(room as u64)
                    .read_to_end(&mut self.buffer)?;
                if read == 0 {
                    break;
                }
            }
        }
        Ok(&self.buffer[self.taken..])
    }

    pub(crate) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.fill(1)?.is_empty())
    }

    /// Replaces `out` by the content of the next frame; `false` where there is none.
    pub(crate) fn next_frame(
        &mut self,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, FrameError> {
        out.clear();
        let head = self.fill(LONGEST_HEADER)?;
        if head.is_empty() {
            return Ok(false);
        }
        let size = content_size(head)?;
        let size = usize::try_from(size)
            .ok()
            .filter(|&size| size <= limit)
            .ok_or(FrameError::TooLarge { size, limit })?;
        // zstd keeps the reason of a failure: start clean
        self.zstd
            .reset(zstd_safe::ResetDirective::SessionOnly)
            .map_err(damaged)?;
        loop {
            if out.len() == out.capacity() && out.len() < size {
                out.reserve_exact((size - out.len()).min(out.len().max(STEP)));
            }
            if self.at_end()? {
                return Err(FrameError::Truncated);
            }
            let mut from = InBuffer::around(&self.buffer[self.taken..]);
            let filled = out.len();
            let mut to = OutBuffer::around_pos(out, filled);
            let left = self.zstd.decompress_stream(&mut to, &mut from);
            let used = from.pos();
            self.taken += used;
            if left.map_err(damaged)? == 0 {
                return Ok(true);
            }
        }
    }
}

impl<R> fmt::Debug for FrameReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").finish_non_exhaustive()
    }
}

fn content_size(head: &[u8]) -> Result<u64, FrameError> {
    // asked for by name: zstd may be built to read its old formats too
    if !head.starts_with(&FRAME_MAGIC) {
        return Err(FrameError::NotAFrame);
    }
    zstd_safe::get_frame_content_size(head)
        .map_err(|_| FrameError::Truncated)?
        .ok_or(FrameError::NoSize)
}

fn damaged(code: usize) -> FrameError {
    FrameError::Damaged(zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(1);
            self.0.read(&mut out[..most])
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let step = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(step).collect()
    }

    #[test]
    fn a_frame_of_any_size_reads_back() {
        for length in [0, 1, 511, 100_000, FRAME + 1, 3 * FRAME] {
            let plain = noise(length);
            let frame = compress_frame(&plain);
            assert_eq!(decompress_frame(&frame, length).unwrap(), plain);
            if let Some(less) = length.checked_sub(1) {
                let error = decompress_frame(&frame, less).unwrap_err();
                assert!(matches!(error, FrameError::TooLarge { .. }), "{error}");
            }
        }
    }

    const FRAME: usize = crate::segment::FRAME_BYTES;

    #[test]
    fn frames_are_read_one_by_one_however_their_bytes_come() {
        let parts = [noise(70_000), Vec::new(), vec![7; 300_000]];
        let bytes = parts.each_ref().map(|part| compress_frame(part)).concat();
        let mut reader = FrameReader::new(Slow(&bytes));
        let mut out = Vec::new();
        for part in &parts {
            assert!(!reader.at_end().unwrap());
            assert!(reader.next_frame(FRAME, &mut out).unwrap());
            assert_eq!(&out, part);
        }
        assert!(!reader.next_frame(FRAME, &mut out).unwrap());
    }

    #[test]
    fn a_cut_frame_and_bytes_behind_it_are_noticed() {
        let mut frame = compress_frame(&noise(1_000));
        for length in 0..frame.len() {
            let error = decompress_frame(&frame[..length], 1_000).unwrap_err();
            assert!(
                matches!(error, FrameError::Truncated | FrameError::NotAFrame),
                "{length} {error}"
            );
        }
        frame.push(0);
        assert!(matches!(
            decompress_frame(&frame, 1_000),
            Err(FrameError::Surplus)
        ));
    }

    #[test]
    fn a_flipped_byte_is_noticed_or_does_no_harm() {
        let plain = noise(600);
        let frame = compress_frame(&plain);
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(read) = decompress_frame(&damaged, 1_000) {
                    assert_eq!(read, plain, "byte {at} bit {bit}");
                    assert_eq!(
                        at, 4,
                        "only a spare bit of the descriptor may be passed over"
                    );
                }
            }
        }
    }

    #[test]
    fn a_frame_that_hides_its_size_is_refused() {
        let frame = zstd::stream::encode_all(&b"text"[..], 1).unwrap();
        assert!(matches!(
            decompress_frame(&frame, 1_000),
            Err(FrameError::NoSize)
        ));
    }

    #[test]
    fn a_claimed_size_is_not_allocated_before_the_bytes_are_there() {
        // a frame of one raw block that says it holds 2^60 bytes, then stops
        let mut frame = FRAME_MAGIC.to_vec();
        frame.push(0b1100_0000);
        frame.push(0x58);
        frame.extend((1u64 << 60).to_le_bytes());
        frame.extend([0, 0, 0]);
        let error = decompress_frame(&frame, usize::MAX).unwrap_err();
        assert!(
            matches!(error, FrameError::Truncated | FrameError::Damaged(_)),
            "{error}"
        );
    }

    #[test]
    fn batches_that_are_compressed_already_cost_no_more_bytes_and_keep_their_checksum() {
        let text = vec![b'x'; 1_000];
        let random = noise(100_000);
        let mut compressor = FrameCompressor::new(3);
        for codec in Codec::ALL {
            for plain in [&text, &random] {
                let frame = compressor.compress_batches(plain, codec);
                assert!(frame.len() < plain.len() + 100, "{codec}");
                assert_eq!(&decompress_frame(&frame, plain.len()).unwrap(), plain);
                let mut damaged = frame.to_vec();
                *damaged.last_mut().unwrap() ^= 1;
                assert!(decompress_frame(&damaged, plain.len()).is_err(), "{codec}");
            }
        }
        // and the level is what it was
        let again = FrameCompressor::new(3).compress(&text);
        assert_eq!(compressor.compress(&text), again);
    }

    #[test]
    fn levels_out_of_range_are_brought_into_it() {
        for level in [i32::MIN, 0, 1, 19, 22, i32::MAX] {
            let frame = FrameCompressor::new(level).compress(b"text");
            assert_eq!(decompress_frame(&frame, 4).unwrap(), b"text");
        }
    }
}
