//! The properties that Lifeboat honours, and what it says of the others.

use super::PropertyError;

/// What a property's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Servers,
    Text,
    Millis,
    Protocol,
}

/// A property that is honoured.
pub(super) struct Known {
    /// Kafka's own name for it.
    pub(super) name: &'static str,
    /// Other names that mean the same.
    pub(super) aliases: &'static [&'static str],
    /// librdkafka's name.
    pub(super) librdkafka: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        name: "bootstrap.servers",
        aliases: &["metadata.broker.list"],
        librdkafka: "bootstrap.servers",
        kind: Kind::Servers,
        about: "brokers to begin with: `host:port`, separated by commas",
    },
    Known {
        name: "client.id",
        aliases: &[],
        librdkafka: "client.id",
        kind: Kind::Text,
        about: "the name that brokers log for this client; `lifeboat` where it is not given",
    },
    Known {
        name: "request.timeout.ms",
        // librdkafka's own request.timeout.ms is the producer's, and means something else
        aliases: &["socket.timeout.ms"],
        librdkafka: "socket.timeout.ms",
        kind: Kind::Millis,
        about: "how long a broker may take to answer; 30000 where it is not given",
    },
    Known {
        name: "security.protocol",
        aliases: &[],
        librdkafka: "security.protocol",
        kind: Kind::Protocol,
        about: "`PLAINTEXT`; the others are not supported yet",
    },
    Known {
        name: "socket.connection.setup.timeout.ms",
        aliases: &[],
        librdkafka: "socket.connection.setup.timeout.ms",
        kind: Kind::Millis,
        about: "how long a connection may take to be made; 10000 where it is not given",
    },
];

/// The property of that name.
pub(super) fn find(name: &str) -> Result<&'static Known, PropertyError> {
    let same = |known: &&Known| known.name == name || known.aliases.contains(&name);
    KNOWN.iter().find(same).ok_or_else(|| refusal(name))
}

const SECURITY: [&str; 3] = ["ssl.", "sasl.", "enable.ssl."];

/// Names that are right in some client's file and yet say nothing to a backup.
const OTHER_ROLES: [&str; 9] = [
    "group.id",
    "key.deserializer",
    "value.deserializer",
    "key.serializer",
    "value.serializer",
    "auto.offset.reset",
    "enable.auto.commit",
    "acks",
    "isolation.level",
];

fn refusal(name: &str) -> PropertyError {
    let (problem, hint) = if SECURITY.iter().any(|prefix| name.starts_with(prefix)) {
        (
            "TLS and SASL are not supported yet, only security.protocol PLAINTEXT",
            Some("use a PLAINTEXT listener, and leave this property out".to_owned()),
        )
    } else if OTHER_ROLES.contains(&name) {
        (
            "belongs to a consumer or producer application, and would have no effect",
            Some("leave it out: Lifeboat reads exactly and joins no group".to_owned()),
        )
    } else {
        let names = KNOWN
            .iter()
            .flat_map(|known| std::iter::once(&known.name).chain(known.aliases));
        let hint = match crate::suggestion::closest(name, names.copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "leave it out; what can be set is listed in config/README.md".to_owned(),
        };
        ("not a property that Lifeboat honours", Some(hint))
    };
    PropertyError {
        name: name.to_owned(),
        problem: problem.to_owned(),
        hint,
    }
}

impl Known {
    /// What is wrong with `value`, if anything.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Servers => check_servers(value),
            Kind::Millis => match value.parse::<u32>() {
                Ok(1..) => Ok(()),
                _ => Err(format!("{value:?} is not a number of milliseconds above 0")),
            },
            Kind::Protocol => match value.to_ascii_uppercase().as_str() {
                "PLAINTEXT" => Ok(()),
                "SSL" | "SASL_PLAINTEXT" | "SASL_SSL" => {
                    Err(format!("{value} is not supported yet, only PLAINTEXT"))
                }
                _ => Err(format!(
                    "{value:?} is not a security protocol; known is PLAINTEXT"
                )),
            },
        }
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
