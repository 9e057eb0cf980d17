//! One file for each verb: flags and session in, an answer out.

use crate::{answer::Answer, failure::Failure, flags::Verb, session::Session};

mod backup;
mod check;
mod compare;
mod config;
mod copy;
mod diff;
mod init;
mod offsets;
mod rehearse;
mod restore;
mod show;
mod snapshots;
mod verify;

/// Runs a verb.
pub(crate) async fn run(verb: Verb, session: &Session) -> Result<Answer, Failure> {
    let interrupt = &session.interrupt;
    match verb {
        Verb::Init(flags) => interrupt.unless(init::run(&flags, session)).await,
        Verb::Snapshots(flags) => interrupt.unless(snapshots::run(&flags, session)).await,
        Verb::Show(flags) => interrupt.unless(show::run(&flags, session)).await,
        Verb::Check(flags) => Box::pin(interrupt.unless(check::run(&flags, session))).await,
        Verb::Diff(flags) => Box::pin(interrupt.unless(diff::run(&flags, session))).await,
        Verb::Offsets(flags) => Box::pin(offsets::run(&flags.verb, session)).await,
        // these stop by themselves, in good order
        Verb::Backup(flags) => backup::run(&flags, session).await,
        Verb::Copy(flags) => Box::pin(copy::run(&flags, session)).await,
        Verb::Verify(flags) => verify::run(&flags, session).await,
        Verb::Compare(flags) => Box::pin(compare::run(&flags, session)).await,
        Verb::Rehearse(flags) => Box::pin(rehearse::run(&flags, session)).await,
        Verb::Restore(flags) => Box::pin(restore::run(&flags, session)).await,
        Verb::Config(flags) => config::run(flags.verb, session),
    }
}
