//! What proves who somebody is, and other secrets of a cluster. Never stored but sealed: see [`crate::seal`].

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use zeroize::Zeroizing;

use crate::json::Document;

/// What it is called where it is stored.
pub const SEALED_CREDENTIALS: &str = "credentials.json.age";

/// `credentials.json`: what only the cluster's metadata log tells.
///
/// Stored as [`SEALED_CREDENTIALS`] and in no other way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsDocument {
    /// Every SCRAM credential, by user and mechanism.
    pub scram: Vec<ScramKeys>,
    /// Dynamic settings of brokers, by node id (empty: of all brokers) and name, with those values that brokers keep to
    /// themselves.
    #[serde(default)]
    pub broker_configs: BTreeMap<String, BTreeMap<String, SecretText>>,
}

impl Document for CredentialsDocument {
    const FORMAT: &'static str = "lifeboat.credentials";
}

impl CredentialsDocument {
    /// What is kept of a user with this mechanism.
    pub fn keys(&self, user: &str, mechanism: &str) -> Option<&ScramKeys> {
        let mut all = self.scram.iter();
        all.find(|keys| keys.user == user && keys.mechanism == mechanism)
    }
}

/// A SCRAM credential as the cluster has it (RFC 5802, section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramKeys {
    /// Whose.
    pub user: String,
    /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// Rounds of hashing.
    pub iterations: i32,
    /// What the password is salted with.
    #[serde(rename = "salt_base64")]
    pub salt: SecretBytes,
    /// What a client's proof is checked with.
    #[serde(rename = "stored_key_base64")]
    pub stored_key: SecretBytes,
    /// What a broker proves itself with.
    #[serde(rename = "server_key_base64")]
    pub server_key: SecretBytes,
}

/// Secret bytes: shown as `***`, wiped from memory, written as base64 (only ever into what is sealed).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Hides a copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.expose()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // the library's error shows a byte of what it could not read
        let bytes = STANDARD.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| D::Error::custom("a secret that is not base64"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

/// A secret text: shown as `***`, wiped from memory, written as it is (only ever into what is sealed).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Hides a copy of `text`.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{from_slice, to_vec_pretty};

    fn document() -> CredentialsDocument {
        CredentialsDocument {
            scram: vec![ScramKeys {
                user: "alice".to_owned(),
                mechanism: "SCRAM-SHA-256".to_owned(),
                iterations: 4096,
                salt: SecretBytes::new(b"salt"),
                stored_key: SecretBytes::new(b"stored"),
                server_key: SecretBytes::new(b"server"),
            }],
            broker_configs: BTreeMap::from([(
                String::new(),
                BTreeMap::from([("ssl.key.password".to_owned(), SecretText::new("hush"))]),
            )]),
        }
    }

    #[test]
    fn credentials_read_back_and_are_never_shown() {
        let written = to_vec_pretty(&document());
        assert_eq!(
            from_slice::<CredentialsDocument>(&written).unwrap(),
            document()
        );
        let shown = format!("{:?}", document());
        for secret in ["c2FsdA", "stored\"", "hush", "115"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("\"salt_base64\": \"c2FsdA==\""), "{text}");
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_not_shown_either() {
        let error = serde_json::from_str::<SecretBytes>("\"s3cr3t!\"").unwrap_err();
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }
}
