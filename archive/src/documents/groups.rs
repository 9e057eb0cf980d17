//! Groups, what they had committed and who was in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::Document;

/// `groups.json`: consumer groups and what they had committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsDocument {
    /// The groups, by name.
    pub groups: Vec<GroupDocument>,
}

impl Document for GroupsDocument {
    const FORMAT: &'static str = "lifeboat.groups";
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDocument {
    /// Its name.
    pub group: String,
    /// `classic`, `consumer` (KIP-848), …, as the broker says.
    pub group_type: String,
    /// Its protocol type; empty for groups that only commit.
    pub protocol_type: String,
    /// `Stable`, `Empty`, …, as the broker says.
    pub state: String,
    /// What it had committed, by topic and partition; of a share group (KIP-932) where it starts.
    pub offsets: Vec<CommittedOffset>,
    /// Who was in it, by member id: for information.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<GroupMember>,
}

impl GroupDocument {
    /// Whether it is a share group (KIP-932): its offsets are where it starts, and it commits none.
    pub fn is_share(&self) -> bool {
        self.group_type.eq_ignore_ascii_case("share")
    }
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Its id, given by the coordinator or chosen by itself.
    pub member_id: String,
    /// Its `group.instance.id`, where it is a static member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it was connected from.
    pub host: String,
    /// The partitions that it read, by topic.
    pub assignment: BTreeMap<String, Vec<i32>>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset that the group would read.
    pub offset: i64,
    /// The leader epoch of the record before it; −1 where it was not given.
    pub leader_epoch: i32,
    /// The consumer's own text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}
