//! Changes become the target's settings, quotas and rights.
//!
//! Each change stands for itself: one that the target refuses is named with the reason, the others are made. All of them
//! may be made again: what is there already stays as it is.

use std::collections::BTreeMap;

use lifeboat_archive::{
    documents::diff::{Change, ConfigResource, SettingValue, Sign},
    words::Progress,
};
use lifeboat_kafka::{
    KafkaError,
    wire::{self, Cluster, ConfigChange, QuotaChange},
};
use tokio_util::sync::CancellationToken;

use crate::{report::MadeChange, users::INTERRUPTED};

/// Quotas and ACLs in one step.
const AT_ONCE: usize = 500;

/// Makes `changes`, one step after the other in their order.
pub(crate) async fn apply(
    cluster: &Cluster,
    changes: &[Change],
    progress: &Progress,
    cancel: &CancellationToken,
) -> Vec<MadeChange> {
    let mut made = Vec::with_capacity(changes.len());
    let mut given_up: Option<String> = None;
    for step in steps(changes) {
        if cancel.is_cancelled() {
            given_up.get_or_insert_with(|| INTERRUPTED.to_owned());
        }
        let outcomes: Vec<Result<(), String>> = if let Some(why) = &given_up {
            step.iter().map(|_| Err(why.clone())).collect()
        } else {
            let outcomes = take(cluster, step).await;
            given_up = unreachable(&outcomes, step);
            let told = outcomes.into_iter();
            told.map(|outcome| outcome.map_err(|error| cluster.explain(&error)))
                .collect()
        };
        for (change, outcome) in step.iter().zip(outcomes) {
            made.push(MadeChange {
                change: change.clone(),
                refused: outcome.err(),
            });
        }
        progress.advance(step.len() as u64);
    }
    made
}

/// Where nobody answers, the steps that follow would wait as long and for nothing. One broker may be alone in that.
fn unreachable(outcomes: &[Outcome], step: &[Change]) -> Option<String> {
    let of_one_broker = matches!(
        step.first(),
        Some(Change::Config {
            resource: ConfigResource::Broker { .. },
            ..
        })
    );
    let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let error = errors.find(|error| error.is_retriable() && error.code().is_none())?;
    (!of_one_broker).then(|| format!("not tried any more: {error}"))
}

type Outcome = Result<(), KafkaError>;

/// Runs of changes that one request makes.
fn steps(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    let together = changes.chunk_by(|one, other| match (one, other) {
        (Change::Config { resource: a, .. }, Change::Config { resource: b, .. }) => a == b,
        // as they allow and as they deny: what comes first must hold before the other is asked for
        (Change::Acl { edit: a }, Change::Acl { edit: b }) => {
            one.sign() == other.sign() && a.either().permission == b.either().permission
        }
        (Change::Quota { .. }, Change::Quota { .. }) => true,
        _ => false,
    });
    together.flat_map(|step| step.chunks(AT_ONCE))
}

async fn take(cluster: &Cluster, step: &[Change]) -> Vec<Outcome> {
    match step.first() {
        Some(Change::Config { resource, .. }) => configs(cluster, resource, step).await,
        Some(Change::Quota { .. }) => quotas(cluster, step).await,
        Some(first @ Change::Acl { .. }) => {
            let acls: Vec<_> = step
                .iter()
                .filter_map(|change| match change {
                    Change::Acl { edit } => Some(edit.either().clone()),
                    _ => None,
                })
                .collect();
            if first.sign() == Sign::Removed {
                cluster.delete_acls(&acls).await
            } else {
                cluster.create_acls(&acls).await
            }
        }
        // nothing else is planned as a change
        _ => step.iter().map(|_| Ok(())).collect(),
    }
}

async fn configs(cluster: &Cluster, of: &ConfigResource, step: &[Change]) -> Vec<Outcome> {
    let resource = on_the_wire(of);
    let changes: Vec<ConfigChange> = step.iter().filter_map(config_change).collect();
    let Err(error) = cluster.alter_configs(&resource, &changes, false).await else {
        return step.iter().map(|_| Ok(())).collect();
    };
    if changes.len() == 1 || error.code().is_none() || error.missing_right().is_some() {
        return step.iter().map(|_| Err(error.clone())).collect();
    }
    // all or none, and one of them is refused
    let mut outcomes = Vec::with_capacity(changes.len());
    for change in changes {
        outcomes.push(cluster.alter_configs(&resource, &[change], false).await);
    }
    outcomes
}

fn on_the_wire(resource: &ConfigResource) -> wire::ConfigResource {
    match resource {
        ConfigResource::Topic { topic } => wire::ConfigResource::Topic(topic.as_str().into()),
        ConfigResource::Cluster => wire::ConfigResource::AllBrokers,
        ConfigResource::Broker { broker } => wire::ConfigResource::Broker(*broker),
        ConfigResource::Group { group } => wire::ConfigResource::Group(group.clone()),
        ConfigResource::ClientMetrics { subscription } => {
            wire::ConfigResource::ClientMetrics(subscription.clone())
        }
    }
}

fn config_change(change: &Change) -> Option<ConfigChange> {
    let Change::Config { name, edit, .. } = change else {
        return None;
    };
    match edit.to() {
        Some(SettingValue::Known(value)) => Some(ConfigChange::set(name, value)),
        None => Some(ConfigChange::delete(name)),
        // never planned: it would be set empty
        Some(SettingValue::Untold) => None,
    }
}

async fn quotas(cluster: &Cluster, step: &[Change]) -> Vec<Outcome> {
    let mut by_entity: BTreeMap<_, QuotaChange> = BTreeMap::new();
    for change in step {
        if let Change::Quota { entity, name, edit } = change {
            let of_entity = by_entity.entry(entity).or_insert_with(|| QuotaChange {
                entity: entity.clone(),
                limits: BTreeMap::new(),
            });
            of_entity.limits.insert(name.clone(), edit.to().copied());
        }
    }
    let (entities, changes): (Vec<_>, Vec<_>) = by_entity.into_iter().unzip();
    let outcomes = cluster.alter_client_quotas(&changes, false).await;
    let outcomes: BTreeMap<_, _> = entities.into_iter().zip(outcomes).collect();
    let mut of_each = Vec::with_capacity(step.len());
    for change in step {
        let Change::Quota { entity, name, edit } = change else {
            continue;
        };
        let outcome = outcomes.get(entity).cloned().unwrap_or(Ok(()));
        let several = changes
            .iter()
            .any(|it| it.entity == *entity && it.limits.len() > 1);
        let alone = matches!(&outcome, Err(error) if error.code().is_some() && error.missing_right().is_none());
        if !(several && alone) {
            of_each.push(outcome);
            continue;
        }
        // those of an entity all or none, and one of them is refused
        let one = QuotaChange {
            entity: entity.clone(),
            limits: BTreeMap::from([(name.clone(), edit.to().copied())]),
        };
        let mut answered = cluster.alter_client_quotas(&[one], false).await;
        of_each.push(answered.pop().unwrap_or(outcome));
    }
    of_each
}

#[cfg(test)]
mod tests;
