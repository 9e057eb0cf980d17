//! `lifeboat offsets`: where offsets of the source go.

use lifeboat_archive::words::{Progress, TopicPartition};
use lifeboat_restore::translate::{Asked, Translate};

use crate::{
    answer::Answer,
    exit::Exit,
    failure::Failure,
    flags::{OffsetsVerb, TranslateFlags},
    render::offsets::render,
    session::Session,
};

pub(crate) async fn run(verb: &OffsetsVerb, session: &Session) -> Result<Answer, Failure> {
    let OffsetsVerb::Translate(flags) = verb;
    let (repository, commit) = session
        .snapshot(
            &flags.repository,
            &flags.choice,
            &flags.identities,
            &flags.snapshot,
        )
        .await?;
    let manifest = repository.manifest(&commit).await?;
    let documents = repository.documents(&manifest).await?;
    let progress = Progress::default();
    session.progress.watch(&progress);
    progress.begin("reading", 0);
    let translate = Translate {
        repository: &repository,
        manifest: &manifest,
        groups: documents.groups.as_ref(),
        progress,
        cancel: session.interrupt.token(),
    };
    let translated = translate.run(&asked(flags)).await?;
    Ok(Answer::new(session, Exit::Ok, &translated, render))
}

fn asked(flags: &TranslateFlags) -> Vec<Asked> {
    let offsets = flags.topic.as_deref().map(|topic| Asked::Offsets {
        topic_partition: TopicPartition::new(topic, flags.partition),
        offsets: flags.offset.clone(),
    });
    let groups = flags.group.iter().cloned().map(Asked::Group);
    offsets.into_iter().chain(groups).collect()
}
