//! What was found while reading.

use std::collections::{BTreeSet, HashMap};

use lifeboat_archive::words::SnapshotId;

use super::{Finding, FindingKind};
use crate::RepositoryError;

/// Which of the findings.
pub(super) type Told = usize;

/// Each object and reason once, with all whom it concerns.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Gathered>,
    by_reason: HashMap<(String, String), Told>,
}

#[derive(Debug)]
struct Gathered {
    kind: FindingKind,
    object: String,
    problem: String,
    snapshots: BTreeSet<SnapshotId>,
    topics: BTreeSet<String>,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        object: &str,
        error: &RepositoryError,
        snapshot: Option<&SnapshotId>,
        topic: Option<&str>,
    ) -> Told {
        let problem = match error {
            RepositoryError::Damaged { problem, .. } => problem.clone(),
            RepositoryError::NotFound { .. } => "it can't be read: it is not there".to_owned(),
            other => other.to_string(),
        };
        let key = (object.to_owned(), problem.clone());
        let told = *self.by_reason.entry(key).or_insert_with(|| {
            self.all.push(Gathered {
                kind: FindingKind::of(error),
                object: object.to_owned(),
                problem,
                snapshots: BTreeSet::new(),
                topics: BTreeSet::new(),
            });
            self.all.len() - 1
        });
        if let Some(finding) = self.all.get_mut(told) {
            finding.snapshots.extend(snapshot.cloned());
            finding.topics.extend(topic.map(str::to_owned));
        }
        told
    }

    /// Another snapshot has it, too.
    pub(super) fn concerns(&mut self, told: Told, snapshot: &SnapshotId) {
        if let Some(finding) = self.all.get_mut(told)
            && !finding.snapshots.contains(snapshot)
        {
            finding.snapshots.insert(snapshot.clone());
        }
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Finding> {
        self.all.into_iter().map(|gathered| Finding {
            kind: gathered.kind,
            object: gathered.object,
            problem: gathered.problem,
            snapshots: gathered.snapshots.into_iter().collect(),
            topics: gathered.topics.into_iter().collect(),
        })
    }
}
