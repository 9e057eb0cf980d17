//! Who may come into a cluster, and what they may do there.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::Client;

/// A right, in the words of `kafka-acls.sh`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Acl {
    principal: String,
    permission: &'static str,
    operation: String,
    #[serde(rename = "type")]
    resource: String,
    pattern: &'static str,
    name: String,
}

impl Acl {
    /// `principal` (`User:agent`) may do `operation` (`DESCRIBE`) with `resource` (`TOPIC`) of this name; `*` is any.
    pub fn allow(principal: &str, operation: &str, resource: &str, name: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            permission: "ALLOW",
            operation: operation.to_owned(),
            resource: resource.to_owned(),
            pattern: "LITERAL",
            name: name.to_owned(),
        }
    }

    /// The same for all names that begin so.
    pub fn prefixed(mut self) -> Self {
        self.pattern = "PREFIXED";
        self
    }

    /// It is forbidden instead, whatever else allows it.
    pub fn denied(mut self) -> Self {
        self.permission = "DENY";
        self
    }

    /// The operation.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The type of the resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }
}

pub(super) fn alter(inside: &Client, add: &[Acl], remove: &[Acl]) -> Result<()> {
    inside
        .call::<Value>("acls", &json!({ "add": add, "remove": remove }))
        .map(drop)
}

/// Limits what brokers send to the client of this id.
pub(super) fn limit(inside: &Client, client_id: &str, bytes_per_second: u32) -> Result<()> {
    inside
        .call::<Value>(
            "quota",
            &json!({ "client_id": client_id, "bytes_per_second": bytes_per_second }),
        )
        .map(drop)
}

pub(super) fn remove_user(inside: &Client, user: &str, mechanism: &str) -> Result<()> {
    inside
        .call::<Value>(
            "remove_user",
            &json!({ "user": user, "mechanism": mechanism }),
        )
        .map(drop)
}

pub(super) fn set_broker(inside: &Client, broker: i32, name: &str, value: &str) -> Result<()> {
    inside
        .call::<Value>(
            "set_broker",
            &json!({ "broker": broker.to_string(), "name": name, "value": value }),
        )
        .map(drop)
}

/// SCRAM users; those of PLAIN stand in the brokers' settings.
pub(super) fn add_users(
    inside: &Client,
    mechanisms: &[&str],
    users: &[(String, String)],
) -> Result<()> {
    let users: BTreeMap<_, _> = users.iter().cloned().collect();
    inside
        .call::<Value>(
            "users",
            &json!({ "mechanisms": mechanisms, "users": users }),
        )
        .map(drop)
}
