//! `lifeboat init`: makes a repository.

use lifeboat_archive::{json::Document, words::Timestamp};
use lifeboat_repository::Repository;
use serde::{Deserialize, Serialize};

use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::InitFlags, render::Paint, session::Session,
};

/// What `lifeboat init` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InitDocument {
    repository: String,
    id: String,
    created_at: Timestamp,
}

impl Document for InitDocument {
    const FORMAT: &'static str = "lifeboat.init";
}

pub(crate) async fn run(flags: &InitFlags, session: &Session) -> Result<Answer, Failure> {
    let url = session.settings.repository(&flags.repository)?;
    let repository = Repository::init(&url, &session.clock).await?;
    let document = InitDocument {
        repository: repository.url().to_owned(),
        id: repository.id().to_owned(),
        created_at: repository.created_at(),
    };
    Ok(Answer::new(session, Exit::Ok, &document, |document| {
        render(document, session.paint)
    }))
}

fn render(document: &InitDocument, paint: Paint) -> String {
    format!(
        "{} repository {} at {}\n  next: lifeboat backup --repository {} --bootstrap-servers HOST:PORT\n",
        paint.good("made"),
        document.id,
        document.repository,
        document.repository
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_says_what_comes_next() {
        let document = InitDocument {
            repository: "file:///backups".to_owned(),
            id: "01JD3Z2Q0000000000000000AA".to_owned(),
            created_at: Timestamp::from_millis(0),
        };
        insta::assert_snapshot!(render(&document, Paint::never()), @"
        made repository 01JD3Z2Q0000000000000000AA at file:///backups
          next: lifeboat backup --repository file:///backups --bootstrap-servers HOST:PORT
        ");
    }
}
