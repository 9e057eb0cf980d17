//! SCRAM users.

use serde::{Deserialize, Serialize};

use crate::json::Document;

/// `scram.json`: who can log in with SCRAM, and how (KIP-554). What proves it is not in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersDocument {
    /// The users, by name.
    pub users: Vec<ScramUser>,
}

impl Document for UsersDocument {
    const FORMAT: &'static str = "lifeboat.scram";
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramUser {
    /// The name.
    pub user: String,
    /// Its credentials, by mechanism.
    pub credentials: Vec<ScramCredential>,
}

/// That there is a credential, not what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScramCredential {
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// Rounds of hashing (RFC 5802, section 5.1), 4096 to 16384 in Kafka.
    pub iterations: i32,
}
