//! The snapshots of one cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use lifeboat_archive::words::SnapshotId;

use super::{
    Copy, CopyError,
    choice::{Choice, choose, neighbours, standings},
    inventory::{self, Inventory},
    numbers,
    object::{Kind, Object},
    plan::{Found, Plan},
    report::{ClusterReport, CopyState, Obstacle, Report, Side, SnapshotReport},
    transfer::Transfer,
};
use crate::{Catalog, CatalogEntry, ClusterRepository, RepositoryError, catalog::READS};

/// One cluster in both repositories.
pub(super) struct ClusterCopy<'c> {
    pub(super) copy: &'c Copy,
    pub(super) from: ClusterRepository,
    pub(super) to: ClusterRepository,
    pub(super) transfer: Transfer<'c>,
}

/// What both repositories hold, and what was asked for.
pub(super) struct Sight {
    pub(super) source: Catalog,
    pub(super) target: Catalog,
    wanted: Option<BTreeSet<SnapshotId>>,
}

impl Sight {
    pub(super) fn choice(&self) -> Choice<'_> {
        choose(&self.source, &self.target, self.wanted.as_ref())
    }

    /// The numbers that the commits of what is missing get, by those that they have in the source.
    pub(super) fn numbers(&self) -> BTreeMap<u64, Option<u64>> {
        let standings = standings(&self.source, &self.target, &self.choice());
        let taken = self.target.entries.iter().map(CatalogEntry::sequence);
        numbers::assign(&standings, &taken.collect())
    }

    /// The number before this one, of what is there and of what is to be copied, where that is not one less.
    pub(super) fn follows(
        &self,
        number: u64,
        assigned: &BTreeMap<u64, Option<u64>>,
    ) -> Option<u64> {
        let there = self.target.entries.iter().map(CatalogEntry::sequence);
        let all = there.chain(assigned.values().copied().flatten());
        let before = all.filter(|&other| other < number).max().unwrap_or(0);
        (before + 1 != number).then_some(before)
    }
}

impl ClusterCopy<'_> {
    /// Copies what is missing. `report` gets what was done, also of snapshots that could not be copied.
    pub(super) async fn run(&self, report: &mut Report) -> Result<(), CopyError> {
        let progress = &self.copy.progress;
        progress.begin("listing", 0);
        let source = self.from.catalog().await.map_err(CopyError::Source)?;
        let target = self.to.catalog().await.map_err(CopyError::Target)?;
        let mut sight = Sight {
            wanted: self.wanted(&source).await?,
            source,
            target,
        };
        let inventory = self.inventory(&sight).await?;
        // What is there is looked at before anything is written: a run that goes on where another was stopped, and a dry
        // run, say at once what is left to do.
        let found = self.survey(&inventory, report).await?;
        let mut plan = Plan::new(inventory, found);
        self.name_commits(&sight, &mut plan);
        let mut snapshots = expected(&sight, &plan);
        if self.copy.options.dry_run {
            report.objects += snapshots.iter().map(|one| one.objects).sum::<u64>();
            report.bytes += snapshots.iter().map(|one| one.bytes).sum::<u64>();
        } else {
            let bytes = snapshots.iter().map(|one| one.bytes).sum();
            progress.begin("copying", bytes);
            self.copy_snapshots(&mut sight, &mut plan, &mut snapshots, report)
                .await?;
        }
        report.clusters.push(ClusterReport {
            cluster_id: self.from.id().to_owned(),
            snapshots,
            findings: plan.findings.report(),
        });
        Ok(())
    }

    /// The snapshots that are named; none where all are meant.
    async fn wanted(&self, source: &Catalog) -> Result<Option<BTreeSet<SnapshotId>>, CopyError> {
        let references = &self.copy.options.references;
        if references.is_empty() {
            return Ok(None);
        }
        let mut named = BTreeSet::new();
        for reference in references {
            let commit = self.from.resolve(source, reference).await;
            named.insert(commit.map_err(CopyError::Source)?.snapshot);
        }
        Ok(Some(named))
    }

    async fn inventory(&self, sight: &Sight) -> Result<Inventory, CopyError> {
        let choice = sight.choice();
        let mut wanted = choice.missing.clone();
        let mut settled = Vec::new();
        if self.copy.options.verify_existing {
            wanted.extend(choice.present.iter().map(|(commit, _)| *commit));
            wanted.sort_by_key(|commit| commit.sequence);
        } else {
            // Incremental snapshots share nearly everything with their neighbours: what the target has by one of these
            // it has by the other.
            let all = choose(&sight.source, &sight.target, None);
            settled = neighbours(&choice.missing, &all.present);
        }
        self.copy.progress.begin("planning", wanted.len() as u64);
        let read = inventory::read(
            &self.from,
            &sight.source,
            &wanted,
            &settled,
            &self.copy.progress,
        );
        let read = self.unless_stopped(read).await?;
        read.map_err(CopyError::Source)
    }

    /// What the target holds of these objects: of small ones the content, of archives the size, which nothing but a whole
    /// upload has; the content of these, too, where that was asked for.
    async fn survey(
        &self,
        inventory: &Inventory,
        report: &mut Report,
    ) -> Result<Vec<Found>, CopyError> {
        let to = self.to.repository().store();
        let sizes = stream::iter(&inventory.objects)
            .map(async |object: &Object| match to.size(&object.name).await {
                Ok(size) => Ok(Some(size)),
                Err(RepositoryError::NotFound { .. }) => Ok(None),
                Err(error) => Err(CopyError::Target(error)),
            })
            .buffered(READS)
            .collect::<Vec<_>>();
        let sizes = self.unless_stopped(sizes).await?;
        let sizes: Vec<_> = sizes.into_iter().collect::<Result<_, _>>()?;
        let all = self.copy.options.verify_existing;
        let read = |object: &Object| all || object.kind != Kind::Archive;
        if all {
            let there = inventory.objects.iter().zip(&sizes);
            let bytes = there.filter_map(|(_, size)| *size).sum();
            self.copy.progress.begin("verifying", bytes);
        }
        let mut looks = stream::iter(inventory.objects.iter().zip(sizes))
            .map(async |(object, size)| {
                let Some(size) = size else {
                    return Ok((Found::Nothing, 0));
                };
                if let Some(problem) = object.wrong_size(size) {
                    let obstacle = Obstacle::damaged(Side::Target, &object.name, problem);
                    return Ok((Found::Other(obstacle), 0));
                }
                if !read(object) {
                    return Ok((Found::There, 0));
                }
                let proven = self.transfer.prove(object, size).await?;
                let found = proven.map_or_else(Found::Other, |()| Found::There);
                Ok((found, size))
            })
            .buffered(self.copy.options.parallel.max(1));
        let mut found = Vec::with_capacity(inventory.objects.len());
        while let Some(look) = looks.next().await {
            let (look, bytes): (_, u64) = look?;
            if bytes > 0 {
                report.verified_objects += 1;
                report.verified_bytes += bytes;
            }
            found.push(look);
        }
        Ok(found)
    }

    /// Commits that can't be read, and snapshots that can't be committed.
    fn name_commits(&self, sight: &Sight, plan: &mut Plan) {
        let sides = [
            (Side::Source, &self.from, &sight.source),
            (Side::Target, &self.to, &sight.target),
        ];
        for (side, repository, catalog) in sides {
            for entry in &catalog.entries {
                let object = repository.layout().commit(entry.sequence());
                if let Err(error) = entry.commit()
                    && let Ok(obstacle) = Obstacle::of(side, &object, error)
                {
                    plan.findings.add(obstacle, []);
                }
            }
        }
        let choice = sight.choice();
        let numbers = sight.numbers();
        for commit in choice.missing {
            if numbers.get(&commit.sequence) == Some(&None) {
                let object = self.to.layout().commit(commit.sequence);
                plan.steps.retain(|step| step.snapshot != commit.snapshot);
                plan.findings
                    .add(Obstacle::no_number(object), [commit.snapshot.clone()]);
            }
        }
        for (commit, number) in choice.differing {
            let object = self.to.layout().commit(number);
            plan.findings
                .add(Obstacle::another(object), [commit.snapshot.clone()]);
        }
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, CopyError> {
        let done = self.transfer.stop.run_until_cancelled(work).await;
        done.ok_or(CopyError::Interrupted)
    }
}

/// What should become of every snapshot, the newest first.
fn expected(sight: &Sight, plan: &Plan) -> Vec<SnapshotReport> {
    let choice = sight.choice();
    let numbers = sight.numbers();
    let costs: BTreeMap<_, _> = plan
        .steps
        .iter()
        .zip(plan.costs())
        .filter_map(|(step, cost)| Some((&step.snapshot, cost?)))
        .collect();
    let missing = choice.missing.iter().map(|commit| {
        let number = numbers.get(&commit.sequence).copied().flatten();
        (*commit, CopyState::Pending, number)
    });
    let present = choice.present.iter();
    let present = present.map(|(commit, number)| (*commit, CopyState::Present, Some(*number)));
    let differing = choice.differing.iter();
    let differing = differing.map(|(commit, _)| (*commit, CopyState::NotCopied, None));
    let mut all: Vec<_> = missing.chain(present).chain(differing).collect();
    all.sort_by_key(|(commit, ..)| std::cmp::Reverse(commit.sequence));
    all.into_iter()
        .map(|(commit, state, sequence)| {
            let cost = costs.get(&commit.snapshot).copied();
            let impossible = state == CopyState::Pending && (cost.is_none() || sequence.is_none());
            let (objects, bytes) = cost.unwrap_or_default();
            SnapshotReport {
                snapshot: commit.snapshot.clone(),
                kind: commit.kind,
                bounds_at: commit.bounds_at,
                state: if impossible {
                    CopyState::NotCopied
                } else {
                    state
                },
                sequence: sequence.filter(|_| !impossible),
                objects,
                bytes,
            }
        })
        .collect()
}
