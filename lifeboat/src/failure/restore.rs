//! Restores that end early, and what to do then.

use lifeboat_restore::{
    journal::JournalError,
    lease::{LeaseError, LeaseLost},
    restore::RestoreError,
};

use super::{Exit, Failure};

/// What helps where a journal can't be kept or read.
pub(super) fn journal(error: &JournalError) -> &'static str {
    match error {
        JournalError::NoPlace | JournalError::File { .. } => {
            "name a folder that can be written with --state"
        }
        _ => {
            "delete the topics that it has begun, and restore again without --resume; `restore --finish` leaves them as they are"
        }
    }
}

/// What helps where somebody else works on it.
pub(super) fn lease(error: &LeaseError) -> &'static str {
    match error {
        LeaseError::Held { .. } => {
            "wait until it has ended, or end that process; two on one journal would write everything twice"
        }
        _ => "name a folder that can be written with --state",
    }
}

pub(super) fn lost(lost: &LeaseLost) -> &'static str {
    match lost {
        LeaseLost::TakenOver(_) => "let the other one end",
        _ => "see that nobody else works on it",
    }
}

/// Whether going on can lead to the end, now or when the cause is mended.
fn may_go_on(error: &RestoreError) -> bool {
    use RestoreError as E;
    // what was written is not what was meant, or others write
    !matches!(
        error,
        E::Differs { .. }
            | E::Changed { .. }
            | E::NotResumable { .. }
            | E::LeaseLost(LeaseLost::TakenOver(_))
    )
}

/// A restore that was begun and has not come to its end.
pub(super) fn unfinished(error: RestoreError) -> Failure {
    let interrupted = matches!(error, RestoreError::Cancelled);
    let resumable = may_go_on(&error);
    let mut failure = Failure::from(error);
    failure.resumable = resumable;
    if interrupted {
        failure.exit = Exit::Interrupted;
        failure.hint = None;
    }
    failure
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        RestoreError::from(error).into()
    }
}

impl Failure {
    /// Every topic is refused.
    pub(crate) fn refused(error: &RestoreError) -> Self {
        Self::of(Exit::Error, error)
    }

    /// Where something half-made can be gone on with: by which command.
    pub(crate) fn go_on_with(mut self, command: &str) -> Self {
        if self.resumable {
            self.hint = Some(match self.hint.take() {
                None => format!("go on with: {command}"),
                Some(hint) => format!("{hint}; then go on with: {command}"),
            });
        }
        self
    }
}
