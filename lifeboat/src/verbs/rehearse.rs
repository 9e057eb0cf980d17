//! `lifeboat rehearse`: restores, compares and removes, to know that it can be done and how long it takes.

use lifeboat_archive::words::Progress;
use lifeboat_kafka::{records, wire::Cluster};
use lifeboat_restore::rehearse::Rehearse;

use crate::{
    answer::Answer,
    failure::Failure,
    flags::RehearseFlags,
    render::rehearse::{exit, render},
    session::Session,
    settings::rehearse_options,
};

pub(crate) async fn run(flags: &RehearseFlags, session: &Session) -> Result<Answer, Failure> {
    let options = rehearse_options(flags)?;
    let properties = session.settings.target(&flags.target)?;
    // what was written is read back with another client
    records::check_properties(&properties)?;
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
    let principal = cluster.principal().to_owned();
    let progress = Progress::default();
    session.progress.watch(&progress);
    let rehearse = Rehearse {
        cluster,
        properties,
        repository,
        commit,
        manifest,
        documents,
        options,
        clock: session.clock.clone(),
        progress,
        cancel: session.interrupt.token(),
    };
    let report = Box::pin(rehearse.run()).await;
    let report = report.map_err(|error| Failure::from(error).of_principal(&principal))?;
    Ok(Answer::new(session, exit(&report), &report, |report| {
        render(report, session.paint)
    }))
}
