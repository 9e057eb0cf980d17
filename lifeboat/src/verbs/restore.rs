//! `lifeboat restore`: shows a plan and, when that is agreed to, does exactly that.

use std::io::{self, IsTerminal};

use lifeboat_archive::words::Progress;
use lifeboat_kafka::{records, wire::Cluster};
use lifeboat_restore::{
    journal::{Entry, Journal},
    parts::Part,
    plan::Plan,
    report::Report,
    restore::{Depth, Restore, RestoreError},
    users::RestoredUser,
};

mod bootstrap;
mod finish;
mod next;
mod resume;
mod users;

use next::NextSteps;
use users::Users;

use crate::{
    answer::{Answer, write_stderr},
    exit::Exit,
    failure::Failure,
    flags::RestoreFlags,
    render::{
        Paint, change_lines,
        restore::{deletions, render_plan, render_report},
        safe,
    },
    session::Session,
    settings::restore_options,
};

/// What an interrupted restore leaves.
const HALF_DONE: &str = "what was not restored yet can be gone on with";

pub(crate) async fn run(flags: &RestoreFlags, session: &Session) -> Result<Answer, Failure> {
    if let Some(folder) = &flags.users.bootstrap_checkpoint {
        let written = bootstrap::run(flags, folder, session);
        return session.interrupt.unless(written).await;
    }
    if flags.later.finish {
        return finish::run(flags, session).await;
    }
    if flags.later.resume {
        return Box::pin(resume::run(flags, session)).await;
    }
    let restore = prepare(flags, session).await?;
    let users = users(flags, &restore, session)?;
    session.progress.watch(&restore.progress);
    let principal = restore.cluster.principal().to_owned();
    let denied = |error| Failure::from(error).of_principal(&principal);
    let planning = Box::pin(async {
        let mut plan = restore.plan().await.map_err(denied)?;
        if let Some(users) = &users {
            plan.users = users.planned(&restore.cluster).await;
        }
        if let Some(unfinished) = &plan.unfinished {
            let command = NextSteps::of(flags, session).resume(&plan.snapshot);
            plan.warnings.push(format!(
                "a restore of this was begun at {} and interrupted while {}; go on with it: {command}",
                unfinished.begun_at, unfinished.stage
            ));
        }
        Ok(plan)
    });
    let plan = session.interrupt.unless(planning).await?;
    if flags.dry_run {
        return Ok(dry_run(&plan, session));
    }
    // where everything is refused there is nothing to ask: applying the plan tells why
    if !flags.yes && plan.changes_anything() {
        session.progress.finish().await;
        agree(&plan, session).await?;
        session.progress.watch(&restore.progress);
    }
    let cluster = restore.cluster.clone();
    session.interrupt.leaves(HALF_DONE);
    let (snapshot, unfinished) = (plan.snapshot.clone(), plan.unfinished.is_some());
    let restored = Box::pin(restore.apply(plan)).await;
    if let (Err(error @ RestoreError::Refused(_)), true) = (&restored, unfinished) {
        let command = NextSteps::of(flags, session).resume(&snapshot);
        let hint = format!("a restore of it was interrupted; go on with: {command}");
        return Err(Failure::refused(error).hint(hint));
    }
    conclude(flags, session, &cluster, users, restored).await
}

/// What is left to be done when all but the users is restored, and what is said in the end.
async fn conclude(
    flags: &RestoreFlags,
    session: &Session,
    cluster: &Cluster,
    users: Option<Users<'_>>,
    restored: Result<Report, RestoreError>,
) -> Result<Answer, Failure> {
    let next = NextSteps::of(flags, session);
    let mut report = restored.map_err(|error| {
        let command = match &error {
            RestoreError::Unfinished { snapshot, .. } => next.resume(snapshot),
            _ => String::new(),
        };
        let failure = Failure::from(error).of_principal(cluster.principal());
        failure.go_on_with(&command)
    })?;
    // Users last: nobody logs in to a cluster that is not whole yet.
    if let Some(users) = &users {
        let interrupt = session.interrupt.token();
        report.users = users.restore(cluster, &interrupt).await;
        report.partial |= report.users.iter().any(RestoredUser::is_missing);
        // who was interrupted here goes on here
        if !interrupt.is_cancelled() {
            Journal::reopen(&report.journal)?.append(&Entry::UsersRestored)?;
        }
    }
    report.finish = report.puts_off().then(|| next.finish(&report.journal));
    let exit = if report.partial {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Ok(Answer::new(session, exit, &report, |report| {
        render_report(report, session.paint)
    }))
}

/// Everything that the users take, read and checked before anything is written.
fn users<'f>(
    flags: &'f RestoreFlags,
    restore: &Restore,
    session: &Session,
) -> Result<Option<Users<'f>>, Failure> {
    if !restore.options.parts.has(Part::Users) {
        return Ok(None);
    }
    let identities = session.settings.identities(&flags.identities)?;
    Users::read(&flags.users, identities.as_ref(), &restore.documents).map(Some)
}

async fn prepare(flags: &RestoreFlags, session: &Session) -> Result<Restore, Failure> {
    let options = restore_options(flags)?;
    let properties = session.settings.target(&flags.target)?;
    if options.compare == Some(Depth::Records) {
        // known only after hours else: what was written is read back with another client
        records::check_properties(&properties)?;
    }
    // the snapshot first: whether it is there is known at once
    let (repository, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            flags.snapshot(),
        )
        .await?;
    let manifest = repository.manifest(&commit).await?;
    let documents = repository.documents(&manifest).await?;
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let cluster = session.interrupt.unless(connect).await?;
    Ok(Restore {
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
    })
}

fn dry_run(plan: &Plan, session: &Session) -> Answer {
    let exit = if plan.is_partial() {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Answer::new(session, exit, plan, |plan| {
        let mut text = render_plan(plan, true, session.paint);
        text.push_str(if plan.is_nothing() {
            "\nthere is nothing to do\n"
        } else {
            "\nnothing was changed; to run it, leave out --dry-run\n"
        });
        text
    })
}

/// Shows the plan and waits for a yes, and for another one where something is removed. Without somebody to ask it is a
/// no.
async fn agree(plan: &Plan, session: &Session) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let paint = Paint::for_stream(io::stderr().is_terminal());
    write_stderr(&render_plan(plan, false, paint));
    if !terminal {
        return Err(
            Failure::usage("nobody is there to agree to this plan; nothing was changed")
                .hint("add --yes to run it, or --dry-run to see it only"),
        );
    }
    let cluster = &plan.target_cluster_id;
    ask(
        &format!("\nwrite this into cluster {cluster}? [y/N] "),
        session,
    )
    .await?;
    let deletions = deletions(plan);
    if !deletions.is_empty() {
        write_stderr("\n");
        for line in deletions {
            write_stderr(&format!("  {}\n", safe(&line)));
        }
        let question = format!("\ndelete these records in cluster {cluster} for ever? [y/N] ");
        ask(&question, session).await?;
    }
    if plan.cluster.pruned.is_empty() {
        return Ok(());
    }
    write_stderr("\n");
    for line in change_lines(&plan.cluster.pruned, paint) {
        write_stderr(&line);
    }
    ask(
        &format!("\nremove these from cluster {cluster}? [y/N] "),
        session,
    )
    .await
}

async fn ask(question: &str, session: &Session) -> Result<(), Failure> {
    write_stderr(question);
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = async {
        read.await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| Failure::new(Exit::Error, "can't read the answer").because(&error))
    };
    let line = session.interrupt.unless(answer).await?;
    if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(
            Exit::Error,
            "not agreed to: nothing was changed",
        ))
    }
}
