//! `lifeboat restore --resume`: goes on with what was interrupted.

use lifeboat_archive::{
    json::Document,
    manifest::Commit,
    words::{Progress, SnapshotId, Timestamp},
};
use lifeboat_kafka::wire::Cluster;
use lifeboat_repository::ClusterRepository;
use lifeboat_restore::{
    journal::{KeptJournal, folder, kept_in},
    restore::Restore,
};
use serde::{Deserialize, Serialize};

use super::{HALF_DONE, NextSteps, agree, conclude, dry_run};
use crate::{
    answer::{Answer, write_stderr},
    exit::Exit,
    failure::Failure,
    flags::{ClusterChoice, RestoreFlags},
    session::Session,
    settings::restore_options,
};

/// There is nothing to go on with: it has come to its end.
#[derive(Debug, Serialize, Deserialize)]
struct AlreadyFinished {
    snapshot: SnapshotId,
    target_cluster_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    journal: String,
    /// What it did not restore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

impl Document for AlreadyFinished {
    const FORMAT: &'static str = "lifeboat.restore-already-finished";
}

pub(super) async fn run(flags: &RestoreFlags, session: &Session) -> Result<Answer, Failure> {
    let (restore, kept) = prepare(flags, session).await?;
    let ended = kept.has_ended();
    if ended && !kept.has_groups_left() {
        return Ok(already_finished(&kept, session));
    }
    restore.check(&kept)?;
    let mut users = None;
    let mut plan = kept.plan_of_groups_left();
    if !ended {
        users = super::users(flags, &restore, session)?;
        plan = kept.plan.clone();
        plan.unfinished = Some(kept.unfinished());
    }
    session.progress.watch(&restore.progress);
    if let Some(users) = &users {
        let planned = async { Ok(users.planned(&restore.cluster).await) };
        plan.users = session.interrupt.unless(planned).await?;
    }
    let told = told(&kept);
    if flags.dry_run {
        return Ok(dry_run(&plan, session).headed(session, &told));
    }
    if !flags.yes {
        session.progress.finish().await;
        write_stderr(&told);
        agree(&plan, session).await?;
        session.progress.watch(&restore.progress);
    }
    let cluster = restore.cluster.clone();
    session.interrupt.leaves(HALF_DONE);
    let restored = Box::pin(restore.resume(kept)).await;
    conclude(flags, session, &cluster, users, restored).await
}

/// What is gone on with, above its plan.
fn told(kept: &KeptJournal) -> String {
    let (at, journal) = (kept.planned.at, kept.path.display());
    let how = if kept.has_ended() {
        "ended: only groups that were left out".to_owned()
    } else {
        format!("interrupted while {}", kept.past.stage(&kept.plan))
    };
    format!("goes on   begun at {at}, {how}\njournal   {journal}\n")
}

async fn prepare(
    flags: &RestoreFlags,
    session: &Session,
) -> Result<(Restore, KeptJournal), Failure> {
    let mut options = restore_options(flags)?;
    let properties = session.settings.target(&flags.target)?;
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let (kept, repository, commit, cluster) = match (&flags.later.journal, &flags.snapshot) {
        (Some(path), _) => {
            let kept = KeptJournal::read(path)?;
            let (repository, commit) = snapshot_of(&kept, flags, session).await?;
            let cluster = session.interrupt.unless(connect).await?;
            (kept, repository, commit, cluster)
        }
        // the snapshot first: whether it is there is known at once
        (None, Some(reference)) => {
            let (repository, commit) = session
                .snapshot(
                    &flags.repository,
                    &flags.choice,
                    &flags.identities,
                    reference,
                )
                .await?;
            let cluster = session.interrupt.unless(connect).await?;
            let kept = newest(Some(&commit.snapshot), &cluster, flags, session)?;
            (kept, repository, commit, cluster)
        }
        (None, None) => {
            let cluster = session.interrupt.unless(connect).await?;
            let kept = newest(None, &cluster, flags, session)?;
            let (repository, commit) = snapshot_of(&kept, flags, session).await?;
            (kept, repository, commit, cluster)
        }
    };
    options.parts = kept.plan.parts.clone();
    let manifest = repository.manifest(&commit).await?;
    let documents = repository.documents(&manifest).await?;
    let restore = Restore {
        cluster,
        properties,
        repository,
        commit,
        manifest,
        documents,
        options,
        clock: session.clock.clone(),
        progress: Progress::default(),
        cancel: session.interrupt.token(),
    };
    Ok((restore, kept))
}

/// The newest journal that is not at its end; else the newest one that left groups out; else the newest one.
fn newest(
    snapshot: Option<&SnapshotId>,
    cluster: &Cluster,
    flags: &RestoreFlags,
    session: &Session,
) -> Result<KeptJournal, Failure> {
    let folder = folder(flags.state.as_deref())?;
    let target = cluster.cluster_id();
    let find = |snapshot: Option<&SnapshotId>| -> Result<Option<KeptJournal>, Failure> {
        let mut kept = kept_in(&folder, snapshot, target)?;
        let at = kept.iter().position(KeptJournal::is_unfinished);
        let at = at.or_else(|| kept.iter().position(KeptJournal::has_groups_left));
        Ok((!kept.is_empty()).then(|| kept.swap_remove(at.unwrap_or(0))))
    };
    if let Some(kept) = find(snapshot)? {
        return Ok(kept);
    }
    let what = snapshot.map_or_else(String::new, |snapshot| format!(" of snapshot {snapshot}"));
    let failure = Failure::usage(format!(
        "no restore{what} into cluster {target} was begun from here"
    ))
    .because_of(format!("{} has no journal of one", folder.display()));
    // `latest` is another one than it was
    let other = find(None)?.filter(KeptJournal::is_unfinished);
    Err(match other {
        Some(other) => {
            let command = NextSteps::of(flags, session).resume(&other.planned.snapshot);
            failure.hint(format!("one of another snapshot was interrupted: {command}"))
        }
        None => failure.hint(
            "leave out --resume to begin one; name the folder of its journal with --state, or the journal with --journal",
        ),
    })
}

/// The journal's own snapshot.
async fn snapshot_of(
    kept: &KeptJournal,
    flags: &RestoreFlags,
    session: &Session,
) -> Result<(ClusterRepository, Commit), Failure> {
    let source = || Some(kept.plan.source_cluster_id.clone());
    let choice = ClusterChoice {
        cluster: flags.choice.cluster.clone().or_else(source),
    };
    let reference = kept.planned.snapshot.to_string();
    session
        .snapshot(&flags.repository, &choice, &flags.identities, &reference)
        .await
}

fn already_finished(kept: &KeptJournal, session: &Session) -> Answer {
    let document = AlreadyFinished {
        snapshot: kept.planned.snapshot.clone(),
        target_cluster_id: kept.planned.target_cluster_id.clone(),
        finished_at: kept.past.finished,
        journal: kept.path.display().to_string(),
        missing: kept.past.missing(&kept.plan),
    };
    // whoever goes on with it until that says 0 must not take it for whole
    let exit = if document.missing.is_empty() {
        Exit::Ok
    } else {
        Exit::Partial
    };
    Answer::new(session, exit, &document, render)
}

fn render(it: &AlreadyFinished) -> String {
    let at = it.finished_at.map(|at| format!(" at {at}"));
    let mut text = format!(
        "nothing to resume: the restore of {} into {} came to its end{}\n\n  journal   {}\n",
        it.snapshot,
        it.target_cluster_id,
        at.unwrap_or_default(),
        it.journal
    );
    for missing in &it.missing {
        text.push_str(&format!("  missing   {missing}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_finished_restore_did_not_restore_is_told() {
        let document = AlreadyFinished {
            snapshot: "20260823T020000Z-k3fa".parse().unwrap(),
            target_cluster_id: "target".to_owned(),
            finished_at: None,
            journal: "/state/restore.jsonl".to_owned(),
            missing: vec!["orders-2: somebody else has written to it".to_owned()],
        };
        insta::assert_snapshot!(render(&document), @r"
        nothing to resume: the restore of 20260823T020000Z-k3fa into target came to its end

          journal   /state/restore.jsonl
          missing   orders-2: somebody else has written to it
        ");
    }
}
