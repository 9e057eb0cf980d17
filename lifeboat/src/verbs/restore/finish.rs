//! `lifeboat restore --finish`: ends what restores have left open.

use std::io::{self, IsTerminal};

use lifeboat_kafka::wire::Cluster;
use lifeboat_restore::{
    finish::{Finish, FinishPlan},
    journal::{KeptJournal, folder, kept_in},
};

use super::ask;
use crate::{
    answer::{Answer, write_stderr},
    exit::Exit,
    failure::Failure,
    flags::RestoreFlags,
    render::{Paint, finish::render_finish},
    session::Session,
};

pub(super) async fn run(flags: &RestoreFlags, session: &Session) -> Result<Answer, Failure> {
    let properties = session.settings.target(&flags.target)?;
    // a wrong file is told before anything is asked for
    let named = flags.later.journal.as_deref().map(KeptJournal::read);
    let named = named.transpose()?;
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let cluster = session.interrupt.unless(connect).await?;
    let finish = Finish {
        journals: journals(named, &cluster, flags)?,
        cluster,
        clock: session.clock.clone(),
        cancel: session.interrupt.token(),
    };
    let principal = finish.cluster.principal().to_owned();
    let denied = |error| Failure::from(error).of_principal(&principal);
    let planning = async { finish.plan().await.map_err(denied) };
    let plan = session.interrupt.unless(planning).await?;
    if flags.dry_run || plan.is_nothing() {
        return Ok(answer(&plan, session));
    }
    if !flags.yes {
        agree(&plan, session).await?;
    }
    let done = finish.apply(plan).await.map_err(denied)?;
    Ok(answer(&done, session))
}

fn journals(
    named: Option<KeptJournal>,
    cluster: &Cluster,
    flags: &RestoreFlags,
) -> Result<Vec<KeptJournal>, Failure> {
    let target = cluster.cluster_id();
    if let Some(named) = named {
        let of = &named.planned.target_cluster_id;
        if of != target {
            let text =
                format!("the journal is of a restore into cluster {of}, and this is {target}");
            return Err(Failure::usage(text).hint("check --bootstrap-servers and --journal"));
        }
        return Ok(vec![named]);
    }
    let folder = folder(flags.state.as_deref())?;
    Ok(kept_in(&folder, None, target)?)
}

fn answer(plan: &FinishPlan, session: &Session) -> Answer {
    let exit = if plan.is_partial() {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Answer::new(session, exit, plan, |plan| {
        render_finish(plan, session.paint)
    })
}

/// Shows it and waits for a yes. Without somebody to ask it is a no.
async fn agree(plan: &FinishPlan, session: &Session) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let paint = Paint::for_stream(io::stderr().is_terminal());
    write_stderr(&render_finish(plan, paint));
    if !terminal {
        return Err(
            Failure::usage("nobody is there to agree to this; nothing was changed")
                .hint("add --yes to do it, or --dry-run to see it only"),
        );
    }
    let cluster = &plan.target_cluster_id;
    ask(&format!("\nset this in cluster {cluster}? [y/N] "), session).await
}
