//! What Kafka's own clients need to reach a cluster.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::java::Jvm;

/// Addresses and properties of a Java client.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Client {
    pub(crate) bootstrap: String,
    pub(crate) properties: BTreeMap<String, String>,
}

impl Client {
    /// Of a cluster that lets everybody in.
    pub(crate) fn of(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            properties: BTreeMap::new(),
        }
    }

    /// Runs a command of the testkit's Java on this cluster.
    pub(crate) fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        request: &impl Serialize,
    ) -> Result<T> {
        let mut request = serde_json::to_value(request)?;
        if let Value::Object(fields) = &mut request {
            fields.insert("cluster".to_owned(), serde_json::to_value(self)?);
        }
        Jvm::borrow()?.call(command, &request)
    }
}
