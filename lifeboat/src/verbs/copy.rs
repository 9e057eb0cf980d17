//! `lifeboat copy`: snapshots to the second site.

use lifeboat_archive::words::Progress;
use lifeboat_kafka::Pace;
use lifeboat_repository::{
    Repository, RepositoryError,
    copy::{Copy, Throttle},
};

use crate::{
    answer::Answer,
    failure::Failure,
    flags::CopyFlags,
    render::copy::{exit, render},
    session::Session,
    settings::copy_options,
};

pub(crate) async fn run(flags: &CopyFlags, session: &Session) -> Result<Answer, Failure> {
    let mut options = copy_options(flags)?;
    let target = session.settings.copy_target(&flags.to)?;
    let open = async {
        let from = session.repository(&flags.repository).await?;
        let to = Repository::open(target).await?;
        let clusters = clusters(flags, &from).await?;
        Ok((from, to, clusters))
    };
    let (from, to, clusters) = session.interrupt.unless(open).await?;
    options.clusters = clusters;
    if flags.max_rate.is_some() {
        let pace = Pace::new(flags.max_rate);
        options.throttle = Throttle::new(move |bytes| {
            let pace = pace.clone();
            Box::pin(async move { pace.spend(bytes).await })
        });
    }
    let progress = Progress::default();
    session.progress.watch(&progress);
    let copy = Copy {
        from,
        to,
        options,
        clock: session.clock.clone(),
        progress,
        cancel: session.interrupt.token(),
    };
    let report = copy.run().await?;
    Ok(Answer::new(session, exit(&report), &report, |report| {
        render(report, session.paint)
    }))
}

/// The clusters whose snapshots are meant.
async fn clusters(flags: &CopyFlags, from: &Repository) -> Result<Vec<String>, Failure> {
    if flags.all_clusters {
        return Ok(from.clusters().await?);
    }
    match from.choose_cluster(flags.choice.cluster.as_deref()).await {
        Ok(cluster) => Ok(vec![cluster.id().to_owned()]),
        Err(error @ RepositoryError::SeveralClusters { .. }) if flags.snapshots.is_empty() => {
            Err(Failure::from(error).hint("choose one with --cluster, or say --all-clusters"))
        }
        Err(error) => Err(error.into()),
    }
}
