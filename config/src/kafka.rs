//! Kafka client properties, under the names that users already have.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::Secret;

mod jaas;
mod known;
mod properties_file;
mod security;

pub use security::{
    Credentials, Identity, IdentityPlace, OAuthBearer, RefreshWindow, Sasl, ScramHash, Security,
    SecurityProtocol, Source, SourceText, Store, StoreKind, Tls, Trust,
};

use known::{KNOWN, Kind, Known};

/// How to reach a cluster: one map of properties that feeds both the wire client and librdkafka.
///
/// Names are taken in the spelling of Kafka's own clients and in librdkafka's. A property that could not be honoured
/// is refused when it is set, so nothing in here is ever silently ignored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties {
    // by canonical name
    values: BTreeMap<&'static str, Value>,
}

#[derive(Clone)]
struct Value {
    /// The name that it was given by.
    given_as: String,
    text: Secret,
    /// Masked wherever it is shown.
    hidden: bool,
}

// which name it was given by makes no difference
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.hidden) == (&other.text, other.hidden)
    }
}

impl Eq for Value {}

/// A pair of a `.properties` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyPair {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// What stands before the `=`.
    pub name: String,
    /// What stands behind it.
    pub value: Secret,
}

/// The pairs of a Java `.properties` file, whatever they are called.
pub fn properties_pairs(text: &str) -> Result<Vec<PropertyPair>, PropertyError> {
    let pairs = properties_file::parse(text)?.into_iter();
    Ok(pairs
        .map(|(line, name, value)| PropertyPair {
            line,
            name,
            value: Secret::new(value),
        })
        .collect())
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

impl PropertyError {
    pub(crate) fn new(name: &str, problem: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            problem: problem.into(),
            hint: None,
        }
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
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
            let set = properties
                .check_spelling(&name, &value)
                .and_then(|()| properties.set(&name, &value));
            set.map_err(|mut error| {
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
        let value = known.clean(value);
        let hidden = hidden || known.is_secret();
        known.check(value).map_err(|problem| {
            // what is wrong with a secret is said without it
            let problem = if hidden && !known.is_secret() {
                "the hidden value is not one that this property can have".to_owned()
            } else {
                problem
            };
            PropertyError::new(name, problem)
        })?;
        let value = Value {
            given_as: name.to_owned(),
            text: Secret::new(value),
            hidden,
        };
        self.values.insert(known.name, value);
        Ok(())
    }

    /// An error where the property is set to something else already, under another of its names.
    pub(crate) fn check_spelling(&self, name: &str, value: &str) -> Result<(), PropertyError> {
        let known = known::find(name)?;
        match self.values.get(known.name) {
            Some(other) if other.given_as != name && other.text.expose() != known.clean(value) => {
                let same = &other.given_as;
                Err(PropertyError::new(
                    name,
                    format!("means {same}, which is given as well, with another value"),
                )
                .hint("give one of them"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a property's value is a path.
    pub(crate) fn is_path(name: &str) -> bool {
        known::find(name).is_ok_and(|known| known.kind == Kind::Path)
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

    /// The same for librdkafka, under its own names: all but certificates and tokens, which it can't read by itself
    /// in all forms that are understood here.
    pub fn librdkafka(&self) -> Result<Vec<(String, String)>, PropertyError> {
        let security = self.security()?;
        let mut properties: Vec<_> = KNOWN
            .iter()
            .filter_map(|known| {
                let value = self.values.get(known.name)?;
                let name = known.librdkafka?;
                Some((name.to_owned(), within_limits(name, value.text.expose())))
            })
            .collect();
        let mut set =
            |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
        if !self.values.contains_key("client.id") {
            set("client.id", self.client_id());
        }
        if let Some(tls) = &security.tls {
            let algorithm = if tls.verify_host_name {
                "https"
            } else {
                "none"
            };
            set("ssl.endpoint.identification.algorithm", algorithm);
        }
        if let Some(sasl) = &security.sasl {
            set("sasl.mechanisms", sasl.mechanism());
        }
        if let Some(Sasl::Plain(credentials) | Sasl::Scram(_, credentials)) = &security.sasl {
            set("sasl.username", &credentials.username);
            set("sasl.password", credentials.password.expose());
        }
        Ok(properties)
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

    fn secret(&self, name: &str) -> Option<Secret> {
        self.values.get(name).map(|value| value.text.clone())
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

/// librdkafka refuses what is outside of its own limits; up to them it waits as long.
fn within_limits(name: &str, text: &str) -> String {
    let limits = match name {
        "socket.timeout.ms" => (10, 300_000),
        "socket.connection.setup.timeout.ms" => (1_000, 2_147_483_647),
        _ => return text.to_owned(),
    };
    let given = text.parse::<u64>();
    given.map_or_else(
        |_| text.to_owned(),
        |given| given.clamp(limits.0, limits.1).to_string(),
    )
}

#[cfg(test)]
mod tests;
