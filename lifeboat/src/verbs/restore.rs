//! `lifeboat restore`: shows a plan and, when that is agreed to, does exactly that.

use std::io::{self, IsTerminal};

use lifeboat_archive::words::Progress;
use lifeboat_kafka::{records, wire::Cluster};
use lifeboat_restore::{
    plan::Plan,
    restore::{Depth, Restore},
};

mod bootstrap;
mod users;

use users::{Stored, Users};

use crate::{
    answer::{Answer, write_stderr},
    exit::Exit,
    failure::Failure,
    flags::RestoreFlags,
    render::{
        Paint,
        restore::{render_plan, render_report},
        users::render_users,
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
    let stored = Stored::read(&restore.repository, &restore.manifest).await?;
    let users = Users::read(&flags.users, &stored)?;
    session.progress.watch(&restore.progress);
    let principal = restore.cluster.principal().to_owned();
    let denied = |error| Failure::from(error).of_principal(&principal);
    let planning = async { restore.plan().await.map_err(denied) };
    let plan = session.interrupt.unless(planning).await?;
    if flags.dry_run {
        let users = session.interrupt.unless(users.plan(&restore.cluster));
        return Ok(dry_run(&plan, users.await?.as_ref(), session));
    }
    // where everything is refused there is nothing to ask: applying the plan tells why
    if !flags.yes && plan.written().next().is_some() {
        session.progress.finish().await;
        ask(&plan, session).await?;
        session.progress.watch(&restore.progress);
    }
    let cluster = restore.cluster.clone();
    let mut report = Box::pin(restore.apply(plan)).await.map_err(denied)?;
    report.users = users.restore(&cluster).await;
    report.partial |= users::exit(&report.users) == Exit::Partial;
    let exit = if report.partial {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Ok(Answer::new(session, exit, &report, |report| {
        render_report(report, session.paint)
    }))
}

async fn prepare(flags: &RestoreFlags, session: &Session) -> Result<Restore, Failure> {
    let options = restore_options(flags)?;
    let properties = session.settings.target(&flags.target)?;
    if options.compare == Some(Depth::Records) {
        // known only after hours else: what was written is read back with another client
        records::check_properties(&properties)?;
    }
    // the snapshot first: whether it is there is known at once
    let repository = session.cluster(&flags.repository, &flags.choice).await?;
    let commit = repository
        .catalog()
        .await?
        .resolve(&flags.snapshot)?
        .clone();
    let manifest = repository.manifest(&commit).await?;
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let cluster = session.interrupt.unless(connect).await?;
    Ok(Restore {
        cluster,
        properties,
        repository,
        commit,
        manifest,
        options,
        clock: session.clock.clone(),
        progress: Progress::default(),
        cancel: session.interrupt.token(),
    })
}

fn dry_run(
    plan: &Plan,
    users: Option<&lifeboat_restore::users::Plan>,
    session: &Session,
) -> Answer {
    let users: Vec<_> = users
        .into_iter()
        .flat_map(lifeboat_restore::users::Plan::users)
        .collect();
    let missing = users::exit(users.iter().copied()) == Exit::Partial;
    let exit = if plan.is_partial() || missing {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Answer::new(session, exit, plan, |plan| {
        let mut text = render_plan(plan, session.paint);
        text.push_str(&render_users(users.iter().copied()));
        text.push_str("\nnothing was changed; to run it, leave out --dry-run\n");
        text
    })
}

/// Shows the plan and waits for a yes. Without somebody to ask it is a no.
async fn ask(plan: &Plan, session: &Session) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    write_stderr(&render_plan(
        plan,
        Paint::for_stream(io::stderr().is_terminal()),
    ));
    if !terminal {
        return Err(
            Failure::usage("nobody is there to agree to this plan; nothing was changed")
                .hint("add --yes to run it, or --dry-run to see it only"),
        );
    }
    write_stderr(&format!(
        "\nwrite this into cluster {}? [y/N] ",
        plan.target_cluster_id
    ));
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
