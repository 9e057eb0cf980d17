//! Access control lists.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{json::Document, words::ParseError};

/// `acls.json`: every ACL binding (KIP-290).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclsDocument {
    /// Whether the cluster has an authorizer; without one there are no ACLs.
    pub authorizer: bool,
    /// The bindings, sorted.
    pub acls: Vec<AclBinding>,
}

impl Document for AclsDocument {
    const FORMAT: &'static str = "lifeboat.acls";
}

/// Who may, or may not, do what to what, and from where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AclBinding {
    /// `TOPIC`, `GROUP`, ….
    pub resource_type: ResourceType,
    /// The name, or what it begins with; `*` is every one.
    pub resource_name: String,
    /// `LITERAL` or `PREFIXED`.
    pub pattern_type: PatternType,
    /// As `User:name`.
    pub principal: String,
    /// From where; `*` is anywhere.
    pub host: String,
    /// `READ`, `WRITE`, ….
    pub operation: AclOperation,
    /// `ALLOW` or `DENY`.
    pub permission: PermissionType,
}

/// As in `ALLOW READ on TOPIC orders (LITERAL) to User:alice from *`.
impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource_type,
            resource_name,
            pattern_type,
            principal,
            host,
            operation,
            permission,
        } = self;
        write!(
            f,
            "{permission} {operation} on {resource_type} {resource_name} ({pattern_type}) to {principal} from {host}"
        )
    }
}

/// A code of the protocol that is written as Kafka's name for it; one that a newer Kafka adds as its number.
macro_rules! code {
    ($(#[$documentation:meta])* $name:ident, $class:literal, [$(($code:literal, $text:literal)),+ $(,)?]) => {
        $(#[$documentation])*
        #[doc = concat!("The codes and names are those of Kafka's `", $class, "`.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub i8);

        impl $name {
            const NAMES: &'static [(i8, &'static str)] = &[$(($code, $text)),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match Self::NAMES.iter().find(|(code, _)| *code == self.0) {
                    Some((_, name)) => f.write_str(name),
                    None => self.0.fmt(f),
                }
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let named = Self::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
                let code = named.map(|(code, _)| *code).or_else(|| text.parse().ok());
                code.map(Self).ok_or_else(|| ParseError::new(
                    concat!("a name or code of ", $class),
                    text,
                ))
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> Self {
                code.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }
    };
}

code! {
    /// What an ACL is about.
    ResourceType, "ResourceType",
    [
        (2, "TOPIC"),
        (3, "GROUP"),
        (4, "CLUSTER"),
        (5, "TRANSACTIONAL_ID"),
        (6, "DELEGATION_TOKEN"),
        (7, "USER"),
    ]
}

code! {
    /// How the name of a resource is meant.
    PatternType, "PatternType",
    [(3, "LITERAL"), (4, "PREFIXED")]
}

code! {
    /// What may be done.
    AclOperation, "AclOperation",
    [
        (2, "ALL"),
        (3, "READ"),
        (4, "WRITE"),
        (5, "CREATE"),
        (6, "DELETE"),
        (7, "ALTER"),
        (8, "DESCRIBE"),
        (9, "CLUSTER_ACTION"),
        (10, "DESCRIBE_CONFIGS"),
        (11, "ALTER_CONFIGS"),
        (12, "IDEMPOTENT_WRITE"),
        (13, "CREATE_TOKENS"),
        (14, "DESCRIBE_TOKENS"),
        (15, "TWO_PHASE_COMMIT"),
    ]
}

code! {
    /// Whether it may.
    PermissionType, "AclPermissionType",
    [(2, "DENY"), (3, "ALLOW")]
}

impl PatternType {
    /// This name and no other.
    pub const LITERAL: Self = Self(3);
    /// Every name that begins so.
    pub const PREFIXED: Self = Self(4);
}

impl PermissionType {
    /// It may not, whatever else is allowed.
    pub const DENY: Self = Self(2);
    /// It may.
    pub const ALLOW: Self = Self(3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_kafkas_names_and_unknown_ones_as_numbers_that_come_back() {
        for (code, text) in [(2, "\"ALL\""), (11, "\"ALTER_CONFIGS\""), (99, "\"99\"")] {
            let operation = AclOperation(code);
            assert_eq!(serde_json::to_string(&operation).unwrap(), text);
            assert_eq!(
                serde_json::from_str::<AclOperation>(text).unwrap(),
                operation
            );
        }
        let wrong = serde_json::from_str::<PatternType>("\"REGEX\"").unwrap_err();
        assert!(wrong.to_string().contains("PatternType"), "{wrong}");
    }
}
