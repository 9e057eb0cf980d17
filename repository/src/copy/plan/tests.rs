use std::collections::BTreeSet;

use lifeboat_archive::json::Xxh3Hex;
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest},
    sample::subsequence,
};

use super::*;
use crate::{
    copy::{
        object::Kind,
        proof::Expected,
        report::{FindingKind, Side},
    },
    testing::snapshot,
};

fn object(at: usize) -> Object {
    Object {
        name: format!("c/data/{at}"),
        kind: Kind::Archive,
        size: 10 + at as u64,
        expected: Expected::Xxh3(Xxh3Hex::of(b"")),
    }
}

fn obstacle(at: usize) -> Obstacle {
    Obstacle::damaged(Side::Target, &object(at).name, "it is another")
}

/// Some objects, what each of some snapshots needs of them, and what the target holds.
fn scenes() -> impl Strategy<Value = (Inventory, Vec<Found>)> {
    const OBJECTS: usize = 12;
    let all: Vec<usize> = (0..OBJECTS).collect();
    let needs = vec((subsequence(all, 1..6), any::<bool>()), 1..8);
    let found = vec(0..6u8, OBJECTS);
    (needs, found).prop_map(|(needs, found)| {
        let snapshots = needs.into_iter().zip(1..).map(|((archives, known), n)| {
            let needs = Needs {
                archives,
                ..Needs::default()
            };
            let needs = if known || n % 3 > 0 {
                Ok(needs)
            } else {
                Err(vec![obstacle(99)])
            };
            (snapshot(n), needs)
        });
        let inventory = Inventory {
            objects: (0..OBJECTS).map(object).collect(),
            snapshots: snapshots.collect(),
        };
        let found = found.iter().enumerate().map(|(at, kind)| match kind {
            0 => Found::Other(obstacle(at)),
            1..3 => Found::There,
            _ => Found::Nothing,
        });
        (inventory, found.collect())
    })
}

proptest! {
    #[test]
    fn every_object_that_is_missing_is_copied_once_and_for_snapshots_that_can_be_whole_only(
        (inventory, found) in scenes(),
    ) {
        let named: Vec<_> = inventory.snapshots.clone();
        let plan = Plan::new(inventory, found.clone());
        let possible = |needs: &Needs| {
            needs.all().all(|at| !matches!(found[at], Found::Other(_)))
        };
        // the newest first
        let order: Vec<_> = plan.steps.iter().map(|step| step.snapshot.clone()).collect();
        prop_assert!(order.is_sorted_by(|one, next| one > next));
        let costs = plan.costs();
        let mut wanted = BTreeSet::new();
        for (step, cost) in plan.steps.iter().zip(&costs) {
            prop_assert_eq!(cost.is_some(), possible(&step.needs));
            if cost.is_some() {
                wanted.extend(step.needs.all().filter(|at| found[*at] == Found::Nothing));
            }
        }
        let objects: u64 = costs.iter().flatten().map(|cost| cost.0).sum();
        let bytes: u64 = costs.iter().flatten().map(|cost| cost.1).sum();
        prop_assert_eq!(objects, wanted.len() as u64);
        prop_assert_eq!(bytes, wanted.iter().map(|at| object(*at).size).sum::<u64>());
        // whoever can't be copied is named with the reason
        let findings = plan.findings.report();
        for (snapshot, needs) in &named {
            let told = findings.iter().any(|finding| finding.snapshots.contains(snapshot));
            let whole = needs.as_ref().is_ok_and(possible);
            prop_assert_eq!(told, !whole);
        }
    }
}

#[test]
fn what_is_wrong_is_told_once_with_all_who_need_it() {
    let needs = |archives: &[usize]| {
        Ok(Needs {
            archives: archives.to_vec(),
            ..Needs::default()
        })
    };
    let inventory = Inventory {
        objects: vec![object(0), object(1)],
        snapshots: vec![
            (snapshot(1), needs(&[0])),
            (snapshot(2), needs(&[0, 1])),
            (snapshot(3), needs(&[1])),
        ],
    };
    let plan = Plan::new(inventory, vec![Found::Other(obstacle(0)), Found::Nothing]);
    assert_eq!(plan.costs(), [Some((1, 11)), None, None]);
    let findings = plan.findings.report();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, FindingKind::Damaged);
    assert_eq!(findings[0].snapshots, [snapshot(2), snapshot(1)]);
}
