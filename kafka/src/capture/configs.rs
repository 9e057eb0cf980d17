//! Settings of brokers, groups and client-metrics subscriptions.

use std::collections::BTreeMap;

use lifeboat_archive::{
    documents::{ConfigsDocument, Settings},
    manifest::Problem,
};

use super::{note, partial, unread};
use crate::{
    error::{ErrorCode, KafkaError},
    rights::Resource,
    wire::{Cluster, ConfigResource, ConfigResources, Configs},
};

const BROKERS: &str = "configurations of brokers";
const GROUPS: &str = "configurations of groups";
const CLIENT_METRICS: &str = "client metrics subscriptions";

/// Every dynamic setting that does not belong to a topic; a part that can't be read is null and named.
///
/// `groups` tells the groups that there are now: asked where the brokers can't list those with settings.
pub(super) async fn configs(
    cluster: &Cluster,
    groups: impl AsyncFnOnce() -> (Vec<String>, Vec<Problem>),
) -> (ConfigsDocument, Vec<Problem>) {
    let mut problems = Vec::new();
    let found = cluster.config_resources().await;
    let names = wanted_groups(cluster, &found, groups, &mut problems).await;
    let subscriptions = found
        .map(|found| found.client_metrics)
        .map_err(|error| problems.push(unread(cluster, CLIENT_METRICS, &error)))
        .ok();
    let brokers = cluster.brokers();
    let each_broker = brokers
        .iter()
        .map(|broker| ConfigResource::Broker(broker.id));
    let of_brokers: Vec<_> = each_broker.chain([ConfigResource::AllBrokers]).collect();
    let of_groups: Vec<_> = names.into_iter().map(ConfigResource::Group).collect();
    let of_clients = subscriptions.iter().flatten().cloned();
    let of_clients: Vec<_> = of_clients.map(ConfigResource::ClientMetrics).collect();
    let (of_brokers, of_groups, of_clients, down) = tokio::join!(
        cluster.configs(&of_brokers),
        cluster.configs(&of_groups),
        cluster.configs(&of_clients),
        cluster.brokers_down(),
    );

    let mut document = ConfigsDocument {
        client_metrics: subscriptions.map(|_| BTreeMap::new()),
        ..ConfigsDocument::default()
    };
    if unknown_kind(&of_groups) {
        problems.push(note(
            GROUPS.to_owned(),
            "not saved: the brokers do not offer configurations of groups".to_owned(),
        ));
    } else {
        document.groups = Some(BTreeMap::new());
        take(&mut document, of_groups, GROUPS, cluster, &mut problems);
    }
    take(&mut document, of_brokers, BROKERS, cluster, &mut problems);
    match down {
        Ok(down) => problems.extend(not_asked(&mut document, &down)),
        Err(error) => problems.push(unread(cluster, BROKERS, &error)),
    }
    take(
        &mut document,
        of_clients,
        CLIENT_METRICS,
        cluster,
        &mut problems,
    );
    (document, problems)
}

/// Only a broker itself tells its settings.
fn not_asked(document: &mut ConfigsDocument, down: &[i32]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for broker in down {
        // one that has answered went down since
        if document.brokers.contains_key(broker) {
            continue;
        }
        document.brokers.insert(*broker, None);
        problems.push(partial(
            format!("configurations of broker {broker}"),
            "not saved: the broker is down".to_owned(),
        ));
    }
    problems
}

/// The groups to ask: those with settings, or all that there are where the brokers can't list the former.
async fn wanted_groups(
    cluster: &Cluster,
    found: &Result<ConfigResources, KafkaError>,
    groups: impl AsyncFnOnce() -> (Vec<String>, Vec<Problem>),
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    match found {
        Ok(ConfigResources {
            groups: Some(names),
            ..
        }) => return names.clone(),
        Ok(_) | Err(KafkaError::UnsupportedApi { .. }) => problems.push(note(
            GROUPS.to_owned(),
            "those of groups that are not there now are not saved: the brokers do not offer to list them (ListConfigResources 1)".to_owned(),
        )),
        Err(error) => problems.push(partial(
            GROUPS.to_owned(),
            format!(
                "those of groups that are not there now are not saved: {}",
                cluster.explain(error)
            ),
        )),
    }
    let (there, unread) = groups().await;
    problems.extend(unread);
    there
}

/// Whether the brokers do not know this kind of resource at all.
fn unknown_kind(configs: &Configs) -> bool {
    let refused = |config: &Result<_, KafkaError>| {
        let error = config.as_ref().err();
        error.and_then(KafkaError::code) == Some(ErrorCode::INVALID_REQUEST)
    };
    !configs.is_empty() && configs.values().all(refused)
}

/// Puts what was read in its place in the document.
fn take(
    document: &mut ConfigsDocument,
    configs: Configs,
    kind: &str,
    cluster: &Cluster,
    problems: &mut Vec<Problem>,
) {
    let asked = configs.len();
    let mut errors = Vec::new();
    for (resource, config) in configs {
        let settings = match config {
            Ok(entries) => {
                let settings = resource.own_settings(entries);
                problems.extend(kept_back(&resource, &settings));
                Some(settings)
            }
            Err(error) => {
                errors.push((resource.clone(), error));
                None
            }
        };
        put(document, resource, settings);
    }
    problems.extend(unread_settings(cluster, kind, asked, &errors));
}

fn put(document: &mut ConfigsDocument, resource: ConfigResource, settings: Option<Settings>) {
    match resource {
        ConfigResource::AllBrokers => document.cluster = settings,
        ConfigResource::Broker(id) => {
            document.brokers.insert(id, settings);
        }
        ConfigResource::Group(name) => {
            let groups = document.groups.get_or_insert_default();
            // one without settings is not worth a line
            if settings
                .as_ref()
                .is_none_or(|settings| !settings.is_empty())
            {
                groups.insert(name, settings);
            }
        }
        ConfigResource::ClientMetrics(name) => {
            let subscriptions = document.client_metrics.get_or_insert_default();
            subscriptions.insert(name, settings);
        }
        // in a document of their own
        ConfigResource::Topic(_) => {}
    }
}

/// Names the settings whose values the broker keeps to itself.
fn kept_back(resource: &ConfigResource, settings: &Settings) -> Option<Problem> {
    let secret: Vec<_> = settings
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    (!secret.is_empty()).then(|| {
        let names = secret.join(", ");
        note(
            format!("configurations of {resource}"),
            format!("not readable: {names} (sensitive, the brokers do not tell)"),
        )
    })
}

/// One problem where one cause keeps all of a kind back, else one for each resource.
fn unread_settings(
    cluster: &Cluster,
    kind: &str,
    asked: usize,
    errors: &[(ConfigResource, KafkaError)],
) -> Vec<Problem> {
    let common = |error: &KafkaError| match error.missing_right() {
        Some(right) => right.resource == Resource::Cluster,
        // nobody answered
        None => error.code().is_none(),
    };
    match errors.first() {
        Some((_, error))
            if errors.len() == asked && errors.iter().all(|(_, error)| common(error)) =>
        {
            vec![unread(cluster, kind, error)]
        }
        _ => errors
            .iter()
            .map(|(resource, error)| {
                unread(cluster, &format!("configurations of {resource}"), error)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ConfigEntry, ConfigSource};

    fn entry(name: &str, source: ConfigSource, value: Option<&str>) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            source,
            sensitive: value.is_none(),
            read_only: false,
        }
    }

    #[test]
    fn a_broker_has_only_its_own_settings_and_those_of_all_are_in_one_place() {
        let entries = || {
            vec![
                entry(
                    "log.cleaner.threads",
                    ConfigSource::DynamicDefaultBroker,
                    Some("2"),
                ),
                entry(
                    "listeners",
                    ConfigSource::StaticBroker,
                    Some("PLAINTEXT://:9092"),
                ),
                entry("ssl.keystore.password", ConfigSource::DynamicBroker, None),
            ]
        };
        let of = |resource: ConfigResource| resource.own_settings(entries());
        let secret = BTreeMap::from([("ssl.keystore.password".to_owned(), None)]);
        assert_eq!(of(ConfigResource::Broker(1)), secret);
        let common = BTreeMap::from([("log.cleaner.threads".to_owned(), Some("2".to_owned()))]);
        assert_eq!(of(ConfigResource::AllBrokers), common);
        let told = kept_back(&ConfigResource::Broker(1), &secret).unwrap();
        assert_eq!(told.subject, "configurations of broker 1");
        assert!(told.problem.contains("ssl.keystore.password"), "{told:?}");
        assert!(!told.partial);
    }

    #[test]
    fn brokers_that_know_no_settings_of_groups_are_told_from_such_that_refuse_one() {
        let answer = |codes: &[Option<i16>]| -> Configs {
            let groups = codes.iter().enumerate().map(|(number, code)| {
                let group = ConfigResource::Group(number.to_string());
                let error = |code| KafkaError::broker("DescribeConfigs", &group, code);
                let code = code.and_then(ErrorCode::from_wire);
                let config = code.map_or_else(|| Ok(Vec::new()), |code| Err(error(code)));
                (group.clone(), config)
            });
            groups.collect()
        };
        assert!(unknown_kind(&answer(&[Some(42), Some(42)])));
        assert!(!unknown_kind(&answer(&[Some(42), None])));
        assert!(!unknown_kind(&answer(&[Some(30)])));
        assert!(!unknown_kind(&answer(&[])));
    }
}
