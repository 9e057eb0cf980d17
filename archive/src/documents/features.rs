//! Finalized features.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::Document;

/// `features.json`: what the cluster has agreed on (KIP-584).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeaturesDocument {
    /// The finalized level of each feature; `metadata.version` is one of them.
    pub finalized: BTreeMap<String, i16>,
    /// The levels that the broker that was asked supports.
    pub supported: BTreeMap<String, FeatureRange>,
}

impl Document for FeaturesDocument {
    const FORMAT: &'static str = "lifeboat.features";
}

/// Levels of a feature that a broker supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureRange {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}
