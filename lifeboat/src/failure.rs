//! Errors for people: what, why, and what to do; the same as one JSON document.

use std::{error::Error, io::IsTerminal};

use lifeboat_agent::backup::BackupError;
use lifeboat_archive::json::{self, Document};
use lifeboat_config::{LoadError, PropertyError, UrlError};
use lifeboat_kafka::{KafkaError, rights::Right};
use lifeboat_repository::{RepositoryError, copy::CopyError};
use lifeboat_restore::{
    live::CompareError,
    names::{Kind, NameError},
    offset_map::MapError,
    plan::PlanError,
    rehearse::RehearseError,
    restore::RestoreError,
    translate::TranslateError,
    verify::VerifyError,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{write_stderr, write_stdout},
    exit::Exit,
    render::{Paint, safe},
};

mod kafka;
mod restore;
mod store;

const NO_IDENTITY: &str = "give the identity of one of its recipients: --identity FILE, LIFEBOAT_IDENTITY, or \
     encryption.identities in the file of --config";
const WRONG_IDENTITY: &str = "give the identity of one of its recipients, too: --identity FILE may be repeated, and older \
     snapshots want older ones; if it is the right one, the object is damaged, as `lifeboat verify` would tell";

/// Why a verb failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// The right that would have helped.
    right: Option<Right>,
    /// Whether `restore --resume` can go on where this has ended.
    resumable: bool,
}

/// A failure as `--json` prints it.
#[derive(Debug, Serialize, Deserialize)]
struct ErrorDocument {
    error: String,
    causes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    exit_code: u8,
}

impl Document for ErrorDocument {
    const FORMAT: &'static str = "lifeboat.error";
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            right: None,
            resumable: false,
        }
    }

    /// The flags or the configuration are wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// What went wrong, in a line.
    pub(crate) fn line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        line
    }

    /// Somebody stopped it.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// With the section of the configuration file that it is about.
    pub(crate) fn within(mut self, section: &str) -> Self {
        self.message = format!("{section}: {}", self.message);
        self
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where a right is missing: whose, and the command that grants it.
    pub(crate) fn of_principal(mut self, principal: &str) -> Self {
        if let Some(right) = &self.right {
            let lacks = format!("{principal} lacks {right}");
            if !self.message.contains(&lacks) {
                self.causes.push(lacks);
            }
            self.hint = Some(format!("allow it: {}", right.grant(principal)));
        }
        self
    }

    /// With a cause and the causes of that; what only repeats the text before is left out.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            let before = self.causes.last().unwrap_or(&self.message);
            if !before.ends_with(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// With a cause that is no error.
    pub(crate) fn because_of(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// An error as it is, with its causes.
    fn of(exit: Exit, error: &dyn Error) -> Self {
        let failure = Self::new(exit, error.to_string());
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }

    /// For people: `error: …`, each cause and the hint on a line of its own.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.bad("error:"), safe(&self.message));
        for cause in &self.causes {
            text.push_str("  ");
            text.push_str(&safe(cause));
            text.push('\n');
        }
        if let Some(hint) = &self.hint {
            text.push_str("  hint: ");
            text.push_str(hint);
            text.push('\n');
        }
        text
    }

    /// Says it on stderr and, where JSON is wanted, also as the one document on stdout.
    pub(crate) fn print(&self, json: bool, exit: Exit) {
        write_stderr(&self.render(Paint::for_stream(std::io::stderr().is_terminal())));
        if json {
            let document = ErrorDocument {
                error: self.message.clone(),
                causes: self.causes.clone(),
                hint: self.hint.clone(),
                exit_code: exit.code(),
            };
            write_stdout(&json::to_vec_pretty(&document));
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let LoadError::Invalid { problems, .. } = &error else {
            return Self::of(Exit::Usage, &error)
                .hint("name the file with --config or LIFEBOAT_CONFIG");
        };
        let mut failure = Self::new(Exit::Usage, error.to_string());
        for problem in problems {
            failure.causes.push(match &problem.hint {
                Some(hint) => format!("{problem} ({hint})"),
                None => problem.to_string(),
            });
        }
        failure.hint("config/README.md describes every key")
    }
}

impl From<PropertyError> for Failure {
    fn from(error: PropertyError) -> Self {
        let failure = Self::new(Exit::Usage, error.to_string());
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Self {
        Self::new(Exit::Usage, error.to_string())
            .hint("write file:///absolute/path, just the absolute path, or s3://BUCKET/PREFIX, gs:// or az://")
    }
}

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Self {
        use RepositoryError as E;
        let (exit, hint) = match &error {
            E::NoRepository { url, .. } => (Exit::NoRepository, store::no_repository(url)),
            E::AlreadyInitialised { url, .. } => (
                Exit::Error,
                format!("use it as it is: `lifeboat snapshots --repository {url}`"),
            ),
            E::Occupied { .. } => (
                Exit::Error,
                "choose an empty folder, or a new one below this one".to_owned(),
            ),
            E::NoConditionalCreate { .. } => (
                Exit::Error,
                "snapshots of two programs could overwrite each other there: choose another store, or see to it that only \
                 one ever writes and say --single-writer"
                    .to_owned(),
            ),
            E::Unfit { .. } => (
                Exit::Error,
                "choose another store; `lifeboat init` has left nothing in this one that counts".to_owned(),
            ),
            E::Options { .. } => (
                Exit::Usage,
                "config/README.md lists the options of stores; variables of the environment count too".to_owned(),
            ),
            E::TooNew { .. } => (Exit::TooNew, "use the newest lifeboat".to_owned()),
            E::Damaged { .. } | E::NotFound { .. } => (
                Exit::Damaged,
                "`lifeboat verify` tells everything that is damaged in a snapshot, `lifeboat snapshots` which others \
                 there are"
                    .to_owned(),
            ),
            E::NoIdentity { .. } => (Exit::Usage, NO_IDENTITY.to_owned()),
            E::WrongIdentity { .. } => (Exit::Usage, WRONG_IDENTITY.to_owned()),
            E::Empty { .. } | E::NoSnapshots { .. } => {
                (Exit::Error, "take one with `lifeboat backup`".to_owned())
            }
            E::NoSuchSnapshot { .. } => (
                Exit::Error,
                "`lifeboat snapshots` lists those that there are".to_owned(),
            ),
            E::NoneVerified { .. } => (
                Exit::Error,
                "verify one with `lifeboat verify SNAPSHOT`; its result has to be stored, which takes the right to write"
                    .to_owned(),
            ),
            E::Ambiguous { .. } => (Exit::Usage, "write more of the id".to_owned()),
            E::ClusterUnknown { .. } => (
                Exit::ClusterUnknown,
                "choose one of these with --cluster".to_owned(),
            ),
            E::SeveralClusters { .. } => (Exit::Usage, "choose one with --cluster".to_owned()),
            E::BadClusterId { .. } => (
                Exit::Usage,
                "it is the text that `kafka-cluster cluster-id` prints".to_owned(),
            ),
            E::TooLarge { .. } => (
                Exit::Error,
                "one `lifeboat backup --kind full` joins small segments; if that does not help, take fewer topics at once \
                 (--topics, --exclude)"
                    .to_owned(),
            ),
            E::Exists { .. } => (
                Exit::Error,
                "nothing that is stored is ever overwritten; just run it again".to_owned(),
            ),
            E::Full { .. } => (
                Exit::Error,
                "make room, or use a larger volume, and run it again".to_owned(),
            ),
            E::NoBucket { .. } => (
                Exit::NoRepository,
                "make the bucket (or Azure's container) first, or check its name, the endpoint and the region".to_owned(),
            ),
            E::Denied { source, .. } => (Exit::Error, store::denied(source).to_owned()),
            E::Credentials { source, .. } => (Exit::Error, store::credentials(source).to_owned()),
            E::NoCredentials { .. } => (Exit::Error, store::NO_CREDENTIALS.to_owned()),
            E::NotRenewed { .. } => (Exit::Error, store::NOT_RENEWED.to_owned()),
            E::Unreachable { source, .. } => (Exit::Error, store::unreachable(source).to_owned()),
            E::Store { source, .. } => match store::failed(source) {
                Some(hint) => (Exit::Error, hint.to_owned()),
                None => return Self::of(Exit::Error, &error),
            },
            _ => return Self::of(Exit::Error, &error),
        };
        Self::of(exit, &error).hint(hint)
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        if let Some(right) = error.missing_right() {
            return Self {
                right: Some(right),
                ..Self::of(Exit::Error, &error)
            };
        }
        match &error {
            KafkaError::Interrupted => Self::interrupted(),
            KafkaError::Property { hint, .. } => {
                let failure = Self::of(Exit::Usage, &error);
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            _ => {
                let failure = Self::of(Exit::Error, &error);
                match kafka::hint(&error) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Kafka(error) => error.into(),
            BackupError::Repository(error) => error.into(),
            BackupError::ClusterUnknown { .. } => Self::of(Exit::ClusterUnknown, &error).hint(
                "check the address; if the cluster is to be added to this repository, say --new-cluster",
            ),
            BackupError::NothingChosen { .. } => {
                Self::of(Exit::Usage, &error).hint("check --topics and --exclude")
            }
            BackupError::Interrupted => Self::of(Exit::Interrupted, &error).hint("run it again"),
            _ => Self::of(Exit::Error, &error),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Repository(error) => error.into(),
            VerifyError::NoTopics { .. } => Self::of(Exit::Usage, &error)
                .hint("`lifeboat show SNAPSHOT --topics` lists those that it has"),
            VerifyError::Cancelled => Self::interrupted(),
        }
    }
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Repository(error) => error.into(),
            CompareError::Kafka(error) => error.into(),
            CompareError::Names(error) => Self::of(Exit::Usage, &error).hint(names_hint(&error)),
            CompareError::NoTopics { .. } => Self::of(Exit::Usage, &error)
                .hint("`lifeboat show SNAPSHOT --topics` lists those that it has"),
            CompareError::Cancelled => Self::interrupted(),
            CompareError::Internal(_) => Self::of(Exit::Error, &error),
        }
    }
}

impl From<RehearseError> for Failure {
    fn from(error: RehearseError) -> Self {
        match error {
            RehearseError::Restore(error) => error.into(),
            RehearseError::NoTopics { .. } => Self::of(Exit::Usage, &error)
                .hint("`lifeboat show SNAPSHOT --topics` lists those that it has"),
            RehearseError::Prefix(_) => Self::of(Exit::Error, &error),
            RehearseError::Taken(_) => Self::of(Exit::Error, &error)
                .hint("nothing was written; rehearse again, and the names will be others"),
        }
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Source(error) => Self::from(error).within("source"),
            CopyError::Target(error) => Self::from(error).within("target"),
            CopyError::Same { .. } => {
                Self::of(Exit::Usage, &error).hint("name another repository with --to")
            }
            CopyError::ClusterUnknown { .. } => Self::of(Exit::ClusterUnknown, &error).hint(
                "check the address; if the cluster is to be added to that repository, say --new-cluster",
            ),
            CopyError::Interrupted => Self::of(Exit::Interrupted, &error)
                .hint("run it again: it goes on with what is missing"),
            _ => Self::of(Exit::Error, &error),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        use RestoreError as E;
        let (exit, hint) = match error {
            E::Kafka(error) => return error.into(),
            E::Repository(error) => return error.into(),
            E::Plan(error) => return error.into(),
            E::Refused(_) => (
                Exit::Error,
                "decide for --append or --replace, restore beside them with --rename or --prefix, or choose others with --topics",
            ),
            E::Damaged(_) => (
                Exit::Damaged,
                "`lifeboat verify` tells everything that is damaged; an older snapshot may hold it intact, and --salvage \
                 restores all that is sound and names what is missing",
            ),
            E::Records { .. } => (
                Exit::Damaged,
                "`lifeboat verify` tells everything that is damaged; an older snapshot may hold it intact",
            ),
            E::Topic { ref source, .. } if source.missing_right().is_some() => {
                return Self {
                    right: source.missing_right(),
                    ..Self::of(Exit::Error, &error)
                };
            }
            E::Denied { ref lacking, .. } => {
                return Self {
                    right: lacking.first().cloned(),
                    ..Self::of(Exit::Error, &error)
                };
            }
            E::Topic { .. } => (Exit::Error, "mend the cause"),
            E::Changed { .. } => (
                Exit::Error,
                "nobody else may write to these topics meanwhile; restore them again from the start",
            ),
            E::Differs { .. } => (
                Exit::Differs,
                "delete the restored topics, make sure that nobody else writes to them, and restore again",
            ),
            E::Stuck { .. } => (
                Exit::Error,
                "bring back the brokers that lead these partitions",
            ),
            E::Cancelled => return Self::interrupted(),
            E::OffsetMap(MapError::Exists(_)) => (
                Exit::Usage,
                "name another file with --offset-map, or move that one away",
            ),
            E::OffsetMap(_) => (
                Exit::Error,
                "name a file in a folder that can be written with --offset-map",
            ),
            E::Journal(ref error) => (Exit::Error, restore::journal(error)),
            E::Lease(ref error) => (Exit::Error, restore::lease(error)),
            E::LeaseLost(ref lost) => (Exit::Error, restore::lost(lost)),
            // never to delete by hand: a later restore may have taken its topics
            E::NotResumable { .. } => (
                Exit::Usage,
                "end it with --finish; to restore anew leave out --resume: --replace deletes what a topic holds first",
            ),
            E::Unfinished { source, .. } => return restore::unfinished(*source),
            E::Internal(_) => return Self::of(Exit::Error, &error),
        };
        Self::of(exit, &error).hint(hint)
    }
}

fn names_hint(error: &NameError) -> String {
    match error {
        NameError::NotThere {
            meant: Some(meant), ..
        } => format!("did you mean {meant}?"),
        NameError::NotThere { .. } => "`lifeboat show` lists what the snapshot has".to_owned(),
        NameError::NotChosen {
            kind: Kind::Topic, ..
        } => "choose it with --topics, or leave out its --rename".to_owned(),
        NameError::NotChosen { .. } => {
            "choose it with --groups, or leave out its --rename-group".to_owned()
        }
        NameError::Unmatched { .. } => {
            "an expression is held against the whole name: write .* where something may follow"
                .to_owned()
        }
        NameError::NoGroups { .. } => {
            "check --groups and --exclude-groups; `lifeboat show` lists the groups".to_owned()
        }
        NameError::Illegal { .. } => "choose another name".to_owned(),
        NameError::Merged { .. } => "give each a name of its own, or choose one of them".to_owned(),
    }
}

impl From<TranslateError> for Failure {
    fn from(error: TranslateError) -> Self {
        match error {
            TranslateError::Restore(error) => error.into(),
            TranslateError::NoPartition(_) | TranslateError::NoGroup(_) => {
                Self::of(Exit::Usage, &error)
                    .hint("`lifeboat show` lists the topics and groups of a snapshot")
            }
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let hint = match &error {
            PlanError::IntoSource { .. } => {
                "if that is meant, say --into-source; --prefix or --rename restores beside the originals"
            }
            PlanError::Names(error) => return Self::of(Exit::Usage, error).hint(names_hint(error)),
            PlanError::NoBroker { .. } => {
                "map it to one that is there with --broker-map, or leave out --assignment"
            }
            PlanError::BrokersMerged { .. } => {
                "give each broker of the snapshot another one of the target with --broker-map"
            }
            PlanError::Selection(_) => {
                "check --partitions, --from, --until and --until-offset; `lifeboat show` lists topics and partitions"
            }
            PlanError::Repartition(_) => {
                "check --repartition and --topics; `lifeboat show` lists topics and partitions"
            }
            PlanError::NothingChosen { .. } => {
                "check --topics and --exclude; `lifeboat show` lists the topics"
            }
        };
        Self::of(Exit::Usage, &error).hint(hint)
    }
}

#[cfg(test)]
mod tests;
