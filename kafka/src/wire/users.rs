//! SCRAM users: who there is, and giving them credentials (KIP-554).

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
        DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
        alter_user_scram_credentials_request::ScramCredentialUpsertion,
        describe_user_scram_credentials_response::DescribeUserScramCredentialsResult,
    },
    protocol::StrBytes,
};
use lifeboat_archive::documents::SecretBytes;
use lifeboat_config::{self as config, Secret};

use super::{
    Cluster, Rights,
    connection::{ClientSettings, Connection},
    sasl::Sasl,
};
use crate::{
    error::{AuthenticationProblem, ErrorCode, KafkaError},
    rights::Operation,
};

/// A broker that must not tell never answers: longer than any that may.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// A mechanism that Kafka keeps credentials for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

impl ScramMechanism {
    /// Kafka's number for it.
    pub const fn number(self) -> i8 {
        self as i8
    }

    /// By Kafka's number.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        })
    }
}

/// That a user has a credential, not what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedCredential {
    /// Whose.
    pub user: String,
    /// Kafka's number of the mechanism.
    pub mechanism: i8,
    /// Rounds of hashing.
    pub iterations: i32,
}

/// A credential for a user: the broker makes the keys of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    /// Whose.
    pub user: String,
    /// How.
    pub mechanism: ScramMechanism,
    /// Rounds of hashing, 4096 to 16384.
    pub iterations: i32,
    /// What the password was salted with.
    pub salt: SecretBytes,
    /// The password, salted and hashed so many times.
    pub salted_password: SecretBytes,
}

impl Cluster {
    /// Every SCRAM credential, by user and mechanism. Takes Describe on the cluster.
    pub async fn scram_users(&self) -> Result<Vec<ListedCredential>, KafkaError> {
        let rights = self.cluster_rights().await.ok();
        if rights.is_some_and(|rights| !rights.allow(Operation::Describe)) {
            return Err(denied(None));
        }
        let may = rights.is_some_and(Rights::are_told);
        let mut patience = self.patience();
        let answer = loop {
            match self.ask_for_users(may).await {
                Err(error) if error.is_retriable() && patience.pause().await => {}
                answer => break answer?,
            }
        };
        read_users(&answer)
    }

    /// On a connection of its own: one that is never answered can't be used again. Silence is a refusal, unless it is known
    /// that we may.
    async fn ask_for_users(
        &self,
        may: bool,
    ) -> Result<DescribeUserScramCredentialsResponse, KafkaError> {
        let request = DescribeUserScramCredentialsRequest::default().with_users(None);
        let mut settings = self.inner.settings.clone();
        if !may {
            settings.request_timeout = settings.request_timeout.min(LONGEST_ANSWER);
        }
        let connection = self.open_anywhere(&settings).await?;
        let answer = match connection.call(&request).await {
            Err(KafkaError::Timeout { after, .. }) if !may => return Err(denied(Some(after))),
            answer => answer?,
        };
        describe_verdict(&answer).map(|()| answer)
    }

    /// A new connection to the first broker that takes one: one of those that are known, or of the bootstrap list.
    async fn open_anywhere(
        &self,
        settings: &ClientSettings,
    ) -> Result<Arc<Connection>, KafkaError> {
        let known = self.addresses().into_iter();
        let mut last = KafkaError::Bootstrap(Vec::new());
        for address in known.chain(self.inner.bootstrap.iter().cloned()) {
            match Connection::open(&address, settings).await {
                Err(error) if error.is_retriable() => last = error,
                settled => return settled,
            }
        }
        Err(last)
    }

    /// Gives a user a credential; where there is one with this mechanism, instead of it. Takes Alter on the cluster. One in
    /// one request: a user may stand in it only once, even with another mechanism.
    pub async fn set_scram_credential(&self, credential: &NewCredential) -> Result<(), KafkaError> {
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_string(credential.user.clone()))
            .with_mechanism(credential.mechanism.number())
            .with_iterations(credential.iterations)
            .with_salt(Bytes::copy_from_slice(credential.salt.expose()))
            .with_salted_password(Bytes::copy_from_slice(credential.salted_password.expose()));
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        // the same twice is the same as once
        let verdict = |answer: &_| alter_verdict(&credential.user, answer);
        self.ask_any(&request, verdict).await.map(drop)
    }

    /// Whether `user` can log in with this password now; `None` where that can't be tried: the listener that we use has
    /// no SASL, or not with this mechanism.
    pub async fn lets_in(
        &self,
        user: &str,
        mechanism: ScramMechanism,
        password: &str,
    ) -> Result<Option<bool>, KafkaError> {
        let mut settings = self.inner.settings.clone();
        if settings.transport.sasl().is_none() {
            return Ok(None);
        }
        let hash = match mechanism {
            ScramMechanism::Sha256 => config::ScramHash::Sha256,
            ScramMechanism::Sha512 => config::ScramHash::Sha512,
        };
        let credentials = config::Credentials {
            username: user.to_owned(),
            password: Secret::new(password),
        };
        settings.transport = settings
            .transport
            .with_sasl(Sasl::new(config::Sasl::Scram(hash, credentials))?);
        let mut patience = self.patience();
        loop {
            use AuthenticationProblem as P;
            return match self.open_anywhere(&settings).await {
                Ok(_) => Ok(Some(true)),
                Err(KafkaError::Authentication { problem, .. }) => match problem {
                    P::Refused { .. } | P::Unproven { .. } => Ok(Some(false)),
                    // not by SASL, or not with this mechanism
                    _ => Ok(None),
                },
                Err(error) if error.is_retriable() && patience.pause().await => continue,
                Err(error) => Err(error),
            };
        }
    }
}

fn denied(silent_for: Option<Duration>) -> KafkaError {
    let refusal = "which is how brokers refuse this to who lacks the right";
    KafkaError::Broker {
        operation: "DescribeUserScramCredentials",
        subject: "the SCRAM users".to_owned(),
        code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        message: silent_for.map(|limit| format!("no answer within {limit:?}, {refusal}")),
    }
}

fn describe_verdict(answer: &DescribeUserScramCredentialsResponse) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(answer.error_code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeUserScramCredentials",
            "the SCRAM users",
            code,
            answer.error_message.as_ref(),
        )),
    }
}

fn read_users(
    answer: &DescribeUserScramCredentialsResponse,
) -> Result<Vec<ListedCredential>, KafkaError> {
    let mut listed = Vec::new();
    for result in &answer.results {
        listed.extend(read_user(result)?);
    }
    listed.sort_unstable();
    Ok(listed)
}

fn read_user(
    result: &DescribeUserScramCredentialsResult,
) -> Result<impl Iterator<Item = ListedCredential>, KafkaError> {
    if let Some(code) = ErrorCode::from_wire(result.error_code) {
        return Err(KafkaError::broker_says(
            "DescribeUserScramCredentials",
            format!("user {}", result.user),
            code,
            result.error_message.as_ref(),
        ));
    }
    let infos = result.credential_infos.iter();
    Ok(infos.map(|info| ListedCredential {
        user: result.user.to_string(),
        mechanism: info.mechanism,
        iterations: info.iterations,
    }))
}

fn alter_verdict(user: &str, answer: &AlterUserScramCredentialsResponse) -> Result<(), KafkaError> {
    let refused = answer.results.iter().find(|result| result.error_code != 0);
    let code = refused.and_then(|result| ErrorCode::from_wire(result.error_code));
    if let (Some(result), Some(code)) = (refused, code) {
        return Err(KafkaError::broker_says(
            "AlterUserScramCredentials",
            format!("user {user}"),
            code,
            result.error_message.as_ref(),
        ));
    }
    if answer.results.is_empty() {
        return Err(KafkaError::Malformed {
            operation: "AlterUserScramCredentials",
            detail: format!("user {user} is missing in the answer"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
