//! JSON inside zstd frames.

use std::io::{self, Read};

/// One zstd frame with the content's checksum and size.
pub(crate) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    compressor.compress(bytes)
}

/// What the frames hold; an error where that is more than `limit` bytes, or is followed by anything else.
pub(crate) fn decompress(frames: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    zstd::Decoder::with_buffer(frames)?
        .take(ceiling)
        .read_to_end(&mut plain)?;
    if plain.len() > limit {
        let problem = format!("holds more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_a_bomb_is_refused() {
        let plain = vec![7; 1 << 20];
        let frame = compress(&plain).unwrap();
        assert_eq!(decompress(&frame, plain.len()).unwrap(), plain);
        assert!(decompress(&frame, plain.len() - 1).is_err());
    }

    #[test]
    fn a_damaged_or_shortened_frame_is_an_error() {
        let frame = compress(&[1, 2, 3, 4, 5]).unwrap();
        for at in 0..frame.len() {
            assert!(decompress(&frame[..at], 100).is_err() || at == 0, "{at}");
            let mut damaged = frame.clone();
            damaged[at] ^= 1;
            assert_ne!(
                decompress(&damaged, 100).ok().as_deref(),
                Some(&[1, 2, 3, 4, 5][..]),
                "{at}"
            );
        }
    }
}
