//! Which broker speaks for a group.

use std::collections::BTreeMap;

use kafka_protocol::{messages::FindCoordinatorRequest, protocol::StrBytes};

use super::{ADMIN, Cluster, PoisonError};
use crate::{
    error::{ErrorCode, KafkaError},
    wire::versions::Call,
};

/// Kafka's number for "the keys are groups".
const GROUP: i8 = 0;
const GROUPS_PER_REQUEST: usize = 1000;

impl Cluster {
    /// Looks up the coordinators of many groups at once, so that asking each group later takes one request.
    pub async fn find_coordinators(&self, groups: &[String]) -> Result<(), KafkaError> {
        for groups in groups.chunks(GROUPS_PER_REQUEST) {
            let found = self.ask_for_coordinators(groups).await?;
            let known = self.inner.coordinators.lock();
            known.unwrap_or_else(PoisonError::into_inner).extend(
                found
                    .into_iter()
                    .filter_map(|(group, id)| Some((group, id.ok()?))),
            );
        }
        Ok(())
    }

    /// Asks the coordinator of a group, again until the deadline where it moved or loads.
    pub(super) async fn ask_coordinator<C: Call, T>(
        &self,
        group: &str,
        request: &C,
        read: impl Fn(&C::Answer) -> Result<T, KafkaError>,
    ) -> Result<T, KafkaError> {
        let mut patience = self.patience();
        loop {
            let outcome = match self.ask_coordinator_once(group, request).await {
                Ok(answer) => read(&answer),
                Err(error) => Err(error),
            };
            let error = match outcome {
                Err(error) if error.is_retriable() => error,
                settled => return settled,
            };
            if error.code().is_none_or(ErrorCode::wants_new_coordinator) {
                self.forget_coordinator(group);
            }
            if !patience.pause().await {
                return Err(error);
            }
            // a broker may have come back under another address
            if error.code().is_none()
                && let Err(error) = self.refresh(&[]).await
            {
                tracing::debug!(%error, "no metadata");
            }
        }
    }

    async fn ask_coordinator_once<C: Call>(
        &self,
        group: &str,
        request: &C,
    ) -> Result<C::Answer, KafkaError> {
        let coordinator = self.coordinator(group).await?;
        let connection = self.broker(coordinator, ADMIN).await?;
        connection.call(request).await
    }

    async fn coordinator(&self, group: &str) -> Result<i32, KafkaError> {
        let known = {
            let known = self.inner.coordinators.lock();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            known.get(group).copied()
        };
        if let Some(coordinator) = known {
            return Ok(coordinator);
        }
        let mut found = self.ask_for_coordinators(&[group.to_owned()]).await?;
        let coordinator = found.remove(group).unwrap_or_else(|| {
            Err(KafkaError::Malformed {
                operation: "FindCoordinator",
                detail: format!("group {group} is missing in the answer"),
            })
        })?;
        let known = self.inner.coordinators.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        known.insert(group.to_owned(), coordinator);
        Ok(coordinator)
    }

    fn forget_coordinator(&self, group: &str) {
        let known = self.inner.coordinators.lock();
        known.unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    async fn ask_for_coordinators(
        &self,
        groups: &[String],
    ) -> Result<BTreeMap<String, Result<i32, KafkaError>>, KafkaError> {
        let keys = groups.iter().cloned().map(StrBytes::from_string);
        let request = FindCoordinatorRequest::default()
            .with_key_type(GROUP)
            .with_coordinator_keys(keys.collect());
        let answer = self.ask_any(&request, |_| Ok(())).await?;
        let found = answer.coordinators.iter().map(|coordinator| {
            let group = coordinator.key.to_string();
            let id = match ErrorCode::from_wire(coordinator.error_code) {
                None => Ok(coordinator.node_id.0),
                Some(code) => Err(KafkaError::broker_says(
                    "FindCoordinator",
                    format!("group {group}"),
                    code,
                    coordinator.error_message.as_ref(),
                )),
            };
            (group, id)
        });
        Ok(found.collect())
    }
}
