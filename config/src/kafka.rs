//! Kafka client properties, under the names that users already have.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::Secret;

mod known;
mod properties_file;

use known::{KNOWN, Known};

/// How to reach a cluster: one map of properties that feeds both the wire client and librdkafka.
///
/// Names are taken in the spelling of Kafka's own clients and in librdkafka's. A property that could not be honoured
/// is refused when it is set, so nothing in here is ever silently ignored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties {
    // by canonical name
    values: BTreeMap<&'static str, Value>,
}

#[derive(Clone, PartialEq, Eq)]
struct Value {
    text: Secret,
    /// Masked wherever it is shown.
    hidden: bool,
}

/// A property that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct PropertyError {
    /// The property, as it was written.
    pub name: String,
    /// What is wrong with it. Never its value, where that could be a secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How the brokers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
}

impl KafkaProperties {
    /// The properties with only `bootstrap.servers` set.
    pub fn from_bootstrap_servers(servers: &str) -> Result<Self, PropertyError> {
        let mut properties = Self::default();
        properties.set("bootstrap.servers", servers)?;
        Ok(properties)
    }

    /// Reads a Java `.properties` file, as `--command-config` of Kafka's own tools takes.
    pub fn parse_properties(text: &str) -> Result<Self, PropertyError> {
        let mut properties = Self::default();
        for (line, name, value) in properties_file::parse(text)? {
            properties.set(&name, &value).map_err(|mut error| {
                error.problem = format!("{} (line {line})", error.problem);
                error
            })?;
        }
        Ok(properties)
    }

    /// Sets a property by any of its names.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PropertyError> {
        self.insert(name, value, false)
    }

    /// The same for a value that must not be shown.
    pub fn set_secret(&mut self, name: &str, value: &Secret) -> Result<(), PropertyError> {
        self.insert(name, value.expose(), true)
    }

    fn insert(&mut self, name: &str, value: &str, hidden: bool) -> Result<(), PropertyError> {
        let known = known::find(name)?;
        let value = value.trim();
        known.check(value).map_err(|problem| PropertyError {
            name: name.to_owned(),
            problem: if hidden {
                "the hidden value is not one that this property can have".to_owned()
            } else {
                problem
            },
            hint: None,
        })?;
        let text = Secret::new(value);
        self.values.insert(known.name, Value { text, hidden });
        Ok(())
    }

    /// Whether the property of that name, under any of its names, is set already, and its canonical name.
    pub(crate) fn already(&self, name: &str) -> Option<&'static str> {
        let canonical = known::find(name).ok()?.name;
        self.values.contains_key(canonical).then_some(canonical)
    }

    /// These properties, overridden by those of `stronger`.
    pub fn overridden_by(mut self, stronger: Self) -> Self {
        self.values.extend(stronger.values);
        self
    }

    /// The addresses to begin with, `host:port` each; empty where none was given.
    pub fn bootstrap_servers(&self) -> Vec<String> {
        let servers = self.get("bootstrap.servers").unwrap_or_default();
        known::servers(servers).map(str::to_owned).collect()
    }

    /// The name that brokers log for this client.
    pub fn client_id(&self) -> &str {
        self.get("client.id").unwrap_or("lifeboat")
    }

    /// How long a broker may take to answer.
    pub fn request_timeout(&self) -> Duration {
        self.millis("request.timeout.ms", 30_000)
    }

    /// How long a connection may take to be made.
    pub fn connect_timeout(&self) -> Duration {
        self.millis("socket.connection.setup.timeout.ms", 10_000)
    }

    /// How the brokers are spoken to.
    pub fn security_protocol(&self) -> SecurityProtocol {
        SecurityProtocol::Plaintext
    }

    /// The same for librdkafka, under its own names.
    pub fn librdkafka(&self) -> Vec<(String, String)> {
        let mut properties: Vec<_> = KNOWN
            .iter()
            .filter_map(|known| {
                let value = self.values.get(known.name)?;
                Some((known.librdkafka.to_owned(), value.text.expose().to_owned()))
            })
            .collect();
        if !self.values.contains_key("client.id") {
            properties.push(("client.id".to_owned(), self.client_id().to_owned()));
        }
        properties
    }

    /// Every property that is set, by its canonical name, secrets masked: for `config show`.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.values.iter().map(|(&name, value)| {
            let shown = if value.hidden {
                value.text.to_string()
            } else {
                value.text.expose().to_owned()
            };
            (name, shown)
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.expose())
    }

    fn millis(&self, name: &str, default: u64) -> Duration {
        let given = self.get(name).and_then(|text| text.parse().ok());
        Duration::from_millis(given.unwrap_or(default))
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// The properties that can be set, for the reference: name, other names, what it is.
pub(crate) fn reference()
-> impl Iterator<Item = (&'static str, &'static [&'static str], &'static str)> {
    KNOWN.iter().map(
        |&Known {
             name,
             aliases,
             about,
             ..
         }| (name, aliases, about),
    )
}

#[cfg(test)]
mod tests;
