//! The last bytes of an archive: a zstd skippable frame that says where the index frame is.

use bytes::{Buf, BufMut};

use super::ArchiveError;

/// A skippable frame's magic number; zstd passes such frames over.
const SKIPPABLE: u32 = 0x184d_2a50;
const NAME: &[u8; 8] = b"lifeboat";
const VERSION: u32 = 1;
const CONTENT: u32 = 32;

/// Where the index of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveFooter {
    /// Where the index frame begins.
    pub index_position: u64,
    /// Bytes of the index frame.
    pub index_length: u64,
}

impl ArchiveFooter {
    /// Bytes of a footer; they are the last of an archive.
    pub const SIZE: usize = 40;

    /// Reads the footer at the end of `tail`, the last bytes (40 or more) of an object of `object_size` bytes.
    pub fn parse(tail: &[u8], object_size: u64) -> Result<Self, ArchiveError> {
        let start = tail
            .len()
            .checked_sub(Self::SIZE)
            .ok_or(FooterProblem::Missing)?;
        let bytes = &tail[start..];
        let mut rest = bytes;
        let known = rest.get_u32_le() == SKIPPABLE && rest.get_u32_le() == CONTENT;
        if !known || !rest.starts_with(NAME) {
            return Err(FooterProblem::Missing.into());
        }
        rest.advance(NAME.len());
        let version = rest.get_u32_le();
        let index_position = rest.get_u64_le();
        let index_length = rest.get_u64_le();
        if rest.get_u32_le() != crc_fast::crc32_iscsi(&bytes[..Self::SIZE - 4]) {
            return Err(FooterProblem::Checksum.into());
        }
        if version > VERSION {
            return Err(FooterProblem::TooNew { version }.into());
        }
        let end = index_position.checked_add(index_length);
        if index_length == 0
            || end.is_none_or(|end| end > object_size.saturating_sub(Self::SIZE as u64))
        {
            return Err(FooterProblem::Place {
                index_position,
                index_length,
            }
            .into());
        }
        Ok(Self {
            index_position,
            index_length,
        })
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.put_u32_le(SKIPPABLE);
        bytes.put_u32_le(CONTENT);
        bytes.put_slice(NAME);
        bytes.put_u32_le(VERSION);
        bytes.put_u64_le(self.index_position);
        bytes.put_u64_le(self.index_length);
        bytes.put_u32_le(crc_fast::crc32_iscsi(&bytes));
        bytes
    }
}

/// What is wrong with the end of an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FooterProblem {
    /// It does not end as an archive does.
    #[error("there is none: not an archive, or its end is missing")]
    Missing,
    /// It was changed.
    #[error("its checksum does not match")]
    Checksum,
    /// A newer program wrote it.
    #[error("archive version {version} is newer than {VERSION}, the newest this program reads")]
    TooNew {
        /// Its version.
        version: u32,
    },
    /// The index can't be where it says.
    #[error("the index can't be {index_length} bytes at byte {index_position}")]
    Place {
        /// Where it should begin.
        index_position: u64,
        /// How long it should be.
        index_length: u64,
    },
}
