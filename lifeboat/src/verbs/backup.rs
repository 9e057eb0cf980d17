//! `lifeboat backup`: takes a snapshot.

use lifeboat_agent::backup::Backup;
use lifeboat_archive::words::Progress;
use lifeboat_kafka::wire::Cluster;

use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::BackupFlags, render::backup::render,
    session::Session,
};

pub(crate) async fn run(flags: &BackupFlags, session: &Session) -> Result<Answer, Failure> {
    let options = session.settings.backup(flags)?;
    let properties = session.settings.source(&flags.source)?;
    let recipients = &options.credentials.recipients;
    let recipients = session.settings.sealed_to(&flags.credentials, recipients)?;
    // The repository first: it is near, and a wrong path is the commoner mistake.
    let repository = session.repository(&flags.repository).await?;
    let repository = repository.sealing_to(recipients);
    let connect = async { Ok(Cluster::connect(&properties).await?) };
    let cluster = session.interrupt.unless(connect).await?;
    let progress = Progress::default();
    session.progress.watch(&progress);
    let backup = Backup {
        cluster,
        repository,
        options,
        clock: session.clock.clone(),
        progress,
        cancel: session.interrupt.token(),
    };
    let denied = |error| Failure::from(error).of_principal(backup.cluster.principal());
    let ended = backup.run().await;
    // an upload that was under way when it was interrupted, or failed
    backup.repository.settle().await;
    let report = ended.map_err(denied)?;
    let exit = if report.is_partial() {
        Exit::Partial
    } else {
        Exit::Ok
    };
    Ok(Answer::new(session, exit, &report, |report| {
        render(report, session.paint)
    }))
}
