//! What state a group is in.

use kafka_protocol::{
    messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest},
    protocol::StrBytes,
};

use super::Cluster;
use crate::error::{ErrorCode, KafkaError};

/// The state of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// `Empty`, `Stable`, …; `Dead` where there is no such group.
    pub state: String,
    /// `consumer`, `connect`, …; empty for groups that only commit.
    pub protocol_type: String,
    /// How many members it has.
    pub members: usize,
}

impl GroupState {
    fn dead() -> Self {
        Self {
            state: "Dead".to_owned(),
            protocol_type: String::new(),
            members: 0,
        }
    }

    /// Whether offsets can be committed on its behalf: nobody is in it.
    pub fn is_vacant(&self) -> bool {
        self.members == 0 && matches!(self.state.as_str(), "Empty" | "Dead")
    }
}

impl Cluster {
    /// The state of a group, classic or KIP-848.
    pub async fn describe_group(&self, group: &str) -> Result<GroupState, KafkaError> {
        let classic = self.describe_classic(group).await?;
        if classic.state != "Dead" {
            return Ok(classic);
        }
        match self.describe_consumer(group).await {
            Ok(state) => Ok(state),
            // a broker without such groups has none of this name
            Err(KafkaError::UnsupportedApi { .. }) => Ok(classic),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(classic),
            Err(error) if error.code() == Some(ErrorCode::UNSUPPORTED_VERSION) => Ok(classic),
            Err(error) => Err(error),
        }
    }

    async fn describe_classic(&self, group: &str) -> Result<GroupState, KafkaError> {
        let asked = StrBytes::from_string(group.to_owned());
        let request = DescribeGroupsRequest::default().with_groups(vec![asked.into()]);
        self.ask_coordinator(group, &request, |answer| {
            let found = answer
                .groups
                .iter()
                .find(|answer| answer.group_id.as_str() == group)
                .ok_or_else(|| missing("DescribeGroups", group))?;
            match ErrorCode::from_wire(found.error_code) {
                None => Ok(GroupState {
                    state: found.group_state.to_string(),
                    protocol_type: found.protocol_type.to_string(),
                    members: found.members.len(),
                }),
                Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(GroupState::dead()),
                Some(code) => Err(KafkaError::broker_says(
                    "DescribeGroups",
                    format!("group {group}"),
                    code,
                    found.error_message.as_ref(),
                )),
            }
        })
        .await
    }

    async fn describe_consumer(&self, group: &str) -> Result<GroupState, KafkaError> {
        let asked = StrBytes::from_string(group.to_owned());
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![asked.into()]);
        self.ask_coordinator(group, &request, |answer| {
            let found = answer
                .groups
                .iter()
                .find(|answer| answer.group_id.as_str() == group)
                .ok_or_else(|| missing("ConsumerGroupDescribe", group))?;
            match ErrorCode::from_wire(found.error_code) {
                None => Ok(GroupState {
                    state: found.group_state.to_string(),
                    protocol_type: "consumer".to_owned(),
                    members: found.members.len(),
                }),
                Some(code) => Err(KafkaError::broker_says(
                    "ConsumerGroupDescribe",
                    format!("group {group}"),
                    code,
                    found.error_message.as_ref(),
                )),
            }
        })
        .await
    }
}

fn missing(operation: &'static str, group: &str) -> KafkaError {
    KafkaError::Malformed {
        operation,
        detail: format!("group {group} is missing in the answer"),
    }
}
