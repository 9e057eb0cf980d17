//! The properties that Lifeboat honours, and what it says of the others.

use super::PropertyError;

mod refused;
mod table;

pub(super) use table::KNOWN;

/// What a property's value is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Servers,
    Text,
    Millis,
    Seconds,
    /// A number from 0 to this.
    Fraction(f64),
    Flag,
    Protocol,
    Mechanism,
    /// A file or folder.
    Path,
    /// Certificates, which anybody may see.
    Certificates,
    /// Never shown.
    Secret,
    Url,
    StoreType,
    HostNameCheck,
    /// Says what is done anyway; another value would ask for something that isn't.
    Only(&'static [&'static str], &'static str),
}

/// A property that is honoured.
pub(super) struct Known {
    /// Kafka's own name for it, where Kafka's clients have it.
    pub(super) name: &'static str,
    /// Other names that mean the same.
    pub(super) aliases: &'static [&'static str],
    /// librdkafka's name, where it takes the value as it is.
    pub(super) librdkafka: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

/// The property of that name.
pub(super) fn find(name: &str) -> Result<&'static Known, PropertyError> {
    let same = |known: &&Known| known.name == name || known.aliases.contains(&name);
    KNOWN
        .iter()
        .find(same)
        .ok_or_else(|| refused::refusal(name))
}

impl Known {
    /// Whether its value is never shown.
    pub(super) fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }

    /// The value without blanks around it, where they can't belong to it.
    pub(super) fn clean<'v>(&self, value: &'v str) -> &'v str {
        if self.is_secret() {
            value
        } else {
            value.trim()
        }
    }

    /// What is wrong with `value`, if anything; without the value, where that is secret.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        let fine = |good: bool, what: &str| {
            if good {
                Ok(())
            } else {
                Err(format!("{value:?} is not {what}"))
            }
        };
        match self.kind {
            Kind::Servers => check_servers(value),
            // an empty algorithm is Java's way to switch the check off
            Kind::HostNameCheck => fine(
                matches!(value.to_ascii_lowercase().as_str(), "" | "none" | "https"),
                "https, or none (or empty) for no check",
            ),
            Kind::Text | Kind::Path | Kind::Certificates | Kind::Secret if value.is_empty() => {
                Err("is empty".to_owned())
            }
            Kind::Text | Kind::Path | Kind::Secret => Ok(()),
            Kind::Certificates if value.contains("-----BEGIN") => Ok(()),
            Kind::Certificates => Err("holds no PEM certificate (-----BEGIN …)".to_owned()),
            Kind::Millis => fine(
                value.parse::<u32>().is_ok_and(|millis| millis > 0),
                "a number of milliseconds above 0",
            ),
            Kind::Seconds => fine(value.parse::<u16>().is_ok(), "a number of seconds"),
            Kind::Fraction(most) => fine(
                value
                    .parse()
                    .is_ok_and(|number: f64| (0.0..=most).contains(&number)),
                &format!("a number from 0 to {most}"),
            ),
            Kind::Flag => fine(
                matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
                "true or false",
            ),
            Kind::Protocol => fine(
                PROTOCOLS.contains(&value.to_ascii_uppercase().as_str()),
                &format!("a security protocol; known are {}", PROTOCOLS.join(", ")),
            ),
            Kind::Mechanism => check_mechanism(value),
            Kind::Url => check_url(value),
            Kind::StoreType => fine(
                ["PEM", "PKCS12", "JKS"].contains(&value.to_ascii_uppercase().as_str()),
                "a type that can be read: PEM or PKCS12",
            ),
            Kind::Only(values, why) => {
                let listed = values.iter().any(|known| known.eq_ignore_ascii_case(value));
                listed.then_some(()).ok_or_else(|| {
                    format!("{value:?} can't be honoured: {why}; leave the property out")
                })
            }
        }
    }
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// The SASL mechanisms that are spoken.
pub(super) const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

fn check_mechanism(value: &str) -> Result<(), String> {
    let known = MECHANISMS.join(", ");
    if MECHANISMS.contains(&value) {
        Ok(())
    } else if value == "GSSAPI" {
        Err(format!(
            "Kerberos (GSSAPI) is not supported; known are {known}"
        ))
    } else {
        Err(format!(
            "{value:?} is not a mechanism that is spoken here; known are {known}"
        ))
    }
}

fn check_url(value: &str) -> Result<(), String> {
    match url::Url::parse(value) {
        // not repeated: it may hold a password
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(
            "an address with a user in it: the client's id and secret have properties of their own"
                .to_owned(),
        ),
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err("not an http:// or https:// address".to_owned()),
    }
}

/// The single addresses of a list.
pub(super) fn servers(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
}

fn check_servers(list: &str) -> Result<(), String> {
    if servers(list).next().is_none() {
        return Err("names no server: write host:port".to_owned());
    }
    for server in servers(list) {
        let good = server.rsplit_once(':').is_some_and(|(host, port)| {
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let host_good = match bare {
                Some(inner) => !inner.is_empty(),
                None => !host.is_empty() && !host.contains([':', '/', ' ', '@']),
            };
            host_good && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !good {
            return Err(format!("{server:?} is not an address: write host:port"));
        }
    }
    Ok(())
}
