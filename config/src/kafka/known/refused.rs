//! What is said of the properties that are not honoured.

use super::{KNOWN, PropertyError};

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

/// Beginnings of names that Kafka's clients or librdkafka know: why not here, and what to do.
const OTHERS: [(&str, &str, &str); 13] = [
    (
        "sasl.kerberos.",
        "Kerberos (GSSAPI) is not supported",
        "use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    ),
    (
        "sasl.oauthbearer.assertion.",
        "tokens are got with client credentials, not with assertions",
        "give sasl.oauthbearer.client.credentials.client.id and .client.secret",
    ),
    (
        "sasl.oauthbearer.metadata.",
        "tokens are got with client credentials, not from a cloud's metadata service",
        "give sasl.oauthbearer.client.credentials.client.id and .client.secret",
    ),
    (
        "sasl.oauthbearer.config",
        "unsecured tokens are for tests only",
        "give sasl.oauthbearer.token.endpoint.url",
    ),
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "unsecured tokens are for tests only",
        "give sasl.oauthbearer.token.endpoint.url",
    ),
    (
        "sasl.client.callback.handler.class",
        "Java classes are not loaded",
        "leave it out; the mechanisms that are spoken: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER",
    ),
    (
        "sasl.login.class",
        "Java classes are not loaded",
        "leave it out; the mechanisms that are spoken: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER",
    ),
    (
        "ssl.crl.location",
        "revocation lists are not read",
        "leave it out, or take revoked certificates from the brokers",
    ),
    (
        "ssl.cipher.suites",
        "the cipher suites are those of TLS 1.3, and those of TLS 1.2 with forward secrecy",
        "leave it out; brokers can narrow the choice",
    ),
    (
        "ssl.curves.list",
        "curves can't be chosen",
        "leave it out; brokers can narrow the choice",
    ),
    (
        "ssl.sigalgs.list",
        "signature algorithms can't be chosen",
        "leave it out; brokers can narrow the choice",
    ),
    (
        "ssl.engine.",
        "keys are read from files and from the configuration, not from engines",
        "give ssl.key.location or ssl.keystore.location",
    ),
    (
        "ssl.provider",
        "Java's and OpenSSL's providers are not loaded",
        "leave it out",
    ),
];

/// Names of more than one word have dots.
const LONGEST_NAME: usize = 30;

/// The error for a name that is not honoured.
pub(super) fn refusal(name: &str) -> PropertyError {
    // a line of a key whose line ends were not escaped looks like a name, and must not be shown
    if name.len() > LONGEST_NAME && !name.contains('.') {
        return PropertyError::new("a property", "has a name that no property has")
            .hint("end each line of a value but the last with a backslash");
    }
    if let Some((_, problem, hint)) = OTHERS.iter().find(|(start, ..)| name.starts_with(start)) {
        return PropertyError::new(name, *problem).hint(*hint);
    }
    if OTHER_ROLES.contains(&name) {
        return PropertyError::new(
            name,
            "belongs to a consumer or producer application, and would have no effect",
        )
        .hint("leave it out: Lifeboat reads exactly and joins no group");
    }
    let names = KNOWN
        .iter()
        .flat_map(|known| std::iter::once(&known.name).chain(known.aliases));
    let hint = match crate::suggestion::closest(name, names.copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => "leave it out; what can be set is listed in config/README.md".to_owned(),
    };
    PropertyError::new(name, "not a property that Lifeboat honours").hint(hint)
}
