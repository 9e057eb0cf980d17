//! `lifeboat show`: what a snapshot holds.

use lifeboat_repository::{RepositoryError, Results};

use super::snapshots::known_results;
use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::ShowFlags, render::snapshot::ShowDocument,
    session::Session,
};

mod export;

pub(crate) async fn run(flags: &ShowFlags, session: &Session) -> Result<Answer, Failure> {
    let (cluster, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            &flags.snapshot,
        )
        .await?;
    let manifest = cluster.manifest(&commit).await?;
    if let Some(folder) = &flags.export {
        let members = cluster.document_members(&manifest).await?;
        let exported = export::export(commit.snapshot, &members, folder)?;
        return Ok(Answer::new(session, Exit::Ok, &exported, |exported| {
            exported.render()
        }));
    }
    let documents = match cluster.documents(&manifest).await {
        Ok(documents) => Some(documents),
        // names, offsets and counts are for everybody to see
        Err(error) if error.is_for_want_of_identity() && !flags.parts.wants_documents() => None,
        Err(error) => return Err(error.into()),
    };
    let results = known_results(&cluster, Some(&commit.snapshot)).await;
    let (mut results, results_unknown) = match results {
        Ok(results) => (results, None),
        Err(why) => (Results::default(), Some(why)),
    };
    let unopened = documents.is_none();
    let documents = documents.unwrap_or_default();
    let missing = |name: &str| RepositoryError::Damaged {
        object: manifest.documents.object.clone(),
        problem: format!("it holds no {name}"),
    };
    let is_there = |is_there: bool, name: &str| {
        if is_there || unopened {
            Ok(())
        } else {
            Err(missing(name))
        }
    };
    is_there(documents.cluster.is_some(), "cluster.json")?;
    is_there(documents.topics.is_some(), "topics.json")?;
    is_there(documents.groups.is_some(), "groups.json")?;
    let document = ShowDocument {
        results: results
            .by_snapshot
            .remove(&commit.snapshot)
            .unwrap_or_default(),
        unreadable_results: results.unreadable,
        results_unknown,
        commit,
        unopened,
        cluster: documents.cluster,
        topics: documents.topics,
        groups: documents.groups,
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
