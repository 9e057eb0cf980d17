//! `lifeboat init`: makes a repository.

use std::time::Duration;

use lifeboat_archive::{
    json::Document,
    words::{TimeSpan, Timestamp},
};
use lifeboat_config::Provider;
use lifeboat_repository::{RemoteReport, Repository, Writers};
use serde::{Deserialize, Serialize};

use crate::{
    answer::Answer, exit::Exit, failure::Failure, flags::InitFlags, render::Paint, session::Session,
};

/// A difference that signatures and locks begin to suffer from.
const MUCH_SKEW_MS: u64 = 180_000;

/// What `lifeboat init` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InitDocument {
    repository: String,
    id: String,
    created_at: Timestamp,
    /// Absent for a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<StoreDocument>,
}

/// What the store was found to do. Reads of ranges, listings in pages and uploads in parts go without saying: a store
/// without them is refused.
#[derive(Debug, Serialize, Deserialize)]
struct StoreDocument {
    conditional_create: bool,
    multipart_abort: bool,
    delete: bool,
    clock_ahead_ms: i64,
    /// Null where none could be seen.
    object_lock: Option<LockDocument>,
    warnings: Vec<String>,
    advice: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LockDocument {
    mode: String,
    until: String,
}

impl Document for InitDocument {
    const FORMAT: &'static str = "lifeboat.init";
}

impl StoreDocument {
    fn new(found: RemoteReport, provider: Option<Provider>) -> Self {
        Self {
            conditional_create: found.conditional_create,
            multipart_abort: found.multipart_abort,
            delete: found.delete,
            clock_ahead_ms: found.clock_ahead_ms,
            warnings: warnings(&found),
            advice: advice(provider),
            object_lock: found.object_lock.map(|lock| LockDocument {
                mode: lock.mode,
                until: lock.until,
            }),
        }
    }

    fn render(&self, paint: Paint) -> String {
        let said = |truth: bool, yes: &str, no: &str| {
            if truth {
                yes.to_owned()
            } else {
                paint.doubtful(no)
            }
        };
        let lock = match &self.object_lock {
            Some(lock) => format!("{} until {}", lock.mode, lock.until),
            None => "none seen".to_owned(),
        };
        let mut text = format!(
            "  overwriting    {}\n  reads          of ranges, lists in pages\n  uploads        in parts, {}\n  \
             deleting       {}\n  object lock    {lock}\n  \
             clock          {}\n",
            said(self.conditional_create, "refused", "not refused"),
            said(
                self.multipart_abort,
                "which can be given up",
                "which can't be given up"
            ),
            if self.delete {
                "allowed"
            } else {
                "not allowed, and not needed"
            },
            clock(self.clock_ahead_ms),
        );
        for warning in &self.warnings {
            text.push_str(&format!("  {} {warning}\n", paint.doubtful("warning:")));
        }
        for advice in &self.advice {
            text.push_str(&format!("  next: {advice}\n"));
        }
        text
    }
}

/// The store's clock beside ours.
fn clock(ahead_ms: i64) -> String {
    // stores tell whole seconds
    let difference = TimeSpan(Duration::from_secs(ahead_ms.unsigned_abs() / 1_000));
    match ahead_ms / 1_000 {
        0 => "as this machine's".to_owned(),
        1.. => format!("{difference} ahead of this machine's"),
        _ => format!("{difference} behind this machine's"),
    }
}

fn warnings(found: &RemoteReport) -> Vec<String> {
    let mut warnings = Vec::new();
    if !found.conditional_create {
        warnings.push(
            "the store overwrites: see to it that never two programs write at once".to_owned(),
        );
    }
    let skew = found.clock_ahead_ms.unsigned_abs();
    if skew > MUCH_SKEW_MS {
        warnings.push(format!(
            "the store's clock is {}: set the one that is wrong",
            clock(found.clock_ahead_ms)
        ));
    }
    if !found.multipart_abort {
        warnings.push(
            "parts of uploads that are given up stay and cost: allow the abort of uploads"
                .to_owned(),
        );
    }
    warnings
}

/// What only the bucket's own rules can do.
fn advice(provider: Option<Provider>) -> Vec<String> {
    let rule = "let the bucket remove uploads that were never finished: a lifecycle rule with \
                AbortIncompleteMultipartUpload after 7 days";
    match provider {
        Some(Provider::S3 | Provider::Google) => vec![rule.to_owned()],
        // Azure forgets the parts of such an upload by itself after a week
        Some(Provider::Azure) | None => Vec::new(),
    }
}

pub(crate) async fn run(flags: &InitFlags, session: &Session) -> Result<Answer, Failure> {
    let location = session.settings.repository(&flags.repository)?;
    let provider = location.url.provider();
    let writers = if flags.single_writer {
        Writers::One
    } else {
        Writers::Many
    };
    let (repository, found) = Repository::init_for(location, writers, &session.clock).await?;
    let document = InitDocument {
        repository: repository.url().to_owned(),
        id: repository.id().to_owned(),
        created_at: repository.created_at(),
        store: found
            .remote
            .map(|found| StoreDocument::new(found, provider)),
    };
    Ok(Answer::new(session, Exit::Ok, &document, |document| {
        render(document, session.paint)
    }))
}

fn render(document: &InitDocument, paint: Paint) -> String {
    let store = document.store.as_ref();
    format!(
        "{} repository {} at {}\n{}  next: lifeboat backup --repository {} --bootstrap-servers HOST:PORT\n",
        paint.good("made"),
        document.id,
        document.repository,
        store.map(|store| store.render(paint)).unwrap_or_default(),
        document.repository
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(store: Option<StoreDocument>) -> InitDocument {
        InitDocument {
            repository: "s3://backups/prod".to_owned(),
            id: "01JD3Z2Q0000000000000000AA".to_owned(),
            created_at: Timestamp::from_millis(0),
            store,
        }
    }

    #[test]
    fn init_says_what_comes_next() {
        insta::assert_snapshot!(render(&document(None), Paint::never()), @"
        made repository 01JD3Z2Q0000000000000000AA at s3://backups/prod
          next: lifeboat backup --repository s3://backups/prod --bootstrap-servers HOST:PORT
        ");
    }

    #[test]
    fn init_says_what_the_store_can_do_and_warns_of_what_it_can_not() {
        let found = RemoteReport {
            conditional_create: false,
            multipart_abort: false,
            delete: false,
            clock_ahead_ms: -600_000,
            object_lock: Some(lifeboat_repository::ObjectLock {
                mode: "COMPLIANCE".to_owned(),
                until: "2026-09-30T00:00:00Z".to_owned(),
            }),
        };
        let store = StoreDocument::new(found, Some(Provider::Azure));
        insta::assert_snapshot!(render(&document(Some(store)), Paint::never()), @"
        made repository 01JD3Z2Q0000000000000000AA at s3://backups/prod
          overwriting    not refused
          reads          of ranges, lists in pages
          uploads        in parts, which can't be given up
          deleting       not allowed, and not needed
          object lock    COMPLIANCE until 2026-09-30T00:00:00Z
          clock          10m behind this machine's
          warning: the store overwrites: see to it that never two programs write at once
          warning: the store's clock is 10m behind this machine's: set the one that is wrong
          warning: parts of uploads that are given up stay and cost: allow the abort of uploads
          next: lifeboat backup --repository s3://backups/prod --bootstrap-servers HOST:PORT
        ");
    }
}
