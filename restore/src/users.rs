//! SCRAM users into a live cluster: with their passwords, which are checked against what was saved, or with new ones.
//!
//! The keys of a credential can't be given to a cluster: it makes them of a password. With the original password, salt and
//! number of iterations it makes the very same ones.

use std::collections::{BTreeMap, HashMap};

use lifeboat_archive::documents::{
    CredentialsDocument, ScramCredential, ScramKeys, SecretBytes, UsersDocument,
};
use lifeboat_config::Secret;
use lifeboat_kafka::{
    KafkaError,
    wire::{Cluster, NewCredential, ScramMechanism},
};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

mod passwords;
mod scram;

pub use passwords::{PasswordError, Passwords, generate_password, write_passwords};
pub use scram::{ScramError, proves, salt_password};

/// Why nothing more is done after a Ctrl-C.
pub(crate) const INTERRUPTED: &str = "interrupted before it had its turn";
/// What Kafka itself makes for a new credential.
const SALT_BYTES: usize = 24;

/// What is to be restored, and with what.
#[derive(Debug)]
pub struct Options<'o> {
    /// The users of the snapshot.
    pub saved: &'o UsersDocument,
    /// What proves who they are, where it was saved and could be opened.
    pub exact: Option<&'o CredentialsDocument>,
    /// The users' passwords, where they are known.
    pub passwords: &'o Passwords,
    /// Whether the others get new ones.
    pub generate: bool,
}

/// What became, or is to become, of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredUser {
    /// The user.
    pub user: String,
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// What became of it.
    pub outcome: UserOutcome,
    /// Why, or what is not certain about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl RestoredUser {
    /// Whether the target does not have it (exit code 3).
    pub fn is_missing(&self) -> bool {
        self.outcome == UserOutcome::NotRestored
    }

    /// Whether it is set, and not only left as it is.
    pub fn is_changed(&self) -> bool {
        !matches!(
            self.outcome,
            UserOutcome::Unchanged | UserOutcome::NotRestored
        )
    }
}

/// What became of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserOutcome {
    /// It was there already.
    Unchanged,
    /// It is byte for byte what it was.
    Restored,
    /// It was set with the password that was given, which nothing saved could be compared with.
    Set,
    /// It was set with a new password.
    Generated,
    /// It is missing.
    NotRestored,
}

/// What is to be done about the users.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    result: RestoredUser,
    /// What is sent, where anything is.
    change: Option<Change>,
}

#[derive(Debug)]
struct Change {
    mechanism: ScramMechanism,
    iterations: i32,
    salt: SecretBytes,
    /// None: a new one.
    password: Option<Secret>,
}

impl Plan {
    /// What is to become of each credential.
    pub fn users(&self) -> impl Iterator<Item = &RestoredUser> {
        self.steps.iter().map(|step| &step.result)
    }

    /// A new password for each user that is to get one.
    pub fn new_passwords(&self) -> BTreeMap<String, Secret> {
        let steps = self.steps.iter().filter(|step| {
            let change = step.change.as_ref();
            change.is_some_and(|change| change.password.is_none())
        });
        steps
            .map(|step| (step.result.user.clone(), generate_password()))
            .collect()
    }

    /// Does it. `new_passwords` must have been written to a safe place before.
    pub async fn apply(
        self,
        cluster: &Cluster,
        new_passwords: &BTreeMap<String, Secret>,
        cancel: &CancellationToken,
    ) -> Vec<RestoredUser> {
        let mut results = Vec::with_capacity(self.steps.len());
        for Step { mut result, change } in self.steps {
            let Some(change) = change else {
                results.push(result);
                continue;
            };
            let done = if cancel.is_cancelled() {
                Err(INTERRUPTED.to_owned())
            } else {
                set(cluster, &result.user, change, new_passwords).await
            };
            if let Err(problem) = done {
                result.outcome = UserOutcome::NotRestored;
                result.note = Some(problem);
            }
            results.push(result);
        }
        results
    }
}

async fn set(
    cluster: &Cluster,
    user: &str,
    change: Change,
    new_passwords: &BTreeMap<String, Secret>,
) -> Result<(), String> {
    let password = change.password.as_ref().or(new_passwords.get(user));
    let password = password.ok_or_else(|| "no password was made for it".to_owned())?;
    let salted = salt_password(
        change.mechanism,
        password.expose(),
        change.salt.expose(),
        change.iterations,
    );
    let credential = NewCredential {
        user: user.to_owned(),
        mechanism: change.mechanism,
        iterations: change.iterations,
        salted_password: salted.map_err(|error| error.to_string())?,
        salt: change.salt,
    };
    let set = cluster.set_scram_credential(&credential).await;
    set.map_err(|error| cluster.explain(&error))
}

/// Finds out what is there already, checks the passwords, and says what is to be done. Changes nothing.
pub async fn plan(cluster: &Cluster, options: &Options<'_>) -> Result<Plan, KafkaError> {
    let listed = cluster.scram_users().await?;
    let there: HashMap<_, _> = listed
        .iter()
        .map(|listed| ((listed.user.as_str(), listed.mechanism), listed.iterations))
        .collect();
    let mut steps = Vec::new();
    for user in &options.saved.users {
        for credential in &user.credentials {
            let case = Case::new(&user.user, credential, options, |mechanism| {
                let key = (user.user.as_str(), mechanism.number());
                there.get(&key).copied()
            });
            let login = match case.login_to_try() {
                None => None,
                Some((mechanism, password)) => {
                    let tried = cluster.lets_in(&user.user, mechanism, password.expose());
                    tried.await?
                }
            };
            steps.push(case.decide(login));
        }
    }
    Ok(Plan { steps })
}

/// One credential, and all that is known about it.
#[derive(Debug)]
struct Case<'c> {
    user: &'c str,
    saved: &'c ScramCredential,
    mechanism: Option<ScramMechanism>,
    keys: Option<&'c ScramKeys>,
    password: Option<&'c Secret>,
    /// The iterations of the one that the target has.
    there: Option<i32>,
    generate: bool,
    /// Whether the password is the one that was saved; `None` where nothing says so.
    proven: Option<bool>,
}

impl<'c> Case<'c> {
    fn new(
        user: &'c str,
        saved: &'c ScramCredential,
        options: &Options<'c>,
        there: impl Fn(ScramMechanism) -> Option<i32>,
    ) -> Self {
        let mechanism = ScramMechanism::from_name(&saved.mechanism);
        let exact = options.exact;
        let keys = exact.and_then(|exact| exact.keys(user, &saved.mechanism));
        let password = options.passwords.get(user);
        Self {
            user,
            saved,
            mechanism,
            keys,
            password,
            there: mechanism.and_then(there),
            generate: options.generate,
            // thousands of rounds of hashing: once is enough
            proven: password
                .zip(keys)
                .map(|(password, keys)| proves(password.expose(), keys)),
        }
    }

    /// Looks the same as what was saved: only a login tells whether it is.
    fn looks_equal(&self) -> bool {
        self.there == Some(self.saved.iterations)
    }

    fn login_to_try(&self) -> Option<(ScramMechanism, &'c Secret)> {
        let wanted = self.looks_equal() && self.proven != Some(false);
        wanted.then_some((self.mechanism?, self.password?))
    }

    /// What is to be done; `login` is whether the password lets in already, where that could be tried.
    fn decide(self, login: Option<bool>) -> Step {
        use UserOutcome as O;
        let Some(mechanism) = self.mechanism else {
            return self.leave(O::NotRestored, "this mechanism is not known here");
        };
        if self.proven == Some(false) {
            return self.leave(
                O::NotRestored,
                "the password that was given is not the one that was saved",
            );
        }
        match (self.looks_equal(), login) {
            (true, Some(true)) => return self.result(O::Unchanged, None, None),
            (true, None) => {
                return self.leave(
                    O::Unchanged,
                    "whether its password is the same could not be checked",
                );
            }
            _ => {}
        }
        let Some(password) = self.password else {
            return match (self.there, self.generate) {
                (Some(_), _) => self.leave(
                    O::NotRestored,
                    "it is there otherwise, and its password is not known (--passwords)",
                ),
                (None, true) => self.change(O::Generated, mechanism, None),
                (None, false) => self.leave(
                    O::NotRestored,
                    "its password is not known (--passwords, or --generate-passwords for a new one)",
                ),
            };
        };
        let outcome = match self.proven {
            Some(_) => O::Restored,
            None => O::Set,
        };
        self.change(outcome, mechanism, Some(password.clone()))
    }

    fn change(
        self,
        outcome: UserOutcome,
        mechanism: ScramMechanism,
        password: Option<Secret>,
    ) -> Step {
        // a password of its own gets a salt of its own
        let original = self.keys.filter(|_| outcome == UserOutcome::Restored);
        let (salt, iterations) = match original {
            Some(keys) => (keys.salt.clone(), keys.iterations),
            None => (new_salt(), self.saved.iterations),
        };
        let change = Change {
            mechanism,
            iterations,
            salt,
            password,
        };
        let unproven = "what was saved of it could not be compared with its password";
        let note = (outcome == UserOutcome::Set).then_some(unproven);
        self.result(outcome, note, Some(change))
    }

    fn leave(self, outcome: UserOutcome, note: &str) -> Step {
        self.result(outcome, Some(note), None)
    }

    fn result(self, outcome: UserOutcome, note: Option<&str>, change: Option<Change>) -> Step {
        Step {
            result: RestoredUser {
                user: self.user.to_owned(),
                mechanism: self.saved.mechanism.clone(),
                outcome,
                note: note.map(str::to_owned),
            },
            change,
        }
    }
}

fn new_salt() -> SecretBytes {
    let mut salt = [0; SALT_BYTES];
    rand::rng().fill(&mut salt);
    SecretBytes::new(&salt)
}

#[cfg(test)]
mod tests;
