//! Which snapshots are copied: those that were asked for and that the target lacks.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_archive::{manifest::Commit, words::SnapshotId};

use crate::Catalog;

/// The snapshots that were asked for.
#[derive(Debug, Default)]
pub(super) struct Choice<'c> {
    /// The target lacks them; the oldest first.
    pub(super) missing: Vec<&'c Commit>,
    /// The target has them, with these numbers; the oldest first.
    pub(super) present: Vec<(&'c Commit, u64)>,
    /// The target has others by their names.
    pub(super) differing: Vec<(&'c Commit, u64)>,
}

/// Holds the source's snapshots against the target's. Damaged commits are nobody's snapshots.
pub(super) fn choose<'c>(
    source: &'c Catalog,
    target: &Catalog,
    wanted: Option<&BTreeSet<SnapshotId>>,
) -> Choice<'c> {
    let there = by_name(target);
    let mut choice = Choice::default();
    for commit in in_order(source) {
        if wanted.is_some_and(|wanted| !wanted.contains(&commit.snapshot)) {
            continue;
        }
        match there.get(&commit.snapshot) {
            None => choice.missing.push(commit),
            Some(other) if other.manifest == commit.manifest => {
                choice.present.push((commit, other.sequence));
            }
            Some(other) => choice.differing.push((commit, other.sequence)),
        }
    }
    choice
}

/// Should one ever be committed twice, the later commit holds, as it does for who reads.
fn by_name(catalog: &Catalog) -> BTreeMap<&SnapshotId, &Commit> {
    let snapshots = catalog.snapshots();
    snapshots.map(|commit| (&commit.snapshot, commit)).collect()
}

/// Every snapshot once, the oldest first.
fn in_order(catalog: &Catalog) -> Vec<&Commit> {
    let mut all: Vec<_> = by_name(catalog).into_values().collect();
    all.sort_by_key(|commit| commit.sequence);
    all
}

/// A snapshot of the source and where it stands in either repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its number in the source.
    pub(super) source: u64,
    /// Its number in the target.
    pub(super) target: Option<u64>,
    /// It is about to be copied.
    pub(super) wanted: bool,
}

/// Where all of the source's snapshots stand, the oldest first.
pub(super) fn standings(source: &Catalog, target: &Catalog, choice: &Choice<'_>) -> Vec<Standing> {
    let there = by_name(target);
    let missing: BTreeSet<_> = choice
        .missing
        .iter()
        .map(|commit| commit.sequence)
        .collect();
    in_order(source)
        .into_iter()
        .map(|commit| Standing {
            source: commit.sequence,
            target: there.get(&commit.snapshot).map(|there| there.sequence),
            wanted: missing.contains(&commit.sequence),
        })
        .collect()
}

/// Those of `present` that stand right before or right behind one of `missing`; both are in the order of the source.
pub(super) fn neighbours<'c>(
    missing: &[&Commit],
    present: &[(&'c Commit, u64)],
) -> Vec<&'c Commit> {
    let mut found = BTreeMap::new();
    for commit in missing {
        let at = present.partition_point(|(there, _)| there.sequence < commit.sequence);
        let before = at.checked_sub(1).and_then(|at| present.get(at));
        for (there, _) in before.into_iter().chain(present.get(at)) {
            found.insert(there.sequence, *there);
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests;
