//! What can go wrong with a repository, cut by what the caller can do.

use std::{fmt, io};

use lifeboat_archive::{
    json::JsonError,
    seal::{Recipient, SealError, SealedTo},
    words::{ByteSize, SnapshotId},
};

mod cause;

pub use cause::{Cause, StoreAnswer};
pub(crate) use cause::{is_conflict, is_lost_on_the_way, is_unanswered};

/// Why something could not be done with a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// Nothing was ever initialised there, or it is not mounted.
    #[error("no repository at {url}: {problem}")]
    NoRepository {
        /// Where it was looked for.
        url: String,
        /// What was missing.
        problem: String,
    },
    /// There is one already.
    #[error("{url} is a repository already, with the id {id}")]
    AlreadyInitialised {
        /// Where.
        url: String,
        /// Its id.
        id: String,
    },
    /// A new repository was to be made in a place that is used for something else.
    #[error("{url} is not empty: it holds {found}")]
    Occupied {
        /// Where.
        url: String,
        /// The first thing that was found.
        found: String,
    },
    /// The store does not refuse to write an object that is there already.
    #[error("the store at {url} overwrites objects that must be created only once")]
    NoConditionalCreate {
        /// Where.
        url: String,
    },
    /// The store does not do what a repository rests on.
    #[error("the store at {url} can't hold a repository: {problem}")]
    Unfit {
        /// Where.
        url: String,
        /// What it does not do.
        problem: String,
    },
    /// What the store is told contradicts itself, or can't be understood.
    #[error("the options of the store at {url} can't be used")]
    Options {
        /// Where.
        url: String,
        /// What is wrong.
        source: Cause,
    },
    /// A newer program wrote it.
    #[error(
        "{object}: format version {found} is newer than {known}, the newest that this program reads"
    )]
    TooNew {
        /// The object.
        object: String,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// What is stored is not what was written.
    #[error("{object} is damaged: {problem}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It holds nothing of any cluster yet.
    #[error("the repository at {url} holds no snapshot of any cluster yet")]
    Empty {
        /// Where.
        url: String,
    },
    /// Nothing was committed for this cluster yet.
    #[error("there is no snapshot of cluster {cluster} yet")]
    NoSnapshots {
        /// The cluster.
        cluster: String,
    },
    /// No snapshot has that name.
    #[error("no snapshot of cluster {cluster} is called {reference}")]
    NoSuchSnapshot {
        /// The cluster.
        cluster: String,
        /// What was asked for.
        reference: String,
    },
    /// No snapshot is known to be whole.
    #[error("no snapshot of cluster {cluster} was verified as a whole")]
    NoneVerified {
        /// The cluster.
        cluster: String,
    },
    /// Several snapshots begin like that.
    #[error("{reference} names {} snapshots: {}", candidates.len(), listed(candidates))]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// What it could mean.
        candidates: Vec<SnapshotId>,
    },
    /// The repository holds nothing of that cluster.
    #[error(
        "cluster {cluster} is unknown to this repository, which holds {}",
        listed(known)
    )]
    ClusterUnknown {
        /// The cluster.
        cluster: String,
        /// The clusters that are there.
        known: Vec<String>,
    },
    /// The repository holds several clusters and none was chosen.
    #[error("the repository holds several clusters: {}", listed(known))]
    SeveralClusters {
        /// The clusters that are there.
        known: Vec<String>,
    },
    /// A cluster's id that can't be the name of a folder.
    #[error("{cluster:?} can't be a cluster's id")]
    BadClusterId {
        /// The id.
        cluster: String,
    },
    /// What is to be written could not be read again.
    #[error("{object} can't be written: {size}, where no more than {most} can be read again")]
    TooLarge {
        /// The object.
        object: String,
        /// How large it, or a part of it that is read at once, would be.
        size: ByteSize,
        /// How large it may be.
        most: ByteSize,
    },
    /// An object that should be there is not.
    #[error("{object} is missing")]
    NotFound {
        /// The object.
        object: String,
    },
    /// An object that was to be created is there already, with other content.
    #[error("{object} is there already, with other content")]
    Exists {
        /// The object.
        object: String,
    },
    /// The store has no room left.
    #[error("can't {operation} {object}: the store is full")]
    Full {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Cause,
    },
    /// The store does not let us.
    #[error("can't {operation} {object}: not allowed")]
    Denied {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Cause,
    },
    /// The store does not know us.
    #[error("can't {operation} {object}: the store does not accept the credentials")]
    Credentials {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Cause,
    },
    /// No credentials were given, and this machine has none of its own.
    #[error("can't {operation} {object}: there are no credentials for the store")]
    NoCredentials {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// How the last place to look for them answered.
        source: Cause,
    },
    /// The machine's own credentials were good before, and new ones can't be had.
    #[error("can't {operation} {object}: this machine's credentials can't be renewed")]
    NotRenewed {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// How the place answered that gives them.
        source: Cause,
    },
    /// The bucket is not there.
    #[error("can't {operation} {object}: there is no such bucket")]
    NoBucket {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Cause,
    },
    /// The store does not answer.
    #[error("can't {operation} {object}: the store can't be reached")]
    Unreachable {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// Why not.
        source: Cause,
    },
    /// It is encrypted, and there is nothing to open it with.
    #[error("{object} is encrypted to {sealed_to}, and no identity was given that opens it")]
    NoIdentity {
        /// The object.
        object: String,
        /// To how many: it does not tell to whom.
        sealed_to: SealedTo,
    },
    /// It is encrypted to others.
    #[error(
        "{object} is encrypted to {sealed_to}, and what was given is the identity of {}",
        listed(given)
    )]
    WrongIdentity {
        /// The object.
        object: String,
        /// To how many: it does not tell to whom.
        sealed_to: SealedTo,
        /// The public halves of what was tried.
        given: Vec<Recipient>,
    },
    /// It can't be encrypted.
    #[error("can't encrypt {object}")]
    Seal {
        /// The object.
        object: String,
        /// Why not.
        source: SealError,
    },
    /// The store failed.
    #[error("can't {operation} {object}")]
    Store {
        /// What was being done.
        operation: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Cause,
    },
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    if texts.is_empty() {
        "none".to_owned()
    } else {
        texts.join(", ")
    }
}

impl RepositoryError {
    /// It and its cause, as one text.
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// Whether it is only that an object can't be opened: what is stored of it may be read, checked and copied.
    pub fn is_for_want_of_identity(&self) -> bool {
        matches!(self, Self::NoIdentity { .. } | Self::WrongIdentity { .. })
    }

    /// Whether the object is not there, damaged, or of a newer program: no other answer of the store makes it usable.
    pub fn is_unusable(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::NotFound { .. } | Self::TooNew { .. }
        )
    }

    /// What a failure of the store comes to. Only the store's own "not found" means absent.
    pub(crate) fn from_store(
        operation: &'static str,
        object: &str,
        error: object_store::Error,
    ) -> Self {
        use object_store::Error as E;
        let absent = matches!(error, E::NotFound { .. });
        let source = Cause::new(error);
        let object = object.to_owned();
        // first: what such a service answers is none of the store's answers
        if source.is_of_metadata_service() {
            return Self::NoCredentials {
                operation,
                object,
                source,
            };
        }
        // object_store sorts the answers to some requests only: the status sorts all
        let status = source.answer().map(|answer| answer.status);
        let of_bucket = status == Some(404) && ["list", "write"].contains(&operation);
        if source.is_no_bucket() || of_bucket && source.code() != Some("NoSuchUpload") {
            return Self::NoBucket {
                operation,
                object,
                source,
            };
        }
        if absent {
            return Self::NotFound { object };
        }
        if status == Some(401) || source.is_bad_credentials() {
            return Self::Credentials {
                operation,
                object,
                source,
            };
        }
        if status == Some(403) {
            return Self::Denied {
                operation,
                object,
                source,
            };
        }
        Self::from_cause(operation, object, source)
    }

    /// The same, where the store knew us before: then there are credentials.
    pub(crate) fn of_one_that_was_known(self) -> Self {
        match self {
            Self::NoCredentials {
                operation,
                object,
                source,
            } => Self::NotRenewed {
                operation,
                object,
                source: source.of_renewal(),
            },
            other => other,
        }
    }

    pub(crate) fn from_io(operation: &'static str, object: &str, error: io::Error) -> Self {
        Self::from_cause(operation, object.to_owned(), Cause::new(error))
    }

    fn from_cause(operation: &'static str, object: String, source: Cause) -> Self {
        if source.is_unreachable() {
            return Self::Unreachable {
                operation,
                object,
                source,
            };
        }
        match source.io().map(io::Error::kind) {
            Some(
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge,
            ) => Self::Full {
                operation,
                object,
                source,
            },
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                Self::Denied {
                    operation,
                    object,
                    source,
                }
            }
            _ => Self::Store {
                operation,
                object,
                source,
            },
        }
    }

    pub(crate) fn from_json(object: &str, error: &JsonError) -> Self {
        match *error {
            JsonError::TooNew { found, known, .. } => Self::TooNew {
                object: object.to_owned(),
                found,
                known,
            },
            _ => Self::damaged(object, error.to_string()),
        }
    }

    pub(crate) fn damaged(object: &str, problem: impl Into<String>) -> Self {
        Self::Damaged {
            object: object.to_owned(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn generic(error: io::Error) -> object_store::Error {
        object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::other(error)),
        }
    }

    #[test]
    fn a_full_disk_and_a_missing_right_are_told_apart_by_their_source() {
        let sort = |code: i32| {
            let error = generic(io::Error::from_raw_os_error(code));
            RepositoryError::from_store("write", "x/y", error)
        };
        let (no_space, over_quota, no_right, read_only, broken) = (28, 122, 13, 30, 5);
        assert!(matches!(sort(no_space), RepositoryError::Full { .. }));
        assert!(matches!(sort(over_quota), RepositoryError::Full { .. }));
        assert!(matches!(sort(no_right), RepositoryError::Denied { .. }));
        assert!(matches!(sort(read_only), RepositoryError::Denied { .. }));
        assert!(matches!(sort(broken), RepositoryError::Store { .. }));
    }

    #[test]
    fn a_cause_says_what_the_operating_system_said_and_no_more() {
        let error =
            RepositoryError::from_store("write", "x/y", generic(io::Error::from_raw_os_error(28)));
        assert_eq!(error.to_string(), "can't write x/y: the store is full");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "No space left on device (os error 28)");
    }

    #[test]
    fn only_not_found_means_absent() {
        let missing = object_store::Error::NotFound {
            path: "x".into(),
            source: "gone".into(),
        };
        let error = RepositoryError::from_store("read", "x", missing);
        assert!(matches!(error, RepositoryError::NotFound { .. }));
        // an error whose source happens to be "not found" on the way is not an absent object
        let error = generic(io::ErrorKind::NotFound.into());
        let error = RepositoryError::from_store("read", "x", error);
        assert!(matches!(error, RepositoryError::Store { .. }));
    }
}
