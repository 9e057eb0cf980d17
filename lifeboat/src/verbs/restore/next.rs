//! What to type next: the command that goes on where this one ended, with what this one was told.

use std::path::Path;

use lifeboat_archive::words::SnapshotId;

use crate::{
    flags::{IDENTITY_VARIABLE, RestoreFlags},
    session::Session,
};

/// Commands for the cluster, the repository and the folder of this run.
#[derive(Clone, Debug)]
pub(super) struct NextSteps {
    target: String,
    source: String,
    journal: String,
}

impl NextSteps {
    pub(super) fn of(flags: &RestoreFlags, session: &Session) -> Self {
        let (mut target, mut source) = (String::new(), String::new());
        let add = |to: &mut String, name: &str, value: Option<&str>| {
            if let Some(value) = value {
                to.push_str(&format!(" {name} {}", quoted(value)));
            }
        };
        let it = &flags.target;
        add(
            &mut source,
            "--repository",
            flags.repository.repository.as_deref(),
        );
        add(&mut source, "--cluster", flags.choice.cluster.as_deref());
        // the variable may hold the identity itself, and is still set then
        if std::env::var_os(IDENTITY_VARIABLE).is_none() {
            for identity in &flags.identities.identity {
                add(&mut source, "--identity", identity.0.to_str());
            }
        }
        add(&mut target, "--target", it.target.as_deref());
        let servers = it.bootstrap_servers.as_deref();
        add(&mut target, "--bootstrap-servers", servers);
        let properties = text(it.command_config.as_deref());
        add(&mut target, "--command-config", properties);
        add(&mut target, "--state", text(flags.state.as_deref()));
        add(&mut target, "--config", text(session.settings.path()));
        let journal = flags.later.journal.as_deref();
        let journal = text(journal).map(|file| format!(" --journal {}", quoted(file)));
        Self {
            target,
            source,
            journal: journal.unwrap_or_default(),
        }
    }

    /// Goes on with a restore of that snapshot.
    pub(super) fn resume(&self, snapshot: &SnapshotId) -> String {
        let Self {
            target,
            source,
            journal,
        } = self;
        format!("lifeboat restore {snapshot} --resume{source}{target}{journal}")
    }

    /// Puts back what was put off by the restore of that journal.
    pub(super) fn finish(&self, journal: &Path) -> String {
        let journal = quoted(&journal.display().to_string());
        format!(
            "lifeboat restore --finish{} --journal {journal}",
            self.target
        )
    }
}

fn text(path: Option<&Path>) -> Option<&str> {
    path.and_then(Path::to_str)
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,=@%+~".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("file:///a/b-1_c"), "file:///a/b-1_c");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
