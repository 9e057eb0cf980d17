//! Kafka's metadata versions.

use std::{fmt, str::FromStr};

use lifeboat_archive::words::ParseError;

/// The feature that is the metadata version.
pub(super) const FEATURE: &str = "metadata.version";

/// A level of the feature `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataVersion(pub i16);

/// As Kafka's `MetadataVersion` has them.
const NAMES: [(i16, &str); 25] = [
    (7, "3.3-IV3"),
    (8, "3.4-IV0"),
    (9, "3.5-IV0"),
    (10, "3.5-IV1"),
    (11, "3.5-IV2"),
    (12, "3.6-IV0"),
    (13, "3.6-IV1"),
    (14, "3.6-IV2"),
    (15, "3.7-IV0"),
    (16, "3.7-IV1"),
    (17, "3.7-IV2"),
    (18, "3.7-IV3"),
    (19, "3.7-IV4"),
    (20, "3.8-IV0"),
    (21, "3.9-IV0"),
    (22, "4.0-IV0"),
    (23, "4.0-IV1"),
    (24, "4.0-IV2"),
    (25, "4.0-IV3"),
    (26, "4.1-IV0"),
    (27, "4.1-IV1"),
    (28, "4.2-IV0"),
    (29, "4.2-IV1"),
    (30, "4.3-IV0"),
    (31, "4.4-IV0"),
];

/// Features and the first metadata version with which they can be.
const FEATURES: [(&str, MetadataVersion); 5] = [
    ("group.version", MetadataVersion(22)),
    ("eligible.leader.replicas.version", MetadataVersion(23)),
    ("transaction.version", MetadataVersion(24)),
    ("share.version", MetadataVersion(28)),
    ("streams.version", MetadataVersion(29)),
];

impl MetadataVersion {
    /// The first with which SCRAM users are metadata (KIP-900).
    pub(super) const WITH_SCRAM: Self = Self(11);
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(level, _)| *level == self.0) {
            Some((_, name)) => f.pad(name),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for MetadataVersion {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let named = NAMES.iter().find(|(_, name)| *name == text);
        let level = named.map(|(level, _)| *level).or_else(|| text.parse().ok());
        level
            .filter(|level| *level > 0)
            .map(Self)
            .ok_or_else(|| ParseError {
                what: "a metadata version (3.9-IV0, or its level)",
                text: text.to_owned(),
            })
    }
}

/// Whether a cluster of this version can have the feature; one that is not known here only if the snapshot's was no newer.
pub(super) fn has_feature(name: &str, version: MetadataVersion, saved: Option<i16>) -> bool {
    match FEATURES.iter().find(|(known, _)| *known == name) {
        Some((_, since)) => version >= *since,
        None => saved.is_some_and(|saved| version.0 >= saved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_name_or_a_level() {
        for text in ["3.9-IV0", "21"] {
            let version: MetadataVersion = text.parse().unwrap();
            assert_eq!(version, MetadataVersion(21));
            assert_eq!(version.to_string(), "3.9-IV0");
        }
        assert_eq!("99".parse::<MetadataVersion>().unwrap().to_string(), "99");
        for wrong in ["3.9", "0", "-1", "latest"] {
            assert!(wrong.parse::<MetadataVersion>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn features_are_left_to_the_versions_that_have_them() {
        assert!(has_feature("group.version", MetadataVersion(22), None));
        assert!(!has_feature("group.version", MetadataVersion(21), None));
        assert!(has_feature("newer.version", MetadataVersion(40), Some(40)));
        assert!(!has_feature("newer.version", MetadataVersion(39), Some(40)));
    }
}
