//! A restore under way: begun anew, or gone on with where it was interrupted.

use std::{path::Path, time::Instant};

use lifeboat_archive::words::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Plan, Report, Restore,
    written::{Outcome, Times, Written, report},
};
use crate::{
    error::RestoreError,
    journal::{self, Entry, Journal, KeptJournal, Past, Planned},
    lease::Lease,
    parts::Part,
    plan::{PlannedTopic, Unfinished},
    replay::{Places, ReadyTopic, WriteError, find_places},
    rewrite::Producer,
    topics,
};

/// What is done, by whom, and what of it was done before.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) plan: Plan,
    pub(super) journal: Journal,
    pub(super) lease: Lease,
    pub(super) past: Past,
    /// When it was begun, where that was before an interruption.
    pub(super) begun_at: Option<Timestamp>,
}

/// From where the writing begins.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) topics: Vec<ReadyTopic>,
    /// Who has written before.
    pub(super) producer: Option<Producer>,
    pub(super) places: Places,
}

impl Start {
    fn at_the_start(topics: Vec<ReadyTopic>) -> Self {
        Self {
            topics,
            producer: None,
            places: Places::default(),
        }
    }
}

impl Course {
    pub(super) fn finish(&self, at: Timestamp) -> Result<(), RestoreError> {
        if self.past.finished.is_none() {
            self.journal.append(&Entry::Finished { at })?;
        }
        Ok(())
    }
}

impl KeptJournal {
    /// What people are told of it.
    pub fn unfinished(&self) -> Unfinished {
        Unfinished {
            journal: self.path.clone(),
            begun_at: self.planned.at,
            stage: self.past.stage(&self.plan),
        }
    }
}

impl Restore {
    /// The journal's first line, and the lease beside it.
    pub(super) async fn begin(&mut self, plan: Plan) -> Result<Course, RestoreError> {
        let folder = journal::folder(self.options.state_folder.as_deref())?;
        self.is_alone(&plan, &folder)?;
        let planned = Planned::of(&plan, &self.options, self.clock.now());
        let journal = Journal::create(&folder, &planned)?;
        let lease = self.take_lease(journal.path()).await?;
        journal.append(&Entry::Planned(Box::new(planned)))?;
        tracing::info!(journal = %journal.path().display(), "begins");
        Ok(Course {
            plan,
            journal,
            lease,
            past: Past::default(),
            begun_at: None,
        })
    }

    /// Nobody else may be writing into one of these topics: one that is still empty is taken for free.
    fn is_alone(&self, plan: &Plan, folder: &Path) -> Result<(), RestoreError> {
        for other in journal::kept_in(folder, None, self.cluster.cluster_id())? {
            let ours = |theirs: &PlannedTopic| {
                let mut written = plan.written();
                written.any(|it| it.target_name() == theirs.target_name())
            };
            if other.is_unfinished() && other.plan.written().any(ours) {
                Lease::is_free(&other.path, &self.clock)?;
            }
        }
        Ok(())
    }

    /// The lease of a journal; when it is lost, everything ends that this restore does.
    async fn take_lease(&mut self, journal: &Path) -> Result<Lease, RestoreError> {
        let stop: CancellationToken = self.cancel.child_token();
        self.cancel = stop.clone();
        let timeout = self.cluster.request_timeout();
        let taken = Lease::take(journal, timeout, self.clock.clone(), stop);
        Ok(taken.await?)
    }

    /// Goes on with a restore: does exactly what its plan says and is not done yet. Of one that has ended only groups that
    /// it left out get their offsets.
    pub async fn resume(mut self, kept: KeptJournal) -> Result<Report, RestoreError> {
        self.progress.begin("finding the place", 0);
        let course = self.take_up(kept).await?;
        if course.past.has_ended(&course.plan) {
            return self.resume_groups(course).await;
        }
        self.carry_out(course).await
    }

    /// Nothing but the groups is touched again.
    async fn resume_groups(self, course: Course) -> Result<Report, RestoreError> {
        let (began, started_at) = (Instant::now(), self.clock.now());
        let (plan, past) = (&course.plan, &course.past);
        let prepared = past.prepared.as_ref();
        let topics = prepared.map(|prepared| topics::recalled(plan, prepared));
        let written = Written::recalled(topics.unwrap_or_default(), past, None);
        let groups = self.documents()?.groups;
        let groups = self.restore_groups(&course, groups, &written).await?;
        let changes = past.changes.clone().unwrap_or_default();
        let times = Times {
            started_at,
            began,
            comparing_ms: plan.compare.map(|_| 0),
        };
        let outcome = Outcome { groups, changes };
        let report = report(course.plan, &written, outcome, &course.journal, times);
        Ok(report.resumed(course.begun_at, written.there))
    }

    /// Takes over what was begun, with the options that it was begun with.
    async fn take_up(&mut self, kept: KeptJournal) -> Result<Course, RestoreError> {
        let lease = self.take_lease(&kept.path).await?;
        let journal = Journal::reopen(&kept.path)?;
        // whoever had the lease until now may have gone on
        let kept = KeptJournal::read(&kept.path)?;
        self.check(&kept)?;
        let resumed = Entry::Resumed {
            at: self.clock.now(),
        };
        journal.append(&resumed)?;
        tracing::info!(journal = %journal.path().display(), stage = %kept.past.stage(&kept.plan), "goes on");
        let now = std::mem::take(&mut self.options);
        let options = kept.planned.options.give_back(&kept.plan, now);
        self.options = options.map_err(|problem| not_resumable(&kept, problem))?;
        let (mut plan, mut past) = (kept.plan, kept.past);
        past.learn(resumed);
        plan.compare = past.compares(&plan);
        Ok(Course {
            plan,
            journal,
            lease,
            past,
            begun_at: Some(kept.planned.at),
        })
    }

    /// Whether the journal can be gone on with: by this program, from this snapshot, into this cluster.
    pub fn check(&self, kept: &KeptJournal) -> Result<(), RestoreError> {
        let no = |problem: String| Err(not_resumable(kept, problem));
        let (planned, plan) = (&kept.planned, &kept.plan);
        if planned.target_cluster_id != self.cluster.cluster_id() {
            return no(format!(
                "it restores into cluster {}, and this is {}",
                planned.target_cluster_id,
                self.cluster.cluster_id()
            ));
        }
        if plan.manifest_sha256 != self.commit.manifest.sha256 {
            return no(format!("snapshot {} is another one now", plan.snapshot));
        }
        if plan.output_hash() != planned.output_hash {
            return no(format!(
                "lifeboat {} has begun it, and this one would write other batches",
                planned.program
            ));
        }
        if kept.past.given_up.is_some() {
            return no("it was given up by restore --finish".to_owned());
        }
        if let Some(problem) = journal::superseded(kept, &kept.later()?) {
            return no(problem);
        }
        Ok(())
    }

    pub(super) async fn carry_out(self, course: Course) -> Result<Report, RestoreError> {
        let done = Box::pin(self.steps(&course)).await;
        match done {
            Ok((written, outcome, times)) => {
                let begun_at = course.begun_at;
                let journal = course.journal;
                let report = report(course.plan, &written, outcome, &journal, times);
                Ok(report.resumed(begun_at, written.there))
            }
            Err(error) => {
                let lost = course.lease.lost().cloned();
                let source = lost.map_or(error, RestoreError::LeaseLost);
                Err(RestoreError::Unfinished {
                    journal: course.journal.path().to_owned(),
                    snapshot: course.plan.snapshot,
                    source: Box::new(source),
                })
            }
        }
    }

    /// The topics, and how far they are written.
    pub(super) async fn start(&self, course: &Course) -> Result<Start, RestoreError> {
        let (plan, past) = (&course.plan, &course.past);
        let count = plan.written().count() as u64;
        let resumed = course.begun_at.is_some();
        let Some(prepared) = past
            .prepared
            .as_ref()
            .filter(|_| plan.parts.has(Part::Data))
        else {
            self.progress.begin("creating topics", count);
            let topics = if resumed {
                self.unless_cancelled(topics::prepare_again(&self.cluster, plan))
                    .await?
            } else {
                self.unless_cancelled(topics::prepare(&self.cluster, plan))
                    .await?
            };
            // What is replaced goes when all else is known to be possible; what is gone already is no more so again.
            let replace = topics::replace(&self.cluster, plan, &course.journal);
            self.unless_cancelled(replace).await?;
            return Ok(Start::at_the_start(topics));
        };
        if past.is_proven(plan) {
            // others may write to them by now: they are left alone
            return Ok(Start::at_the_start(topics::recalled(plan, prepared)));
        }
        let find = topics::find_again(&self.cluster, plan, prepared);
        let mut found = self.unless_cancelled(find).await?;
        let producer = prepared.producer;
        let find = async {
            // what the process that is gone has sent may still be under way
            tokio::time::sleep(self.cluster.request_timeout()).await;
            Ok(find_places(
                &self.cluster,
                &found.ready,
                producer,
                self.options.retry_deadline,
            )
            .await)
        };
        let mut places = self.unless_cancelled(find).await?;
        for replaced in found.replaced {
            places.stop_all(&replaced, &WriteError::Replaced);
            found.ready.push(replaced);
        }
        found
            .ready
            .sort_by(|one, other| one.topic.cmp(&other.topic));
        Ok(Start {
            topics: found.ready,
            producer: Some(producer),
            places,
        })
    }
}

fn not_resumable(kept: &KeptJournal, problem: String) -> RestoreError {
    RestoreError::NotResumable {
        journal: kept.path.clone(),
        problem,
    }
}
