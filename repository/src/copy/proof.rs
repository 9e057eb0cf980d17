//! What the bytes of an object must come to, held against them while they pass.

use std::collections::{BTreeSet, VecDeque};

use lifeboat_archive::json::{Sha256Hasher, Sha256Hex, Xxh3Hasher, Xxh3Hex};

/// What is known of the bytes of an object by who names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Documents and manifests.
    Sha256(Sha256Hex),
    /// Archives.
    Xxh3(Xxh3Hex),
    /// Lists: nobody knows the whole, each manifest the frames that are its own.
    Frames(BTreeSet<Frame>),
}

/// A part of an object with a hash of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) sha256: Sha256Hex,
}

impl Expected {
    pub(super) fn begin(&self) -> Proof {
        match self {
            Self::Sha256(wanted) => Proof::Sha256(wanted.clone(), Sha256Hasher::new()),
            Self::Xxh3(wanted) => Proof::Xxh3(wanted.clone(), Box::new(Xxh3Hasher::new())),
            Self::Frames(frames) => Proof::Frames(FrameProof {
                position: 0,
                waiting: frames.iter().cloned().collect(),
                open: Vec::new(),
            }),
        }
    }
}

/// Takes the bytes of an object, in order.
pub(super) enum Proof {
    Sha256(Sha256Hex, Sha256Hasher),
    Xxh3(Xxh3Hex, Box<Xxh3Hasher>),
    Frames(FrameProof),
}

pub(super) struct FrameProof {
    position: u64,
    /// By where they begin.
    waiting: VecDeque<Frame>,
    /// Begun, and not at their ends.
    open: Vec<(Frame, Sha256Hasher)>,
}

impl Proof {
    /// The next bytes; an error as soon as they are known to be wrong.
    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Self::Sha256(_, hasher) => hasher.update(bytes),
            Self::Xxh3(_, hasher) => hasher.update(bytes),
            Self::Frames(frames) => return frames.update(bytes),
        }
        Ok(())
    }

    /// That was all of it.
    pub(super) fn finish(self) -> Result<(), String> {
        let same = |same: bool, what: &str| {
            same.then_some(())
                .ok_or_else(|| format!("its {what} does not match what was written"))
        };
        match self {
            Self::Sha256(wanted, hasher) => same(hasher.finish() == wanted, "SHA-256"),
            Self::Xxh3(wanted, hasher) => same(hasher.finish() == wanted, "XXH3-128"),
            Self::Frames(frames) => frames.finish(),
        }
    }
}

impl FrameProof {
    fn update(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (from, to) = (self.position, self.position + bytes.len() as u64);
        while self.waiting.front().is_some_and(|frame| frame.start < to) {
            let begun = self.waiting.pop_front();
            self.open
                .extend(begun.map(|frame| (frame, Sha256Hasher::new())));
        }
        for (mut frame, mut hasher) in std::mem::take(&mut self.open) {
            // both lie within the piece
            let at = |position: u64| usize::try_from(position - from).unwrap_or(bytes.len());
            let (start, end) = (frame.start.max(from), frame.end.min(to));
            hasher.update(bytes.get(at(start)..at(end)).unwrap_or_default());
            if frame.end > to {
                frame.start = to;
                self.open.push((frame, hasher));
            } else if hasher.finish() != frame.sha256 {
                return Err(format!(
                    "the list that ends at byte {} does not match its SHA-256",
                    frame.end
                ));
            }
        }
        self.position = to;
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        let open = self.open.iter().map(|(frame, _)| frame);
        match open.chain(&self.waiting).map(|frame| frame.end).max() {
            None => Ok(()),
            Some(end) => Err(format!("it ends before byte {end}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8], start: usize, end: usize) -> Frame {
        Frame {
            start: start as u64,
            end: end as u64,
            sha256: Sha256Hex::of(&bytes[start..end]),
        }
    }

    fn prove(expected: &Expected, bytes: &[u8], piece: usize) -> Result<(), String> {
        let mut proof = expected.begin();
        for piece in bytes.chunks(piece) {
            proof.update(piece)?;
        }
        proof.finish()
    }

    #[test]
    fn every_flipped_byte_of_what_is_named_is_found_however_it_is_cut() {
        let bytes: Vec<u8> = (0..60).collect();
        let frames = [(0, 10), (10, 11), (15, 40), (30, 45), (50, 60)];
        let frames = frames.map(|(start, end)| frame(&bytes, start, end));
        let all = [
            Expected::Sha256(Sha256Hex::of(&bytes)),
            Expected::Xxh3(Xxh3Hex::of(&bytes)),
            Expected::Frames(frames.into()),
        ];
        for expected in &all {
            for piece in [1, 7, 16, 60] {
                assert_eq!(prove(expected, &bytes, piece), Ok(()));
                for at in 0..bytes.len() {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1;
                    let named = match expected {
                        Expected::Frames(frames) => frames
                            .iter()
                            .any(|frame| (frame.start..frame.end).contains(&(at as u64))),
                        _ => true,
                    };
                    let found = prove(expected, &damaged, piece).is_err();
                    assert_eq!(found, named, "byte {at} in pieces of {piece}: {expected:?}");
                }
                assert!(prove(expected, &bytes[..59], piece).is_err());
            }
        }
    }
}
