//! `lifeboat compare`: holds a snapshot against a live cluster.

use lifeboat_archive::words::{Progress, TopicGlobs};
use lifeboat_kafka::{records, wire::Cluster};
use lifeboat_restore::live::{Compare, Options};

use crate::{
    answer::Answer,
    failure::Failure,
    flags::CompareFlags,
    render::compare::{exit, render},
    session::Session,
    settings::choose,
};

pub(crate) async fn run(flags: &CompareFlags, session: &Session) -> Result<Answer, Failure> {
    let topics = choose(TopicGlobs::default(), &flags.topics.chosen())?;
    let naming = flags
        .naming()
        .map_err(|error| Failure::usage(format!("--rename: {error}")))?;
    let properties = match flags.target() {
        Some(target) => session.settings.target(&target)?,
        None => session.settings.source(&flags.source)?,
    };
    records::check_properties(&properties)?;
    let (repository, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            &flags.snapshot,
        )
        .await?;
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let cluster = session.interrupt.unless(connect).await?;
    let principal = cluster.principal().to_owned();
    let progress = Progress::default();
    session.progress.watch(&progress);
    let compare = Compare {
        cluster,
        properties,
        repository,
        commit,
        options: Options {
            topics,
            naming,
            exact: flags.exact,
            memory: flags.memory.unwrap_or(Options::default().memory),
            store: !flags.no_store,
            state_folder: flags.state.clone(),
        },
        clock: session.clock.clone(),
        progress,
        cancel: session.interrupt.token(),
    };
    let report = Box::pin(compare.run()).await;
    let report = report.map_err(|error| Failure::from(error).of_principal(&principal))?;
    Ok(Answer::new(session, exit(&report), &report, |report| {
        render(report, session.paint)
    }))
}
