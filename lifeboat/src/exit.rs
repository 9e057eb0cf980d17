//! The exit codes: what a script can decide upon.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    /// Something failed.
    Error,
    /// The flags or the configuration are wrong.
    Usage,
    /// Done, and something is missing.
    Partial,
    NoRepository,
    ClusterUnknown,
    TooNew,
    Damaged,
    /// Something could not be read, so nothing is known of it.
    Unverified,
    /// What was written is not what was meant, or something changed and that was the question.
    Differs,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Exit {
    /// The number that a shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NoRepository => 10,
            Self::ClusterUnknown => 13,
            Self::TooNew => 14,
            Self::Damaged => 20,
            Self::Unverified => 21,
            Self::Differs => 22,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  ok
    1  error
    2  wrong usage or configuration
    3  done, but partial: gaps; left-out or refused topics, users, settings; something that diff could not compare
   10  no repository
   13  cluster unknown to this repository
   14  format too new for this program
   20  damage found
   21  verification incomplete
   22  a cluster differs from the snapshot, or something changed (diff --exit-code)
  130  interrupted (143 by SIGTERM); nothing half-done is visible, but of a restore: that goes on with --resume";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_exit_code() {
        let all = [
            Exit::Ok,
            Exit::Error,
            Exit::Usage,
            Exit::Partial,
            Exit::NoRepository,
            Exit::ClusterUnknown,
            Exit::TooNew,
            Exit::Damaged,
            Exit::Unverified,
            Exit::Differs,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        for exit in all {
            let code = exit.code().to_string();
            let words: Vec<_> = HELP.split([' ', '\n', '(']).collect();
            assert!(words.contains(&code.as_str()), "{code}");
        }
    }
}
