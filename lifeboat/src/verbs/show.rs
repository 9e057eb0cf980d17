//! `lifeboat show`: what a snapshot holds.

use lifeboat_repository::RepositoryError;

use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::ShowFlags, render::snapshot::ShowDocument,
    session::Session,
};

mod export;

pub(crate) async fn run(flags: &ShowFlags, session: &Session) -> Result<Answer, Failure> {
    let (cluster, commit) = session
        .snapshot(&flags.repository, &flags.choice, &flags.snapshot)
        .await?;
    let manifest = cluster.manifest(&commit).await?;
    if let Some(folder) = &flags.export {
        let members = cluster.document_members(&manifest).await?;
        let exported = export::export(commit.snapshot, &members, folder)?;
        return Ok(Answer::new(session, Exit::Ok, &exported, |exported| {
            exported.render()
        }));
    }
    let documents = cluster.documents(&manifest).await?;
    let missing = |name: &str| RepositoryError::Damaged {
        object: manifest.documents.object.clone(),
        problem: format!("it holds no {name}"),
    };
    let document = ShowDocument {
        commit,
        cluster: documents.cluster.ok_or_else(|| missing("cluster.json"))?,
        topics: documents.topics.ok_or_else(|| missing("topics.json"))?,
        groups: documents.groups.ok_or_else(|| missing("groups.json"))?,
        configs: documents.configs,
        acls: documents.acls,
        quotas: documents.quotas,
        users: documents.users,
        features: documents.features,
        tokens: documents.tokens,
        manifest,
    };
    let now = session.clock.now();
    Ok(Answer::new(session, Exit::Ok, &document, |document| {
        document.render(flags.parts, now, session.paint)
    }))
}
