use super::*;
use crate::{
    CatalogEntry,
    testing::{bare_commit, nowhere},
};

fn commit(n: u32, sequence: u64) -> CatalogEntry {
    let mut commit = bare_commit(n);
    commit.sequence = sequence;
    CatalogEntry::Committed(commit)
}

fn damaged(sequence: u64) -> CatalogEntry {
    CatalogEntry::Damaged {
        sequence,
        object: format!("c/commits/{sequence}"),
        reason: "cut".to_owned(),
    }
}

fn catalog(entries: Vec<CatalogEntry>) -> Catalog {
    Catalog {
        cluster: "c".to_owned(),
        entries,
    }
}

fn sequences(commits: &[&Commit]) -> Vec<u64> {
    commits.iter().map(|commit| commit.sequence).collect()
}

#[test]
fn what_the_target_lacks_is_missing_and_what_it_has_is_not_copied_again() {
    let source = catalog(vec![commit(1, 1), damaged(2), commit(3, 3), commit(4, 4)]);
    let target = catalog(vec![commit(9, 1), commit(3, 2), damaged(3)]);
    let choice = choose(&source, &target, None);
    assert_eq!(sequences(&choice.missing), [1, 4]);
    assert_eq!(choice.present.len(), 1);
    assert_eq!((choice.present[0].0.sequence, choice.present[0].1), (3, 2));
    assert!(choice.differing.is_empty());
    let wanted = BTreeSet::from([choice.missing[1].snapshot.clone()]);
    let choice = choose(&source, &target, Some(&wanted));
    assert_eq!(sequences(&choice.missing), [4]);
    assert!(choice.present.is_empty());
    let standings = standings(&source, &target, &choice);
    let standings: Vec<_> = standings
        .iter()
        .map(|one| (one.source, one.target, one.wanted))
        .collect();
    assert_eq!(
        standings,
        [(1, None, false), (3, Some(2), false), (4, None, true)]
    );
}

#[test]
fn another_manifest_under_the_same_name_is_another_snapshot() {
    let source = catalog(vec![commit(1, 1)]);
    let mut other = bare_commit(1);
    other.sequence = 5;
    other.manifest = nowhere("c/manifests/other");
    let target = catalog(vec![CatalogEntry::Committed(other)]);
    let choice = choose(&source, &target, None);
    assert!(choice.missing.is_empty() && choice.present.is_empty());
    assert_eq!(choice.differing[0].1, 5);
}

#[test]
fn of_what_was_committed_twice_the_later_commit_holds() {
    let source = catalog(vec![commit(1, 1), commit(2, 2), commit(1, 3)]);
    let choice = choose(&source, &catalog(Vec::new()), None);
    assert_eq!(sequences(&choice.missing), [2, 3]);
}

#[test]
fn the_neighbours_of_what_is_missing_are_those_right_before_and_behind() {
    let source = catalog((1..=7).map(|n| commit(n, n.into())).collect());
    let (mut missing, mut present) = (Vec::new(), Vec::new());
    for commit in source.snapshots() {
        match commit.sequence {
            3 | 4 | 7 => missing.push(commit),
            _ => present.push((commit, commit.sequence)),
        }
    }
    assert_eq!(sequences(&neighbours(&missing, &present)), [2, 5, 6]);
    assert!(neighbours(&missing, &[]).is_empty());
}
