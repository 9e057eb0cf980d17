//! The objects that snapshots are made of.

use super::proof::Expected;

/// What an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Archive,
    Documents,
    Lists,
    Manifest,
}

/// An object, as those that name it know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes of it that are copied.
    pub(super) size: u64,
    pub(super) expected: Expected,
}

impl Object {
    /// What is wrong with an object of that name that has `size` bytes.
    pub(super) fn wrong_size(&self, size: u64) -> Option<String> {
        // what lies behind the last list that anybody names is nobody's
        if let Expected::Frames(frames) = &self.expected {
            let end = frames.iter().map(|frame| frame.end).max().unwrap_or(0);
            return (size < end)
                .then(|| format!("it has {size} bytes, and a list in it ends at byte {end}"));
        }
        (size != self.size).then(|| format!("it has {size} bytes instead of {}", self.size))
    }
}

/// Where in the table of objects those are that a snapshot needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) archives: Vec<usize>,
    pub(super) documents: Vec<usize>,
    pub(super) lists: Vec<usize>,
    pub(super) manifest: Vec<usize>,
}

impl Needs {
    /// In the order in which they are stored: nothing before what it names.
    pub(super) fn stages(&self) -> [&[usize]; 4] {
        [&self.archives, &self.documents, &self.lists, &self.manifest]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = usize> + '_ {
        self.stages().into_iter().flatten().copied()
    }
}
