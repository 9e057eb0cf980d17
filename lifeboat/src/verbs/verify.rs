//! `lifeboat verify`: reads a snapshot, as deep and as much of it as is asked for.

use lifeboat_archive::words::{Progress, TopicGlobs};
use lifeboat_restore::verify::{Options, Verify};

use crate::{
    answer::Answer,
    failure::Failure,
    flags::VerifyFlags,
    render::verify::{exit, render},
    session::Session,
    settings::choose,
};

pub(crate) async fn run(flags: &VerifyFlags, session: &Session) -> Result<Answer, Failure> {
    let topics = choose(TopicGlobs::default(), &flags.topics.chosen())?;
    let (repository, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            &flags.snapshot,
        )
        .await?;
    let progress = Progress::default();
    session.progress.watch(&progress);
    let verify = Verify {
        repository,
        commit,
        options: Options {
            level: flags.level,
            subset: flags.subset,
            topics,
            store: !flags.no_store,
            ..Options::default()
        },
        clock: session.clock.clone(),
        progress,
        cancel: session.interrupt.token(),
    };
    let report = verify.run().await?;
    Ok(Answer::new(session, exit(&report), &report, |report| {
        render(report, session.paint)
    }))
}
