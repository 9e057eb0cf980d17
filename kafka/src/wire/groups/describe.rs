//! What state a group is in, and who is in it.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use kafka_protocol::{
    messages::{
        ApiKey, ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DescribeGroupsRequest,
        ShareGroupDescribeRequest, consumer_group_describe_response,
        describe_groups_response::DescribedGroupMember, share_group_describe_response,
    },
    protocol::StrBytes,
};
use lifeboat_archive::documents::GroupMember;

use super::{Cluster, ListedGroup};
use crate::{
    error::{ErrorCode, KafkaError},
    wire::{
        shape::{Encoding, answers},
        versions::Api,
    },
};

/// Opaque to the broker: it lies in a DescribeGroups answer.
const ASSIGNMENT: Api = Api::new(ApiKey::DescribeGroups, "consumer protocol assignment", 0, 3);

/// The state of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// `Empty`, `Stable`, …; `Dead` where there is no such group.
    pub state: String,
    /// `consumer`, `connect`, …; empty for groups that only commit.
    pub protocol_type: String,
    /// Its members, by id.
    pub members: Vec<GroupMember>,
}

impl GroupState {
    fn dead() -> Self {
        Self::new("Dead", "", Vec::new())
    }

    fn new(state: &str, protocol_type: &str, mut members: Vec<GroupMember>) -> Self {
        members.sort_unstable_by(|one, other| one.member_id.cmp(&other.member_id));
        Self {
            state: state.to_owned(),
            protocol_type: protocol_type.to_owned(),
            members,
        }
    }

    /// Whether offsets can be committed on its behalf: nobody is in it.
    pub fn is_vacant(&self) -> bool {
        self.members.is_empty() && matches!(self.state.as_str(), "Empty" | "Dead")
    }
}

impl ListedGroup {
    /// Whether it is a share group, which has start offsets and commits none (KIP-932).
    pub fn is_share(&self) -> bool {
        self.group_type.eq_ignore_ascii_case("share")
    }
}

impl Cluster {
    /// The state of a group, classic or KIP-848.
    pub async fn describe_group(&self, group: &str) -> Result<GroupState, KafkaError> {
        let classic = self.describe_classic(group).await?;
        if classic.state != "Dead" {
            return Ok(classic);
        }
        unless_absent(self.describe_consumer(group).await)
    }

    /// The state of a share group.
    pub async fn describe_share_group(&self, group: &str) -> Result<GroupState, KafkaError> {
        unless_absent(self.describe_share(group).await)
    }

    /// Who is in a group; `None` where that can't be asked: of streams groups, and of types that this program does not
    /// know.
    pub async fn group_members(
        &self,
        group: &ListedGroup,
    ) -> Result<Option<Vec<GroupMember>>, KafkaError> {
        let name = &group.group;
        let state = match group.group_type.to_ascii_lowercase().as_str() {
            "classic" => self.describe_classic(name).await,
            "consumer" => self.describe_consumer(name).await,
            "share" => self.describe_share(name).await,
            _ => return Ok(None),
        };
        Ok(Some(state?.members))
    }

    async fn describe_classic(&self, group: &str) -> Result<GroupState, KafkaError> {
        const OPERATION: &str = "DescribeGroups";
        let asked = StrBytes::from_string(group.to_owned());
        let request = DescribeGroupsRequest::default().with_groups(vec![asked.into()]);
        self.ask_coordinator(group, &request, |answer| {
            let mut found = answer.groups.iter();
            let found = found.find(|answer| answer.group_id.as_str() == group);
            let found = found.ok_or_else(|| missing(OPERATION, group))?;
            if ErrorCode::from_wire(found.error_code) == Some(ErrorCode::GROUP_ID_NOT_FOUND) {
                return Ok(GroupState::dead());
            }
            no_error(
                OPERATION,
                group,
                found.error_code,
                found.error_message.as_ref(),
            )?;
            let of_consumers = found.protocol_type.as_str() == "consumer";
            let members = found.members.iter();
            let members = members.map(|member| classic_member(member, of_consumers));
            let (state, protocol) = (&found.group_state, &found.protocol_type);
            Ok(GroupState::new(state, protocol, members.collect()))
        })
        .await
    }

    async fn describe_consumer(&self, group: &str) -> Result<GroupState, KafkaError> {
        const OPERATION: &str = "ConsumerGroupDescribe";
        let asked = StrBytes::from_string(group.to_owned());
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![asked.into()]);
        self.ask_coordinator(group, &request, |answer| {
            let mut found = answer.groups.iter();
            let found = found.find(|answer| answer.group_id.as_str() == group);
            let found = found.ok_or_else(|| missing(OPERATION, group))?;
            no_error(
                OPERATION,
                group,
                found.error_code,
                found.error_message.as_ref(),
            )?;
            let members = found.members.iter().map(consumer_member).collect();
            Ok(GroupState::new(&found.group_state, "consumer", members))
        })
        .await
    }

    async fn describe_share(&self, group: &str) -> Result<GroupState, KafkaError> {
        const OPERATION: &str = "ShareGroupDescribe";
        let asked = StrBytes::from_string(group.to_owned());
        let request = ShareGroupDescribeRequest::default().with_group_ids(vec![asked.into()]);
        self.ask_coordinator(group, &request, |answer| {
            let mut found = answer.groups.iter();
            let found = found.find(|answer| answer.group_id.as_str() == group);
            let found = found.ok_or_else(|| missing(OPERATION, group))?;
            no_error(
                OPERATION,
                group,
                found.error_code,
                found.error_message.as_ref(),
            )?;
            let members = found.members.iter().map(share_member).collect();
            Ok(GroupState::new(&found.group_state, "share", members))
        })
        .await
    }
}

/// A broker without such groups has none of this name.
fn unless_absent(state: Result<GroupState, KafkaError>) -> Result<GroupState, KafkaError> {
    match state {
        Err(KafkaError::UnsupportedApi { .. }) => Ok(GroupState::dead()),
        Err(error)
            if matches!(
                error.code(),
                Some(ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION)
            ) =>
        {
            Ok(GroupState::dead())
        }
        told => told,
    }
}

fn classic_member(member: &DescribedGroupMember, of_consumers: bool) -> GroupMember {
    let instance = member.group_instance_id.as_ref();
    let assignment = if of_consumers {
        let assigned = read_assignment(member.member_assignment.clone());
        assigned.unwrap_or_else(|error| {
            // for information only
            tracing::debug!(member = %member.member_id, %error, "an assignment that can't be read");
            BTreeMap::new()
        })
    } else {
        BTreeMap::new()
    };
    GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: instance.map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment,
    }
}

fn consumer_member(member: &consumer_group_describe_response::Member) -> GroupMember {
    let instance = member.instance_id.as_ref();
    let assigned = member.assignment.topic_partitions.iter();
    GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: instance.map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: in_order(assigned.map(|topic| (&*topic.topic_name, &topic.partitions))),
    }
}

fn share_member(member: &share_group_describe_response::Member) -> GroupMember {
    let assigned = member.assignment.topic_partitions.iter();
    GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: None,
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: in_order(assigned.map(|topic| (&*topic.topic_name, &topic.partitions))),
    }
}

/// What a member of a classic group of consumers reads, which is written by one of them and opaque to the broker.
fn read_assignment(mut bytes: Bytes) -> Result<BTreeMap<String, Vec<i32>>, KafkaError> {
    // nothing while the group rebalances
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let version = bytes.try_get_i16().map_err(|_| KafkaError::Malformed {
        operation: ASSIGNMENT.name,
        detail: "no version".to_owned(),
    })?;
    let encoding = Encoding {
        // a later one has more behind what this one reads
        version: version.clamp(ASSIGNMENT.spoken.min, ASSIGNMENT.spoken.max),
        flexible: false,
    };
    let assigned: ConsumerProtocolAssignment =
        encoding.decode(ASSIGNMENT, answers::CONSUMER_ASSIGNMENT, bytes)?;
    let topics = assigned.assigned_partitions.iter();
    Ok(in_order(
        topics.map(|topic| (&*topic.topic, &topic.partitions)),
    ))
}

fn in_order<'a>(
    assigned: impl Iterator<Item = (&'a StrBytes, &'a Vec<i32>)>,
) -> BTreeMap<String, Vec<i32>> {
    assigned
        .map(|(topic, partitions)| {
            let mut partitions = partitions.clone();
            partitions.sort_unstable();
            (topic.to_string(), partitions)
        })
        .collect()
}

fn no_error(
    operation: &'static str,
    group: &str,
    code: i16,
    message: Option<&StrBytes>,
) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            operation,
            format!("group {group}"),
            code,
            message,
        )),
    }
}

fn missing(operation: &'static str, group: &str) -> KafkaError {
    KafkaError::Malformed {
        operation,
        detail: format!("group {group} is missing in the answer"),
    }
}

#[cfg(test)]
mod tests;
