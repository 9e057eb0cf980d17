//! Client quotas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::Document;

/// `quotas.json`: every client quota (KIP-546).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuotasDocument {
    /// The quotas, by entity.
    pub quotas: Vec<Quota>,
}

impl Document for QuotasDocument {
    const FORMAT: &'static str = "lifeboat.quotas";
}

/// The quotas of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// Who: `user`, `client-id` or `ip`, and its name; `null` is the default of that type.
    pub entity: QuotaEntity,
    /// How much, by quota: `producer_byte_rate` in bytes/s, `request_percentage` in percent, ….
    pub limits: BTreeMap<String, f64>,
}

/// Types of entities and their names; `None` is the default of that type.
pub type QuotaEntity = BTreeMap<String, Option<String>>;
