//! What is copied for which snapshot: decided from what was found, without asking anybody.

use std::collections::BTreeMap;

use lifeboat_archive::words::SnapshotId;

use super::{
    inventory::Inventory,
    object::{Needs, Object},
    report::{Finding, Obstacle},
};

/// What the target was found to hold of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// It is as it should be, as far as was looked.
    There,
    /// Something else is there, which is never overwritten.
    Other(Obstacle),
}

/// What is known of an object's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Missing,
    There,
    /// It can't be had, or something else is in its place.
    Failed,
}

/// A snapshot to be made whole in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) snapshot: SnapshotId,
    pub(super) needs: Needs,
}

/// Who does what in which order, and what stands in the way.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) objects: Vec<Object>,
    /// The newest first: wherever a copy is stopped, what it has brought over is worth most. An older snapshot that shares
    /// archives with a newer one then costs little more. The numbers of their commits do not depend on this order.
    pub(super) steps: Vec<Step>,
    pub(super) ledger: Ledger,
    pub(super) findings: Findings,
}

impl Plan {
    /// From what the source's snapshots (the oldest first) need, and what the target holds of it.
    pub(super) fn new(inventory: Inventory, found: Vec<Found>) -> Self {
        let mut plan = Self {
            objects: inventory.objects,
            ..Self::default()
        };
        for (snapshot, needs) in inventory.snapshots.into_iter().rev() {
            match needs {
                Ok(needs) => plan.steps.push(Step { snapshot, needs }),
                Err(obstacles) => {
                    for obstacle in obstacles {
                        plan.findings.add(obstacle, [snapshot.clone()]);
                    }
                }
            }
        }
        for (at, found) in found.into_iter().enumerate() {
            let held = match found {
                Found::Nothing => Held::Missing,
                Found::There => Held::There,
                Found::Other(obstacle) => {
                    plan.findings.add(obstacle, needed_by(&plan.steps, at));
                    Held::Failed
                }
            };
            plan.ledger.0.push(held);
        }
        plan
    }

    /// How many objects and bytes each step would copy, if all goes well; none where it can't be done.
    pub(super) fn costs(&self) -> Vec<Option<(u64, u64)>> {
        let mut ledger = self.ledger.clone();
        let steps = self.steps.iter();
        steps
            .map(|step| {
                if ledger.failed(&step.needs) {
                    return None;
                }
                let mut cost = (0, 0);
                for at in step.needs.all() {
                    if ledger.0.get(at) == Some(&Held::Missing) {
                        cost.0 += 1;
                        cost.1 += self.objects.get(at).map_or(0, |object| object.size);
                        ledger.set(at, Held::There);
                    }
                }
                Some(cost)
            })
            .collect()
    }
}

/// The snapshots whose steps need the object at that place.
pub(super) fn needed_by(steps: &[Step], object: usize) -> Vec<SnapshotId> {
    let needing = steps
        .iter()
        .filter(|step| step.needs.all().any(|at| at == object));
    needing.map(|step| step.snapshot.clone()).collect()
}

/// What is known of the copy of each object, by its place in the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Vec<Held>);

impl Ledger {
    pub(super) fn set(&mut self, at: usize, held: Held) {
        if let Some(there) = self.0.get_mut(at) {
            *there = held;
        }
    }

    /// Those that have to be copied.
    pub(super) fn missing(&self, objects: &[usize]) -> Vec<usize> {
        let missing = |at: &&usize| self.0.get(**at) == Some(&Held::Missing);
        objects.iter().filter(missing).copied().collect()
    }

    /// Whether something of it can't be had.
    pub(super) fn failed(&self, needs: &Needs) -> bool {
        needs.all().any(|at| self.0.get(at) == Some(&Held::Failed))
    }

    /// Whether all of it is there.
    pub(super) fn whole(&self, needs: &Needs) -> bool {
        needs.all().all(|at| self.0.get(at) == Some(&Held::There))
    }
}

/// What is wrong, each object and reason once.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Obstacle, Vec<SnapshotId>>);

impl Findings {
    pub(super) fn add(
        &mut self,
        obstacle: Obstacle,
        snapshots: impl IntoIterator<Item = SnapshotId>,
    ) {
        let known = self.0.entry(obstacle).or_default();
        for snapshot in snapshots {
            if !known.contains(&snapshot) {
                known.push(snapshot);
            }
        }
    }

    pub(super) fn report(self) -> Vec<Finding> {
        let found = self.0.into_iter();
        found
            .map(|(obstacle, snapshots)| obstacle.finding(snapshots))
            .collect()
    }
}

#[cfg(test)]
mod tests;
