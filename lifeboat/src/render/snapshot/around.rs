//! What a snapshot holds besides topics and groups.

use std::collections::BTreeMap;

use lifeboat_archive::{
    documents::{
        Settings,
        diff::{acl_resource, quota_entity},
    },
    words::Timestamp,
};

use super::ShowDocument;
use crate::{
    flags::ShowParts,
    render::{Table, safe},
};

impl ShowDocument {
    /// The chosen ones, each a table, in the order of the flags.
    pub(super) fn around(&self, parts: ShowParts) -> Vec<String> {
        [
            parts.configs.then(|| self.config_table()),
            parts.acls.then(|| self.acl_table()),
            parts.users.then(|| self.user_table()),
            parts.quotas.then(|| self.quota_table()),
            parts.features.then(|| self.feature_table()),
            parts.tokens.then(|| self.token_table()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn config_table(&self) -> String {
        let mut table = Table::new(&["OF", "NAME", "CONFIG", "VALUE"]);
        for topic in self.topics.iter().flat_map(|document| &document.topics) {
            rows(&mut table, "topic", &topic.topic, topic.configs.as_ref());
        }
        let Some(configs) = &self.configs else {
            return format!("{}\n{}", table.render(), unknown("other configurations"));
        };
        rows(&mut table, "cluster", "", configs.cluster.as_ref());
        for (broker, settings) in &configs.brokers {
            let broker = broker.to_string();
            rows(&mut table, "broker", &broker, settings.as_ref());
        }
        for (kind, all) in [
            ("group", &configs.groups),
            ("client-metrics", &configs.client_metrics),
        ] {
            match all {
                None => rows(&mut table, kind, "*", None),
                Some(all) => each(&mut table, kind, all),
            }
        }
        table.render()
    }

    fn acl_table(&self) -> String {
        let Some(document) = &self.acls else {
            return unknown("ACLs");
        };
        if !document.authorizer {
            return "the cluster had no authorizer, and so no ACLs\n".to_owned();
        }
        let headings = ["PRINCIPAL", "PERMISSION", "OPERATION", "RESOURCE", "HOST"];
        let mut table = Table::new(&headings);
        for acl in &document.acls {
            table.row([
                safe(&acl.principal),
                acl.permission.to_string(),
                acl.operation.to_string(),
                safe(&acl_resource(acl)),
                safe(&acl.host),
            ]);
        }
        table.render()
    }

    fn user_table(&self) -> String {
        let Some(document) = &self.users else {
            return unknown("SCRAM users");
        };
        let mut table = Table::new(&["USER", "MECHANISM", ">ITERATIONS"]);
        for user in &document.users {
            for credential in &user.credentials {
                table.row([
                    safe(&user.user),
                    safe(&credential.mechanism),
                    credential.iterations.to_string(),
                ]);
            }
        }
        table.render()
    }

    fn quota_table(&self) -> String {
        let Some(document) = &self.quotas else {
            return unknown("client quotas");
        };
        let mut table = Table::new(&["ENTITY", "QUOTA", ">LIMIT"]);
        for quota in &document.quotas {
            for (name, limit) in &quota.limits {
                let entity = safe(&quota_entity(&quota.entity));
                table.row([entity, safe(name), limit.to_string()]);
            }
        }
        table.render()
    }

    fn feature_table(&self) -> String {
        let Some(document) = &self.features else {
            return unknown("features");
        };
        let mut table = Table::new(&["FEATURE", ">LEVEL", ">MIN", ">MAX"]);
        for (feature, level) in &document.finalized {
            let supported = document.supported.get(feature);
            let bound = |bound: Option<i16>| bound.map_or("–".to_owned(), |it| it.to_string());
            table.row([
                safe(feature),
                level.to_string(),
                bound(supported.map(|range| range.min)),
                bound(supported.map(|range| range.max)),
            ]);
        }
        table.render()
    }

    fn token_table(&self) -> String {
        let Some(document) = &self.tokens else {
            return unknown("delegation tokens");
        };
        let mut table = Table::new(&["TOKEN", "OWNER", "RENEWERS", "EXPIRES", "AT THE LATEST"]);
        let time = |millis: i64| Timestamp::from_millis(millis).readable();
        for token in &document.tokens {
            table.row([
                safe(&token.token_id),
                safe(&token.owner),
                safe(&token.renewers.join(", ")),
                time(token.expiry_timestamp_ms),
                time(token.max_timestamp_ms),
            ]);
        }
        table.render()
    }
}

fn each(table: &mut Table, kind: &str, all: &BTreeMap<String, Option<Settings>>) {
    for (name, settings) in all {
        rows(table, kind, name, settings.as_ref());
    }
}

fn rows(table: &mut Table, kind: &str, name: &str, settings: Option<&Settings>) {
    let mut row = |setting: &str, value: &str| {
        table.row([kind.to_owned(), safe(name), safe(setting), safe(value)]);
    };
    let Some(settings) = settings else {
        return row("–", "(not saved)");
    };
    for (setting, value) in settings {
        let untold = "(sensitive: the broker does not tell)";
        row(setting, value.as_deref().unwrap_or(untold));
    }
}

fn unknown(what: &str) -> String {
    format!("the snapshot does not hold {what}; --gaps may tell why\n")
}
