//! `lifeboat snapshots`: lists what there is.

use lifeboat_repository::RepositoryError;

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
        Ok(cluster) => SnapshotsDocument::new(repository.url(), cluster.catalog().await?),
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
