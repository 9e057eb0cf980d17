//! Dynamic settings of brokers, groups and client-metrics subscriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::json::Document;

/// `configs.json`: every dynamic setting that does not belong to a topic.
///
/// What stands in `server.properties` is not the cluster's but the machine's, and not in here. `None` is what could not
/// be read, which is not the same as nothing: it is neither compared nor restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigsDocument {
    /// Those of all brokers (`--entity-default`).
    pub cluster: Option<Settings>,
    /// Those of one broker each, by node id; one that was down is `None`.
    pub brokers: BTreeMap<i32, Option<Settings>>,
    /// Those of groups, by name (KIP-848, KIP-932).
    #[serde(default)]
    pub groups: Option<BTreeMap<String, Option<Settings>>>,
    /// Subscriptions to metrics of clients, by name (KIP-714).
    #[serde(default)]
    pub client_metrics: Option<BTreeMap<String, Option<Settings>>>,
}

impl ConfigsDocument {
    /// How many settings there are, as far as they could be read; `None` where not even those of all brokers could.
    pub fn count(&self) -> Option<u64> {
        let common = self.cluster.as_ref()?.len();
        let groups = self.groups.iter().flat_map(BTreeMap::values);
        let clients = self.client_metrics.iter().flat_map(BTreeMap::values);
        let each = self.brokers.values().chain(groups).chain(clients);
        let own: usize = each.flatten().map(BTreeMap::len).sum();
        Some((common + own) as u64)
    }
}

impl Document for ConfigsDocument {
    const FORMAT: &'static str = "lifeboat.configs";
}
