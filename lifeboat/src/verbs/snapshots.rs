//! `lifeboat snapshots`: lists what there is.

use lifeboat_archive::words::SnapshotId;
use lifeboat_repository::{ClusterRepository, RepositoryError, Results};

use crate::{
    answer::Answer, failure::Failure, flags::SnapshotsFlags, render::snapshots::SnapshotsDocument,
    session::Session,
};

pub(crate) async fn run(flags: &SnapshotsFlags, session: &Session) -> Result<Answer, Failure> {
    let repository = session.repository(&flags.repository).await?;
    let document = match repository
        .choose_cluster(flags.choice.cluster.as_deref())
        .await
    {
        Ok(cluster) => {
            let catalog = cluster.catalog().await?;
            let document = SnapshotsDocument::new(repository.url(), catalog);
            document.with_results(known_results(&cluster, None).await)
        }
        // an empty list is an answer, not an error
        Err(RepositoryError::Empty { .. }) => SnapshotsDocument {
            repository: repository.url().to_owned(),
            ..SnapshotsDocument::default()
        },
        Err(error) => return Err(error.into()),
    };
    let exit = document.exit();
    let now = session.clock.now();
    Ok(Answer::new(session, exit, &document, |document| {
        document.render(now, session.paint)
    }))
}

/// What was proven, or why that is not known: it is told, and no reason to tell nothing else.
pub(super) async fn known_results(
    cluster: &ClusterRepository,
    of: Option<&SnapshotId>,
) -> Result<Results, String> {
    let results = cluster.results(of).await;
    results.map_err(|error| Failure::from(error).line())
}
