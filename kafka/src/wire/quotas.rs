//! Client quotas read and changed.

use std::collections::BTreeMap;

use kafka_protocol::{
    messages::{
        AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
        DescribeClientQuotasResponse,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
    },
    protocol::StrBytes,
};
use lifeboat_archive::documents::{Quota, QuotaEntity};

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// A change of the quotas of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaChange {
    /// Whose.
    pub entity: QuotaEntity,
    /// The new limits; `None` removes one.
    pub limits: BTreeMap<String, Option<f64>>,
}

impl Cluster {
    /// Every quota, by entity. It takes DescribeConfigs on the cluster.
    pub async fn client_quotas(&self) -> Result<Vec<Quota>, KafkaError> {
        // no condition and not strict: all entities of all types
        let request = DescribeClientQuotasRequest::default();
        let answer = self.ask_any(&request, describe_verdict).await?;
        read_quotas(&answer)
    }

    /// The limits that hold for ourselves, by name. It takes DescribeConfigs on the cluster.
    pub async fn own_limits(&self) -> Result<BTreeMap<String, f64>, KafkaError> {
        let principal = self.principal();
        let user = principal.strip_prefix("User:").unwrap_or(principal);
        let quotas = self.client_quotas().await?;
        let client_id = &self.inner.settings.client_id;
        Ok(limits_of(&quotas, user, client_id))
    }

    /// Changes quotas, those of each entity all or none; the outcomes are in the order given. With `validate_only` only
    /// asks whether it could. It takes AlterConfigs on the cluster.
    pub async fn alter_client_quotas(
        &self,
        changes: &[QuotaChange],
        validate_only: bool,
    ) -> Vec<Result<(), KafkaError>> {
        let request = AlterClientQuotasRequest::default()
            .with_entries(changes.iter().map(entry).collect())
            .with_validate_only(validate_only);
        let verdict = |answer: &AlterClientQuotasResponse| {
            let mut outcomes = read_outcomes(changes, answer).into_iter();
            // the same change twice is the same as once, so it may be asked for again
            let passing =
                outcomes.find_map(|outcome| outcome.err().filter(KafkaError::is_retriable));
            passing.map_or(Ok(()), Err)
        };
        match self.ask_any(&request, verdict).await {
            Ok(answer) => read_outcomes(changes, &answer),
            Err(error) => changes.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

/// Of each limit the one that is said of who comes nearest: a user with a client id before the user, the user before a
/// default, users before clients (`ClientQuotaManager`).
fn limits_of(quotas: &[Quota], user: &str, client_id: &str) -> BTreeMap<String, f64> {
    let user = [None, Some(user)].map(|name| ("user", name));
    let client = [None, Some(client_id)].map(|name| ("client-id", name));
    let mut nearer: Vec<Vec<(&str, Option<&str>)>> = client.iter().map(|it| vec![*it]).collect();
    for user in user {
        nearer.push(vec![user]);
        nearer.extend(client.iter().map(|client| vec![user, *client]));
    }
    let mut limits = BTreeMap::new();
    for wanted in nearer {
        let wanted: QuotaEntity = wanted
            .into_iter()
            .map(|(kind, name)| (kind.to_owned(), name.map(str::to_owned)))
            .collect();
        if let Some(quota) = quotas.iter().find(|quota| quota.entity == wanted) {
            limits.extend(quota.limits.clone());
        }
    }
    limits
}

fn describe_verdict(answer: &DescribeClientQuotasResponse) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(answer.error_code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeClientQuotas",
            "the cluster",
            code,
            answer.error_message.as_ref(),
        )),
    }
}

fn read_quotas(answer: &DescribeClientQuotasResponse) -> Result<Vec<Quota>, KafkaError> {
    let mut quotas = Vec::new();
    for entry in answer.entries.iter().flatten() {
        let entity = entry.entity.iter().map(|part| {
            let name = part.entity_name.as_ref().map(ToString::to_string);
            (part.entity_type.to_string(), name)
        });
        let mut limits = BTreeMap::new();
        for limit in &entry.values {
            // JSON has no number for it
            if !limit.value.is_finite() {
                return Err(KafkaError::Malformed {
                    operation: "DescribeClientQuotas",
                    detail: format!("{} is {}", limit.key, limit.value),
                });
            }
            limits.insert(limit.key.to_string(), limit.value);
        }
        quotas.push(Quota {
            entity: entity.collect(),
            limits,
        });
    }
    quotas.sort_by(|one, other| one.entity.cmp(&other.entity));
    Ok(quotas)
}

fn entry(change: &QuotaChange) -> EntryData {
    let entity = change.entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_string(kind.clone()))
            .with_entity_name(name.clone().map(StrBytes::from_string))
    });
    let operations = change.limits.iter().map(|(key, limit)| {
        OpData::default()
            .with_key(StrBytes::from_string(key.clone()))
            .with_value(limit.unwrap_or_default())
            .with_remove(limit.is_none())
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_ops(operations.collect())
}

fn read_outcomes(
    changes: &[QuotaChange],
    answer: &AlterClientQuotasResponse,
) -> Vec<Result<(), KafkaError>> {
    const OPERATION: &str = "AlterClientQuotas";
    let told: BTreeMap<QuotaEntity, _> = answer
        .entries
        .iter()
        .map(|entry| {
            let entity = entry.entity.iter().map(|part| {
                let name = part.entity_name.as_ref().map(ToString::to_string);
                (part.entity_type.to_string(), name)
            });
            (entity.collect(), entry)
        })
        .collect();
    let outcome = |change: &QuotaChange| {
        let subject = named(&change.entity);
        let entry = told.get(&change.entity);
        let entry = entry.ok_or_else(|| KafkaError::Malformed {
            operation: OPERATION,
            detail: format!("{subject} is missing in the answer"),
        })?;
        match ErrorCode::from_wire(entry.error_code) {
            None => Ok(()),
            Some(code) => Err(KafkaError::broker_says(
                OPERATION,
                subject,
                code,
                entry.error_message.as_ref(),
            )),
        }
    };
    changes.iter().map(outcome).collect()
}

/// As in "user alice, client-id (default)".
fn named(entity: &QuotaEntity) -> String {
    let parts: Vec<_> = entity
        .iter()
        .map(|(kind, name)| format!("{kind} {}", name.as_deref().unwrap_or("(default)")))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests;
