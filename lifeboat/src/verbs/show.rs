//! `lifeboat show`: what a snapshot holds.

use std::collections::BTreeMap;

use lifeboat_archive::json::{self, Document};
use lifeboat_repository::RepositoryError;

use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::ShowFlags, render::snapshot::ShowDocument,
    session::Session,
};

pub(crate) async fn run(flags: &ShowFlags, session: &Session) -> Result<Answer, Failure> {
    let cluster = session.cluster(&flags.repository, &flags.choice).await?;
    let catalog = cluster.catalog().await?;
    let commit = catalog.resolve(&flags.snapshot)?;
    let manifest = cluster.manifest(commit).await?;
    let documents = cluster.documents(&manifest).await?;
    let object = &manifest.documents.object;
    let document = ShowDocument {
        commit: commit.clone(),
        cluster: read(object, &documents, "cluster.json")?,
        topics: read(object, &documents, "topics.json")?,
        groups: read(object, &documents, "groups.json")?,
        manifest,
    };
    let now = session.clock.now();
    Ok(Answer::new(session, Exit::Ok, &document, |document| {
        document.render(flags.parts, now, session.paint)
    }))
}

fn read<T: Document>(
    object: &str,
    documents: &BTreeMap<String, Vec<u8>>,
    name: &str,
) -> Result<T, RepositoryError> {
    let damaged = |problem: String| RepositoryError::Damaged {
        object: object.to_owned(),
        problem,
    };
    let bytes = documents
        .get(name)
        .ok_or_else(|| damaged(format!("it holds no {name}")))?;
    json::from_slice(bytes).map_err(|error| damaged(format!("{name}: {error}")))
}
