//! The cluster documents: a small tar in one zstd frame.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    ArchiveError, HeaderProblem, ZERO_BLOCKS, compress_frame, decompress_frame,
    header::{member_header, take_header},
};
use crate::{frames::FrameError, json::Sha256Hex, segment::padding};

/// The member that `sha256sum -c` reads.
const SUMS: &str = "documents.sha256";
/// Nobody's documents are larger.
const MOST_BYTES: usize = 1 << 30;

/// `metadata.tar.zst`: the members in that order, then `documents.sha256`, in one zstd frame.
pub fn documents_archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut sums = String::new();
    for (name, content) in members {
        put_member(&mut tar, name, content);
        writeln!(sums, "{}  {name}", Sha256Hex::of(content))
            .expect("writing to a string can't fail");
    }
    put_member(&mut tar, SUMS, sums.as_bytes());
    tar.extend_from_slice(&ZERO_BLOCKS);
    compress_frame(&tar)
}

fn put_member(tar: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = content.len() as u64;
    tar.extend_from_slice(&member_header(name, size, 0));
    tar.extend_from_slice(content);
    tar.extend_from_slice(padding(size).unwrap_or_default());
}

/// The members of what [`documents_archive`] makes, each checked against its SHA-256.
pub fn read_documents(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
    let tar = decompress_frame(archive, MOST_BYTES).map_err(DocumentsProblem::Frame)?;
    let mut members = take_members(&tar)?;
    let sums = members.remove(SUMS).ok_or_else(|| missing(SUMS))?;
    let sums = str::from_utf8(&sums).map_err(|_| damaged(SUMS))?;
    let mut expected = BTreeMap::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").ok_or_else(|| damaged(SUMS))?;
        expected.insert(name, sum);
    }
    for (name, content) in &members {
        let sum = expected.remove(name.as_str());
        if sum != Some(Sha256Hex::of(content).as_str()) {
            return Err(damaged(name).into());
        }
    }
    match expected.first_key_value() {
        Some((name, _)) => Err(missing(name).into()),
        None => Ok(members),
    }
}

fn take_members(mut tar: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, DocumentsProblem> {
    let mut members = BTreeMap::new();
    while let Some(header) = take_header(&mut tar)? {
        let padding = padding(header.size).map_or(0, <[u8]>::len);
        let content = usize::try_from(header.size)
            .ok()
            .and_then(|size| tar.split_at_checked(size))
            .and_then(|(content, rest)| Some((content, rest.get(padding..)?)));
        let (content, rest) = content.ok_or_else(|| damaged(&header.name))?;
        tar = rest;
        members.insert(header.name, content.to_vec());
    }
    Ok(members)
}

fn missing(member: &str) -> DocumentsProblem {
    DocumentsProblem::Missing {
        member: member.to_owned(),
    }
}

fn damaged(member: &str) -> DocumentsProblem {
    DocumentsProblem::Damaged {
        member: member.to_owned(),
    }
}

/// What is wrong with the cluster documents.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsProblem {
    /// The frame can't be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A tar header is damaged.
    #[error("tar header: {0}")]
    Header(#[from] HeaderProblem),
    /// A member is not there.
    #[error("{member} is missing")]
    Missing {
        /// The member's name.
        member: String,
    },
    /// A member is not what was stored.
    #[error("{member} is damaged")]
    Damaged {
        /// The member's name.
        member: String,
    },
}
