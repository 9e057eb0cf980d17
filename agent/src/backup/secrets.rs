//! SCRAM users, and what proves who they are: only sealed, or not at all.

use std::{fmt, path::PathBuf};

use lifeboat_archive::{
    documents::{CredentialsDocument, SEALED_CREDENTIALS, UsersDocument},
    json,
    manifest::Problem,
    seal::{Recipient, seal},
};
use lifeboat_config::{ControllerAddresses, KafkaProperties};
use lifeboat_kafka::{
    capture,
    image::{Image, ImageError, read_controllers, read_folder},
    wire::{Cluster, Controllers},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// More users are not named one by one.
const MOST_NAMES: usize = 10;

/// Where what proves who the users are is read, and to whom it is sealed.
#[derive(Clone, Debug, Default)]
pub struct CredentialOptions {
    /// Who may open it. Without anybody it is left out.
    pub recipients: Vec<Recipient>,
    /// Where it is read; not at all where there is none.
    pub source: Option<CredentialSource>,
}

/// Where what proves who the users are is read.
#[derive(Clone, Debug)]
pub enum CredentialSource {
    /// From the controllers, at their own listener.
    Controllers {
        /// Where that is.
        addresses: ControllerAddresses,
        /// How it is reached.
        properties: Box<KafkaProperties>,
    },
    /// From a node's metadata folder.
    Folder(PathBuf),
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Controllers { .. } => "controllers",
            Self::Folder(_) => "metadata-dir",
        })
    }
}

/// What was saved of the SCRAM users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersReport {
    /// Users.
    pub users: u64,
    /// Their credentials: one for each mechanism.
    pub credentials: u64,
    /// Of how many of those the keys are sealed in the snapshot.
    pub exact: u64,
    /// Where the keys were read: `controllers` or `metadata-dir`. Missing where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Users and credentials, ready to be stored.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Members of the cluster's documents.
    pub(super) members: Vec<(&'static str, Vec<u8>)>,
    /// What is missing.
    pub(super) problems: Vec<Problem>,
    pub(super) report: UsersReport,
}

/// Lists the users, and seals what proves who they are where that is asked for.
pub(super) async fn capture(cluster: &Cluster, options: &CredentialOptions) -> Secrets {
    let mut secrets = Secrets::default();
    let listed = match capture::users(cluster).await {
        Ok(document) => {
            let member = ("scram.json", json::to_vec_pretty(&document));
            secrets.members.push(member);
            secrets.report.users = document.users.len() as u64;
            let credentials = document.users.iter().map(|user| user.credentials.len());
            secrets.report.credentials = credentials.sum::<usize>() as u64;
            Some(document)
        }
        Err(error) => {
            let problem = format!("can't be listed: {}", cluster.explain(&error));
            secrets.miss("SCRAM users", problem);
            None
        }
    };
    match &options.source {
        // not asked for: the report says how many are without
        None => {}
        Some(_) if options.recipients.is_empty() => secrets.miss(
            "credentials",
            "left out: there is nobody to seal them to (encryption.recipients, --recipient)"
                .to_owned(),
        ),
        Some(source) => match read(cluster, source).await {
            Err(error) => {
                let why = explain(cluster, source, &error);
                secrets.miss("credentials", format!("can't be read: {why}"));
            }
            Ok(image) => secrets.seal(&image, listed.as_ref(), source, &options.recipients),
        },
    }
    secrets
}

impl Secrets {
    fn miss(&mut self, subject: &str, problem: String) {
        self.problems.push(Problem {
            subject: subject.to_owned(),
            problem,
            partial: true,
        });
    }

    fn seal(
        &mut self,
        image: &Image,
        listed: Option<&UsersDocument>,
        source: &CredentialSource,
        recipients: &[Recipient],
    ) {
        let document = image.credentials();
        let plain = Zeroizing::new(json::to_vec_pretty(&document));
        match seal(recipients, &plain) {
            Ok(sealed) => self.members.push((SEALED_CREDENTIALS, sealed)),
            Err(error) => return self.miss("credentials", error.to_string()),
        }
        self.report.exact = document.scram.len() as u64;
        self.report.source = Some(source.to_string());
        if let Some(listed) = listed {
            self.compare(&document, listed);
        }
        if let CredentialSource::Folder(_) = source {
            self.problems.push(Problem {
                subject: "credentials".to_owned(),
                problem: format!(
                    "read from a disk up to offset {} of the metadata log: what was changed in the last seconds may be \
                     missing, or not be committed",
                    image.end_offset
                ),
                partial: false,
            });
        }
    }

    /// What the brokers list and the metadata log does not have, and the other way round.
    fn compare(&mut self, exact: &CredentialsDocument, listed: &UsersDocument) {
        let credentials = listed.users.iter().flat_map(|user| {
            let each = user.credentials.iter();
            each.map(|credential| (&user.user, &credential.mechanism, credential.iterations))
        });
        let listed: Vec<_> = credentials.collect();
        let differing: Vec<_> = listed
            .iter()
            .filter(|(user, mechanism, iterations)| {
                exact
                    .keys(user, mechanism)
                    .is_none_or(|keys| keys.iterations != *iterations)
            })
            .map(|(user, mechanism, _)| format!("{user} ({mechanism})"))
            .collect();
        if !differing.is_empty() {
            let problem = format!("not what the brokers list: {}", some(&differing));
            self.miss("credentials", problem);
        }
        let unknown: Vec<_> = exact
            .scram
            .iter()
            .filter(|keys| {
                let known = (&keys.user, &keys.mechanism, keys.iterations);
                !listed.contains(&known)
            })
            .map(|keys| format!("{} ({})", keys.user, keys.mechanism))
            .collect();
        if !unknown.is_empty() {
            self.problems.push(Problem {
                subject: "credentials".to_owned(),
                problem: format!("in the metadata log, and not listed: {}", some(&unknown)),
                partial: false,
            });
        }
    }
}

fn some(names: &[String]) -> String {
    let shown = &names[..names.len().min(MOST_NAMES)];
    let shown_text = shown.join(", ");
    match names.len() - shown.len() {
        0 => shown_text,
        more => format!("{shown_text} and {more} more"),
    }
}

async fn read(cluster: &Cluster, source: &CredentialSource) -> Result<Image, ImageError> {
    match source {
        CredentialSource::Controllers {
            addresses,
            properties,
        } => {
            let addresses = match addresses {
                ControllerAddresses::Given(addresses) => addresses.clone(),
                ControllerAddresses::Discover => cluster.controllers().await?,
            };
            let controllers = Controllers::new(properties, &addresses)?;
            read_controllers(&controllers).await
        }
        CredentialSource::Folder(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || read_folder(&path));
            read.await.unwrap_or(Err(ImageError::Stopped))
        }
    }
}

/// An error for people: with the right that is missing, and where it takes it.
fn explain(cluster: &Cluster, source: &CredentialSource, error: &ImageError) -> String {
    match (error, source) {
        (ImageError::Kafka(error), CredentialSource::Controllers { .. })
            if error.missing_right().is_some() =>
        {
            format!("{} (on the controllers' listener)", cluster.explain(error))
        }
        (ImageError::Kafka(error), _) => cluster.explain(error),
        (error, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::documents::{ScramCredential, ScramUser, SecretBytes};
    use lifeboat_kafka::image::ScramSecret;

    use super::*;

    fn image(users: &[(&str, i8)]) -> Image {
        let secret = |_: &i8| ScramSecret {
            salt: SecretBytes::new(b"the salt of it"),
            stored_key: SecretBytes::new(b"the stored key"),
            server_key: SecretBytes::new(b"the server key"),
            iterations: 4096,
        };
        let users = users.iter();
        Image {
            users: users
                .map(|(user, mechanism)| (((*user).to_owned(), *mechanism), secret(mechanism)))
                .collect(),
            ..Image::default()
        }
    }

    fn listed(users: &[&str]) -> UsersDocument {
        let user = |name: &&str| ScramUser {
            user: (*name).to_owned(),
            credentials: vec![ScramCredential {
                mechanism: "SCRAM-SHA-256".to_owned(),
                iterations: 4096,
            }],
        };
        UsersDocument {
            users: users.iter().map(user).collect(),
        }
    }

    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn keys_are_stored_sealed_and_those_that_are_missing_are_named() {
        let mut secrets = Secrets::default();
        let source = CredentialSource::Folder("/data".into());
        let recipients = [RECIPIENT.parse().unwrap()];
        let both = listed(&["alice", "bob"]);
        let image = image(&[("alice", 1), ("carol", 2)]);
        secrets.seal(&image, Some(&both), &source, &recipients);
        let [(SEALED_CREDENTIALS, sealed)] = secrets.members.as_slice() else {
            panic!("{:?}", secrets.members);
        };
        for secret in ["the s", "alice", "dGhlI"] {
            let secret = secret.as_bytes();
            assert!(!sealed.windows(secret.len()).any(|bytes| bytes == secret));
        }
        let told: Vec<_> = secrets
            .problems
            .iter()
            .map(|problem| (problem.problem.as_str(), problem.partial))
            .collect();
        assert_eq!(
            told[..2],
            [
                ("not what the brokers list: bob (SCRAM-SHA-256)", true),
                (
                    "in the metadata log, and not listed: carol (SCRAM-SHA-512)",
                    false
                ),
            ]
        );
        assert_eq!(secrets.report.exact, 2);
        assert_eq!(secrets.report.source.as_deref(), Some("metadata-dir"));
    }

    #[test]
    fn nothing_is_stored_where_nobody_could_open_it() {
        let mut secrets = Secrets::default();
        let source = CredentialSource::Folder("/data".into());
        secrets.seal(&image(&[("alice", 1)]), None, &source, &[]);
        assert!(secrets.members.is_empty());
        assert!(secrets.problems[0].partial);
    }
}
