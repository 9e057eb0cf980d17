//! tar headers, GNU's kind: one block, or three and more where the name is long.

use tar::{EntryType, Header};

use crate::segment::BLOCK;

const LONG_NAME: &[u8] = b"././@LongLink";
const NAME_FIELD: usize = 100;
const CHECKSUM_FIELD: std::ops::Range<usize> = 148..156;

/// The header of a member: mode 0644, owner 0, times in seconds since 1970.
pub(super) fn member_header(name: &str, size: u64, modified: u64) -> Vec<u8> {
    let name = name.as_bytes();
    let mut bytes = Vec::with_capacity(3 * BLOCK);
    if name.len() > NAME_FIELD {
        let size = name.len() as u64 + 1;
        bytes.extend_from_slice(&block(LONG_NAME, EntryType::GNULongName, size, 0));
        bytes.extend_from_slice(name);
        // a zero ends the name, more of them fill the block
        bytes.resize((bytes.len() / BLOCK + 1) * BLOCK, 0);
    }
    let short = &name[..name.len().min(NAME_FIELD)];
    bytes.extend_from_slice(&block(short, EntryType::Regular, size, modified));
    bytes
}

fn block(name: &[u8], kind: EntryType, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(modified);
    header.set_cksum();
    *header.as_bytes()
}

/// A member's header, taken from the front of a tar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberHeader {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Takes the header at the front of `bytes`; `None` where the tar's end is there.
pub(super) fn take_header(bytes: &mut &[u8]) -> Result<Option<MemberHeader>, HeaderProblem> {
    let mut header = take_block(bytes)?;
    if header.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let mut long_name = None;
    if entry_type(header)? == EntryType::GNULongName {
        let size = entry_size(header)?;
        let length = usize::try_from(size).map_err(|_| HeaderProblem::Field("size"))?;
        let blocks = length.div_ceil(BLOCK).checked_mul(BLOCK);
        let text = blocks.and_then(|blocks| bytes.split_at_checked(blocks));
        let (text, rest) = text.ok_or(HeaderProblem::Truncated)?;
        long_name = Some(until_zero(&text[..length]));
        *bytes = rest;
        header = take_block(bytes)?;
    }
    if entry_type(header)? != EntryType::Regular {
        return Err(HeaderProblem::Field("type"));
    }
    let name = long_name.unwrap_or_else(|| until_zero(&header[..NAME_FIELD]));
    let name = str::from_utf8(name).map_err(|_| HeaderProblem::Field("name"))?;
    Ok(Some(MemberHeader {
        name: name.to_owned(),
        size: entry_size(header)?,
    }))
}

/// Checks that `bytes` is the header of just that member.
pub(crate) fn check_header(mut bytes: &[u8], name: &str, size: u64) -> Result<(), HeaderProblem> {
    let header = take_header(&mut bytes)?.ok_or(HeaderProblem::Truncated)?;
    if header.name != name {
        return Err(HeaderProblem::OtherName { found: header.name });
    }
    if header.size != size {
        return Err(HeaderProblem::OtherSize {
            expected: size,
            found: header.size,
        });
    }
    if bytes.is_empty() {
        Ok(())
    } else {
        Err(HeaderProblem::Surplus)
    }
}

fn take_block<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], HeaderProblem> {
    let (block, rest) = bytes
        .split_at_checked(BLOCK)
        .ok_or(HeaderProblem::Truncated)?;
    *bytes = rest;
    Ok(block)
}

/// The type of a header whose checksum is right.
fn entry_type(block: &[u8]) -> Result<EntryType, HeaderProblem> {
    let header = Header::from_byte_slice(block);
    let sum = |(at, &byte): (usize, &u8)| {
        u32::from(if CHECKSUM_FIELD.contains(&at) {
            b' '
        } else {
            byte
        })
    };
    let expected: u32 = block.iter().enumerate().map(sum).sum();
    if header.cksum().ok() == Some(expected) {
        Ok(header.entry_type())
    } else {
        Err(HeaderProblem::Field("checksum"))
    }
}

fn entry_size(block: &[u8]) -> Result<u64, HeaderProblem> {
    let size = Header::from_byte_slice(block).entry_size();
    size.map_err(|_| HeaderProblem::Field("size"))
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// What is wrong with a tar header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// It ends too early.
    #[error("it is cut off")]
    Truncated,
    /// A field of it can't be read, or is not what Lifeboat writes.
    #[error("unreadable {0}")]
    Field(&'static str),
    /// It is another member's.
    #[error("it is that of {found:?}")]
    OtherName {
        /// The name in it.
        found: String,
    },
    /// It gives another size.
    #[error("it says {found} bytes, the index {expected}")]
    OtherSize {
        /// What the index says.
        expected: u64,
        /// What the header says.
        found: u64,
    },
    /// There is something behind it.
    #[error("there are bytes behind it")]
    Surplus,
}
