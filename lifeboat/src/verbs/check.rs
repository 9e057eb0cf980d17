//! `lifeboat check`: is everything there that the snapshots need?

use lifeboat_archive::words::Progress;

use crate::{
    answer::Answer, failure::Failure, flags::CheckFlags, render::check::CheckDocument,
    session::Session,
};

pub(crate) async fn run(flags: &CheckFlags, session: &Session) -> Result<Answer, Failure> {
    let repository = session.repository(&flags.repository).await?;
    let chosen = flags.choice.cluster.as_deref();
    let clusters = if chosen.is_some() {
        vec![repository.choose_cluster(chosen).await?]
    } else {
        let ids = repository.clusters().await?;
        let clusters = ids.iter().map(|id| repository.cluster(id));
        clusters.collect::<Result<_, _>>()?
    };
    let progress = Progress::default();
    session.progress.watch(&progress);
    let mut document = CheckDocument {
        repository: repository.url().to_owned(),
        checked_at: session.clock.now(),
        clusters: Vec::with_capacity(clusters.len()),
    };
    for cluster in clusters {
        document.clusters.push(cluster.check(&progress).await?);
    }
    let exit = document.exit();
    Ok(Answer::new(session, exit, &document, |document| {
        document.render(session.paint)
    }))
}
