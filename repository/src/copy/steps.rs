//! Snapshot after snapshot: objects, then the commit.

use futures::{StreamExt, stream};
use lifeboat_archive::words::SnapshotId;

use super::{
    CopyError,
    cluster::{ClusterCopy, Sight},
    plan::{Held, Plan, Step, needed_by},
    report::{CopyState, Obstacle, Report, SnapshotReport},
};
use crate::{CatalogEntry, cluster::Numbered};

/// Objects and bytes that were copied.
#[derive(Clone, Copy, Debug, Default)]
struct Copied {
    objects: u64,
    bytes: u64,
}

impl ClusterCopy<'_> {
    /// Does what the plan says; what can't be done of it becomes a finding, and the rest is done.
    pub(super) async fn copy_snapshots(
        &self,
        sight: &mut Sight,
        plan: &mut Plan,
        snapshots: &mut [SnapshotReport],
        report: &mut Report,
    ) -> Result<(), CopyError> {
        let steps = std::mem::take(&mut plan.steps);
        for step in &steps {
            let Some(entry) = snapshots
                .iter_mut()
                .find(|one| one.snapshot == step.snapshot)
            else {
                continue;
            };
            self.copy.progress.note(step.snapshot.to_string());
            let mut copied = Copied::default();
            let whole = self.bring(step, &steps, plan, &mut copied).await?;
            entry.objects = copied.objects;
            entry.bytes = copied.bytes;
            report.objects += copied.objects;
            report.bytes += copied.bytes;
            if entry.state == CopyState::Present {
                entry.state = match (whole, copied.objects) {
                    (true, 0) => CopyState::Present,
                    (true, _) => CopyState::Repaired,
                    (false, _) => CopyState::Damaged,
                };
                continue;
            }
            entry.sequence = None;
            entry.state = CopyState::NotCopied;
            if whole {
                // From here on the snapshot is in the target; before this line it is not, whatever of it is.
                match self.commit(&step.snapshot, sight).await? {
                    Ok(number) => {
                        entry.sequence = Some(number);
                        entry.state = CopyState::Copied;
                        tracing::info!(snapshot = %step.snapshot, number, "copied");
                    }
                    Err(obstacle) => plan.findings.add(obstacle, [step.snapshot.clone()]),
                }
            }
        }
        Ok(())
    }

    /// Brings over what the target lacks of a snapshot: archives, documents, lists, manifest, so that nothing is there
    /// before what it names. Tells whether all of it is there now.
    async fn bring(
        &self,
        step: &Step,
        steps: &[Step],
        plan: &mut Plan,
        copied: &mut Copied,
    ) -> Result<bool, CopyError> {
        for stage in step.needs.stages() {
            // what can't be had once can't be had for any snapshot
            if plan.ledger.failed(&step.needs) {
                return Ok(false);
            }
            let missing = plan.ledger.missing(stage);
            self.copy_objects(missing, steps, plan, copied).await?;
        }
        Ok(plan.ledger.whole(&step.needs))
    }

    /// Copies some objects at a time. All that can't be copied is named; when a store fails, the others are given up in
    /// good order.
    async fn copy_objects(
        &self,
        missing: Vec<usize>,
        steps: &[Step],
        plan: &mut Plan,
        copied: &mut Copied,
    ) -> Result<(), CopyError> {
        let Plan {
            objects,
            ledger,
            findings,
            ..
        } = plan;
        let missing = missing
            .into_iter()
            .filter_map(|at| Some((at, objects.get(at)?)));
        let mut copies = stream::iter(missing)
            .map(async |(at, object)| (at, object.size, self.transfer.copy(object).await))
            .buffer_unordered(self.copy.options.parallel.max(1));
        let mut ended = None;
        while let Some((at, size, done)) = copies.next().await {
            match done {
                Ok(Ok(())) => {
                    ledger.set(at, Held::There);
                    copied.objects += 1;
                    copied.bytes += size;
                }
                Ok(Err(obstacle)) => {
                    ledger.set(at, Held::Failed);
                    findings.add(obstacle, needed_by(steps, at));
                }
                Err(error) => {
                    // the others stop, too, and remove what they have stored so far
                    self.transfer.stop.cancel();
                    ended.get_or_insert(error);
                }
            }
        }
        ended.map_or(Ok(()), Err)
    }

    /// Makes the snapshot exist in the target; all of it is there. Tells its number.
    async fn commit(
        &self,
        snapshot: &SnapshotId,
        sight: &mut Sight,
    ) -> Result<Result<u64, Obstacle>, CopyError> {
        let mut patience = self.to.repository().store().patience();
        loop {
            let numbers = sight.numbers();
            let choice = sight.choice();
            let missing = choice.missing.iter();
            let Some(commit) = missing.copied().find(|one| one.snapshot == *snapshot) else {
                // somebody else was faster
                let mut present = choice.present.iter();
                let there = present.find(|(one, _)| one.snapshot == *snapshot);
                return Ok(there.map(|(_, number)| *number).ok_or_else(|| {
                    let mut others = choice.differing.iter();
                    let other = others.find(|(one, _)| one.snapshot == *snapshot);
                    let number = other.map_or(0, |(_, number)| *number);
                    Obstacle::another(self.to.layout().commit(number))
                }));
            };
            let Some(number) = numbers.get(&commit.sequence).copied().flatten() else {
                let object = self.to.layout().commit(commit.sequence);
                return Ok(Err(Obstacle::no_number(object)));
            };
            let mut commit = commit.clone();
            commit.sequence = number;
            commit.follows = sight.follows(number, &numbers);
            let repository = self.to.repository();
            repository.confirm().await.map_err(CopyError::Target)?;
            let created = self.to.create_commit(&commit).await;
            match created.map_err(CopyError::Target)? {
                Numbered::Ours => {
                    let entries = &mut sight.target.entries;
                    entries.push(CatalogEntry::Committed(commit));
                    entries.sort_by_key(CatalogEntry::sequence);
                    return Ok(Ok(number));
                }
                Numbered::Taken => tracing::debug!(number, "another commit took the number"),
                Numbered::Nobodys => {
                    let object = self.to.layout().commit(number);
                    let waited = patience.contradicted(&object).await;
                    waited.map_err(CopyError::Target)?;
                }
            }
            sight.target = self.to.catalog().await.map_err(CopyError::Target)?;
        }
    }
}
