//! `lifeboat restore`: shows a plan and, when that is agreed to, does exactly that.

use std::io::{self, IsTerminal};

use lifeboat_archive::words::Progress;
use lifeboat_kafka::{records, wire::Cluster};
use lifeboat_restore::{
    parts::Part,
    plan::Plan,
    restore::{Depth, Restore},
    users::RestoredUser,
};

mod bootstrap;
mod users;

use users::Users;

use crate::{
    answer::{Answer, write_stderr},
    exit::Exit,
    failure::Failure,
    flags::RestoreFlags,
    render::{
        Paint, change_lines,
        restore::{render_plan, render_report},
    },
    session::Session,
    settings::restore_options,
};

pub(crate) async fn run(flags: &RestoreFlags, session: &Session) -> Result<Answer, Failure> {
    if let Some(folder) = &flags.users.bootstrap_checkpoint {
        let written = bootstrap::run(flags, folder, session);
        return session.interrupt.unless(written).await;
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
    let mut report = Box::pin(restore.apply(plan)).await.map_err(denied)?;
    // Users last: nobody logs in to a cluster that is not whole yet.
    if let Some(users) = &users {
        report.users = users.restore(&cluster, &session.interrupt.token()).await;
        report.partial |= report.users.iter().any(RestoredUser::is_missing);
    }
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
            &flags.snapshot,
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
